"""Whole nights with a program that pretends: budgets, turns, retries, repetition, and what is honest about the end."""

from __future__ import annotations

import fcntl
import json
import os
import time
from pathlib import Path

import pytest
from nights import Queue, wait_until

pytestmark = pytest.mark.slow


def decisions(queue: Queue) -> list[tuple[str, str]]:
    return [(e["ending"]["name"], e["ending"]["decision"]) for e in queue.journal() if e["kind"] == "ended"]


def maximum(queue: Queue, start: int, flag: str) -> float:
    words = queue.lines("started.txt")[start].split()
    return float(words[words.index(flag) + 1])


def test_no_server_is_tried_again_and_is_nothing_against_the_task(tmp_path: Path) -> None:
    queue = Queue(tmp_path)
    queue.add("lucky", "exit=3,3,0")
    queue.add("luckless", "exit=3")
    told = queue.run("--json")
    assert told.code == 3, told.stderr
    assert queue.files() == {"": ["luckless"], "done": ["lucky"], "failed": []}
    assert decisions(queue).count(("luckless", "retry")) == 2
    assert told.night["headline"] == "1 of 2 tasks passed; 1 unfinished."
    assert len(queue.runs_of("lucky")) == 1, "the run is resumed, not begun anew"


@pytest.mark.parametrize("code", [1, 2, 5, 70])
def test_a_failure_that_is_no_fault_of_the_machines_is_never_tried_again(tmp_path: Path, code: int) -> None:
    queue = Queue(tmp_path)
    queue.add("one", f"exit={code}")
    told = queue.run("--json")
    assert (told.code, queue.started()) == (code, ["one"])
    assert told.night["headline"] == "The only task failed."


def test_a_workspace_in_use_is_tried_again(tmp_path: Path) -> None:
    queue = Queue(tmp_path)
    queue.add("one", "Do it")
    own = queue.work / "one" / ".nightshift"
    own.mkdir(parents=True)
    held = os.open(own / "lock", os.O_RDWR | os.O_CREAT)
    fcntl.flock(held, fcntl.LOCK_EX)
    process = queue.start("--retries", "9")
    journal = queue.folder / ".nightly" / "journal.jsonl"
    wait_until(lambda: journal.exists() and '"retry"' in journal.read_text())
    os.close(held)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, out + err
    assert ("one", "retry") in decisions(queue)
    assert queue.files()["done"] == ["one"]


def test_a_run_that_something_killed_is_resumed(tmp_path: Path) -> None:
    queue = Queue(tmp_path)
    queue.add("one", "Do it die")
    told = queue.run()
    assert told.code == 0, told.stderr
    assert (len(queue.runs_of("one")), queue.lines("delivered.txt")) == (1, ["one"])


def test_the_nights_budget_is_shared_and_a_hard_task_is_put_aside_until_the_others_had_their_turn(
    tmp_path: Path,
) -> None:
    queue = Queue(tmp_path)
    queue.add("hard", "needs=70")
    queue.add("middle", "Do it " + "x" * 500)
    queue.add("other", "Do it " + "x" * 600)
    told = queue.run("--max-minutes", "90", "--json")
    assert told.code == 0, told.stderr
    assert decisions(queue) == [("hard", "aside"), ("middle", "done"), ("other", "done"), ("hard", "done")]
    assert maximum(queue, 0, "--max-minutes") == pytest.approx(30, abs=0.1), "a third"
    assert maximum(queue, 3, "--max-minutes") > 70, "what it used counts, and all that is left is added"
    assert "--resume" in queue.lines("started.txt")[3]


def test_calls_and_tokens_of_all_tasks_count_against_the_night(tmp_path: Path) -> None:
    queue = Queue(tmp_path)
    queue.add("a", "calls=6 tokens=100")
    queue.add("b", "calls=4 tokens=100 and more text")
    queue.add("c", "calls=1 tokens=100 and much more text than that")
    told = queue.run("--max-calls", "10", "--json")
    assert (told.code, queue.started()) == (4, ["a", "b"]), "after ten calls nothing is begun"
    assert told.by_name["c"]["message"] == "no budget was left for it"
    assert told.night["headline"] == "2 of 3 tasks passed; 1 not begun."


def test_a_task_at_its_own_limit_has_failed_and_goes_on_when_it_gets_more(tmp_path: Path) -> None:
    queue = Queue(tmp_path)
    queue.add("one", "needs=70", "[limits]\nminutes = 40")
    assert queue.run().code == 4
    assert queue.files()["failed"] == ["one"]
    (queue.folder / "failed" / "one.md").unlink()
    queue.add("one", "needs=70", "[limits]\nminutes = 90")
    assert queue.run().code == 0
    assert "--resume" in queue.lines("started.txt")[1]


def test_a_failed_task_is_done_again_when_it_is_moved_back(tmp_path: Path) -> None:
    queue = Queue(tmp_path)
    queue.add("one", "exit=1,0")
    assert queue.run().code == 1
    (queue.folder / "failed" / "one.md").rename(queue.folder / "one.md")
    assert queue.run().code == 0
    assert len(queue.runs_of("one")) == 2, "anew"
    assert queue.files() == {"": [], "done": ["one"], "failed": []}


def test_nothing_in_done_is_overwritten(tmp_path: Path) -> None:
    queue = Queue(tmp_path)
    for text in ("Do it", "Do something else"):
        queue.add("one", text)
        assert queue.run().code == 0
    done = queue.folder / "done"
    assert [(done / f"{name}.md").read_text() for name in ("one", "one-2")] == ["Do it", "Do something else"]


