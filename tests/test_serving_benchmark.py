"""The suite `serving`: its figures and targets, its tools, and that a short run of it really measures."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from real_llama import require_llama
from runs import start
from servers import Reply, ScriptedServer

from benchmark import main
from benchmarks.figures import Figure, cost_of, figure_of, in_turns, until
from benchmarks.serving.bare_client import END_OF_EVENT, body_of, playback, post, relay, send
from benchmarks.serving.demo_calls import HEADING, shareable, shuffled, waves_of
from nightshift.domain import Message, Request
from nightshift.errors import ConfigError
from nightshift.records import Record


def benchmark(tmp_path: Path, *args: str, **environ: str) -> tuple[int, str, str]:
    process = start(*args, cwd=tmp_path, home=tmp_path / "home", program="benchmark.py", extra=environ)
    out, err = process.communicate(timeout=300)
    return process.returncode, out, err


@pytest.mark.slow
def test_a_short_run_measures_everything_and_no_request_fails(tmp_path: Path) -> None:
    """Never how fast: whether a target is met is this machine's affair, but requests and slots are not."""
    require_llama()
    code, out, err = benchmark(tmp_path, "--suite", "serving", "--quick", "--json", "--out", "results")
    told = json.loads(out) if out else pytest.fail(err)
    assert json.loads((tmp_path / "results" / "serving.json").read_text()) == told
    assert {"date", "machine", "server", "seconds", "quick", "missed", "figures"} <= told.keys()
    verdicts = {figure["name"]: figure.get("verdict") for figure in told["figures"]}
    assert [name for name, verdict in verdicts.items() if verdict == "MISSED"] == told["missed"]
    assert code == (1 if told["missed"] else 0)
    assert [figure["value"] for figure in told["figures"] if figure.get("at_most") == 0] == [0, 0]
    assert [figure.get("at_most", figure.get("at_least")) for figure in told["figures"] if "verdict" in figure] == [
        0, 0, 3.0, 15.0, 1.1, 80.0,
    ]  # fmt: skip
    values = {figure["name"]: figure["value"] for figure in told["figures"]}
    shares = {name.rpartition(", ")[2]: value for name, value in values.items() if name.startswith("prompt tokens")}
    assert shares["sections shuffled"] < shares["one call at a time"] <= shares["the most that any server could"] + 2
    assert values["tokens saved when the winner is decided early"] > 0
    for figure in told["figures"]:
        assert figure["name"] in err, "each figure is told as soon as it is had"


@pytest.mark.slow
def test_without_the_real_server_it_says_how_to_get_it(tmp_path: Path) -> None:
    (tmp_path / "xllamacpp.py").write_text("raise ImportError('no wheel for this machine')")
    code, out, err = benchmark(tmp_path, "--suite", "serving", "--quick", PYTHONPATH=str(tmp_path))
    assert (code, out) == (2, "")
    assert "no wheel for this machine" in err
    assert "make setup" in err


@pytest.mark.parametrize(
    ("args", "named"),
    [
        (["--suite", "serving", "--endpoint", "http://127.0.0.1:1"], "--endpoint"),
        (["--suite", "serving", "--repeats", "3"], "--repeats"),
        (["--suite", "quick", "--quick"], "--quick"),
        (["--suite", "serving", "--quick", "--out", "FOLDER/file/results"], "--out"),
    ],
)
def test_options_that_cannot_be_obeyed_are_refused_before_anything_is_measured(
    args: list[str], named: str, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match=f"^{named} "):
        main([arg.replace("FOLDER", str(tmp_path)) for arg in args])


# Figures.


@pytest.mark.parametrize(
    ("figure", "verdict"),
    [
        (Figure("a", 3.0, at_most=3.0), "ok"),
        (Figure("a", 3.01, at_most=3.0), "MISSED"),
        (Figure("a", 80.0, at_least=80.0), "ok"),
        (Figure("a", 79.9, at_least=80.0), "MISSED"),
        (Figure("a", 0, at_most=0), "ok"),
        (Figure("a", 1, at_most=0), "MISSED"),
        (Figure("a", float("nan"), at_most=3.0), "MISSED"),
        (Figure("a", 1e9), ""),
    ],
)
def test_a_target_is_met_at_its_bound_and_missed_beyond(figure: Figure, verdict: str) -> None:
    assert figure.verdict == verdict
    assert figure.as_json().get("verdict", "") == verdict
    assert str(figure).startswith(verdict or " ")


def test_a_figure_tells_median_spread_repeats_and_target() -> None:
    figure = figure_of("overhead", [1.0, 9.0, 2.0], "ms", at_most=3.0, how="in pairs")
    assert str(figure) == "ok     overhead: 2 ms (1 to 9, n=3), at most 3 ms; in pairs"
    assert figure.as_json() == {
        "name": "overhead", "value": 2.0, "unit": "ms", "how": "in pairs", "min": 1.0, "max": 9.0, "repeats": 3,
        "at_most": 3.0, "verdict": "ok",
    }  # fmt: skip


