"""Holds the simulated model against a table of selection rules that was measured with a real weak model.

    python3 -m benchmarks.simulated.calibration

Data of the table: 164 HumanEval tasks, 50 samples of a weak model and some 36 of its own asserts for each; percent of
tasks for which the rule picks a right candidate out of N. Ties are shared out evenly.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from random import Random

from benchmarks.simulated.errors import errors_of
from benchmarks.simulated.knowledge import names, read
from benchmarks.simulated.profiles import CALIBRATED, Profile
from benchmarks.simulated.worlds import Assert, Draft, World, world
from nightshift.domain import Sandbox
from nightshift.sandbox.box import open_sandbox
from nightshift.sandbox.interpreter.environment import prepare

SIZES = (2, 3, 4, 6, 8, 16, 48)
MEASURED: Mapping[str, tuple[float, ...]] = {
    "random": (22.3, 22.4, 22.3, 22.1, 22.2, 22.2, 22.2),
    "count": (28.4, 30.2, 31.1, 30.9, 31.3, 29.2, 25.1),
    "dual agreement": (28.3, 30.3, 31.6, 32.8, 34.2, 35.9, 37.9),
    "weighted": (28.4, 30.7, 32.1, 33.2, 35.2, 36.4, 38.3),
    "right tests only": (29.7, 33.1, 35.9, 38.7, 41.2, 45.5, 51.7),
    "oracle": (31.6, 36.1, 40.1, 44.9, 48.8, 57.4, 69.8),
}
RIGHT_ASSERTS = 31.2
TOLERANCE = 3.0
"""Points."""
WORLDS = 16
FILES, ASSERTS = 3, 12
"""Of a world: together as many asserts as a task of the table had."""


@dataclass(frozen=True, slots=True)
class Matrix:
    """Candidates x tests of one world, and the truth about both."""

    passes: tuple[tuple[bool, ...], ...]
    right: tuple[bool, ...]
    right_tests: tuple[bool, ...]


def matrix(world: World, samples: int = max(SIZES)) -> Matrix:
    """By two shortcuts: of several errors the first that changes a call decides its value; a flawed file fails all."""
    asserts = [each for n in range(FILES) for each in world.asserts(world.random(f"test-{n}"), ASSERTS)]
    drafts = [world.draft(world.random(f"candidate-{n}")) for n in range(samples)]
    expected = world.errors.expected

    def passed(draft: Draft, claim: Assert) -> bool:
        value = next((e.values[claim.call] for e in draft.wrongs if claim.call in e.altered), expected[claim.call])
        return value == claim.value and not draft.flawed

    return Matrix(
        tuple(tuple(passed(draft, claim) for claim in asserts) for draft in drafts),
        tuple(draft == Draft() for draft in drafts),
        tuple(claim.value == expected[claim.call] for claim in asserts),
    )


Scores = Sequence[float]


def _random(passes: Sequence[Sequence[bool]], right_tests: Sequence[bool]) -> Scores:
    return [0.0] * len(passes)


def _count(passes: Sequence[Sequence[bool]], right_tests: Sequence[bool]) -> Scores:
    return [sum(row) for row in passes]


def _dual(passes: Sequence[Sequence[bool]], right_tests: Sequence[bool]) -> Scores:
    sets = Counter(map(tuple, passes))
    return [sets[tuple(row)] * sum(row) for row in passes]


def _weighted(passes: Sequence[Sequence[bool]], right_tests: Sequence[bool]) -> Scores:
    weights = [(sum(column) / len(passes)) ** 2 for column in zip(*passes, strict=True)]
    return [round(sum(w for w, ok in zip(weights, row, strict=True) if ok), 9) for row in passes]


def _right_only(passes: Sequence[Sequence[bool]], right_tests: Sequence[bool]) -> Scores:
    return [sum(ok for ok, good in zip(row, right_tests, strict=True) if good) for row in passes]


RULES: Mapping[str, Callable[[Sequence[Sequence[bool]], Sequence[bool]], Scores]] = {
    "random": _random,
    "count": _count,
    "dual agreement": _dual,
    "weighted": _weighted,
    "right tests only": _right_only,
}


def table(matrices: Sequence[Matrix], subsets: int = 4) -> dict[str, tuple[float, ...]]:
    """Percent right by rule and size, over random subsets of each world's candidates."""
    found: dict[str, list[float]] = {name: [] for name in MEASURED}
    for size in SIZES:
        sums = dict.fromkeys(MEASURED, 0.0)
        draws = 0
        for number, each in enumerate(matrices):
            for subset in range(subsets if size < len(each.right) else 1):
                chosen = Random(f"{number}/{subset}/{size}").sample(range(len(each.right)), size)
                passes, right = [each.passes[i] for i in chosen], [each.right[i] for i in chosen]
                weight = 1 if size < len(each.right) else subsets
                draws += weight
                for name, rule in RULES.items():
                    scores = rule(passes, each.right_tests)
                    best = [ok for ok, score in zip(right, scores, strict=True) if score == max(scores)]
                    sums[name] += weight * sum(best) / len(best)
                sums["oracle"] += weight * any(right)
        for name in MEASURED:
            found[name].append(100 * sums[name] / draws)
    return {name: tuple(values) for name, values in found.items()}


def furthest(found: Mapping[str, Sequence[float]]) -> float:
    """The largest difference from the table, in points."""
    return max(abs(a - b) for name in MEASURED for a, b in zip(found[name], MEASURED[name], strict=True))


def right_asserts(matrices: Sequence[Matrix]) -> float:
    """Percent."""
    tests = [ok for each in matrices for ok in each.right_tests]
    return 100 * sum(tests) / len(tests)


def shown(found: Mapping[str, Sequence[float]]) -> str:
    """The table beside the measured one."""
    lines = [" " * 18 + "".join(f"{f'N = {size}':>14}" for size in SIZES)]
    for name, values in found.items():
        cells = (f"{v:.1f} ({v - m:+.1f})" for v, m in zip(values, MEASURED[name], strict=True))
        lines.append(f"{name:<18}" + "".join(f"{cell:>14}" for cell in cells))
    return "\n".join(lines)


def calibrated(sandbox: Sandbox, profile: Profile = CALIBRATED, worlds: int = WORLDS) -> list[Matrix]:
    """The matrices of every task in so many worlds."""
    known = [(number, errors_of(read(name), sandbox)) for number, name in enumerate(names())]
    return [matrix(world(errors, number, seed, profile)) for number, errors in known for seed in range(worlds)]


def main() -> int:
    """Exit code 1 when the table is missed by more than `TOLERANCE` points anywhere."""
    cache = Path.home() / ".cache" / "nightshift-simulated"
    with closing(open_sandbox(prepare((), cache=cache, allow=()))) as sandbox:
        matrices = calibrated(sandbox)
    found = table(matrices)
    print(f"{shown(found)}\nright asserts     {right_asserts(matrices):.1f} (measured {RIGHT_ASSERTS})")
    print(f"in brackets: less what was measured; furthest {furthest(found):.1f} points, at most {TOLERANCE}")
    return 0 if furthest(found) <= TOLERANCE else 1


if __name__ == "__main__":
    raise SystemExit(main())