def test_a_task_that_is_repeated_runs_once_a_night_and_stays(tmp_path: Path) -> None:
    queue = Queue(tmp_path)
    queue.add("daily", "Do it", "repeat = true")
    queue.add("after", "Do it too", 'after = ["daily"]')
    assert (queue.run().code, queue.run().code) == (0, 0)
    assert queue.started() == ["daily", "after", "daily"]
    assert queue.files() == {"": ["daily"], "done": ["after"], "failed": []}
    results = sorted(path.name for path in (queue.folder / "done").glob("daily*"))
    assert results == ["daily-2.result.json", "daily.result.json"]


def test_a_task_that_two_nights_passed_over_gets_its_turn(tmp_path: Path) -> None:
    queue = Queue(tmp_path)
    queue.add("hard", "calls=1 " + "x" * 5000)
    for night in range(3):
        queue.add(f"easy{night}", "calls=1")
        assert queue.run("--max-calls", "1").code == 4
    assert queue.started() == ["easy0", "easy1", "hard"]


def test_a_deadline_ends_a_run_that_does_not_end_itself(tmp_path: Path) -> None:
    """The night's time is over, its grace too: the task is put by for another night, and nothing is left running."""
    queue = Queue(tmp_path)
    queue.add("one", "Do it hang")
    told = queue.run("--max-minutes", "0.03", "--grace-minutes", "0", "--json")
    assert told.code == 4, told.stderr
    assert queue.files()[""] == ["one"]
    assert told.night["headline"] == "The only task is unfinished."


def test_runs_on_different_servers_go_side_by_side_and_on_the_same_one_after_the_other(tmp_path: Path) -> None:
    queue = Queue(tmp_path)
    for name, port in (("a", 1), ("b", 2), ("c", 1)):
        queue.add(name, "sleep=0.6", f'endpoint = "http://127.0.0.1:{port}"')
    assert queue.run("--jobs", "3").code == 0
    kinds = [
        (e["kind"], e.get("name") or e["ending"]["name"]) for e in queue.journal() if e["kind"] in ("started", "ended")
    ]
    assert kinds[:2] == [("started", "a"), ("started", "b")]
    assert kinds.index(("ended", "a")) < kinds.index(("started", "c"))


def test_two_queues_share_a_server_one_run_at_a_time(tmp_path: Path) -> None:
    one, other = Queue(tmp_path), Queue(tmp_path / "other")
    other.base.mkdir()
    one.add("a", "hang")
    other.add("b", "sleep=0")
    (other.base / "home").symlink_to(tmp_path / "home")
    (tmp_path / "home").mkdir()
    first = one.start()
    wait_until(one.started)
    second = other.start()
    journal = other.folder / ".nightly" / "journal.jsonl"
    wait_until(lambda: journal.exists() and '"started"' in journal.read_text())
    time.sleep(0.5)
    assert other.started() == []
    first.terminate()
    assert (first.communicate(timeout=30), first.returncode)[1] == 143
    assert (second.communicate(timeout=30), second.returncode)[1] == 0


def test_one_nightly_at_a_queue(tmp_path: Path) -> None:
    queue = Queue(tmp_path)
    queue.add("a", "hang")
    first = queue.start()
    wait_until(queue.started)
    second = queue.run()
    assert (second.code, "is being worked on by another nightly.py" in second.stderr) == (5, True)
    first.terminate()
    assert (first.communicate(timeout=30), first.returncode)[1] == 143


def test_status_tells_slow_from_dead(tmp_path: Path) -> None:
    queue = Queue(tmp_path)
    queue.add("one", "hang")
    process = queue.start()
    wait_until(queue.started)
    time.sleep(0.2)
    heartbeat = queue.runs_of("one")[0] / "heartbeat"
    alive = queue.run("--status", "--json")
    heartbeat.write_text(f"{int(time.time()) - 3600}\n")
    slow = queue.run("--status", "--json")
    process.terminate()
    process.communicate(timeout=30)
    told = [json.loads(status.stdout)["tasks"][0] for status in (alive, slow)]
    assert [one["state"] for one in told] == ["running", "slow"]
    assert "its process lives" in told[1]["told"]
    assert (alive.code, slow.code) == (0, 0)


def test_an_empty_queue_is_a_quiet_night(tmp_path: Path) -> None:
    queue = Queue(tmp_path)
    queue.folder.mkdir()
    queue.work.mkdir()
    told = queue.run("--json")
    assert (told.code, told.night["headline"]) == (0, "No task was waiting.")


def test_all_failed_is_said_in_the_first_line_and_a_failing_notification_changes_nothing(tmp_path: Path) -> None:
    queue = Queue(tmp_path)
    queue.add("a", "exit=1")
    queue.add("b", "exit=5")
    told = queue.run("--json", "--notify", "exit 9")
    assert told.code == 5
    assert "--notify exit 9: exit code 9" in told.stderr
    report = Path(told.night["report"]).with_suffix(".md").read_text()
    assert report.startswith("# All 2 tasks failed.\n")


def test_what_passed_by_its_own_checks_only_is_said_so(tmp_path: Path) -> None:
    queue = Queue(tmp_path)
    queue.add("a", "proof=self")
    told = queue.run("--json")
    assert told.night["headline"] == "The only task passed. 1 passed its own checks only."
