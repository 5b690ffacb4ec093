"""Nightshift's vocabulary: one word for one thing, used everywhere.

A Task becomes a Plan of Steps (one file each) and Criterions (the Definition of Done). A model answers a
Request with a Completion; a Completion that survives the guards becomes a Candidate, which is a value and
not a file. Checks turn a Candidate into an Evaluation and the whole Tree into a Verdict. A failed Verdict is
explained by a Diagnosis. Attempts of that kind make up a RunResult.

Everything here is frozen: change a value with `dataclasses.replace`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol, get_args

Role = Literal["explorer", "planner", "tester", "builder", "repairer", "analyst", "reviewer", "voter", "librarian"]
ROLES: tuple[Role, ...] = get_args(Role)

StepKind = Literal["source", "test", "other"]
StopReason = Literal["stop", "length"]
Status = Literal["passed", "planned", "failed", "limit", "refused", "error", "interrupted"]
Channel = Literal["oracle", "cold", "user-command"]
Proof = Literal["user", "self", "mixed"]
WaitingFor = Literal["slot", "load", "prompt", "reply", "tape", "nothing"]
Outcome = Literal["passed", "failed", "error", "skipped", "xfailed", "xpassed"]
ExitReason = Literal[
    "passed", "already_green", "planned", "attempts_exhausted", "no_progress", "budget_minutes", "budget_calls",
    "budget_tokens", "endpoint_unreachable", "model_missing", "context_too_small", "invalid_config",
    "invalid_task", "workspace_locked", "sandbox_unavailable", "tampered", "disk_full", "workspace_unsafe",
    "interrupted", "terminated", "internal_error",
]  # fmt: skip

EXIT_CODES: dict[ExitReason, int] = {
    "passed": 0, "already_green": 0, "planned": 0,
    "attempts_exhausted": 1, "no_progress": 1,
    "invalid_config": 2, "invalid_task": 2,
    "endpoint_unreachable": 3, "model_missing": 3, "context_too_small": 3,
    "budget_minutes": 4, "budget_calls": 4, "budget_tokens": 4,
    "workspace_locked": 5, "sandbox_unavailable": 5, "tampered": 5, "disk_full": 5, "workspace_unsafe": 5,
    "internal_error": 70, "interrupted": 130, "terminated": 143,
}  # fmt: skip


# What the user asked, and how it will be proved.


@dataclass(frozen=True, slots=True)
class Task:
    prompt: str
    verify: tuple[str, ...] = ()
    """Shell commands the user trusts as proof; never rewritten."""


@dataclass(frozen=True, slots=True)
class TestsCheck:
    """The tests of one file that name the criterion, or all of them when none does."""

    __test__ = False
    path: str
    nodes: tuple[str, ...] = ()
    """pytest node ids, bound when the tests are accepted and frozen from then on."""


@dataclass(frozen=True, slots=True)
class ScriptCheck:
    """A Python script that succeeds by running to its end with every assert true."""

    code: str


@dataclass(frozen=True, slots=True)
class CommandCheck:
    """A command that must end with `exit_code` and print each of `output` somewhere."""

    argv: tuple[str, ...]
    exit_code: int = 0
    output: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ShellCheck:
    """The user's own `--verify` text, given to `sh -c`; trusted text, sandboxed run."""

    command: str


Check = TestsCheck | ScriptCheck | CommandCheck | ShellCheck


@dataclass(frozen=True, slots=True)
class Criterion:
    id: str
    description: str
    check: Check
    trusted: bool = False
    """The user set it."""
    guard: bool = False
    """It already held on the stub tree: it guards against regression and proves nothing by itself."""


@dataclass(frozen=True, slots=True)
class Step:
    """One file to make."""

    path: str
    kind: StepKind
    purpose: str
    interface: str = ""
    """Python stub text: exact signatures, no bodies."""
    depends_on: tuple[str, ...] = ()
    """Paths of other steps."""
    approaches: tuple[str, ...] = ()
    """Different ways to go about it, a line each; one is given to each further candidate."""


@dataclass(frozen=True, slots=True)
class Plan:
    summary: str
    steps: tuple[Step, ...]
    criteria: tuple[Criterion, ...]
    requires: tuple[str, ...] = ()
    """Third-party distributions the task needs, by PyPI name."""
    degraded: bool = False
    """No valid plan could be had; one step stands for the whole task."""

    def step(self, path: str) -> Step:
        return next(step for step in self.steps if step.path == path)


# Talking to a model.


@dataclass(frozen=True, slots=True)
class Message:
    role: Literal["system", "user", "assistant"]
    content: str


@dataclass(frozen=True, slots=True)
class SamplingParams:
    temperature: float = 0.0
    top_p: float = 0.95
    repeat_penalty: float = 1.0
    seed: int = 0
    max_tokens: int = 8192


@dataclass(frozen=True, slots=True)
class Request:
    """One question to one role. `span` says where in the run it is asked, e.g. attempt-1/build/a.py/candidate-2."""

    role: Role
    span: str
    messages: tuple[Message, ...]
    sampling: SamplingParams = SamplingParams()
    schema: Mapping[str, Any] | None = None
    """JSON schema the reply must follow; None for text."""
    think: int = 0
    """Tokens it may think before it answers; 0 turns thinking off."""


