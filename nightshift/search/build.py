"""From a brief to the best file that can be had: ask, try, improve for free, and ask again only where that may help.

Every candidate goes into one pool, a failed repair like any other, so the choice never gets worse. Each decision to
ask or not to ask is recorded with its reason.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from nightshift.domain import Candidate, Evaluation, Recorder
from nightshift.search.brief import Brief, Builder, Effort
from nightshift.search.evaluate import Bench
from nightshift.search.free import improve
from nightshift.search.moves import Move, ladder, why_not
from nightshift.search.pool import Pool
from nightshift.search.select import rivals
from nightshift.search.ties import choose
from nightshift.source.normal import fingerprint


@dataclass(frozen=True, slots=True)
class Built:
    """The file that was chosen, and what all that were tried say of the tests."""

    chosen: Evaluation
    outcomes: tuple[Mapping[str, bool], ...]
    """Test node -> passed, for each of the model's different texts."""
    written: tuple[str, ...] = ()
    """These texts."""


async def build_step(
    brief: Brief,
    bench: Bench,
    builder: Builder,
    effort: Effort,
    recorder: Recorder,
    kept: Candidate | None = None,
) -> Built | None:
    """The best candidate for one file; `kept` is the present one, which only a better one replaces.

    Returns None when no usable reply came at all.
    """
    brief = brief.informed(brief.span, brief.evidence)
    pool = Pool(bench, brief.span, recorder)
    if kept is not None:
        await pool.add(kept)
    for move in ladder(brief, builder, effort):
        reason = why_not(move, pool)
        if not reason:
            await _made(move, pool, effort)
        fields = {"taken": not reason, "reason": reason or _what_came(pool)}
        recorder.record("effort", f"{brief.span}/{move.name}", path=brief.step.path, move=move.name, **fields)
        if pool.settled:
            break
    return await _chosen(pool, brief, builder, effort)


async def _made(move: Move, pool: Pool, effort: Effort) -> None:
    before = pool.best if pool.evaluations else None
    await move.make(pool)
    await improve(pool, effort)
    better = bool(pool.evaluations) and (before is None or pool.rises(pool.best, before))
    pool.fruitless = 0 if better else pool.fruitless + 1


def _what_came(pool: Pool) -> str:
    if not pool.evaluations:
        return "no usable reply"
    best = pool.best
    if best.passed:
        return f"{best.candidate.label} climbs every rung"
    failed = next(rung for rung in best.rungs if not rung.passed)
    return f"best is {best.candidate.label}, which fails at '{failed.name}': {failed.detail[:120]}"


async def _chosen(pool: Pool, brief: Brief, builder: Builder, effort: Effort) -> Built | None:
    told = {"path": brief.step.path, "considered": [e.candidate.label for e in pool.evaluations]}
    if not pool.evaluations:
        pool.recorder.record("selected", brief.span, **told, chosen=None, scores={}, reason="no usable reply")
        return None
    selection = await choose(pool, brief, builder, effort)
    labels = [e.candidate.label for e in pool.evaluations]
    pool.recorder.record(
        "selected",
        brief.span,
        **told,
        chosen=selection.chosen.candidate.label,
        scores={label: list(score) for label, score in zip(labels, selection.scores, strict=True)},
        reason=selection.reason,
        rivals=sorted(rivals(pool.evaluations)),
    )
    different = {fingerprint(e.candidate.text): e for e in pool.evaluations if e.candidate.origin != "kept"}
    ran = [e for e in different.values() if e.outcomes]
    return Built(selection.chosen, tuple(e.outcomes for e in ran), tuple(e.candidate.text for e in ran))
