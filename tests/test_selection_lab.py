"""The laboratory of selection: arms see a case and no truth, spend what they may, and are scored by hidden tests."""

from __future__ import annotations

import ast
import asyncio
import json
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.selection import report
from benchmarks.selection.arms import BARE, COUNT, METHOD, ONE, ORACLE, VERIFIED, Arm
from benchmarks.selection.cases import Case, Dealer, Log, Memo, Purse
from benchmarks.selection.lab import Job, Trial, case_of, do
from benchmarks.selection.scoring import Row, difference, interval, pass_rate
from benchmarks.selection.speed import NAMES, REPEATS, TESTS, speed
from benchmarks.simulated.calibration import MEASURED, RULES, SIZES, TOLERANCE, Matrix, calibrated, furthest, table
from benchmarks.simulated.errors import errors_of
from benchmarks.simulated.knowledge import names, read
from benchmarks.simulated.profiles import CALIBRATED, PROFILES
from benchmarks.simulated.worlds import world
from nightshift.domain import Completion, Request, Usage
from nightshift.errors import ReplyRejected
from nightshift.sandbox.box import Box, open_sandbox
from nightshift.sandbox.interpreter.environment import prepare

ROOT = Path(__file__).resolve().parent.parent
BLIND = ("selection/arms", "selection/cases", "statement")
"""Modules that choose, and so may not know."""


def imports(path: Path) -> set[str]:
    tree = ast.parse(path.read_text())
    return {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}


@pytest.mark.parametrize("name", BLIND)
def test_what_chooses_imports_nothing_of_the_simulator_nor_of_the_scorer(name: str) -> None:
    known = imports(ROOT / f"benchmarks/{name}.py")
    assert not {module for module in known if module.startswith("benchmarks.simulated")}
    assert "benchmarks.selection.scoring" not in known


def test_the_product_knows_nothing_of_the_laboratory() -> None:
    assert not [path for path in (ROOT / "nightshift").rglob("*.py") if "import benchmarks" in path.read_text()]
    assert not [path for path in (ROOT / "nightshift").rglob("*.py") if "from benchmarks" in path.read_text()]


# Money.


