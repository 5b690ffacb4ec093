"""Memory in real runs: shown to the roles with its source, credited by what follows, and left alone when told so."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from runs import run, serving
from scenario import RIGHT, TASK, Scenario, fence

from memory import Lesson, Memory

pytestmark = pytest.mark.slow

ADVICE = "Check the divisor before dividing, and name the error that the task names."
RAISES = RIGHT.replace('raise ValueError("the divisor is zero")', "raise TypeError('no such thing')")
FIX = "Raise the very type of error that the task names."
LESSON = {"trigger": "divide zero error type", "advice": "Raise the type of error that a task names, no other.", "quote": "TypeError: no such thing"}  # fmt: skip


def memory_in(home: Path) -> Path:
    return home / "data" / "nightshift" / "memory.db"


def test_each_role_is_shown_what_is_known_and_it_is_credited_and_new_lessons_are_kept(tmp_path: Path) -> None:
    path = memory_in(tmp_path / "home")
    with Memory(path) as memory:
        (lesson,) = memory.learn([Lesson("calculator subtract multiply divide divisor", ADVICE)], "run-of-old")
        (error,) = memory.learn([Lesson("TypeError: no such thing", FIX, kind="error")], "run-of-old")
        memory.credit("run-of-old", {error.id: 1})
    scenario = Scenario(
        {
            "builder": lambda prompt: fence(RIGHT if "MARKER-ADVICE" in prompt else RAISES),
            "repairer": fence(RAISES + "\n# tried\n"),
            "librarian": json.dumps({"lessons": [LESSON]}),
        }
    )
    with serving(scenario) as server:
        done = run("--endpoint", server.url, TASK, workspace=tmp_path / "w", home=tmp_path / "home")
    assert done.code == 0, done.stderr
    for role in ("planner", "builder", "repairer", "analyst"):
        assert f"{ADVICE} [run-of-old" in scenario.prompts(role)[0], role
    for role in ("repairer", "analyst"):
        assert f"{FIX} [run-of-old" in scenario.prompts(role)[0], role
    assert len(scenario.prompts("librarian")) == 1
    with Memory(path) as memory:
        known = {entry.advice: entry for entry in memory.lessons("lesson", "error")}
    assert (known[ADVICE].id, known[ADVICE].uses, known[ADVICE].helped) == (lesson.id, 1, 1)
    assert (known[FIX].id, known[FIX].helped) == (error.id, 2)
    assert known[LESSON["advice"]].proved
    assert done.kinds("learned")[0]["lessons"]


def test_a_run_without_memory_neither_reads_nor_writes_it(tmp_path: Path) -> None:
    scenario = Scenario()
    with serving(scenario) as server:
        done = run("--endpoint", server.url, "--no-memory", TASK, workspace=tmp_path / "w", home=tmp_path / "home")
    assert done.code == 0, done.stderr
    assert not memory_in(tmp_path / "home").exists()
    assert not done.kinds("recalled")
    assert not scenario.prompts("librarian")


def test_a_memory_that_is_no_database_does_not_keep_a_run_from_passing(tmp_path: Path) -> None:
    path = memory_in(tmp_path / "home")
    path.mkdir(parents=True)
    with serving(Scenario({"builder": fence(RIGHT)})) as server:
        done = run("--endpoint", server.url, TASK, workspace=tmp_path / "w", home=tmp_path / "home")
    assert done.code == 0, done.stderr
    assert "without memory" in done.stderr
