"""Nightshift: python3 orchestrator.py "task" plans, builds, tests, diagnoses; it ends with proof or a handoff.

Read this file first. `Orchestrator` is the attempt loop; `main` at the end builds the doors to the world and
passes them in. The words used here are defined in nightshift/domain.py, the roles in agents.py.
"""

from __future__ import annotations

from nightshift.bootstrap import ensure_venv, run_program

ensure_venv()

import asyncio
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace

from agents import Agents
from config import Config
from nightshift.acceptance import Accepted, planned_files
from nightshift.checks import refuse_unrunnable
from nightshift.domain import (
    Attempt,
    CriterionResult,
    Culprit,
    Diagnosis,
    ExecLimits,
    Plan,
    Recorder,
    RunResult,
    Task,
    Tree,
    Verdict,
)
from nightshift.errors import ReplyRejected
from nightshift.evidence import of_verdict
from nightshift.explore import overview
from nightshift.judge import judge
from nightshift.knowledge.entries import Question
from nightshift.limits import Allowance, Progress, stuck, tree_hash
from nightshift.plan import locked_files, user_criteria
from nightshift.policy import BUILT_IN, Done, Policy, deny_done
from nightshift.project.before import failing_text, look_again, look_before
from nightshift.project.reading import read_project, support_files
from nightshift.records import as_json, proof_of
from nightshift.search.blame import concerned_sources, said_of_tests, suspects, unprovable, weighed, without_analyst
from nightshift.search.brief import Effort
from nightshift.search.disputes import blame_by_vote
from nightshift.search.doubted import set_aside
from nightshift.search.making import build_all, rebuild
from nightshift.search.planning import Ground, make_plan
from nightshift.search.review import reviewed
from nightshift.search.styling import styled
from nightshift.search.testing import write_tests
from nightshift.search.trials import put_on_trial
from nightshift.search.work import Work, Workshop
from options import read_order
from session import Session, Site
from supervising import reflect, supervise


@dataclass(frozen=True, slots=True)
class Rules:
    attempts: int
    effort: Effort
    tester_temperatures: tuple[float, ...]
    command: ExecLimits
    tests: ExecLimits
    verify_network: bool = False
    replans: int = 0
    trust: bool = True
    reviewer_rounds: int = 0
    policy: Policy = BUILT_IN


