"""Several files: what the builder of one is shown of the others, and what is made again when one is to blame."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from runs import Done, build, run, serving
from scenario import RIGHT, TASK, WRONG, Scenario, fence

from memory import Memory

pytestmark = pytest.mark.slow

NAMES = """SEPARATOR = " "


def full_name(first: str, last: str) -> str:
    return first + SEPARATOR + last
"""
GREET = """from names import full_name


def greet(first: str, last: str) -> str:
    return f"Hello, {full_name(first, last)}!"
"""
FAREWELL = """from names import SEPARATOR


def farewell(name: str) -> str:
    return "Bye," + SEPARATOR + name
"""
TESTS = {
    "tests/test_names.py": "from names import full_name\n\n\ndef test_c1_joins():\n    assert full_name('Ada', 'Lovelace') == 'Ada Lovelace'\n",
    "tests/test_greet.py": "from greet import greet\n\n\ndef test_c2_greets():\n    assert greet('Ada', 'Lovelace').endswith('Ada Lovelace!')\n",
}
PLAN = {
    "summary": "Greetings.",
    "requires": [],
    "steps": [
        {"path": "names.py", "kind": "source", "purpose": "joins names", "interface": "SEPARATOR: str\ndef full_name(first: str, last: str) -> str: ...", "depends_on": []},
        {"path": "greet.py", "kind": "source", "purpose": "greets", "interface": "def greet(first: str, last: str) -> str: ...", "depends_on": ["names.py"]},
        {"path": "farewell.py", "kind": "source", "purpose": "says bye", "interface": "def farewell(name: str) -> str: ...", "depends_on": ["names.py"]},
        {"path": "tests/test_names.py", "kind": "test", "purpose": "proves names", "interface": "", "depends_on": ["names.py"]},
        {"path": "tests/test_greet.py", "kind": "test", "purpose": "proves greet", "interface": "", "depends_on": ["greet.py"]},
    ],
    "criteria": [
        {"id": "c1", "description": "names are joined", "check": {"type": "tests", "path": "tests/test_names.py"}},
        {"id": "c2", "description": "greets", "check": {"type": "tests", "path": "tests/test_greet.py"}},
        {"id": "c3", "description": "greets by title", "check": {"type": "script", "code": "from greet import greet\nassert greet('Ada', 'Lovelace') == 'Hello, Dr. Ada Lovelace!'"}},
    ],
}  # fmt: skip
BLAME = {
    "whys": ["c3 fails", "the title is missing"],
    "culprits": [{"path": "names.py", "blame": "source", "why": "full_name leaves the title out"}],
    "advice": "MARKER-ADVICE: full_name must put Dr. before the name when asked.",
}


def path_of(prompt: str) -> str:
    return next(
        line.split(": ")[1]
        for line in prompt.splitlines()
        if line.startswith(("# File to write", "# Test file to write", "# File:"))
    )


def builder(**later: str):  # type: ignore[no-untyped-def]
    """First versions, then `later` ones (by module name) once the diagnosis is in the prompt."""
    first = {"names.py": NAMES, "greet.py": GREET, "farewell.py": FAREWELL}

    def reply(prompt: str) -> str:
        path = path_of(prompt)
        return fence(later.get(path[:-3], first[path]) if "Root cause" in prompt else first[path])

    return reply


def scenario(**later: str) -> Scenario:
    return Scenario(
        {
            "planner": json.dumps(PLAN),
            "tester": lambda prompt: fence(TESTS[path_of(prompt)]),
            "builder": builder(**later),
            "repairer": lambda prompt: "I cannot repair this.",
            "analyst": json.dumps(BLAME),
        }
    )


TITLED_NAMES = NAMES.replace("last: str) -> str:", 'last: str, title: str = "") -> str:').replace(
    "return first", "return title + first"
)
TITLED_GREET = GREET.replace("full_name(first, last)", "full_name(first, last, title='Dr. ')").replace(
    'f"Hello, {', 'f"Hello, {'
)


def rebuilt(done: Done, attempt: int) -> list[str]:
    return [item["path"] for r in done.kinds("cascade") if r["span"] == f"attempt-{attempt}" for item in r["rebuild"]]


def test_a_builder_sees_the_signatures_of_the_finished_modules_it_depends_on(tmp_path: Path) -> None:
    asked = scenario()
    build(asked, tmp_path, "--attempts", "1", task="Build greetings.")
    prompts = {path_of(prompt): prompt for prompt in asked.prompts("builder")}
    assert "def full_name(first: str, last: str) -> str" in prompts["greet.py"]
    assert "return first" not in prompts["greet.py"], "signatures, not bodies"
    assert "full_name" not in prompts["names.py"].partition("Interface:")[0]


def test_a_changed_interface_takes_along_the_files_that_use_it_and_no_others(tmp_path: Path) -> None:
    asked = scenario(names=TITLED_NAMES, greet=TITLED_GREET.replace("Hello, {", "Hello, {"))
    done = build(asked, tmp_path, task="Build greetings.")
    assert done.code == 0, done.stderr
    assert rebuilt(done, 2) == ["names.py", "greet.py"]
    advised = [
        prompt for prompt in asked.prompts("builder") if "Root cause" in prompt and path_of(prompt) == "greet.py"
    ]
    assert 'title: str = ""' in advised[0] or "title: str = ''" in advised[0], "the new signature is shown"
    retest = [path for r in done.kinds("cascade") for path in r["retest"]]
    assert "farewell.py" in retest


def test_an_unchanged_interface_takes_nobody_along(tmp_path: Path) -> None:
    asked = scenario(names=NAMES.replace("return first", 'return "Dr. " * (last == "Lovelace") + first'))
    done = build(asked, tmp_path, "--attempts", "2", task="Build greetings.")
    assert rebuilt(done, 2) == ["names.py"]


def test_the_same_diagnosis_twice_changes_the_strategy_then_the_plan_and_then_stops(tmp_path: Path) -> None:
    done = build(scenario(), tmp_path, "--attempts", "20", task="Build greetings.")
    assert done.code == 1, done.stderr
    assert done.result["exit_reason"] == "no_progress"
    assert done.result["attempts"] < 20
    assert any(r["rule"] == "no-progress" and r["action"] == "fresh start" for r in done.kinds("guard"))


def test_candidates_differ_by_temperature_seed_and_plan_hint(tmp_path: Path) -> None:
    asked = Scenario({"builder": fence(WRONG), "repairer": fence(WRONG)})
    with serving(asked) as server:
        run("--endpoint", server.url, "--attempts", "1", TASK, workspace=tmp_path / "w", home=tmp_path / "home")
        sent = [r for r in server.requests if r.system.startswith("You write one complete file")][:3]
    options = [request["options"] for request in sent]
    assert sorted(o["temperature"] for o in options) == [0.0, 0.4, 0.8]
    assert len({o["seed"] for o in options}) == 3
    assert len({o["num_ctx"] for o in options}) == 1, "a changed context would reload the model"
    assert len({request.prompt.rpartition("# Approach")[2] for request in sent}) == 3
    shared = sent[1].prompt.partition("# Approach")[0]
    assert sent[2].prompt.startswith(shared), "what varies comes last, so that a server can reuse the prefix"


def test_a_long_file_is_repaired_by_edits(tmp_path: Path) -> None:
    filler = "".join(f"\n\ndef helper_{i}() -> int:\n    return {i}\n" for i in range(60))
    edit = "<<<<<<< SEARCH\n        return b - a\n=======\n        return a - b\n>>>>>>> REPLACE\n"
    wrong = RIGHT.replace("return a - b", "return b - a") + filler
    asked = Scenario({"builder": fence(wrong), "repairer": edit})
    done = build(asked, tmp_path)
    assert done.code == 0, done.stderr
    assert (tmp_path / "work" / "calculator.py").read_text() == RIGHT + filler
    assert "SEARCH" in asked.asked[[role for role, _ in asked.asked].index("repairer")][1] or asked.prompts("repairer")


def test_the_explorer_is_asked_only_when_there_is_code(tmp_path: Path) -> None:
    asked = Scenario()
    build(asked, tmp_path)
    assert not asked.prompts("explorer")
    workspace = tmp_path / "existing"
    workspace.mkdir()
    (workspace / "units.py").write_text("def metres(feet: float) -> float:\n    return feet * 0.3048\n")
    (workspace / "AGENTS.md").write_text("Use type hints everywhere.\n")
    (workspace / ".env").write_text("TOKEN=planted-secret\n")
    with serving(asked) as server:
        done = run("--endpoint", server.url, TASK, workspace=workspace, home=tmp_path / "home")
    assert done.code == 0, done.stderr
    (prompt,) = asked.prompts("explorer")
    assert "def metres(feet: float) -> float" in prompt
    assert "Use type hints everywhere." in prompt
    assert "planted-secret" not in (done.run_dir / "trace.jsonl").read_text()


def test_a_lesson_is_learned_from_a_proved_run_only_and_recalled_into_the_next_plan(tmp_path: Path) -> None:
    task = "Build calculator.py with a class Calculator that has add, subtract, multiply and divide."
    failing = Scenario({"builder": fence(WRONG), "repairer": fence(WRONG)})
    learning = Scenario(
        {"builder": lambda p: fence(RIGHT if "MARKER-ADVICE" in p else WRONG), "repairer": fence(WRONG)}
    )
    after = Scenario()
    for number, asked in enumerate((failing, learning, after)):
        with serving(asked) as server:
            run("--endpoint", server.url, task, workspace=tmp_path / str(number), home=tmp_path / "home")
    assert "MARKER-ADVICE" not in learning.prompts("planner")[0], "nothing is learned from a run that failed"
    assert "MARKER-ADVICE" in after.prompts("planner")[0]
    with Memory(tmp_path / "home" / "data" / "nightshift" / "memory.db") as memory:
        assert [(lesson.uses, lesson.helped) for lesson in memory.lessons()] == [(1, 1)], (
            "shown once, in a run that passed"
        )


@pytest.mark.pypi
def test_a_flask_task_works_with_no_hand_configuration(tmp_path: Path) -> None:
    app = """from flask import Flask, jsonify


