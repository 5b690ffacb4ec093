"""What costs no tokens: mechanical faults mended, and the best functions of several candidates put together.

Each proposal is tried like any candidate and kept only when it gets further than what it was made from; a wrong one
costs milliseconds and leaves nothing behind but its line in the trace.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace

from nightshift.domain import Evaluation
from nightshift.search.brief import Effort
from nightshift.search.moves import failure_of
from nightshift.search.pool import Pool
from nightshift.search.splicing import splice
from nightshift.source.fixes import Clues, proposals

ROUNDS = 4
"""Faults mended one after the other in one candidate: a file often has more than one."""


async def improve(pool: Pool, effort: Effort) -> None:
    frees: tuple[tuple[bool, Callable[[Pool], Awaitable[None]]], ...] = ((effort.fixes, mend), (effort.splice, splice))
    for wanted, free in frees:
        if wanted and pool.evaluations and not pool.settled:
            await free(pool)


async def mend(pool: Pool) -> None:
    """Mends each candidate that was not looked at before, as long as that gets it further."""
    for evaluation in [e for e in pool.evaluations if e.candidate.label not in pool.mended]:
        pool.mended.add(evaluation.candidate.label)
        current: Evaluation | None = evaluation
        for _ in range(ROUNDS):
            if current is None or current.passed:
                break
            current = await _mended(current, pool)


async def _mended(evaluation: Evaluation, pool: Pool) -> Evaluation | None:
    """The first proposal that gets further."""
    candidate = evaluation.candidate
    others = {path: text for path, text in pool.bench.tree.texts.items() if path != candidate.path}
    clues = Clues(candidate.path, failure_of(evaluation, pool.bench), others, pool.bench.step.interface)
    for fix in proposals(candidate.text, clues):
        if pool.like(fix.text):
            continue
        label = f"{candidate.label}+{fix.name}"
        tried = await pool.tried(replace(candidate, text=fix.text, origin="fix", label=label))
        better = pool.rises(tried, evaluation)
        outcome = f"{fix.name}: {fix.what}"
        pool.recorder.record("repair", f"{pool.span}/{label}", path=candidate.path, outcome=outcome, kept=better)
        if better:
            pool.keep(tried)
            pool.mended.add(label)
            return tried
    return None
