"""A file that is there already is changed and not written anew: by edits, in its style, with the smallest difference."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from runs import run, serving
from sample_run import RUN
from scenario import Scenario
from test_prompts import Listening, agents, brief

from nightshift.domain import (
    Candidate,
    Criterion,
    Environment,
    Evaluation,
    ExecLimits,
    ExecResult,
    Rung,
    Sandbox,
    ScriptCheck,
    Step,
    Tree,
)
from nightshift.records import Record
from nightshift.report.pull_request import pull_request_of
from nightshift.sandbox.box import open_sandbox
from nightshift.search.evaluate import Bench, evaluate
from nightshift.search.select import select, size_of
from nightshift.source.style import Style, StyleCheck, outcome_of, style_checks, style_of

LONG = "import os\n\n\n" + "".join(f"def helper_{n}(value):\n    return value + {n}\n\n\n" for n in range(60))
EDIT = "<<<<<<< SEARCH\n    return value + 7\n=======\n    return value - 7\n>>>>>>> REPLACE\n"


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    box = open_sandbox(Environment(sys.executable))
    yield box
    box.close()


# Asking for a change.


def test_a_long_file_is_changed_through_edits_and_the_rest_stays_byte_for_byte() -> None:
    model = Listening(EDIT)
    made = asyncio.run(agents(model).build(brief(current=LONG), "candidate-1", temperature=0.0))
    assert made.text == LONG.replace("value + 7\n", "value - 7\n")
    assert model.requests[0].messages[0].content.startswith("You change one file")


def test_a_whole_function_may_take_the_place_of_its_namesake() -> None:
    model = Listening("```python\ndef helper_7(value):\n    return abs(value)\n```\n")
    made = asyncio.run(agents(model).build(brief(current=LONG), "candidate-1", temperature=0.0))
    assert made.text == LONG.replace("value + 7\n", "abs(value)\n")


def test_a_fresh_start_begins_at_the_users_file_and_never_from_nothing() -> None:
    model = Listening(EDIT)
    made = asyncio.run(agents(model).build(brief(current="", found=LONG), "candidate-4", temperature=0.0))
    assert made.text.count("def helper_") == 60


def test_an_edit_that_matches_nothing_is_asked_for_again_with_the_reason() -> None:
    model = Listening(EDIT.replace("value + 7", "value * 7"), EDIT)
    asyncio.run(agents(model).build(brief(current=LONG), "candidate-1", temperature=0.0))
    assert "could not be used" in model.requests[1].messages[-1].content


def test_a_very_long_file_is_shown_as_an_outline_and_edited_as_a_whole() -> None:
    huge = LONG + "".join(
        f"def filler_{n}(value):\n" + "    value += 1\n" * 40 + "    return value\n\n\n" for n in range(120)
    )
    model = Listening(EDIT)
    told = brief(current=huge, advice="helper_7 must subtract")
    made = asyncio.run(agents(model).build(told, "candidate-1", temperature=0.0))
    prompt = model.requests[0].messages[-1].content
    assert len(prompt) < 30_000
    assert "def helper_7(value):\n    return value + 7\n" in prompt
    assert "are not shown" in prompt
    assert made.text == huge.replace("value + 7\n", "value - 7\n")


def test_the_projects_style_is_told_in_a_line() -> None:
    model = Listening(EDIT)
    asyncio.run(agents(model).build(brief(current=LONG, style="Lines up to 99."), "candidate-1", temperature=0.0))
    assert "# Style of this project\nLines up to 99.\n" in model.requests[0].messages[-1].content


# What is no Python.


@pytest.mark.parametrize(
    ("path", "text", "rungs"),
    [
        ("data.json", '{"a": 1}', [("parses", True), ("criteria", True)]),
        ("data.json", '{"a": 1,}', [("parses", False)]),
        ("conf.toml", "a = [1", [("parses", False)]),
        ("page.html", "<p", [("parses", True), ("criteria", True)]),
        ("q.sql", "select", [("parses", True), ("criteria", True)]),
    ],
)
def test_other_files_are_judged_by_criteria_and_never_as_python(
    sandbox: Sandbox, path: str, text: str, rungs: list[tuple[str, bool]]
) -> None:
    bench = Bench(Step(path, "other", ""), Tree({path: "old"}), (), sandbox, ExecLimits(), ExecLimits())
    found = evaluate(Candidate(path, text), bench)
    assert [(rung.name, rung.passed) for rung in found.rungs] == rungs


def test_a_template_that_breaks_a_criterion_does_not_climb(sandbox: Sandbox) -> None:
    check = Criterion("c1", "says hello", ScriptCheck("assert 'hello' in open('page.html').read()"))
    step = Step("page.html", "other", "")
    bench = Bench(step, Tree({}), (), sandbox, ExecLimits(), ExecLimits(), criteria=(check,))
    assert not evaluate(Candidate("page.html", "<p>bye"), bench).passed
    assert evaluate(Candidate("page.html", "<p>hello"), bench).passed


def test_an_other_file_is_changed_through_edits_too() -> None:
    page = "<ul>\n" + "<li>x</li>\n" * 200 + "<b>old</b>\n</ul>\n"
    model = Listening("<<<<<<< SEARCH\n<b>old</b>\n=======\n<b>new</b>\n>>>>>>> REPLACE\n")
    told = brief(current=page)
    other = Step("page.html", "other", "bold")
    made = asyncio.run(agents(model).build(_for(told, other), "candidate-1", temperature=0.0))
    assert made.text == page.replace("old", "new")


def _for(told, step):  # type: ignore[no-untyped-def]
    from dataclasses import replace

    return replace(told, step=step)


@pytest.mark.parametrize("path", ["src/pkg/mod.py", "packages/core/src/pkg/mod.py", "services/api/pkg/mod.py"])
def test_a_module_is_imported_by_the_name_its_project_uses(sandbox: Sandbox, path: str) -> None:
    folder = path.rpartition("/")[0]
    texts = {f"{folder}/__init__.py": "", f"{folder}/other.py": "X = 1\n", "services/api/pyproject.toml": ""}
    bench = Bench(Step(path, "source", ""), Tree(texts), (), sandbox, ExecLimits(), ExecLimits())
    found = evaluate(Candidate(path, "from pkg.other import X\n"), bench)
    assert found.passed, found.rungs


# The smallest difference.


def test_of_equals_the_smallest_difference_to_the_users_file_wins() -> None:
    def made(label: str, text: str) -> Evaluation:
        return Evaluation(Candidate("a.py", text, "sample", label), (Rung("parses", True),))

    small = made("small", LONG.replace("value + 7\n", "value - 7  # and a longer line than there was before\n"))
    rewritten = made("rewritten", "def helper_7(value):\n    return value - 7\n")
    assert select([rewritten, small], found=LONG).chosen is small
    assert select([rewritten, small]).chosen is rewritten
    assert size_of(LONG, LONG) == 0


# Style.


@pytest.mark.parametrize(
    ("texts", "sentence"),
    [
        ({}, ""),
        ({"pyproject.toml": "[tool.black]\nline-length = 100\n"}, "Lines up to 100 characters, double quotes, formatted by black."),
        ({"pyproject.toml": "[tool.black]\nskip-string-normalization = true\n"}, "Lines up to 88 characters, formatted by black."),
        ({"pyproject.toml": "[tool.ruff]\nline-length = 99\n[tool.ruff.lint]\nselect = ['I']\n[tool.ruff.format]\nquote-style = 'single'\n"},
         "Lines up to 99 characters, single quotes, imports sorted by ruff, formatted by ruff."),
        ({"ruff.toml": "line-length = 77\n"}, "Lines up to 77 characters."),
        ({".editorconfig": "[*]\nmax_line_length = 90\n[*.py]\nmax_line_length = 95\n"}, "Lines up to 95 characters."),
        ({"setup.cfg": "[flake8]\nmax-line-length = 160\n"}, "Lines up to 160 characters."),
        ({"tox.ini": "[flake8]\n"}, "Lines up to 79 characters."),
        ({"pyproject.toml": "not toml ["}, ""),
        ({"setup.cfg": "no section\n", ".editorconfig": "max_line_length = off"}, ""),
        ({"a.py": "x = 'a'\n" * 30}, "Single quotes."),
        ({"a.py": "def f():\n\treturn 1\n"}, "Indented by tabs."),
        ({"pyproject.toml": "[tool]\nruff = 3\nblack = 'x'\n"}, "Lines up to 88 characters, double quotes, formatted by black."),
    ],
)  # fmt: skip
def test_style_is_read_from_the_configuration_and_else_from_the_files(texts: dict[str, str], sentence: str) -> None:
    assert style_of(texts).sentence == sentence


def test_only_tools_that_are_configured_are_run_and_only_on_the_files_that_changed() -> None:
    style = Style(formatter="black", linters=("ruff", "isort"))
    checks = style_checks(style, ["b.py", "a.py", "page.html"])
    assert [check.name for check in checks] == ["black", "ruff check", "isort"]
    assert checks[0].argv == ("python3", "-m", "black", "--check", "--quiet", "a.py", "b.py")
    assert style_checks(Style(), ["a.py"]) == style_checks(style, ["page.html"]) == ()


@pytest.mark.parametrize(
    ("exit_code", "stderr", "outcome"),
    [
        (0, "", "passed"),
        (1, "would reformat a.py", "failed"),
        (123, "error: cannot format a.py", "failed"),
        (1, "/usr/bin/python3: No module named black", "unavailable"),
        (2, "bad configuration", "unavailable"),
        (127, "", "unavailable"),
    ],
)
def test_a_tool_that_is_not_there_is_unavailable_and_never_passed(exit_code: int, stderr: str, outcome: str) -> None:
    check = StyleCheck("black", ("python3", "-m", "black", "a.py"))
    assert outcome_of(check, ExecResult(check.argv, exit_code, "", stderr, 0.1)) == outcome


def test_a_tool_that_is_missing_in_the_sandbox_is_unavailable(sandbox: Sandbox) -> None:
    check = StyleCheck("black", ("python3", "-m", "black_of_nobody", "a.py"))
    assert outcome_of(check, sandbox.run(Tree({"a.py": ""}), check.argv)) == "unavailable"


# For review.


def records(**delivered: object) -> list[Record]:
    from sample_run import PLAN, TASK

    from nightshift.domain import CriterionResult, TestReport, TestResult, Verdict
    from nightshift.records import as_json

    tests = TestReport((TestResult("tests/test_storage.py::test_a", "passed"),), 1)
    verdict = Verdict(tuple(CriterionResult(c, True, "oracle", "ok") for c in PLAN.criteria), tests)
    told = {"files": [{"path": "storage.py", "action": "changed", "lines": 3}], "branch": "nightshift/x", **delivered}
    kinds = [
        ("run_started", {"task": as_json(TASK), "models": {"builder": "qwen3:8b"}}),
        ("planned", {"accepted": True, "plan": as_json(PLAN)}),
        ("verdict", {"attempt": 1, "verdict": as_json(verdict)}),
        ("delivered", told),
    ]
    return [Record(n, "2026-01-01T00:00:00.000Z", RUN, kind, "", fields) for n, (kind, fields) in enumerate(kinds, 1)]


def test_a_pull_request_says_what_why_and_how_it_was_proved() -> None:
    text = pull_request_of(records())
    for told in (
        "# A storage module and its tests\n", "> Build a task tracker CLI", "- `storage.py` (changed): keeps tasks",
        "| tasks are stored | yes | 1 test in tests/test_storage.py (oracle) |", "its own checks only",
        "1 of 1 passed", "git log -p HEAD..nightshift/x", "git apply --check changes.patch", "qwen3:8b",
    ):  # fmt: skip
        assert told in text


def test_nothing_delivered_is_no_pull_request() -> None:
    assert pull_request_of(records(files=[])) == ""
    assert pull_request_of(records()[:3]) == ""


def test_a_cell_of_the_table_cannot_be_broken_out_of() -> None:
    assert "\\|" in pull_request_of(records(note="a | b\n# c"))
    assert "\n# c" not in pull_request_of(records(note="a | b\n# c"))


# The whole program.

PLAN = {
    "summary": "helper_7 subtracts.",
    "requires": [],
    "steps": [
        {"path": "src/tool/helpers.py", "kind": "source", "purpose": "helper_7 subtracts 7; all else stays.",
         "interface": "def helper_7(value): ...", "depends_on": []},
        {"path": "tests/test_helper_7.py", "kind": "test", "purpose": "Prove it.", "interface": "",
         "depends_on": ["src/tool/helpers.py"]},
    ],
    "criteria": [{"id": "c1", "description": "helper_7(10) is 3", "check": {"type": "tests", "path": "tests/test_helper_7.py"}}],
}  # fmt: skip
NEW_TEST = "from tool.helpers import helper_7\n\n\ndef test_c1_subtracts():\n    assert helper_7(10) == 3\n"
OLD_TEST = "from tool.helpers import helper_3\n\n\ndef test_helper_3():\n    assert helper_3(1) == 4\n"


@pytest.mark.slow
def test_a_bug_in_a_long_file_of_a_src_layout_is_mended_by_an_edit_and_handed_over_for_review(tmp_path: Path) -> None:
    work = tmp_path / "work"
    files = {"src/tool/__init__.py": "", "src/tool/helpers.py": LONG, "src/tool/other.py": "Y = 2\n",
             "tests/test_old.py": OLD_TEST}  # fmt: skip
    for path, text in files.items():
        (work / path).parent.mkdir(parents=True, exist_ok=True)
        (work / path).write_text(text)
    git = ("git", "-c", "user.name=U", "-c", "user.email=u@example.com")
    for command in (("init", "-q", "-b", "main"), ("add", "-A"), ("commit", "-qm", "base")):
        subprocess.run([*git, *command], cwd=work, check=True)
    asked: list[str] = []

    def builder(prompt: str) -> str:
        asked.append(prompt)
        return "NEED: src/tool/other.py" if len(asked) == 1 else EDIT

    answers = {"planner": json.dumps(PLAN), "tester": f"```python\n{NEW_TEST}```", "builder": builder}
    with serving(Scenario(answers)) as server:
        done = run("--endpoint", server.url, "helper_7 must subtract", workspace=work, home=tmp_path / "home")
    assert done.result["status"] == "passed", done.stderr
    assert "Y = 2" in asked[1]
    assert (work / "src/tool/helpers.py").read_text() == LONG
    branch = done.result["branch"]
    shown = subprocess.run(
        ["git", "diff", "--stat", "main", branch], cwd=work, capture_output=True, text=True, check=True
    )
    assert "src/tool/helpers.py    | 2 +-" in shown.stdout
    trailers = subprocess.run(
        ["git", "log", "--format=%(trailers:key=Nightshift-Run,valueonly)", f"main..{branch}"],
        cwd=work, capture_output=True, text=True, check=True,
    ).stdout.split()  # fmt: skip
    assert set(trailers) == {done.result["run"]}
    subprocess.run(["git", "apply", "--check", str(done.run_dir / "changes.patch")], cwd=work, check=True)
    assert "helper_7 must subtract" in (done.run_dir / "pull_request.md").read_text()
