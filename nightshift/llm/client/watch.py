"""The deadlines of one request, watched beside it, so that reading a stream costs no timer per piece.

When the first token is overdue, one look tells a server that is at work from one that is not. It asks what llama.cpp
and Ollama answer while they generate; of other servers nothing can be known, so they get no second chance.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx

from nightshift.errors import ModelServerError
from nightshift.llm.client.stream import Reply
from nightshift.llm.endpoint import Target
from nightshift.llm.wire.fields import as_count
from nightshift.llm.wire.inquiry import loaded_models
from nightshift.llm.wire.refusals import same_model

LOOK_SECONDS = 10.0


@asynccontextmanager
async def watched(client: httpx.AsyncClient, reply: Reply) -> AsyncIterator[None]:
    """Raises TimeoutError in the block as soon as the reply is overdue."""
    async with asyncio.timeout(reply.deadlines.total) as clock:
        watch = asyncio.create_task(_watch(client, reply, clock))
        try:
            yield
        finally:
            watch.cancel()
            # It may be in the middle of a look, with a connection of the client that is about to be closed.
            await asyncio.wait([watch])


async def _watch(client: httpx.AsyncClient, reply: Reply, clock: asyncio.Timeout) -> None:
    looked = False
    while (due := reply.due()) > 0 or (reply.first_at is None and not looked):
        if due > 0:
            # The first piece may come while this sleeps, and the time between two pieces is the shorter one.
            await asyncio.sleep(min(due, reply.deadlines.stall))
        else:
            looked = True
            reply.patience *= 1 + await is_busy(client, reply.target)
    if not clock.expired():
        clock.reschedule(asyncio.get_running_loop().time())


async def is_busy(client: httpx.AsyncClient, target: Target) -> bool:
    """Whether the server is well and generates something; False when it does not say."""
    look = LOOKS.get(target.endpoint.flavour)
    if look is None:
        return False
    try:
        async with asyncio.timeout(LOOK_SECONDS):
            return await look(client, target)
    except (httpx.HTTPError, ModelServerError, TimeoutError, ValueError, RecursionError):
        return False


async def allocated(client: httpx.AsyncClient, target: Target) -> int:
    """Tokens of context that Ollama has loaded the model with; 0 when it does not say, or is not Ollama."""
    try:
        async with asyncio.timeout(LOOK_SECONDS):
            return max((as_count(state.get("context_length")) for state in await _loaded(client, target)), default=0)
    except (httpx.HTTPError, ModelServerError, TimeoutError):
        return 0


async def _llama_works(client: httpx.AsyncClient, target: Target) -> bool:
    url = target.endpoint.url
    if (await client.get(f"{url}/health")).status_code != 200:
        return False
    answer = await client.get(f"{url}/slots")
    # A server that was told to hide its slots is at least well.
    slots = answer.json() if answer.status_code == 200 else [{"is_processing": True}]
    return isinstance(slots, list) and any(isinstance(slot, dict) and slot.get("is_processing") for slot in slots)


async def _ollama_works(client: httpx.AsyncClient, target: Target) -> bool:
    well = (await client.get(f"{target.endpoint.url}/")).status_code == 200
    return well and bool(await _loaded(client, target))


async def _loaded(client: httpx.AsyncClient, target: Target) -> list[dict[str, object]]:
    """What Ollama says of that model while it has it loaded."""
    if target.endpoint.flavour != "ollama":
        return []
    loaded = await loaded_models(client, target.endpoint.url)
    return [state for name, state in loaded.items() if same_model(target.model, name)]


LOOKS = {"llama.cpp": _llama_works, "ollama": _ollama_works}
