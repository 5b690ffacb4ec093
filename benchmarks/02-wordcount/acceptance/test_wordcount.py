import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path("wordcount.py").resolve()


@pytest.fixture
def run(tmp_path):
    assert PROGRAM.is_file()
    (tmp_path / "a.txt").write_text("one two\nthree\n", encoding="utf-8")
    (tmp_path / "b.txt").write_text("Straße  café\tone", encoding="utf-8")
    (tmp_path / "c.txt").write_text("The cat, the dog: the cat's. It's a DOG' '' 42 cat-dog\n", encoding="utf-8")
    (tmp_path / "empty.txt").write_text("", encoding="utf-8")

    def call(*words, stdin=""):
        return subprocess.run(
            [sys.executable, str(PROGRAM), *words], cwd=tmp_path, input=stdin.encode(), capture_output=True, timeout=20
        )

    return call


def lines(done):
    assert done.returncode == 0, done.stderr
    return done.stdout.decode().splitlines()


def test_one_file_is_one_line(run):
    assert lines(run("a.txt")) == ["2 3 14 a.txt"]


def test_characters_are_not_bytes(run):
    assert lines(run("b.txt")) == ["0 3 16 b.txt"]


def test_an_empty_file_counts_nothing(run):
    assert lines(run("empty.txt")) == ["0 0 0 empty.txt"]


def test_several_files_have_a_total(run):
    assert lines(run("b.txt", "a.txt")) == ["0 3 16 b.txt", "2 3 14 a.txt", "2 6 30 total"]


@pytest.mark.parametrize(
    "options, wanted",
    [(["-l"], "2 a.txt"), (["-w"], "3 a.txt"), (["-c"], "14 a.txt"), (["-c", "-l"], "2 14 a.txt"), (["-w", "-l"], "2 3 a.txt"),
     (["-c", "-w", "-l"], "2 3 14 a.txt")],
)  # fmt: skip
def test_columns_are_chosen_and_keep_their_order(run, options, wanted):
    assert lines(run(*options, "a.txt")) == [wanted]


def test_columns_of_the_total(run):
    assert lines(run("-w", "a.txt", "b.txt")) == ["3 a.txt", "3 b.txt", "6 total"]


def test_a_dash_is_standard_input(run):
    assert lines(run("-", stdin="x y\n")) == ["1 2 4 -"]


def test_top_words_of_all_files(run):
    assert lines(run("--top", "3", "c.txt", "a.txt")) == ["3 the", "2 cat", "2 dog"]


def test_top_words_are_ordered_by_count_then_letters(run):
    wanted = ["3 the", "2 cat", "2 dog", "1 a", "1 cat's", "1 dog'", "1 it's"]
    assert lines(run("--top", "99", "c.txt")) == wanted


def test_top_one(run):
    assert lines(run("--top", "1", "c.txt")) == ["3 the"]


def test_a_missing_file_is_named_and_the_others_are_counted(run):
    done = run("a.txt", "missing.txt", "b.txt")
    assert done.returncode == 1
    assert "missing.txt" in done.stderr.decode()
    assert done.stdout.decode().splitlines() == ["2 3 14 a.txt", "0 3 16 b.txt", "2 6 30 total"]


@pytest.mark.parametrize("words", [[], ["--nonsense", "a.txt"], ["--top", "0", "a.txt"], ["--top", "-3", "a.txt"]])
def test_wrong_usage_exits_with_2(run, words):
    done = run(*words)
    assert done.returncode == 2
    assert done.stderr
