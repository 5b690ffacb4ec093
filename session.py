"""The doors of one run: opens the workspace, the trace, the model and the sandbox, and keeps them.

Does not decide anything about the task: that is the orchestrator's. How a run ends is told in `supervising.py`.
"""

from __future__ import annotations

import asyncio
import secrets
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
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
    Plan,
    Recorder,
    Role,
    Sandbox,
    Task,
    Tree,
    Verdict,
)
from nightshift.errors import (
    ModelServerError,
    SandboxUnavailable,
)
from nightshift.knowledge.entries import Question, Recollect, nothing
from nightshift.limits import Budget
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
from nightshift.records import started_with
from nightshift.report.console import Console
from nightshift.sandbox.box import open_sandbox
from nightshift.sandbox.interpreter.environment import EnvironmentUnavailable, importable, prepare
from nightshift.sandbox.interpreter.requirements import DEFAULT_ALLOWED, RequirementRefused, checked, normal
from nightshift.search.planning import OpenBox, PlanRefused
from nightshift.workspace import open_workspace
from options import DEMO, VERSION, Order
from trace_collector import Trace

TAPE_MODEL = "none: replies come from the demo's tape, written in a model's role; everything else is live"
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
    """Opened once; `supervise` runs the work between the doors and closes them."""

    def __init__(self, order: Order, environ: Mapping[str, str]) -> None:
        self.order = order
        self.id = order.resume.name if order.resume else new_run_id()
        self.paths = paths(environ)
        self.best: Callable[[], tuple[Verdict, Tree] | None] = lambda: None
        self.terminated = False
        self.opened = time.monotonic()
        self.unused = False
        self._thinkers: frozenset[Role] = frozenset()
        self._reviewer = False
        """The reviewer's models are others than the builder's."""
        self.figures: Callable[[], Mapping[str, int]] = dict
        self.profiles = Profiles()
        self.learned = self.paths.profiles / "learned.json"
        self.boxes: dict[tuple[str, ...], Sandbox] = {}
        self._environment: Environment | None = None
        self._environ = environ
        self._dead: Mapping[str, ModelServerError] = {}
        """Servers that were named and do not answer."""
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
        self.console = Console(
            sys.stderr, quiet=order.quiet, verbose=order.verbose, environ=shown, live=not order.dry_run
        )
        self.trace = self._open_trace()
        self.assistant: Assistant | None = None
        if order.config.memory.enabled and not order.demo:
            project = project_of(order.workspace)
            self.assistant = Assistant(self.paths.memory, self.trace, project, self.console.say)
        self.servers = ManagedServers(
            order.config.server,
            logs=self.trace.run_dir,
            context=order.config.generation.context,
            environ=environ,
            api_key=order.config.api_key,
        )

    def _open_trace(self) -> Trace:
        run_dir = self.workspace.runs / self.id
        trace = Trace.resume(run_dir, version=VERSION) if self.order.resume else Trace.create(run_dir, self.id)
        self.console.resume(trace.usage, trace.elapsed_seconds)
        trace.subscribe(self.console)
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
        for url, dead in self._dead.items():
            self.trace.record("fault", "connect", role="", attempt=0, endpoint=url, fault=dead.fault, message=str(dead))
        self.servers.record_to(self.trace)
        if self.order.resume is None:
            remember(self.paths.runs, self.id, started_with(self.trace.records()))
        if refused:
            raise refused

    async def _model(self, meter: Meter) -> tuple[ChatModel, dict[str, str]]:
        config = self.order.config
        if self.order.demo and not self.order.record_tape:
            tape = TapeModel.from_file(DEMO / "tape.jsonl", delay=DEMO_DELAY, listener=self.console.waiting)
            return tape, dict.fromkeys(ROLES, TAPE_MODEL)
        if self.servers.names:
            self.console.say(f"starting  llama-server for {', '.join(self.servers.names)}")
        await self.servers.start()
        connection = await connect(
            (*config.endpoints, *self.servers.urls),
            {**self.servers.roles(alone=not (config.model or config.endpoints)), **config.roles},
            model=config.model,
            api_key=config.api_key,
            patience=config.deadlines.first_token,
            devices=self.servers.devices,
        )
        self._dead = connection.dead
        self.profiles = Profiles.load(self.learned)
        if self.profiles.note:
            self.console.say(self.profiles.note)
        pool = connection.pool(
            meter,
            context=config.generation.context,
            deadlines=config.deadlines,
            profiles=self.profiles,
            switches=config.switches,
            listener=self.console.waiting,
        )
        self._thinkers, self.figures = connection.thinkers(), pool.figures
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
            restart=lambda: self.settle(tree, "Back to the start for another plan"),
            plan=self.order.plan,
            recent=self.workspace.recent(),
            closed=self.workspace.closed | self.workspace.unshown(tree),
        )

    def _open_box(self, requires: tuple[str, ...]) -> Sandbox:
        """A sandbox whose interpreter has these packages. Raises PlanRefused with what the planner can change."""
        if requires in self.boxes:
            return self.boxes[requires]
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
        self.boxes[requires] = box
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
        with self.told_denials():
            for path, text in texts.items():
                self.workspace.write(path, text)
            self.workspace.commit_step(tuple(texts), message)

    @contextmanager
    def told_denials(self) -> Iterator[None]:
        try:
            yield
        except Denied as denied:
            self.trace.record("policy", denied.asked, path="", allowed=False, reason=denied.reason)
            raise

    @property
    def _recollect(self) -> Recollect:
        return self.assistant.recall if self.assistant else nothing

    @property
    def seconds(self) -> float:
        """That the run was alive, the present moment included: the trace ends with the last record."""
        return self.trace.elapsed_seconds + time.monotonic() - self.opened

    def terminate(self, task: asyncio.Task[Any]) -> None:
        self.terminated = True
        task.cancel()

    def settle(self, tree: Tree, message: str) -> None:
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
