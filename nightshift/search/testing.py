"""Tests from the specification: sampled, pooled, accepted on stubs, frozen; rewritten once when to blame."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

from nightshift.acceptance import Accepted, accept_tests, bind, idle_answer
from nightshift.checks import base_node
from nightshift.domain import Culprit, Plan, Quarantined, Step, TestsCheck, Verdict
from nightshift.errors import ReplyRejected
from nightshift.policy import TEST_BLAME
from nightshift.prompting import fenced, head
from nightshift.search.asking import concurrently
from nightshift.search.trials import trust_of
from nightshift.search.work import Work, Workshop, write_checked
from nightshift.source.graph import import_graph
from nightshift.source.tests_pool import drop_tests, test_names


async def write_tests(work: Work, shop: Workshop, span: str = "") -> Work:
    """The tests of every test step, sampled from the specification, accepted on stubs and frozen."""
    steps = [step for step in work.plan.steps if step.kind == "test"]
    sampled = await concurrently([_sampled(work, shop, step, "sample", span=span) for step in steps])
    samples = {step.path: texts for step, texts in zip(steps, sampled, strict=True)}
    accepted = await _accepted(work, shop, samples)
    for step in steps:
        # One more sample, told what the first ones lack: a criterion without a trusted test cannot pass.
        if lacking := _lacking(step, work.plan, accepted):
            samples[step.path] += await _sampled(work, shop, step, "again", notes=lacking, count=1, span=span)
            accepted = await _accepted(work, shop, samples)
    _record_accepted(shop, samples, accepted, f"{span}/tests" if span else "tests")
    if accepted.texts:
        write_checked(work, shop, accepted.texts, "Tests from the specification", "tester")
    return replace(work, accepted=accepted, plan=bind(work.plan, accepted))


async def rewrite_test(work: Work, shop: Workshop, culprit: Culprit, verdict: Verdict, span: str) -> Work:
    """Tests that are to blame are sampled anew from the specification, once a file, without sight of the source.

    Tests that pass stay, and so do those that have earned trust; the other failing ones are quarantined, by name and
    with the reason, as long as every criterion keeps a test.
    """
    if work.reopened.get(culprit.path, 0) >= 1:
        reason = "was rewritten already"
        shop.recorder.record("guard", span, rule="one-test-rewrite", action=culprit.path, reason=reason)
        return work
    step, old = work.plan.step(culprit.path), work.accepted.texts.get(culprit.path, "")
    work = work.reopening(step.path)
    results = verdict.report.results if verdict.report else ()
    failing = {base_node(r.node) for r in results if r.outcome != "passed"} & work.accepted.nodes
    trust = trust_of(work)
    own = {n for n in failing if n.startswith(step.path + "::")}
    doomed = {n.partition("::")[2] for n in own if not trust[n].trusted}
    if not doomed:
        reason = "the failing tests have earned trust, so the blame does not count"
        shop.recorder.record("guard", span, rule="test-rewrite", action=f"{step.path} stays", reason=reason)
        return work
    kept = drop_tests(old, doomed)
    texts = await _sampled(work, shop, step, "rewrite", notes=_what_is_wrong(old, culprit), span=span)
    if not texts:
        return work
    accepted = await _accepted(work, shop, {step.path: [*([kept] if test_names(kept) else []), *texts]})
    gone = [Quarantined(f"{step.path}::{name} (first version)", f"rewritten: {culprit.why}") for name in sorted(doomed)]
    return await asyncio.to_thread(_with_rewritten, work, shop, step, accepted, gone, span)


def _with_rewritten(work: Work, shop: Workshop, step: Step, new: Accepted, gone: list[Quarantined], span: str) -> Work:
    accepted = work.accepted.replacing(step.path, new)
    accepted = replace(accepted, quarantined=tuple(dict.fromkeys((*accepted.quarantined, *gone))))
    plan = bind(work.plan, accepted)
    bare = [c.id for c in plan.criteria if isinstance(c.check, TestsCheck) and not c.check.nodes]
    if bare or not new.texts:
        reason = f"no trusted test would prove {', '.join(bare) or 'the task'}"
        shop.recorder.record("guard", span, rule="test-rewrite", action=f"{step.path} stays", reason=reason)
        return work
    detail = "; ".join(f"{q.node}: {q.reason}" for q in gone)
    shop.recorder.record("repair", f"{span}/tests", path=step.path, outcome="test rewritten", detail=detail)
    write_checked(work, shop, new.texts, f"{step.path}: rewritten, it was to blame", TEST_BLAME)
    return _heard_anew(replace(work, accepted=accepted, plan=plan), shop, step.path)


def _heard_anew(work: Work, shop: Workshop, path: str) -> Work:
    """With what all candidates so far make of the new tests: without it nothing would speak for or against them."""
    tree, sandbox = work.tested_tree, shop.sandbox
    reached = import_graph(tree.texts).reach(path)
    trees = [
        tree.with_text(source, text) for source in work.written for text in work.written[source] if source in reached
    ]
    reports = [sandbox.test(tried, (path,), limits=shop.limits) for tried in trees]
    return work.hearing({r.node: r.outcome == "passed" for r in report.results} for report in reports)


def _what_is_wrong(old: str, culprit: Culprit) -> str:
    return (
        f"This earlier version of the file contradicted the task or itself:\n{fenced(old)}\n\n"
        f"What is wrong: {culprit.why}\nKeep what the task supports, mend or leave out the rest."
    )


def _lacking(step: Step, plan: Plan, accepted: Accepted) -> str:
    """What the tester is asked for once more; empty when every criterion of this file has a test."""
    if step.path not in accepted.texts:
        reasons = "; ".join(q.reason for q in accepted.quarantined if q.node.startswith(step.path))
        return f"Earlier tests could not be used: {head(reasons, 800)}"
    checks = [(c.id, c.check) for c in bind(plan, accepted).criteria if isinstance(c.check, TestsCheck)]
    bare = [id for id, check in checks if check.path == step.path and not check.nodes]
    if not bare:
        return ""
    own = [node for node in accepted.nodes if node.startswith(step.path + "::")]
    idle = idle_answer(own, accepted)
    hint = (
        f" All earlier tests also pass with code that {idle}: assert exact results of ordinary input." if idle else ""
    )
    return (
        f"No earlier test proves {', '.join(bare)}. Write tests for them, named test_{bare[0]}_<what> and so on.{hint}"
    )


async def _sampled(
    work: Work, shop: Workshop, step: Step, label: str, *, notes: str = "", count: int | None = None, span: str = ""
) -> list[str]:
    """Versions of one test file at the tester's temperatures; a reply that stays unusable is one less."""
    where = f"{span}/tests/{step.path}" if span else f"tests/{step.path}"

    async def one(number: int, temperature: float) -> str:
        try:
            return await shop.crew.write_tests(
                work.task, work.plan, step, f"{where}/{label}-{number}", temperature=temperature, notes=notes
            )
        except ReplyRejected:
            return ""

    texts = await concurrently([one(number, t) for number, t in enumerate(shop.tester_temperatures[:count], 1)])
    return [text for text in texts if text]


async def _accepted(work: Work, shop: Workshop, samples: Mapping[str, list[str]]) -> Accepted:
    return await asyncio.to_thread(
        accept_tests, work.plan, samples, work.tree, shop.sandbox, shop.limits, found=work.accepted.found
    )


def _record_accepted(shop: Workshop, samples: Mapping[str, list[str]], accepted: Accepted, span: str) -> None:
    counts = Counter(node.split("::")[0] for node in accepted.nodes)
    for path, texts in samples.items():
        shop.recorder.record("accepted", span, path=path, samples=len(texts), tests=counts[path])
    for quarantined in accepted.quarantined:
        shop.recorder.record("guard", span, rule="quarantine", action=quarantined.node, reason=quarantined.reason)
