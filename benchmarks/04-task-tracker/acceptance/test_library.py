import json
import os
from dataclasses import asdict
from datetime import UTC, datetime, timedelta

import pytest
from models import Task
from storage import JSONStorage, StorageError
from tracker import TaskNotFoundError, TaskTracker


@pytest.fixture
def path(tmp_path):
    return tmp_path / "new" / "folder" / "tasks.json"


@pytest.fixture
def tracker(path):
    return TaskTracker(JSONStorage(path))


def is_now(text):
    when = datetime.fromisoformat(text)
    return when.utcoffset() == timedelta(0) and abs(when - datetime.now(UTC)) < timedelta(seconds=30)


def test_a_task_has_defaults():
    task = Task(1, "a")
    assert (task.status, task.priority, task.completed_at) == ("todo", "medium", None)
    assert is_now(task.created_at)


@pytest.mark.parametrize("fields", [{"title": ""}, {"title": " \t"}, {"status": "open"}, {"priority": "urgent"}])
def test_wrong_fields_are_refused(fields):
    with pytest.raises(ValueError):
        Task(**{"id": 1, "title": "a", **fields})


def test_a_missing_file_is_no_tasks(path):
    assert JSONStorage(path).load() == []
    assert not path.exists()


def test_what_was_saved_is_loaded(path):
    tasks = [Task(1, "é", "done", "high", "2024-01-01T00:00:00+00:00", "2024-01-02T00:00:00+00:00"), Task(7, "b")]
    JSONStorage(path).save(tasks)
    assert JSONStorage(path).load() == tasks
    assert json.loads(path.read_text(encoding="utf-8")) == {"tasks": [asdict(task) for task in tasks]}
    assert os.listdir(path.parent) == ["tasks.json"]


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", "3", '{"tasks": [{"id": 1}]}', '{"tasks": [1]}', '{"tasks": 5}'])
def test_a_broken_file_is_told_and_left(path, text):
    path.parent.mkdir(parents=True)
    path.write_text(text)
    with pytest.raises(StorageError):
        JSONStorage(path).load()
    with pytest.raises(StorageError):
        TaskTracker(JSONStorage(path)).add("a")
    assert path.read_text() == text


def test_a_save_that_fails_leaves_the_old_file_alone(path):
    storage = JSONStorage(path)
    storage.save([Task(1, "kept")])
    before = path.read_bytes()
    with pytest.raises(TypeError):
        storage.save([Task(2, "fine"), Task(3, "wrong", created_at=object())])
    assert path.read_bytes() == before
    assert os.listdir(path.parent) == ["tasks.json"]


def test_ids_go_on_after_the_highest(tracker):
    assert [tracker.add(title).id for title in "abc"] == [1, 2, 3]
    tracker.delete(2)
    assert tracker.add("d").id == 4
    tracker.delete(4)
    assert tracker.add("e").id == 4


def test_adding_is_saved(tracker, path):
    added = tracker.add("Write", "high")
    assert (added.title, added.priority, added.status) == ("Write", "high", "todo")
    assert JSONStorage(path).load() == [added]


def test_completing(tracker, path):
    for title in "ab":
        tracker.add(title)
    done = tracker.complete(2)
    assert done.status == "done"
    assert is_now(done.completed_at)
    assert [task.status for task in JSONStorage(path).load()] == ["todo", "done"]
    assert tracker.complete(2) == done
    assert JSONStorage(path).load()[1] == done


def test_deleting(tracker, path):
    for title in "abc":
        tracker.add(title)
    assert tracker.delete(2).title == "b"
    assert [task.title for task in JSONStorage(path).load()] == ["a", "c"]


@pytest.mark.parametrize("method", ["complete", "delete"])
def test_an_unknown_id(tracker, method):
    tracker.add("a")
    with pytest.raises(TaskNotFoundError):
        getattr(tracker, method)(9)
    assert issubclass(TaskNotFoundError, KeyError)
    assert len(tracker.list()) == 1


def test_lists_are_filtered_and_ordered(tracker):
    for priority in ("low", "high", "medium", "high", "low"):
        tracker.add(f"a {priority} one", priority)
    tracker.complete(2)
    tracker.complete(5)
    assert [task.id for task in tracker.list()] == [2, 4, 3, 1, 5]
    assert [task.id for task in tracker.list(status="done")] == [2, 5]
    assert [task.id for task in tracker.list(status="todo")] == [4, 3, 1]
    assert [task.id for task in tracker.list(priority="low")] == [1, 5]
    assert [task.id for task in tracker.list("done", "high")] == [2]
    assert tracker.list("done", "medium") == []


def test_statistics(tracker):
    assert tracker.statistics() == {
        "total": 0, "by_status": {"todo": 0, "done": 0}, "by_priority": {"low": 0, "medium": 0, "high": 0},
        "completion_rate": 0.0,
    }  # fmt: skip
    for priority in ("low", "low", "high"):
        tracker.add("x", priority)
    tracker.complete(1)
    assert tracker.statistics() == {
        "total": 3, "by_status": {"todo": 2, "done": 1}, "by_priority": {"low": 2, "medium": 0, "high": 1},
        "completion_rate": 0.33,
    }  # fmt: skip
