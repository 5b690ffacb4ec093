"""What the runtime makes of a reply: only what its own parsers accept is worth learning.

Each reader returns what the reply stands for, so that it can be held against what the run did with it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from nightshift.diagnosis import read_diagnosis
from nightshift.domain import Diagnosis, Plan
from nightshift.errors import EditRejected, ReplyRejected
from nightshift.plan import read_plan
from nightshift.source.blocks import after_thinking
from nightshift.source.edits import apply_edits, parse_edits
from nightshift.source.replies import extract_code, extract_json

Value = Plan | Diagnosis | str


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a reply must come to."""

    read: Callable[[str], Value]
    """Raises ReplyRejected or EditRejected."""
    fits: Callable[[Any], bool] = lambda value: True


def spoken(text: str, wanted: Wanted) -> str | None:
    """The reply without its thinking, or as it came where that means something else; None when neither will do."""
    versions = dict.fromkeys((after_thinking(text)[0].lstrip("\n"), text))
    return next((version for version in versions if _will_do(version, wanted)), None)


def a_plan(text: str) -> Plan:
    return read_plan(extract_json(text, stop_reason="stop"))


def a_diagnosis(paths: Mapping[str, str]) -> Callable[[str], Diagnosis]:
    return lambda text: read_diagnosis(extract_json(text, stop_reason="stop"), dict(paths))


def a_file(path: str) -> Callable[[str], str]:
    return lambda text: extract_code(text, language=_language(path), path=path)


def edits_of(path: str, before: str) -> Callable[[str], str]:
    return lambda text: apply_edits(before, parse_edits(text, path), language=_language(path))


def _language(path: str) -> Literal["python", "text"]:
    return "python" if path.endswith(".py") else "text"


def _will_do(text: str, wanted: Wanted) -> bool:
    try:
        return wanted.fits(wanted.read(text))
    except (ReplyRejected, EditRejected):
        return False
