"""Recall brings the right lesson back, and nothing where nothing fits: on the labelled set, and on its parts."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from recall_cases import LESSONS, TASKS, UNRELATED, USUAL

from memory import Lesson, Memory
from nightshift.knowledge.entries import Recalled
from nightshift.knowledge.seeds import seeds
from nightshift.knowledge.signatures import signatures
from nightshift.knowledge.words import stem, words_of

PATTERNS = Path(__file__).parent / "error_patterns"
KEYS = {advice: key for key, _, _, advice in LESSONS}


@pytest.fixture(scope="module")
def memory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Memory]:
    with Memory(tmp_path_factory.mktemp("labelled") / "memory.db") as opened:
        opened.learn((Lesson(f"{failed} {task}", advice) for _, failed, task, advice in LESSONS), "run")
        yield opened


@pytest.mark.parametrize("rest", ["", USUAL], ids=["short", "long"])
@pytest.mark.parametrize("part", [0, 1], ids=["looked at", "held out"])
def test_the_right_lesson_is_among_three_nine_times_in_ten(memory: Memory, part: int, rest: str) -> None:
    missed = [task for task, key in TASKS[part::2] if key not in _keys(memory.recall(task + rest))]
    assert len(missed) <= 0.10 * len(TASKS[part::2]), missed


@pytest.mark.parametrize("rest", ["", USUAL], ids=["short", "long"])
@pytest.mark.parametrize("part", [0, 1], ids=["looked at", "held out"])
def test_nothing_is_recalled_for_a_task_that_no_lesson_is_about(memory: Memory, part: int, rest: str) -> None:
    wrong = {task: found for task in UNRELATED[part::2] if (found := _keys(memory.recall(task + rest)))}
    assert len(wrong) <= 0.05 * len(UNRELATED[part::2]), wrong


def test_the_labelled_set_is_large_enough_to_mean_something() -> None:
    assert min(len(LESSONS), len(TASKS[1::2]), len(UNRELATED[1::2])) >= 36
    assert {key for _, key in TASKS} == {key for key, *_ in LESSONS}


@pytest.mark.parametrize("name", sorted(path.name for path in PATTERNS.iterdir()))
def test_each_known_pattern_is_met_by_a_program_and_mended_in_another(name: str) -> None:
    failing, fixed = (
        subprocess.run(
            [sys.executable, str(PATTERNS / name / f"{which}.py")], capture_output=True, text=True, timeout=30
        )
        for which in ("failing", "fixed")
    )
    known = {seed.trigger for seed in seeds()}
    assert failing.returncode != 0
    assert known & set(signatures(failing.stderr)), failing.stderr
    assert (fixed.returncode, fixed.stderr) == (0, "")


def test_there_is_a_program_for_every_known_pattern() -> None:
    assert len(list(PATTERNS.iterdir())) == len(seeds()) == len({seed.trigger for seed in seeds()})


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("E   KeyError: 'milk'", ["KeyError: …"]),
        ("tests/test_a.py:3: in test\nE   ValueError: 7 is less than 3", ["ValueError: N is less than N"]),
        ("FileNotFoundError: [Errno 2] No such file or directory: '/home/me/x.json'", ["FileNotFoundError: [Errno N] No such file or directory: …"]),
        ("ModuleNotFoundError: No module named 'shop'", ["ModuleNotFoundError: No module named …"]),
        ("TypeError: Cart.add() missing 1 required positional argument: 'price'", ["TypeError: …() missing N required positional argument: …"]),
        ("TypeError: '<' not supported between instances of 'Node' and 'int'", ["TypeError: '<' not supported between instances of … and 'int'"]),
        ("werkzeug.exceptions.NotFound", ["NotFound"]),
        ("sqlite3.IntegrityError: NOT NULL constraint failed: users.name", ["IntegrityError: NOT NULL constraint failed: …"]),
        ("E   AssertionError: assert 3 == 4\nAssertionError\nSystemExit: 2", []),
        ("KeyError: 'a'\nKeyError: 'b'", ["KeyError: …"]),
        ("no error here; TypeErrors are discussed", []),
    ],
)  # fmt: skip
def test_an_error_has_one_signature_wherever_it_happens(text: str, wanted: list[str]) -> None:
    found = list(signatures(text))
    assert found == wanted
    assert "/home" not in "".join(found)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Build a task-tracker with the JSON lists", ["task", "track", "json", "list"]),
        ("parseHeaders KeyErrors glass", ["pars", "head", "key", "glass"]),
        ("Tests test TEST", ["test"]),
        ("Größen größe", ["größen", "größ"]),
        ("cities city entries entry", ["city", "entry"]),
    ],
)
def test_telling_words_are_found_in_any_form(text: str, words: list[str]) -> None:
    assert words_of(text) == words


@pytest.mark.parametrize("forms", ["convert converts converter converted converters", "track tracks tracker tracking", "evaluate evaluates evaluation evaluator", "note notes", "price prices"])  # fmt: skip
def test_forms_of_a_word_are_one_word(forms: str) -> None:
    assert len(set(map(stem, forms.split()))) == 1


def test_what_a_prompt_shows_names_its_source_and_stays_short() -> None:
    lesson = Lesson("json storage", "Check for an empty file.", "run-7", uses=3, helped=2)
    code = Lesson("load path", "def load(path):\n    ...", "run-8", "snippet")
    text = str(Recalled((lesson,), (code,), (Lesson("a", "Read me.", "guide/a.md", "doc"),)))
    assert "- Check for an empty file. [run-7, followed by success 2 of 3 times]" in text
    assert "[code of run-8]:\n```python\ndef load" in text
    assert "[documentation: guide/a.md]" in text
    assert str(Recalled()) == ""
    assert len(str(Recalled(tuple(Lesson("x", "word " * 900) for _ in range(9))))) < 6000


def _keys(found: Recalled) -> list[str]:
    return [KEYS[lesson.advice] for lesson in found.lessons]