class Orchestrator:
    """The loop of attempts over collaborators that know nothing of each other."""

    def __init__(self, agents: Agents, recorder: Recorder, rules: Rules) -> None:
        self._agents = agents
        self._recorder = recorder
        self._rules = rules
        self.attempts: list[Attempt] = []
        self.best: tuple[Verdict, Tree] | None = None
        self._best_of_plan: tuple[Verdict, Tree] | None = None
        self._allowance = Allowance(rules.attempts, rules.replans)
        self._ground: Ground | None = None
        self._history: list[Progress] = []
        self._standing = ""
        """An objection to the plan's result that another plan may meet."""

    async def run(self, task: Task, site: Site) -> RunResult:
        """Does the task. The best tree so far is in `best`, also when this is cancelled half-way."""
        if await self._already_green(task, site):
            return RunResult("passed", "already_green", "every --verify command succeeded before anything was changed")
        failed: tuple[str, ...] = ()
        proved: tuple[Plan, RunResult] | None = None
        while True:
            work, shop = await self.plan(task, site, failed)
            work = await write_tests(work, shop, self._span_of_plan)
            result = await self._attempts_with(work, shop)
            if result.status == "passed":
                proved = work.plan, result
            done = result.status == "passed" and not self._standing
            if done or site.plan or not self._allowance.replan():
                return self._proved(*proved) if proved else result
            failed = (*failed, _failed_plan(work, self.attempts, self._standing or result.message))
            self._decide("replan", "another plan", self._standing or result.message)
            await asyncio.to_thread(site.restart)

    async def plan(self, task: Task, site: Site, failed: tuple[str, ...] = ()) -> tuple[Work, Workshop]:
        """Explores and plans: nothing is built yet. `failed` says what became of earlier plans."""
        ground = self._ground = self._ground or await self._explore(task, site)
        prefix, rules = self._span_of_plan, self._rules
        plan, box = await make_plan(
            task, ground, self._agents, self._recorder, site.open_box, rules.command, given=site.plan,
            span=f"{prefix}/plan" if prefix else "plan", refusals=failed,
        )  # fmt: skip
        user_tests = await asyncio.to_thread(
            look_again, ground.user_tests, plan, site.tree, box, self._recorder, rules.tests, f"{prefix}/tests"
        )
        shop = Workshop(
            self._agents, box, self._recorder, rules.effort, user_tests.baseline.limits(rules.tests), rules.command,
            rules.verify_network, rules.tester_temperatures, site.save, site.recollect,
        )  # fmt: skip
        accepted = Accepted({}, frozenset(), found=planned_files(plan, site.tree))
        return Work(task, plan, site.tree, accepted, user_tests, ground.protected), shop

    async def _attempts_with(self, work: Work, shop: Workshop) -> RunResult:
        """With one plan: build and judge; while that fails, find the root cause and make the culprits again."""
        self._best_of_plan = None
        number = self._allowance.attempt()
        assert number, "a plan is only made with an attempt left for it"
        work, built = await build_all(work, shop, f"attempt-{number}")
        fresh = False
        while True:
            if self._rules.trust:
                work = await asyncio.to_thread(put_on_trial, work, shop, f"attempt-{number}/trust")
            work = await asyncio.to_thread(styled, work, shop, f"attempt-{number}/style", built)
            verdict = await self._judge(work, shop, number)
            work, verdict = await self._without_doubted(work, shop, verdict, number)
            self.attempts.append(Attempt(number, built, verdict))
            self._remember_best(verdict, work)
            if verdict.passed:
                verdict = await self._reviewed(work, shop, verdict, number)
                return RunResult("passed", "passed", _passed_message(verdict))
            if hopeless := unprovable(work.plan):
                return RunResult("failed", "no_progress", hopeless)
            diagnosis = await self._diagnose(work, shop, verdict, number)
            self.attempts[-1] = replace(self.attempts[-1], diagnosis=diagnosis)
            if doubted := [c for c in diagnosis.culprits if c.blame == "criterion"]:
                return RunResult("failed", "no_progress", _doubt_message(doubted))
            self._history.append(self._progress(work, built, verdict, diagnosis))
            if reason := stuck(self._history):
                if fresh:
                    return RunResult("failed", "no_progress", f"no progress, not even after a fresh start: {reason}")
                fresh = True
                self._decide(f"attempt-{number}", "fresh start", reason)
            number = self._allowance.attempt()
            if number is None:
                used = f"attempts used up ({self._allowance.number}); not every criterion holds"
                return RunResult("failed", "attempts_exhausted", used)
            work = self._back_to_best(work, shop, verdict)
            work, built = await rebuild(work, shop, f"attempt-{number}", diagnosis, verdict, fresh=fresh)

    def _proved(self, plan: Plan, result: RunResult) -> RunResult:
        """The plan whose result passed is in force again, whatever became of a later one."""
        self._recorder.record("planned", "proved", ask=0, plan=as_json(plan), refusals=[], accepted=True)
        return result

    async def _already_green(self, task: Task, site: Site) -> bool:
        box, rules = await asyncio.to_thread(site.open_box, ()), self._rules
        holds = [
            await asyncio.to_thread(
                refuse_unrunnable, command, site.tree, box, rules.command, network=rules.verify_network
            )
            for command in task.verify
        ]
        if not holds or not all(holds):
            return False
        results = [CriterionResult(c, True, "user-command", "succeeded at the start") for c in user_criteria(task)]
        self._record_verdict(Verdict(tuple(results), None), 0)
        return True

    async def _explore(self, task: Task, site: Site) -> Ground:
        """What is there; a resumed run starts from what the first part saw, not from what has changed since."""
        box, rules = await asyncio.to_thread(site.open_box, ()), self._rules
        user_tests = await asyncio.to_thread(
            look_before, task.prompt, site.tree, box, self._recorder, rules.tests, rules.command
        )
        seen = overview(site.tree, site.git, task.prompt, recent=site.recent, evidence=failing_text(user_tests))
        fields = self._recorder.recall("explored", "explore", "explore") or {
            "text": seen.text,
            "files": sorted(site.tree.texts),
            "lessons": site.lessons,
            "importable": site.importable,
        }
        self._recorder.record("explored", "explore", **{**fields, "key": "explore"})
        context = str(fields["text"])
        if seen.python_files:
            context += f"\n\nA scout's summary:\n{await self._agents.explore(task, context)}"
        # The scripts that `make test` runs judge too, also while they still fail.
        commands = read_project(site.tree).unknown_commands if task.verify else user_tests.commands
        proof = replace(task, verify=(*task.verify, *commands))
        tests = frozenset((*seen.test_files, *user_tests.files))
        tests |= support_files(site.tree, [*tests], task.prompt)
        return Ground(
            site.tree,
            context,
            str(fields["lessons"]),
            str(fields["importable"]),
            user_tests,
            tests | locked_files(proof, site.tree) | site.closed,
            rules.policy,
        )

    async def _reviewed(self, work: Work, shop: Workshop, verdict: Verdict, number: int) -> Verdict:
        """What passed, or better, after another model has had its say."""

        async def judged(made: Work) -> Verdict:
            return await self._judged(made, shop)

        rules = self._rules
        done = await reviewed(
            work, shop, verdict, judged, f"attempt-{number}", rules.reviewer_rounds, votes=rules.effort.votes
        )
        self._standing = done.standing
        if done.verdict is not verdict:
            self._record_verdict(done.verdict, number)
            self.attempts[-1] = replace(self.attempts[-1], verdict=done.verdict)
            self._remember_best(done.verdict, done.work)
        return done.verdict

    async def _judge(self, work: Work, shop: Workshop, number: int) -> Verdict:
        verdict = await self._judged(work, shop)
        self._record_verdict(verdict, number)
        return verdict

    async def _without_doubted(self, work: Work, shop: Workshop, verdict: Verdict, number: int) -> tuple[Work, Verdict]:
        """Judged again without tests that nothing speaks for, when nothing else fails."""
        span = f"attempt-{number}/judge"
        if verdict.passed or not self._rules.trust:
            return work, verdict
        left = await asyncio.to_thread(set_aside, work, verdict, shop, span, last=self._allowance.spent)
        return (left, await self._judge(left, shop, number)) if left else (work, verdict)

    async def _judged(self, work: Work, shop: Workshop) -> Verdict:
        verdict = await asyncio.to_thread(
            judge, work.plan, work.accepted, work.user_tests, work.tree, shop.sandbox, self._rules.command,
            test_limits=self._rules.tests, network=self._rules.verify_network,
        )  # fmt: skip
        reason = self._why_not_done(work, verdict) if verdict.passed else None
        return replace(verdict, problems=(*verdict.problems, reason)) if reason else verdict

    def _why_not_done(self, work: Work, verdict: Verdict) -> str | None:
        assert self._ground is not None, "nothing is judged before the ground is known"
        planned, before = frozenset(step.path for step in work.plan.steps), self._ground.tree.texts
        done = Done(verdict, before, work.tested_tree.texts, planned, work.protected, work.accepted.texts)
        if reason := deny_done(done):
            self._recorder.record("policy", "done", path="", allowed=False, reason=reason)
        return reason

    def _record_verdict(self, verdict: Verdict, number: int) -> None:
        proof = proof_of(verdict.results)
        span = f"attempt-{number}/judge"
        self._recorder.record("verdict", span, attempt=number, passed=verdict.passed, proof=proof, verdict=verdict)

    async def _diagnose(self, work: Work, shop: Workshop, verdict: Verdict, number: int) -> Diagnosis:
        span, paths = f"attempt-{number}/diagnose", suspects(work, verdict)
        evidence = of_verdict(verdict, work.tested_tree.texts)
        try:
            diagnosis = await self._agents.diagnose(
                work.task,
                span,
                evidence="\n\n".join(filter(None, (evidence, said_of_tests(work, verdict)))),
                sources=concerned_sources(work, verdict),
                paths=paths,
                texts=work.tested_tree.texts,
                lessons=shop.recollect(span, Question(work.task.prompt, evidence=evidence)),
                again=number > 1,
            )
        except ReplyRejected as error:
            diagnosis = without_analyst(work, verdict, str(error))
        if self._rules.trust:
            told = diagnosis
            diagnosis, reason = weighed(told, work, verdict)
            if reason and self._rules.effort.votes:
                diagnosis, said = await blame_by_vote(
                    told, diagnosis, work, verdict, self._agents, span, self._recorder
                )
                reason = said or reason
            if reason:
                self._recorder.record("guard", span, rule="blame", action="blame moved", reason=reason)
        self._recorder.record("diagnosis", span, attempt=number, diagnosis=diagnosis)
        return diagnosis

    def _progress(self, work: Work, built: Sequence[str], verdict: Verdict, diagnosis: Diagnosis) -> Progress:
        made = {path: work.tree.texts[path] for path in built if path in work.tree.texts}
        tree, plan = tree_hash(work.tested_tree.texts), self._allowance.plans
        return Progress(diagnosis.signature, tree, verdict.score, plan, tree_hash(made) if made else "")

    def _remember_best(self, verdict: Verdict, work: Work) -> None:
        now = (verdict, work.tested_tree)
        if self._best_of_plan is None or verdict.passed or verdict.score > self._best_of_plan[0].score:
            self._best_of_plan = now
        if self.best is None or verdict.passed or verdict.share > self.best[0].share:
            self.best = now

    def _back_to_best(self, work: Work, shop: Workshop, verdict: Verdict) -> Work:
        """The next attempt starts from the best tree of its plan, never from a worse one."""
        best = self._best_of_plan
        if best is None or verdict.score >= best[0].score:
            return work
        texts = {path: text for path, text in best[1].texts.items() if path not in work.accepted.texts}
        shop.save(
            {p: t for p, t in texts.items() if work.tree.texts.get(p) != t},
            "Back to the best tree",
        )
        return replace(work, tree=Tree(texts, work.tree.base))

    @property
    def _span_of_plan(self) -> str:
        """Where in the trace the present plan and its tests are: the first one's name is empty."""
        return f"replan-{self._allowance.plans - 1}" if self._allowance.plans > 1 else ""

    def _decide(self, span: str, action: str, reason: str) -> None:
        self._recorder.record("guard", span, rule="no-progress", action=action, reason=reason)


