"""Tests from the specification: sampled, pooled, accepted on stubs, frozen; rewritten once when to blame."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

from nightshift.acceptance import Accepted, accept_tests, bind
from nightshift.domain import Culprit, Step, TestsCheck
from nightshift.errors import ReplyRejected
from nightshift.policy import TEST_BLAME
from nightshift.prompting import fenced, head
from nightshift.search.build import concurrently
from nightshift.search.work import Work, Workshop, keep


async def write_tests(work: Work, shop: Workshop) -> Work:
    """The tests of every test step, sampled from the specification, accepted on stubs and frozen."""
    steps = [step for step in work.plan.steps if step.kind == "test"]
    sampled = await concurrently([_sampled(work, shop, step) for step in steps])
    samples = {step.path: texts for step, texts in zip(steps, sampled, strict=True)}
    accepted = await _accepted(work, shop, samples)
    for step in steps:
        if step.path not in accepted.texts:
            # One more sample, told what was wrong with the first ones; a criterion without a trusted test cannot pass.
            reasons = "; ".join(q.reason for q in accepted.quarantined if q.node.startswith(step.path))
            extra = await _sampled(
                work, shop, step, notes=f"Earlier tests could not be used: {head(reasons, 800)}", again=True
            )
            samples[step.path] += extra
            accepted = await _accepted(work, shop, samples)
    _record_accepted(shop, samples, accepted)
    if accepted.texts:
        keep(work, shop, accepted.texts, "Tests from the specification", "tester")
    return replace(work, accepted=accepted, plan=bind(work.plan, accepted))


async def rewrite_test(work: Work, shop: Workshop, culprit: Culprit, span: str) -> Work:
    """A test file that contradicts the task is written anew from the specification, once; it never sees the source."""
    if work.reopened.get(culprit.path, 0) >= 1:
        shop.recorder.record(
            "guard", span, rule="one-test-rewrite", action=culprit.path, reason="was rewritten already"
        )
        return work
    step = work.plan.step(culprit.path)
    old = fenced(work.accepted.texts.get(step.path, ""))
    notes = (
        f"This earlier version of the file contradicted the task or itself:\n{old}\n\nWhat is wrong: {culprit.why}\n"
        "Keep what the task supports, mend or leave out the rest."
    )
    where = f"{span}/tests/{step.path}/rewrite"
    work = work.reopening(step.path)
    try:
        text = await shop.crew.write_tests(work.task, work.plan, step, where, temperature=0.0, notes=notes)
    except ReplyRejected:
        return work
    new = await _accepted(work, shop, {step.path: [text]})
    if not new.texts:
        return work
    others = frozenset(n for n in work.accepted.nodes if not n.startswith(step.path + "::"))
    accepted = Accepted(
        {**work.accepted.texts, **new.texts},
        others | new.nodes,
        (*work.accepted.quarantined, *new.quarantined),
    )
    bound = bind(work.plan, accepted)
    if any(isinstance(c.check, TestsCheck) and not c.check.nodes for c in bound.criteria):
        return work
    shop.recorder.record("repair", where, path=step.path, outcome="test rewritten", detail=culprit.why)
    keep(work, shop, new.texts, f"{step.path}: rewritten, it contradicted the task", TEST_BLAME)
    return replace(work, accepted=accepted, plan=bound)


async def _sampled(work: Work, shop: Workshop, step: Step, *, notes: str = "", again: bool = False) -> list[str]:
    temperatures = shop.tester_temperatures[:1] if again else shop.tester_temperatures

    async def one(number: int, temperature: float) -> str:
        span = f"tests/{step.path}/sample-{number}{'-again' if again else ''}"
        try:
            return await shop.crew.write_tests(work.task, work.plan, step, span, temperature=temperature, notes=notes)
        except ReplyRejected:
            return ""

    texts = await concurrently([one(number, t) for number, t in enumerate(temperatures, 1)])
    return [text for text in texts if text]


async def _accepted(work: Work, shop: Workshop, samples: Mapping[str, list[str]]) -> Accepted:
    return await asyncio.to_thread(accept_tests, work.plan, samples, work.tree, shop.sandbox, shop.limits)


def _record_accepted(shop: Workshop, samples: Mapping[str, list[str]], accepted: Accepted) -> None:
    counts = Counter(node.split("::")[0] for node in accepted.nodes)
    for path, texts in samples.items():
        shop.recorder.record("accepted", "tests", path=path, samples=len(texts), tests=counts[path])
    for quarantined in accepted.quarantined:
        shop.recorder.record("guard", "tests", rule="quarantine", action=quarantined.node, reason=quarantined.reason)
