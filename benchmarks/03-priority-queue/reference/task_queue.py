"""Tasks by priority; equals in the order they came."""

from models import Task


class TaskQueue:
    def __init__(self) -> None:
        self._tasks: dict[str, Task] = {}

    def add(self, task: Task) -> None:
        if task.id in self._tasks:
            raise ValueError(f"task {task.id!r} is already in the queue")
        self._tasks[task.id] = task

    def pop(self) -> Task:
        return self.remove(self.peek().id)

    def peek(self) -> Task:
        if not self._tasks:
            raise IndexError("the queue is empty")
        return self.list_by_priority()[0]

    def remove(self, task_id: str) -> Task:
        return self._tasks.pop(task_id)

    def list_by_priority(self) -> list[Task]:
        return sorted(self._tasks.values(), key=lambda task: -task.priority)

    def __len__(self) -> int:
        return len(self._tasks)

    def __contains__(self, task_id: str) -> bool:
        return task_id in self._tasks
