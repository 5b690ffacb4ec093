"""The whole loop through the real program: what ends green, what must not, and what the user is told."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from runs import build, run, serving
from scenario import DIAGNOSIS, PLAN, RIGHT, TASK, TESTS, WRONG, Scenario, fence
from servers import Kind

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("protocol", ["ollama", "llama", "generic"])
def test_a_right_first_candidate_ends_green_on_every_protocol(tmp_path: Path, protocol: Kind) -> None:
    scenario = Scenario()
    done = build(scenario, tmp_path, protocol=protocol)
    assert done.code == 0, done.stderr
    result = done.result
    assert (result["status"], result["exit_reason"], result["proof"]) == ("passed", "passed", "self")
    assert [c["passed"] for c in result["criteria"]] == [True, True]
    assert result["tests"]["collected"] == 5
    assert (tmp_path / "work" / "calculator.py").read_text() == RIGHT
    assert (tmp_path / "work" / "tests" / "test_calculator.py").exists()
    assert "passed its own checks only" in done.stderr
    assert len(scenario.prompts("builder")) == 1


def test_wrong_code_with_right_tests_never_passes(tmp_path: Path) -> None:
    """Every candidate is wrong: exit 1, nothing delivered, and a handoff that names what fails."""
    scenario = Scenario({"builder": fence(WRONG), "repairer": fence(WRONG)})
    done = build(scenario, tmp_path)
    assert done.code == 1, done.stderr
    assert done.result["status"] == "failed"
    assert not (tmp_path / "work" / "calculator.py").exists()
    handoff = (done.run_dir / "handoff.md").read_text()
    assert "test_c1_subtracts" in handoff
    assert "--resume" in handoff or "--dry-run" in handoff
    assert "The best tree is" in handoff
    assert "def subtract" in "".join(r["candidate"]["text"] for r in done.kinds("evaluation"))


def test_the_advice_reaches_the_next_builder_prompt(tmp_path: Path) -> None:
    scenario = Scenario(
        {
            "builder": lambda prompt: fence(RIGHT if "MARKER-ADVICE" in prompt else WRONG),
            "repairer": fence(WRONG),
        }
    )
    done = build(scenario, tmp_path)
    assert done.code == 0, done.stderr
    assert done.result["attempts"] == 2
    advised = [prompt for prompt in scenario.prompts("builder") if "MARKER-ADVICE" in prompt]
    assert len(advised) == 1
    assert "return b - a" in advised[0], "the present content is shown"
    assert "test_c1_subtracts" in advised[0], "the failing test is shown"


def test_the_tester_never_sees_the_source(tmp_path: Path) -> None:
    scenario = Scenario({"builder": fence(WRONG), "repairer": fence(WRONG)})
    build(scenario, tmp_path)
    assert not [prompt for prompt in scenario.prompts("tester") if "return" in prompt]


def test_the_analyst_sees_the_tail_of_the_real_failure(tmp_path: Path) -> None:
    scenario = Scenario({"builder": fence(WRONG), "repairer": fence(WRONG)})
    build(scenario, tmp_path, "--attempts", "1")
    (prompt,) = scenario.prompts("analyst")
    assert "assert 1 == -1" in prompt
    assert "return b - a" in prompt


def test_a_wrong_first_candidate_is_replaced_by_one_the_tests_agree_on(tmp_path: Path) -> None:
    scenario = Scenario({"builder": lambda prompt: fence(RIGHT if "# Approach" in prompt else WRONG)})
    done = build(scenario, tmp_path)
    assert done.code == 0, done.stderr
    (selected,) = done.kinds("selected")
    assert selected["chosen"] == "candidate-2"
    assert done.result["attempts"] == 1


def test_a_repair_is_tried_before_anything_is_given_up(tmp_path: Path) -> None:
    scenario = Scenario({"builder": fence(WRONG), "repairer": fence(RIGHT)})
    done = build(scenario, tmp_path)
    assert done.code == 0, done.stderr
    assert "assert 1 == -1" in scenario.prompts("repairer")[0]
    assert done.kinds("selected")[0]["chosen"] == "repair-1"


def test_the_users_own_command_decides(tmp_path: Path) -> None:
    """A --verify command is proof by the user; when it fails, nothing else makes the run green."""
    passing = "python3 -c 'from calculator import Calculator; assert Calculator().divide(8, 2) == 4'"
    done = build(Scenario(), tmp_path / "a", "--verify", passing) if (tmp_path / "a").mkdir() is None else None
    assert done is not None
    assert done.code == 0, done.stderr
    assert done.result["proof"] == "mixed"
    (tmp_path / "b").mkdir()
    failing = "python3 -c 'from calculator import Calculator; Calculator().modulo(8, 2)'"
    done = build(Scenario(), tmp_path / "b", "--verify", failing, "--attempts", "2")
    assert done.code == 1, done.stderr
    assert [c["passed"] for c in done.result["criteria"] if c["id"] == "verify-1"] == [False]


def test_a_criterion_that_cannot_fail_is_refused_and_asked_again(tmp_path: Path) -> None:
    vacuous = {
        **PLAN,
        "criteria": [
            {
                "id": "c1",
                "description": "it can be imported",
                "check": {
                    "type": "command",
                    "argv": ["python3", "-c", "import calculator"],
                    "exit_code": 0,
                    "output": [],
                },
            }
        ],
    }
    asked: list[str] = []

    def planner(prompt: str) -> str:
        asked.append(prompt)
        return json.dumps(vacuous if len(asked) == 1 else PLAN)

    done = build(Scenario({"planner": planner}), tmp_path)
    assert done.code == 0, done.stderr
    assert "already holds before anything is built" in asked[1]


def test_a_planner_that_never_makes_sense_ends_in_an_honest_failure(tmp_path: Path) -> None:
    done = build(Scenario({"planner": "I would rather not."}), tmp_path)
    assert done.code == 1, done.stderr
    assert done.kinds("planned")[-1]["plan"]["degraded"]


def test_an_unusable_reply_is_never_applied_and_never_shown_again(tmp_path: Path) -> None:
    replies = iter(
        [
            "```python\nclass Calculator:\n    def add(self, a, b):\n        ...  # TODO implement\n```",
            fence(RIGHT),
        ]
    )
    scenario = Scenario({"builder": lambda prompt: next(replies)})
    done = build(scenario, tmp_path)
    assert done.code == 0, done.stderr
    first, second = scenario.prompts("builder")
    assert "def add(self, a, b)" not in second
    assert second.startswith(first.rstrip("\n"))


def test_a_test_that_contradicts_the_task_is_rewritten_once_and_said_so(tmp_path: Path) -> None:
    """One of three samples holds a wrong test; blamed, it is sampled anew and listed."""
    bad = TESTS + "\n\ndef test_c1_zero():\n    assert Calculator().subtract(2, 0) == 1\n"
    versions = iter([bad])
    blame = {**DIAGNOSIS, "culprits": [{"path": "tests/test_calculator.py", "why": "subtract means a - b"}]}
    scenario = Scenario({"tester": lambda prompt: fence(next(versions, TESTS)), "analyst": json.dumps(blame)})
    done = build(scenario, tmp_path)
    assert done.code == 0, done.stderr
    assert any(r["outcome"] == "test rewritten" for r in done.kinds("repair"))
    assert "rewritten" in (done.run_dir / "report.html").read_text()


def test_every_call_on_record_can_be_read_back(tmp_path: Path) -> None:
    done = build(Scenario(), tmp_path)
    seqs = [record["seq"] for record in done.trace]
    assert seqs == list(range(1, len(seqs) + 1))
    calls = done.kinds("call")
    assert len(calls) == done.result["usage"]["calls"] == len(done.kinds("asked"))
    for call in calls:
        assert {
            "role",
            "endpoint",
            "model_requested",
            "model_served",
            "messages",
            "text",
            "stop_reason",
        } <= call.keys()


def test_json_goes_to_standard_output_and_talk_to_standard_error(tmp_path: Path) -> None:
    done = build(Scenario(), tmp_path, "--json", "--quiet")
    assert json.loads(done.stdout)["status"] == "passed"
    assert len(done.stderr.strip().splitlines()) == 1


def test_a_dry_run_prints_a_plan_that_can_be_edited_and_run(tmp_path: Path) -> None:
    with serving(Scenario()) as server:
        where = {"workspace": tmp_path / "work", "home": tmp_path / "home"}
        dry = run("--endpoint", server.url, "--dry-run", TASK, **where)
        assert dry.code == 0, dry.stderr
        assert "✓ planned in" in dry.stderr
        assert "✗" not in dry.stderr
        plan = json.loads(dry.stdout)
        plan["criteria"][0]["description"] = "EDITED"
        (tmp_path / "plan.json").write_text(json.dumps(plan))
        planned = len(server.requests)
        done = run("--endpoint", server.url, "--plan", str(tmp_path / "plan.json"), TASK, **where)
    assert done.code == 0, done.stderr
    assert any(c["description"] == "EDITED" for c in done.result["criteria"])
    assert not any("You plan" in request.system for request in server.requests[planned:])


def test_a_run_without_isolation_says_so_everywhere(tmp_path: Path) -> None:
    done = build(
        Scenario({"builder": fence(WRONG), "repairer": fence(WRONG)}),
        tmp_path,
        "--unsafe-no-sandbox",
        "--attempts",
        "1",
    )
    assert "generated code runs with all your rights" in done.stderr
    assert 'class="bad">isolation: none (unsafe)' in (done.run_dir / "report.html").read_text()
    assert "without isolation" in (done.run_dir / "handoff.md").read_text()