def create_app() -> Flask:
    app = Flask(__name__)

    @app.get("/ping")
    def ping():
        return jsonify(answer="pong")

    return app
"""
    tests = "from app import create_app\n\n\ndef test_c1_ping():\n    client = create_app().test_client()\n    assert client.get('/ping').get_json() == {'answer': 'pong'}\n"
    plan = {
        "summary": "A Flask app.",
        "requires": ["flask"],
        "steps": [
            {"path": "app.py", "kind": "source", "purpose": "GET /ping answers pong", "interface": "from flask import Flask\n\ndef create_app() -> Flask: ...", "depends_on": []},
            {"path": "tests/test_app.py", "kind": "test", "purpose": "proves it", "interface": "", "depends_on": ["app.py"]},
        ],
        "criteria": [{"id": "c1", "description": "GET /ping answers pong", "check": {"type": "tests", "path": "tests/test_app.py"}}],
    }  # fmt: skip
    asked = Scenario({"planner": json.dumps(plan), "tester": fence(tests), "builder": fence(app)})
    done = build(asked, tmp_path, task="Build a Flask app with GET /ping.")
    refused = [
        reason for record in done.kinds("planned") for reason in record["refusals"] if "cannot be prepared" in reason
    ]
    if refused:
        require_index(refused[0])
    assert done.code == 0, done.stderr


def require_index(why: str) -> None:
    if os.environ.get("CI"):
        pytest.fail(why)
    pytest.skip("needs a package index")


def test_a_package_that_is_not_allowed_is_refused_before_tokens_are_spent_on_code(tmp_path: Path) -> None:
    plans = iter([{**PLAN, "requires": ["definitely-not-allowed"]}, PLAN])
    asked = scenario()
    asked.answers = {**asked.answers, "planner": lambda prompt: json.dumps(next(plans))}
    build(asked, tmp_path, "--attempts", "1", task="Build greetings.")
    roles = [role for role, _ in asked.asked]
    assert roles[:2] == ["planner", "planner"]
    assert "definitely-not-allowed" in asked.prompts("planner")[1]


def test_a_criterion_that_nothing_can_fulfil_ends_the_run_honestly(tmp_path: Path) -> None:
    """It is frozen, so it is neither dropped nor worked around: the handoff says what is doubted and what to do."""
    plan = {
        **PLAN,
        "criteria": [
            *PLAN["criteria"][:2],
            {
                "id": "c9",
                "description": "remembers",
                "check": {
                    "type": "command",
                    "argv": ["python3", "-c", "open('data-of-yesterday')"],
                    "exit_code": 0,
                    "output": [],
                },
            },
        ],
    }  # type: ignore[misc]
    doubt = {
        **BLAME,
        "culprits": [{"path": "criterion c9", "blame": "criterion", "why": "nobody made data-of-yesterday"}],
    }
    asked = scenario()
    asked.answers = {**asked.answers, "planner": json.dumps(plan), "analyst": json.dumps(doubt)}
    done = build(asked, tmp_path, task="Build greetings.")
    assert done.code == 1, done.stderr
    assert done.result["exit_reason"] == "no_progress"
    assert "the analyst doubts a check of the plan" in asked.prompts("planner")[-1], "another plan is asked for"
    assert "nobody made data-of-yesterday" in (done.run_dir / "handoff.md").read_text()
    assert "--plan" in done.stderr


def test_contradicting_samples_do_not_cost_the_whole_ladder(tmp_path: Path) -> None:
    """Two samples want different results of one call: no candidate can pass both, so no repair is asked for."""
    samples = iter([TESTS_OF_ADD.format(5), TESTS_OF_ADD.format(6), TESTS_OF_ADD.format(5)])
    versions = iter([RIGHT, RIGHT.replace("return a + b", "return a + b + 1"), RIGHT + "\n\nX = 1\n"])
    asked = Scenario(
        {
            "tester": lambda prompt: fence(next(samples, RIGHT_TESTS)),
            "builder": lambda prompt: fence(next(versions, RIGHT)),
        }
    )
    done = build(asked, tmp_path, "--attempts", "1")
    assert not asked.prompts("repairer")
    assert any(record.get("rivals") for record in done.kinds("selected"))


TESTS_OF_ADD = "from calculator import Calculator\n\n\ndef test_c1_adds():\n    made = Calculator()\n    assert made.add(2, 3) == {}\n"
RIGHT_TESTS = TESTS_OF_ADD.format(5)
