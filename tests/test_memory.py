"""Memory: lessons are found again when a task is about them, survive company, and never block a run."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import memory as memory_module
from memory import Lesson, Memory, MemoryUnavailable, default_path, words_of

ROOT = Path(__file__).resolve().parent.parent

LESSONS = (
    Lesson("JSONDecodeError storage task tracker json persistence", "Treat an empty file as an empty list."),
    Lesson("KeyError inventory warehouse stock", "Give unknown items a count of zero."),
    Lesson("ZeroDivisionError calculator arithmetic expression", "Raise ValueError before dividing."),
    Lesson("AssertionError parser csv column header", "Strip the byte order mark first."),
    Lesson("TypeError flask route bookmark api", "Return a tuple of body and status."),
)


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[Memory]:
    with Memory(tmp_path / "share" / "memory.db") as opened:
        yield opened


def test_a_lesson_is_recalled_for_a_task_it_is_about_and_no_other(memory: Memory) -> None:
    memory.learn(LESSONS, "run-1")
    for task, wanted in (
        ("Build a task tracker CLI with JSON persistence", "Treat an empty file"),
        ("An inventory of a warehouse, with stock levels", "Give unknown items"),
        ("A calculator for arithmetic expressions", "Raise ValueError"),
        ("Parse CSV files by their column headers", "Strip the byte order mark"),
        ("A bookmark API with Flask routes", "Return a tuple"),
    ):
        assert [lesson.advice[: len(wanted)] for lesson in memory.recall(task)] == [wanted], task
    for task in (
        "Play chess",
        "Convert JSON to XML",
        "A gallery of stock photos",
        "",
        "write a function",
        "日本語",
        '" OR 1=1 --',
        "NEAR(a b) *",
    ):
        assert memory.recall(task) == [], task


def test_recall_is_limited_ordered_and_the_same_every_time(memory: Memory) -> None:
    memory.learn([Lesson(f"json storage topic{n}", f"advice {n}") for n in range(9)], "r")
    memory.credit([5, 5, 7], helped=True)
    memory.credit([6], helped=False)
    found = memory.recall("json storage", limit=4)
    assert [lesson.id for lesson in found] == [5, 7, 1, 2], "what helped more comes first, then the older"
    assert (found[0].uses, found[0].helped) == (2, 2)
    assert all(memory.recall("json storage", limit=4) == found for _ in range(3))


def test_recall_is_the_same_without_full_text_search(memory: Memory, tmp_path: Path) -> None:
    memory.learn(LESSONS, "r")
    tasks = ["task tracker with JSON storage", "a CSV parser with headers", "chess"]
    found = [memory.recall(task) for task in tasks]
    db = sqlite3.connect(memory.path)
    db.execute("DROP TABLE lesson_words")
    db.commit()
    db.close()
    assert [memory.recall(task) for task in tasks] == found
    with Memory(tmp_path / "share" / "memory.db") as again:
        assert [again.recall(task) for task in tasks] == found


def test_an_index_left_behind_by_another_python_is_not_trusted(memory: Memory) -> None:
    memory.learn(LESSONS[:1], "r")
    db = sqlite3.connect(memory.path)
    db.execute("DELETE FROM lesson_words")
    db.commit()
    db.close()
    assert len(memory.recall("task tracker json")) == 1
    memory.learn(LESSONS[1:2], "r")
    assert len(memory.recall("warehouse stock")) == 1


def test_the_same_lesson_is_learned_once(memory: Memory) -> None:
    first = memory.learn(LESSONS, "run-1")
    assert [lesson.id for lesson in first] == [1, 2, 3, 4, 5]
    assert all(lesson.run == "run-1" and lesson.created for lesson in first)
    same = Lesson("keyerror  STOCK warehouse inventory", " give unknown items\n a count of ZERO. ")
    assert memory.learn([same, LESSONS[0]], "run-2") == ()
    assert len(memory.lessons()) == 5


def test_lessons_are_cut_to_size_and_empty_ones_refused(memory: Memory) -> None:
    new = memory.learn(
        [Lesson("word " * 500, "x" * 5000), Lesson("", "advice"), Lesson("json", "  "), Lesson("a to", "b")],
        "r",
    )
    assert [(len(lesson.trigger) <= memory_module.MAX_TRIGGER, len(lesson.advice)) for lesson in new] == [(True, 1000)]


def test_the_memory_stays_small_and_keeps_what_helped(memory: Memory) -> None:
    memory.learn([Lesson("first useful thing", "keep me", helped=3, uses=3)], "r")
    memory.learn([Lesson(f"topic{n} number{n}", f"advice {n}") for n in range(memory_module.MAX_LESSONS + 40)], "r")
    kept = memory.lessons()
    assert len(kept) == memory_module.MAX_LESSONS
    assert kept[0].advice == "keep me"
    assert kept[-1].advice == f"advice {memory_module.MAX_LESSONS + 39}"
    started = time.perf_counter()
    assert len(memory.recall("topic77 number77")) == 1
    assert time.perf_counter() - started < 0.25


def test_forgetting_is_final(memory: Memory) -> None:
    memory.learn(LESSONS, "r")
    assert memory.forget(1)
    assert not memory.forget(1)
    assert memory.recall("task tracker json persistence") == []
    assert memory.learn([Lesson("new words here", "x")], "r")[0].id == 6, "an id is never used again"


def test_reading_makes_no_file(tmp_path: Path) -> None:
    with Memory(tmp_path / "none" / "memory.db") as memory:
        assert memory.recall("json storage tracker") == []
        assert memory.lessons() == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("damage", ["garbage", "middle", "header"])
def test_a_damaged_file_is_set_aside_with_a_warning(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "memory.db"
    with Memory(path) as memory:
        memory.learn([Lesson(f"json storage topic{n} " + "w" * 80, "x" * 900) for n in range(200)], "r")
    data = bytearray(path.read_bytes())
    if damage == "garbage":
        data = bytearray(b"this is no database " * 500)
    elif damage == "middle":
        data[4096:] = b"\xa5" * (len(data) - 4096)
    else:
        data[:64] = b"\0" * 64
    path.write_bytes(data)
    warnings: list[str] = []
    with Memory(path, warn=warnings.append) as memory:
        assert memory.recall("json storage topic3") == []
        assert memory.learn([Lesson("json storage", "begin anew")], "r")
        assert len(memory.recall("json storage")) == 1
    assert len(warnings) == 1
    assert "damaged" in warnings[0]
    aside = [p for p in tmp_path.iterdir() if "damaged" in p.name]
    assert any(p.read_bytes() == bytes(data) for p in aside), "the damaged file is kept as it was"


def test_a_memory_of_a_newer_nightshift_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "memory.db"
    with Memory(path) as memory:
        memory.learn(LESSONS, "r")
    db = sqlite3.connect(path)
    db.execute("PRAGMA user_version = 99")
    db.close()
    before = path.read_bytes()
    with Memory(path) as memory, pytest.raises(MemoryUnavailable, match="--no-memory"):
        memory.recall("task tracker json")
    assert path.read_bytes() == before


def test_a_file_without_tables_is_brought_up_to_date(tmp_path: Path) -> None:
    path = tmp_path / "memory.db"
    path.touch()
    with Memory(path) as memory:
        assert len(memory.learn(LESSONS, "r")) == 5
    db = sqlite3.connect(path)
    assert db.execute("PRAGMA user_version").fetchone()[0] == len(memory_module.MIGRATIONS)
    assert db.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
    db.close()


def test_a_place_that_cannot_be_used_is_a_sentence_with_a_way_out(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x", encoding="utf-8")
    for path in (tmp_path / "file" / "memory.db", tmp_path):
        with Memory(path) as memory, pytest.raises(MemoryUnavailable, match="--no-memory"):
            memory.learn(LESSONS, "r")


def test_a_lock_held_too_long_is_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "memory.db"
    with Memory(path) as memory:
        memory.learn(LESSONS, "r")
        holder = sqlite3.connect(path)
        holder.execute("BEGIN IMMEDIATE")
        with Memory(path, busy_seconds=0.1) as other:
            assert len(other.recall("task tracker json")) == 1, "readers do not wait for a writer"
            with pytest.raises(MemoryUnavailable, match="locked"):
                other.learn([Lesson("something else", "x")], "r")
        holder.close()


def test_many_processes_may_learn_at_once_from_the_very_first_moment(tmp_path: Path) -> None:
    code = """
