"""A small run as its records, written through the real Trace: the material of the trace, report and learning tests."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nightshift.domain import (
    Criterion,
    CriterionResult,
    Culprit,
    Diagnosis,
    ExecResult,
    Plan,
    Quarantined,
    ScriptCheck,
    ShellCheck,
    Step,
    Task,
    TestReport,
    TestResult,
    TestsCheck,
    Verdict,
)
from nightshift.records import Record
from trace_collector import Trace

RUN = "20260101-020304-ab12"
TASK = Task("Build a task tracker CLI with JSON persistence", verify=("python3 tracker.py list",))
TESTS = Criterion("c1", "tasks are stored", TestsCheck("tests/test_storage.py", ("tests/test_storage.py::test_a",)))
SCRIPT = Criterion("c2", "adding works", ScriptCheck("import storage\nassert storage.add('x')"), guard=True)
USER = Criterion("verify-1", "python3 tracker.py list", ShellCheck("python3 tracker.py list"), trusted=True)
PLAN = Plan(
    "A storage module and its tests.",
    (
        Step("storage.py", "source", "keeps tasks", "def add(name: str) -> bool: ..."),
        Step("tests/test_storage.py", "test", "proves it", depends_on=("storage.py",)),
    ),
    (TESTS, SCRIPT),
)
DIAGNOSIS = Diagnosis(
    ("the list is empty", "nothing is written"),
    (Culprit("storage.py", "add never saves", "source"),),
    "Write the JSON file after each change.",
)
ADVICE_REPLY = '{"whys": ["w"], "culprits": [], "advice": "Write the JSON file after each change."}'


def report(**outcomes: Any) -> TestReport:
    results = tuple(
        TestResult(
            f"tests/test_storage.py::{name}",
            outcome,
            0.01,
            "" if outcome == "passed" else f"E KeyError: {name}",
        )
        for name, outcome in outcomes.items()
    )
    return TestReport(results, len(results), exec=ExecResult(("pytest",), 0, "out", "", 0.5))


def verdict(passed: bool, *criteria: Criterion) -> Verdict:
    results = tuple(
        CriterionResult(
            c, passed, "user-command" if c.trusted else "oracle", "exit code 0" if passed else "KeyError: 'x'"
        )
        for c in criteria or (TESTS, SCRIPT)
    )
    tests = report(test_a="passed") if passed else report(test_a="failed", test_b="passed")
    return Verdict(
        results, tests, quarantined=(Quarantined("tests/test_storage.py::test_odd", "contradicts the spec"),)
    )


def start(trace: Trace, task: Task = TASK, plan: Plan = PLAN) -> None:
    trace.record(
        "run_started", "", task=task, workspace="/home/me/my project", config={}, isolation="namespaces",
        models={"builder": "qwen"}, remote=False, version="1",
    )  # fmt: skip
    trace.record("explored", "explore", text="empty", files=[], key="explore")
    ask(trace, "planner", "plan/ask-1", '{"plan": 1}')
    trace.record("planned", "plan", ask=1, plan=plan, refusals=[], accepted=True)


def ask(trace: Trace, role: str, span: str, text: str, **fields: Any) -> None:
    key = f"key of {span}"
    trace.record("asked", span, role=role, endpoint="http://127.0.0.1:1", model="qwen", attempt=1, key=key)
    told: dict[str, Any] = {
        "role": role, "endpoint": "http://127.0.0.1:1", "model_requested": "qwen", "model_served": "qwen-7b",
        "messages": [{"role": "system", "content": "You build."}, {"role": "user", "content": f"Do {span}."}],
        "sampling": {}, "schema": None, "think": False, "text": text, "reasoning": "", "stop_reason": "stop",
        "prompt_tokens": 100, "cached_tokens": 60, "completion_tokens": 10, "first_token_seconds": 0.1,
        "seconds": 1.5, "attempt": 1, "key": key, "fault": "",
    }  # fmt: skip
    trace.record("call", span, **{**told, **fields})


def build(trace: Trace, number: int, labels: Sequence[str], chosen: str, *, text: str = "") -> None:
    span = f"attempt-{number}/build/storage.py"
    for label in labels:
        ask(trace, "builder", f"{span}/{label}", f"```python\n# {label} of {number}\n```")
        good = label == chosen
        trace.record(
            "evaluation", f"{span}/{label}", path="storage.py", collected=2,
            candidate={"path": "storage.py", "label": label, "origin": "sample", "temperature": 0.4, "text": text or f"# {label} of {number}\n"},
            rungs=[{"name": "parses", "passed": True, "detail": ""}, {"name": "tests", "passed": good, "detail": ""}],
            outcomes={"tests/test_storage.py::test_a": good, "tests/test_storage.py::test_b": True},
        )  # fmt: skip
    trace.record(
        "selected", span, path="storage.py", chosen=chosen, considered=list(labels),
        scores={label: [1, 2] for label in labels}, reason="agrees with most tests",
    )  # fmt: skip


def judge(trace: Trace, number: int, said: Verdict) -> None:
    trace.record("verdict", f"attempt-{number}/judge", attempt=number, verdict=said, seconds=0.2)


def fail_and_diagnose(trace: Trace) -> None:
    """The first attempt, which fails."""
    build(trace, 1, ("candidate-1", "candidate-2"), "candidate-2")
    judge(trace, 1, verdict(False))
    ask(trace, "analyst", "attempt-1/diagnose", ADVICE_REPLY)
    trace.record("diagnosis", "attempt-1/diagnose", attempt=1, diagnosis=DIAGNOSIS)


def finish(trace: Trace, status: str, reason: str, code: int, message: str = "") -> None:
    trace.record(
        "run_finished", "", status=status, exit_reason=reason, exit_code=code, message=message, seconds=12.0,
        counters={"replayed": trace.replayed},
    )  # fmt: skip


def passed_run(run_dir: Path, *criteria: Criterion) -> list[Record]:
    """Fails, is diagnosed, and passes at the second attempt."""
    with Trace.create(run_dir, run_dir.name) as trace:
        start(trace)
        fail_and_diagnose(trace)
        trace.record("cascade", "attempt-2/build", rebuild=[{"path": "storage.py", "reason": "blamed"}], retest=[])
        build(trace, 2, ("candidate-1",), "candidate-1")
        trace.record(
            "repair",
            "attempt-2/build/storage.py/repair-1",
            path="storage.py",
            outcome="candidate",
            detail="d",
        )
        judge(trace, 2, verdict(True, *criteria))
        trace.record(
            "delivered",
            "",
            files=[{"path": "storage.py", "action": "added", "lines": 9}],
            branch="b",
            commit="c0",
            merged=False,
        )
        trace.record("learned", "", lessons=[])
        finish(trace, "passed", "passed", 0)
        return trace.records()


def failed_run(run_dir: Path) -> list[Record]:
    with Trace.create(run_dir, run_dir.name) as trace:
        start(trace)
        fail_and_diagnose(trace)
        trace.record(
            "fault",
            "attempt-1/build",
            role="builder",
            endpoint="http://127.0.0.1:1",
            model="qwen",
            attempt=1,
            fault="stall",
            message="went silent",
        )
        finish(trace, "failed", "attempts_exhausted", 1, "1 attempt did not fulfil every criterion")
        return trace.records()


def run_dir(workspace: Path, run: str = RUN) -> Path:
    return workspace / ".nightshift" / "runs" / run
