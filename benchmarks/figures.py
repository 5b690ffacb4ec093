"""Measuring: a figure with its spread and the target it has to meet, and the ways to take the time of something."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

Verdict = Literal["", "ok", "MISSED"]
Action = Callable[[], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class Figure:
    name: str
    value: float
    """The median, where it was taken more than once."""
    unit: str = ""
    at_most: float | None = None
    at_least: float | None = None
    values: tuple[float, ...] = ()
    """In the order they were taken."""
    how: str = ""

    @property
    def verdict(self) -> Verdict:
        """Empty when there is no target."""
        low = self.at_least is None or self.value >= self.at_least
        high = self.at_most is None or self.value <= self.at_most
        if self.at_least is None and self.at_most is None:
            return ""
        return "ok" if low and high else "MISSED"

    def as_json(self) -> dict[str, Any]:
        target = {"at_most": self.at_most} if self.at_most is not None else {"at_least": self.at_least}
        spread = {"min": min(self.values), "max": max(self.values), "repeats": len(self.values)} if self.values else {}
        told = {"name": self.name, "value": round(self.value, 4), "unit": self.unit, "how": self.how}
        return (
            told
            | {key: round(value, 4) for key, value in spread.items()}
            | (target | {"verdict": self.verdict} if self.verdict else {})
        )

    def __str__(self) -> str:
        unit = f" {self.unit}" if self.unit else ""
        spread = f" ({min(self.values):.3g} to {max(self.values):.3g}, n={len(self.values)})" if self.values else ""
        bound = f", at most {self.at_most:g}{unit}" if self.at_most is not None else ""
        bound += f", at least {self.at_least:g}{unit}" if self.at_least is not None else ""
        return f"{self.verdict:<6} {self.name}: {self.value:.4g}{unit}{spread}{bound}" + (self.how and f"; {self.how}")


def figure_of(name: str, values: Sequence[float], unit: str = "", **more: Any) -> Figure:
    """The median of values and their spread."""
    return Figure(name, statistics.median(values), unit, values=tuple(values), **more)


@dataclass(frozen=True, slots=True)
class Cost:
    """Seconds."""

    wall: float
    cpu: float
    """Of this thread."""

    @property
    def share(self) -> float:
        """Percent of one core."""
        return 100 * self.cpu / self.wall


async def cost_of(action: Action) -> Cost:
    wall, cpu = time.perf_counter(), time.thread_time()
    await action()
    return Cost(time.perf_counter() - wall, time.thread_time() - cpu)


async def in_turns(first: Action, second: Action, times: int) -> tuple[list[Cost], list[Cost]]:
    """What both cost, pair by pair, each as often the first of its pair as the other."""
    costs: tuple[list[Cost], list[Cost]] = ([], [])
    for number in range(times):
        for which in (0, 1) if number % 2 else (1, 0):
            costs[which].append(await cost_of((first, second)[which]))
    return costs


async def until(holds: Callable[[], Awaitable[bool]], patience: float, *, pause: float = 0.005) -> float:
    """Seconds until it holds, at most `patience`."""
    started = time.monotonic()
    while not await holds() and time.monotonic() - started < patience:
        await asyncio.sleep(pause)
    return time.monotonic() - started
