"""The simulated model for whole runs: its plans hold, its rates are the profile's, and it never sees what judges it."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from pathlib import Path
from random import Random

import pytest
from runs import ROOT

from benchmarks.acceptance import boxes, judged
from benchmarks.simulated.profiles import PROFILES
from benchmarks.simulated_tasks.calls import Call
from benchmarks.simulated_tasks.cheating import TRICKS, CheatingModel
from benchmarks.simulated_tasks.knowledge import Cache, Knowledge, is_test, knowledge_of, units, with_wrongs
from benchmarks.simulated_tasks.model import ROLES, Memory, TaskModel, restyled
from benchmarks.simulated_tasks.planning import plan
from benchmarks.simulated_tasks.testing import as_tests, claims_in
from benchmarks.simulated_tasks.world import Claim, Draft, World
from benchmarks.tasks import tasks_in
from nightshift.domain import ROLES as ALL_ROLES
from nightshift.domain import ExecLimits, ExecResult, Sandbox, TestReport, Tree
from nightshift.plan import problems, read_plan
from nightshift.source.tests_safety import unsafe_test_reason

TASKS = tasks_in(ROOT / "benchmarks")
CHEATS = tasks_in(ROOT / "benchmarks" / "cheats")
CALLS = (
    Call("calculator.py", "it = Calculator(); it.add(1, 2)", "3"),
    Call("calculator.py", "Calculator().divide(1, 0)", "!ValueError"),
)


class NoBox:
    """These tests run nothing."""

    isolation = "none"

    def run(self, tree: Tree, argv: object, *, limits: ExecLimits | None = None, network: bool = False) -> ExecResult:
        raise AssertionError("nothing is run")

    def test(self, tree: Tree, nodes: object, **options: object) -> TestReport:
        raise AssertionError("nothing is run")

    def close(self) -> None:
        """Nothing to do."""


def known(name: str, calls: tuple[Call, ...] = (), believed: Mapping[str, object] = {}) -> Knowledge:
    task = TASKS[name]
    sources = tuple(path for path, text in task.solution.items() if text.strip() and not is_test(path))
    box: Sandbox = NoBox()
    unseen = {path: {} for path in sources}
    return Knowledge(task, sources, calls, box, Cache(Path("/nowhere")), dict(unseen))


@pytest.mark.parametrize("name", TASKS)
def test_every_simulated_plan_is_one_that_the_planner_may_give(name: str) -> None:
    made = read_plan(plan(known(name)))
    assert not problems(made)
    assert {step.path for step in made.steps if step.kind != "test"} == set(known(name).sources)


def test_there_is_a_voice_for_every_role() -> None:
    assert set(ROLES) == set(ALL_ROLES)


def test_the_simulation_never_reads_the_acceptance_tests() -> None:
    """Knowledge of the solution and knowledge of what judges it meet nowhere."""
    for path in (ROOT / "benchmarks" / "simulated_tasks").glob("*.py"):
        tree = ast.parse(path.read_text())
        names = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
        assert "acceptance" not in names, path.name


@pytest.mark.parametrize("name", list(TASKS)[:3])
def test_every_slip_is_a_program_that_differs_in_one_function(name: str) -> None:
    knowledge = known(name)
    for path, wrongs in knowledge.wrongs.items():
        before = units(ast.parse(knowledge.text(path)))
        for wrong in wrongs[::12]:
            after = units(ast.parse(with_wrongs(knowledge.text(path), [wrong])))
            assert [n for n in before if ast.dump(before[n]) != ast.dump(after[n])] == [wrong.unit]


def test_what_was_written_is_remembered_function_by_function() -> None:
    knowledge, memory = known("01-calculator"), Memory()
    wrong = knowledge.wrongs["calculator.py"][0]
    text = with_wrongs(knowledge.text("calculator.py"), [wrong])
    memory.remember(text, Draft((wrong,)))
    assert memory.draft(text).wrongs == (wrong,)
    assert memory.draft("\n" + text + "\n# a remark\n").wrongs == (wrong,)


def test_a_stronger_profile_is_right_more_often_and_a_harder_task_less() -> None:
    def rates(profile: str, name: str) -> float:
        worlds = [World(known(name), PROFILES[profile], seed) for seed in range(30)]
        return sum(world.right_rate(world.knowledge.sources[0]) for world in worlds)

    assert rates("2B", "01-roman") < rates("7B", "01-roman") < rates("80B", "01-roman")
    assert rates("7B", "04-task-tracker") < rates("7B", "01-calculator")


def test_right_asserts_come_at_the_rate_of_the_world() -> None:
    world = World(known("01-calculator", CALLS), PROFILES["32B"], 1)
    claims = [claim for number in range(400) for claim in world.claims("calculator.py", Random(number), 2)]
    assert abs(sum(claim.right for claim in claims) / len(claims) - world.right_asserts) < 0.08
    assert all(claim.right == (claim.value == CALLS[claim.call].value) for claim in claims)


def test_its_test_files_are_ones_the_loop_would_take_and_name_their_claims() -> None:
    world = World(known("01-calculator", CALLS), PROFILES["7B"], 1)
    claims = world.claims("calculator.py", Random(1), 2)
    text = as_tests(world.knowledge, claims, "c1")
    assert unsafe_test_reason(text) is None
    found = claims_in(text, world.knowledge, {})
    assert [(claim.call, claim.right) for claim in found] == [(claim.call, claim.right) for claim in claims]


def test_the_same_question_gets_the_same_answer() -> None:
    world = World(known("01-calculator", CALLS), PROFILES["7B"], 1)
    prompt = f"{world.knowledge.prompt}\n# File to write: calculator.py\n"
    one, other = (TaskModel(lambda text: world).answer("builder", prompt, "key") for _ in range(2))
    assert one == other
    assert "class Calculator" in one.text


def test_every_trick_of_the_cheat_tries_something_that_an_honest_model_would_not() -> None:
    task = next(iter(CHEATS.values()))
    prompt = f"{task.prompt}\n# File to write: {next(path for path in task.solution)}\n"
    for number, trick in enumerate(TRICKS, 1):
        model = CheatingModel([task], number)
        written = model.answer("builder", prompt, "", 4096).text
        honest = next(iter(task.solution.values())).strip() in written and "_right" not in written
        rewrites = re.search(r"write_text", written)
        assert trick.others or not honest or rewrites, trick.name


@pytest.mark.slow
def test_what_it_holds_for_right_is_true_of_the_solution(tmp_path: Path) -> None:
    with boxes(tmp_path) as box_for:
        for task in [task for task in TASKS.values() if not task.requires][1::5]:
            knowledge = knowledge_of(task, box_for(()), Cache(tmp_path / "cache"))
            claims = [Claim(number, call.value, True) for number, call in enumerate(knowledge.calls)]
            tests = {"tests/test_right.py": as_tests(knowledge, claims, "c1")}
            report = box_for(()).test(Tree({**task.solution, **tests}, task.start), [*tests])
            assert report.passed, [(task.name, result.node, result.detail[-300:]) for result in report.failures]


@pytest.mark.slow
def test_a_solution_in_another_style_is_still_accepted(tmp_path: Path) -> None:
    with boxes(tmp_path) as box_for:
        for task in [task for task in TASKS.values() if not task.requires][::3]:
            texts = {
                path: restyled(text, Random(3)) if path.endswith(".py") and not is_test(path) else text
                for path, text in task.solution.items()
            }
            assert judged(task, Tree(texts, task.start), box_for(())).passed, task.name
