"""Which candidate to keep: an agreement-aware rule over the candidates x tests matrix.

Counting passed tests gets worse with more candidates, because wrong tests reward wrong code. Weighting each
test by the square of the share of candidates that pass it keeps climbing: correct candidates agree with each
other, wrong ones are wrong in different ways. Measured on 164 HumanEval tasks with a weak model, 4 candidates:
random 22.3 %, count 31.1 %, this rule 32.1 %; at 16: 22.2, 29.2, 36.4. It cannot be told from CodeT's dual
agreement; it is the simpler of the two.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

from nightshift.checks import base_node
from nightshift.domain import Evaluation

Score = tuple[int, int, float, int, int]
"""(rungs climbed, user tests passed, weight of generated tests passed, is new, minus size); larger is better.

New beats kept on a tie: a file is built again because it was blamed for something its tests do not see. The size of a
change to a file of the user's is that of the difference, of any other file its length."""


@dataclass(frozen=True, slots=True)
class Selection:
    chosen: Evaluation
    scores: tuple[Score, ...]
    """In the order of the evaluations considered."""
    reason: str


def select(evaluations: Sequence[Evaluation], user_tests: frozenset[str] = frozenset(), found: str = "") -> Selection:
    """Chooses among at least one evaluation; among equals the first. `found` is the user's file that is changed."""
    scores = scores_of(evaluations, user_tests, found)
    best = max(range(len(evaluations)), key=lambda i: scores[i])
    return Selection(evaluations[best], scores, _reason(best, evaluations, scores))


def scores_of(
    evaluations: Sequence[Evaluation], user_tests: frozenset[str] = frozenset(), found: str = ""
) -> tuple[Score, ...]:
    weights = _weights(evaluations)
    return tuple(_score(evaluation, weights, user_tests, found) for evaluation in evaluations)


def size_of(text: str, found: str) -> int:
    """Of the difference to the user's file, in characters of the lines that go and come; without one, of the text."""
    if not found:
        return len(text)
    before, after = Counter(found.splitlines()), Counter(text.splitlines())
    return sum(len(line) + 1 for lines in (before - after, after - before) for line in lines.elements())


def rivals(evaluations: Sequence[Evaluation]) -> frozenset[tuple[str, str]]:
    """Pairs of tests on one subject that contradict each other: some candidate passes each, and none passes both.

    One subject means one name in different samples, which pooling told apart by a suffix `_2`.
    """
    passed = [frozenset(node for node, ok in e.outcomes.items() if ok) for e in evaluations if e.outcomes]
    subjects: dict[str, list[str]] = {}
    for node in sorted(frozenset[str]().union(*passed)):
        subjects.setdefault(_subject(node), []).append(node)
    return frozenset(
        (one, two)
        for nodes in subjects.values()
        for one, two in combinations(nodes, 2)
        if not any(one in each and two in each for each in passed)
    )


def _subject(node: str) -> str:
    return re.sub(r"_\d+$", "", base_node(node))


def _weights(evaluations: Sequence[Evaluation]) -> dict[str, float]:
    tried = [evaluation.outcomes for evaluation in evaluations if evaluation.outcomes]
    nodes = {node for outcomes in tried for node in outcomes}
    return {node: (sum(outcomes.get(node, False) for outcomes in tried) / len(tried)) ** 2 for node in nodes}


def _score(evaluation: Evaluation, weights: dict[str, float], user_tests: frozenset[str], found: str) -> Score:
    passed = sorted(node for node, ok in evaluation.outcomes.items() if ok)
    trusted = sum(node.split("::")[0] in user_tests for node in passed)
    weight = sum(weights[node] for node in passed if node.split("::")[0] not in user_tests)
    new = evaluation.candidate.origin != "kept"
    return evaluation.height, trusted, round(weight, 6), new, -size_of(evaluation.candidate.text, found)


def _reason(best: int, evaluations: Sequence[Evaluation], scores: tuple[Score, ...]) -> str:
    if evaluations[best].passed:
        return "climbs every rung of the ladder" + _agreement(evaluations)
    if len(scores) == 1:
        return "the only candidate"
    runner_up = max(score for i, score in enumerate(scores) if i != best)
    ahead = next((i for i, (mine, theirs) in enumerate(zip(scores[best], runner_up, strict=True)) if mine > theirs), -1)
    return _REASONS[ahead]


def _agreement(evaluations: Sequence[Evaluation]) -> str:
    """How far the candidates agree with each other about the tests: what the weights are made of."""
    weights = _weights(evaluations)
    if sum(bool(evaluation.outcomes) for evaluation in evaluations) < 2:
        return ""
    agreed = sum(weight > 0.25 for weight in weights.values())
    return f"; most candidates agree on {agreed} of {len(weights)} tests"


_REASONS = (
    "climbs more rungs",
    "passes more of the user's tests",
    "passes the tests that candidates agree on",
    "new, and as good as the present file",
    "as good as the others, and shortest",
    "equal to the others, and first",
)
