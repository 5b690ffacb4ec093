"""The prompts of a whole run of the demo, to be sent to a real server: as they are, or with their layout shuffled."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from nightshift.domain import Message, Request
from nightshift.errors import ConfigError
from nightshift.records import Record, find_run, read_trace

ORCHESTRATOR = Path(__file__).resolve().parents[2] / "orchestrator.py"
HEADING = "\n# "

Waves = Sequence[Sequence[Request]]
"""The calls of a run in their order; those of a wave were in flight together."""


def demo_waves() -> Waves:
    """Runs the demo and takes its calls from the trace."""
    with tempfile.TemporaryDirectory(prefix="nightshift-benchmark-") as folder:
        done = subprocess.run(
            [sys.executable, str(ORCHESTRATOR), "--demo", "--no-memory", "--quiet",
             "--workspace", f"{folder}/workspace"],
            env={**os.environ, "XDG_STATE_HOME": f"{folder}/state"}, stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, check=False,
        )  # fmt: skip
        if done.returncode:
            why = f"the demo, whose calls are sent again, ended with exit code {done.returncode}"
            raise ConfigError(f"{why}: see `python3 orchestrator.py --demo`")
        return waves_of(read_trace(find_run(Path(folder) / "workspace") / "trace.jsonl"))


def waves_of(records: Sequence[Record]) -> Waves:
    """Calls with nothing but calls between them are one wave: whatever the loop decides, it records."""
    waves: list[list[Request]] = []
    going_on = False
    for record in records:
        calling = record.kind in ("asked", "call")
        if calling and not going_on:
            waves.append([])
        if record.kind == "call":
            waves[-1].append(_request(record.span, record.fields))
        going_on = calling
    return [wave for wave in waves if wave]


def shuffled(request: Request) -> Request:
    """The same prompt with its sections, the role's rules among them, in an order of this call's own."""
    system, user = (message.content for message in request.messages)
    sections = [system, *f"\n{user}".removeprefix(HEADING).split(HEADING)]
    random.Random(request.span).shuffle(sections)
    first, *others = sections
    return replace(request, messages=(Message("system", first), Message("user", "# " + HEADING.join(others))))


def shareable(waves: Waves) -> float:
    """The share of the prompts' bytes that begin like an earlier prompt: no server could have more in its cache."""
    earlier: list[bytes] = []
    common = total = 0
    for request in (request for wave in waves for request in wave):
        prompt = "".join(f"{message.role}\n{message.content}\n" for message in request.messages).encode()
        common += max((_common(prompt, other) for other in earlier), default=0)
        total += len(prompt)
        earlier.append(prompt)
    return common / total


def _common(a: bytes, b: bytes) -> int:
    """Bytes at their beginning that both have."""
    return next((number for number, (x, y) in enumerate(zip(a, b)) if x != y), min(len(a), len(b)))  # noqa: B905


def _request(span: str, fields: Mapping[str, Any]) -> Request:
    return Request(fields["role"], span, tuple(Message(**message) for message in fields["messages"]))
