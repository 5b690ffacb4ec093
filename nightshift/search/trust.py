"""How far a generated test is to be believed, from what running it showed.

About a third of a small model's asserts are right, so a test earns trust: candidates that were written apart pass
it, several samples of the specification hold it, it names something the task says, it fails on mutants of the
source, and it gives the same answer twice. None of these is proof; together they decide what a failing test says of
the source. The user's own tests and criteria are beyond doubt and never asked about here.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import sqrt

from nightshift.checks import base_node
from nightshift.source.syntax import parse_or_none
from nightshift.source.tests_units import source_of

DOUBTED = 0.35
"""Below it a failing test says more about itself than about the source."""
TRUSTED = 0.6
"""From here on a test is not rewritten for failing."""
FEW_MUTANTS = 4
"""Fewer mutants in the lines of a test say nothing about it."""


@dataclass(frozen=True, slots=True)
class Trial:
    """What was found out about one test on the tree that was built."""

    flaky: bool = False
    mutants: int = 0
    """Mutants of lines it runs; only counted where the test passes."""
    killed: int = 0


@dataclass(frozen=True, slots=True)
class Trust:
    node: str
    passed: int
    """Different candidates that pass it, ..."""
    tried: int
    """... of so many."""
    support: float
    """Share of the samples of its file that hold this very test."""
    named: bool
    """It uses a value that the task or a criterion says."""
    trial: Trial = Trial()

    @property
    def score(self) -> float:
        """From 0 to 1: odds of being right, even at first, multiplied by what each sign says for or against it."""
        if self.trial.flaky:
            return 0.0
        odds = sqrt((self.passed + 0.5) / (self.tried - self.passed + 0.5))
        odds *= max(1.0, 3 * self.support)
        odds *= 1.25 if self.named else 0.8
        odds *= 0.5 if self.toothless else 1.0
        return round(odds / (1 + odds), 3)

    @property
    def trusted(self) -> bool:
        """It is not rewritten for failing. What most samples say of the specification outweighs any candidates."""
        return not self.trial.flaky and (self.score >= TRUSTED or self.support > 0.5)

    @property
    def toothless(self) -> bool:
        return self.trial.mutants >= FEW_MUTANTS and self.trial.killed == 0

    @property
    def in_doubt(self) -> bool:
        return self.score < DOUBTED or self.toothless

    @property
    def doubts(self) -> tuple[str, ...]:
        """All that speaks against it, also against one that has earned trust by other signs."""
        signs = (
            (self.trial.flaky, "gives different answers on the same tree"),
            (self.tried > 1 and not self.passed, f"none of {self.tried} candidates passes it"),
            (self.toothless, f"fails on none of {self.trial.mutants} mutants of the lines it runs"),
            (self.support and self.support < 0.5, "a minority of the samples holds it"),
            (not self.named, "uses nothing that the task says"),
        )
        return tuple(text for holds, text in signs if holds)


def trust_in(
    texts: Mapping[str, str],
    nodes: Iterable[str],
    heard: Iterable[Mapping[str, bool]],
    support: Mapping[str, float],
    spec: str,
    trials: Mapping[str, Trial],
) -> dict[str, Trust]:
    """The trust of each test id; `texts` are the test files, `heard` the outcomes of each candidate by node."""
    votes = [_by_test(outcomes) for outcomes in heard]
    said = _values_in(spec)
    found = {}
    for node in sorted(nodes):
        cast = [outcomes[node] for outcomes in votes if node in outcomes]
        path, _, name = node.partition("::")
        named = bool(said & _values_of(source_of(texts.get(path, ""), name)))
        found[node] = Trust(node, sum(cast), len(cast), support.get(node, 0.0), named, trials.get(node, Trial()))
    return found


def _by_test(outcomes: Mapping[str, bool]) -> dict[str, bool]:
    """Of a parametrized test, whether every parameter passed."""
    whole: dict[str, bool] = {}
    for node, ok in outcomes.items():
        whole[base_node(node)] = whole.get(base_node(node), True) and ok
    return whole


def _values_in(spec: str) -> frozenset[str]:
    return frozenset(re.findall(r"\d+(?:\.\d+)?|\w{3,}", spec.lower()))


def _values_of(test: str) -> frozenset[str]:
    """Words and numbers in the literals of a test."""
    tree = parse_or_none(test)
    constants = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)] if tree else []
    literals = " ".join(str(value) for value in constants if value is not None and not isinstance(value, bool))
    return _values_in(literals) - {"0", "1", "2"}
