"""The front door with the real OpenAI client and real runs, against a model server that speaks a scenario."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import openai
import pytest
from dashboards import program
from nights import wait_until
from runs import serving
from scenario import RIGHT, TASK, Scenario
from servers import Reply

pytestmark = pytest.mark.slow


@contextmanager
def client(
    tmp_path: Path, scenario: Scenario, *, delay: float = 0.0, key: str = "none", extra: tuple[str, ...] = ()
) -> Iterator[openai.OpenAI]:
    work = tmp_path / "work"
    work.mkdir(exist_ok=True)
    with slow_serving(scenario, delay) as server:
        flags = ("--workspace", str(work), *extra, "--", "--endpoint", server.url)
        with (
            program(*flags, home=tmp_path / "home") as (_, url),
            openai.OpenAI(base_url=f"{url}/v1", api_key=key, max_retries=0) as opened,
        ):
            yield opened


def slow_serving(scenario: Scenario, delay: float) -> Any:
    from servers import Asked, ScriptedServer

    def reply(asked: Asked) -> Reply:
        return Reply(scenario.reply(asked.system, asked.prompt), delay=delay)

    return ScriptedServer("ollama", reply) if delay else serving(scenario)


def messages(text: str) -> list[Any]:
    return [{"role": "user", "content": text}]


def runs_of(tmp_path: Path) -> list[Path]:
    return sorted((tmp_path / "work" / ".nightshift" / "runs").glob("*"))


def result_of(run: Path) -> dict[str, Any]:
    data: dict[str, Any] = json.loads((run / "result.json").read_text())
    return data


def test_a_build_streams_its_progress_and_ends_with_the_verdict(tmp_path: Path) -> None:
    with client(tmp_path, Scenario()) as opened:
        assert [model.id for model in opened.models.list()] == ["nightshift"]
        stream = opened.chat.completions.create(
            model="nightshift", messages=messages(f"/build {TASK}"), stream=True, stream_options={"include_usage": True}
        )
        chunks = list(stream)
    pieces = [chunk.choices[0].delta.content for chunk in chunks if chunk.choices and chunk.choices[0].delta.content]
    text = "".join(pieces)
    assert len(pieces) > 8, "told as it happens"
    for words in (
        "    run ",
        "planned  2 files",
        "verdict  attempt 1: 2 of 2",
        "**Passed**, by its own checks only",
        "added calculator.py",
    ):
        assert words in text
    (run,) = runs_of(tmp_path)
    assert str(run / "report.html") in text
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices][-1] == "stop"
    assert chunks[-1].usage
    assert chunks[-1].usage.total_tokens > 0
    assert (tmp_path / "work" / "calculator.py").read_text() == RIGHT


def test_a_plain_answer_is_the_verdict_alone(tmp_path: Path) -> None:
    with client(tmp_path, Scenario()) as opened:
        done = opened.chat.completions.create(model="nightshift", messages=messages(f"/build {TASK}"))
    assert done.choices[0].message.content
    assert done.choices[0].message.content.startswith("**Passed**")
    assert done.choices[0].finish_reason == "stop"
    assert done.usage
    assert done.usage.total_tokens > 0


def test_specify_then_plan_then_implement(tmp_path: Path) -> None:
    """The commands of spec-kit: two plans, and the second one is built without another."""
    scenario = Scenario()
    with client(tmp_path, scenario) as opened:

        def ask(*texts: str) -> str:
            talk = [message for text in texts for message in messages(text)]
            return str(opened.chat.completions.create(model="nightshift", messages=talk).choices[0].message.content)

        specified = ask(f"/specify {TASK}")
        planned = ask(f"/specify {TASK}", "/plan with one class")
        assert not (tmp_path / "work" / "calculator.py").exists()
        asked = len(scenario.prompts("planner"))
        built = ask("/implement")
    assert "calculator.py (source)" in specified
    assert "dividing by zero raises ValueError" not in specified
    assert "dividing by zero raises ValueError" in planned
    assert "with one class" in scenario.prompts("planner")[-1]
    assert TASK in scenario.prompts("planner")[-1]
    assert built.startswith("**Passed**")
    assert len(scenario.prompts("planner")) == asked, "the plan was there"
    assert [result_of(run)["exit_reason"] for run in runs_of(tmp_path)] == ["planned", "planned", "passed"]


@pytest.mark.parametrize("stream", [True, False])
def test_cancelling_the_request_stops_the_run_resumably(tmp_path: Path, stream: bool) -> None:
    scenario = Scenario()
    with client(tmp_path, scenario, delay=1.5) as opened:
        if stream:
            answer = opened.chat.completions.create(
                model="nightshift", messages=messages(f"/build {TASK}"), stream=True
            )
            next(iter(answer))
            wait_until(lambda: scenario.asked, 60)
            answer.close()
        else:
            left = http.client.HTTPConnection("127.0.0.1", opened.base_url.port or 0)
            body = json.dumps({"model": "nightshift", "messages": messages(f"/build {TASK}")})
            left.request("POST", "/v1/chat/completions", body, {"Content-Type": "application/json"})
            wait_until(lambda: scenario.asked, 60)
            left.close()
        wait_until(lambda: (runs_of(tmp_path)[0] / "result.json").exists(), 60)
        assert result_of(runs_of(tmp_path)[0])["exit_reason"] == "terminated"
        done = opened.chat.completions.create(model="nightshift", messages=messages("/resume"))
    assert str(done.choices[0].message.content).startswith("**Passed**")
    assert len(runs_of(tmp_path)) == 1
    assert result_of(runs_of(tmp_path)[0])["counters"]["resumed"] == 1


def test_a_second_run_waits_for_the_first_and_says_so(tmp_path: Path) -> None:
    with client(tmp_path, Scenario(), delay=0.5) as opened:
        texts: dict[int, str] = {}

        def ask(number: int) -> None:
            stream = opened.chat.completions.create(model="nightshift", messages=messages(f"/plan {TASK}"), stream=True)
            texts[number] = "".join(chunk.choices[0].delta.content or "" for chunk in stream)

        first, second = (threading.Thread(target=ask, args=(number,)) for number in (1, 2))
        first.start()
        wait_until(lambda: runs_of(tmp_path), 60)
        second.start()
        first.join(60)
        second.join(60)
    assert "another run works in" in texts[2]
    assert "another run works in" not in texts[1]
    assert all("**Planned**: 2 files" in text for text in texts.values())


def test_a_run_that_cannot_be_made_says_why(tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    flags = ("--workspace", str(tmp_path / "work"), "--", "--no-such-flag")
    with (
        program(*flags, home=tmp_path / "home") as (_, url),
        openai.OpenAI(base_url=f"{url}/v1", api_key="x") as opened,
    ):
        done = opened.chat.completions.create(model="nightshift", messages=messages("/build it"))
    text = str(done.choices[0].message.content)
    assert "exit code 2" in text
    assert "--no-such-flag" in text


def test_the_clients_own_errors_are_understood(tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text("secret\n")
    with client(tmp_path, Scenario(), key="secret", extra=("--api-key-file", str(key))) as opened:
        with pytest.raises(openai.NotFoundError) as missing:
            opened.chat.completions.create(model="gpt-4", messages=messages("hello"))
        assert missing.value.code == "model_not_found"
        with pytest.raises(openai.AuthenticationError):
            opened.with_options(api_key="wrong").models.list()
        with pytest.raises(openai.BadRequestError):
            opened.chat.completions.create(model="nightshift", messages=messages("hello"), n=2)


def test_ending_the_server_stops_its_runs_resumably(tmp_path: Path) -> None:
    scenario = Scenario()
    with client(tmp_path, scenario, delay=1.5) as opened:
        stream = opened.chat.completions.create(model="nightshift", messages=messages(f"/build {TASK}"), stream=True)
        next(iter(stream))
        wait_until(lambda: scenario.asked, 60)
    assert result_of(runs_of(tmp_path)[0])["exit_reason"] == "terminated"


def test_ending_the_server_twice_leaves_no_run_behind(tmp_path: Path) -> None:
    scenario, work = Scenario(), tmp_path / "work"
    work.mkdir()
    with slow_serving(scenario, 3.0) as server:
        flags = ("--workspace", str(work), "--", "--endpoint", server.url)
        with program(*flags, home=tmp_path / "home") as (process, url):
            asking = http.client.HTTPConnection(url.removeprefix("http://"))
            body = json.dumps({"model": "nightshift", "messages": messages(f"/build --workspace / {TASK}")})
            asking.request("POST", "/v1/chat/completions", body, {"Content-Type": "application/json"})
            wait_until(lambda: scenario.asked, 60)
            process.terminate()
            time.sleep(0.2)
            process.terminate()
            process.wait(90)
            # It waited for the run, whose task began with an option and was still nothing but a task.
            assert result_of(runs_of(tmp_path)[0])["exit_reason"] == "terminated"
            assert result_of(runs_of(tmp_path)[0])["task"].startswith("--workspace / ")
            asking.close()
