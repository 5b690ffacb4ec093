"""What is tracked."""

from dataclasses import dataclass, field
from datetime import UTC, datetime

STATUSES = ("todo", "done")
PRIORITIES = ("low", "medium", "high")


def now() -> str:
    return datetime.now(UTC).isoformat()


@dataclass
class Task:
    id: int
    title: str
    status: str = "todo"
    priority: str = "medium"
    created_at: str = field(default_factory=now)
    completed_at: str | None = None

    def __post_init__(self) -> None:
        if not self.title.strip():
            raise ValueError("a task needs a title")
        if self.status not in STATUSES:
            raise ValueError(f"status {self.status!r} is none of {', '.join(STATUSES)}")
        if self.priority not in PRIORITIES:
            raise ValueError(f"priority {self.priority!r} is none of {', '.join(PRIORITIES)}")
