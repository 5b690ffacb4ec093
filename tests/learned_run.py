"""A run that passed, with prompts and replies as the real ones: the material of the tests of training data.

Two candidates for one file fail, a third is mended by a repair, the verdict fails by a test, the diagnosis is right, and
the second attempt passes. Every name in it carries `word`, so that two runs have nothing in common but their shape.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nightshift.diagnosis import read_diagnosis
from nightshift.domain import (
    Candidate,
    Criterion,
    CriterionResult,
    ScriptCheck,
    Task,
    TestReport,
    TestResult,
    Verdict,
)
from nightshift.llm.calls import messages_as_dicts
from nightshift.plan import read_plan
from nightshift.prompting import PROMPTS, fenced, render
from nightshift.records import Record, as_json
from trace_collector import Trace


@dataclass(frozen=True)
class Story:
    word: str = "apple"
    extra: str = ""
    """Stands in the reply of the file that is chosen in the end."""
    thinking: str = ""
    """Stands before it."""
    asked: str = ""
    """Stands in the prompt of the file that is chosen in the end."""
    final: str = "candidate-1"
    """Which candidate of the second attempt is chosen; `fix` and `splice` are made without a model."""
    demo: bool = False
    flaky: bool = False
    """The test of the second sample passed in the end, and not always."""
    passes: bool = True

    @property
    def path(self) -> str:
        return f"{self.word}.py"

    @property
    def tests(self) -> str:
        return f"tests/test_{self.word}.py"

    @property
    def task(self) -> str:
        words = " ".join(f"{self.word}{i}" for i in range(30))
        return f"Write {self.path} with total_{self.word}, which adds up the prices of {words} in cents."

    def code(self, sign: str = "+", note: str = "") -> str:
        lines = "\n".join(f"    total {sign}= prices.get('{self.word}{i}', {i})" for i in range(12))
        head = f'"""Prices of {self.word}."""\n\nimport re\n\n\n'
        return f"{head}def total_{self.word}(prices: dict[str, int]) -> int:\n    total = 0{note}\n{lines}\n    return total\n"

    def test_code(self, number: int, expected: int = 66) -> str:
        name = f"test_c1_{'abc'[number - 1]}_{self.word}"
        return (
            f"from {self.word} import total_{self.word}\n\n\ndef {name}():\n"
            f"    assert total_{self.word}({{'{self.word}{number}': {number}}}) == {expected}\n"
        )

    @property
    def plan(self) -> dict[str, Any]:
        return {
            "summary": f"Adds up {self.word}.",
            "requires": [],
            "steps": [
                {"path": self.path, "kind": "source", "purpose": f"totals {self.word}", "depends_on": [],
                 "interface": f"def total_{self.word}(prices: dict[str, int]) -> int: ..."},
                {"path": self.tests, "kind": "test", "purpose": "proves it", "interface": "", "depends_on": [self.path]},
            ],
            "criteria": [{"id": "c1", "description": "adds up", "check": {"type": "tests", "path": self.tests}}],
        }  # fmt: skip

    @property
    def diagnosis(self) -> dict[str, Any]:
        return {
            "whys": [f"the total of {self.word} is negative", "it subtracts"],
            "culprits": [{"path": self.path, "why": f"total_{self.word} subtracts"}],
            "advice": f"total_{self.word} must add the prices of {self.word} up.",
        }

    # Prompts, by the function that makes them for the server.

    def planner_prompt(self, refusals: str = "") -> list[dict[str, str]]:
        return _sent("planner", task=self.task, context="(empty)", importable="pytest", lessons="", refusals=refusals)

    def tester_prompt(self) -> list[dict[str, str]]:
        return _sent(
            "tester", task=self.task, criteria="- c1: adds up", interfaces=self.path, packages="(none)",
            path=self.tests, purpose="proves it", notes="",
        )  # fmt: skip

    def builder_prompt(self, approach: str = "", advice: str = "", current: str = "") -> list[dict[str, str]]:
        return _sent(
            "builder", task=self.task + self.asked, criteria="- c1: adds up", packages="(none)", modules="(none)",
            path=self.path, purpose=f"totals {self.word}", interface=fenced(self.plan["steps"][0]["interface"]),
            current=fenced(current) if current else "", evidence="", advice=advice, approach=approach,
        )  # fmt: skip

    def repairer_prompt(self, current: str, name: str = "repairer") -> list[dict[str, str]]:
        return _sent(
            name, task=self.task, modules="(none)", path=self.path, purpose=f"totals {self.word}", interface="(free)",
            current=fenced(current), evidence="assert -66 == 66", advice="",
        )  # fmt: skip

    def analyst_prompt(self) -> list[dict[str, str]]:
        return _sent(
            "analyst", task=self.task, paths=f"- {self.path}", evidence="assert -66 == 66", sources=self.code("-")
        )


def _sent(template: str, **variables: str) -> list[dict[str, str]]:
    """What the template has besides is empty, and so left out."""
    others = dict.fromkeys(re.findall(r"\$(\w+)", (PROMPTS / f"{template}.md").read_text(encoding="utf-8")), "")
    return messages_as_dicts(render(template, **{**others, **variables}))


def call(trace: Trace, role: str, span: str, messages: list[dict[str, str]], text: str, **fields: Any) -> None:
    told = {
        "role": role, "messages": messages, "text": text, "stop_reason": "stop", "fault": "", "reasoning": "",
        "model_requested": "small", "model_served": "small-7b", "key": f"key of {span}", "seconds": 1.0,
        "prompt_tokens": 100, "cached_tokens": 0, "completion_tokens": 10, "attempt": 1,
    }  # fmt: skip
    trace.record("call", span, **{**told, **fields})


def evaluate(trace: Trace, span: str, candidate: Candidate, failed: str = "") -> None:
    rungs = [{"name": name, "passed": name != failed, "detail": ""} for name in ("parses", "tests", "criteria")]
    where = f"{span}/{candidate.label}"
    trace.record("evaluation", where, path=candidate.path, candidate=candidate, rungs=rungs, outcomes={}, collected=1)


def select(trace: Trace, span: str, path: str, chosen: str, considered: list[str]) -> None:
    told = {"scores": {}, "reason": "r", "rivals": []}
    trace.record("selected", span, path=path, chosen=chosen, considered=considered, **told)


def judge(trace: Trace, story: Story, number: int, passed: bool, *, tests: bool | None = None) -> None:
    """`tests` says whether the tests pass, where that is not what the verdict says."""
    criterion = Criterion("c1", "adds up", ScriptCheck("import this"))
    outcomes = ["test_c1_a", "test_c1_b"]
    results = tuple(
        TestResult(
            f"{story.tests}::{name}_{story.word}", "passed" if (passed if tests is None else tests) else "failed"
        )
        for name in outcomes
    )
    verdict = Verdict((CriterionResult(criterion, passed, "oracle", "e"),), TestReport(results, len(results)))
    trace.record("verdict", f"attempt-{number}/judge", attempt=number, passed=passed, proof="self", verdict=verdict)


def start(trace: Trace, story: Story) -> None:
    trace.record("run_started", "", task=Task(story.task), demo=story.demo, models={}, config={}, version="1")


def planned(trace: Trace, story: Story, ask: int, *, accepted: bool = True) -> None:
    plan = as_json(read_plan(story.plan))
    trace.record("planned", "plan", ask=ask, plan=plan, refusals=[] if accepted else ["no"], accepted=accepted)


def passed_run(run_dir: Path, story: Story | None = None) -> list[Record]:
    story = story or Story()
    with Trace.create(run_dir, run_dir.name) as trace:
        start(trace, story)
        refused = {**story.plan, "summary": "refused", "criteria": []}
        call(trace, "planner", "plan/ask-1", story.planner_prompt(), json.dumps(refused))
        planned(trace, story, 1, accepted=False)
        call(trace, "planner", "plan/ask-2", story.planner_prompt("- no criteria"), json.dumps(story.plan))
        planned(trace, story, 2)
        _tests(trace, story)
        _first_attempt(trace, story)
        _second_attempt(trace, story)
        judge(trace, story, 2, story.passes)
        status = "passed" if story.passes else "failed"
        trace.record("run_finished", "", status=status, exit_reason="passed" if story.passes else "no_progress")
        return trace.records()


def _tests(trace: Trace, story: Story) -> None:
    for number in (1, 2, 3):
        span = f"tests/{story.tests}/sample-{number}"
        code = story.test_code(number, -1 if number == 3 else 66)
        call(trace, "tester", span, story.tester_prompt(), fenced(code))
    wrong = f"{story.tests}::test_c1_c_{story.word}"
    if story.flaky:
        node = f"{story.tests}::test_c1_b_{story.word}"
        trace.record("guard", "attempt-1/trust", rule="flaky-test", action=node, reason="two answers")
    trace.record("guard", "tests", rule="quarantine", action=wrong, reason="most other samples expect another value")


def _first_attempt(trace: Trace, story: Story) -> None:
    span = f"attempt-1/build/{story.path}"
    call(trace, "builder", f"{span}/candidate-1", story.builder_prompt(), fenced(story.code("-")))
    evaluate(trace, span, Candidate(story.path, story.code("-"), "sample", "candidate-1"), "tests")
    call(trace, "builder", f"{span}/candidate-2", story.builder_prompt("work backwards"), fenced(story.code("*")))
    evaluate(trace, span, Candidate(story.path, story.code("*"), "sample", "candidate-2"), "tests")
    repaired = story.code("-", "  # repaired")
    call(trace, "repairer", f"{span}/repair-1", story.repairer_prompt(story.code("-")), fenced(repaired))
    made = {"outcome": "repair-1 made from candidate-1", "detail": "d"}
    trace.record("repair", f"{span}/repair-1", path=story.path, **made)
    evaluate(trace, span, Candidate(story.path, repaired, "repair", "repair-1"), "criteria")
    select(trace, span, story.path, "repair-1", ["candidate-1", "candidate-2", "repair-1"])
    judge(trace, story, 1, False)
    call(trace, "analyst", "attempt-1/diagnose", story.analyst_prompt(), json.dumps(story.diagnosis))
    diagnosis = read_diagnosis(story.diagnosis, {story.path: "source"})
    trace.record("diagnosis", "attempt-1/diagnose", attempt=1, diagnosis=diagnosis)


def _second_attempt(trace: Trace, story: Story) -> None:
    span = f"attempt-2/build/{story.path}"
    current = story.code("-", "  # repaired")
    prompt = story.builder_prompt(advice=story.diagnosis["advice"], current=current)
    code = story.code("+", story.extra)
    call(trace, "builder", f"{span}/candidate-1", prompt, f"{story.thinking}Here it is:\n\n{fenced(code)}\n")
    evaluate(trace, span, Candidate(story.path, current, "kept", "kept"), "criteria")
    evaluate(trace, span, Candidate(story.path, code, "sample", "candidate-1"))
    labels = ["kept", "candidate-1"]
    if story.final != "candidate-1":
        origin: Mapping[str, Any] = {"fix": "fix", "splice": "splice"}
        text = story.code("+", "  # made without a model")
        evaluate(trace, span, Candidate(story.path, text, origin[story.final], story.final))
        labels.append(story.final)
    select(trace, span, story.path, story.final, labels)
