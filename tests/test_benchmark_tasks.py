"""Benchmark tasks: folders that are read strictly, proved by their own tests, and imported from what others published."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from runs import ROOT

from benchmarks.acceptance import accept, boxes
from benchmarks.importing import import_tasks
from benchmarks.proofs import prove
from benchmarks.tasks import chosen, read_task, tasks_in
from nightshift.errors import ConfigError

TASKS = tasks_in(ROOT / "benchmarks")
CHEATS = tasks_in(ROOT / "benchmarks" / "cheats")

DOUBLE = "def double(n):\n    return 2 * n if n > 0 else -1\n"
GOOD = (
    "import pytest\nfrom double import double\n\n\n"
    "@pytest.mark.parametrize('n, wanted', [(-3, -1), (0, -1), (1, 2), (7, 14)])\n"
    "def test_double(n, wanted):\n    assert double(n) == wanted\n"
)


def task_at(folder: Path, tests: str = GOOD, reference: str = DOUBLE, toml: str = 'title = "Double"\n') -> Path:
    place = folder / "01-double"
    for path, text in {
        "prompt.md": "Write double(n) in double.py.", "task.toml": toml, "acceptance/test_double.py": tests,
        "reference/double.py": reference,
    }.items():  # fmt: skip
        (place / path).parent.mkdir(parents=True, exist_ok=True)
        (place / path).write_text(text)
    return place


def test_every_task_that_comes_along_can_be_read_and_has_what_it_needs() -> None:
    for task in (*TASKS.values(), *CHEATS.values()):
        assert task.prompt.strip(), task.name
        assert task.solution, task.name
        assert bool(task.acceptance) != task.unsolvable, task.name
        assert all(text not in task.prompt for text in task.acceptance.values()), task.name


@pytest.mark.parametrize(
    "toml, reason",
    [
        ("titel = 'x'", "unknown key titel"),
        ("level = 'high'", "level"),
        ("level = 0", "level"),
        ("kind = 'odd'", "kind"),
        ("requires = 'flask'", "requires"),
        ("minutes = -1", "minutes"),
        ("verify = [1]", "verify"),
        ("= 1", "task.toml"),
    ],
)
def test_a_task_with_a_wrong_setting_is_refused_by_name(tmp_path: Path, toml: str, reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        read_task(task_at(tmp_path, toml=toml))


@given(st.text(max_size=40))
def test_no_settings_file_is_worse_than_refused(tmp_path_factory: pytest.TempPathFactory, toml: str) -> None:
    folder = task_at(tmp_path_factory.mktemp("tasks"))
    (folder / "task.toml").write_text(toml, encoding="utf-8", newline="")
    try:
        assert read_task(folder).folder == folder
    except ConfigError as error:
        assert "task.toml" in str(error)


def test_tasks_are_chosen_by_name_with_or_without_level_or_by_level(tmp_path: Path) -> None:
    task_at(tmp_path)
    found = tasks_in(tmp_path)
    for word in ("01-double", "double", "1"):
        assert [task.name for task in chosen(found, [word])] == ["01-double"]
    with pytest.raises(ConfigError, match="no such task"):
        chosen(found, ["treble"])


@pytest.mark.parametrize("path", ["prompt.md", "acceptance/test_double.py", "task.toml"])
def test_a_task_whose_prompt_tests_or_limits_change_is_another_task(tmp_path: Path, path: str) -> None:
    folder = task_at(tmp_path)
    before = read_task(folder).digest
    text = (folder / path).read_text()
    (folder / path).write_text(text + ("calls = 3\n" if path == "task.toml" else "\n"))
    assert read_task(folder).digest != before


@pytest.mark.slow
@pytest.mark.parametrize(
    "tests, reference, problem",
    [
        (GOOD, DOUBLE, ""),
        (GOOD, DOUBLE.replace("2 *", "3 *"), "the reference fails"),
        (GOOD + "\n\ndef test_nothing():\n    assert True\n", DOUBLE, ""),
        ("def test_nothing():\n    assert True\n", DOUBLE, "an empty tree passes"),
        ("from double import double\n\n\ndef test_one():\n    assert double(1)\n", DOUBLE, "mutants fail"),
        ("x = 1\n", DOUBLE, "no test was collected"),
    ],
)
def test_a_task_proves_that_its_tests_deserve_to_judge(
    tmp_path: Path, tests: str, reference: str, problem: str
) -> None:
    task = read_task(task_at(tmp_path, tests, reference))
    with boxes(tmp_path / "environments") as box_for:
        proof = prove(task, box_for, 20, lambda line: None)
    assert problem in " ".join(proof.problems)
    assert bool(proof.problems) == bool(problem)


@pytest.mark.slow
def test_what_is_delivered_cannot_steer_its_judge(tmp_path: Path) -> None:
    """A conftest.py that drops tests, a folder named like the hidden one, a module in place of the test's own."""
    task = read_task(task_at(tmp_path / "tasks"))
    delivered = tmp_path / "delivered"
    (delivered / "acceptance").mkdir(parents=True)
    (delivered / "acceptance" / "double.py").write_text(DOUBLE)
    (delivered / "double.py").write_text(DOUBLE.replace("2 *", "3 *"))
    (delivered / "conftest.py").write_text("def pytest_collection_modifyitems(items):\n    del items[2:]\n")
    (delivered / "pytest.ini").write_text("[pytest]\naddopts = -k nothing\n")
    with boxes(tmp_path / "environments") as box_for:
        found = accept(task, delivered, box_for)
        (delivered / "double.py").write_text(DOUBLE)
        assert accept(task, delivered, box_for).accepted
        (delivered / "double.py").unlink()
        nothing = accept(task, delivered, box_for)
    assert (found.passed, found.total) == (2, 4)
    assert (nothing.passed, nothing.total) == (0, 4)


