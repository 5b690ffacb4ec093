"""From a brief to the best file that can be had: one candidate, then more, then repairs, then a fresh start.

The waves are a list; each is asked only because the one before left no candidate that climbs every rung.
A failed repair goes back to the pool like any candidate, so the choice never gets worse.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol, TypeVar

from nightshift.domain import Candidate, Evaluation, Plan, Recorder, Step, Task
from nightshift.errors import ReplyRejected
from nightshift.evidence import of_report
from nightshift.records import as_json
from nightshift.search.evaluate import Bench, evaluate
from nightshift.search.select import fingerprint, rivals, select

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Brief:
    """All that the builder of one file is told."""

    task: Task
    plan: Plan
    step: Step
    span: str
    modules: str
    """Signatures of the finished modules it may import."""
    current: str = ""
    """The content to improve, when there is one."""
    evidence: str = ""
    advice: str = ""
    """The root cause found by the analyst."""


@dataclass(frozen=True, slots=True)
class Effort:
    """How far the search goes for one file."""

    count: int
    temperatures: tuple[float, ...]
    """Of the first, second, ... candidate; the last one also of all further ones."""
    widened: int
    repairs: int


class Builder(Protocol):
    async def build(self, brief: Brief, label: str, *, temperature: float, hint: str = "") -> Candidate: ...

    async def repair(
        self, brief: Brief, current: Candidate, evidence: str, label: str, *, temperature: float
    ) -> Candidate: ...


HINTS = (
    "",
    "think of the edge cases first, then write the plainest code that handles each",
    "split the work into small helper functions with one job each",
    "check the arguments first, then compute in as few steps as possible",
    "think of the data structure first and let the code follow from it",
)
"""A different plan varies candidates more usefully than a higher temperature."""

REPAIR_TEMPERATURES = (0.0, 0.5)
"""The same question at temperature 0 has the same answer."""

Wave = Callable[[list[Evaluation]], Awaitable[list[Candidate]]]


async def build_step(
    brief: Brief,
    bench: Bench,
    builder: Builder,
    effort: Effort,
    recorder: Recorder,
    kept: Candidate | None = None,
) -> Evaluation | None:
    """The best candidate for one file; `kept` is the present one, which only a better one replaces.

    Returns None when no usable reply came at all.
    """
    pool: list[Evaluation] = []
    if kept is not None:
        pool += await _evaluated([kept], pool, bench, brief.span, recorder)
    for wave in _waves(brief, bench, builder, effort, recorder):
        pool += await _evaluated(await wave(pool), pool, bench, brief.span, recorder)
        if any(_good_enough(e, pool) for e in pool if e.candidate.origin != "kept"):
            break
    if not pool:
        recorder.record(
            "selected",
            brief.span,
            path=brief.step.path,
            chosen=None,
            considered=[],
            scores={},
            reason="no usable reply",
        )
        return None
    selection = select(pool, bench.user_tests)
    recorder.record(
        "selected",
        brief.span,
        path=brief.step.path,
        chosen=selection.chosen.candidate.label,
        considered=[e.candidate.label for e in pool],
        scores={e.candidate.label: list(score) for e, score in zip(pool, selection.scores, strict=True)},
        reason=selection.reason,
        rivals=sorted(rivals(pool)),
    )
    return selection.chosen


def _good_enough(evaluation: Evaluation, pool: Sequence[Evaluation]) -> bool:
    """Climbs every rung, or fails nothing but tests that contradict others: no candidate can do better than that."""
    failed = [rung for rung in evaluation.rungs if not rung.passed]
    if not failed:
        return True
    disputed = {node for pair in rivals(pool) for node in pair}
    failing = {node for node, ok in evaluation.outcomes.items() if not ok}
    complete = evaluation.report is not None and not evaluation.report.collection_errors
    return failed[0].name == "tests" and complete and bool(failing) and failing <= disputed


def _waves(brief: Brief, bench: Bench, builder: Builder, effort: Effort, recorder: Recorder) -> list[Wave]:
    def sample(numbers: Sequence[int], brief: Brief) -> Wave:
        async def wave(_: list[Evaluation]) -> list[Candidate]:
            return await _usable([_candidate(builder, brief, number, effort) for number in numbers])

        return wave

    def repair(number: int) -> Wave:
        async def wave(pool: list[Evaluation]) -> list[Candidate]:
            best = select(pool, bench.user_tests).chosen if pool else None
            if best is None or best.height == 0:
                return []
            label, evidence = f"repair-{number}", failure_of(best, bench)
            last = pool[-1]
            if last.candidate.origin == "repair" and last is not best:
                evidence += f"\n\nA repair was tried already and failed like this:\n{failure_of(last, bench)}"
            temperature = REPAIR_TEMPERATURES[min(number, len(REPAIR_TEMPERATURES)) - 1]
            asked = builder.repair(brief, best.candidate, evidence, label, temperature=temperature)
            repaired = await _usable([asked])
            outcome = f"{label} made from {best.candidate.label}" if repaired else "no usable reply"
            detail = failure_of(best, bench)[:400]
            recorder.record("repair", f"{brief.span}/{label}", path=brief.step.path, outcome=outcome, detail=detail)
            return repaired

        return wave

    def fresh(pool: list[Evaluation]) -> Awaitable[list[Candidate]]:
        distilled = failure_of(select(pool, bench.user_tests).chosen, bench) if pool else ""
        anew = replace(
            brief,
            current="",
            evidence=f"Earlier versions failed like this:\n{distilled}" if distilled else "",
        )
        return sample(range(first + 1, effort.widened + 1), anew)(pool)

    first = effort.count
    repairs = [repair(number) for number in range(1, effort.repairs + 1)]
    return [sample([1], brief), sample(range(2, first + 1), brief), *repairs, fresh]


def _candidate(builder: Builder, brief: Brief, number: int, effort: Effort) -> Coroutine[Any, Any, Candidate]:
    temperature = effort.temperatures[min(number, len(effort.temperatures)) - 1]
    return builder.build(brief, f"candidate-{number}", temperature=temperature, hint=HINTS[(number - 1) % len(HINTS)])


def failure_of(evaluation: Evaluation, bench: Bench) -> str:
    """What the first failed rung said, with the code of the failing tests."""
    failed = next((rung for rung in evaluation.rungs if not rung.passed), None)
    if failed is None:
        return ""
    if failed.name == "tests" and evaluation.report is not None:
        return f"{failed.detail}\n\n{of_report(evaluation.report, bench.tree.texts)}"
    return f"The file fails at '{failed.name}': {failed.detail}"


async def _usable(asked: Sequence[Coroutine[Any, Any, Candidate]]) -> list[Candidate]:
    """The candidates that came; a reply that stayed unusable after its retries is a candidate less, not an error."""

    async def one(coroutine: Coroutine[Any, Any, Candidate]) -> Candidate | None:
        try:
            return await coroutine
        except ReplyRejected:
            return None

    return [candidate for candidate in await concurrently([one(c) for c in asked]) if candidate is not None]


async def concurrently(coroutines: Sequence[Coroutine[Any, Any, Value]]) -> list[Value]:
    """All results in order; the first failure cancels the rest and is raised as itself, not in a group."""
    tasks: list[asyncio.Task[Value]] = []
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(coroutine) for coroutine in coroutines]
    except BaseExceptionGroup as group_error:
        raise group_error.exceptions[0] from None
    return [task.result() for task in tasks]


async def _evaluated(
    candidates: list[Candidate], pool: list[Evaluation], bench: Bench, span: str, recorder: Recorder
) -> list[Evaluation]:
    known = {fingerprint(e.candidate.text): e for e in pool}

    async def one(candidate: Candidate) -> Evaluation:
        same = known.get(fingerprint(candidate.text))
        evaluation = replace(same, candidate=candidate) if same else await asyncio.to_thread(evaluate, candidate, bench)
        recorder.record(
            "evaluation",
            f"{span}/{candidate.label}",
            path=candidate.path,
            candidate=as_json(candidate),
            rungs=as_json(evaluation.rungs),
            outcomes=evaluation.outcomes,
            collected=evaluation.report.collected if evaluation.report else 0,
            same_as=same.candidate.label if same else None,
        )
        return evaluation

    return await concurrently([one(candidate) for candidate in candidates])
