"""Reading a run's trace: records, the JSON form of domain values, and what the records add up to.

    records = read_trace(run_dir / "trace.jsonl")
    plan = plan_of(records)

Every report, figure, memory and training example is derived from these functions. Nothing here writes, and a
record whose kind is not known is carried along: readers pick records by kind and so skip it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

from nightshift.codec import as_json, from_json
from nightshift.domain import (
    Attempt,
    CriterionResult,
    Diagnosis,
    Plan,
    Proof,
    Usage,
    Verdict,
)
from nightshift.errors import ConfigError, Refused

__all__ = [
    "KINDS", "Record", "TraceDamaged", "as_json", "as_line", "attempt_number", "attempts_of", "criteria_of",
    "deciding_verdict", "doubted_tests", "elapsed_of", "find_run", "from_json", "of_kind", "outcome_of", "plan_of",
    "proof_of", "proved", "read_trace", "record_of", "runs_in", "selections", "settled", "started_with", "stream_trace",
    "usage_of", "value_of",
]  # fmt: skip

T = TypeVar("T")

KINDS: Mapping[str, str] = {
    "run_started": "What the run is: task, settings, models, isolation. Always the first.",
    "explored": "What was there before the work began, as the planner is told it.",
    "baseline": "What the project's tests said before anything was touched: passed, failed, flaky, slow.",
    "planned": "A plan as the model gave it, and why it was refused, if it was.",
    "accepted": "The tests of a file that were accepted from the samples of the tester, before any code was written.",
    "asked": "A request is about to be sent to a model server; on disk before it is.",
    "call": "A reply of a model, whole, with the exact request, the tokens and the times.",
    "evaluation": "A candidate with its text and the rungs of the ladder that it climbed.",
    "selected": "Which candidate, sample or result of a race was taken, and why.",
    "executed": "What a process in the sandbox did, when a resumed run must not do it again.",
    "verdict": "What the criteria and the tests said of the whole tree.",
    "diagnosis": "The root cause of a failed attempt: whys, culprits, advice.",
    "cascade": "Which files are built again because of a diagnosis, and which tests are only run again.",
    "effort": "A decision of the ladder of effort, with its reason.",
    "repair": "A file that was mended or sampled anew: by a fix without a model, by a repairer, or by another start.",
    "splice": "A file put together from functions of several candidates, and whether it was better.",
    "trust": "What mutants and reruns said of the generated tests.",
    "guard": "A rule of ours that stepped in: a reply refused, a loop broken, a blame moved.",
    "policy": 'An answer of the policy to a write, a command, a commit or "done".',
    "fault": "A request that failed, and how.",
    "server": "A model server of our own: started, ready, ended.",
    "resumed": "From here on another process goes on with the run.",
    "delivered": "What the user got: files, branch, commit.",
    "kept": "Where the best tree stays when nothing was delivered.",
    "recalled": "What earlier runs taught, as it entered a prompt.",
    "learned": "What this run taught, and what was refused.",
    "run_finished": "How it ended. Always the last.",
}
"""What each kind of record tells; a reader skips kinds it does not know."""

# What each part of a resumed run may tell again; the rest happened once for each record of it.
_RETOLD = frozenset(KINDS) - {"run_started", "resumed", "asked", "call", "fault", "server", "executed"}
_CONCLUDED = ("passed", "failed", "limit")


class TraceDamaged(Refused):
    """A trace is wrong in its middle; a cut last line is no damage."""


@dataclass(frozen=True, slots=True)
class Record:
    seq: int
    time: str
    """UTC, ISO 8601 with milliseconds."""
    run: str
    kind: str
    span: str
    fields: Mapping[str, Any]


def read_trace(path: Path) -> list[Record]:
    """All records of a trace. Raises TraceDamaged, naming the line, when any but the last is bad."""
    return list(stream_trace(path))


def stream_trace(path: Path) -> Iterator[Record]:
    """Like read_trace, one record at a time."""
    if not path.is_file():
        raise ConfigError(f"there is no trace at {path}; `python3 trace_collector.py list` shows the runs there are")
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            try:
                record = record_of(line)
            except ValueError as problem:
                if not file.read(1):
                    return  # the writer was killed in the middle of this line
                raise _damaged(path, number, str(problem)) from None
            if record.seq != number:
                raise _damaged(path, number, f"seq {record.seq} where {number} belongs")
            yield record


def record_of(line: bytes) -> Record:
    """Raises ValueError when the line is not one whole record."""
    if not line.endswith(b"\n"):
        raise ValueError("the line is cut off")
    try:
        data = json.loads(line)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if not isinstance(data, dict):
        raise ValueError("not a JSON object")
    base = {name: data.pop(name, None) for name in ("seq", "time", "run", "kind", "span")}
    if type(base["seq"]) is not int or not all(isinstance(base[n], str) for n in ("time", "run", "kind", "span")):
        raise ValueError("seq, time, run, kind or span is missing or of the wrong type")
    if datetime.fromisoformat(base["time"]).tzinfo is None:
        raise ValueError("its time has no zone")
    return Record(**base, fields=data)


def as_line(record: Record) -> bytes:
    """One line of ASCII, so that neither odd line ends nor lone surrogates can break the file."""
    base = {name: getattr(record, name) for name in ("seq", "time", "run", "kind", "span")}
    return json.dumps({**base, **record.fields}, allow_nan=False).encode() + b"\n"


def runs_in(workspace: Path) -> list[Path]:
    """The run folders of a workspace, newest first."""
    folder = workspace / ".nightshift" / "runs"
    runs = (path for path in folder.iterdir() if (path / "trace.jsonl").is_file()) if folder.is_dir() else ()
    return sorted(runs, key=lambda path: path.name, reverse=True)


def find_run(workspace: Path, name: str = "") -> Path:
    """The run folder with that id, unique start of an id, or path; the newest for no name or `latest`."""
    direct = Path(name)
    name = "" if name == "latest" else name
    if name and (direct / "trace.jsonl").is_file():
        return direct
    runs = [path for path in runs_in(workspace) if path.name.startswith(name)]
    exact = [path for path in runs if path.name == name]
    if not runs:
        wanted = f"no run {name!r}" if name else "no run yet"
        raise ConfigError(f"{wanted} in {workspace / '.nightshift' / 'runs'}; give --workspace DIR or a run's folder")
    if name and not exact and len(runs) > 1:
        raise ConfigError(f"{name!r} begins more than one run: {', '.join(path.name for path in runs[:5])}")
    return (exact or runs)[0]


def settled(records: Sequence[Record]) -> list[Record]:
    """The run told once: what a resumed part repeated is taken from the last part that told it.

    When that last part came to a conclusion, the kinds it told are its own alone: an earlier part may hold
    attempts that the replay, by newer code, never made.
    """
    parts = _parts(records)
    final = parts[-1] if parts else 0
    last = {_identity(record): part for record, part in zip(records, parts, strict=True)}
    outcome = outcome_of(records)
    concluded = outcome is not None and outcome.fields.get("status") in _CONCLUDED
    told = {r.kind for r, p in zip(records, parts, strict=True) if p == final and _keyless(r)} if concluded else set()
    return [
        record
        for record, part in zip(records, parts, strict=True)
        if last[_identity(record)] == part and (part == final or not (_keyless(record) and record.kind in told))
    ]


def of_kind(records: Iterable[Record], *kinds: str) -> list[Record]:
    return [record for record in records if record.kind in kinds]


def selections(records: Iterable[Record]) -> list[Record]:
    """Which candidate was chosen for a file; the records of races, which only name who came first, left out."""
    return [record for record in of_kind(records, "selected") if record.fields.get("key") != "race"]


def attempt_number(record: Record) -> int:
    """The attempt a record belongs to; 0 for what comes before the first."""
    told = record.fields.get("attempt")
    if record.kind in ("verdict", "diagnosis", "cascade") and isinstance(told, int):
        return told
    found = re.match(r"attempt-(\d+)(?:/|$)", record.span)
    return int(found[1]) if found else 0


def outcome_of(records: Sequence[Record]) -> Record | None:
    """The run_finished record that stands: none when the run was resumed after it."""
    ends = of_kind(records, "run_finished", "resumed")
    return ends[-1] if ends and ends[-1].kind == "run_finished" else None


def started_with(records: Iterable[Record]) -> Mapping[str, Any]:
    """The fields of run_started; those of the last part, whose models and isolation may differ."""
    started = of_kind(records, "run_started")
    return started[-1].fields if started else {}


def value_of(cls: type[T], record: Record, name: str) -> T:
    """The domain value in a field of a record. Raises TraceDamaged when it is none."""
    try:
        return from_json(cls, record.fields.get(name))
    except ValueError as problem:
        raise TraceDamaged(
            f"record {record.seq} of run {record.run}: {problem}. "
            "`python3 trace_collector.py validate` lists all that is wrong with it"
        ) from problem


def plan_of(records: Sequence[Record]) -> Plan | None:
    """The plan in force: the last accepted one."""
    plans = [record for record in of_kind(settled(records), "planned") if record.fields.get("accepted")]
    return value_of(Plan, plans[-1], "plan") if plans else None


def doubted_tests(records: Sequence[Record]) -> list[Mapping[str, Any]]:
    """The generated tests with something against them, as last told: node, score from 0 to 1, doubts."""
    told = of_kind(settled(records), "trust")
    return [test for test in told[-1].fields.get("tests") or () if test.get("doubts")] if told else []


def attempts_of(records: Sequence[Record]) -> tuple[Attempt, ...]:
    """The attempts that came to a verdict."""
    told = settled(records)
    verdicts = {attempt_number(r): value_of(Verdict, r, "verdict") for r in of_kind(told, "verdict")}
    diagnoses = {attempt_number(r): value_of(Diagnosis, r, "diagnosis") for r in of_kind(told, "diagnosis")}
    built: dict[int, list[str]] = {}
    for record in selections(told):
        built.setdefault(attempt_number(record), []).append(str(record.fields.get("path")))
    return tuple(
        Attempt(n, tuple(dict.fromkeys(built.get(n, ()))), verdict, diagnoses.get(n))
        for n, verdict in sorted(verdicts.items())
    )


def deciding_verdict(records: Sequence[Record]) -> Verdict | None:
    """What was said of the tree the run ends with: the last verdict that passed, else the first best."""
    verdicts = [attempt.verdict for attempt in attempts_of(records)]
    passed = [verdict for verdict in verdicts if verdict.passed]
    return passed[-1] if passed else max(verdicts, key=lambda verdict: verdict.share, default=None)


def criteria_of(records: Sequence[Record]) -> tuple[CriterionResult, ...]:
    """Each criterion with what was said of it in the end; before any verdict, as not judged."""
    verdict = deciding_verdict(records)
    if verdict:
        return verdict.results
    plan = plan_of(records)
    return tuple(CriterionResult(c, False, "cold", "not judged") for c in plan.criteria) if plan else ()


def proof_of(results: Iterable[CriterionResult]) -> Proof:
    """Whose checks took part: the user's, the run's own, or both."""
    sides = {result.criterion.trusted for result in results}
    if sides == {True}:
        return "user"
    return "mixed" if True in sides else "self"


def proved(records: Sequence[Record]) -> bool:
    """The run passed, or, while it is still going on, its last verdict did."""
    outcome = outcome_of(records)
    if outcome and outcome.fields.get("status") != "passed":
        return False
    verdict = deciding_verdict(records)
    return verdict is not None and verdict.passed


def usage_of(records: Iterable[Record]) -> Usage:
    """Calls are the requests sent (`asked`), tokens and seconds those of the replies (`call`)."""
    total = Usage()
    for record in records:
        if record.kind == "asked":
            total += Usage(calls=1)
        elif record.kind == "call":
            total += _usage_of_call(record.fields)
    return total


def elapsed_of(records: Iterable[Record]) -> float:
    """Seconds the run was alive: each part from start to last record; a clock set back counts as nothing."""
    total = 0.0
    before: datetime | None = None
    for record in records:
        now = datetime.fromisoformat(record.time)
        if before is not None and record.kind != "resumed":
            total += max(0.0, (now - before).total_seconds())
        before = now
    return total


def _damaged(path: Path, number: int, problem: str) -> TraceDamaged:
    return TraceDamaged(
        f"{path}, line {number}: {problem}. The lines before it are intact: keep a copy, cut the file "
        f"there (head -n {number - 1}) and resume, or start a new run"
    )


def _parts(records: Sequence[Record]) -> list[int]:
    """For each record the number of times the run had been resumed by then."""
    parts: list[int] = []
    part = 0
    for record in records:
        part += record.kind == "resumed"
        parts.append(part)
    return parts


def _identity(record: Record) -> tuple[str, str, object]:
    distinct = repr(record.fields.get("key")) if record.kind in _RETOLD else record.seq
    return record.kind, record.span, distinct


def _keyless(record: Record) -> bool:
    return record.kind in _RETOLD and "key" not in record.fields


def _usage_of_call(fields: Mapping[str, Any]) -> Usage:
    return Usage(
        prompt_tokens=fields.get("prompt_tokens") or 0,
        cached_tokens=fields.get("cached_tokens") or 0,
        completion_tokens=fields.get("completion_tokens") or 0,
        model_seconds=fields.get("seconds") or 0.0,
    )
