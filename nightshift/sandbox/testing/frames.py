"""From the frames that the plugin sent to a TestReport; the process that sent them ran code nobody trusts.

A report is complete only if its frames are whole and in order, the session said that it finished, the tests
told are the tests collected, the canaries failed, and both exit statuses are what these results lead to.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, get_args

from nightshift.domain import ExecResult, Outcome, TestReport, TestResult

DETAIL_CHARS = 2000
OUTCOMES = frozenset(get_args(Outcome))
TAMPERED = "a test that must fail did not: something in the tree changes what pytest reports"

INTERNAL = re.compile(
    r"^(?:/[^\n]*/(?:_pytest|pluggy|importlib)/|/[^\n]*/ast\.py|/[^\n]*/_nightshift/[\w/]+\.py|<frozen )"
    r"[^\n]*: in [^\n]*\n(?:    [^\n]*\n)*",
    re.MULTILINE,
)
"""Frames of the machinery that imports a file: they would push the error itself out of the tail."""

VOLATILE = (
    (INTERNAL, ""),
    (re.compile(r"\b0x[0-9a-fA-F]{4,}"), "0x..."),
    (re.compile(r"\b(in|took) \d+(\.\d+)? ?(s|ms|seconds)\b"), r"\1 N \3"),
    (re.compile(r"pytest-of-[\w-]+/pytest-\d+"), "pytest"),
    (re.compile(r"/tmp/tmp[a-z0-9_]{8}"), "/tmp/tmp..."),
)


@dataclass(slots=True)
class Told:
    """What one session said, before anybody believes it."""

    ids: list[str] = field(default_factory=list)
    results: list[TestResult] = field(default_factory=list)
    errors: list[tuple[str, str]] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)
    """Files that were skipped as a whole -> reason."""
    running: str = ""
    canaries: int = 0
    dead_canaries: int = 0
    live_canaries: int = 0
    status: int | None = None
    sound: bool = True
    linked: bool = False
    """The link to the code held to the end."""
    notes: list[str] = field(default_factory=list)
    unsupported: dict[str, str] = field(default_factory=dict)
    """Test file -> what it did that cannot be done across two processes."""
    lines: dict[str, dict[str, tuple[int, ...]]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Asked:
    """What the session was asked, as far as its answer is judged by it."""

    key: str
    nodes: Sequence[str]
    tree: str
    tmp: str
    """Both as the session knew them."""
    test_seconds: float
    stop_early: bool = False
    linked: bool = False
    """The code under test was in another process."""
    lines_of: Collection[str] = ()
    hash_seed: int = 0


def report_of(asked: Asked, frames: bytes, ran: ExecResult, silent_seconds: float = 0.0) -> TestReport:
    return report_on(read(frames, asked), asked, ran, silent_seconds)


def report_on(told: Told, asked: Asked, ran: ExecResult, silent_seconds: float) -> TestReport:
    if told.running:
        overdue = ran.timed_out or silent_seconds >= asked.test_seconds
        late = f"timed out after {asked.test_seconds:g} s"
        why = late if overdue else f"the process ended with {ran.exit_code} in this test"
        told.results.append(TestResult(told.running, "failed", detail=why))
    errors = [*told.errors, *empty_nodes(asked.nodes, told)]
    if told.live_canaries:
        errors.append(("conftest.py", TAMPERED))
    if told.status is None and not told.ids and not told.errors:
        said = normalised(ran.stderr or ran.stdout, asked)
        why = f"pytest ended with {ran.exit_code} before it collected: {said}"
        errors = [(node, why) for node in asked.nodes]
    return TestReport(
        results=tuple(told.results),
        collected=len(told.ids),
        collection_errors=tuple(errors),
        exec=ran,
        complete=complete(told, ran, stop_early=asked.stop_early) and told.linked == asked.linked,
        lines=told.lines,
    )


def complete(told: Told, ran: ExecResult, *, stop_early: bool) -> bool:
    failed = any(result.outcome in ("failed", "error") for result in told.results) or bool(told.errors)
    ids = [result.node for result in told.results]
    proved = told.dead_canaries == told.canaries > 0 or not told.ids or failed
    all_ran = sorted(ids) == sorted(told.ids) and proved
    expected = 1 if failed else 0 if told.ids else 5
    return (
        told.sound
        and not ran.timed_out
        and not told.running
        and not told.live_canaries
        and len(set(told.ids)) == len(told.ids)
        and len(set(ids)) == len(ids)
        and set(ids) <= set(told.ids)
        and (all_ran or (stop_early and failed))
        and told.status == ran.exit_code == expected
    )


def read(frames: bytes, asked: Asked) -> Told:
    told = Told()
    for number, line in enumerate(frames.split(b"\n")[:-1]):
        try:
            frame = json.loads(line)
            if frame["key"] != asked.key or frame["n"] != number or told.status is not None:
                raise ValueError("a frame that is not the session's next one")
            HEAR[frame["kind"]](told, frame, asked)
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError, OverflowError):
            told.sound = False
    told.sound = told.sound and frames.endswith(b"\n")
    return told


def hear_unloaded(told: Told, frame: Mapping[str, Any], asked: Asked) -> None:
    path = str(frame["id"]).partition("::")[0] or "."
    if frame["skipped"]:
        told.skipped[path] = normalised(str(frame["detail"]), asked)
    else:
        told.errors.append((path, normalised(str(frame["detail"]), asked)))


def hear_collected(told: Told, frame: Mapping[str, Any], asked: Asked) -> None:
    told.ids += [str(node) for node in frame["ids"]]


def hear_canaries(told: Told, frame: Mapping[str, Any], asked: Asked) -> None:
    told.canaries += int(frame["count"])


def hear_canary(told: Told, frame: Mapping[str, Any], asked: Asked) -> None:
    told.dead_canaries += frame["state"] == "dead"
    told.live_canaries += frame["state"] == "live"


def hear_start(told: Told, frame: Mapping[str, Any], asked: Asked) -> None:
    told.running = str(frame["id"])


def hear_lines(told: Told, frame: Mapping[str, Any], asked: Asked) -> None:
    if frame["id"] != told.running or not asked.lines_of:
        raise ValueError("lines that nobody asked for")
    ran = {path: tuple(numbers) for path, numbers in frame["ran"].items() if path in asked.lines_of}
    if any(type(number) is not int for numbers in ran.values() for number in numbers):
        raise ValueError("a line that has no number")
    told.lines[told.running] = ran


def hear_test(told: Told, frame: Mapping[str, Any], asked: Asked) -> None:
    if frame["id"] != told.running or frame["outcome"] not in OUTCOMES:
        raise ValueError("the result of a test that was not running")
    told.running = ""
    detail = normalised(str(frame["detail"]), asked)
    told.results.append(TestResult(frame["id"], frame["outcome"], float(frame["seconds"]), detail))


def hear_finish(told: Told, frame: Mapping[str, Any], asked: Asked) -> None:
    told.status = int(frame["status"])


def hear_link(told: Told, frame: Mapping[str, Any], asked: Asked) -> None:
    told.linked = frame["broken"] is False


def hear_note(told: Told, frame: Mapping[str, Any], asked: Asked) -> None:
    told.notes.append(normalised(str(frame["what"]), asked))


def hear_unsupported(told: Told, frame: Mapping[str, Any], asked: Asked) -> None:
    told.unsupported[str(frame["path"])] = str(frame["why"])


HEAR = {
    "unloaded": hear_unloaded, "collected": hear_collected, "canaries": hear_canaries, "canary": hear_canary,
    "start": hear_start, "lines": hear_lines, "test": hear_test, "finish": hear_finish, "link": hear_link,
    "note": hear_note, "unsupported": hear_unsupported,
}  # fmt: skip


def empty_nodes(nodes: Sequence[str], told: Told) -> list[tuple[str, str]]:
    """What was asked for and gave no test, unless its file already has an error of its own."""
    failed = {path for path, _ in told.errors}
    errors = []
    for node in dict.fromkeys(nodes):
        path = node.partition("::")[0]
        if path in failed or any(within(known, node) for known in told.ids):
            continue
        skipped = told.skipped.get(path)
        reason = f"skipped as a whole: {skipped}" if skipped else f"no test was collected from {node}"
        errors.append((path, reason))
    return errors


def within(known: str, node: str) -> bool:
    return known == node or known.startswith((f"{node}::", f"{node}[", f"{node}/"))


def normalised(text: str, asked: Asked) -> str:
    """The tail of evidence without what differs from run to run: prompts are built from it, and replayed."""
    text = text.replace(asked.tree + "/", "").replace(asked.tree, ".").replace(asked.tmp, "/tmp")
    for pattern, constant in VOLATILE:
        text = pattern.sub(constant, text)
    if len(text) <= DETAIL_CHARS:
        return text.strip("\n")
    tail = text[-DETAIL_CHARS:]
    return "...\n" + tail.partition("\n")[2].strip("\n") if "\n" in tail[:-1] else "..." + tail
