"""Candidates x tests: who passed what, with what each test is worth; tests that all pass are folded away."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nightshift.checks import base_node
from nightshift.records import Record, of_kind
from nightshift.report.markup import Markup, joined, scrolling, tag
from nightshift.report.text import counted

MOST_ROWS = 200
MOST_COLUMNS = 24


@dataclass(frozen=True, slots=True)
class Trusted:
    """What is known of a generated test, as last told."""

    score: float | None = None
    doubts: tuple[str, ...] = ()
    mutants: int = 0
    killed: int = 0
    flaky: bool = False

    @property
    def words(self) -> str:
        told = [f"sees {self.killed} of {self.mutants} planted faults"] if self.mutants else []
        return "; ".join([*(["flaky"] if self.flaky else []), *told, *self.doubts])


def trust_of(told: Sequence[Record]) -> dict[str, Trusted]:
    """Test -> its trust."""
    found: dict[str, Trusted] = {}
    for record in of_kind(told, "trust"):
        trials = record.fields.get("trials") or {}
        for test in record.fields.get("tests") or ():
            node = str(test.get("node"))
            trial = trials.get(node) or {}
            before = found.get(node, Trusted())
            found[node] = Trusted(
                test.get("score"),
                tuple(map(str, test.get("doubts") or ())),
                trial.get("mutants", before.mutants),
                trial.get("killed", before.killed),
                bool(trial.get("flaky", before.flaky)),
            )
    return found


def candidate_of(record: Record) -> Mapping[str, Any]:
    """Of an evaluation; empty where it has none."""
    return record.fields.get("candidate") or {}


def matrix(evaluations: Sequence[Record], chosen: str, trust: Mapping[str, Trusted], path: str) -> Iterator[Markup]:
    """A column for each candidate, a row for each test; first those that tell candidates apart or fail."""
    shown = [record for record in evaluations if record.fields.get("outcomes")][:MOST_COLUMNS]
    nodes = list(dict.fromkeys(node for record in shown for node in record.fields["outcomes"]))
    if not nodes:
        return
    agreed = [node for node in nodes if all(record.fields["outcomes"].get(node) for record in shown)]
    telling = [node for node in nodes if node not in set(agreed)]
    if telling:
        yield tag("p", f"{counted(len(telling), 'test')} of {len(nodes)} not passed by every candidate:", "small")
        yield _grid(telling, shown, chosen, trust, f"tests of {path} that tell candidates apart")
    if agreed:
        every = "passed by every candidate" if len(shown) > 1 else "passed"
        grid = _grid(agreed, shown, chosen, trust, f"tests of {path} that all pass")
        yield tag("details", joined(tag("summary", f"{counted(len(agreed), 'test')} {every}"), grid), "print")


def _grid(
    nodes: Sequence[str], shown: Sequence[Record], chosen: str, trust: Mapping[str, Trusted], label: str
) -> Markup:
    labels = [str(candidate_of(record).get("label")) for record in shown]
    known = any(base_node(node) in trust for node in nodes)
    heads = [tag("th", "test", scope="col"), *(tag("th", name, scope="col") for name in labels)]
    heads += [tag("th", "trust", scope="col"), tag("th", "because", scope="col")] if known else []
    rows = []
    for node in nodes[:MOST_ROWS]:
        cells = [_cell(record, node, name == chosen) for record, name in zip(shown, labels, strict=True)]
        told = _trust(trust.get(base_node(node), Trusted())) if known else ""
        rows.append(tag("tr", joined(tag("th", node, scope="row"), *cells, told)))
    body = joined(tag("thead", tag("tr", joined(*heads))), tag("tbody", joined(*rows)))
    whole = scrolling(tag("table", body, "matrix"), label)
    if len(nodes) > MOST_ROWS:
        return joined(whole, tag("p", f"{len(nodes) - MOST_ROWS} more are in the trace.", "soft"))
    return whole


def _cell(record: Record, node: str, won: bool) -> Markup:
    passed = record.fields["outcomes"].get(node)
    sign = "·" if passed is None else "✓" if passed else "✗"
    style = "soft" if passed is None else "good" if passed else "bad"
    return tag("td", sign, f"{style} win" if won else style)


def _trust(known: Trusted) -> Markup:
    score = f"{known.score:.2f}" if isinstance(known.score, (int, float)) else ""
    style = "warn" if known.doubts or known.flaky else "soft"
    return joined(tag("td", score, "num"), tag("td", known.words, f"{style} small"))
