"""Records that the live console passes over, in a line each, for those who read a trace record by record."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Callable

from nightshift.domain import ExecResult, TestReport
from nightshift.records import Record, value_of
from nightshift.report.text import counted, duration, one_line


def detail_of(record: Record) -> str:
    """The record in a line; empty for a kind that has no words here."""
    teller = _TELLERS.get(record.kind)
    return one_line(teller(record))[:1000] if teller else ""


def _asked(record: Record) -> str:
    fields = record.fields
    return f"{fields.get('role')} at {fields.get('endpoint')} ({fields.get('model')}), try {fields.get('attempt')}"


def _effort(record: Record) -> str:
    taken = "" if record.fields.get("taken") else "not asked, "
    return f"{record.fields.get('path')}: {record.fields.get('move')}: {taken}{record.fields.get('reason')}"


def _executed(record: Record) -> str:
    if record.fields.get("what") == "test":
        return _tested(value_of(TestReport, record, "result"))
    done = value_of(ExecResult, record, "result")
    return f"ran {shlex.join(done.argv)[:300]}: {_ending(done)}"


def _tested(report: TestReport) -> str:
    counts = Counter(result.outcome for result in report.results)
    outcomes = ", ".join(f"{number} {outcome}" for outcome, number in counts.items())
    broken = f", {counted(len(report.collection_errors), 'file')} not collected" if report.collection_errors else ""
    ending = f": {_ending(report.exec)}" if report.exec else ""
    return f"ran {counted(report.collected, 'test')}: {outcomes or 'no outcome'}{broken}{ending}"


def _ending(done: ExecResult) -> str:
    return f"{'timed out' if done.timed_out else f'exit code {done.exit_code}'} after {duration(done.seconds)}"


def _learned(record: Record) -> str:
    return "no lesson" if not record.fields.get("lessons") else ""


def _recalled(record: Record) -> str:
    number = len(record.fields.get("ids") or ())
    return f"recalled {counted(number, 'piece')} of earlier work" if number else "nothing recalled"


def _policy(record: Record) -> str:
    return f"may touch {record.fields.get('path')}: {record.fields.get('reason', '')}"


def _race(record: Record) -> str:
    came = ", ".join(map(str, record.fields.get("considered") or ())) or "none"
    return f"race for {record.fields.get('path')}: came {came}; {record.fields.get('reason')}"


def _server(record: Record) -> str:
    fields = record.fields
    what = f"{fields.get('event')} {fields.get('model') or ''} at {fields.get('url')}"
    return f"{what}, restarts: {fields.get('restarts')}"


def _splice(record: Record) -> str:
    taken = ", ".join(map(str, record.fields.get("names") or ()))
    made = f"{record.fields.get('base')} with {taken} of {record.fields.get('donor')}"
    return f"{record.fields.get('path')}: {made}: {'kept' if record.fields.get('kept') else 'no better'}"


def _trust(record: Record) -> str:
    return f"{counted(len(record.fields.get('tests') or ()), 'test')} tried, none in doubt"


_TELLERS: dict[str, Callable[[Record], str]] = {
    "asked": _asked,
    "effort": _effort,
    "executed": _executed,
    "learned": _learned,
    "policy": _policy,
    "selected": _race,
    "recalled": _recalled,
    "server": _server,
    "splice": _splice,
    "trust": _trust,
}
