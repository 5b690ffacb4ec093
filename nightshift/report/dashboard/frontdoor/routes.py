"""`/v1/models` and `/v1/chat/completions`: each workspace is a model, each command a run, each run an answer."""

from __future__ import annotations

import hmac
import json
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from email.message import Message
from functools import partial
from pathlib import Path
from typing import Any

from nightshift.report.dashboard import pages
from nightshift.report.dashboard.frontdoor import shapes
from nightshift.report.dashboard.frontdoor.answers import NOTHING_PLANNED, answer, progress
from nightshift.report.dashboard.frontdoor.commands import HELP, Wish, wish_of
from nightshift.report.dashboard.frontdoor.runs import MAX_WAITING, Desk, Listener, NothingPlanned
from nightshift.report.dashboard.frontdoor.shapes import ApiError, Reply
from nightshift.report.dashboard.known import id_of
from nightshift.report.dashboard.server import Client, HttpError, Request, Response, Route, Stream, as_json
from nightshift.report.markup import Markup, escaped, tag
from nightshift.workspace import slug

MODEL = "nightshift"
NO_USAGE: Mapping[str, int] = {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}


@dataclass(frozen=True, slots=True)
class Ask:
    """A chat request, checked."""

    reply: Reply
    workspace: Path
    wish: Wish | None
    stream: bool
    with_usage: bool


class FrontDoor:
    def __init__(self, desk: Desk, workspaces: Sequence[Path], key: str = "") -> None:
        self.desk = desk
        self.url = ""
        """Where the server turned out to be."""
        self._key = key
        self._since = int(time.time())
        self._models = _named(workspaces)

    def routes(self) -> list[Route]:
        return [
            Route("GET", r"/v1/models", self._list),
            Route("GET", r"/v1/models/(?P<name>[A-Za-z0-9._:-]+)", self._one),
            Route("POST", r"/v1/chat/completions", self._chat),
        ]

    def page(self) -> str:
        rows = [(tag("code", name), tag("span", str(path), "mono")) for name, path in self._models.items()]
        key = "the key it was started with" if self._key else "any text"
        told = Markup(f"<p>Base URL <code>{escaped(self.url)}/v1</code>, API key: {key}. In a chat:</p>")
        parts = [tag("h1", "Front door"), told, tag("pre", HELP.format(workspace="the workspace of the model"))]
        shut = tag("p", "It is shut: start the dashboard with --workspace DIR, and it works there.")
        listed = pages.grid(("model", "workspace"), rows, label="Models") if rows else shut
        return pages.page("Front door", [*parts, listed], here="Front door")

    @staticmethod
    def complain(problem: HttpError) -> Response:
        return as_json(shapes.error(problem), problem.status)

    def _list(self, request: Request) -> Response:
        self._check_key(request.headers)
        return as_json({"object": "list", "data": [shapes.model(name, self._since) for name in self._models]})

    def _one(self, request: Request, name: str) -> Response:
        self._check_key(request.headers)
        self._workspace(name)
        return as_json(shapes.model(name, self._since))

    def _chat(self, request: Request) -> Stream:
        self._check_key(request.headers)
        ask = self._read(request)
        if ask.wish and self.desk.waiting(ask.workspace) >= MAX_WAITING:
            raise ApiError(
                429, f"{MAX_WAITING} runs wait for {ask.workspace} already: try later", "rate_limit_exceeded"
            )
        if ask.stream:
            return Stream(partial(self._tell, ask))
        return Stream(partial(self._tell_at_once, ask), "application/json")

    def _tell(self, ask: Ask, client: Client) -> None:
        """Progress as it happens, then the answer."""
        reply, began = ask.reply, False

        def say(line: str) -> None:
            nonlocal began
            began = True
            client.send(reply.chunk(progress(line)))

        client.send(reply.chunk("", first=True))
        text, usage = self._answer(ask, Listener(client, say, lambda: client.send(shapes.BEAT)))
        client.send(reply.chunk(f"\n{text}" if began else text))
        client.send(reply.chunk(finish="stop"))
        if ask.with_usage:
            client.send(reply.usage_chunk(usage))
        client.send(shapes.END)

    def _tell_at_once(self, ask: Ask, client: Client) -> None:
        """White space may stand before JSON, so it can say that the server is alive."""
        text, usage = self._answer(ask, Listener(client, lambda line: None, lambda: client.send(b" ")))
        client.send(ask.reply.completion(text, usage))

    def _answer(self, ask: Ask, listener: Listener) -> tuple[str, Mapping[str, int]]:
        if ask.wish is None:
            return HELP.format(workspace=ask.workspace), NO_USAGE
        try:
            ending = self.desk.carry_out(ask.workspace, ask.wish, listener)
        except NothingPlanned:
            return NOTHING_PLANNED.format(workspace=ask.workspace), NO_USAGE
        url = f"{self.url}/run/{id_of(ask.workspace)}/{ending.result.get('run')}"
        text = answer(ask.wish.name, ending, ask.workspace, url)
        return text, shapes.usage_of(ending.result.get("usage") or {})

    def _check_key(self, headers: Message) -> None:
        given = headers.get("Authorization", "").removeprefix("Bearer ").strip()
        if self._key and not hmac.compare_digest(given.encode(), self._key.encode()):
            raise ApiError(401, "this is not the API key that the dashboard was started with", "invalid_api_key")

    def _read(self, request: Request) -> Ask:
        """Raises ApiError."""
        if request.headers.get_content_type() != "application/json":
            # A form of a stranger's page can send anything but this without being asked about it first.
            raise ApiError(415, "the body must be application/json")
        body = _object(request.body)
        for param, good, wanted in _CHECKS:
            if not good(body):
                raise ApiError(400, f"{param} must be {wanted}", param=param)
        workspace = self._workspace(body["model"])
        reply = Reply(f"chatcmpl-{secrets.token_hex(12)}", body["model"], int(time.time()))
        with_usage = bool((body.get("stream_options") or {}).get("include_usage"))
        return Ask(reply, workspace, wish_of(body["messages"]), body.get("stream") is True, with_usage)

    def _workspace(self, name: str) -> Path:
        if not self._models:
            raise ApiError(
                404, "no workspace is configured: start the dashboard with --workspace DIR", "model_not_found"
            )
        if name not in self._models:
            known = ", ".join(self._models)
            raise ApiError(
                404, f"the model {name[:100]!r} does not exist; there are: {known}", "model_not_found", "model"
            )
        return self._models[name]


