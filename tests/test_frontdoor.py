"""The front door's wire: which messages start a run, and what OpenAI's clients are told."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from dashboards import Site, open_site
from hostile_strings import HOSTILE, STEERING
from hypothesis import given
from hypothesis import strategies as st
from sample_run import PLAN, RUN, run_dir, start

from nightshift.domain import Task
from nightshift.ownership import remember
from nightshift.records import started_with
from nightshift.report.dashboard.frontdoor import shapes
from nightshift.report.dashboard.frontdoor.answers import answer, progress
from nightshift.report.dashboard.frontdoor.commands import HELP, Wish, wish_of
from nightshift.report.dashboard.frontdoor.runs import Desk, Ending, _last_document
from trace_collector import Trace


def said(*texts: Any, role: str = "user") -> list[dict[str, Any]]:
    return [{"role": role, "content": text} for text in texts]


TITLE = "### Task:\nGenerate a concise title.\n<chat_history>\nUSER: /build a calculator\n</chat_history>"


@pytest.mark.parametrize(
    ("messages", "wish"),
    [
        (said("/build a calculator"), Wish("build", "a calculator")),
        (said("  \n/build\na calculator\nwith tests "), Wish("build", "a calculator\nwith tests")),
        (said("/plan a calculator"), Wish("plan", "a calculator")),
        (said("/plan"), Wish("plan")),
        (said("/specify a calculator"), Wish("specify", "a calculator")),
        (said("/speckit.specify a calculator"), Wish("specify", "a calculator")),
        (said("/speckit.implement"), Wish("implement")),
        (said("/implement"), Wish("implement")),
        (said("/resume"), Wish("resume")),
        (said("/specify a calculator", "/plan one class, no eval"), Wish("plan", "a calculator\n\none class, no eval")),
        (said("/specify a calculator", "/plan"), Wish("plan", "a calculator")),
        (said("/specify old", "/specify new", "/plan"), Wish("plan", "new")),
        (said([{"type": "text", "text": "/build"}, {"type": "text", "text": "it"}]), Wish("build", "it")),
        ([*said("Be brief.", role="system"), *said("/build it")], Wish("build", "it")),
        # Nothing that is not said as a command by a user, last.
        (said("/build"), None),
        (said("/specify  "), None),
        (said("build a calculator"), None),
        (said("please /build a calculator"), None),
        (said("/builder a calculator"), None),
        (said("/BUILD a calculator"), None),
        (said("/unknown x"), None),
        (said("//build x"), None),
        (said(TITLE), None),
        (said("/build a calculator", "thanks"), None),
        (said("/build it", role="assistant"), None),
        (said("/build it", role="system"), None),
        ([*said("/build it"), *said("done", role="assistant")], None),
        (said(None), None),
        (said(7), None),
        (said([{"type": "image_url", "image_url": {"url": "/build x"}}]), None),
        (said([{"type": "text", "text": 7}]), None),
        ([{}], None),
        ([], None),
    ],
)
def test_only_a_users_last_message_that_begins_with_a_command_asks_for_a_run(
    messages: list[dict[str, Any]], wish: Wish | None
) -> None:
    assert wish_of(messages) == wish


@given(st.text())
def test_no_other_text_ever_starts_a_run(text: str) -> None:
    starts = text.strip().startswith(("/build", "/plan", "/specify", "/implement", "/resume", "/speckit."))
    assert starts or wish_of(said(text)) is None


@given(st.text(min_size=1).map(str.strip).filter(bool))
def test_the_task_is_what_stands_after_the_command(text: str) -> None:
    assert wish_of(said(f"/build {text}")) == Wish("build", text)


@pytest.fixture
def site(tmp_path: Path):
    (tmp_path / "shop").mkdir()
    with open_site(tmp_path, [tmp_path / "shop"]) as opened:
        yield opened


def test_a_workspace_is_a_model(site: Site) -> None:
    (model,) = site.ask("/v1/models").data["data"]
    assert (model["id"], model["object"]) == ("nightshift", "model")
    assert site.ask("/v1/models/nightshift").data == model


def test_several_workspaces_have_names_of_their_own(tmp_path: Path) -> None:
    folders = [tmp_path / "a" / "My Shop", tmp_path / "b" / "My Shop", tmp_path / "tools"]
    for folder in folders:
        folder.mkdir(parents=True)
    with open_site(tmp_path, folders) as site:
        names = [model["id"] for model in site.ask("/v1/models").data["data"]]
        assert (names[0], names[2]) == ("nightshift:my-shop", "nightshift:tools")
        assert len({*names}) == 3
        assert str(folders[1]) in site.ask("/front-door").text
        assert site.ask(f"/v1/models/{names[1]}").status == 200


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("text", ["hello", TITLE])
def test_anything_else_is_answered_with_help_and_starts_nothing(
    site: Site, tmp_path: Path, text: str, stream: bool
) -> None:
    got = site.chat({"model": "nightshift", "messages": said(text), "stream": stream})
    help_text = HELP.format(workspace=tmp_path / "shop")
    if stream:
        *chunks, end = [line.removeprefix("data: ") for line in got.text.split("\n\n") if line]
        assert end == "[DONE]"
        told = [json.loads(chunk)["choices"][0] for chunk in chunks]
        assert "".join(choice["delta"].get("content", "") for choice in told) == help_text
        assert [choice["finish_reason"] for choice in told][-2:] == [None, "stop"]
    else:
        assert got.data["choices"][0]["message"]["content"] == help_text
        assert got.data["usage"]["total_tokens"] == 0
    assert not list((tmp_path / "shop").iterdir())


@pytest.mark.parametrize(
    ("body", "status", "words", "code"),
    [
        ("{", 400, "not JSON", None),
        ("[]", 400, "JSON object", None),
        ("[" * 50_000, 400, "not JSON", None),
        ({}, 400, "model must be", None),
        ({"model": "nightshift"}, 400, "messages must be", None),
        ({"model": "nightshift", "messages": []}, 400, "messages must be", None),
        ({"model": "nightshift", "messages": ["hi"]}, 400, "messages must be", None),
        ({"model": "gpt-4", "messages": said("hi")}, 404, "does not exist; there are: nightshift", "model_not_found"),
        ({"model": "nightshift", "messages": said("hi"), "n": 2}, 400, "n must be 1", None),
        ({"model": "nightshift", "messages": said("hi"), "stream": "yes"}, 400, "stream must be", None),
        ({"model": "nightshift", "messages": said("hi"), "stream_options": 1}, 400, "stream_options must be", None),
    ],
)  # fmt: skip
def test_errors_have_openais_shape(site: Site, body: object, status: int, words: str, code: str | None) -> None:
    got = site.chat(body)
    assert got.status == status
    assert set(got.data) == {"error"}
    assert set(got.data["error"]) == {"message", "type", "param", "code"}
    assert words in got.data["error"]["message"]
    assert got.data["error"]["code"] == code


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""])
def test_what_a_strangers_form_can_send_is_refused(site: Site, kind: str) -> None:
    got = site.chat({"model": "nightshift", "messages": said("/build x")}, {"Content-Type": kind})
    assert (got.status, got.headers.get("Access-Control-Allow-Origin")) == (415, None)


@pytest.mark.parametrize(
    "headers",
    [{}, {"Authorization": "Bearer wrong"}, {"Authorization": "Bearer "}, {"Authorization": "Basic c2VjcmV0"}],
)
def test_a_key_is_demanded_where_one_was_set(tmp_path: Path, headers: dict[str, str]) -> None:
    (tmp_path / "shop").mkdir()
    with open_site(tmp_path, [tmp_path / "shop"], key="secret") as site:
        body = {"model": "nightshift", "messages": said("hello")}
        for got in (site.ask("/v1/models", headers), site.chat(body, headers)):
            assert (got.status, got.data["error"]["code"]) == (401, "invalid_api_key")
            assert "secret" not in got.text
        assert site.chat(body, {"Authorization": "Bearer secret"}).status == 200


def test_without_a_workspace_the_door_is_shut(tmp_path: Path) -> None:
    with open_site(tmp_path) as site:
        assert site.ask("/v1/models").data["data"] == []
        got = site.chat({"model": "nightshift", "messages": said("/build x")})
        assert (got.status, "--workspace" in got.text) == (404, True)
        assert "It is shut" in site.ask("/front-door").text


@pytest.mark.parametrize("command", ["/implement", "/plan"])
def test_there_is_nothing_to_build_where_nothing_was_planned(site: Site, command: str) -> None:
    got = site.chat({"model": "nightshift", "messages": said(command)})
    assert "There is no plan of yours" in got.data["choices"][0]["message"]["content"]


ENDED = {"status": "failed", "exit_reason": "planned"}


@pytest.mark.parametrize("harm", ["somebody else's", "an altered start", "damaged", "no plan in it", "", "resumed"])
def test_only_a_plan_of_a_run_that_this_user_started_is_built(tmp_path: Path, harm: str) -> None:
    """Whatever lies beside it, and whatever a stranger's trace holds, the newest plan of the user's own is found."""
    marks, folder = tmp_path / "marks", run_dir(tmp_path, "2-newer")
    for name in ("1-older", "2-newer"):
        with Trace.create(run_dir(tmp_path, name), name) as trace:
            start(trace, Task(f"task of {name}"))
            trace.record("run_finished", "", **ENDED)
            if name == "1-older" or harm != "somebody else's":
                remember(marks, name, started_with(trace.records()))
    lines = (folder / "trace.jsonl").read_bytes().splitlines(keepends=True)
    damage = {
        "an altered start": [lines[0].replace(b"task of", b"task OF"), *lines[1:]],
        "damaged": [lines[0], b"{}\n", *lines[1:]],
        "no plan in it": [line.replace(b'"steps"', b'"stops"') for line in lines],
    }
    (folder / "trace.jsonl").write_bytes(b"".join(damage.get(harm, lines)))
    if harm == "resumed":
        with Trace.resume(folder) as trace:
            start(trace, Task("task of 2-newer", verify=("true",)))
            trace.record("run_finished", "", **ENDED)
    task, plan = Desk((), marks)._last_plan(tmp_path)
    assert (task, plan) == (f"task of {'2-newer' if harm in ('', 'resumed') else '1-older'}", PLAN)


RESULT = {
    "run": RUN, "status": "failed", "exit_reason": "no_progress", "proof": "self", "usage": {"calls": 3, "wall_seconds": 61.0},
    "criteria": [{"description": "it adds", "passed": True}, {"description": "it lists", "passed": False, "evidence": "KeyError"}],
    "files": [], "branch": None,
}  # fmt: skip


def test_an_answer_says_how_it_ended_and_where_the_report_is() -> None:
    told = answer("build", Ending(1, RESULT), Path("/w"), "http://h/run")
    assert told.startswith("**Not done**: no_progress (3 model calls, 1m01s).")
    for words in (
        "✓ it adds",
        "✗ it lists",
        "KeyError",
        f"/w/.nightshift/runs/{RUN}/report.html",
        "handoff.md",
        "http://h/run",
    ):
        assert words in told
    files = [{"path": "a.py", "action": "added", "lines": 9}]
    told = answer(
        "build", Ending(0, {**RESULT, "status": "passed", "exit_reason": "passed", "files": files}), Path("/w"), ""
    )
    assert told.startswith("**Passed**, by its own checks only")
    assert "added a.py (9 lines)" in told


def test_a_plan_shows_its_criteria_and_a_specification_does_not() -> None:
    short, whole = (
        answer(name, Ending(0, {"exit_reason": "planned"}, plan=PLAN), Path("/w"), "") for name in ("specify", "plan")
    )
    assert "storage.py (source): keeps tasks" in short
    assert "tasks are stored" in whole
    assert "tasks are stored" not in short
    assert "def add(name: str) -> bool" in whole


def test_a_run_that_could_not_begin_says_why() -> None:
    told = answer("build", Ending(3, words="nobody answers at http://127.0.0.1:1"), Path("/w"), "")
    assert "exit code 3" in told
    assert "    nobody answers" in told


@pytest.mark.parametrize(("name", "text"), HOSTILE.items(), ids=HOSTILE)
def test_hostile_text_stays_inside_code_in_every_answer(name: str, text: str) -> None:
    """A chat program renders Markdown: a picture it loaded from elsewhere would tell of the user."""
    criterion = {"description": text, "passed": False, "evidence": text}
    result = {**RESULT, "run": text, "exit_reason": text, "criteria": [criterion], "branch": text}
    result["files"] = [{"path": text, "action": text, "lines": text}]
    told = progress(text.replace("\n", " ")) + "\n" + answer("build", Ending(1, result), Path("/w"), "http://h/run")
    lines = told.split("\n")
    own = [line for line in lines if line and not line.startswith("    ")]
    assert not [after for line, after in pairwise(lines) if line in own and after.startswith("    ")], (
        "right after a paragraph an indented line is no code"
    )
    assert not STEERING & set(told)
    assert own == [
        "**Not done**: unknown (3 model calls, 1m01s).", "Changed:", "On a branch, for your review:", "Report:", "http://h/run",
        "`/resume` goes on with it, if it was stopped.",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("output", "found"),
    [
        ('{"summary": "x", "steps": [{}]}\n{"exit_reason": "planned"}\n', {"exit_reason": "planned"}),
        ('{"exit_reason": "passed"}', {"exit_reason": "passed"}),
        ("", {}), ("oops {", {}), ('{"exit_reason": ', {}), ('{"steps": []}', {}),
    ],
)  # fmt: skip
def test_the_result_is_the_last_document_that_was_printed(output: str, found: dict[str, Any]) -> None:
    assert _last_document(output) == found


def test_an_event_is_one_line_whatever_it_says() -> None:
    for text in HOSTILE.values():
        sent = shapes.Reply("id", "m", 1).chunk(text)
        assert sent.count(b"\n") == 2
        assert sent.startswith(b"data: {")
        assert sent.endswith(b"}\n\n")
