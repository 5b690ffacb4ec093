"""One run from its doors to its ending: opens the workspace, the trace, the model and the sandbox, and always
leaves a result behind, however the run ends.

Does not decide anything about the task: that is the orchestrator's. The program is `orchestrator.py`.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import signal
import sys
import time
import traceback
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from agents import Agents, Settings
from config import paths, public
from curating import Assistant, project_of
from nightshift.domain import (
    ROLES,
    ChatModel,
    Environment,
    ExitReason,
    Plan,
    Recorder,
    Role,
    RunResult,
    Sandbox,
    Task,
    Tree,
    Verdict,
)
from nightshift.errors import (
    BudgetExceeded,
    ModelServerError,
    NightshiftError,
    Refused,
    ReplyRejected,
    SandboxUnavailable,
)
from nightshift.knowledge.entries import Question, Recollect, nothing
from nightshift.knowledge.stories import stories, stories_text
from nightshift.limits import Budget, used_up
from nightshift.llm.connect import connect
from nightshift.llm.managed.servers import ManagedServers
from nightshift.llm.profiles import Profiles
from nightshift.llm.tape import TapeModel
from nightshift.ownership import remember
from nightshift.plan import proof_words
from nightshift.policy import Denied
from nightshift.project.box import ProjectBox
from nightshift.project.environment import Found, own_environments, project_environment
from nightshift.recorded import Meter, RecordedModel, RecordedSandbox
from nightshift.records import Record, as_json, as_line, started_with
from nightshift.report.console import Console
from nightshift.report.ending import write_ending
from nightshift.report.handoff import can_go_on, continue_command
from nightshift.sandbox.box import open_sandbox
from nightshift.sandbox.interpreter.environment import EnvironmentUnavailable, importable, prepare
from nightshift.sandbox.interpreter.requirements import DEFAULT_ALLOWED, RequirementRefused, checked, normal
from nightshift.search.planning import OpenBox, PlanRefused
from nightshift.workspace import open_workspace
from nightshift.workspace.unused import is_unused, remove_unused
from options import DEMO, VERSION, Order
from trace_collector import Trace

TAPE_MODEL = "none: replies come from the demo's tape, written in a model's role; everything else is live"
SPOILING: tuple[ExitReason, ...] = (
    "tampered", "disk_full", "workspace_unsafe", "workspace_locked", "internal_error"
)  # fmt: skip
"""After these not even what was proved before is delivered."""
LIBRARIAN_SECONDS = 180.0
"""For proposing lessons: what was proved waits for it."""
DEMO_DELAY = 0.25
"""Seconds before each reply of the tape, so that one can watch."""


@dataclass(frozen=True, slots=True)
class Site:
    """Where and with what the orchestrator works."""

    tree: Tree
    git: str
    lessons: str
    recollect: Recollect
    """What earlier runs taught, for the prompt asked at a span."""
    importable: str
    open_box: OpenBox
    save: Callable[[Mapping[str, str], str], None]
    restart: Callable[[], None]
    """Puts the run's tree back to `tree`, for another plan."""
    plan: Plan | None = None
    recent: tuple[str, ...] = ()
    """Files that changed last, by the project's history."""
    closed: frozenset[str] = frozenset()
    """Files that are never written: submodules, Git LFS."""


@dataclass(frozen=True, slots=True)
class Doors:
    agents: Agents
    recorder: Recorder
    site: Site