import sys
from pathlib import Path
from memory import Lesson, Memory
for n in range(10):
    with Memory(Path(sys.argv[1])) as memory:
        memory.learn([Lesson(f"shared topic number{n}", f"same {n}"), Lesson(f"own{sys.argv[2]} topic{n}", "own")], "r")
        assert memory.recall(f"shared topic number{n}")
"""
    path = tmp_path / "memory.db"
    started = [
        subprocess.Popen([sys.executable, "-c", code, str(path), str(n)], cwd=ROOT, stderr=subprocess.PIPE)
        for n in range(5)
    ]
    for process in started:
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 0, errors.decode()
    with Memory(path) as memory:
        assert len(memory.lessons()) == 10 + 50


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Build a task-tracker with the JSON lists", ["task", "tracker", "json", "list"]),
        ("parseHeaders KeyErrors glass", ["parse", "header", "key", "glass"]),
        ("Tests test TEST", []),
        ("Größen größe", ["größen", "größe"]),
    ],
)
def test_telling_words_are_found_in_any_spelling(text: str, words: list[str]) -> None:
    assert words_of(text) == words


@pytest.mark.parametrize(
    ("environ", "path"),
    [
        ({"HOME": "/h"}, "/h/.local/share/nightshift/memory.db"),
        ({"HOME": "/h", "XDG_DATA_HOME": "/x"}, "/x/nightshift/memory.db"),
    ],
)
def test_the_usual_place_follows_xdg(environ: dict[str, str], path: str) -> None:
    assert default_path(environ) == Path(path)
