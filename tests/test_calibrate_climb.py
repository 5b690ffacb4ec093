"""Which cell wins and which is measured next: the pure part of a calibration."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nightshift.calibrate.climb import (
    TIE_BAND,
    Axes,
    decide,
    hopeless,
    hotter,
    hottest,
    neighbours,
    next_cell,
    spread_to,
    warnings,
)
from nightshift.calibrate.trials import Knobs, Trial

AXES = Axes((8192, 16_384, 32_768, 65_536), (1, 2, 4), ("", "q8_0"), ("", "ngram-mod", "ngram-map-k"))
START = Knobs(32_768)


def trial(
    knobs: Knobs = START, throughput: float = 100.0, first_token: float = 1.0, *, ok: bool = True, **more
) -> Trial:
    notes = "" if ok else "it fails"
    return Trial("r", "climb", "m", "u", knobs, ok, notes, first_token, throughput=throughput, **more)


speeds = st.floats(0.1, 1e4)
knobs = st.builds(
    Knobs,
    st.sampled_from(AXES.context),
    st.sampled_from(AXES.parallel),
    kv_type=st.sampled_from(AXES.kv_type),
    speculation=st.sampled_from(AXES.speculation),
)
trials = st.builds(trial, knobs, speeds, speeds, ok=st.booleans())


@given(st.lists(trials, min_size=1))
def test_the_winner_is_feasible_and_within_the_band_of_the_fastest(found):
    best = decide(found)
    feasible = [one for one in found if one.ok]
    if not feasible:
        assert best is None
        return
    fastest = max(one.throughput for one in feasible)
    assert best.ok
    assert best.throughput >= (1 - TIE_BAND) * fastest
    tied = [one for one in feasible if one.throughput >= (1 - TIE_BAND) * fastest]
    assert best.knobs.context == max(one.knobs.context for one in tied)
    assert best.first_token == min(one.first_token for one in tied if one.knobs.context == best.knobs.context)


@given(st.lists(trials, min_size=1), st.randoms())
def test_the_order_of_the_trials_does_not_decide(found, random):
    shuffled = list(found)
    random.shuffle(shuffled)
    one, other = decide(found), decide(shuffled)
    assert (one is None) == (other is None)
    if one and other:
        assert (one.knobs.context, one.first_token) == (other.knobs.context, other.first_token)


def test_a_chain_of_small_losses_does_not_drift():
    """Compared in pairs, each a little slower and a little prompter, the last would win: 19 % below the first."""
    chain = [trial(throughput=100 * 0.95**n, first_token=10 - n) for n in range(5)]
    assert decide(chain).throughput == pytest.approx(90.25)


def test_what_fails_never_wins_however_fast():
    assert decide([trial(throughput=1e6, ok=False), trial(throughput=1)]).throughput == 1
    assert decide([trial(ok=False)]) is None


@given(knobs)
def test_neighbours_differ_on_one_axis(start):
    for other in neighbours(start, AXES):
        changed = [
            name
            for name in ("context", "parallel", "kv_type", "speculation")
            if getattr(other, name) != getattr(start, name)
        ]
        assert len(changed) == 1
        assert abs(AXES.context.index(other.context) - AXES.context.index(start.context)) <= 1
        assert abs(AXES.parallel.index(other.parallel) - AXES.parallel.index(start.parallel)) <= 1


@given(st.data())
def test_the_climb_ends_measures_nothing_twice_and_ends_on_a_top(data):
    found = [trial(START, data.draw(speeds), data.draw(speeds))]
    while cell := next_cell(found, AXES):
        assert cell not in {one.knobs for one in found}
        assert not hopeless(cell, found)
        ok = data.draw(st.booleans())
        found.append(
            trial(cell, data.draw(speeds), data.draw(speeds), ok=ok, exhausted=not ok and data.draw(st.booleans()))
        )
    best = decide(found)
    seen = {one.knobs for one in found}
    assert all(other in seen or hopeless(other, found) for other in neighbours(best.knobs, AXES))


def test_nothing_is_climbed_from_what_is_not_feasible():
    assert next_cell([trial(ok=False)], AXES) is None
    assert next_cell([], AXES) is None


@pytest.mark.parametrize(
    "asked, forbidden",
    [
        (Knobs(65_536), True),
        (Knobs(65_536, kv_type="q8_0"), True),
        (Knobs(32_768, 2), True),
        (Knobs(32_768, 4), True),
        (Knobs(32_768, 1), False),
        (Knobs(32_768, 2, kv_type="q8_0"), False),
        (Knobs(16_384, 4), False),
    ],
)
def test_after_memory_ran_out_no_larger_context_is_tried(asked, forbidden):
    assert hopeless(asked, [trial(Knobs(32_768, 2), ok=False, exhausted=True)]) is forbidden


def test_a_failure_of_another_kind_forbids_nothing():
    assert not hopeless(Knobs(65_536), [trial(ok=False)])


def test_temperatures_are_tried_upwards_until_one_fails():
    best, tried = trial(), []
    for expected, ok in ((0.3, True), (0.6, False)):
        cell = hotter(best, tried, (0.6, 0.0, 0.3, 0.9))
        assert cell == replace(START, temperature=expected)
        tried.append(trial(cell, ok=ok))
    assert hotter(best, tried, (0.6, 0.0, 0.3, 0.9)) is None
    assert hottest(best, [best, *tried]) == 0.3


@pytest.mark.parametrize(
    "top, expected",
    [(0.8, (0.0, 0.4, 0.8)), (1.0, (0.0, 0.4, 0.8)), (0.4, (0.0, 0.2, 0.4)), (0.0, (0.0, 0.1, 0.2))],
)
def test_candidates_stay_different_and_near_what_passed(top, expected):
    assert spread_to((0.0, 0.4, 0.8), top) == expected


def test_speculation_that_does_not_pay_is_told():
    told = list(warnings(trial(replace(START, speculation="ngram-mod"), drafted=100, accepted=49)))
    assert told == ["only 49 % of the drafted tokens were accepted: ngram-mod does not pay here"]
    assert not list(warnings(trial(drafted=100, accepted=50)))
    assert not list(warnings(trial()))


def test_noise_beyond_the_band_is_told():
    assert "noise" in "".join(warnings(trial(spread=0.2)))