@pytest.mark.slow
def test_a_sample_of_the_tasks_that_come_along_is_proved(tmp_path: Path) -> None:
    """By day a few mutants of the tasks without packages; `make benchmark-check` proves all of everything."""
    plain = [task for task in TASKS.values() if not task.requires][::4]
    with boxes(tmp_path) as box_for:
        proofs = [prove(task, box_for, 6, lambda line: None) for task in plain]
    assert not [(proof.task, *proof.broken, *proof.hollow) for proof in proofs if proof.broken or proof.hollow]


# Import: made-up exercises in the forms of HumanEval, MBPP and Exercism.

HUMAN_EVAL = [
    {
        "task_id": f"Made/{number}",
        "prompt": f'def {name}(n: int) -> int:\n    """{told}\n    >>> {name}(2)\n    {shown}\n    """\n',
        "entry_point": name,
        "canonical_solution": f"    return {code}\n",
        "test": f"def check(candidate):\n    assert candidate(2) == {shown}\n    assert candidate(-5) == {far}\n",
    }
    for number, (name, told, code, shown, far) in enumerate(
        [
            ("twice", "Twice the number.", "n + n", 4, -10),
            ("square", "The square.", "n * n", 4, 25),
            ("next_odd", "The next odd number.", "n + 2 - (n + 1) % 2", 3, -3),
        ]
    )
]
MBPP = [
    {
        "task_id": number,
        "text": told,
        "code": f"def {name}(a, b):\n    return {code}\n",
        "test_list": [f"assert {name}(2, 3) == {one}", f"assert {name}(7, -1) == {other}"],
    }
    for number, (name, told, code, one, other) in enumerate(
        [
            ("larger", "Write a function to find the larger number.", "max(a, b)", 3, 7),
            ("apart", "Write a function to find how far two numbers are apart.", "abs(a - b)", 1, 8),
            ("together", "Write a function to add two numbers.", "a + b", 5, 6),
        ],
        start=11,
    )
]


def exercise_folder(base: Path) -> Path:
    for name, code, call, value in (
        ("leap-day", "year % 4 == 0", "leap_day(2024)", True),
        ("grain-sum", "2 ** year - 1", "grain_sum(3)", 7),
        ("two-way", "str(year) == str(year)[::-1]", "two_way(121)", True),
    ):
        module = name.replace("-", "_")
        files = {
            ".docs/instructions.md": f"# Instructions\n\nFind the {name} of a number.",
            f"{module}.py": f"def {module}(year):\n    pass\n",
            f"{module}_test.py": f"import unittest\nfrom {module} import {module}\n\n\nclass Test(unittest.TestCase):\n"
            f"    def test_it(self):\n        self.assertEqual({call}, {value})\n",
            ".meta/example.py": f"def {module}(year):\n    return {code}\n",
        }
        for path, text in files.items():
            (base / name / path).parent.mkdir(parents=True, exist_ok=True)
            (base / name / path).write_text(text)
    return base


def imported(tmp_path: Path, form: str) -> Path:
    if form == "exercism":
        source = exercise_folder(tmp_path / "practice")
    else:
        source = tmp_path / f"{form}.jsonl"
        source.write_text("\n".join(map(json.dumps, HUMAN_EVAL if form == "humaneval" else MBPP)) + "\n")
    assert import_tasks([str(source), "--to", str(tmp_path / "made")]) == 0
    return tmp_path / "made"


FORMS = ("humaneval", "mbpp", "exercism")


@pytest.mark.parametrize("form", FORMS)
def test_published_exercises_become_tasks_whose_prompt_does_not_hold_their_tests(tmp_path: Path, form: str) -> None:
    found = tasks_in(imported(tmp_path, form))
    assert len(found) == 3
    for task in found.values():
        hidden = "\n".join(task.acceptance.values())
        assert "def test_" in hidden
        assert hidden not in task.prompt
        assert task.solution
        assert (task.start is not None) == (form == "exercism")


@pytest.mark.slow
@pytest.mark.parametrize("form", FORMS)
def test_the_solution_that_came_along_passes_and_nothing_else_does(tmp_path: Path, form: str) -> None:
    with boxes(tmp_path / "environments") as box_for:
        for task in tasks_in(imported(tmp_path, form)).values():
            proof = prove(task, box_for, 1, lambda line: None)
            assert proof.broken == proof.hollow == (), task.name
            assert proof.started < proof.tests or not task.start


@pytest.mark.parametrize(
    "line", ['{"task_id": 1}', "no json", '{"task_id": 1, "text": "x", "test_list": ["assert 1"]}']
)
def test_a_line_that_is_no_exercise_is_named(tmp_path: Path, line: str) -> None:
    file = tmp_path / "set.jsonl"
    file.write_text(json.dumps(MBPP[0]) + "\n" + line + "\n")
    with pytest.raises(ConfigError, match="line 2"):
        import_tasks([str(file), "--to", str(tmp_path / "made")])
    assert not (tmp_path / "made").exists()


def test_a_folder_that_is_no_task_is_never_replaced(tmp_path: Path) -> None:
    keep = tmp_path / "made" / "01-made-0" / "mine.txt"
    keep.parent.mkdir(parents=True)
    keep.write_text("mine")
    with pytest.raises(ConfigError, match="is no task"):
        imported(tmp_path, "humaneval")
    assert keep.read_text() == "mine"