@dataclass(frozen=True, slots=True)
class Usage:
    """What model calls cost; tokens as the server reports them, seconds of waiting for replies."""

    calls: int = 0
    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0
    model_seconds: float = 0.0

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.calls + other.calls,
            self.prompt_tokens + other.prompt_tokens,
            self.cached_tokens + other.cached_tokens,
            self.completion_tokens + other.completion_tokens,
            self.model_seconds + other.model_seconds,
        )


@dataclass(frozen=True, slots=True)
class Completion:
    text: str
    stop_reason: StopReason
    usage: Usage = Usage()
    reasoning: str = ""
    """Thinking text: kept in the trace, never parsed."""
    endpoint: str = ""
    model_requested: str = ""
    model_served: str = ""
    first_token_seconds: float = 0.0
    prompt_sent: int = 0
    """Tokens of the prompt by our own count; the server's count is in `usage`. 0: not counted."""
    prefill_seconds: float = 0.0
    """Seconds the server read the prompt, as far as it was not cached; 0 when it does not say."""
    decode_seconds: float = 0.0
    """Seconds the server wrote the reply; 0 when it does not say."""


class ChatModel(Protocol):
    async def complete(self, request: Request) -> Completion:
        """Raises ModelServerError when no endpoint answers, BudgetExceeded when none may be asked."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """What a question waits for just now. For whoever watches: it is never recorded, and nothing depends on it."""

    role: Role
    span: str
    state: WaitingFor
    """`nothing`: it was answered, or came to nothing."""
    done: int = 0
    """Tokens of the prompt that the server has read; 0 when it does not say."""
    total: int = 0
    """Tokens of the prompt; by our own estimate until the server says. 0: not known."""
    tokens: int = 0
    """Pieces of the reply so far, which are one token each with most servers."""
    seconds: float = 0.0
    """In this state."""


Listener = Callable[[Waiting], object]


# Trees, candidates and what running them showed.


@dataclass(frozen=True, slots=True)
class Tree:
    """A project as a value: the files of `base` (only ever read), with `texts` added or put in their place."""

    texts: Mapping[str, str]
    base: Path | None = None

    def with_text(self, path: str, text: str) -> Tree:
        return Tree({**self.texts, path: text}, self.base)


@dataclass(frozen=True, slots=True)
class Candidate:
    path: str
    text: str
    origin: Literal["sample", "repair", "fresh", "kept", "fix", "splice"] = "sample"
    label: str = ""
    """Short name within its step, e.g. candidate-2; the end of the span it came from."""
    temperature: float = 0.0


@dataclass(frozen=True, slots=True)
class ExecResult:
    """What a process did. Failure is a value here, never an exception."""

    argv: tuple[str, ...]
    exit_code: int
    """As a shell gives it: 128 + signal number for a process ended by a signal."""
    stdout: str
    stderr: str
    seconds: float
    timed_out: bool = False
    truncated: bool = False
    isolation: str = ""

    @property
    def ok(self) -> bool:
        return self.exit_code == 0 and not self.timed_out


@dataclass(frozen=True, slots=True)
class TestResult:
    """One test as pytest saw it; `detail` is the tail of its traceback."""

    __test__ = False
    node: str
    outcome: Outcome
    seconds: float = 0.0
    detail: str = ""
    channel: Channel = "cold"
    """`oracle`: the code ran in another process than the test."""


@dataclass(frozen=True, slots=True)
class TestReport:
    """One pytest run, told by a plugin and never parsed from text."""

    __test__ = False
    results: tuple[TestResult, ...]
    collected: int
    collection_errors: tuple[tuple[str, str], ...] = ()
    """(path, traceback tail) of each file that could not be collected."""
    exec: ExecResult | None = None
    complete: bool = True
    """The session came to its end and its exit status agrees with its results."""
    lines: Mapping[str, Mapping[str, tuple[int, ...]]] = field(default_factory=dict)
    """Test node -> path -> lines it ran, of the files that were asked for; a hint that judged code could forge."""

    @property
    def passed(self) -> bool:
        """Tests were collected and every one ran and passed."""
        return (
            self.complete
            and self.collected > 0
            and not self.collection_errors
            and len(self.results) == self.collected
            and all(result.outcome == "passed" for result in self.results)
        )

    @property
    def oracle_share(self) -> float:
        """How much of it the oracle judged, from 0 to 1."""
        return sum(result.channel == "oracle" for result in self.results) / max(1, len(self.results))

    @property
    def failures(self) -> tuple[TestResult, ...]:
        return tuple(result for result in self.results if result.outcome != "passed")


@dataclass(frozen=True, slots=True)
class ExecLimits:
    """Bounds of one sandboxed process. Seconds, bytes."""

    seconds: float = 300.0
    memory_bytes: int = 2 << 30
    file_bytes: int = 64 << 20
    output_bytes: int = 256 << 10
    processes: int = 128
    test_seconds: float = 10.0
    """For one test of a test run."""


@dataclass(frozen=True, slots=True)
class Environment:
    """An interpreter that generated code runs with, and the directories it may read for it."""

    python: str
    readable: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()


class Sandbox(Protocol):
    """The only way to run code that nobody trusts."""

    isolation: str
    """One phrase for reports, e.g. 'namespaces + seccomp' or 'none (unsafe)'."""

    def run(
        self, tree: Tree, argv: Sequence[str], *, limits: ExecLimits | None = None, network: bool = False
    ) -> ExecResult:
        """Runs argv in a fresh copy of the tree. `python3` and `python` in argv[0] mean the task's interpreter.

        Raises SandboxUnavailable when the sandbox cannot start; a command that fails is a value.
        """

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
        """Runs pytest on nodes (files or node ids), in their order, in a fresh copy of the tree.

        With `confirm`, a pass is the oracle's, where it can judge the tests (see `TestResult.channel`). The lines
        that each test runs are told for the files in `lines_of`. Another `hash_seed` shows tests that depend on the
        order of sets.
        """

    def close(self) -> None:
        """Ends every process this sandbox still runs."""


# What the checks said.


@dataclass(frozen=True, slots=True)
class Rung:
    """One rung of the ladder of checks, cheap ones first."""

    name: Literal["parses", "interface", "imports", "tests", "criteria"]
    passed: bool
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What the checks said of one candidate."""

    candidate: Candidate
    rungs: tuple[Rung, ...]
    report: TestReport | None = None

    @property
    def passed(self) -> bool:
        return all(rung.passed for rung in self.rungs)

    @property
    def height(self) -> int:
        """How many rungs were climbed before the first that failed."""
        return next((i for i, rung in enumerate(self.rungs) if not rung.passed), len(self.rungs))

    @property
    def outcomes(self) -> dict[str, bool]:
        """Test node -> passed."""
        return {r.node: r.outcome == "passed" for r in self.report.results} if self.report else {}


