"""One request to one server: measured, sent, streamed, and its every way to fail given a name.

Always streams, because only then does leaving free the server's slot. A prompt that does not fit is not sent, and a
reply to a prompt that the server cut is not used. Does not retry or wait for its turn: the pool does.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx

from nightshift.domain import Completion, Request
from nightshift.errors import ContextExceeded, ModelServerError
from nightshift.llm.client import tokens
from nightshift.llm.client.learning import learn
from nightshift.llm.client.progress import Progress
from nightshift.llm.client.stream import MAX_REPLY, Reply
from nightshift.llm.client.tokens import Count
from nightshift.llm.client.watch import allocated, watched
from nightshift.llm.deadlines import Deadlines
from nightshift.llm.endpoint import Target
from nightshift.llm.profiles import Profile, Profiles
from nightshift.llm.wire import ollama, openai
from nightshift.llm.wire.common import Delta, as_sent
from nightshift.llm.wire.http import open_client, unreachable
from nightshift.llm.wire.refusals import refusal

MAX_REFUSAL = 65_536
SMALLEST_CONTEXT = 1024
"""Tokens; a server that evaluated fewer of a long prompt did not count what it had cached."""


async def ask(
    target: Target,
    request: Request,
    *,
    context: int,
    deadlines: Deadlines,
    profiles: Profiles,
    before_send: Callable[[], None] = lambda: None,
    progress: Progress | None = None,
) -> Completion:
    """Sends at most one generation request. `context` is what Ollama is told to allocate: the same for a whole run.

    `before_send` is called once the prompt is known to fit, just before it is sent. Raises ModelServerError; a reply
    cut at its token limit is a value with stop reason `length`.
    """
    progress = progress or Progress(request)
    profile = profiles.of(target)
    sent = as_sent(request, schemas=profile.schemas)
    room = min(context, profile.context or context)
    async with open_client(api_key=target.endpoint.api_key, connect=deadlines.connect) as client:
        count = await _measured(client, target, sent, room, profiles)
        sent = tokens.fitted(sent, count, room, where=target.endpoint.url)
        reply = Reply.to(
            sent, target, deadlines=deadlines, prompt_sent=count.tokens, bytes_per_token=profile.bytes_per_token
        )
        before_send()
        progress.tell("prompt", total=count.tokens)
        try:
            async with watched(client, reply), _answer(client, target, sent, context, profile) as response:
                await _read(response, reply, progress)
        except TimeoutError as error:
            raise reply.overdue() from error
        except httpx.HTTPError as error:
            raise _connection_error(error, reply) from error
        completion = reply.completion()
        if doubt := tokens.shortfall(completion.usage.prompt_tokens, count, sent.messages):
            await _refuse_truncated(client, target, completion, room, profiles, sure=doubt == "sure")
    learn(target, sent, completion, profiles)
    return completion


async def _measured(
    client: httpx.AsyncClient, target: Target, request: Request, room: int, profiles: Profiles
) -> Count:
    """Counted by the server only where an estimate cannot tell that the prompt fits, so that most calls pay nothing."""
    profile = profiles.of(target)
    count = tokens.estimate(request.messages, profile)
    if not profile.counts or not tokens.is_near(count, request.messages, room):
        return count
    _, body = _wire_request(target, request, room, profile)
    exact = await tokens.counted(client, target.endpoint, body)
    if exact == 0:
        profiles.learn(target, counts=False)
    return Count(exact, "counted") if exact else count


@asynccontextmanager
async def _answer(
    client: httpx.AsyncClient, target: Target, request: Request, context: int, profile: Profile
) -> AsyncIterator[httpx.Response]:
    endpoint = target.endpoint
    path, body = _wire_request(target, request, context, profile)
    content = json.dumps(body).encode()
    headers = {"Content-Type": "application/json"}
    async with client.stream("POST", endpoint.url + path, content=content, headers=headers) as response:
        if response.status_code != 200:
            raise refusal(
                response.status_code,
                await _beginning(response),
                url=endpoint.url,
                model=target.model,
                names=endpoint.names,
                schema=request.schema is not None,
                thinking=profile.thinking,
            )
        yield response


def _wire_request(target: Target, request: Request, context: int, profile: Profile) -> tuple[str, dict[str, Any]]:
    endpoint, model, thinking = target.endpoint, target.model, profile.thinking
    if endpoint.protocol == "ollama":
        thinks = endpoint.thinks(model)
        body = ollama.request_body(request, model, context, thinks=thinks, thinking=thinking)
        return ollama.PATH, body
    return openai.PATH, openai.request_body(request, model, flavour=endpoint.flavour, thinking=thinking)


async def _read(response: httpx.Response, reply: Reply, progress: Progress) -> None:
    parse = ollama.parse_line if reply.target.endpoint.protocol == "ollama" else openai.parse_line
    rest = b""
    async for chunk in response.aiter_bytes():
        *lines, rest = (rest + chunk).split(b"\n")
        _take(lines, parse, reply, progress)
        if reply.ended:
            return
        if len(rest) > MAX_REPLY:
            raise reply.cut("sent a line without end", "too_large")
    _take([rest], parse, reply, progress)
    if not reply.ended:
        raise reply.broken("ended its reply without the end mark", "no_end_mark")


def _take(lines: list[bytes], parse: Callable[[str], Delta | None], reply: Reply, progress: Progress) -> None:
    """Adds what the lines hold. Pings and empty pieces are no progress."""
    before = reply.length
    for line in lines:
        try:
            delta = parse(line.decode("utf-8", "replace"))
        except ValueError as error:
            raise reply.broken(f"sent a line that cannot be read: {error}", "malformed") from error
        if delta is not None:
            reply.add(delta)
    if reply.length > before:
        reply.moved()
        progress.tell("reply", tokens=reply.pieces)
    elif reply.first_at is None and reply.prompt:
        progress.tell("prompt", done=reply.read, total=reply.prompt)


async def _beginning(response: httpx.Response) -> str:
    said = b""
    async for chunk in response.aiter_bytes():
        said += chunk
        if len(said) > MAX_REFUSAL:
            break
    return said[:MAX_REFUSAL].decode("utf-8", "replace")


def _connection_error(error: httpx.HTTPError, reply: Reply) -> ModelServerError:
    if reply.first_at is None:
        return unreachable(reply.target.endpoint.url, error)
    return reply.broken(f"broke off in mid-reply ({error})", "cut")


async def _refuse_truncated(
    client: httpx.AsyncClient, target: Target, completion: Completion, room: int, profiles: Profiles, *, sure: bool
) -> None:
    evaluated, held = completion.usage.prompt_tokens, await allocated(client, target)
    if held >= room and not sure:
        return
    if SMALLEST_CONTEXT <= (seen := held or evaluated) < room:
        profiles.learn(target, context=seen)
    raise ContextExceeded(
        f"{target} evaluated {evaluated} prompt tokens of about {completion.prompt_sent} sent: it dropped some without "
        "a word, so its reply is not used. Give it a larger context",
        fault="context_truncated",
    )
