"""What the queue holds."""

from dataclasses import dataclass, field
from datetime import UTC, datetime

STATUSES = ("pending", "running", "done")


@dataclass
class Task:
    id: str
    title: str
    priority: int = 0
    status: str = "pending"
    created_at: datetime = field(default_factory=lambda: datetime.now(UTC))

    def __post_init__(self) -> None:
        if not self.title.strip():
            raise ValueError("a task needs a title")
        if self.status not in STATUSES:
            raise ValueError(f"status {self.status!r} is none of {', '.join(STATUSES)}")
