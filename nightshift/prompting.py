"""Prompts are Markdown files in prompts/ with $variables, rendered strictly: a missing or surplus variable raises.

Above the first line `---` stands the constant text, which becomes the system message; below it stands what
varies, ordered run, file, candidate, so that a server can reuse the longest possible prefix. A section whose
variables are all empty is left out with its heading.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from string import Template

from nightshift.domain import Message

PROMPTS = Path(__file__).resolve().parent.parent / "prompts"


def render(name: str, **variables: str) -> tuple[Message, Message]:
    """The system and user message of `prompts/<name>.md`. Raises PromptError unless the variables fit exactly."""
    system, user = _template(name)
    wanted = set(Template(user).get_identifiers())
    if wanted != variables.keys():
        missing, surplus = sorted(wanted - variables.keys()), sorted(variables.keys() - wanted)
        raise PromptError(f"prompts/{name}.md: missing variables {missing}, surplus variables {surplus}")
    values = {key: value.strip("\n") for key, value in variables.items()}
    sections = [_filled(Template(section), values) for section in re.split(r"(?m)^(?=# )", user)]
    return Message("system", system), Message("user", "".join(sections).strip() + "\n")


class PromptError(Exception):
    """A prompt and its caller disagree: a defect of ours."""


def _filled(section: Template, values: Mapping[str, str]) -> str:
    names = section.get_identifiers()
    return "" if names and not any(values[name] for name in names) else section.substitute(values)


@cache
def _template(name: str) -> tuple[str, str]:
    text = (PROMPTS / f"{name}.md").read_text(encoding="utf-8")
    system, mark, user = text.partition("\n---\n")
    if not mark or Template(system).get_identifiers():
        raise PromptError(f"prompts/{name}.md needs constant text, a line '---', and the variables below it")
    return system.strip() + "\n", user


def tail(text: str, limit: int) -> str:
    """The last `limit` characters from a line's start on: in a traceback, the end tells the cause."""
    if len(text) <= limit:
        return text
    cut = text[-limit:]
    return "[...]\n" + cut[cut.find("\n") + 1 :]


def head(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[:limit].rsplit("\n", 1)[0] + "\n[...]"


def fenced(text: str, language: str = "python") -> str:
    """A fence longer than any inside, so that the text cannot close it."""
    ticks = "```"
    while ticks in text:
        ticks += "`"
    return f"{ticks}{language}\n{text.rstrip()}\n{ticks}"


def bullets(items: tuple[str, ...] | list[str]) -> str:
    return "\n".join(f"- {item}" for item in items) or "(none)"
