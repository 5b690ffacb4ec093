"""The tests on trial: run again in another order, and on mutants of what was built, within a time box.

Each test that was accepted must give the same answer twice, and should notice when the source is broken. What was
found is recorded as one value: a resumed run does not try them again.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from nightshift.acceptance import bind
from nightshift.checks import base_node
from nightshift.domain import Quarantined, Sandbox, TestReport, TestsCheck, Tree
from nightshift.recorded import unrecorded
from nightshift.records import as_json, from_json
from nightshift.search.trust import Trial, Trust, trust_in
from nightshift.search.work import Work, Workshop
from nightshift.source.mutants import Mutant, mutants
from nightshift.source.tests_pool import drop_tests

SECONDS = 20.0
"""For all mutants of one tree."""
HANGING = 2.0
"""Seconds for one test on a mutant: some mutants never end."""
MUTANTS = 24
"""Of one file."""


def put_on_trial(work: Work, shop: Workshop, span: str) -> Work:
    """The work with what was found out about its tests; those that cannot make up their mind are quarantined."""
    if not work.accepted.nodes - work.trials.keys():
        return work
    known = shop.recorder.recall("trust", span, "trials")
    if known:
        trials = {node: from_json(Trial, fields) for node, fields in known["trials"].items()}
    else:
        trials = tried(work, shop)
    work = replace(work, trials={**work.trials, **trials})
    work = _without_flaky(work, shop, span)
    shop.recorder.record("trust", span, key="trials", trials=as_json(trials), tests=told(work))
    return work


def trust_of(work: Work) -> dict[str, Trust]:
    accepted, plan = work.accepted, work.plan
    support = {n: count / max(1, accepted.samples.get(n.split("::")[0], 1)) for n, count in accepted.support.items()}
    said = [work.task.prompt, *(step.purpose for step in plan.steps), *(c.description for c in plan.criteria)]
    return trust_in(accepted.texts, accepted.nodes, work.heard, support, "\n".join(said), work.trials)


def told(work: Work) -> list[dict[str, object]]:
    """The trust of each test for the trace: the least trusted first."""
    found = sorted(trust_of(work).values(), key=lambda trust: (trust.score, trust.node))
    return [{"node": t.node, "score": t.score, "doubts": list(t.doubts) if t.in_doubt else []} for t in found]


def tried(work: Work, shop: Workshop) -> dict[str, Trial]:
    box, tree, files = unrecorded(shop.sandbox), work.tested_tree, work.accepted.files
    if not files:
        return {}
    sources = tuple(step.path for step in work.plan.steps if step.kind == "source" and step.path in tree.texts)
    first = box.test(tree, files, limits=shop.limits)
    backwards = [result.node for result in reversed(first.results)] or list(files)
    again = box.test(tree, backwards, limits=shop.limits, hash_seed=1)
    passing = _passing(first)
    flaky = (passing ^ _passing(again)) & work.accepted.nodes
    # Watched apart: watching slows loops down, which is no reason to call a test flaky.
    watched = box.test(tree, files, limits=shop.limits, lines_of=sources)
    ran, killed = _against_mutants(tree, watched, passing - flaky, sources, box, shop)
    return {node: Trial(node in flaky, ran[node], killed[node]) for node in sorted(work.accepted.nodes)}


def _passing(report: TestReport) -> frozenset[str]:
    failed = {base_node(r.node) for r in report.results if r.outcome != "passed"}
    return frozenset(base_node(r.node) for r in report.results) - failed


def _against_mutants(
    tree: Tree, report: TestReport, passing: frozenset[str], sources: Sequence[str], box: Sandbox, shop: Workshop
) -> tuple[Counter[str], Counter[str]]:
    """For each passing test, how many mutants of lines it runs there were, and how many it noticed."""
    ran, killed = Counter[str](), Counter[str]()
    give_up = time.monotonic() + SECONDS
    limits = replace(shop.limits, test_seconds=min(shop.limits.test_seconds, HANGING))
    for path, mutant, nodes in _mutations(tree, report, passing, sources):
        if time.monotonic() > give_up:
            break
        outcome = box.test(tree.with_text(path, mutant.text), sorted(nodes), limits=limits)
        ran.update(nodes)
        killed.update(nodes - _passing(outcome))
    return ran, killed


def _mutations(
    tree: Tree, report: TestReport, passing: frozenset[str], sources: Sequence[str]
) -> Iterator[tuple[str, Mutant, frozenset[str]]]:
    """Path, mutant and the tests that run its line: one of each file in turn, for time may run out."""
    by_line = _tests_by_line(report.lines, passing)
    made = {p: mutants(tree.texts[p], lines=by_line.get(p, {}).keys(), limit=MUTANTS) for p in sources if p in by_line}
    for number in range(MUTANTS):
        for path, found in made.items():
            if number < len(found) and (nodes := by_line[path].get(found[number].line)):
                yield path, found[number], frozenset(nodes)


def _tests_by_line(
    lines: Mapping[str, Mapping[str, tuple[int, ...]]], passing: frozenset[str]
) -> dict[str, dict[int, set[str]]]:
    """Path -> line -> the tests that run it."""
    found: dict[str, dict[int, set[str]]] = {}
    for node, files in lines.items():
        if base_node(node) not in passing:
            continue
        for path, numbers in files.items():
            for number in numbers:
                found.setdefault(path, {}).setdefault(number, set()).add(base_node(node))
    return found


def _without_flaky(work: Work, shop: Workshop, span: str) -> Work:
    """Flaky tests take no part, as long as every criterion keeps one that does."""
    for node in sorted(node for node, trial in work.trials.items() if trial.flaky and node in work.accepted.nodes):
        reason = "gives different answers on the same tree"
        dropped = without_test(work, node, reason)
        action = node if dropped else f"{node} stays: no other test would prove a criterion"
        shop.recorder.record("guard", span, rule="flaky-test", action=action, reason=reason)
        if dropped:
            shop.save({path: dropped.accepted.texts[path] for path in dropped.accepted.texts}, f"Without {node}")
        work = dropped or work
    return work


def without_test(work: Work, node: str, reason: str) -> Work | None:
    """None when its file would be empty, or a criterion without a test."""
    path, _, name = node.partition("::")
    accepted = work.accepted
    nodes = accepted.nodes - {node}
    if not any(other.startswith(f"{path}::") for other in nodes):
        return None
    left = replace(
        accepted,
        texts={**accepted.texts, path: drop_tests(accepted.texts[path], {name})},
        nodes=nodes,
        quarantined=(*accepted.quarantined, Quarantined(node, reason)),
    )
    plan = bind(work.plan, left)
    bare = [c for c in plan.criteria if isinstance(c.check, TestsCheck) and not c.check.nodes and not c.trusted]
    return None if bare else replace(work, accepted=left, plan=plan)
