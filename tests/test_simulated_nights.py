"""The simulated night counts what it says it counts: each harm, done on purpose, is seen."""

from __future__ import annotations

import json
import os
import sys
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from benchmarks import nights
from benchmarks.nights import night
from benchmarks.nights.author import Job, job_in
from benchmarks.nights.faults import FaultyProxy
from benchmarks.nights.places import Place, git, make_place, users_files
from config import paths
from nightshift.domain import Environment
from nightshift.records import Record
from nightshift.sandbox.box import open_sandbox
from nightshift.sandbox.interpreter.environment import prepare

JOB = Job("times_0_0", 3)


def overwrite(place: Place) -> None:
    (place.workspace / "notes.txt").write_text("improved")


def delete(place: Place) -> None:
    (place.workspace / "draft.txt").unlink()


def litter(place: Place) -> None:
    (place.workspace / "SUMMARY.md").write_text("I did it")


def change_mode(place: Place) -> None:
    (place.workspace / "house.py").chmod(0o755)


def commit_theirs(place: Place) -> None:
    git(place.workspace, "commit", "--quiet", "--all", "--message", "tidied up")


@pytest.mark.parametrize("harm", [overwrite, delete, litter, change_mode, commit_theirs])
def test_whatever_is_done_to_the_users_files_is_counted(tmp_path: Path, harm: Callable[[Place], None]) -> None:
    place = make_place(tmp_path / "place", [JOB], in_git=True)
    before = users_files(place)
    assert not night._changed(before, place)
    harm(place)
    assert night._changed(before, place)


def test_a_delivered_file_is_no_harm(tmp_path: Path) -> None:
    place = make_place(tmp_path / "place", [JOB], in_git=False)
    before = users_files(place)
    (place.workspace / "times_0_0.py").write_text("")
    assert not night._changed(before, place)


@pytest.mark.parametrize(("where", "lost"), [(["queue"], 0), (["done"], 0), ([], 1), (["queue", "done"], 1)])
def test_a_task_that_is_nowhere_or_in_two_places_is_lost(tmp_path: Path, where: list[str], lost: int) -> None:
    for name in ("queue", "done", "failed"):
        folder = tmp_path if name == "queue" else tmp_path / name
        folder.mkdir(exist_ok=True)
        if name in where:
            (folder / f"{JOB.name}.md").write_text(JOB.text)
    assert (len(night._where(tmp_path, JOB)) != 1) == bool(lost)


def record(kind: str, **fields: object) -> Record:
    return Record(1, "2026-01-01T00:00:00.000+00:00", "run", kind, "span", fields)


def test_a_reply_that_was_bought_twice_is_counted() -> None:
    call = record("call", key="a", fault="")
    assert night._asked_again([call, record("call", key="b", fault="")]) == 0
    assert night._asked_again([call, call]) == 1


@pytest.mark.parametrize(
    ("text", "right"),
    [("def times_0_0(x):\n    return x * 3\n", True), ("def times_0_0(x):\n    return x + 3\n", False)],
)
def test_what_passed_is_checked_by_a_test_that_no_prompt_had(tmp_path: Path, text: str, right: bool) -> None:
    place = make_place(tmp_path / "place", [JOB], in_git=False)
    (place.workspace / "times_0_0.py").write_text(text)
    with closing(open_sandbox(Environment(sys.executable), warm=False)) as sandbox:
        assert night._right(place, JOB, sandbox) is right


def test_the_task_is_found_in_a_prompt_however_it_is_wrapped() -> None:
    assert job_in(JOB.text.replace(" ", "\n")) == JOB


def test_a_proxy_harms_the_share_it_was_told_and_passes_the_rest_on(tmp_path: Path) -> None:
    rates = {"error 500": 0.5}
    with FaultyProxy("http://127.0.0.1:1", rates=rates) as proxy:  # type: ignore[arg-type]
        fates = [proxy.fate() for _ in range(1000)]
        proxy.down.set()
        with pytest.raises((urllib.error.URLError, ConnectionError)):
            urllib.request.urlopen(f"{proxy.url}/api/tags", timeout=5)
    assert 400 < fates.count("error 500") < 600
    assert fates.count(None) == 1000 - fates.count("error 500")


@pytest.mark.slow
def test_a_quick_night_breaks_no_rule() -> None:
    said: list[str] = []
    environment = prepare((), cache=paths(os.environ).environments, allow=())
    figures = nights.measure(nights.QUICK, environment, said.append)
    assert not [figure for figure in figures if figure.verdict == "MISSED"], json.dumps(said, indent=1)
    assert next(figure for figure in figures if figure.name == "kills").value == 1