class Session:
    """Opened once; `supervise` runs the work between the doors and turns every way it can end into an exit code."""

    def __init__(self, order: Order, environ: Mapping[str, str]) -> None:
        self.order = order
        self.id = order.resume.name if order.resume else new_run_id()
        self.paths = paths(environ)
        self.best: Callable[[], tuple[Verdict, Tree] | None] = lambda: None
        self._terminated = False
        self._opened = time.monotonic()
        self._unused = False
        self._thinkers: frozenset[Role] = frozenset()
        self._reviewer = False
        """The reviewer's models are others than the builder's."""
        self._figures: Callable[[], Mapping[str, int]] = dict
        self._profiles = Profiles()
        self._learned = self.paths.profiles / "learned.json"
        self._boxes: dict[tuple[str, ...], Sandbox] = {}
        self._environment: Environment | None = None
        self._environ = environ
        self._notes: tuple[str, ...] = ()
        """What is to be said of the environment."""
        settings = order.config.workspace
        self.workspace = open_workspace(
            order.workspace,
            in_place=settings.in_place,
            run_id=self.id,
            slug=order.task.prompt,
            trees=self.paths.trees,
            carry=(*settings.carry, *_run_by(order.task, order.workspace)),
            base=settings.base,
            branch=order.branch,
            policy=order.config.policy,
            hooks=settings.hooks,
            reopen=order.resume is not None,
        )
        shown = {**environ, "NO_COLOR": "1"} if order.config.colour == "never" else environ
        self._console = Console(
            sys.stderr, quiet=order.quiet, verbose=order.verbose, environ=shown, live=not order.dry_run
        )
        self.trace = self._open_trace()
        self._assistant: Assistant | None = None
        if order.config.memory.enabled and not order.demo:
            project = project_of(order.workspace)
            self._assistant = Assistant(self.paths.memory, self.trace, project, self._console.say)
        self._servers = ManagedServers(
            order.config.server,
            logs=self.trace.run_dir,
            context=order.config.generation.context,
            environ=environ,
            api_key=order.config.api_key,
        )

    def _open_trace(self) -> Trace:
        run_dir = self.workspace.runs / self.id
        trace = Trace.resume(run_dir, version=VERSION) if self.order.resume else Trace.create(run_dir, self.id)
        self._console.resume(trace.usage, trace.elapsed_seconds)
        trace.subscribe(self._console)
        return trace

    async def open(self) -> Doors:
        config, usage = self.order.config, self.trace.usage
        budget = Budget(
            config.limits,
            used_calls=usage.calls,
            used_tokens=usage.prompt_tokens + usage.completion_tokens,
            elapsed=self.trace.elapsed_seconds,
        )
        meter = Meter(self.trace, budget)
        try:
            model, models = await self._model(meter)
        except ModelServerError:
            self._record_start({})
            raise
        self.workspace.models = tuple(dict.fromkeys(models[role] for role in ("builder", "repairer") if role in models))
        await asyncio.to_thread(self._record_start, models)
        settings = Settings(
            {role: config.sampling_for(role) for role in ROLES},
            config.candidates.format_retries,
            self._thinkers if config.switches.thinking else frozenset(),
            config.generation.think_tokens,
            reviewer=self._reviewer and config.switches.review,
            policy=config.policy,
            secrets=self.workspace.secrets,
        )
        agents = Agents(RecordedModel(model, self.trace, meter), self.trace, settings)
        return Doors(agents, self.trace, self._site())

    def _record_start(self, models: Mapping[str, str]) -> None:
        """First of all, so that a run which cannot go on still says what it was; then what kept it from going on."""
        config, refused, isolation = self.order.config, None, "none to be had"
        try:
            isolation = self._open_box(()).isolation
        except (SandboxUnavailable, PlanRefused) as error:
            refused = error
        self.trace.record(
            "run_started",
            "",
            task=self.order.task,
            workspace=str(self.workspace.path),
            config=public(config),
            overrides=self.order.overrides,
            isolation=isolation,
            models=models,
            remote=config.allow_remote or bool(config.remote_hosts),
            notes=(*self.workspace.notes, *self._notes),
            demo=self.order.demo,
            plan=self.order.plan,
            config_file=self.order.config_file,
            merge=self.order.merge,
            unsafe=self.order.unsafe,
            version=VERSION,
        )
        self._servers.record_to(self.trace)
        if self.order.resume is None:
            remember(self.paths.runs, self.id, started_with(self.trace.records()))
        if refused:
            raise refused

    async def _model(self, meter: Meter) -> tuple[ChatModel, dict[str, str]]:
        config = self.order.config
        if self.order.demo and not self.order.record_tape:
            tape = TapeModel.from_file(DEMO / "tape.jsonl", delay=DEMO_DELAY, listener=self._console.waiting)
            return tape, dict.fromkeys(ROLES, TAPE_MODEL)
        if self._servers.names:
            self._console.say(f"starting  llama-server for {', '.join(self._servers.names)}")
        await self._servers.start()
        connection = await connect(
            (*config.endpoints, *self._servers.urls),
            {**self._servers.roles(alone=not (config.model or config.endpoints)), **config.roles},
            model=config.model,
            api_key=config.api_key,
            patience=config.deadlines.first_token,
            devices=self._servers.devices,
        )
        for url, error in connection.dead.items():
            self.trace.record(
                "fault", "connect", role="", attempt=0, endpoint=url, fault=error.fault, message=str(error)
            )
        self._profiles = Profiles.load(self._learned)
        if self._profiles.note:
            self._console.say(self._profiles.note)
        pool = connection.pool(
            meter,
            context=config.generation.context,
            deadlines=config.deadlines,
            profiles=self._profiles,
            switches=config.switches,
            listener=self._console.waiting,
        )
        self._thinkers, self._figures = connection.thinkers(), pool.figures
        by_role = {role: {target.model for target in targets} for role, targets in connection.targets.items()}
        self._reviewer = not by_role["reviewer"] & by_role["builder"]
        return pool, connection.models()

    def _site(self) -> Site:
        """What exploration starts from; recorded, so that a resumed run starts from the same."""
        tree = self._tree
        return Site(
            tree=tree,
            git=self.workspace.git_state().sentence(),
            lessons=self._recollect("plan", Question(self.order.task.prompt)),
            recollect=self._recollect,
            importable=", ".join(importable(self._environment)) if self._environment else "",
            open_box=self._open_box,
            save=self._save,
            restart=lambda: self._settle(tree, "Back to the start for another plan"),
            plan=self.order.plan,
            recent=self.workspace.recent(),
            closed=self.workspace.closed,
        )

    def _open_box(self, requires: tuple[str, ...]) -> Sandbox:
        """A sandbox whose interpreter has these packages. Raises PlanRefused with what the planner can change."""
        if requires in self._boxes:
            return self._boxes[requires]
        wanted = tuple(dict.fromkeys([*self.order.config.environment.requires, *requires]))
        try:
            found = self._found(wanted)
        except (RequirementRefused, EnvironmentUnavailable) as error:
            raise PlanRefused(str(error)) from error
        self._environment, self._notes = found.environment, found.notes
        own = open_sandbox(found.environment, unsafe=self.order.unsafe)
        box = RecordedSandbox(
            ProjectBox(own, found.plugins, importable(found.environment)), self.trace, self.workspace.secrets
        )
        self._boxes[requires] = box
        return box

    def _found(self, wanted: tuple[str, ...]) -> Found:
        """The project's environment when it has or needs one, else one with the wanted packages alone."""
        allowed = {normal(name) for name in DEFAULT_ALLOWED | set(self.order.config.environment.allow)}
        requires = [checked(requirement, allowed) for requirement in wanted]
        own = () if self.order.demo else tuple(own_environments(self.workspace.path, self._environ))
        texts = {} if self.order.demo else self._tree.texts
        cache = self.paths.environments
        found = project_environment(texts, own, self._works, cache=cache, requires=requires)
        return found or Found(prepare(wanted, cache=cache, allow=allowed))

    def _works(self, environment: Environment) -> bool:
        """Seen with a test of ours, in the sandbox."""
        with closing(open_sandbox(environment, unsafe=self.order.unsafe)) as box:
            return box.test(Tree({"test_it.py": "def test_it():\n    pass\n"}), ["test_it.py"]).passed

    @cached_property
    def _tree(self) -> Tree:
        """The run's tree as it was at the start."""
        return self.workspace.tree()

    def _save(self, texts: Mapping[str, str], message: str) -> None:
        with self._told_denials():
            for path, text in texts.items():
                self.workspace.write(path, text)
            self.workspace.commit_step(tuple(texts), message)

    @contextmanager
    def _told_denials(self) -> Iterator[None]:
        try:
            yield
        except Denied as denied:
            self.trace.record("policy", denied.asked, path="", allowed=False, reason=denied.reason)
            raise

    @property
    def _recollect(self) -> Recollect:
        return self._assistant.recall if self._assistant else nothing

    async def reflect(self, agents: Agents, result: RunResult) -> None:
        """Asks the librarian what turned a failure into a pass; curating finds its reply in the trace."""
        told = [story for story in stories(self.trace.records()) if story.turned] if self._assistant else []
        if not told or result.status != "passed":
            return
        try:
            async with asyncio.timeout(LIBRARIAN_SECONDS):
                await agents.curate(self.order.task, "librarian", story=stories_text(told))
        except (TimeoutError, BudgetExceeded, ModelServerError, ReplyRejected, asyncio.CancelledError) as error:
            # Who stops the run here stops the librarian alone: the result is proved already.
            reason = str(error) or "no time left, or stopped"
            self.trace.record("guard", "librarian", rule="librarian", action="nothing proposed", reason=reason)

    async def supervise(self, work: Callable[[], Awaitable[RunResult]]) -> int:
        """Runs the work; however it ends, the trace is closed, processes are gone and a result is written."""
        task = asyncio.current_task()
        assert task is not None
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, self._terminate, task)
        try:
            with self.workspace:
                result = await self._result(work)
                return self._finish(result)
        finally:
            self._console.close()
            self.trace.close()
            if self._unused:
                remove_unused(self.workspace.path, self.paths.trees / self.id)
                (self.paths.runs / self.id).unlink(missing_ok=True)
                self._console.say(f"removed  {self.workspace.path}, where nothing was begun")

    def _seconds(self) -> float:
        """That the run was alive, the present moment included: the trace ends with the last record."""
        return self.trace.elapsed_seconds + time.monotonic() - self._opened

    def _terminate(self, task: asyncio.Task[Any]) -> None:
        self._terminated = True
        task.cancel()

    async def _result(self, work: Callable[[], Awaitable[RunResult]]) -> RunResult:
        """How the work ended; what was proved stays so, even when a review or another plan for it came to no end."""
        result, best = await self._ended(work), self.best()
        if (
            result.status in ("passed", "interrupted")
            or result.exit_reason in SPOILING
            or not (best and best[0].passed)
        ):
            return result
        return RunResult("passed", "passed", f"every criterion holds; then: {result.message}")

    async def _ended(self, work: Callable[[], Awaitable[RunResult]]) -> RunResult:
        seconds = self.order.config.limits.minutes * 60 - self.trace.elapsed_seconds
        try:
            async with asyncio.timeout(max(1.0, seconds)):
                return await work()
        except TimeoutError:
            message = used_up("budget_minutes", self.order.config.limits.minutes, self._seconds() / 60)
            return RunResult("limit", "budget_minutes", message)
        except asyncio.CancelledError:
            reason: ExitReason = "terminated" if self._terminated else "interrupted"
            return RunResult("interrupted", reason, f"{reason}; everything so far is saved")
        except BudgetExceeded as error:
            return RunResult("limit", error.exit_reason, str(error))
        except PlanRefused as error:
            theirs = bool(self.order.config.environment.requires)
            reason = "invalid_config" if theirs else "sandbox_unavailable"
            return RunResult("refused", reason, "; ".join(map(str, error.args)))
        except NightshiftError as error:
            return RunResult("refused" if isinstance(error, Refused) else "error", error.exit_reason, str(error))
        except Exception:
            saved = self.trace.run_dir / "traceback.txt"
            saved.write_text(traceback.format_exc(), encoding="utf-8")
            self._finish(RunResult("error", "internal_error", f"a defect in Nightshift itself; see {saved}"))
            raise
        finally:
            for box in self._boxes.values():
                box.close()
            self._servers.stop()

    def _finish(self, result: RunResult) -> int:
        """Delivers what was proved, learns from it, and writes the ending; the result file comes last."""
        if result.exit_reason == "passed":
            result = self._delivered(result)
        if self._assistant:
            self._assistant.keep(self.trace.records(), result.status)
        if result.status != "passed" and (best := self.best()):
            self._keep_best(best[1], result)
        self.trace.record(
            "run_finished",
            "",
            status=result.status,
            exit_reason=result.exit_reason,
            exit_code=result.exit_code,
            message=result.message,
            workspace=str(self.workspace.path),
            seconds=round(self._seconds(), 1),
            counters={"replayed": self.trace.replayed, **self._figures()},
        )
        self._profiles.save(self._learned)
        records = self.trace.records()
        told = write_ending(self.trace.run_dir, records, selfplay=self.order.config.selfplay)
        kinds = [record.kind for record in records]
        self._unused = self.order.fresh and is_unused(self.workspace.path, self.trace.run_dir, kinds)
        if not self._unused:
            self._console.say(f"report  {self.trace.run_dir / 'report.html'}")
            if can_go_on(records):
                self._console.say(f"continue  {continue_command(records)}")
        if self.order.as_json:
            print(json.dumps(told, indent=2, ensure_ascii=False))
        return result.exit_code

    def _delivered(self, result: RunResult) -> RunResult:
        best = self.best()
        assert best is not None, "a run that passed has a judged tree"
        try:
            self._settle(best[1], "The judged tree")
            with self._told_denials():
                delivery = self.workspace.deliver(merge=self.order.merge)
        except Refused as error:
            return RunResult("refused", error.exit_reason, f"proved, but not delivered: {error}")
        self.trace.record("delivered", "", **as_json(delivery))
        if self.order.record_tape:
            write_tape(self.trace.records())
        return result

    def _keep_best(self, tree: Tree, result: RunResult) -> None:
        if result.status != "refused":
            try:
                self._settle(tree, "The best tree of the run")
            except Refused as error:
                self.trace.record("policy", "keep", path=str(self.workspace.root), allowed=False, reason=str(error))
        originals = self.workspace.originals
        self.trace.record(
            "kept",
            "",
            branch=self.workspace.branch,
            folder=str(self.workspace.root),
            originals=str(originals) if originals else None,
            handoff=str(self.trace.run_dir / "handoff.md"),
        )

    def _settle(self, tree: Tree, message: str) -> None:
        """Makes the run's tree what was judged: differing files are written, files made since are taken back."""
        present = self.workspace.tree().texts
        self._save({path: text for path, text in tree.texts.items() if present.get(path) != text}, message)
        for path in present.keys() - tree.texts.keys():
            self.workspace.restore(path)


def _run_by(task: Task, workspace: Path) -> list[str]:
    """Files of the workspace that a `--verify` command names: proof needs them, tracked by git or not."""
    return sorted(word for word in proof_words(task) if not word.startswith("/") and (workspace / word).is_file())


def new_run_id() -> str:
    """Sorts by time; two runs of one second differ."""
    return f"{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}-{secrets.token_hex(2)}"


def write_tape(records: Sequence[Record]) -> None:
    """The calls of a run as the demo's tape."""
    lines = [as_line(replace(r, fields={**r.fields, "key": ""})) for r in records if r.kind == "call"]
    (DEMO / "tape.jsonl").write_bytes(b"".join(lines))
