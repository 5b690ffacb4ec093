"""Models and accidents that would make a run lie, hang or harm; each was once a real defect."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from runs import build, run, serving
from scenario import DIAGNOSIS, PLAN, RIGHT, TASK, TESTS, WRONG, Scenario, fence
from servers import Reply, ScriptedServer

pytestmark = pytest.mark.slow


def planned(**step: Any) -> str:
    """The scenario's plan with one more step."""
    extra = {
        "path": "extra.py",
        "kind": "source",
        "purpose": "x",
        "interface": "def main() -> int: ...",
        "depends_on": [],
    }
    return json.dumps({**PLAN, "steps": [*PLAN["steps"], {**extra, **step}]})


def test_the_users_own_test_file_is_never_written_over_even_when_it_cannot_be_imported_yet(tmp_path: Path) -> None:
    workspace = tmp_path / "w"
    (workspace / "tests").mkdir(parents=True)
    mine = TESTS.replace("subtract(2, 3) == -1", "subtract(2, 3) == -1  # mine")
    (workspace / "tests" / "test_calculator.py").write_text(mine)
    with serving(Scenario({"builder": fence(WRONG), "repairer": fence(WRONG)})) as server:
        done = run("--endpoint", server.url, TASK, workspace=workspace, home=tmp_path / "home")
    assert done.code == 1, done.stderr
    assert (workspace / "tests" / "test_calculator.py").read_text() == mine


@pytest.mark.parametrize("git", [False, True])
def test_a_plan_cannot_rewrite_the_file_that_proves_it(tmp_path: Path, git: bool) -> None:
    workspace = tmp_path / "w"
    workspace.mkdir()
    if git:
        import subprocess

        subprocess.run(["git", "init", "-q", str(workspace)], check=True)
    check = "from calculator import Calculator\nassert Calculator().subtract(5, 3) == 2\n"
    (workspace / "check.py").write_text(check)
    forged = Scenario(
        {
            "planner": planned(path="check.py"),
            "builder": lambda p: fence("def main() -> int:\n    return 0\n" if "write: check.py" in p else WRONG),
            "tester": fence(
                TESTS.replace("== -1", "== 1").replace("multiply(4, 2.5) == 10", "multiply(4, 2.5) == 6.5")
            ),
        }
    )
    with serving(forged) as server:
        done = run(
            "--endpoint", server.url, "--verify", "python3 check.py", TASK, workspace=workspace, home=tmp_path / "home"
        )
    assert done.code == 1, done.stderr
    assert (workspace / "check.py").read_text() == check


def test_blaming_the_tests_does_not_make_wrong_code_pass(tmp_path: Path) -> None:
    """The rewrite leaves the failing tests out; a criterion must not lose tests that way."""
    easy = TESTS.split("def test_c1_subtracts")[0]
    blame = {**DIAGNOSIS, "culprits": [{"path": "tests/test_calculator.py", "why": "they ask too much"}]}
    forged = Scenario(
        {
            "builder": fence(WRONG),
            "repairer": fence(WRONG),
            "analyst": json.dumps(blame),
            "tester": lambda p: fence(easy if "earlier version" in p else TESTS),
        }
    )
    done = build(forged, tmp_path)
    assert done.code == 1, done.stderr
    assert any(record["rule"] in ("test-rewrite", "blame") for record in done.kinds("guard"))


def one_bad_sample() -> Any:
    """Of three samples, one holds a wrong test that the others do not have."""
    versions = iter([TESTS + "\n\ndef test_c1_zero():\n    assert Calculator().subtract(2, 0) == 1\n"])
    return lambda prompt: fence(next(versions, TESTS))


def test_a_rewritten_test_is_listed_in_the_result(tmp_path: Path) -> None:
    blame = {**DIAGNOSIS, "culprits": [{"path": "tests/test_calculator.py", "why": "subtract means a - b"}]}
    done = build(Scenario({"tester": one_bad_sample(), "analyst": json.dumps(blame)}), tmp_path)
    assert done.code == 0, done.stderr
    assert any("rewritten" in q["reason"] for q in done.result["tests"]["quarantined"])
    assert "took no part" in done.stderr.strip().splitlines()[-2]


def test_one_word_of_an_analyst_does_not_outweigh_most_samples(tmp_path: Path) -> None:
    """The analyst turns a right test round; the rewrite follows it; wrong code would pass."""
    flipped = TESTS.replace("== -1", "== 1").replace("multiply(4, 2.5) == 10", "multiply(4, 2.5) == 6.5")
    blame = {**DIAGNOSIS, "culprits": [{"path": "tests/test_calculator.py", "why": "subtract(2, 3) should be 1"}]}
    done = build(
        Scenario(
            {
                "builder": fence(WRONG),
                "repairer": fence(WRONG),
                "analyst": json.dumps(blame),
                "tester": lambda p: fence(flipped if "earlier version" in p else TESTS),
            }
        ),
        tmp_path,
    )
    assert done.code == 1, done.stderr


IDLE = "class Calculator:\n" + "".join(
    f"    def {name}(self, a: float, b: float) -> float:\n        return 0\n\n"
    for name in ("add", "subtract", "multiply", "divide")
)
ONLY_ZEROES = """from calculator import Calculator


def test_c1_adds():
    assert Calculator().add(0, 0) == 0


def test_c1_subtracts():
    assert Calculator().subtract(5, 5) == 0
"""


