"""One world: a model of some profile faces one benchmark task; its errors are correlated, in code and in tests.

The rates of right files and right asserts come from the distributions that were calibrated for single functions (see
benchmarks/simulated). Assumed is the rest: that the level of a task is its place among the difficult ones, and by how
much more often longer files go wrong.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from math import sqrt
from random import Random

from benchmarks.simulated.profiles import Profile
from benchmarks.simulated.worlds import perturbed, quantile, writable
from benchmarks.simulated_tasks.knowledge import Knowledge, Wrong

FUNCTION_LINES = 15
"""Of the tasks that the profiles were calibrated with."""
HARDEST = 2.0
"""The exponent of the longest files."""
SPREAD = 0.3
"""How far tasks of one level, and seeds of one task, lie apart in the range of difficulties."""
POOL = 14
"""Calls of one file that this model thinks of: samples of its tests overlap."""
BLAMES: Mapping[str, float] = {"2B": 0.35, "4B": 0.45, "7B": 0.55, "14B": 0.65, "32B": 0.75, "80B": 0.85}
"""How often the analyst names the file at fault. Assumed."""


@dataclass(frozen=True, slots=True)
class Draft:
    """A candidate before it is written: what is wrong in it, and whether there is an error on the surface."""

    wrongs: tuple[Wrong, ...] = ()
    flawed: bool = False


@dataclass(frozen=True, slots=True)
class Claim:
    """What a simulated test claims of a call."""

    call: int
    value: str
    right: bool


@dataclass(frozen=True)
class World:
    knowledge: Knowledge
    profile: Profile
    seed: int

    def random(self, key: str) -> Random:
        return Random(f"{self.knowledge.task.name}/{self.profile.name}/{self.seed}/{key}")

    @cached_property
    def _place(self) -> float:
        """In the range of difficulties: by the level of the task, give or take; the same for every profile."""
        turn = int(sha256(self.knowledge.task.name.encode()).hexdigest()[:8], 16) / 16**8
        around = (turn + 0.6180339887 * self.seed) % 1.0 - 0.5
        return min(0.98, max(0.02, 1 - (self.knowledge.task.level - 0.5) / 10 + SPREAD * around))

    def right_rate(self, path: str) -> float:
        rate = quantile(self.profile.right, self.profile.shape.spread, self._place)
        lines = self.knowledge.text(path).count("\n") - self.knowledge.started(path).count("\n") // 2
        return float(max(rate, 1e-9) ** min(HARDEST, max(0.5, sqrt(max(1, lines) / FUNCTION_LINES))))

    @cached_property
    def right_asserts(self) -> float:
        return quantile(self.profile.right_asserts, self.profile.shape.test_spread, self._place)

    @property
    def blames(self) -> float:
        return BLAMES.get(self.profile.name, 0.5)

    def popular(self, path: str) -> tuple[Sequence[Wrong], Sequence[float]]:
        """The slips of a file, and how often each is made: some are favourites of this world."""
        wrongs = sorted(self.knowledge.wrongs.get(path, ()), key=lambda wrong: (wrong.unit, wrong.text))
        known = list(self.knowledge.believed(path))
        ranked = [*known, *(wrong for wrong in wrongs if wrong not in known)]
        self.random(f"favourites of {path}").shuffle(ranked)
        ranked.sort(key=lambda wrong: wrong not in known)
        return ranked, [rank**-self.profile.shape.favourites for rank in range(1, len(ranked) + 1)]

    def draft(self, path: str, random: Random) -> Draft:
        """One candidate."""
        wrongs, weights = self.popular(path)
        if random.random() < self.right_rate(path):
            return Draft()
        flawed = random.random() < self.profile.shape.flawed
        if not wrongs or (flawed and random.random() < 0.5):
            return Draft((), True)
        drawn = random.choices(wrongs, weights, k=1 + (random.random() < 0.4) + (random.random() < 0.15))
        return Draft(tuple({wrong.unit: wrong for wrong in drawn}.values()), flawed)

    def slip(self, path: str, unit: str, random: Random) -> Wrong | None:
        wrongs, weights = self.popular(path)
        own = [(wrong, weight) for wrong, weight in zip(wrongs, weights, strict=True) if wrong.unit == unit]
        return random.choices([w for w, _ in own], [weight for _, weight in own])[0] if own else None

    def claims(self, path: str, random: Random, count: int, *, again: bool = False) -> list[Claim]:
        """The claims of one test file; told what was wrong, a wrong one is mended as often as code is in a repair."""
        own = [number for number, call in enumerate(self.knowledge.calls) if call.path == path]
        pool = self.random(f"calls of {path}").sample(own, min(POOL, len(own)))
        rate = self.right_asserts
        rate += (1 - rate) * self.profile.craft.mends if again else 0.0
        return [self._claim(path, number, rate, random) for number in random.sample(pool, min(count, len(pool)))]

    def _claim(self, path: str, number: int, rate: float, random: Random) -> Claim:
        expected = self.knowledge.calls[number].value
        if random.random() < rate:
            return Claim(number, expected, True)
        believed = [v[number] for v in self.knowledge.believed(path).values() if writable(v.get(number, "!slow"))]
        if believed and random.random() < self.profile.shape.believed:
            return Claim(number, random.choice(believed), False)
        value = perturbed(expected, random)
        return Claim(number, value, value == expected)

    def bending(self, path: str, claim: Claim) -> Wrong | None:
        """A slip that makes a wrong claim hold, where one is known."""
        believed = self.knowledge.believed(path)
        return next((wrong for wrong, changes in believed.items() if changes.get(claim.call) == claim.value), None)
