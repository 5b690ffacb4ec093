"""Nightshift: python3 orchestrator.py "task" plans, builds, tests, diagnoses; it ends with proof or a handoff.

Read this file first. `Orchestrator` is the attempt loop; `main` at the end builds the doors to the world and
passes them in. The words used here are defined in nightshift/domain.py, the roles in agents.py.
"""

from __future__ import annotations

from nightshift.bootstrap import ensure_venv, run_program

ensure_venv()

import argparse
import asyncio
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from agents import Agents
from config import Config, load
from nightshift.acceptance import Accepted
from nightshift.checks import run_command_check
from nightshift.domain import (
    Attempt,
    Diagnosis,
    ExecLimits,
    Recorder,
    RunResult,
    Task,
    Tree,
    Verdict,
)
from nightshift.errors import ConfigError, ReplyRejected
from nightshift.evidence import of_verdict
from nightshift.explore import overview
from nightshift.judge import judge, standing_tests
from nightshift.limits import Progress, stuck, tree_hash
from nightshift.plan import user_criteria
from nightshift.records import as_json, find_run, proof_of
from nightshift.search.build import Effort
from nightshift.search.planning import Ground, make_plan
from nightshift.search.work import (
    Work,
    Workshop,
    build_all,
    concerned_sources,
    rebuild,
    suspects,
    without_analyst,
    write_tests,
)
from nightshift.workspace import fresh_folder
from session import (
    CHECKOUT,
    VERSION,
    Order,
    Session,
    Site,
    checked_task,
    demo_task,
    plan_of_start,
    read_plan_file,
    read_task,
    started_with,
)


@dataclass(frozen=True, slots=True)
class Rules:
    attempts: int
    effort: Effort
    tester_temperatures: tuple[float, ...]
    command: ExecLimits
    tests: ExecLimits
    verify_network: bool = False


class Orchestrator:
    """The loop of attempts over collaborators that know nothing of each other."""

    def __init__(self, agents: Agents, recorder: Recorder, rules: Rules) -> None:
        self._agents = agents
        self._recorder = recorder
        self._rules = rules
        self.attempts: list[Attempt] = []
        self.work: Work | None = None
        self.best: tuple[Verdict, Tree] | None = None

    async def run(self, task: Task, site: Site) -> RunResult:
        """Does the task. What it made so far is in `work` and `best`, also when this is cancelled half-way."""
        if await self._already_green(task, site):
            return RunResult("passed", "already_green", "every --verify command succeeded before anything was changed")
        work, shop = await self.plan(task, site)
        self.work = work = await write_tests(work, shop)
        return await self._attempt(work, shop)

    async def plan(self, task: Task, site: Site) -> tuple[Work, Workshop]:
        """Explores and plans: nothing is built yet."""
        ground = await self._explore(task, site)
        plan, box = await make_plan(
            task, ground, self._agents, self._recorder, site.open_box, self._rules.command, given=site.plan
        )
        rules = self._rules
        shop = Workshop(
            self._agents, box, self._recorder, rules.effort, rules.tests, rules.tester_temperatures, site.keep
        )
        return Work(task, plan, site.tree, Accepted({}, frozenset()), ground.user_tests), shop

    async def _attempt(self, work: Work, shop: Workshop) -> RunResult:
        """Build and judge; while that fails, find the root cause and make the culprits again."""
        history: list[Progress] = []
        work, built = await build_all(work, shop, "attempt-1")
        fresh = False
        for number in range(1, self._rules.attempts + 1):
            self.work = work
            verdict = await self._judge(work, shop, number)
            self.attempts.append(Attempt(number, built, verdict))
            self._remember_best(verdict, work)
            if verdict.passed:
                return RunResult("passed", "passed", _passed_message(verdict))
            diagnosis = await self._diagnose(work, verdict, number)
            self.attempts[-1] = replace(self.attempts[-1], diagnosis=diagnosis)
            history.append(Progress(diagnosis.signature, tree_hash(work.tested_tree.texts), verdict.score))
            if reason := stuck(history):
                if fresh:
                    return RunResult("failed", "no_progress", f"no progress, not even after a fresh start: {reason}")
                self._recorder.record(
                    "guard", f"attempt-{number}", rule="no-progress", action="fresh start", reason=reason
                )
                fresh = True
            if number < self._rules.attempts:
                work = self._back_to_best(work, shop, verdict)
                work, built = await rebuild(work, shop, f"attempt-{number + 1}", diagnosis, verdict, fresh=fresh)
        return RunResult(
            "failed", "attempts_exhausted", f"{self._rules.attempts} attempts did not fulfil every criterion"
        )

    async def _already_green(self, task: Task, site: Site) -> bool:
        criteria = user_criteria(task)
        box, network = site.open_box(()), self._rules.verify_network
        results = [
            await asyncio.to_thread(run_command_check, c, site.tree, box, self._rules.command, network=network)
            for c in criteria
        ]
        return bool(results) and all(result.passed for result in results)

    async def _explore(self, task: Task, site: Site) -> Ground:
        """What is there; a resumed run starts from what the first part saw, not from what has changed since."""
        box, seen = site.open_box(()), overview(site.tree, site.git)
        user_tests = await asyncio.to_thread(standing_tests, seen.test_files, site.tree, box, self._rules.tests)
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
        return Ground(site.tree, context, str(fields["lessons"]), str(fields["importable"]), user_tests)

    async def _judge(self, work: Work, shop: Workshop, number: int) -> Verdict:
        verdict = await asyncio.to_thread(
            judge, work.plan, work.accepted, work.user_tests, work.tree, shop.sandbox, self._rules.command,
            test_limits=self._rules.tests, network=self._rules.verify_network,
        )  # fmt: skip
        self._recorder.record(
            "verdict",
            f"attempt-{number}/judge",
            attempt=number,
            passed=verdict.passed,
            proof=proof_of(verdict.results),
            verdict=verdict,
        )
        return verdict

    async def _diagnose(self, work: Work, verdict: Verdict, number: int) -> Diagnosis:
        span, paths = f"attempt-{number}/diagnose", suspects(work, verdict)
        try:
            diagnosis = await self._agents.diagnose(
                work.task,
                span,
                evidence=of_verdict(verdict),
                sources=concerned_sources(work, verdict),
                paths=paths,
            )
        except ReplyRejected as error:
            diagnosis = without_analyst(work, verdict, str(error))
        self._recorder.record("diagnosis", span, attempt=number, diagnosis=diagnosis)
        return diagnosis

    def _remember_best(self, verdict: Verdict, work: Work) -> None:
        if self.best is None or verdict.passed or verdict.score > self.best[0].score:
            self.best = (verdict, work.tested_tree)

    def _back_to_best(self, work: Work, shop: Workshop, verdict: Verdict) -> Work:
        """The next attempt starts from the best tree seen, never from a worse one."""
        if self.best is None or verdict.score >= self.best[0].score:
            return work
        texts = {path: text for path, text in self.best[1].texts.items() if path not in work.accepted.texts}
        shop.keep(
            {p: t for p, t in texts.items() if work.tree.texts.get(p) != t},
            "Back to the best tree",
        )
        return replace(work, tree=Tree(texts, work.tree.base))


