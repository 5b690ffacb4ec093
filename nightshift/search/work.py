"""What is being made: the plan, the tree so far and its accepted tests, as one value that each stage passes on.

Files are shown to the outside through `write_checked` alone, which asks the policy first.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

from nightshift.acceptance import Accepted
from nightshift.domain import ExecLimits, Plan, Recorder, Sandbox, Step, Task, Tree
from nightshift.errors import Refused
from nightshift.judge import UserTests
from nightshift.knowledge.entries import Recollect, nothing
from nightshift.policy import Write, deny_write
from nightshift.prompting import fenced, head
from nightshift.search.brief import Builder, Effort
from nightshift.search.objection import Objection
from nightshift.search.trust import Trial
from nightshift.source.facts import facts_or_nothing
from nightshift.source.interfaces import render

SIGNATURE_CHARS = 6000
MAX_WRITTEN = 8
"""Texts of one file that are kept to be asked again."""


@dataclass(frozen=True, slots=True)
class Work:
    task: Task
    plan: Plan
    tree: Tree
    accepted: Accepted
    user_tests: UserTests = UserTests()
    protected: frozenset[str] = frozenset()
    """Files that judge the result and may not be written."""
    reopened: Mapping[str, int] = field(default_factory=dict)
    """Path -> how often it was made again."""
    heard: tuple[Mapping[str, bool], ...] = ()
    """What each candidate so far made of the tests it was tried on: node -> passed."""
    written: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Path -> the model's different texts for it: whoever wants an opinion of a new test can ask them."""
    trials: Mapping[str, Trial] = field(default_factory=dict)
    """Test id -> what was found out about the test itself."""

    @property
    def test_files(self) -> tuple[str, ...]:
        return (*self.user_tests.files, *self.accepted.files)

    @property
    def tested_tree(self) -> Tree:
        return Tree({**self.tree.texts, **self.accepted.texts}, self.tree.base)

    def hearing(self, outcomes: Iterable[Mapping[str, bool]]) -> Work:
        return replace(self, heard=(*self.heard, *outcomes))

    def having(self, path: str, texts: Iterable[str]) -> Work:
        both = tuple(dict.fromkeys((*self.written.get(path, ()), *texts)))
        return replace(self, written={**self.written, path: both[-MAX_WRITTEN:]})

    def reopening(self, path: str) -> Work:
        return replace(self, reopened=dict(Counter(self.reopened) + Counter({path: 1})))


class Crew(Builder, Protocol):
    async def write_tests(
        self, task: Task, plan: Plan, step: Step, span: str, *, temperature: float, notes: str = ""
    ) -> str: ...

    async def review(self, task: Task, plan: Plan, span: str, *, sources: str, notes: str) -> Objection | None: ...


@dataclass(frozen=True, slots=True)
class Workshop:
    """The collaborators and settings that building needs."""

    crew: Crew
    sandbox: Sandbox
    recorder: Recorder
    effort: Effort
    limits: ExecLimits
    """Of a test run."""
    command_limits: ExecLimits
    network: bool
    """For the user's commands."""
    tester_temperatures: tuple[float, ...]
    save: Callable[[Mapping[str, str], str], None]
    """Saves finished files with a commit message."""
    recollect: Recollect = nothing


def write_checked(work: Work, shop: Workshop, texts: Mapping[str, str], message: str, by: str) -> None:
    """Asks the policy for each file, then saves them. Raises Refused: a validated plan never comes to that."""
    planned = frozenset(step.path for step in work.plan.steps)
    frozen, own = frozenset(work.accepted.files), work.protected
    for path, text in texts.items():
        if reason := deny_write(Write(path, text, planned, own, frozen, by)):
            shop.recorder.record("policy", "write", path=path, allowed=False, reason=reason)
            raise Refused(f"not written: {reason}")
    shop.save(texts, message)


def modules_for(work: Work, step: Step) -> str:
    """Signatures of the finished project modules this step builds on, nearest last."""
    steps = {s.path: s for s in work.plan.steps}
    wanted: dict[str, None] = {}

    def visit(path: str) -> None:
        for dependency in steps[path].depends_on if path in steps else ():
            visit(dependency)
            wanted[dependency] = None

    visit(step.path)
    sections = [
        f"{path}\n{fenced(render(facts_or_nothing(work.tree.texts[path]).interface))}"
        for path in wanted
        if path in work.tree.texts and path.endswith(".py")
    ]
    return head("\n\n".join(sections), SIGNATURE_CHARS) or "(none)"
