"""A night that is killed at any moment goes on: no task is lost, and none is delivered twice."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest
from nights import HERE, Queue, wait_until

pytestmark = pytest.mark.slow
RECORDS = 16
"""Of the journal of `a_queue`'s night."""


def a_queue(base: Path) -> Queue:
    queue = Queue(base)
    queue.add("first", "Do it sleep=0.1", 'endpoint = "http://127.0.0.1:1"')
    queue.add("second", "Do it too", 'after = ["first"]')
    queue.add("unlucky", "Find no server at first exit=3,0", 'endpoint = "http://127.0.0.1:2"')
    queue.add("wrong", "Do it badly exit=1")
    return queue


def all_is_where_it_belongs(queue: Queue) -> None:
    assert queue.files() == {"": [], "done": ["first", "second", "unlucky"], "failed": ["wrong"]}
    assert sorted(queue.lines("delivered.txt")) == ["first", "second", "unlucky"]
    assert [len(queue.runs_of(name)) for name in ("first", "second", "unlucky", "wrong")] == [1, 1, 1, 1]
    assert len(list((queue.folder / "done").glob("*.result.json"))) == 3


def test_the_night_that_the_kill_points_are_counted_from(tmp_path: Path) -> None:
    queue = a_queue(tmp_path)
    told = queue.run("--jobs", "2")
    assert told.code == 1, told.stderr
    assert len(queue.journal()) == RECORDS
    all_is_where_it_belongs(queue)


@pytest.mark.parametrize("how", ["whole", "torn"])
@pytest.mark.parametrize("record", range(1, RECORDS + 1))
def test_kill_9_after_any_record_loses_nothing_and_delivers_nothing_twice(
    tmp_path: Path, record: int, how: str
) -> None:
    queue = a_queue(tmp_path)
    killed = queue.run("--jobs", "2", program=HERE / "nightly_killed.py", before=(how, str(record)))
    assert killed.code == -signal.SIGKILL, killed.stderr
    again = queue.run("--jobs", "2", "--json")
    over = record == RECORDS and how == "whole"
    assert again.code == (0 if over else 1), again.stderr
    all_is_where_it_belongs(queue)
    if not over:
        assert set(again.by_name) == {"first", "second", "unlucky", "wrong"}, "one night, one report"


def test_a_run_that_outlives_its_nightly_is_waited_for(tmp_path: Path) -> None:
    queue = Queue(tmp_path)
    queue.add("long", "Do it sleep=4")
    process = queue.start()
    wait_until(queue.started)
    process.kill()
    process.communicate()
    assert queue.run("--status").stdout.splitlines()[1].startswith("running    long")
    assert queue.run().code == 0
    assert (queue.started(), queue.lines("delivered.txt")) == (["long"], ["long"])


def test_a_run_that_was_killed_with_its_nightly_is_resumed(tmp_path: Path) -> None:
    queue = Queue(tmp_path)
    queue.add("long", "Do it sleep=4")
    process = queue.start()
    wait_until(queue.started)
    process.kill()
    process.communicate()
    os.kill(queue.pid_of("long"), signal.SIGKILL)
    time.sleep(0.1)
    status = queue.run("--status")
    assert (status.code, "dead" in status.stdout) == (1, True)
    assert queue.run().code == 0
    assert ["--resume" in line for line in queue.lines("started.txt")] == [False, True]
    assert (len(queue.runs_of("long")), queue.lines("delivered.txt")) == (1, ["long"])


@pytest.mark.parametrize("number, code", [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_stops_the_run_resumably_and_leaves_no_child(
    tmp_path: Path, number: signal.Signals, code: int
) -> None:
    queue = Queue(tmp_path)
    queue.add("long", "Do it hang")
    process = queue.start("--json")
    wait_until(queue.started)
    time.sleep(0.1)
    pid = queue.pid_of("long")
    process.send_signal(number)
    out, err = process.communicate(timeout=30)
    assert process.returncode == code, err
    assert not Path(f"/proc/{pid}").exists()
    assert queue.files()[""] == ["long"], "it stays in the queue"
    queue.add("long", "Do it hang")
    assert "was stopped" in out
    again = queue.start()
    wait_until(lambda: len(queue.started()) == 2)
    again.terminate()
    again.communicate(timeout=30)
    assert "--resume" in queue.lines("started.txt")[1]


def test_a_stopped_night_also_ends_the_run_that_outlived_an_earlier_one(tmp_path: Path) -> None:
    queue = Queue(tmp_path)
    queue.add("long", "Do it hang")
    first = queue.start()
    wait_until(queue.started)
    time.sleep(0.1)
    first.kill()
    first.communicate()
    pid = queue.pid_of("long")
    second = queue.start()
    wait_until(lambda: [entry["kind"] for entry in queue.journal()].count("started") == 2)
    time.sleep(0.3)
    second.terminate()
    second.communicate(timeout=30)
    assert second.returncode == 143
    assert queue.journal()[-2]["ending"]["outcome"]["run"] == queue.runs_of("long")[0].name, (
        "it is resumed another night"
    )
    time.sleep(0.2)
    assert not Path(f"/proc/{pid}").exists() or "Z" in Path(f"/proc/{pid}/stat").read_text().split()[2]


def test_a_damaged_journal_is_refused_with_its_line(tmp_path: Path) -> None:
    queue = Queue(tmp_path)
    queue.add("one", "Do it")
    assert queue.run().code == 0
    journal = queue.folder / ".nightly" / "journal.jsonl"
    lines = journal.read_text().splitlines()
    journal.write_text("\n".join([lines[0], "{nonsense", *lines[2:]]) + "\n")
    told = queue.run()
    assert told.code == 5
    assert "journal.jsonl, line 2" in told.stderr
