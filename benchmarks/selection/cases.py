"""One task as an arm sees it: what is asked, the accepted tests, a bench to try candidates on, a model to ask.

Nothing here knows a solution or a hidden test. All arms of a case ask the same questions at the same places of a run
and get the same answers; tokens and seconds are counted for each arm, the seconds as the model tells them.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from agents import Agents, Settings
from benchmarks.statement import Statement
from nightshift.acceptance import accept_tests
from nightshift.domain import (
    ROLES,
    Candidate,
    ChatModel,
    Completion,
    Criterion,
    ExecLimits,
    ExecResult,
    Plan,
    Request,
    SamplingParams,
    Sandbox,
    Step,
    Task,
    TestReport,
    TestsCheck,
    Tree,
    Usage,
)
from nightshift.errors import ReplyRejected
from nightshift.search.brief import Brief
from nightshift.search.evaluate import Bench
from nightshift.search.voting import Ballot

Value = TypeVar("Value")

LIMITS = ExecLimits(seconds=60.0, test_seconds=2.0)
RUN_SECONDS = 0.05
"""Counted for each run in the sandbox, whether it was had from memory or not: about what a warm one takes."""
USER_TESTS = "test_user.py"


class Memo:
    """A sandbox that runs nothing twice. Implements `domain.Sandbox`."""

    def __init__(self, box: Sandbox) -> None:
        self._box = box
        self._known: dict[Any, Any] = {}
        self.isolation = box.isolation
        self.asked = 0
        self.ran = 0

    def run(
        self, tree: Tree, argv: Sequence[str], *, limits: ExecLimits | None = None, network: bool = False
    ) -> ExecResult:
        imported = re.fullmatch(r"import (\w+)", argv[-1])
        if not imported:
            return self.once((_key(tree), *argv), lambda: self._box.run(tree, argv, limits=limits))
        return self._imported(tree, imported[1])

    def _imported(self, tree: Tree, module: str) -> ExecResult:
        """Seen from its tests, which are run next anyway; a file without tests gets one that only imports it."""
        tests = sorted(path for path in tree.texts if path.startswith("test_"))
        if not tests:
            tests, tree = ["test_it.py"], tree.with_text("test_it.py", f"import {module}\n\ndef test_it():\n    pass\n")
        report = self.test(tree, tests, limits=LIMITS)
        detail = "\n".join(text for _, text in report.collection_errors)
        return ExecResult(("python3", "-c", f"import {module}"), 1 if detail else 0, "", detail, RUN_SECONDS)

    def test(
        self,
        tree: Tree,
        nodes: Sequence[str],
        *,
        limits: ExecLimits | None = None,
        stop_early: bool = False,
        confirm: bool = False,
        lines_of: Sequence[str] = (),
        hash_seed: int = 0,
    ) -> TestReport:
        """Never confirmed by the oracle: nobody forges a verdict here."""
        key = (_key(tree), tuple(sorted(nodes)), stop_early, tuple(lines_of), hash_seed)
        return self.once(
            key,
            lambda: self._box.test(
                tree, nodes, limits=LIMITS, stop_early=stop_early, lines_of=lines_of, hash_seed=hash_seed
            ),
        )

    def once(self, key: Any, act: Callable[[], Value]) -> Value:
        self.asked += 1
        if key not in self._known:
            self.ran += 1
            self._known[key] = act()
        known: Value = self._known[key]
        return known

    def close(self) -> None:
        """The box belongs to whoever opened it."""


def _key(tree: Tree) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(tree.texts.items()))


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of one question, and what it cost."""

    value: Candidate | str | None
    """None: nothing usable, after all retries."""
    tokens: int
    seconds: float
    calls: int


class Dealer:
    """Asks each question once, by the real prompts and the real reading of replies; every arm gets the same answer."""

    def __init__(self, model: ChatModel) -> None:
        self._meter = _Meter(model)
        self._agents = Agents(self._meter, Log(), Settings(dict.fromkeys(ROLES, SamplingParams())))
        self._known: dict[tuple[str, ...], Answer] = {}

    async def build(self, brief: Brief, label: str, hint: str) -> Answer:
        key = ("build", label, hint, brief.current, brief.evidence)
        return await self._once(key, lambda: self._agents.build(brief, label, temperature=0.8, hint=hint))

    async def repair(self, brief: Brief, current: Candidate, evidence: str, label: str) -> Answer:
        key = ("repair", label, current.text, evidence)
        return await self._once(key, lambda: self._agents.repair(brief, current, evidence, label, temperature=0.0))

    async def tests(self, plan: Plan, task: Task, number: int) -> Answer:
        step, span = plan.steps[1], f"tests/sample-{number}"
        return await self._once(
            ("tests", span), lambda: self._agents.write_tests(task, plan, step, span, temperature=0.6)
        )

    async def vote(self, task: Task, ballot: Ballot, order: Sequence[str], span: str) -> Answer:
        key = ("vote", span, ballot.question, *(ballot.options[name] for name in order))
        return await self._once(key, lambda: self._agents.vote(task, ballot, order, span, temperature=0.4))

    async def _once(self, key: tuple[str, ...], ask: Callable[[], Awaitable[Candidate | str | None]]) -> Answer:
        if key not in self._known:
            before = self._meter.spent
            try:
                value = await ask()
            except ReplyRejected:
                value = None
            spent = self._meter.spent
            self._known[key] = Answer(
                value,
                spent.prompt_tokens + spent.completion_tokens - before.prompt_tokens - before.completion_tokens,
                spent.model_seconds - before.model_seconds,
                spent.calls - before.calls,
            )
        return self._known[key]


