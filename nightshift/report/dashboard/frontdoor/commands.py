"""What a chat message asks for. Only a message that begins with a command starts anything.

Chat programs also send requests of their own, for titles and tags; those are no commands and cost nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

Name = Literal["build", "plan", "specify", "implement", "resume"]
_COMMAND = re.compile(r"/(?:speckit\.)?(build|plan|specify|implement|resume)(?!\S)\s*(.*)", re.DOTALL)

HELP = """This is Nightshift: it builds and proves code in {workspace}. A message that begins with a command
starts a run:

    /build TASK      plan, build, test, until it is proved or handed over
    /plan TASK       only plan it, and show the plan with its criteria
    /specify TASK    only plan it, and show the plan in short
    /plan HOW        after /specify: plan that task again, done this way
    /implement       build the last plan that was made here
    /resume          go on with the last run

Anything else is answered with this text. Stopping the answer stops the run; /resume goes on with it."""


@dataclass(frozen=True, slots=True)
class Wish:
    name: Name
    task: str = ""
    """Empty: what was planned or run here last."""


def wish_of(messages: Sequence[Mapping[str, Any]]) -> Wish | None:
    """What the last message asks for, if it is a user's and a command."""
    wish = _read(messages[-1]) if messages else None
    if wish is None or (wish.name in ("build", "specify") and not wish.task):
        return None
    if wish.name == "plan":
        earlier = [told.task for message in messages[:-1] if (told := _read(message)) and told.name == "specify"]
        return Wish("plan", "\n\n".join(filter(None, (*earlier[-1:], wish.task))))
    return wish


def _read(message: Mapping[str, Any]) -> Wish | None:
    found = _COMMAND.fullmatch(text_of(message.get("content")).strip()) if message.get("role") == "user" else None
    return Wish(cast(Name, found[1]), found[2].strip()) if found else None


def text_of(content: object) -> str:
    """A message's text, also when it comes in parts."""
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    texts = (part.get("text") for part in parts if isinstance(part, dict) and part.get("type") == "text")
    return "\n".join(text for text in texts if isinstance(text, str))
