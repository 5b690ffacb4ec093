"""A file out of a builder's reply, whole or through edits, and into its prompt, whole or as an outline."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from nightshift.domain import Completion, Step
from nightshift.errors import EditRejected, ReplyRejected
from nightshift.policy import BUILT_IN, Policy, Write, deny_text
from nightshift.prompting import fenced
from nightshift.search.brief import Brief
from nightshift.search.wording import fence_of
from nightshift.source.edits import apply_edits, parse_edits
from nightshift.source.outline import outlined
from nightshift.source.ranking import words_of
from nightshift.source.replies import check_substance, extract_code

FILE_CHARS = 24_000
"""A longer file is outlined, and what it leaves out opened by symbol."""


@dataclass(frozen=True, slots=True)
class Laws:
    """What no file may hold."""

    policy: Policy = BUILT_IN
    secrets: frozenset[str] = field(default=frozenset(), repr=False)
    """The user's own values."""


def code_of(step: Step, laws: Laws, previous: str = "") -> Callable[[Completion], str]:
    language = _language(step.path)

    def read(reply: Completion) -> str:
        text = extract_code(reply.text, stop_reason=reply.stop_reason, language=language, path=step.path)
        _refuse_unfit(text, step, laws, previous)
        return text

    return read


def edited(step: Step, laws: Laws, present: str) -> Callable[[Completion], str]:
    def read(reply: Completion) -> str:
        if reply.stop_reason != "stop":
            raise ReplyRejected("truncated", "the reply ended before its last edit; make fewer and shorter edits")
        try:
            edits = parse_edits(reply.text, step.path)
            text = apply_edits(present, edits, language=_language(step.path))
        except EditRejected as error:
            raise ReplyRejected("edit", str(error)) from error
        _refuse_unfit(text, step, laws, previous=present)
        return text

    return read


def shown(brief: Brief, present: str, evidence: str) -> str:
    """The file to change; of a very long one what the task and the failures speak of, the rest as an outline."""
    path = brief.step.path
    words = words_of(f"{brief.step.purpose}\n{brief.task.prompt}\n{brief.advice}")
    lines = [int(line) for line in re.findall(rf"{re.escape(path)}\"?(?:, line |:)(\d+)", evidence)]
    text = outlined(present, path, words=words, lines=lines, limit=FILE_CHARS)
    return fenced(text, fence_of(path)) if present else ""


def _refuse_unfit(text: str, step: Step, laws: Laws, previous: str) -> None:
    """Raises ReplyRejected for a file that holds no real code, or that the policy denies."""
    python = _language(step.path) == "python"
    if step.kind == "source" if python else previous:
        check_substance(text, previous=previous)
    write = Write(step.path, text, previous=previous, kind=step.kind, policy=laws.policy, secrets=laws.secrets)
    if reason := deny_text(write):
        raise ReplyRejected("policy", reason)


def _language(path: str) -> Literal["python", "text"]:
    return "python" if path.endswith(".py") else "text"
