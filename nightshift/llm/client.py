"""One request to one server: sent, streamed, timed, and its every way to fail given a name.

Always streams, because only then does leaving free the server's slot. Proxies named in the environment are
ignored, so that no code leaves the machine by accident. Does not retry or wait for its turn: the pool does.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import httpx

from nightshift.domain import Completion, Request, StopReason, Usage
from nightshift.errors import ContextExceeded, ModelServerError, StreamBroken, Unreachable
from nightshift.llm import wire_ollama, wire_openai
from nightshift.llm.endpoint import Endpoint
from nightshift.llm.keys import well_formed
from nightshift.llm.refusals import refusal
from nightshift.llm.wire import Delta, at_least, surely_above

MAX_REPLY = 10_000_000
"""Characters; no honest reply comes near."""
MAX_REFUSAL = 65_536
LOOP_WINDOW = 4_000
LOOP_UNIT = 400
"""A reply whose last LOOP_WINDOW characters repeat a unit of at most LOOP_UNIT will not come to an end."""
SLACK_TOKENS = 32


@dataclass(frozen=True, slots=True)
class Deadlines:
    """Seconds for each part of a request."""

    connect: float = 30.0
    first_token: float = 600.0
    """From sending to the first piece of text: reading the prompt takes its time."""
    stall: float = 120.0
    """Between two pieces."""
    total: float = 1800.0


class Runaway(StreamBroken):
    """The reply repeated itself or grew without end and was cut; `completion` is what had come until then."""

    def __init__(self, message: str, completion: Completion, *, fault: str = "runaway") -> None:
        super().__init__(message, fault=fault)
        self.completion = completion


async def ask(endpoint: Endpoint, model: str, request: Request, *, context: int, deadlines: Deadlines) -> Completion:
    """Raises ModelServerError; a reply cut at its token limit is a value with stop reason `length`."""
    _refuse_hopeless(endpoint, request, context)
    reply = _Reply(endpoint, model, deadlines)
    try:
        async with asyncio.timeout(min(deadlines.first_token, deadlines.total)) as clock:
            async with _answer(endpoint, model, request, context, deadlines) as response:
                await _read(response, reply, clock)
    except TimeoutError as error:
        raise reply.overdue() from error
    except httpx.HTTPError as error:
        raise _connection_error(error, reply) from error
    completion = reply.completion()
    _refuse_truncated(completion, request)
    return completion


@asynccontextmanager
async def open_client(*, api_key: str = "", connect: float = 30.0) -> AsyncIterator[httpx.AsyncClient]:
    """llama.cpp closes a streamed connection it has promised to keep, so none is ever kept."""
    headers = {"Connection": "close"} | ({"Authorization": f"Bearer {api_key}"} if api_key else {})
    timeout = httpx.Timeout(None, connect=connect)
    async with httpx.AsyncClient(headers=headers, timeout=timeout, trust_env=False, verify=_certificates()) as client:
        yield client


def unreachable(url: str, error: Exception) -> Unreachable:
    why = str(error) or type(error).__name__
    return Unreachable(f"no model server answers at {url} ({why}). Is it running?", fault="unreachable")


@dataclass(slots=True)
class _Reply:
    """A reply while it grows."""

    endpoint: Endpoint
    model: str
    deadlines: Deadlines
    started: float = field(default_factory=time.monotonic)
    first_at: float | None = None
    text: list[str] = field(default_factory=list)
    reasoning: list[str] = field(default_factory=list)
    length: int = 0
    checked: int = 0
    tail: str = ""
    stop_reason: StopReason | None = None
    model_served: str = ""
    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0
    ended: bool = False

    def add(self, delta: Delta) -> None:
        if delta.error:
            raise self.broken(f"reports an error in mid-stream: {delta.error}", "mid_stream_error")
        self.stop_reason = delta.stop_reason or self.stop_reason
        self.model_served = delta.model or self.model_served
        self.prompt_tokens = delta.prompt_tokens or self.prompt_tokens
        self.cached_tokens = delta.cached_tokens or self.cached_tokens
        self.completion_tokens = delta.completion_tokens or self.completion_tokens
        self.ended = self.ended or delta.end
        if delta.text or delta.reasoning:
            self._grow(delta)

    def _grow(self, delta: Delta) -> None:
        self.first_at = self.first_at or time.monotonic()
        self.text.append(delta.text)
        self.reasoning.append(delta.reasoning)
        piece = delta.reasoning + delta.text
        self.length += len(piece)
        self.tail = (self.tail + piece)[-LOOP_WINDOW:]
        if self.length > MAX_REPLY:
            raise self.cut(f"sent more than {MAX_REPLY:,} characters", "too_large")
        if self.length - self.checked >= LOOP_UNIT:
            self.checked = self.length
            if repeats(self.tail):
                raise self.cut("repeats itself without end", "runaway")

    def completion(self) -> Completion:
        if self.stop_reason is None:
            raise self.broken("ended its reply without saying why", "no_end_mark")
        now = time.monotonic()
        usage = Usage(1, self.prompt_tokens, self.cached_tokens, self.completion_tokens, now - self.started)
        return Completion(
            text=well_formed("".join(self.text))[:MAX_REPLY],
            stop_reason=self.stop_reason,
            usage=usage,
            reasoning=well_formed("".join(self.reasoning))[:MAX_REPLY],
            endpoint=self.endpoint.url,
            model_requested=self.model,
            model_served=self.model_served,
            first_token_seconds=(self.first_at or now) - self.started,
        )

    def deadline(self) -> float:
        """Seconds until this reply is overdue, counted from its last piece."""
        left = self.started + self.deadlines.total - time.monotonic()
        waiting = self.deadlines.first_token if self.first_at is None else self.deadlines.stall
        return min(waiting, left)

    def overdue(self) -> StreamBroken:
        limits = self.deadlines
        seconds = time.monotonic() - self.started
        if seconds >= limits.total:
            return self.broken(f"was not done after {limits.total:g} s in all", "total")
        if self.first_at is None:
            return self.broken(f"sent no first token within {limits.first_token:g} s", "first_token")
        return self.broken(f"sent nothing more for {limits.stall:g} s", "stall")

    def cut(self, what: str, fault: str) -> Runaway:
        self.stop_reason = "length"
        return Runaway(f"{self.model} at {self.endpoint.url} {what}", self.completion(), fault=fault)

    def broken(self, what: str, fault: str) -> StreamBroken:
        return StreamBroken(f"{self.model} at {self.endpoint.url} {what}", fault=fault)


@asynccontextmanager
async def _answer(
    endpoint: Endpoint, model: str, request: Request, context: int, deadlines: Deadlines
) -> AsyncIterator[httpx.Response]:
    path, body = _wire_request(endpoint, model, request, context)
    url = endpoint.url + path
    content = json.dumps(body).encode()
    headers = {"Content-Type": "application/json"}
    async with (
        open_client(api_key=endpoint.api_key, connect=deadlines.connect) as client,
        client.stream("POST", url, content=content, headers=headers) as response,
    ):
        if response.status_code != 200:
            said = await _beginning(response)
            raise refusal(response.status_code, said, url=endpoint.url, model=model, names=endpoint.names)
        yield response


def _wire_request(endpoint: Endpoint, model: str, request: Request, context: int) -> tuple[str, dict[str, Any]]:
    if endpoint.protocol == "ollama":
        thinks = endpoint.thinks(model)
        return wire_ollama.PATH, wire_ollama.request_body(request, model, context, thinks=thinks)
    return wire_openai.PATH, wire_openai.request_body(request, model, context, flavour=endpoint.flavour)


async def _read(response: httpx.Response, reply: _Reply, clock: asyncio.Timeout) -> None:
    parse = wire_ollama.parse_line if reply.endpoint.protocol == "ollama" else wire_openai.parse_line
    now = asyncio.get_running_loop().time
    rest = b""
    async for chunk in response.aiter_bytes():
        *lines, rest = (rest + chunk).split(b"\n")
        if _take(lines, parse, reply):
            clock.reschedule(now() + reply.deadline())
        if reply.ended:
            return
        if len(rest) > MAX_REPLY:
            raise reply.cut("sent a line without end", "too_large")
    _take([rest], parse, reply)
    if not reply.ended:
        raise reply.broken("ended its reply without the end mark", "no_end_mark")


def _take(lines: list[bytes], parse: Callable[[str], Delta | None], reply: _Reply) -> bool:
    """Adds what the lines hold; True when text was among it: pings and empty pieces are no progress."""
    before = reply.length
    for line in lines:
        try:
            delta = parse(line.decode("utf-8", "replace"))
        except ValueError as error:
            raise reply.broken(f"sent a line that cannot be read: {error}", "malformed") from error
        if delta is not None:
            reply.add(delta)
    return reply.length > before


def repeats(tail: str) -> bool:
    """True when a full window is one short unit over and over, so that legal oddities like }}}} pass."""
    if len(tail) < LOOP_WINDOW:
        return False
    unit = len(tail) - LOOP_UNIT - tail.rfind(tail[-LOOP_UNIT:], 0, -1)
    return unit <= LOOP_UNIT and tail[unit:] == tail[:-unit]


async def _beginning(response: httpx.Response) -> str:
    said = b""
    async for chunk in response.aiter_bytes():
        said += chunk
        if len(said) > MAX_REFUSAL:
            break
    return said[:MAX_REFUSAL].decode("utf-8", "replace")


def _connection_error(error: httpx.HTTPError, reply: _Reply) -> ModelServerError:
    if reply.first_at is None:
        return unreachable(reply.endpoint.url, error)
    return reply.broken(f"broke off in mid-reply ({error})", "cut")


def _refuse_hopeless(endpoint: Endpoint, request: Request, context: int) -> None:
    if surely_above(context, request.messages):
        sent = at_least(request.messages)
        raise ContextExceeded(
            f"the prompt of {request.span} has at least {sent} tokens and the context of {endpoint.url} is "
            f"{context}: give the server a larger context or the task a smaller workspace",
            fault="context",
        )


def _refuse_truncated(completion: Completion, request: Request) -> None:
    counted = completion.usage.prompt_tokens
    if counted and surely_above(counted + SLACK_TOKENS, request.messages):
        sent = at_least(request.messages)
        raise ContextExceeded(
            f"{completion.endpoint} evaluated {counted} prompt tokens of at least {sent} sent: it dropped "
            "some without a word, so its reply is not used. Give it a larger context",
            fault="context_truncated",
        )


@cache
def _certificates() -> ssl.SSLContext:
    """Reading the certificate store takes longer than a request to a local server."""
    return httpx.create_ssl_context()