def _passed_message(verdict: Verdict) -> str:
    tests = verdict.report.collected if verdict.report else 0
    return f"all {len(verdict.results)} criteria hold and {tests} tests pass (proof: {proof_of(verdict.results)})"


def main(argv: Sequence[str]) -> int:
    """The composition root: options become an order, the session opens the doors, and the loop runs between them."""
    session = Session(read_order(_parser().parse_args(argv), os.environ), os.environ)

    async def work() -> RunResult | None:
        doors = await session.open()
        orchestrator = Orchestrator(doors.agents, doors.recorder, rules_of(session.order.config))
        session.best = lambda: orchestrator.best
        if session.order.dry_run:
            work, _ = await orchestrator.plan(session.order.task, doors.site)
            print(json.dumps(as_json(work.plan), indent=2, ensure_ascii=False))
            return None
        return await orchestrator.run(session.order.task, doors.site)

    return asyncio.run(session.supervise(work))


def rules_of(config: Config) -> Rules:
    wanted, seconds = config.candidates, config.sandbox
    tests = ExecLimits(seconds=seconds.test_run_seconds, test_seconds=seconds.test_seconds)
    return Rules(
        attempts=config.attempts,
        effort=Effort(wanted.temperatures[: wanted.count], max(wanted.widened, wanted.count), wanted.repairs),
        tester_temperatures=wanted.tester_temperatures,
        command=ExecLimits(seconds=seconds.command_seconds),
        tests=tests,
        verify_network=config.verify.network,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="orchestrator.py",
        description="Does one task: explores, plans, builds, tests, diagnoses; ends with proof or an honest handoff.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("task", nargs="?", help="what to build, in plain words")
    add("--task-file", metavar="FILE", help="read the task from a file; - is standard input")
    add(
        "--workspace",
        metavar="DIR",
        help="where to work (default: the current directory); made if its parent exists",
    )
    add("--config", metavar="FILE", help="a further configuration file")
    add(
        "--verify",
        metavar="CMD",
        action="append",
        default=[],
        help="a command that proves the task; trusted; repeatable",
    )
    add("--resume", metavar="RUN", nargs="?", const="", help="go on with a run: its id, or the newest")
    add("--demo", action="store_true", help="run on the embedded tape: no model server needed")
    add("--record-tape", action="store_true", help="with --demo: record the tape anew from your model server")
    add(
        "--endpoint",
        metavar="URL",
        action="append",
        help="a model server; any port, with or without /v1; repeatable",
    )
    add("--model", metavar="NAME", help="the model for every role that has none of its own")
    add(
        "--role",
        metavar="ROLE=MODEL[@URL]",
        action="append",
        default=[],
        help="a model for one role; repeatable",
    )
    add("--serve-gguf", metavar="FILE", help="start llama-server on this model file (not available yet)")
    add(
        "--allow-remote",
        action="store_true",
        default=None,
        help="allow model servers outside private networks",
    )
    add("--attempts", metavar="N", type=int, help="attempts before giving up (default 3)")
    add("--candidates", metavar="N", type=int, help="source candidates for a file (default 3)")
    add("--max-minutes", metavar="M", type=float, help="budget of time (default 120)")
    add("--max-calls", metavar="N", type=int, help="budget of generation requests (default 200)")
    add("--max-tokens", metavar="N", type=int, help="budget of tokens, prompts included (default 2000000)")
    add(
        "--in-place",
        action="store_true",
        default=None,
        help="work in the workspace itself, without isolation",
    )
    add(
        "--base",
        choices=("snapshot", "HEAD"),
        help="start from your tracked changes too (default), or from HEAD",
    )
    add("--branch", metavar="NAME", default="", help="name of the branch the work is left on")
    add("--merge", action="store_true", help="fast-forward a clean checkout on success")
    add("--no-memory", action="store_true", help="neither recall nor learn lessons")
    add(
        "--unsafe-no-sandbox",
        action="store_true",
        help="run generated code without isolation; said in every report",
    )
    add("--dry-run", action="store_true", help="plan only, and print the plan")
    add("--plan", metavar="FILE", help="run this plan, as printed by --dry-run and edited")
    add("--quiet", action="store_true", help="only the last line")
    add("--verbose", action="store_true", help="every call too")
    add("--json", action="store_true", help="the result on standard output as JSON")
    add("--version", action="version", version=f"nightshift {VERSION}")
    return parser


EXAMPLES = """examples:
  python3 orchestrator.py "Build a task tracker CLI with JSON persistence"
  python3 orchestrator.py --workspace ~/code/app --verify "python3 -m pytest -q" "Add a --json flag to the list command"
  python3 orchestrator.py --demo
  python3 orchestrator.py --resume --workspace ~/code/app

exit codes: 0 passed, 1 not done, 2 usage, 3 no model server, 4 budget, 5 refused, 70 defect, 130/143 interrupted"""


def read_order(options: argparse.Namespace, environ: Mapping[str, str]) -> Order:
    """Raises ConfigError and TaskError."""
    if options.serve_gguf:
        raise ConfigError("--serve-gguf is not available yet: start `llama-server -m FILE` yourself, it will be found")
    given = _overrides(options)
    prompt = _task_text(options)
    workspace = _workspace(options, prompt)
    resume = find_run(workspace, options.resume) if options.resume is not None else None
    earlier = started_with(resume) if resume else {}
    overrides = {**earlier.get("overrides", {}), **given}
    config = load(overrides, environ, workspace, Path(options.config) if options.config else None)
    task = earlier.get("task") or {"prompt": prompt, "verify": [*config.verify.commands, *options.verify]}
    return Order(
        task=checked_task(Task(task["prompt"], tuple(task["verify"]))),
        config=config,
        workspace=workspace,
        overrides=overrides,
        resume=resume,
        demo=options.demo or bool(earlier.get("demo")),
        record_tape=options.record_tape,
        merge=options.merge,
        branch=options.branch,
        plan=read_plan_file(Path(options.plan)) if options.plan else plan_of_start(earlier),
        dry_run=options.dry_run,
        unsafe=options.unsafe_no_sandbox,
        quiet=options.quiet,
        verbose=options.verbose,
        as_json=options.json,
    )


def _overrides(options: argparse.Namespace) -> dict[str, Any]:
    """The flags that are settings, by configuration key."""
    roles: dict[str, list[str]] = {}
    for text in options.role:
        role, found, target = text.partition("=")
        if not found:
            raise ConfigError(f"--role {text}: write ROLE=MODEL or ROLE=MODEL@URL")
        roles.setdefault(f"roles.{role}", []).append(target)
    flags = {
        "attempts": options.attempts,
        "candidates.count": options.candidates,
        "limits.minutes": options.max_minutes,
        "limits.calls": options.max_calls,
        "limits.tokens": options.max_tokens,
        "endpoints": options.endpoint,
        "model": options.model,
        "allow_remote": options.allow_remote,
        "workspace.in_place": options.in_place,
        "workspace.base": options.base,
        "memory.enabled": False if options.no_memory else None,
        **roles,
    }
    return {key: value for key, value in flags.items() if value is not None}


def _task_text(options: argparse.Namespace) -> str:
    if options.task and options.task_file:
        raise ConfigError("give the task as text or with --task-file, not both")
    if options.task_file:
        return read_task(options.task_file)
    return options.task or (demo_task() if options.demo else "")


def _workspace(options: argparse.Namespace, prompt: str) -> Path:
    """The current directory, unless that is Nightshift's own checkout: its files are not what a task is about."""
    if options.workspace:
        return Path(options.workspace).expanduser().absolute()
    here = Path.cwd()
    if options.resume is None and (options.demo or here == CHECKOUT or CHECKOUT in here.parents):
        return fresh_folder(prompt)
    return here


if __name__ == "__main__":
    run_program(main)