def _named(workspaces: Sequence[Path]) -> dict[str, Path]:
    """`nightshift` alone; with more than one workspace each has its folder's name besides."""
    if len(workspaces) < 2:
        return dict.fromkeys([MODEL], workspaces[0]) if workspaces else {}
    named: dict[str, Path] = {}
    for path in workspaces:
        name = f"{MODEL}:{slug(path.name)}"
        named[name if name not in named else f"{name}-{id_of(path)[:6]}"] = path
    return named


def _object(body: bytes) -> dict[str, Any]:
    try:
        told = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise ApiError(400, f"the body is not JSON: {error}") from error
    if not isinstance(told, dict):
        raise ApiError(400, "the body must be a JSON object")
    return told


def _messages(body: Mapping[str, Any]) -> bool:
    messages = body.get("messages")
    return isinstance(messages, list) and bool(messages) and all(isinstance(message, dict) for message in messages)


_CHECKS: tuple[tuple[str, Callable[[Mapping[str, Any]], bool], str], ...] = (
    ("model", lambda body: isinstance(body.get("model"), str), "the name of a model of /v1/models"),
    ("messages", _messages, "a list of messages, at least one"),
    ("stream", lambda body: body.get("stream") in (None, True, False), "true or false"),
    ("stream_options", lambda body: isinstance(body.get("stream_options") or {}, dict), "an object"),
    ("n", lambda body: body.get("n") in (None, 1), "1: a run has one answer"),
)
