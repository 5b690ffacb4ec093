"""What can be done with tasks; each change is loaded, made and saved."""

from dataclasses import replace
from typing import Any

from models import PRIORITIES, STATUSES, Task, now
from storage import JSONStorage


class TaskNotFoundError(KeyError):
    """No task has this id."""


class TaskTracker:
    def __init__(self, storage: JSONStorage) -> None:
        self._storage = storage

    def add(self, title: str, priority: str = "medium") -> Task:
        tasks = self._storage.load()
        task = Task(max((task.id for task in tasks), default=0) + 1, title, priority=priority)
        self._storage.save([*tasks, task])
        return task

    def complete(self, task_id: int) -> Task:
        tasks = self._storage.load()
        task = _found(tasks, task_id)
        if task.status != "done":
            done = replace(task, status="done", completed_at=now())
            self._storage.save([done if each is task else each for each in tasks])
            return done
        return task

    def delete(self, task_id: int) -> Task:
        tasks = self._storage.load()
        task = _found(tasks, task_id)
        self._storage.save([each for each in tasks if each is not task])
        return task

    def list(self, status: str | None = None, priority: str | None = None) -> list[Task]:
        fitting = [
            task for task in self._storage.load()
            if status in (None, task.status) and priority in (None, task.priority)
        ]  # fmt: skip
        return sorted(fitting, key=lambda task: (-PRIORITIES.index(task.priority), task.id))

    def statistics(self) -> dict[str, Any]:
        tasks = self._storage.load()
        done = sum(task.status == "done" for task in tasks)
        return {
            "total": len(tasks),
            "by_status": {name: sum(task.status == name for task in tasks) for name in STATUSES},
            "by_priority": {name: sum(task.priority == name for task in tasks) for name in PRIORITIES},
            "completion_rate": round(done / len(tasks), 2) if tasks else 0.0,
        }


def _found(tasks: list[Task], task_id: int) -> Task:
    for task in tasks:
        if task.id == task_id:
            return task
    raise TaskNotFoundError(f"no task {task_id}")