class Echo:
    """A model that always says the same."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.asked: list[Request] = []

    async def complete(self, request: Request) -> Completion:
        self.asked.append(request)
        return Completion(self.text, "stop", Usage(1, 100, 0, 20, 1.0))


def test_a_question_is_asked_once_and_paid_by_every_arm(tmp_path: Path) -> None:
    async def scene() -> None:
        model = Echo("```python\ndef merge(spans):\n    return sorted(spans)\n```")
        dealer = Dealer(model)
        case = Case(read("spans").statement, Memo(open_nothing()), dealer, 1000)
        for _ in range(2):
            purse = Purse(dealer, 1000)
            candidate = await purse.build(case.brief, "candidate-1", temperature=0.0)
            assert candidate.text.startswith("def merge")
            assert (purse.tokens, purse.calls, purse.seconds) == (120, 1, 1.0)
        assert len(model.asked) == 1

    asyncio.run(scene())


def test_an_arm_without_tokens_gets_no_answer() -> None:
    async def scene() -> None:
        purse = Purse(Dealer(Echo("x")), 0)
        case = Case(read("spans").statement, Memo(open_nothing()), purse.dealer, 0)
        with pytest.raises(ReplyRejected):
            await purse.build(case.brief, "candidate-1", temperature=0.0)

    asyncio.run(scene())


def open_nothing() -> Box:
    """A box that no test here runs anything in."""

    class Nothing:
        isolation = "none"

    return Nothing()  # type: ignore[return-value]


# Scores.


def row(task: str, arm: str, *, right: bool, samples_right: int = 0, tokens: int = 100, claimed: bool = False) -> Row:
    return Row(task, 0, arm, right, claimed, "sample", tokens, 1.0, 1, samples_right, 0, 1)


def test_rates_differences_and_intervals() -> None:
    rows = [row(f"t{n}", "one", right=n < 2) for n in range(10)] + [row(f"t{n}", "two", right=n < 5) for n in range(10)]
    assert pass_rate(rows[:10]) == 20
    assert difference("two", "one")(rows) == 30
    seen = interval(rows, difference("two", "one"))
    assert seen.low <= seen.value <= seen.high
    assert interval([row("t", "one", right=True)], pass_rate).low == 100


def test_the_way_to_the_oracle_and_the_price_of_a_right_file() -> None:
    rows = [row(f"t{n}", ONE.name, right=n < 2) for n in range(10)]
    rows += [row(f"t{n}", ORACLE.name, right=False, samples_right=int(n < 6)) for n in range(10)]
    rows += [row(f"t{n}", METHOD.name, right=n < 4, tokens=50) for n in range(10)]
    rows += [row(f"t{n}", COUNT.name, right=n < 2, tokens=50) for n in range(10)]
    figures = {figure.name: figure for figure in report.main(rows)}
    assert figures["recovered of the way to the oracle"].value == 50
    assert figures["recovered of the way to the oracle"].verdict == "MISSED"
    assert figures["tokens to a right file, against best of N"].value == 0.5
    assert figures["oracle of N"].value == 60


def test_checks_that_pass_are_told_apart_from_files_that_are_right() -> None:
    checked = [replace(row(f"t{n}", VERIFIED.name, right=n < 2), verified=n < 3) for n in range(4)]
    figures = {figure.name: figure for figure in report.main(checked)}
    assert figures["passes the user's checks and is wrong"].value == pytest.approx(100 / 3)
    assert figures["false green with --verify"].verdict == "ok"


def test_choosing_is_timed_on_eight_candidates_and_sixty_tests() -> None:
    figure = speed()
    assert (figure.at_most, len(figure.values), len(NAMES)) == (100, REPEATS, TESTS)
    assert "8 candidates, 60 tests" in figure.how


# The table of rules.


def test_rules_on_a_matrix_that_can_be_done_by_hand() -> None:
    """Two right candidates agree; a wrong one passes more tests, all of them wrong."""
    right, wrong = (True, True, False, False, False), (False, False, True, True, True)
    passes, tests = (right, right, wrong), (True, True, False, False, False)
    small = Matrix(passes, (True, True, False), (0, 0, 1), tests)
    scores = {name: list(rule(small)) for name, rule in RULES.items()}
    best = {name: found.index(max(found)) for name, found in scores.items()}
    assert (best["count"], best["dual agreement"], best["output consensus"], best["right tests only"]) == (2, 0, 0, 0)
    assert small.of([2, 0]) == Matrix((wrong, right), (False, True), (1, 0), tests)
    found = table([Matrix(passes * 16, (True, True, False) * 16, (0, 0, 1) * 16, tests)])
    assert found["oracle"][-1] == 100
    assert found["random"][-1] == pytest.approx(200 / 3)
    assert set(found) == set(MEASURED)
    assert all(len(values) == len(SIZES) for values in found.values())


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory):  # type: ignore[no-untyped-def]
    environment = prepare((), cache=tmp_path_factory.mktemp("environments"), allow=())
    with closing(open_sandbox(environment)) as sandbox:
        yield sandbox


@pytest.mark.slow
def test_the_frozen_parameters_reproduce_the_table(box: Box) -> None:
    assert furthest(table(calibrated(box))) <= TOLERANCE


@pytest.mark.slow
def test_no_solution_and_no_hidden_test_reaches_a_prompt_or_a_tree(box: Box) -> None:
    """Of a model that is never right: whatever is right in what an arm sees would come from elsewhere."""

    async def scene() -> None:
        task = read("spans")
        hopeless = replace(CALIBRATED, right=1e-6, shape=replace(CALIBRATED.shape, flawed=0.0))
        found = world(errors_of(task, box), names().index(task.name), 0, hopeless)
        case = await case_of(found, Memo(box))
        seen: list[str] = []
        inner = case.dealer._meter.model

        class Listening:
            async def complete(self, request: Request) -> Completion:
                seen.extend(message.content for message in request.messages)
                return await inner.complete(request)

        dealer = Dealer(Listening())
        purse = Purse(dealer, 1 << 20)
        bench = await replace(case, dealer=dealer, verify="").tested(purse)
        await purse.build(case.brief, "candidate-1", temperature=0.0)
        seen += bench.tree.texts.values()
        secrets = [line.strip() for body in task.hidden for line in body.splitlines()]
        secrets += [ast.unparse(node).partition("\n")[2].strip() for node in task.units.values()]
        assert not [secret for secret in secrets if any(secret in text for text in seen)]

    asyncio.run(scene())


@pytest.mark.slow
def test_arms_keep_to_their_budget_and_a_second_run_gives_the_same(box: Box) -> None:
    async def scene() -> None:
        arms: tuple[Arm, ...] = (ONE, COUNT, METHOD, BARE, ORACLE)
        job = Job("spans", (Trial("7B", CALIBRATED, (0, 1), arms),))
        first, second = await do(job, box), await do(job, box)
        assert first.rows == second.rows
        spent = {(r.seed, r.arm): r.tokens for r in first.rows["7B"]}
        for seed in (0, 1):
            assert spent[seed, ONE.name] < spent[seed, COUNT.name]
            assert spent[seed, METHOD.name] < 3 * spent[seed, ORACLE.name]

    asyncio.run(scene())


@pytest.mark.slow
def test_a_strong_profile_is_chosen_from_better_than_a_weak_one(box: Box) -> None:
    async def scene(name: str) -> int:
        trials = (Trial(name, PROFILES[name], (0, 1), (METHOD,)),)
        found = [await do(Job(task, trials), box) for task in ("spans", "luhn", "cart")]
        return sum(row.right for each in found for row in each.rows[name])

    assert asyncio.run(scene("80B")) > asyncio.run(scene("2B"))


@pytest.mark.slow
def test_the_suite_runs_to_its_end_and_says_that_it_is_a_simulation(tmp_path: Path) -> None:
    command = [sys.executable, "benchmark.py", "--suite", "selection", "--quick", "--json", "--out", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode in (0, 1), done.stderr
    told = json.loads(done.stdout)
    assert told == json.loads((tmp_path / "selection.json").read_text())
    assert "simulated" in told["model"]
    assert {"one sample", "full method", "oracle of N"} <= {figure["name"] for figure in told["figures"]}


def test_a_log_remembers_and_recalls_nothing() -> None:
    log = Log()
    log.record("evaluation", "x", key="k", value=1)
    assert log.of("evaluation")[0]["value"] == 1
    assert log.recall("evaluation", "x", "k") is None
