"""A ChatModel that answers from a recorded run, by role and place, whatever the prompt says now.

For the demo and for tests. Does not promise that the reply suits the prompt: the request's hash is ignored on
purpose, so that an edited prompt does not break a tape. A resumed run must match and does not use this.
"""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict, deque
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from nightshift.domain import Completion, Listener, Request, Waiting
from nightshift.errors import ModelServerError
from nightshift.llm.calls import completion_from_fields


class TapeModel:
    """Records of one role and span are used in their order, each once."""

    def __init__(
        self, calls: Iterable[Mapping[str, Any]], *, delay: float = 0.0, listener: Listener = lambda _: None
    ) -> None:
        self._delay = delay
        self._listener = listener
        self._replies: dict[tuple[str, str], deque[Mapping[str, Any]]] = defaultdict(deque)
        for call in calls:
            self._replies[call["role"], call["span"]].append(call)

    @classmethod
    def from_file(cls, path: Path, *, delay: float = 0.0, listener: Listener = lambda _: None) -> TapeModel:
        return cls(read_tape(path), delay=delay, listener=listener)

    async def complete(self, request: Request) -> Completion:
        replies = self._replies.get((request.role, request.span))
        if not replies:
            raise ModelServerError(
                f"the tape has no further reply for {request.role} at {request.span}; record a new one",
                fault="tape_end",
            )
        fields = replies.popleft()
        self._listener(Waiting(request.role, request.span, "tape"))
        try:
            await asyncio.sleep(self._delay)
        finally:
            self._listener(Waiting(request.role, request.span, "nothing"))
        return completion_from_fields(fields)


def read_tape(path: Path) -> list[dict[str, Any]]:
    """The `call` records of a trace."""
    lines = path.read_text(encoding="utf-8").split("\n")
    records = [_record(path, number, line) for number, line in enumerate(lines, 1) if line.strip()]
    return [record for record in records if record.get("kind") == "call"]


def _record(path: Path, number: int, line: str) -> dict[str, Any]:
    try:
        record = json.loads(line)
    except ValueError as error:
        raise ModelServerError(
            f"{path}, line {number}: not a JSON object ({error})", fault="tape_unreadable"
        ) from error
    if not isinstance(record, dict):
        raise ModelServerError(f"{path}, line {number}: not a JSON object", fault="tape_unreadable")
    return record