def test_two_actions_take_turns_at_being_first() -> None:
    order: list[str] = []

    async def act(name: str) -> None:
        order.append(name)

    mine, its = asyncio.run(in_turns(lambda: act("a"), lambda: act("b"), 4))
    assert "".join(order) == "baabbaab"
    assert (len(mine), len(its)) == (4, 4)


def test_waiting_is_wall_time_and_no_cpu_time() -> None:
    cost = asyncio.run(cost_of(lambda: asyncio.sleep(0.1)))
    assert cost.wall >= 0.1
    assert 0 <= cost.share < 50


def test_waiting_for_something_that_never_holds_ends() -> None:
    async def never() -> bool:
        return False

    assert asyncio.run(until(never, 0.05)) >= 0.05


# The bare client and its relay.


def test_a_relay_shows_the_bytes_and_changes_nothing() -> None:
    async def through(url: str) -> tuple[bytes, bytes, int]:
        request = post({"model": "m", "messages": [{"role": "user", "content": "é"}]})
        async with relay(url) as (passing, passed):
            answer = await send(passing, request)
        assert passed[0].generates
        assert bytes(passed[0].answer) == answer
        return request, passed[0].request, passed[0].tokens

    with ScriptedServer("llama", lambda asked: Reply("abc" * 8, piece=3)) as server:
        request, seen, tokens = asyncio.run(through(server.url))
    assert seen == request
    assert tokens == 8
    assert server.requests[0].prompt == "é"


def test_a_client_that_leaves_the_relay_leaves_the_server_too() -> None:
    async def leave(server: ScriptedServer) -> None:
        async def asked() -> bool:
            return bool(server.requests)

        async def left() -> bool:
            return server.left_early > 0

        async with relay(server.url) as (passing, _):
            task = asyncio.create_task(send(passing, post({"model": "m", "messages": []})))
            assert await until(asked, 10.0) < 10.0
            task.cancel()
            assert await until(left, 10.0) < 10.0

    with ScriptedServer("llama", lambda asked: Reply("no end " * 10, fault="endless")) as server:
        asyncio.run(leave(server))


def test_a_refusal_is_no_answer() -> None:
    with pytest.raises(ValueError, match="refused"):
        body_of(b'HTTP/1.1 500 Internal Server Error\r\n\r\n{"error": {}}')


def test_an_answer_is_played_back_whole_and_not_faster_than_asked() -> None:
    answer = b"HTTP/1.1 200 OK\r\n\r\n" + b"".join(b"5\r\ndata:" + END_OF_EVENT for _ in range(20)) + b"0\r\n\r\n"
    started = time.monotonic()
    with playback(answer, 200.0) as url:
        assert asyncio.run(send(url, post({"messages": []}))) == answer
        assert asyncio.run(send(url, b"GET /slots HTTP/1.1\r\n\r\n")).startswith(b"HTTP/1.1 404 ")
    assert time.monotonic() - started >= 0.1


# The demo's calls.


def request(span: str, user: str, system: str = "Rules.") -> Request:
    return Request("builder", span, (Message("system", system), Message("user", user)))


def record(number: int, kind: str) -> Record:
    message = {"role": "user", "content": f"{number}"}
    return Record(number, "", "run", kind, f"span-{number}", {"role": "builder", "messages": [message]})


@pytest.mark.parametrize(
    ("kinds", "waves"),
    [
        ("call call evaluation call", [[1, 2], [4]]),
        ("asked asked call asked call selected call", [[3, 5], [7]]),
        ("run_started asked call verdict", [[3]]),
        ("verdict", []),
    ],
)
def test_calls_with_nothing_recorded_between_them_were_in_flight_together(kinds: str, waves: list[list[int]]) -> None:
    records = [record(number, kind) for number, kind in enumerate(kinds.split(), 1)]
    found = [[int(request.messages[0].content) for request in wave] for wave in waves_of(records)]
    assert found == waves


SECTIONS = st.lists(st.text(st.characters(exclude_characters="#")), max_size=6)


@given(SECTIONS, st.text(max_size=10))
def test_a_shuffled_prompt_has_the_same_sections_in_another_order(sections: list[str], span: str) -> None:
    texts = [f"{number} {text}" for number, text in enumerate(sections)]
    asked = request(span, "# " + HEADING.join(["Task", *texts]))
    mixed = shuffled(asked)
    assert mixed == shuffled(asked), "the same for the same span"
    system, user = (message.content for message in mixed.messages)
    assert sorted([system, *user.removeprefix("# ").split(HEADING)]) == sorted(["Rules.", "Task", *texts])


def test_each_call_is_shuffled_in_its_own_way_and_the_rules_too() -> None:
    user = "# " + HEADING.join("ABCDE")
    mixed = [shuffled(request(f"span-{number}", user)).messages for number in range(50)]
    assert len(set(mixed)) > 25
    assert {system.content for system, _ in mixed} == {"Rules.", *"ABCDE"}


def test_what_could_be_shared_is_what_begins_like_an_earlier_prompt() -> None:
    one = request("a", "x" * 85)
    assert len(one.messages[0].content + one.messages[1].content) == 91
    assert shareable([[one]]) == 0
    assert shareable([[one, one]]) == 0.5
    assert shareable([[one], [request("b", "x" * 85, system="Others")]]) < 0.05
