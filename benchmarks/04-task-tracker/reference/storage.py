"""Tasks in a JSON file that is always whole."""

import json
import os
import tempfile
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

from models import Task


class StorageError(Exception):
    """The file is not one of ours."""


class JSONStorage:
    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

    def load(self) -> list[Task]:
        if not self.path.exists():
            return []
        try:
            data = json.loads(self.path.read_text(encoding="utf-8"))
            return [Task(**task) for task in data["tasks"]]
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise StorageError(f"{self.path} holds no tasks: {error}") from error

    def save(self, tasks: Iterable[Task]) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=self.path.parent)
        try:
            with open(handle, "w", encoding="utf-8") as file:
                json.dump({"tasks": [asdict(task) for task in tasks]}, file)
            os.replace(name, self.path)
        except BaseException:
            os.unlink(name)
            raise
