"""Counting a prompt's tokens from its bytes, and what is learned of models and kept between runs."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nightshift.domain import Message, Request, SamplingParams
from nightshift.errors import ContextExceeded
from nightshift.llm.client import tokens
from nightshift.llm.client.tokens import Count, at_least, calibrated, estimate, fitted, shortfall, size, surely_above
from nightshift.llm.endpoint import Endpoint, Target
from nightshift.llm.profiles import Profile, Profiles

HERE, THERE = (Target(Endpoint(f"http://127.0.0.1:{port}", "openai", "generic"), "coder:7b") for port in (1, 2))


def said(text: str) -> tuple[Message, ...]:
    return (Message("user", text),)


def taught(ratios: list[float]) -> Profile:
    """After replies to prompts of so many bytes per token."""
    profile = Profile()
    for ratio in ratios:
        messages = said("x" * 9000)
        evaluated = int(9000 / ratio) + tokens.TOKENS_PER_MESSAGE
        profile = replace(profile, **calibrated(profile, messages, evaluated))
    return profile


def test_long_runs_of_one_character_hardly_count_as_tokens():
    assert at_least(said(" " * 60_000)) == 0
    assert not surely_above(100, said("=" * 60_000))
    assert surely_above(100, said("word " * 200))


def test_an_estimate_trusts_replies_once_there_are_three():
    assert estimate(said("x" * 3500), taught([2.0, 2.0])) == Count(1008, "usual")
    assert estimate(said("x" * 3500), taught([2.0, 2.0, 2.0])) == Count(1758, "calibrated")


@given(st.lists(st.floats(0.01, 100), min_size=1, max_size=20))
def test_no_reply_teaches_what_no_tokeniser_does(ratios):
    profile = taught(ratios)
    assert profile.replies <= len(ratios)
    assert profile.bytes_per_token == 0 or 0.4 <= profile.bytes_per_token <= 5.1


@settings(max_examples=50)
@given(st.floats(2.5, 4.5), st.floats(1.2, 50))
def test_a_truncated_reply_never_poisons_what_was_learned(honest, cut):
    """Either it is found out and teaches nothing, or it moves the mean by a twentieth at most."""
    profile, messages = taught([honest] * 5), said("x = 1\n" * 1500)
    evaluated = int(9000 / honest / cut)
    if not shortfall(evaluated, estimate(messages, profile), messages):
        after = replace(profile, **calibrated(profile, messages, evaluated))
        assert after.bytes_per_token <= 1.051 * profile.bytes_per_token


@settings(max_examples=50)
@given(st.floats(2.5, 4.5), st.floats(0.8, 1.25))
def test_a_prompt_like_the_earlier_ones_is_never_taken_for_truncated(usual, factor):
    profile, messages = taught([usual] * 5), said("word and " * 1000)
    assert not shortfall(int(9000 / min(4.8, usual * factor)), estimate(messages, profile), messages)


def test_a_short_prompt_teaches_nothing_since_its_template_outweighs_it():
    assert calibrated(Profile(), said("x" * 600), 200) == {}
    assert calibrated(Profile(), said("x" * 600), 220) != {}


@pytest.mark.parametrize("basis, largest", [("counted", 1000), ("calibrated", 909), ("usual", 909)])
def test_an_estimate_leaves_a_tenth_to_spare_and_a_count_does_not(basis, largest):
    request = Request("builder", "s", said("x"), SamplingParams(max_tokens=500))
    assert fitted(request, Count(largest, basis), 1256, where="u").sampling.max_tokens >= 256
    with pytest.raises(
        ContextExceeded, match=f"about {largest + 1} tokens and leaves no room for a reply in the 1256 of u"
    ):
        fitted(request, Count(largest + 1, basis), 1256, where="u")


def test_a_request_for_a_short_reply_needs_no_more_room_than_that():
    request = Request("voter", "s", said("x"), SamplingParams(max_tokens=5))
    assert fitted(request, Count(1250, "counted"), 1256, where="u").sampling.max_tokens == 5


@given(st.text(max_size=200))
def test_a_prompt_never_has_more_tokens_than_the_least_that_is_known_of_it_and_its_bytes(text):
    assert at_least(said(text)) <= size(said(text))


# Profiles between runs.


def test_what_was_learned_is_there_in_the_next_run_but_for_facts_of_the_running_server(tmp_path):
    path = tmp_path / "deep" / "profiles.json"
    profiles = Profiles()
    learned = profiles.learn(
        HERE, bytes_per_token=3.3, replies=7, schemas=False, prefill=900.5, context=4096, counts=False
    )
    profiles.save(path)
    assert Profiles.load(path).of(HERE) == replace(learned, context=0, counts=True)
    assert Profiles.load(path).of(THERE) == Profile()
    assert Profiles.load(tmp_path / "none").note == ""


def test_two_runs_that_save_keep_what_both_learned(tmp_path):
    path = tmp_path / "profiles.json"
    first, second = Profiles.load(path), Profiles.load(path)
    first.learn(HERE, decode=10.0)
    second.learn(THERE, decode=20.0)
    first.save(path)
    second.save(path)
    both = Profiles.load(path)
    assert (both.of(HERE).decode, both.of(THERE).decode) == (10.0, 20.0)


def test_what_another_run_learned_meanwhile_is_not_overwritten_by_what_was_merely_read(tmp_path):
    path = tmp_path / "profiles.json"
    first = Profiles()
    first.learn(HERE, decode=10.0)
    first.save(path)
    reader, writer = Profiles.load(path), Profiles.load(path)
    writer.learn(HERE, decode=30.0)
    writer.save(path)
    reader.save(path)
    assert Profiles.load(path).of(HERE).decode == 30.0


@pytest.mark.parametrize(
    "text", ['{"profiles": [', "[]", "{}", '{"profiles": 7}', '{"profiles": [7]}', "\0", "[" * 99_999, "é"]
)
def test_a_damaged_file_is_set_aside_with_a_note_and_the_run_goes_on(tmp_path, text):
    path = tmp_path / "profiles.json"
    path.write_bytes(text.encode("latin-1"))
    profiles = Profiles.load(path)
    assert profiles.of(HERE) == Profile()
    assert str(path) in profiles.note
    assert (tmp_path / "profiles.json.damaged").read_bytes() == text.encode("latin-1")
    profiles.learn(HERE, decode=1.0)
    profiles.save(path)
    assert Profiles.load(path).of(HERE).decode == 1.0


json_values = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.lists(st.integers(), max_size=2)
)


@settings(max_examples=40)
@given(st.dictionaries(st.sampled_from([*Profile.__slots__, "from_the_future"]), json_values))
def test_fields_of_another_version_are_passed_over(tmp_path_factory, fields):
    path = tmp_path_factory.mktemp("p") / "profiles.json"
    entry = fields | {"url": HERE.endpoint.url, "model": HERE.model}
    path.write_text(json.dumps({"profiles": [entry], "version": 9}))
    profile = Profiles.load(path).of(HERE)
    for name in Profile.__slots__:
        assert isinstance(getattr(profile, name), int | type(getattr(Profile(), name)))
        assert getattr(profile, name) >= 0


@pytest.mark.parametrize("honest", [2.5, 3.3, 4.0, 5.0])
def test_dense_text_read_earlier_never_makes_ordinary_text_look_truncated(honest):
    """Numbers are often a token a digit; what they taught would refuse every reply to code, and never be corrected."""
    profile, code = taught([1.2] * 5), said("x = 1\n" * 1500)
    assert not shortfall(int(9000 / honest), estimate(code, profile), code)
    assert shortfall(int(9000 / honest / 3), estimate(code, profile), code)
