"""Candidates that the tests do not tell apart are told apart by what they do with inputs made for it.

Right programs behave alike and wrong ones each in their own way: of the groups of equal behaviour the largest wins.
A tie of groups is left to size, as before; nothing here outranks a test.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from nightshift.domain import Candidate, Evaluation, ExecLimits
from nightshift.search.brief import Brief, Effort
from nightshift.search.disputes import Rival, elected
from nightshift.search.evaluate import Bench
from nightshift.search.pool import Pool
from nightshift.search.select import Selection, size_of
from nightshift.search.voting import Voter
from nightshift.source.graph import module_name
from nightshift.source.normal import fingerprint
from nightshift.source.probes import driver, probes, read_behaviours

PROBE_SECONDS = 10.0
MAX_TIED = 6


async def choose(pool: Pool, brief: Brief, voter: Voter, effort: Effort) -> Selection:
    """Of at least one evaluation: the best by the tests, then by agreement on probes, then by vote."""
    selection = pool.selection
    tied = _tied(selection, pool.evaluations) if effort.probes else []
    if len(tied) < 2:
        return selection
    inputs, behaviours = await asyncio.to_thread(_behaviours, tied, pool.bench)
    groups = _largest(tied, behaviours)
    if len(groups) > 1 and effort.votes:
        shown = {e.candidate.label: behaviour for e, behaviour in zip(tied, behaviours, strict=True)}
        smallest = [min(group, key=lambda e: size_of(e.candidate.text, pool.bench.found)) for group in groups]
        rivals = [Rival(e.candidate, shown[e.candidate.label]) for e in smallest]
        winner = await elected(rivals, inputs, brief, voter, pool.recorder)
        voted = [e for e in smallest if e.candidate is winner]
        reason = f"as good as others by the tests; of {len(groups)} ways to behave the voters find its way in the task"
        return replace(selection, chosen=voted[0], reason=reason) if voted else selection
    if len(groups) != 1:
        return selection
    chosen = min(groups[0], key=lambda e: size_of(e.candidate.text, pool.bench.found))
    reason = (
        f"as good as others by the tests, and {len(groups[0])} of {len(tied)} behave like it on inputs made to differ"
    )
    return replace(selection, chosen=chosen, reason=reason)


def _tied(selection: Selection, evaluations: Sequence[Evaluation]) -> list[Evaluation]:
    """Different Python texts with the best score by the tests; the present file only when nothing new ties with it."""
    top = max(score[:3] for score in selection.scores)
    best = [e for e, score in zip(evaluations, selection.scores, strict=True) if score[:3] == top]
    new = [e for e in best if e.candidate.origin != "kept"] or best
    different = {fingerprint(e.candidate.text): e for e in reversed(new) if e.candidate.path.endswith(".py")}
    return list(different.values())[:MAX_TIED]


def _behaviours(tied: Sequence[Evaluation], bench: Bench) -> tuple[Sequence[str], list[tuple[str, ...]]]:
    """The inputs, and what each candidate does with them."""
    # Of the plan's interface alone: a helper that one candidate has and another has not makes no difference.
    source = bench.step.interface or tied[0].candidate.text
    tests = [bench.tree.texts[path] for path in bench.tests if path in bench.tree.texts]
    inputs = probes(source, tests=[*tests, *(e.candidate.text for e in tied)])
    return inputs, [_behaviour(e.candidate, inputs, bench) for e in tied] if inputs else [() for _ in tied]


def _behaviour(candidate: Candidate, inputs: Sequence[str], bench: Bench) -> tuple[str, ...]:
    script = driver(module_name(candidate.path), inputs)
    tree = bench.tree.with_text(candidate.path, candidate.text)
    limits = ExecLimits(seconds=PROBE_SECONDS)
    return read_behaviours(bench.sandbox.run(tree, ("python3", "-I", "-c", script), limits=limits).stdout)


def _largest(tied: Sequence[Evaluation], behaviours: Sequence[tuple[str, ...]]) -> list[list[Evaluation]]:
    """The largest groups of equal behaviour; one that shows nothing counts for none."""
    groups: dict[tuple[str, ...], list[Evaluation]] = {}
    for evaluation, behaviour in zip(tied, behaviours, strict=True):
        if behaviour:
            groups.setdefault(behaviour, []).append(evaluation)
    most = max(map(len, groups.values()), default=0)
    return [group for group in groups.values() if len(group) == most]