@dataclass(frozen=True, slots=True)
class CriterionResult:
    criterion: Criterion
    passed: bool
    channel: Channel
    evidence: str


@dataclass(frozen=True, slots=True)
class Quarantined:
    """A generated test that takes no part in the verdict, and why."""

    node: str
    reason: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the criteria and the trusted tests said of the whole tree, on a clean copy."""

    results: tuple[CriterionResult, ...]
    report: TestReport | None
    problems: tuple[str, ...] = ()
    """Reasons the verdict cannot be a pass beyond failed checks: nothing collected, a planned test file missing."""
    quarantined: tuple[Quarantined, ...] = ()

    @property
    def passed(self) -> bool:
        return (
            bool(self.results)
            and not self.problems
            and all(result.passed for result in self.results)
            and (self.report is None or self.report.passed)
        )

    @property
    def score(self) -> tuple[int, int]:
        """(criteria passed, tests passed); larger is better."""
        tests = sum(r.outcome == "passed" for r in self.report.results) if self.report else 0
        return sum(r.passed for r in self.results), tests

    @property
    def share(self) -> tuple[float, float]:
        """The same as shares, which compare verdicts on different plans."""
        criteria, tests = self.score
        return criteria / max(1, len(self.results)), tests / max(1, self.report.collected if self.report else 1)


@dataclass(frozen=True, slots=True)
class Culprit:
    path: str
    """Of a planned file, or `criterion <id>` for a check that no program could fulfil."""
    why: str
    blame: Literal["source", "test", "criterion"]


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """The root cause of a failed attempt."""

    whys: tuple[str, ...]
    culprits: tuple[Culprit, ...]
    advice: str

    @property
    def signature(self) -> tuple[str, ...]:
        """Equal for two diagnoses that blame the same files."""
        return tuple(sorted(f"{culprit.blame}:{culprit.path}" for culprit in self.culprits))


@dataclass(frozen=True, slots=True)
class Attempt:
    number: int
    built: tuple[str, ...]
    verdict: Verdict
    diagnosis: Diagnosis | None = None


@dataclass(frozen=True, slots=True)
class RunResult:
    """How a run ended."""

    status: Status
    exit_reason: ExitReason
    message: str = ""
    """One plain sentence; with the way out, when not passed."""

    @property
    def exit_code(self) -> int:
        return EXIT_CODES[self.exit_reason]


@dataclass(frozen=True, slots=True)
class Limits:
    """The run's budget; a unit of `calls` is one generation request sent, retries included."""

    minutes: float = 120.0
    calls: int = 200
    tokens: int = 2_000_000


class Recorder(Protocol):
    """The run's memory of itself: writes the trace and answers from it when a run is resumed."""

    def record(self, kind: str, span: str, **fields: Any) -> None:
        """Appends one record; on disk before this returns. Raises DiskFull."""

    def recall(self, kind: str, span: str, key: str) -> Mapping[str, Any] | None:
        """The next unused record of an earlier part of this run with that kind, span and key; else None."""
