"""What is kept."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Bookmark:
    id: int
    url: str
    title: str
    tags: list[str]
    created_at: str
    updated_at: str
