import json
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path("cli.py").resolve()


@pytest.fixture
def run(tmp_path):
    assert PROGRAM.is_file()

    def call(*words):
        return subprocess.run(
            [sys.executable, str(PROGRAM), *words], cwd=tmp_path, capture_output=True, text=True, timeout=20
        )

    return call


@pytest.fixture
def filled(run):
    for words in (("Buy milk",), ("Write", "--priority", "high"), ("Rest", "--priority", "low")):
        assert run("add", *words).returncode == 0
    return run


def test_adding_and_the_file(run, tmp_path):
    done = run("add", "Buy milk")
    assert (done.returncode, done.stdout) == (0, "Added task 1: Buy milk\n")
    stored = json.loads((tmp_path / "tasks.json").read_text())["tasks"]
    assert [(task["id"], task["title"], task["priority"]) for task in stored] == [(1, "Buy milk", "medium")]


def test_another_file(run, tmp_path):
    assert run("--file", "sub/other.json", "add", "a").returncode == 0
    assert not (tmp_path / "tasks.json").exists()
    assert run("--file", "sub/other.json", "list").stdout == "1 [ ] medium a\n"


def test_listing(filled):
    assert filled("complete", "1").stdout == "Completed task 1: Buy milk\n"
    assert filled("list").stdout == "2 [ ] high Write\n1 [x] medium Buy milk\n3 [ ] low Rest\n"
    assert filled("list", "--status", "done").stdout == "1 [x] medium Buy milk\n"
    assert filled("list", "--priority", "low").stdout == "3 [ ] low Rest\n"
    assert filled("list", "--status", "done", "--priority", "low").stdout == "No tasks.\n"


def test_listing_as_json(filled):
    tasks = json.loads(filled("list", "--format", "json").stdout)
    assert [task["id"] for task in tasks] == [2, 1, 3]
    assert set(tasks[0]) == {"id", "title", "status", "priority", "created_at", "completed_at"}
    assert json.loads(filled("list", "--status", "done", "--format", "json").stdout) == []


def test_deleting(filled):
    assert filled("delete", "2").stdout == "Deleted task 2: Write\n"
    assert filled("list").stdout == "1 [ ] medium Buy milk\n3 [ ] low Rest\n"


def test_statistics(filled):
    filled("complete", "1")
    filled("complete", "2")
    assert filled("stats").stdout == "total: 3\ndone: 2\ncompletion: 67%\n"
    assert json.loads(filled("stats", "--format", "json").stdout)["completion_rate"] == 0.67


@pytest.mark.parametrize("words", [("complete", "9"), ("delete", "9"), ("add", " ")])
def test_what_cannot_be_done_exits_with_1(filled, words):
    done = filled(*words)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr
    assert "Traceback" not in done.stderr


def test_a_broken_file_exits_with_1(run, tmp_path):
    (tmp_path / "tasks.json").write_text("{oops")
    done = run("list")
    assert (done.returncode, done.stdout) == (1, "")
    assert "Traceback" not in done.stderr
    assert (tmp_path / "tasks.json").read_text() == "{oops"


@pytest.mark.parametrize(
    "words",
    [(), ("dance",), ("add",), ("complete", "x"), ("add", "a", "--priority", "urgent"), ("list", "--status", "open"),
     ("list", "--priority", "urgent"), ("list", "--format", "xml"), ("stats", "--format", "xml")],
)  # fmt: skip
def test_wrong_usage_exits_with_2(run, words):
    assert run(*words).returncode == 2
