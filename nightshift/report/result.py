"""result.json: the outcome of a run as other programs read it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from nightshift.disk import write_atomically
from nightshift.domain import EXIT_CODES, CriterionResult, ExitReason, Verdict
from nightshift.project.baseline import Baseline
from nightshift.project.before import baseline_of
from nightshift.project.retest import regressed
from nightshift.project.standing import PASSES_NOW
from nightshift.records import (
    Record,
    as_json,
    attempt_number,
    criteria_of,
    deciding_verdict,
    doubted_tests,
    elapsed_of,
    of_kind,
    outcome_of,
    proof_of,
    settled,
    started_with,
    usage_of,
)
from nightshift.report.cache import cache_use

__all__ = ["result_of", "write_atomically"]


def result_of(records: Sequence[Record]) -> dict[str, Any]:
    """The fields of result.json, all of them, for a run in whatever state it is."""
    told = settled(records)
    started = started_with(records)
    delivered = next((record.fields for record in reversed(told) if record.kind in ("delivered", "kept")), {})
    criteria, ending = criteria_of(records), _ending(records)
    return {
        "run": records[0].run if records else "",
        "task": started.get("task", {}).get("prompt", ""),
        **ending,
        # Only user checks can be green before anything is built.
        "proof": "user" if ending["exit_reason"] == "already_green" else proof_of(criteria),
        "attempts": max((attempt_number(record) for record in told), default=0),
        "criteria": [_criterion(result) for result in criteria],
        "tests": {**_tests(deciding_verdict(records)), **since(records), "doubted": doubted_tests(records)},
        "baseline": _baseline(baseline_of(records)),
        "remote": bool(started.get("remote")),
        "usage": {**as_json(usage_of(records)), "wall_seconds": round(elapsed_of(records), 3)},
        "files": delivered.get("files", []),
        "branch": delivered.get("branch"),
        "commit": delivered.get("commit"),
        "models": started.get("models", {}),
        "counters": _counters(records),
    }


def _ending(records: Sequence[Record]) -> dict[str, Any]:
    """A run without an end was killed, so it is interrupted and can be resumed."""
    outcome = outcome_of(records)
    fields: Mapping[str, Any] = outcome.fields if outcome else {"status": "interrupted", "exit_reason": "interrupted"}
    reason: ExitReason = fields.get("exit_reason", "internal_error")
    return {
        "status": fields.get("status", "error"),
        "exit_reason": reason,
        "exit_code": fields.get("exit_code", EXIT_CODES.get(reason, 70)),
    }


def _criterion(result: CriterionResult) -> dict[str, Any]:
    return {
        "id": result.criterion.id,
        "description": result.criterion.description,
        "check": as_json(result.criterion.check),
        "passed": result.passed,
        "guard": result.criterion.guard,
        "channel": result.channel,
        "evidence": result.evidence,
    }


def _tests(verdict: Verdict | None) -> dict[str, Any]:
    """A test that neither passed nor was skipped failed: an error or an unexpected pass is no success."""
    report = verdict.report if verdict else None
    outcomes = Counter(result.outcome for result in report.results) if report else Counter[str]()
    skipped = outcomes["skipped"] + outcomes["xfailed"]
    return {
        "collected": report.collected if report else 0,
        "passed": outcomes["passed"],
        "failed": outcomes.total() - outcomes["passed"] - skipped,
        "skipped": skipped,
        "oracle": sum(result.channel == "oracle" for result in report.results) if report else 0,
        "quarantined": as_json(verdict.quarantined) if verdict else [],
    }


def since(records: Sequence[Record]) -> dict[str, Any]:
    """What became of the tests that were there before."""
    verdict, before = deciding_verdict(records), baseline_of(records)
    report = verdict.report if verdict else None
    uncollected = [path for path, _ in report.collection_errors] if report else []
    lost = [path for path in uncollected if any(node.startswith(f"{path}::") for node in before.passed)]
    passing = {result.node for result in report.results if result.outcome == "passed"} if report else set[str]()
    passing |= {q.node for q in verdict.quarantined if q.reason.endswith(PASSES_NOW)} if verdict else set()
    return {
        "regressed": [*lost, *regressed(before, report.results if report else ())],
        "fixed": sorted(node for node in before.broken if node in passing),
    }


def _baseline(before: Baseline) -> dict[str, Any]:
    """What the tests said before anything was touched; numbers, and the names of what deserves a look."""
    return {
        "passed": len(before.passed),
        "failed": len(before.broken),
        "failing": sorted(before.broken),
        "flaky": list(before.flaky),
        "slow": dict(before.slow),
        "unknown": len(before.unknown),
        "unusable": list(before.unusable),
    }


def _counters(records: Sequence[Record]) -> dict[str, float]:
    outcome = outcome_of(records)
    prompts = {f"prompts_{name}": figure for name, figure in cache_use(records).figures().items() if figure is not None}
    parts = {"resumed": len(of_kind(records, "resumed")), **prompts}
    return {**parts, **(outcome.fields.get("counters") or {})} if outcome else parts
