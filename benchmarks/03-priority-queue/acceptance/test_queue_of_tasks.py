from dataclasses import is_dataclass
from datetime import UTC, datetime, timedelta

import pytest
from models import Task
from task_queue import TaskQueue


def filled(*priorities):
    queue = TaskQueue()
    for number, priority in enumerate(priorities):
        queue.add(Task(f"t{number}", f"title {number}", priority))
    return queue


def ids(tasks):
    return [task.id for task in tasks]


def test_a_task_has_defaults():
    task = Task("a", "Write")
    assert is_dataclass(task)
    assert (task.id, task.title, task.priority, task.status) == ("a", "Write", 0, "pending")


def test_a_task_is_created_now_in_utc():
    now = datetime.now(UTC)
    created = Task("a", "Write").created_at
    assert created.utcoffset() == timedelta(0)
    assert abs(created - now) < timedelta(seconds=30)


def test_fields_in_order():
    when = datetime(2024, 1, 2, tzinfo=UTC)
    assert Task("a", "b", 3, "done", when) == Task(id="a", title="b", priority=3, status="done", created_at=when)


@pytest.mark.parametrize("title", ["", "  ", "\n"])
def test_a_task_needs_a_title(title):
    with pytest.raises(ValueError):
        Task("a", title)


@pytest.mark.parametrize("status", ["pending", "running", "done"])
def test_known_statuses(status):
    assert Task("a", "b", status=status).status == status


@pytest.mark.parametrize("status", ["", "DONE", "open"])
def test_unknown_statuses(status):
    with pytest.raises(ValueError):
        Task("a", "b", status=status)


def test_the_highest_priority_comes_first():
    queue = filled(1, 5, -2, 3)
    assert ids(queue.pop() for _ in range(4)) == ["t1", "t3", "t0", "t2"]


def test_equals_come_in_the_order_they_were_added():
    queue = filled(2, 1, 2, 2, 1)
    assert ids(queue.pop() for _ in range(5)) == ["t0", "t2", "t3", "t1", "t4"]


def test_peeking_takes_nothing_out():
    queue = filled(1, 2)
    assert queue.peek().id == queue.peek().id == "t1"
    assert len(queue) == 2


def test_the_list_is_in_order_and_takes_nothing_out():
    queue = filled(1, 5, 1, 7)
    assert ids(queue.list_by_priority()) == ["t3", "t1", "t0", "t2"]
    assert len(queue) == 4
    queue.list_by_priority().clear()
    assert len(queue) == 4


def test_an_empty_queue():
    queue = TaskQueue()
    assert len(queue) == 0
    assert queue.list_by_priority() == []
    for method in (queue.pop, queue.peek):
        with pytest.raises(IndexError):
            method()


def test_a_known_id_is_refused():
    queue = filled(1, 2)
    with pytest.raises(ValueError):
        queue.add(Task("t0", "again", 9))
    assert [(task.id, task.title) for task in queue.list_by_priority()] == [("t1", "title 1"), ("t0", "title 0")]


def test_removing():
    queue = filled(1, 2, 3)
    assert queue.remove("t1").title == "title 1"
    assert ids(queue.list_by_priority()) == ["t2", "t0"]
    assert "t1" not in queue
    assert "t0" in queue


def test_removing_what_is_not_there():
    with pytest.raises(KeyError):
        filled(1).remove("t9")


def test_a_removed_task_added_again_is_the_last_of_its_equals():
    queue = filled(1, 1, 1)
    queue.add(queue.remove("t0"))
    assert ids(queue.list_by_priority()) == ["t1", "t2", "t0"]


def test_a_popped_id_is_free():
    queue = filled(4)
    queue.add(queue.pop())
    assert len(queue) == 1
