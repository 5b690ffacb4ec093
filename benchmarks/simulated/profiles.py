"""How weak a simulated model is: every parameter of the error model in one place, frozen.

`Shape` was fitted to the table of selection rules that was measured on 164 HumanEval tasks with a weak model (22 % of
single samples right, 31 % of its own asserts); see `calibration.py`. `Craft` is assumed: published rates where there
are some, else round numbers, and the laboratory shows how much hangs on the weightiest. The profiles move rates only,
and their names are a manner of speaking: no model of that size was measured.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Shape:
    """What the table of selection rules determines, but for `flawed`."""

    spread: float = 1.19
    """Sum of the parameters of the Beta distribution of a task's rate: small means that most are easy or hopeless."""
    test_spread: float = 3.54
    """The same for the rate of right asserts."""
    together: float = 0.555
    """Correlation of the two."""
    misread: float = 0.33
    """Share of wrong candidates that misread the task; the others slip."""
    favourites: float = 0.9
    """Exponent of the popularity of errors within one world: the larger, the more candidates share one."""
    subtle: float = -1.02
    """How much likelier an error is that changes less; negative: more."""
    believed: float = 0.517
    """Share of wrong asserts that hold for some wrong candidate, as the model believes; others hold for none."""
    ease: float = -0.484
    """How much likelier an assert is right on a call that few errors change; negative: that many change."""
    flawed: float = 0.1
    """Share of wrong candidates with an error on the surface; half of them have no other."""


@dataclass(frozen=True, slots=True)
class Craft:
    """What no table determines."""

    alone: float = 0.0
    """Share of slipping candidates that have one unit wrong whatever the others; the rest slip in each on its own."""
    hinted: float = 0.5
    """Share of wrong candidates with a plan hint that draw their errors regardless of what is popular."""
    mends: float = 0.4
    """A repair mends the unit at fault, given a right test that shows it."""
    mends_flaw: float = 0.75
    """A repair mends an error on the surface."""
    bends: float = 0.5
    """A repair bends the code to a wrong test, when there is a way to."""
    votes: float = 0.6
    """The model knows which of the shown results are right."""
    unfenced: float = 0.05
    prose: float = 0.3
    truncated: float = 0.02
    stub: float = 0.03
    prefill: float = 400.0
    """Tokens a second."""
    decode: float = 30.0


@dataclass(frozen=True, slots=True)
class Profile:
    name: str
    right: float
    """Share of candidates that are right."""
    right_asserts: float
    shape: Shape = Shape()
    craft: Craft = Craft()


CALIBRATED = Profile("7B", right=0.222, right_asserts=0.312)
PROFILES: Mapping[str, Profile] = {
    profile.name: profile
    for profile in (
        Profile("2B", 0.10, 0.20, craft=Craft(mends=0.2, bends=0.6, truncated=0.05, stub=0.06, decode=80.0)),
        Profile("4B", 0.16, 0.26, craft=Craft(mends=0.3, decode=50.0)),
        CALIBRATED,
        Profile("14B", 0.36, 0.45, craft=Craft(mends=0.5, bends=0.4, unfenced=0.02, decode=18.0)),
        Profile("32B", 0.52, 0.60, craft=Craft(mends=0.6, bends=0.3, unfenced=0.01, decode=10.0)),
        Profile("80B", 0.68, 0.75, craft=Craft(mends=0.7, bends=0.2, unfenced=0.01, truncated=0.01, decode=25.0)),
    )
}