@dataclass
class _Meter:
    model: ChatModel
    spent: Usage = Usage()

    async def complete(self, request: Request) -> Completion:
        completion = await self.model.complete(request)
        self.spent += completion.usage
        return completion


@dataclass
class Purse:
    """One arm's tokens: what it spends, and a builder that says nothing more when they are gone."""

    dealer: Dealer
    budget: int
    hints: bool = True
    """Whether the builder is told the hints of the plan."""
    tokens: int = 0
    seconds: float = 0.0
    calls: int = 0

    @property
    def empty(self) -> bool:
        return self.tokens >= self.budget

    async def build(self, brief: Brief, label: str, *, temperature: float, hint: str = "") -> Candidate:
        return self._candidate(await self._paid(self.dealer.build(brief, label, hint if self.hints else "")))

    async def repair(
        self, brief: Brief, current: Candidate, evidence: str, label: str, *, temperature: float
    ) -> Candidate:
        return self._candidate(await self._paid(self.dealer.repair(brief, current, evidence, label)))

    async def vote(
        self, task: Task, ballot: Ballot, order: Sequence[str], span: str, *, temperature: float
    ) -> str | None:
        value = (await self._paid(self.dealer.vote(task, ballot, order, span))).value
        return value if isinstance(value, str) else None

    async def tests(self, case: Case, number: int) -> str | None:
        value = (await self._paid(self.dealer.tests(case.plan, case.task, number))).value
        return value if isinstance(value, str) else None

    async def _paid(self, asked: Coroutine[Any, Any, Answer]) -> Answer:
        if self.empty:
            asked.close()
            raise ReplyRejected("budget", "the tokens of this arm are spent")
        answer = await asked
        self.tokens += answer.tokens
        self.seconds += answer.seconds
        self.calls += answer.calls
        return answer

    def _candidate(self, answer: Answer) -> Candidate:
        if not isinstance(answer.value, Candidate):
            raise ReplyRejected("unusable", "nothing usable came")
        return answer.value


@dataclass
class Log:
    """Implements `domain.Recorder` for a run that is not resumed."""

    records: list[dict[str, Any]] = field(default_factory=list)

    def record(self, kind: str, span: str, **fields: Any) -> None:
        self.records.append({"kind": kind, "span": span, **fields})

    def recall(self, kind: str, span: str, key: str) -> Mapping[str, Any] | None:
        return None

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [record for record in self.records if record["kind"] == kind]


@dataclass(frozen=True, slots=True)
class Case:
    """What an arm may use."""

    statement: Statement
    sandbox: Memo
    dealer: Dealer
    budget: int
    """Tokens, those of the tests included."""
    verify: str = ""
    """A test file of the user's."""

    @property
    def task(self) -> Task:
        return Task(self.statement.prompt)

    @property
    def plan(self) -> Plan:
        source, tests = self.statement.path, f"test_{self.statement.name}.py"
        steps = (
            Step(source, "source", _first_sentence(self.statement.prompt), self.statement.interface),
            Step(tests, "test", f"tests of {source}", depends_on=(source,)),
        )
        criterion = Criterion("c1", f"{source} does what the task says", TestsCheck(tests))
        return Plan(f"{source} and its tests", steps, (criterion,))

    @property
    def brief(self) -> Brief:
        return Brief(self.task, self.plan, self.plan.steps[0], "build", "(none)")

    async def tested(self, purse: Purse, files: int = 3) -> Bench:
        """A bench with the tests that are accepted of so many samples."""
        sampled = [await purse.tests(self, number) for number in range(1, files + 1)]
        texts = [text for text in sampled if text]
        samples = {self.plan.steps[1].path: texts}
        accepted = self.sandbox.once(
            ("accepted", *texts), lambda: accept_tests(self.plan, samples, Tree({}), self.sandbox, LIMITS)
        )
        return self.bench(accepted.texts)

    def bench(self, tests: Mapping[str, str]) -> Bench:
        user = {USER_TESTS: self.verify} if self.verify else {}
        return Bench(
            self.plan.steps[0], Tree({**tests, **user}), (*tests, *user), self.sandbox, LIMITS, LIMITS,
            user_tests=frozenset(user),
        )  # fmt: skip


def _first_sentence(text: str) -> str:
    return " ".join(text.split()).partition(". ")[0]
