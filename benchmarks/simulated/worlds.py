"""One world: a model of some profile faces one task. Its errors are correlated, in its candidates and in its tests.

How hard the task is, which errors are popular and how many asserts are right is drawn once for a world from its name;
a candidate or a test is then a draw within the world. Worlds of neighbouring seeds are spread evenly over the range of
difficulties, so that few of them already show the rates of many.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from random import Random
from statistics import NormalDist

from benchmarks.simulated.errors import Error, Errors
from benchmarks.simulated.profiles import Profile

_GOLDEN = (math.sqrt(5) - 1) / 2
_NORMAL = NormalDist()


@dataclass(frozen=True, slots=True)
class Assert:
    """What a simulated test claims."""

    call: int
    value: str
    """As behaviours tell it; ! marks an exception."""


@dataclass(frozen=True, slots=True)
class Draft:
    """A candidate before it is written: what is wrong in it, and whether there is an error on the surface too."""

    wrongs: tuple[Error, ...] = ()
    flawed: bool = False


@dataclass(frozen=True, eq=False)
class World:
    errors: Errors
    name: str
    rate: float
    """Of right candidates."""
    profile: Profile
    weights: Mapping[str, Sequence[float]]
    """Unit -> popularity of its slips."""
    misread: Sequence[float]
    """Popularity of the misreadings."""
    unit_rates: Mapping[str, float]
    """Unit -> how often it is wrong."""
    assert_rates: Sequence[float]
    """How often an assert on each call is right."""

    def random(self, span: str) -> Random:
        return Random(f"{self.name}/{span}")

    def draft(self, random: Random, *, hinted: bool = False) -> Draft:
        """One candidate, before it is written down."""
        if random.random() < self.rate:
            return Draft()
        shape, free = self.profile.shape, hinted and random.random() < self.profile.craft.hinted
        flawed = random.random() < shape.flawed
        if flawed and random.random() < 0.5:
            return Draft((), flawed)
        if self.misread and random.random() < shape.misread:
            weights = None if free else self.misread
            return Draft((random.choices(self.errors.misreadings, weights)[0],), flawed)
        return Draft(tuple(self.slip(unit, random, free=free) for unit in self._slipping(random)), flawed)

    def _slipping(self, random: Random) -> list[str]:
        if random.random() < self.profile.craft.alone:
            return random.choices(list(self.unit_rates), [rate + 1e-9 for rate in self.unit_rates.values()])
        while True:
            if found := [unit for unit, rate in self.unit_rates.items() if random.random() < rate]:
                return found

    def slip(self, unit: str, random: Random, *, free: bool = False) -> Error:
        """An error of one unit: a popular one, or any when `free`."""
        return random.choices(self.errors.slips[unit], None if free else self.weights[unit])[0]

    def asserts(self, random: Random, count: int) -> list[Assert]:
        """The asserts of one test file, each on another call."""
        calls = range(len(self.errors.expected))
        return [self._assert(call, random) for call in random.sample(calls, min(count, len(calls)))]

    def _assert(self, call: int, random: Random) -> Assert:
        expected = self.errors.expected[call]
        if random.random() < self.assert_rates[call]:
            return Assert(call, expected)
        believed = self.believed[call]
        if believed and random.random() < self.profile.shape.believed:
            values = list(believed)
            return Assert(call, random.choices(values, [believed[value] for value in values])[0])
        return Assert(call, perturbed(expected, random))

    @cached_property
    def believed(self) -> Sequence[Mapping[str, float]]:
        """For each call, the wrong values that errors of this world lead to, by popularity."""
        found: list[dict[str, float]] = [{} for _ in self.errors.expected]
        for error, weight in self._popularity():
            for call in error.altered:
                value = error.values[call]
                if writable(self.errors.shown[value]):
                    found[call][value] = found[call].get(value, 1e-12) + weight
        return found

    def _popularity(self) -> list[tuple[Error, float]]:
        share = self.profile.shape.misread if self.misread else 0.0
        total = sum(self.unit_rates.values()) or 1.0
        found = [(e, share * w) for e, w in zip(self.errors.misreadings, self.misread, strict=True)]
        for unit, rate in self.unit_rates.items():
            pairs = zip(self.errors.slips[unit], self.weights[unit], strict=True)
            found += [(e, (1 - share) * rate / total * w) for e, w in pairs]
        return found


def world(errors: Errors, number: int, seed: int, profile: Profile) -> World:
    """`number` is the place of the task among all."""
    shape, name = profile.shape, f"{errors.knowledge.name}/{seed}"
    random = Random(f"world {name}")
    place = (_GOLDEN * (16 * number + seed + 1)) % 1.0
    rate = quantile(profile.right, shape.spread, place)
    shared = shape.together * _NORMAL.inv_cdf(min(max(place, 1e-6), 1 - 1e-6))
    other = math.sqrt(1 - shape.together**2) * random.gauss(0, 1)
    right_asserts = quantile(profile.right_asserts, shape.test_spread, _NORMAL.cdf(shared + other))
    slips = {unit: found for unit, found in errors.slips.items() if found}
    sizes = {unit: len(found) for unit, found in slips.items()}
    weights = {unit: _popular(found, shape.subtle, shape.favourites, random) for unit, found in slips.items()}
    misread = _popular(errors.misreadings, 0.0, shape.favourites, random)
    # Longer units go wrong more often; together they leave the rate.
    unit_rates = {unit: 1 - max(rate, 1e-9) ** (size / sum(sizes.values())) for unit, size in sizes.items()}
    made = World(errors, name, rate, profile, weights, misread, unit_rates, ())
    return World(errors, name, rate, profile, weights, misread, unit_rates, _assert_rates(made, right_asserts))


def _popular(errors: Sequence[Error], subtle: float, favourites: float, random: Random) -> list[float]:
    """Popularity by rank in an order that differs from world to world; it sums to 1."""
    ranks = list(range(1, len(errors) + 1))
    random.shuffle(ranks)
    share = [len(e.altered) / len(e.values) for e in errors]
    raw = [math.exp(-subtle * s) * rank**-favourites for s, rank in zip(share, ranks, strict=True)]
    return [each / sum(raw) for each in raw]


def _assert_rates(world: World, rate: float) -> list[float]:
    """Around the rate of the world, higher for calls that few errors change."""
    hard = [sum(world.believed[call].values()) for call in range(len(world.errors.expected))]
    mean = sum(hard) / len(hard)
    rate = min(max(rate, 1e-6), 1 - 1e-6)
    offset = math.log(rate / (1 - rate))
    shifts = [world.profile.shape.ease * (mean - each) / (mean or 1.0) for each in hard]
    return [1 / (1 + math.exp(-(offset + shift))) for shift in shifts]


@lru_cache(maxsize=64)
def _table(mean: float, spread: float) -> list[float]:
    random = Random(0)
    return sorted(random.betavariate(mean * spread, (1 - mean) * spread) for _ in range(20_001))


def quantile(mean: float, spread: float, place: float) -> float:
    """Of the Beta distribution with that mean and sum of parameters."""
    return _table(mean, spread)[round(20_000 * place)]


@lru_cache(maxsize=100_000)
def writable(value: str) -> bool:
    """Whether a test can name it: a literal, or the name of an exception."""
    if value.startswith("!"):
        return value not in ("!slow", "!RecursionError", "!Slow") and value[1:].isidentifier()
    try:
        ast.literal_eval(value)
    except (ValueError, SyntaxError, MemoryError):
        return False
    return True


def perturbed(value: str, random: Random) -> str:
    """A wrong value of the same kind."""
    if value.startswith("!"):
        return random.choice(["None", "0", "''", "False"])
    literal = ast.literal_eval(value)
    return repr(_perturbed(literal, random))


def _perturbed(value: object, random: Random) -> object:
    match value:
        case bool():
            return not value
        case int():
            return value + random.choice([-2, -1, 1, 2, 10])
        case float():
            return round(value + random.choice([-1, -0.5, 0.1, 1]), 3)
        case str() if value:
            return random.choice([value + value[-1], value[:-1], value.swapcase() + " ", value[::-1] + "x"])
        case list() if value:
            return random.choice([[*value[:-1]], [*value, value[-1]], [_perturbed(value[0], random), *value[1:]]])
        case tuple() if value:
            return (*value[:-1], _perturbed(value[-1], random))
        case dict() if value:
            last = list(value)[-1]
            return {**value, last: _perturbed(value[last], random)}
        case None:
            return random.choice([0, False, ""])
    return random.choice([None, 0, 1])
