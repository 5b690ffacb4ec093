"""Memory: what is known is found again when a task is about it, survives company and damage, and never blocks a run."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

import memory as memory_module
from memory import Lesson, Memory, MemoryUnavailable, Question, default_path
from nightshift.knowledge.playbook import as_text, from_text
from nightshift.knowledge.seeds import seeds
from nightshift.knowledge.tables import MIGRATIONS

ROOT = Path(__file__).resolve().parent.parent
VERSION_1 = Path(__file__).parent / "old_memory" / "version-1.db"

LESSONS = (
    Lesson("JSONDecodeError storage task tracker json persistence", "Treat an empty file as an empty list."),
    Lesson("KeyError inventory warehouse stock", "Give unknown items a count of zero."),
    Lesson("ZeroDivisionError calculator arithmetic expression", "Raise ValueError before dividing by nothing."),
    Lesson("AssertionError parser csv column header", "Strip the byte order mark first."),
    Lesson("TypeError flask route bookmark api", "Return a tuple of body and status."),
)
SNIPPET = Lesson("load_stock path read warehouse stock levels", "def load_stock(path):\n    return {}", kind="snippet")
DOC = Lesson("stock guide warehouse levels", "Levels are counted every night, at twelve.", "guide/stock.md", "doc")


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[Memory]:
    with Memory(tmp_path / "share" / "memory.db") as opened:
        yield opened


def advice(memory: Memory, task: str) -> list[str]:
    return [lesson.advice for lesson in memory.recall(task).lessons]


def test_a_lesson_is_recalled_for_a_task_it_is_about_and_no_other(memory: Memory) -> None:
    memory.learn(LESSONS, "run-1")
    for task, wanted in (
        ("Build a task tracker CLI with JSON persistence", LESSONS[0]),
        ("An inventory of a warehouse, with stock levels", LESSONS[1]),
        ("A calculator for arithmetic expressions", LESSONS[2]),
        ("Parse CSV files by their column headers", LESSONS[3]),
        ("A bookmark API with Flask routes", LESSONS[4]),
    ):
        assert advice(memory, task) == [wanted.advice], task
    for task in (
        "Play chess",
        "JSON to XML",
        "A gallery of stock photos",
        "",
        "write it",
        "日本語",
        '" OR 1=1 --',
        "NEAR(a) *",
    ):
        assert not memory.recall(task).ids, task


def test_at_most_three_lessons_two_snippets_and_one_passage_are_recalled(memory: Memory) -> None:
    memory.learn([Lesson(f"warehouse stock topic{n}", f"number{n} " * 3) for n in range(9)], "r")
    memory.learn(
        [Lesson(SNIPPET.trigger, f"def f{n}_{n}():\n    return own{n}", kind="snippet") for n in range(4)], "r"
    )
    memory.renew("guide", [Lesson(DOC.trigger, f"{DOC.advice} part{n}", f"guide/{n}.md", "doc") for n in range(3)])
    found = memory.recall("Read the stock levels of a warehouse from a path, load them")
    assert (len(found.lessons), len(found.snippets), len(found.docs)) == (3, 2, 1)


def test_recall_prefers_what_helped_and_is_the_same_every_time(memory: Memory) -> None:
    new = memory.learn([Lesson(f"warehouse stock topic{n}", f"advice number{n} of many{n}") for n in range(6)], "r")
    ids = [lesson.id for lesson in new]
    memory.credit("run-1", {ids[4]: 1, ids[2]: -1})
    memory.credit("run-2", {ids[4]: 1})
    found = memory.recall("warehouse stock")
    assert [lesson.id for lesson in found.lessons] == [ids[4], ids[0], ids[1]]
    assert (found.lessons[0].uses, found.lessons[0].helped, found.lessons[0].harmed) == (2, 2, 0)
    assert all(memory.recall("warehouse stock") == found for _ in range(3))


def test_what_was_followed_by_failure_three_times_is_retired_and_one_success_brings_it_back(memory: Memory) -> None:
    (lesson,) = memory.learn(LESSONS[:1], "r")
    for run in ("a", "b", "c"):
        assert memory.recall("task tracker json").lessons
        memory.credit(run, {lesson.id: -1})
    assert not memory.recall("task tracker json").lessons
    memory.credit("d", {lesson.id: 1})
    assert memory.recall("task tracker json").lessons


def test_a_run_is_counted_once_and_its_better_end_counts(memory: Memory) -> None:
    (lesson,) = memory.learn(LESSONS[:1], "r")
    for outcome in (0, -1, 0, -1, 1, -1):
        memory.credit("one run, resumed", {lesson.id: outcome, 999: 1})
    assert [(one.uses, one.helped, one.harmed) for one in memory.lessons()] == [(1, 1, 0)]


def test_what_a_failed_run_taught_is_kept_apart_until_a_run_that_passed_teaches_the_same(memory: Memory) -> None:
    doubtful = Lesson(LESSONS[0].trigger, LESSONS[0].advice, proved=False)
    assert memory.learn([doubtful], "failed")
    assert not memory.recall("task tracker json").lessons
    assert memory.learn([doubtful], "failed again") == ()
    said_otherwise = Lesson("storage json task tracker", "Treat the empty file as an empty list!")
    (proved,) = memory.learn([said_otherwise], "passed")
    assert (proved.proved, proved.run) == (True, "passed")
    assert [lesson.id for lesson in memory.recall("task tracker json").lessons] == [proved.id]
    assert len(memory.lessons()) == 1


def test_a_known_error_is_recalled_by_its_evidence_whatever_the_task_is(memory: Memory) -> None:
    evidence = "E   AttributeError: 'NoneType' object has no attribute 'price'\nE   KeyError: 'x'"
    memory.learn([Lesson("KeyError: …", "Use get with a default.", kind="error")], "run-7")
    found = memory.recall(Question("Play chess", evidence=evidence)).lessons
    assert [(lesson.kind, lesson.run) for lesson in found] == [("error", "known patterns"), ("error", "run-7")]
    assert not memory.recall(Question("Play chess", evidence="assert 1 == 2")).ids


def test_what_mended_an_error_in_one_project_is_shown_in_another_once_it_has_helped_again(memory: Memory) -> None:
    question = Question("Play chess", "here", "KeyError: 'x'")
    (fix,) = memory.learn([Lesson("KeyError: …", "Use get with a default.", kind="error", project="there")], "r")
    assert memory.recall(replace(question, project="there")).ids == (fix.id,)
    assert not memory.recall(question).ids
    memory.credit("later", {fix.id: 1})
    assert memory.recall(question).ids == (fix.id,)


def test_code_of_the_same_project_comes_first(memory: Memory) -> None:
    codes = [
        Lesson(SNIPPET.trigger, f"def load_stock(path):\n    return {{'{n}{n}': other{n}}}", kind="snippet", project=n)
        for n in "ab"
    ]
    memory.learn(codes, "r")
    for project in "ab":
        (first, *_) = memory.recall(Question("load the stock levels of a warehouse", project)).snippets
        assert first.project == project


def test_recall_is_the_same_without_full_text_search_and_says_what_is_missing(memory: Memory) -> None:
    memory.learn([*LESSONS, SNIPPET], "r")
    tasks = [
        "task tracker with JSON storage",
        "a CSV parser with headers",
        "chess",
        "warehouse stock levels, load them",
    ]
    said: list[str] = []
    with Memory(memory.path, full_text=False, warn=said.append) as plain:
        assert [plain.recall(task) for task in tasks] == [memory.recall(task) for task in tasks]
        (new,) = plain.learn([Lesson("prime sieve numbers", "Cross out from the square on.")], "r")
        plain.forget(1 + len(seeds()))
    assert memory.recall("a sieve for prime numbers").lessons == (new,), "found before it is indexed"
    assert not memory.recall(tasks[0]).lessons
    memory.learn([Lesson("other subject altogether", "Something else to mind.")], "r")
    assert memory.recall("a sieve for prime numbers").lessons == (new,)


def test_a_memory_made_without_full_text_search_is_indexed_by_the_next_that_has_it(tmp_path: Path) -> None:
    with Memory(tmp_path / "m.db", full_text=False) as plain:
        plain.learn(LESSONS, "r")
    with Memory(tmp_path / "m.db") as memory:
        assert advice(memory, "task tracker json") == [LESSONS[0].advice]
        db = sqlite3.connect(memory.path)
        assert db.execute("SELECT count(*) FROM entries WHERE NOT indexed").fetchone() == (0,)
        db.close()


def test_the_same_or_nearly_the_same_is_learned_once(memory: Memory) -> None:
    assert len(memory.learn(LESSONS, "run-1")) == 5
    same = Lesson("keyerror  STOCK warehouse inventory", " give unknown items\n a count of ZERO. ")
    near = Lesson("inventory of stock", "Give all unknown items a count of zero")
    assert memory.learn([same, near, LESSONS[0]], "run-2") == ()


def test_entries_are_cut_to_size_and_empty_ones_refused(memory: Memory) -> None:
    new = memory.learn(
        [Lesson("word " * 500, "xy " * 5000), Lesson("", "advice"), Lesson("json", "  "), Lesson("a to", "b")], "r"
    )
    assert new == () or all(len(lesson.trigger) <= 300 and len(lesson.advice) <= 800 for lesson in new)


def test_the_memory_stays_small_and_keeps_what_helped(memory: Memory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory_module, "MAX_ENTRIES", {"lesson": 5})
    (first,) = memory.learn([Lesson("first useful thing", "keep me here, please")], "r")
    memory.credit("x", {first.id: 1})
    memory.learn([Lesson(f"topic{n} number{n}", f"advice{n} about{n}") for n in range(9)], "r")
    assert [lesson.advice for lesson in memory.lessons()] == [
        first.advice,
        *(f"advice{n} about{n}" for n in range(5, 9)),
    ]


def test_documentation_is_put_in_the_place_of_its_earlier_version(memory: Memory) -> None:
    other = Lesson(DOC.trigger, "About guides of another kind.", "guidebook/a.md", "doc")
    memory.renew("guidebook", [other])
    assert memory.renew("guide", [DOC, DOC]) == 1
    assert memory.renew("guide", [Lesson(DOC.trigger, "Levels are counted at noon.", "guide/stock.md", "doc")]) == 1
    assert {entry.advice for entry in memory.lessons("doc")} == {"Levels are counted at noon.", other.advice}


def test_forgetting_is_final(memory: Memory) -> None:
    ids = [lesson.id for lesson in memory.learn(LESSONS, "r")]
    memory.credit("x", {ids[0]: 1})
    assert memory.forget(ids[0])
    assert not memory.forget(ids[0])
    assert not memory.recall("task tracker json persistence").ids
    assert memory.learn([Lesson("new words here", "quite another thing")], "r")[0].id > ids[-1], (
        "an id is never used again"
    )


def test_looking_at_what_is_there_makes_no_file(tmp_path: Path) -> None:
    with Memory(tmp_path / "none" / "memory.db") as memory:
        assert (memory.lessons(), memory.playbook()) == ([], [])
    assert list(tmp_path.iterdir()) == []


# The playbook.


def test_a_playbook_taken_in_twice_or_from_both_sides_comes_to_the_same_scores(tmp_path: Path) -> None:
    with Memory(tmp_path / "a.db") as here, Memory(tmp_path / "b.db") as there:
        for memory, runs in ((here, {"1": 1, "2": -1}), (there, {"2": 1, "3": 1})):
            (lesson,) = memory.learn(LESSONS[:1], "r")
            for run, outcome in runs.items():
                memory.credit(run, {lesson.id: outcome})
        (seed, *_) = there.lessons("error")
        there.credit("3", {seed.id: 1})
        for _ in range(2):
            here.merge(from_text(as_text(there.playbook())))
            there.merge(from_text(as_text(here.playbook())))
        for memory in (here, there):
            assert [(e.uses, e.helped, e.harmed) for e in memory.lessons() if e.uses] == [(3, 3, 0)]
            assert [(e.trigger, e.helped) for e in memory.lessons("error") if e.uses] == [(seed.trigger, 1)]
        assert as_text(here.playbook()) == as_text(there.playbook())


# Files.


@pytest.mark.parametrize("damage", ["garbage", "middle", "header"])
def test_a_damaged_file_is_set_aside_with_a_warning(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "memory.db"
    with Memory(path) as memory:
        memory.fill(Lesson(f"json storage topic{n} " + "w" * 80, f"{n} " + "x" * 700) for n in range(200))
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
        assert not memory.recall("json storage topic3").lessons
        assert memory.learn([Lesson("json storage", "begin anew, and do it well")], "r")
        assert len(memory.recall("json storage").lessons) == 1
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


def test_a_memory_of_an_old_nightshift_keeps_its_lessons_and_what_they_helped(tmp_path: Path) -> None:
    path = Path(shutil.copy(VERSION_1, tmp_path / "memory.db"))
    with Memory(path) as memory:
        told = [(lesson.trigger[:8], lesson.run, lesson.uses, lesson.helped) for lesson in memory.lessons()]
        assert told == [("JSONDeco", "20260101-020304-ab12", 1, 1), ("KeyError", "20260101-020304-ab12", 2, 1)]
        assert advice(memory, "a task tracker with json persistence") == ["Treat an empty file as an empty list."]
        assert len(memory.lessons("error")) == len(seeds())
    with Memory(Path(shutil.copy(VERSION_1, tmp_path / "plain.db")), full_text=False) as plain:
        assert len(plain.lessons()) == 2


def test_a_copy_of_a_memory_is_a_memory(memory: Memory, tmp_path: Path) -> None:
    memory.learn(LESSONS, "r")
    db = sqlite3.connect(memory.path)
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    assert db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert db.execute("PRAGMA user_version").fetchone() == (len(MIGRATIONS),)
    db.close()
    with Memory(Path(shutil.copy(memory.path, tmp_path / "copy.db"))) as copy:
        assert copy.recall("task tracker json") == memory.recall("task tracker json")


def test_a_file_without_tables_is_brought_up_to_date(tmp_path: Path) -> None:
    (tmp_path / "memory.db").touch()
    with Memory(tmp_path / "memory.db") as memory:
        assert len(memory.learn(LESSONS, "r")) == 5


def test_a_place_or_a_content_that_cannot_be_used_is_a_sentence_with_a_way_out(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x", encoding="utf-8")
    other = sqlite3.connect(tmp_path / "other.db")
    other.execute("CREATE TABLE entries (other TEXT)")
    other.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")
    other.close()
    for path in (tmp_path / "file" / "memory.db", tmp_path, tmp_path / "other.db"):
        with Memory(path) as memory, pytest.raises(MemoryUnavailable, match="--no-memory"):
            memory.learn(LESSONS, "r")


def test_a_lock_held_too_long_is_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "memory.db"
    with Memory(path) as memory:
        memory.learn(LESSONS, "r")
        holder = sqlite3.connect(path)
        holder.execute("BEGIN IMMEDIATE")
        with Memory(path, busy_seconds=0.1) as other:
            assert other.recall("task tracker json").ids, "readers do not wait for a writer"
            with pytest.raises(MemoryUnavailable, match="locked"):
                other.learn([Lesson("something else", "to be minded here")], "r")
        holder.close()


def test_many_processes_may_learn_at_once_from_the_very_first_moment(tmp_path: Path) -> None:
    code = """
import sys
from pathlib import Path
from memory import Lesson, Memory
for n in range(5):
    with Memory(Path(sys.argv[1])) as memory:
        own = Lesson(f"own{sys.argv[2]} topic{n}", f"own{sys.argv[2]}of{n} thing{n}")
        memory.learn([Lesson(f"shared topic number{n}", f"same{n} for{n} every"), own], "r")
        assert memory.recall(f"shared topic number{n}").lessons
"""
    path = tmp_path / "memory.db"
    started = [
        subprocess.Popen([sys.executable, "-c", code, str(path), str(n)], cwd=ROOT, stderr=subprocess.PIPE)
        for n in range(4)
    ]
    for process in started:
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 0, errors.decode()
    with Memory(path) as memory:
        assert len(memory.lessons()) == 5 + 20


@pytest.mark.parametrize(
    ("environ", "path"),
    [
        ({"HOME": "/h"}, "/h/.local/share/nightshift/memory.db"),
        ({"HOME": "/h", "XDG_DATA_HOME": "/x"}, "/x/nightshift/memory.db"),
    ],
)
def test_the_usual_place_follows_xdg(environ: dict[str, str], path: str) -> None:
    assert default_path(environ) == Path(path)
