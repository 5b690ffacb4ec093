"""What a simulated model makes of a file that it is shown with what fails: its memory of its own code, and repairs.

A repair follows one of the failing tests it is shown. A right test that shows an error may get it mended; a wrong one
may get right code bent to it, as weak models do.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence
from random import Random

from benchmarks.simulated.errors import Error
from benchmarks.simulated.knowledge import units
from benchmarks.simulated.testfiles import claims_in
from benchmarks.simulated.worlds import Assert, Draft, World


class Memory:
    """Which errors written functions have; splicing and mending keep most functions as they are."""

    def __init__(self) -> None:
        self._units: dict[tuple[str, str], Error | None] = {}
        self._flawed: set[str] = set()

    def remember(self, text: str, draft: Draft) -> None:
        tree = ast.parse(text)
        if draft.flawed:
            self._flawed.add(ast.dump(tree))
        for name, node in units(tree).items():
            wrong = next((error for error in draft.wrongs if name in error.units), None)
            self._units.setdefault((name, ast.dump(node)), wrong)

    def draft(self, text: str) -> Draft:
        """What is wrong in a text; a function never seen before is kept as it is."""
        tree = ast.parse(text)
        wrongs: list[Error] = []
        for name, node in units(tree).items():
            strange = Error({name: ast.unparse(node)}, "strange", (), frozenset())
            wrong = self._units.get((name, ast.dump(node)), strange)
            if wrong is not None and wrong not in wrongs:
                wrongs.append(wrong)
        return Draft(tuple(wrongs), ast.dump(tree) in self._flawed)


def repaired(world: World, draft: Draft, evidence: str, random: Random) -> Draft | None:
    """The draft after a repair; None when it stays as it is."""
    craft = world.profile.craft
    if draft.flawed:
        return Draft(draft.wrongs) if random.random() < craft.mends_flaw else None
    claims = claims_in(evidence, world.errors)
    if not claims:
        return None
    claim = random.choice(claims)
    if claim.value == world.errors.expected[claim.call]:
        return _mended(world, draft, claim, random)
    return _bent(world, draft, claim, random)


def _mended(world: World, draft: Draft, claim: Assert, random: Random) -> Draft | None:
    at_fault = [error for error in draft.wrongs if claim.call in error.altered or error.kind == "strange"]
    if not at_fault:
        return None
    others = tuple(error for error in draft.wrongs if error is not at_fault[0])
    if random.random() < world.profile.craft.mends:
        return Draft(others)
    unit = next(iter(at_fault[0].units))
    if random.random() < 0.5 or not world.errors.slips.get(unit):
        return None
    return Draft((*others, world.slip(unit, random)))


def _bent(world: World, draft: Draft, claim: Assert, random: Random) -> Draft | None:
    suiting = [error for error in _all(world) if error.values[claim.call] == claim.value]
    if not suiting or random.random() > world.profile.craft.bends:
        return None
    error = random.choice(suiting)
    others = tuple(each for each in draft.wrongs if not each.units.keys() & error.units.keys())
    return Draft((*others, error))


def _all(world: World) -> Sequence[Error]:
    return [*world.errors.misreadings, *(error for found in world.errors.slips.values() for error in found)]
