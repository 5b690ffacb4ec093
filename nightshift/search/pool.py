"""The candidates of one file with what the checks said of each: it only grows, and it knows when to stop.

Evaluating is the only thing that happens here; where candidates come from is told in moves.py and free.py.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace

from nightshift.domain import Candidate, Evaluation, Recorder
from nightshift.records import as_json
from nightshift.search.evaluate import Bench, evaluate
from nightshift.search.select import Selection, rivals, scores_of, select
from nightshift.source.normal import fingerprint

ALIKE = 3
"""So many different texts that behave alike are taken as what the model makes of the specification."""


class Pool:
    def __init__(self, bench: Bench, span: str, recorder: Recorder) -> None:
        self.bench = bench
        self.span = span
        self.recorder = recorder
        self.evaluations: list[Evaluation] = []
        self.fruitless = 0
        """Moves in a row that brought no better score."""
        self._known: dict[str, Evaluation] = {}
        """By fingerprint, the first of each."""
        self.mended: set[str] = set()
        """Labels of candidates that were looked at for mechanical faults."""
        self.spliced: set[str] = set()
        """Texts put together so far."""

    async def add(self, candidate: Candidate) -> Evaluation:
        """Tries one candidate and keeps it; a text that only looks different is not tried again."""
        same = self.like(candidate.text)
        if same:
            evaluation = replace(same, candidate=candidate)
        else:
            evaluation = await self.tried(candidate)
        self.keep(evaluation, same)
        return evaluation

    async def tried(self, candidate: Candidate) -> Evaluation:
        """What the checks say of it, without keeping it."""
        return await asyncio.to_thread(evaluate, candidate, self.bench)

    def keep(self, evaluation: Evaluation, same: Evaluation | None = None) -> None:
        candidate = evaluation.candidate
        self.evaluations.append(evaluation)
        self._known.setdefault(fingerprint(candidate.text), evaluation)
        self.recorder.record(
            "evaluation",
            f"{self.span}/{candidate.label}",
            path=candidate.path,
            candidate=as_json(candidate),
            rungs=as_json(evaluation.rungs),
            outcomes=evaluation.outcomes,
            collected=evaluation.report.collected if evaluation.report else 0,
            same_as=same.candidate.label if same else None,
        )

    def like(self, text: str) -> Evaluation | None:
        """The first evaluation of the same program, however it is written."""
        return self._known.get(fingerprint(text))

    @property
    def best(self) -> Evaluation:
        """Of at least one."""
        return self.selection.chosen

    @property
    def selection(self) -> Selection:
        """Of at least one."""
        return select(self.evaluations, self.bench.user_tests, self.bench.found)

    def rises(self, evaluation: Evaluation, over: Evaluation) -> bool:
        """It gets further than the other: more rungs, more user tests or more of what candidates agree on."""
        pool = self.evaluations if evaluation in self.evaluations else [*self.evaluations, evaluation]
        scores = dict(zip(map(id, pool), scores_of(pool, self.bench.user_tests, self.bench.found), strict=True))
        return scores[id(evaluation)][:3] > scores[id(over)][:3]

    @property
    def settled(self) -> bool:
        """Some new candidate cannot be bettered."""
        disputed = frozenset(node for pair in rivals(self.evaluations) for node in pair)
        return any(good_enough(e, disputed) for e in self.evaluations if e.candidate.origin != "kept")

    @property
    def alike(self) -> bool:
        """Different texts of the model keep behaving the same, so another sample would too."""
        samples = [e for e in self.evaluations if e.candidate.origin == "sample" and e.outcomes]
        different = {fingerprint(e.candidate.text): e.outcomes for e in samples}
        outcomes = list(different.values())
        return len(outcomes) >= ALIKE and all(one == outcomes[0] for one in outcomes)


def good_enough(evaluation: Evaluation, disputed: frozenset[str]) -> bool:
    """Climbs every rung, or fails nothing but tests that contradict others: no candidate can do better than that."""
    failed = [rung for rung in evaluation.rungs if not rung.passed]
    if not failed:
        return True
    failing = {node for node, ok in evaluation.outcomes.items() if not ok}
    complete = evaluation.report is not None and not evaluation.report.collection_errors
    return failed[0].name == "tests" and complete and bool(failing) and failing <= disputed
