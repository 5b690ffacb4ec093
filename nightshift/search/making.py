"""Every file in dependency order; then, with a diagnosis at hand, the culprits and the cascade behind them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from nightshift.domain import Candidate, Criterion, Diagnosis, Evaluation, Step, TestsCheck, Verdict
from nightshift.prompting import fenced
from nightshift.search.asking import concurrently
from nightshift.search.blame import evidence_for
from nightshift.search.brief import Brief
from nightshift.search.build import Built, build_step
from nightshift.search.evaluate import Bench, runnable_tests
from nightshift.search.testing import rewrite_test
from nightshift.search.work import Work, Workshop, modules_for, write_checked
from nightshift.source.facts import facts_or_nothing
from nightshift.source.fixes import missing_packages
from nightshift.source.graph import affected, import_graph, topological
from nightshift.source.interfaces import changed_names, render
from nightshift.source.newlines import written_like
from nightshift.source.style import style_of

REOPENINGS = 2
"""How often diagnosis or cascade may have one step made again."""


async def build_all(work: Work, shop: Workshop, span: str) -> tuple[Work, tuple[str, ...]]:
    """Every step that is not a test, in layers: the steps of one layer do not depend on each other."""
    work = _with_packages(work, shop, span)
    steps = {step.path: step for step in work.plan.steps if step.kind != "test"}
    edges = {path: [d for d in step.depends_on if d in steps] for path, step in steps.items()}
    unfinished = frozenset(steps)
    built: list[str] = []
    for layer in topological(list(steps), edges):
        made = await concurrently([_make(work, shop, steps[path], span, unfinished) for path in layer])
        unfinished -= frozenset(layer)
        for path, result in zip(layer, made, strict=True):
            if result is not None:
                work = _with_winner(work.hearing(result.outcomes).having(path, result.written), shop, result.chosen)
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
            work = await rewrite_test(work, shop, culprit, verdict, span)
    failing = tuple(
        r.criterion for r in verdict.results if not r.passed and not isinstance(r.criterion.check, TestsCheck)
    )
    reasons = dict.fromkeys(advice, "culprit")
    done: list[str] = []
    while path := _next(work, advice, done):
        shop.recorder.record("cascade", span, rebuild=[{"path": path, "reason": reasons[path]}], retest=[])
        step, old = work.plan.step(path), work.tree.texts.get(path, "")
        brief = replace(
            _brief(work, shop, step, span),
            current="" if fresh else old,
            evidence=evidence_for(path, verdict, work),
            advice=advice[path],
        )
        result = await _build(work, shop, brief, old, failing)
        done.append(path)
        work = work.reopening(path)
        if result is None or result.chosen.candidate.origin == "kept":
            continue
        work = _with_winner(work.hearing(result.outcomes).having(path, result.written), shop, result.chosen)
        for dependent, why in _followers(work, path, old):
            if dependent not in done:
                advice.setdefault(dependent, why)
                reasons.setdefault(dependent, f"uses the changed interface of {path}")
    _record_retest(work, shop, span, done)
    return work, tuple(done)


def _with_packages(work: Work, shop: Workshop, span: str) -> Work:
    """With the empty `__init__.py` files that the plan implies and does not name."""
    sources = [step.path for step in work.plan.steps if step.kind == "source"]
    for path in missing_packages(sources, work.tree.texts):
        shop.recorder.record(
            "repair", f"{span}/{path}", path=path, outcome="missing-package", detail="the plan implies it"
        )
        shop.save({path: ""}, f"{path}: makes its folder a package")
        work = replace(work, tree=work.tree.with_text(path, ""))
    return work


async def _make(work: Work, shop: Workshop, step: Step, span: str, unfinished: frozenset[str]) -> Built | None:
    brief = _brief(work, shop, step, span)
    return await build_step(brief, _bench(work, shop, step, unfinished), shop.crew, shop.effort, shop.recorder)


def _brief(work: Work, shop: Workshop, step: Step, span: str) -> Brief:
    others = {path for path in work.tree.texts if path.endswith(".py")} - {each.path for each in work.plan.steps}
    return Brief(
        work.task,
        work.plan,
        step,
        f"{span}/build/{step.path}",
        modules_for(work, step),
        work.tree.texts.get(step.path, ""),
        recollect=shop.recollect,
        found=work.accepted.found.get(step.path, ""),
        style=style_of(work.tree.texts).sentence if others else "",
        # In a project of planned files alone all that matters is shown; generated tests are nobody's to look up.
        texts=work.tree.texts if others else {},
    )


async def _build(work: Work, shop: Workshop, brief: Brief, old: str, failing: tuple[Criterion, ...]) -> Built | None:
    bench = replace(_bench(work, shop, brief.step, frozenset()), criteria=failing)
    kept = Candidate(brief.step.path, old, "kept", "kept") if old else None
    return await build_step(brief, bench, shop.crew, shop.effort, shop.recorder, kept)


def _bench(work: Work, shop: Workshop, step: Step, unfinished: frozenset[str]) -> Bench:
    tests = runnable_tests(step, work.tested_tree, work.test_files, unfinished)
    user_tests = frozenset(work.user_tests.files)
    found = work.accepted.found.get(step.path, "")
    undecided = work.user_tests.undecided(work.plan)
    return Bench(
        step, work.tested_tree, tests, shop.sandbox, shop.limits, shop.command_limits, shop.network, user_tests, found,
        undecided,
    )  # fmt: skip


def _with_winner(work: Work, shop: Workshop, evaluation: Evaluation) -> Work:
    candidate = evaluation.candidate
    text = written_like(candidate.text, work.accepted.found.get(candidate.path, ""))
    write_checked(work, shop, {candidate.path: text}, f"{candidate.path}: {candidate.label}", "builder")
    return replace(work, tree=work.tree.with_text(candidate.path, text))


def _next(work: Work, advice: Mapping[str, str], done: list[str]) -> str | None:
    """The next file to make again: none that another waiting file is imported by comes later."""
    graph = import_graph(work.tree.texts)
    waiting = [p for p in advice if p not in done]
    # Made again once too often: left as it is, for the next verdict to judge.
    open_ = [p for p in waiting if work.reopened.get(p, 0) < REOPENINGS]
    return next((p for p in open_ if not graph.reach(p) & (set(open_) - {p})), open_[0] if open_ else None)


def _followers(work: Work, path: str, old: str) -> list[tuple[str, str]]:
    """Planned dependents that use what changed in the interface of `path`, each with what its author must know."""
    if not path.endswith(".py"):
        return []
    before, after = (facts_or_nothing(text).interface for text in (old, work.tree.texts[path]))
    changed = changed_names(before, after)
    steps = {step.path for step in work.plan.steps if step.kind == "source"}
    why = f"The interface of {path} changed ({', '.join(sorted(changed))}). Follow it:\n{fenced(render(after))}"
    return [(dependent, why) for dependent in affected(work.tree.texts, {path: changed}) if dependent in steps]


def _record_retest(work: Work, shop: Workshop, span: str, done: list[str]) -> None:
    """The files that only need testing again: they use what was rebuilt, and its interface stayed."""
    graph = import_graph(work.tested_tree.texts)
    touched = {d for path in done for d in graph.all_dependents(path)} - set(done)
    shop.recorder.record("cascade", span, rebuild=[], retest=sorted(touched))
