"""What is being made, and how it is made again: steps in dependency order, culprits, and the cascade behind them.

Work is a value; each function takes one and returns the next. Files are only shown to the outside through
`Workshop.keep`, one call for each finished step.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

from nightshift.acceptance import Accepted, accept_tests, bind
from nightshift.checks import base_node
from nightshift.domain import (
    Candidate,
    Criterion,
    Culprit,
    Diagnosis,
    Evaluation,
    ExecLimits,
    Plan,
    Recorder,
    Sandbox,
    Step,
    Task,
    TestsCheck,
    Tree,
    Verdict,
)
from nightshift.errors import Refused, ReplyRejected
from nightshift.evidence import of_verdict
from nightshift.judge import UserTests
from nightshift.policy import TEST_BLAME, Write, deny_write
from nightshift.prompting import fenced, head
from nightshift.search.build import Brief, Builder, Effort, build_step, concurrently
from nightshift.search.evaluate import Bench, runnable_tests
from nightshift.source.graph import affected, import_graph, topological
from nightshift.source.interfaces import changed_names, interface_of, render, signatures

REOPENINGS = 2
"""How often diagnosis or cascade may have one step made again."""
SIGNATURE_CHARS = 6000
SOURCES_CHARS = 12_000
"""Of source and test code shown to the analyst."""


@dataclass(frozen=True, slots=True)
class Work:
    task: Task
    plan: Plan
    tree: Tree
    accepted: Accepted
    user_tests: UserTests = UserTests()
    reopened: Mapping[str, int] = field(default_factory=dict)
    """Path -> how often it was made again."""

    @property
    def test_files(self) -> tuple[str, ...]:
        return (*self.user_tests.files, *self.accepted.files)

    @property
    def tested_tree(self) -> Tree:
        return Tree({**self.tree.texts, **self.accepted.texts}, self.tree.base)


class Crew(Builder, Protocol):
    async def write_tests(
        self, task: Task, plan: Plan, step: Step, span: str, *, temperature: float, notes: str = ""
    ) -> str: ...


@dataclass(frozen=True, slots=True)
class Workshop:
    """The collaborators and settings that building needs."""

    crew: Crew
    sandbox: Sandbox
    recorder: Recorder
    effort: Effort
    limits: ExecLimits
    tester_temperatures: tuple[float, ...]
    keep: Callable[[Mapping[str, str], str], None]
    """Saves finished files with a commit message."""


async def write_tests(work: Work, shop: Workshop) -> Work:
    """The tests of every test step, sampled from the specification, accepted on stubs and frozen."""
    steps = [step for step in work.plan.steps if step.kind == "test"]
    samples = {step.path: await _sampled(work, shop, step) for step in steps}
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
    for quarantined in accepted.quarantined:
        shop.recorder.record("guard", "tests", rule="quarantine", action=quarantined.node, reason=quarantined.reason)
    if accepted.texts:
        _keep(work, shop, accepted.texts, "Tests from the specification", "tester")
    return replace(work, accepted=accepted, plan=bind(work.plan, accepted))


async def build_all(work: Work, shop: Workshop, span: str) -> tuple[Work, tuple[str, ...]]:
    """Every step that is not a test, in layers: the steps of one layer do not depend on each other."""
    steps = {step.path: step for step in work.plan.steps if step.kind != "test"}
    edges = {path: [d for d in step.depends_on if d in steps] for path, step in steps.items()}
    unfinished = frozenset(steps)
    built: list[str] = []
    for layer in topological(list(steps), edges):
        made = await concurrently([_make(work, shop, steps[path], span, unfinished) for path in layer])
        unfinished -= frozenset(layer)
        for path, evaluation in zip(layer, made, strict=True):
            if evaluation is not None:
                work = _kept(work, shop, evaluation)
                built.append(path)
    return work, tuple(built)


async def rebuild(
    work: Work, shop: Workshop, span: str, diagnosis: Diagnosis, verdict: Verdict, *, fresh: bool = False
) -> tuple[Work, tuple[str, ...]]:
    """Makes the culprits again with the diagnosis at hand, then the dependents of each interface that changed.

    `fresh` starts from the specification and the advice alone, without the present content.
    """
    advice = {c.path: f"{c.why}\n{diagnosis.advice}" for c in diagnosis.culprits if c.blame == "source"}
    for culprit in diagnosis.culprits:
        if culprit.blame == "test":
            work = await _rewrite_test(work, shop, culprit, span)
    evidence = of_verdict(verdict)
    failing = tuple(
        r.criterion for r in verdict.results if not r.passed and not isinstance(r.criterion.check, TestsCheck)
    )
    reasons = dict.fromkeys(advice, "culprit")
    done: list[str] = []
    while path := _next(work, advice, done):
        step, old = work.plan.step(path), work.tree.texts.get(path, "")
        brief = Brief(
            work.task,
            work.plan,
            step,
            f"{span}/build/{path}",
            _modules(work, step),
            "" if fresh else old,
            evidence,
            advice[path],
        )
        evaluation = await _build(work, shop, brief, old, failing)
        done.append(path)
        work = replace(work, reopened=dict(Counter(work.reopened) + Counter({path: 1})))
        if evaluation is None or evaluation.candidate.origin == "kept":
            continue
        work = _kept(work, shop, evaluation)
        for dependent, why in _followers(work, path, old):
            if dependent not in done:
                advice.setdefault(dependent, why)
                reasons.setdefault(dependent, f"uses the changed interface of {path}")
    _record_cascade(work, shop, span, reasons, done)
    return work, tuple(done)


def suspects(work: Work, verdict: Verdict) -> dict[str, str]:
    """The planned files that may be blamed, with their kind; tests only while some test fails."""
    tests_fail = verdict.report is not None and not verdict.report.passed
    return {
        s.path: s.kind for s in work.plan.steps if s.kind != "test" or (tests_fail and s.path in work.accepted.texts)
    }


def without_analyst(work: Work, verdict: Verdict, why: str) -> Diagnosis:
    """What can be said when no usable diagnosis came: the files that the failing tests import, or all of them."""
    graph = import_graph(work.tested_tree.texts)
    failing = {r.node.split("::")[0] for r in verdict.report.failures} if verdict.report else set()
    sources = [step.path for step in work.plan.steps if step.kind == "source"]
    reached = [path for path in sources if any(path in graph.imports(test) for test in failing)]
    culprits = tuple(Culprit(path, "the failing checks use it", "source") for path in reached or sources)
    return Diagnosis(
        (f"no usable diagnosis: {why}",), culprits, "Compare each failing check with the task, word by word."
    )


def concerned_sources(work: Work, verdict: Verdict) -> str:
    """What the analyst reads: the failing tests and the planned files they reach, or all when a command fails."""
    tree, report = work.tested_tree, verdict.report
    failing = {base_node(r.node).split("::")[0] for r in report.failures} if report else set()
    failing |= {path for path, _ in report.collection_errors} if report else set()
    command_fails = any(not r.passed and not isinstance(r.criterion.check, TestsCheck) for r in verdict.results)
    graph = import_graph(tree.texts)
    reached = {path for test in failing for path in graph.reach(test)}
    planned = [step.path for step in work.plan.steps if step.kind != "test"]
    wanted = [path for path in planned if command_fails or not failing or path in reached]
    shown = [(path, tree.texts[path]) for path in (*wanted, *sorted(failing)) if path in tree.texts]
    share = max(SOURCES_CHARS // max(1, len(shown)), 2000)
    return "\n\n".join(f"{path}\n{fenced(head(text, share))}" for path, text in shown) or "(none)"


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


async def _make(work: Work, shop: Workshop, step: Step, span: str, unfinished: frozenset[str]) -> Evaluation | None:
    present = work.tree.texts.get(step.path, "")
    brief = Brief(work.task, work.plan, step, f"{span}/build/{step.path}", _modules(work, step), present)
    return await build_step(brief, _bench(work, shop, step, unfinished), shop.crew, shop.effort, shop.recorder)


async def _build(
    work: Work, shop: Workshop, brief: Brief, old: str, failing: tuple[Criterion, ...]
) -> Evaluation | None:
    bench = replace(_bench(work, shop, brief.step, frozenset()), criteria=failing)
    kept = Candidate(brief.step.path, old, "kept", "kept") if old else None
    return await build_step(brief, bench, shop.crew, shop.effort, shop.recorder, kept)


def _bench(work: Work, shop: Workshop, step: Step, unfinished: frozenset[str]) -> Bench:
    tests = runnable_tests(step, work.tested_tree, work.test_files, unfinished)
    return Bench(step, work.tested_tree, tests, shop.sandbox, shop.limits, frozenset(work.user_tests.files))


def _kept(work: Work, shop: Workshop, evaluation: Evaluation) -> Work:
    candidate = evaluation.candidate
    _keep(work, shop, {candidate.path: candidate.text}, f"{candidate.path}: {candidate.label}", "builder")
    return replace(work, tree=work.tree.with_text(candidate.path, candidate.text))


def _keep(work: Work, shop: Workshop, texts: Mapping[str, str], message: str, by: str) -> None:
    """Asks the policy for each file, then saves them. Raises Refused: a validated plan never comes to that."""
    planned = frozenset(step.path for step in work.plan.steps)
    for path, text in texts.items():
        frozen, own = frozenset(work.accepted.files), frozenset(work.user_tests.files)
        if reason := deny_write(Write(path, text, planned, own, frozen, by)):
            shop.recorder.record("policy", "write", path=path, allowed=False, reason=reason)
            raise Refused(f"not written: {reason}")
    shop.keep(texts, message)


def _modules(work: Work, step: Step) -> str:
    """Signatures of the finished project modules this step builds on, nearest last."""
    steps = {s.path: s for s in work.plan.steps}
    wanted: dict[str, None] = {}

    def visit(path: str) -> None:
        for dependency in steps[path].depends_on if path in steps else ():
            visit(dependency)
            wanted[dependency] = None

    visit(step.path)
    sections = [
        f"{path}\n{fenced(signatures(work.tree.texts[path]))}"
        for path in wanted
        if path in work.tree.texts and path.endswith(".py")
    ]
    return head("\n\n".join(sections), SIGNATURE_CHARS) or "(none)"


def _next(work: Work, advice: Mapping[str, str], done: list[str]) -> str | None:
    """The next file to make again: none that another waiting file is imported by comes later."""
    graph = import_graph(work.tree.texts)
    waiting = [p for p in advice if p not in done]
    # Made again once too often: left as it is, for the next verdict to judge.
    open_ = [p for p in waiting if work.reopened.get(p, 0) < REOPENINGS]
    return next((p for p in open_ if not graph.reach(p) & (set(open_) - {p})), open_[0] if open_ else None)


def _followers(work: Work, path: str, old: str) -> list[tuple[str, str]]:
    """Planned dependents that use what changed in the interface of `path`, each with what its author must know."""
    before, after = interface_of(old), interface_of(work.tree.texts[path])
    changed = changed_names(before, after)
    steps = {step.path for step in work.plan.steps if step.kind == "source"}
    why = f"The interface of {path} changed ({', '.join(sorted(changed))}). Follow it:\n{fenced(render(after))}"
    return [(dependent, why) for dependent in affected(work.tree.texts, {path: changed}) if dependent in steps]


async def _rewrite_test(work: Work, shop: Workshop, culprit: Culprit, span: str) -> Work:
    """A test file that contradicts the task is written anew from the specification, once; it never sees the source."""
    if work.reopened.get(culprit.path, 0) >= 1:
        shop.recorder.record(
            "guard", span, rule="one-test-rewrite", action=culprit.path, reason="was rewritten already"
        )
        return work
    step = work.plan.step(culprit.path)
    notes = f"An earlier version contradicted the task: {culprit.why}\nWrite only what the task supports."
    where = f"{span}/tests/{step.path}/rewrite"
    reopened = dict(Counter(work.reopened) + Counter({step.path: 1}))
    try:
        text = await shop.crew.write_tests(work.task, work.plan, step, where, temperature=0.0, notes=notes)
    except ReplyRejected:
        return replace(work, reopened=reopened)
    new = await _accepted(work, shop, {step.path: [text]})
    if not new.texts:
        return replace(work, reopened=reopened)
    others = frozenset(n for n in work.accepted.nodes if not n.startswith(step.path + "::"))
    accepted = Accepted(
        {**work.accepted.texts, **new.texts},
        others | new.nodes,
        (*work.accepted.quarantined, *new.quarantined),
    )
    bound = bind(work.plan, accepted)
    if any(isinstance(c.check, TestsCheck) and not c.check.nodes for c in bound.criteria):
        return replace(work, reopened=reopened)
    shop.recorder.record("repair", where, path=step.path, outcome="test rewritten", detail=culprit.why)
    _keep(work, shop, new.texts, f"{step.path}: rewritten, it contradicted the task", TEST_BLAME)
    return replace(work, accepted=accepted, plan=bound, reopened=reopened)


def _record_cascade(work: Work, shop: Workshop, span: str, reasons: Mapping[str, str], done: list[str]) -> None:
    graph = import_graph(work.tested_tree.texts)
    touched = {d for path in done for d in graph.all_dependents(path)} - set(done)
    shop.recorder.record(
        "cascade",
        span,
        rebuild=[{"path": path, "reason": reasons[path]} for path in done],
        retest=sorted(touched),
    )
