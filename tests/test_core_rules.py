"""Single rules of judging, blaming and keeping that whole runs seldom reach: each once let a mutant live."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from runs import build, run, serving
from scenario import PLAN as SCENARIO
from scenario import RIGHT, TASK, TESTS, WRONG, Scenario, fence
from servers import ScriptedServer

from nightshift.acceptance import Accepted, accept_tests, bind
from nightshift.checks import run_command_check
from nightshift.domain import (
    CommandCheck,
    Criterion,
    CriterionResult,
    ExecLimits,
    ExecResult,
    Plan,
    Sandbox,
    ScriptCheck,
    ShellCheck,
    Step,
    Task,
    TestReport,
    TestResult,
    TestsCheck,
    Tree,
    Verdict,
)
from nightshift.errors import Refused
from nightshift.evidence import of_verdict
from nightshift.explore import overview
from nightshift.judge import UserTests, judge
from nightshift.search.blame import evidence_for, suspects
from nightshift.search.build import Effort
from nightshift.search.work import Work, Workshop, write_checked
from orchestrator import Orchestrator, Rules

LIMITS = ExecLimits()
FILE = "tests/test_calc.py"
NODE = f"{FILE}::test_c1_adds"
GOOD = TestReport((TestResult(NODE, "passed"),), 1)
PLAN = Plan(
    "x",
    (Step("calc.py", "source", "x"), Step(FILE, "test", "x", "", ("calc.py",))),
    (Criterion("c1", "x", TestsCheck(FILE, (NODE,))),),
)
ACCEPTED = Accepted({FILE: ""}, frozenset({NODE}))
TREE = Tree({"calc.py": "", FILE: ""})


class Says(Sandbox):
    """A sandbox that reports what it is told to; keeps the trees it was given."""

    isolation = "none"

    def __init__(self, *reports: TestReport, result: ExecResult | None = None) -> None:
        self.reports, self.result, self.trees = list(reports), result, list[Tree]()

    def test(self, tree: Tree, nodes: Sequence[str], **_: Any) -> TestReport:
        self.trees.append(tree)
        return self.reports.pop(0) if len(self.reports) > 1 else self.reports[0]

    def run(self, tree: Tree, argv: Sequence[str], **_: Any) -> ExecResult:
        assert self.result
        return self.result

    def close(self) -> None: ...


def problems(plan: Plan = PLAN, accepted: Accepted = ACCEPTED, tree: Tree = TREE, report: TestReport = GOOD) -> str:
    return " ".join(judge(plan, accepted, UserTests(), tree, Says(report), LIMITS).problems)


def test_nothing_keeps_a_good_verdict_from_being_a_pass() -> None:
    assert problems() == ""


@pytest.mark.parametrize(
    "changed, words",
    [
        ({"tree": Tree({FILE: ""})}, "calc.py was planned and does not exist"),
        ({"accepted": Accepted({}, frozenset({NODE}))}, "holds no trusted test"),
        ({"plan": replace(PLAN, criteria=(replace(PLAN.criteria[0], guard=True),))}, "seen to fail"),
        ({"accepted": Accepted({FILE: ""}, frozenset({NODE, f"{FILE}::test_b"}))}, "test_b did not run"),
        ({"report": TestReport((*GOOD.results, TestResult(f"{FILE}::test_x", "passed")), 2)}, "not one of the frozen"),
        ({"report": replace(GOOD, complete=False)}, "its end"),
        ({"report": TestReport((), 0)}, "no test was collected"),
    ],
)
def test_each_problem_alone_keeps_a_verdict_from_being_a_pass(changed: dict[str, Any], words: str) -> None:
    assert words in problems(**changed)


def test_new_configuration_is_empty_when_the_users_tests_are_judged() -> None:
    says = Says(GOOD)
    user = UserTests(("test_old.py",), {"test_old.py": "old"}, frozenset())
    judge(PLAN, ACCEPTED, user, Tree({**TREE.texts, "conftest.py": "new", "test_old.py": "bent"}), says, LIMITS)
    assert says.trees[0].texts["conftest.py"] == ""
    assert says.trees[0].texts["test_old.py"] == "old"
    assert says.trees[1].texts["conftest.py"] == "new", "our own tests are run with it"


CALC = Plan("x", (Step("calc.py", "source", "x", "def add(a: int, b: int) -> int: ..."), PLAN.steps[1]), PLAN.criteria)
ADDS = "from calc import add\n\n\ndef test_c1_adds():\n    assert add(2, 2) == 4\n"


def accepted(text: str, *reports: TestReport, samples: int = 1) -> Accepted:
    return accept_tests(CALC, {FILE: [text] * samples}, Tree({}), Says(*reports), LIMITS)


def outcomes(*results: TestResult) -> TestReport:
    return TestReport(results, len(results))


def test_a_test_that_is_skipped_when_run_is_refused_whatever_its_source_says() -> None:
    failed, skipped = outcomes(TestResult(NODE, "failed")), outcomes(TestResult(NODE, "skipped"))
    assert not accepted(ADDS, failed, skipped, failed).nodes


def test_a_test_broken_on_one_stub_only_is_kept() -> None:
    broken = outcomes(TestResult(NODE, "failed", detail="E   NameError: x"))
    plain = outcomes(TestResult(NODE, "failed", detail="E   assert 0 == 4"))
    assert accepted(ADDS, broken, plain).nodes == {NODE}


def test_one_failing_parameter_shows_that_a_test_can_fail() -> None:
    mixed = outcomes(TestResult(f"{NODE}[2]", "passed"), TestResult(f"{NODE}[1]", "failed"))
    assert accepted(ADDS, mixed).nodes == {NODE}


def test_a_criterion_is_not_bound_to_the_tests_of_one_whose_id_begins_alike() -> None:
    node = f"{FILE}::test_c12_x"
    plan = replace(PLAN, criteria=tuple(Criterion(i, "x", TestsCheck(FILE)) for i in ("c1", "c12")))
    checks = [c.check for c in bind(plan, Accepted({FILE: ""}, frozenset({node}))).criteria]
    assert [check.nodes for check in checks if isinstance(check, TestsCheck)] == [(), (node,)]


def test_a_value_that_most_samples_deny_does_not_stay_in_the_file() -> None:
    samples = [ADDS, ADDS, ADDS.replace("== 4", "== 5")]
    kept = accept_tests(CALC, {FILE: samples}, Tree({}), Says(outcomes(TestResult(NODE, "failed"))), LIMITS)
    assert "== 5" not in kept.texts[FILE]


def test_a_command_that_timed_out_is_no_success() -> None:
    result = ExecResult(("x",), 0, "done", "", 1.0, timed_out=True)
    criterion = Criterion("c1", "x", CommandCheck(("x",), 0, ("done",)))
    assert not run_command_check(criterion, TREE, Says(GOOD, result=result), LIMITS).passed


def test_the_evidence_tells_the_problems_too() -> None:
    assert "Problem: nothing ran" in of_verdict(Verdict((), None, ("nothing ran",)))


def test_the_overview_shows_the_signatures_of_sources_and_not_of_tests() -> None:
    text = overview(Tree({"a.py": "def shown():\n    pass\n", "test_a.py": "def test_x():\n    pass\n"}), "").text
    assert "def shown" in text
    assert "test_x" not in text


def work(**texts: str) -> Work:
    files = {name.replace("_py", ".py"): text for name, text in texts.items()} or {"calc.py": ""}
    return Work(Task("x"), PLAN, Tree(files), ACCEPTED)


class Kept:
    def __init__(self) -> None:
        self.records: list[str] = []
        self.saved: list[dict[str, str]] = []

    def record(self, kind: str, span: str, **fields: Any) -> None:
        self.records.append(kind)

    def recall(self, kind: str, span: str, key: str) -> None: ...

    def save(self, texts: Any, message: str) -> None:
        self.saved.append(dict(texts))


def shop(kept: Kept) -> Workshop:
    effort = Effort(3, (0.0,), 5, 2)
    return Workshop(None, Says(GOOD), kept, effort, LIMITS, LIMITS, False, (0.3,), kept.save)  # type: ignore[arg-type]


@pytest.mark.parametrize("path, by", [("unplanned/conftest.py", "builder"), (FILE, "builder"), ("mine.py", "builder")])
def test_nothing_is_saved_that_the_policy_denies(path: str, by: str) -> None:
    kept = Kept()
    with pytest.raises(Refused, match="not written"):
        write_checked(replace(work(), protected=frozenset({"mine.py"})), shop(kept), {path: ""}, "m", by)
    assert kept.saved == []
    assert kept.records == ["policy"]


SCRIPT = Criterion("c2", "x", ScriptCheck("assert 0"))
OWN = CriterionResult(Criterion("verify-1", "x", ShellCheck("false"), trusted=True), False, "user-command", "")


def test_only_what_can_be_to_blame_is_a_suspect() -> None:
    verdict = Verdict((CriterionResult(SCRIPT, False, "cold", ""), OWN), GOOD)
    assert suspects(work(), verdict) == {"calc.py": "source", "criterion c2": "criterion"}
    failing = replace(verdict, report=outcomes(TestResult(NODE, "failed")))
    assert FILE in suspects(work(), failing)


def test_the_author_of_a_file_is_shown_what_concerns_it() -> None:
    other = "tests/test_b.py::test_b"
    texts = {FILE: "import calc", "tests/test_b.py": "import b"}
    doing = Work(Task("x"), PLAN, Tree({"calc.py": "", "b.py": ""}), Accepted(texts, frozenset({NODE, other})))
    verdict = Verdict(
        (), outcomes(TestResult(NODE, "failed", detail="mine"), TestResult(other, "failed", detail="theirs"))
    )
    shown = evidence_for("calc.py", verdict, doing)
    assert "mine" in shown
    assert "theirs" not in shown


def test_the_best_tree_is_the_first_of_the_best_and_a_worse_one_gives_way_to_it() -> None:
    kept = Kept()
    loop = Orchestrator(None, kept, Rules(3, Effort(1, (0.0,), 1, 0), (0.3,), LIMITS, LIMITS))  # type: ignore[arg-type]
    better = Verdict((CriterionResult(SCRIPT, True, "cold", ""), OWN), None)
    worse = Verdict((CriterionResult(SCRIPT, False, "cold", ""), OWN), None)
    loop._remember_best(better, work(calc_py="first"))
    loop._remember_best(better, work(calc_py="second"))
    assert loop.best is not None
    assert loop.best[1].texts["calc.py"] == "first"
    back = loop._back_to_best(work(calc_py="worse"), shop(kept), worse)
    assert back.tree.texts["calc.py"] == "first"
    assert kept.saved == [{"calc.py": "first"}]


@pytest.mark.slow
def test_a_run_that_nothing_can_prove_asks_no_analyst(tmp_path: Path) -> None:
    asked = Scenario({"tester": "I would rather not."})
    done = build(asked, tmp_path)
    assert done.code == 1, done.stderr
    assert "no trusted test proves c1" in done.stderr
    assert not asked.prompts("analyst")


@pytest.mark.slow
def test_a_criterion_that_no_test_names_is_asked_for_once_more(tmp_path: Path) -> None:
    both = [{**criterion, "check": SCENARIO["criteria"][0]["check"]} for criterion in SCENARIO["criteria"]]  # type: ignore[index]
    unnamed = TESTS.replace("test_c2_", "test_zero_")
    asked = Scenario(
        {
            "planner": json.dumps({**SCENARIO, "criteria": both}),
            "tester": lambda p: fence(TESTS if "No earlier test proves c2" in p else unnamed),
        }
    )
    done = build(asked, tmp_path)
    assert done.code == 0, done.stderr
    assert len(asked.prompts("tester")) == 4


@pytest.mark.slow
def test_a_second_repair_is_told_of_the_first(tmp_path: Path) -> None:
    worse = WRONG.replace("return a / b", "return a")
    asked = Scenario({"builder": fence(WRONG), "repairer": fence(worse)})
    build(asked, tmp_path, "--attempts", "1", "--candidates", "1")
    first, second = asked.prompts("repairer")[:2]
    assert "tried already" not in first
    assert "tried already" in second


@pytest.mark.slow
def test_what_was_used_and_chosen_is_remembered_on_resume(tmp_path: Path) -> None:
    """Flags given once hold on resume, and calls already made count against the budget."""
    scenario = Scenario({"builder": fence(WRONG), "repairer": fence(WRONG)})
    where: dict[str, Any] = {"workspace": tmp_path / "w", "home": tmp_path / "home"}
    with ScriptedServer("ollama", lambda a: scenario.reply(a.system, a.prompt)) as server:
        assert run("--endpoint", server.url, "--candidates", "1", "--max-calls", "5", TASK, **where).code == 4
        again = run("--resume", "--max-calls", "5", **where)
        assert again.code == 4, again.stderr
        assert len(server.requests) == 5
    assert again.kinds("run_started")[-1]["overrides"]["candidates.count"] == 1


@pytest.mark.slow
def test_a_plan_printed_with_a_proof_runs_with_that_proof(tmp_path: Path) -> None:
    where: dict[str, Any] = {"workspace": tmp_path / "w", "home": tmp_path / "home"}
    proof = ("--verify", "test -f calculator.py")
    with serving(Scenario({"builder": fence(RIGHT)})) as server:
        dry = run("--endpoint", server.url, "--dry-run", *proof, TASK, **where)
        (tmp_path / "plan.json").write_text(dry.stdout)
        done = run("--endpoint", server.url, "--plan", str(tmp_path / "plan.json"), *proof, TASK, **where)
    assert done.code == 0, done.stderr
    assert [c["id"] for c in done.result["criteria"]].count("verify-1") == 1