def _failed_plan(work: Work, attempts: Sequence[Attempt], why: str) -> str:
    """What the planner is told of a plan that did not work out."""
    paths = ", ".join(step.path for step in work.plan.steps)
    diagnosis = attempts[-1].diagnosis
    cause = f" Root cause found: {diagnosis.whys[-1]} {diagnosis.advice}" if diagnosis and diagnosis.whys else ""
    return f"An earlier plan ({paths}) was built and failed: {why}.{cause} Plan it in another way."


def _passed_message(verdict: Verdict) -> str:
    tests = verdict.report.collected if verdict.report else 0
    return f"all {len(verdict.results)} criteria hold and {tests} tests pass (proof: {proof_of(verdict.results)})"


def _doubt_message(doubted: Sequence[Culprit]) -> str:
    """Criteria are frozen once building starts: one that cannot be fulfilled ends the run, it is never dropped."""
    reasons = "; ".join(f"{culprit.path}: {culprit.why}" for culprit in doubted)
    return f"the analyst doubts a check of the plan ({reasons}): edit the plan (--dry-run, then --plan) or the task"


def main(argv: Sequence[str]) -> int:
    """The composition root: options become an order, the session opens the doors, and the loop runs between them."""
    session = Session(read_order(argv, os.environ), os.environ)

    async def do_task() -> RunResult:
        doors = await session.open()
        orchestrator = Orchestrator(doors.agents, doors.recorder, rules_of(session.order.config))
        session.best = lambda: orchestrator.best
        if session.order.dry_run:
            work, _ = await orchestrator.plan(session.order.task, doors.site)
            print(json.dumps(as_json(work.plan), indent=2, ensure_ascii=False))
            return RunResult("planned", "planned", "the plan is printed; nothing was built")
        result = await orchestrator.run(session.order.task, doors.site)
        await reflect(session, doors.agents, result)
        return result

    return asyncio.run(supervise(session, do_task))


def rules_of(config: Config) -> Rules:
    wanted, seconds, switches = config.candidates, config.sandbox, config.switches
    tests = ExecLimits(seconds=seconds.test_run_seconds, test_seconds=seconds.test_seconds)
    return Rules(
        attempts=config.attempts,
        effort=Effort(
            wanted.count,
            wanted.temperatures,
            max(wanted.widened, wanted.count),
            wanted.repairs,
            switches.fixes,
            switches.splice,
            switches.probes,
            switches.voting,
        ),
        tester_temperatures=wanted.tester_temperatures,
        command=ExecLimits(seconds=seconds.command_seconds),
        tests=tests,
        verify_network=config.verify.network,
        replans=wanted.replans,
        trust=switches.trust,
        reviewer_rounds=wanted.reviewer_rounds if switches.review else 0,
        policy=config.policy,
    )


if __name__ == "__main__":
    run_program(main)