def test_tests_that_code_doing_nothing_could_pass_do_not_prove_a_criterion(tmp_path: Path) -> None:
    asked = Scenario({"tester": fence(ONLY_ZEROES), "builder": fence(IDLE), "repairer": fence(IDLE)})
    done = build(asked, tmp_path)
    assert done.code == 1, done.stderr
    assert "answers 0" in asked.prompts("tester")[-1], "the tester is told why its tests prove nothing"


def test_a_plan_cannot_choose_which_of_the_users_tests_run(tmp_path: Path) -> None:
    ini = "[pytest]\naddopts = -k nothing\n"
    forged = Scenario(
        {
            "planner": planned(path="pytest.ini", kind="other", interface=""),
            "builder": lambda p: fence(ini if "write: pytest.ini" in p else RIGHT),
        }
    )
    done = build(forged, tmp_path)
    assert done.code == 1, done.stderr
    assert any("which tests are run" in record["reason"] for record in done.kinds("guard"))


ALWAYS_EQUAL = (
    WRONG.replace(
        "class Calculator:",
        "class Yes(float):\n    def __eq__(self, other: object) -> bool:\n        return True\n\n    __hash__ = float.__hash__\n\n\nclass Calculator:",
    )
    .replace("return b - a", "return Yes(b - a)")
    .replace("return a + b\n\n    def divide", "return Yes(a + b)\n\n    def divide")
)


@pytest.mark.parametrize(
    "code",
    [
        ALWAYS_EQUAL,
        "import _pytest.python\n\n_pytest.python.Function.runtest = lambda self: None\n\n\n" + WRONG,
        "import atexit, os\n\natexit.register(os._exit, 0)\n\n\n" + WRONG,
    ],
    ids=["equals everything", "patches the runner", "ends with success"],
)
def test_code_that_cheats_its_tests_is_not_used(tmp_path: Path, code: str) -> None:
    done = build(Scenario({"builder": fence(code), "repairer": fence(code)}), tmp_path, "--attempts", "1")
    assert done.code == 1, done.stderr
    assert not (tmp_path / "work" / "calculator.py").exists()


@pytest.mark.parametrize(
    "plan",
    [
        {
            **PLAN,
            "criteria": [
                *PLAN["criteria"],
                {
                    "id": "c3",
                    "description": "x",
                    "check": {"type": "command", "argv": ["true"], "exit_code": "non-zero", "output": []},
                },
            ],
        },
        {**PLAN, "steps": [*PLAN["steps"], {**PLAN["steps"][0], "path": "calculator.py/core.py"}]},
        {**PLAN, "steps": [{**PLAN["steps"][0], "kind": "module"}, PLAN["steps"][1]]},
        {**PLAN, "steps": [*PLAN["steps"], {**PLAN["steps"][0], "path": ".gitattributes", "kind": "other"}]},
        {**PLAN, "steps": [*PLAN["steps"], {**PLAN["steps"][0], "path": "iniconfig.py"}]},
    ],
    ids=["a word for a number", "a file below a file", "an unknown kind", "checkout filters", "a module of the judge"],
)
def test_an_odd_plan_is_refused_and_asked_again(tmp_path: Path, plan: dict[str, Any]) -> None:
    plans = iter([plan])
    done = build(Scenario({"planner": lambda prompt: json.dumps(next(plans, PLAN))}), tmp_path)
    assert done.code == 0, done.stderr


def test_max_minutes_ends_a_reply_that_never_comes_and_a_test_that_never_ends(tmp_path: Path) -> None:
    scenario = Scenario({"builder": fence(RIGHT + "\n\nwhile True:\n    pass\n")})
    started = time.monotonic()
    done = build(scenario, tmp_path, "--max-minutes", "0.1")
    assert (done.code, done.result["exit_reason"]) == (4, "budget_minutes"), done.stderr
    with ScriptedServer("ollama", lambda asked: Reply("", fault="silent")) as server:
        done = run(
            "--endpoint", server.url, "--max-minutes", "0.05", TASK, workspace=tmp_path / "s", home=tmp_path / "home"
        )
    assert (done.code, done.result["exit_reason"]) == (4, "budget_minutes"), done.stderr
    assert time.monotonic() - started < 100, "without the bound the first run alone takes the 120 s of a test run"


def test_an_enormous_reply_costs_a_candidate_and_not_the_run(tmp_path: Path) -> None:
    replies = iter(["x = 1\n" * 3_000_000])
    done = build(Scenario({"builder": lambda prompt: next(replies, fence(RIGHT))}), tmp_path)
    assert done.code == 0, done.stderr


def test_the_users_edit_during_a_run_in_place_is_not_lost(tmp_path: Path) -> None:
    workspace = tmp_path / "w"
    workspace.mkdir()

    def analyst(prompt: str) -> str:
        (workspace / "calculator.py").write_text("# my own edit\n")
        return json.dumps(DIAGNOSIS)

    scenario = Scenario(
        {
            "builder": lambda p: fence(RIGHT if "MARKER-ADVICE" in p else WRONG),
            "repairer": fence(WRONG),
            "analyst": analyst,
        }
    )
    with serving(scenario) as server:
        done = run("--endpoint", server.url, "--in-place", TASK, workspace=workspace, home=tmp_path / "home")
    assert done.code == 5, done.stderr
    assert (workspace / "calculator.py").read_text() == "# my own edit\n"
    assert done.result["exit_reason"] == "workspace_unsafe"
    assert (done.run_dir / "handoff.md").exists()
