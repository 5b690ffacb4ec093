"""What the rules are asked about, what a user adds to them, and how they are asked."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from nightshift.domain import StepKind, Verdict
from nightshift.errors import Refused

TEST_BLAME = "test-blame"
"""The only writer that may change an accepted test."""


@dataclass(frozen=True, slots=True)
class Policy:
    """What the user's configuration adds to the built-in rules; there is no way to take from them."""

    protected: tuple[str, ...] = ()
    """Globs of files that are never written, also when the plan names them; `*` crosses folders."""
    forbidden_imports: tuple[str, ...] = ()
    """Modules, or names in modules, that new code may not import."""


BUILT_IN = Policy()


class Action(Protocol):
    @property
    def about(self) -> str:
        """What a reason begins with."""


@dataclass(frozen=True, slots=True)
class Write:
    """A text about to be put at a path, relative to the workspace."""

    path: str
    text: str
    plan_paths: frozenset[str] = frozenset()
    """Files the frozen plan names."""
    user_tests: frozenset[str] = frozenset()
    """Tests that were there before the run."""
    accepted_tests: frozenset[str] = frozenset()
    """Generated tests that candidates are already judged by."""
    by: str = "builder"
    previous: str = ""
    """What is there now: what it already holds is not held against a new text."""
    kind: StepKind = "source"
    policy: Policy = BUILT_IN
    secrets: frozenset[str] = field(default=frozenset(), repr=False)
    """Values of the user's own that must not be shown (see `credentials.planted`)."""

    @property
    def about(self) -> str:
        return repr(self.path)


@dataclass(frozen=True, slots=True)
class Command:
    """A command about to be run in the sandbox."""

    argv: Sequence[str]
    trusted: bool = False
    """The user's own."""
    network: bool = False
    policy: Policy = BUILT_IN

    @property
    def about(self) -> str:
        return shlex.join(self.argv)[:200] if self.argv else "a command"


@dataclass(frozen=True, slots=True)
class Commit:
    """Files about to become a commit, or to be written back over the user's."""

    files: Mapping[str, tuple[bytes | None, bytes | None]]
    """Path -> content before and after; None for no such file."""
    message: str
    policy: Policy = BUILT_IN
    secrets: frozenset[str] = field(default=frozenset(), repr=False)

    @property
    def about(self) -> str:
        return f"commit {self.message.splitlines()[0][:80]!r}" if self.message.strip() else "commit"


@dataclass(frozen=True, slots=True)
class Done:
    """A run about to call itself passed."""

    verdict: Verdict
    before: Mapping[str, str]
    """The texts that the run found; `after` those that were judged, accepted tests included."""
    after: Mapping[str, str]
    plan_paths: frozenset[str]
    protected: frozenset[str] = frozenset()
    """Files that judge the result and are the user's."""
    accepted: Mapping[str, str] = field(default_factory=dict)
    """The generated tests as they were frozen."""

    @property
    def about(self) -> str:
        return "not done"


class Denied(Refused):
    """A rule's reason at a door that has no other way to say it: `asked` is write, commit or delivery."""

    def __init__(self, asked: str, reason: str) -> None:
        super().__init__(f"{asked} denied: {reason}")
        self.asked = asked
        self.reason = reason


A = TypeVar("A", bound=Action)
Rule = Callable[[A], str | None]


def first_denial(rules: Sequence[Rule[A]], action: A) -> str | None:
    """The first reason against the action, with what it is about; None when no rule has one."""
    for rule in rules:
        try:
            reason = rule(action)
        except Exception as error:  # noqa: BLE001  fail closed: whatever a rule raises, it denies
            reason = f"the rule {getattr(rule, '__name__', rule)} failed: {error!r}"
        if reason is not None:
            return f"{action.about}: {reason}"
    return None
