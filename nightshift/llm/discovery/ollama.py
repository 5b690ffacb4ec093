"""What Ollama says of its models, and loading one before it is needed. No generation is started."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

import httpx

from nightshift.errors import ServerLoading
from nightshift.llm.endpoint import Endpoint, Model, Target, billions
from nightshift.llm.wire.fields import as_count, as_dict, as_text, entries
from nightshift.llm.wire.http import open_client, unreachable
from nightshift.llm.wire.inquiry import get_object, loaded_models, post_object
from nightshift.llm.wire.refusals import refusal

BYTES_PER_PARAMETER = 0.6
"""Of the usual 4-bit quantisations."""
QUESTIONS_AT_ONCE = 8
SHOW_SECONDS = 1.0
"""For what is told of all models together."""


async def describe(client: httpx.AsyncClient, url: str, version: str, api_key: str) -> Endpoint:
    """What it is; of a model that it takes long to tell about, only what its listing says."""
    models = [_listed(entry) for entry in entries(await get_object(client, url, "/api/tags"), "models")]
    loaded = await loaded_models(client, url)
    shown = await _show(client, url, [model.name for model in models])
    known = tuple(_with_state(_with_facts(model, shown.get(model.name, {})), loaded) for model in models)
    return Endpoint(url, "ollama", "ollama", known, slots=1, api_key=api_key, build=version)


async def preload(target: Target, *, context: int, seconds: float) -> Model:
    """Loads the model with this context by an empty request, and says what was really allocated.

    `context` must be the one that requests will send, or they load it again. Raises ServerLoading after `seconds`.
    """
    endpoint = target.endpoint
    try:
        async with asyncio.timeout(seconds), open_client(api_key=endpoint.api_key) as client:
            await _load(client, target, context)
            loaded = await loaded_models(client, endpoint.url)
    except httpx.HTTPError as error:
        raise unreachable(endpoint.url, error) from error
    except TimeoutError as error:
        raise ServerLoading(
            f"{target} was not loaded within {seconds:g} s. Is it too large for the memory there?", fault="load"
        ) from error
    return _with_state(target.facts, loaded)


async def _show(client: httpx.AsyncClient, url: str, names: Sequence[str]) -> dict[str, dict[str, Any]]:
    shown: dict[str, dict[str, Any]] = {}
    turns = asyncio.Semaphore(QUESTIONS_AT_ONCE)

    async def one(name: str) -> None:
        async with turns:
            shown[name] = await post_object(client, url, "/api/show", {"model": name})

    # A large library on a slow disk takes its time: the server must be found all the same.
    with suppress(TimeoutError):
        async with asyncio.timeout(SHOW_SECONDS):
            await asyncio.gather(*map(one, names))
    return shown


async def _load(client: httpx.AsyncClient, target: Target, context: int) -> None:
    url = target.endpoint.url
    # `shift` is one of the values whose change makes the server load the model again.
    body = {"model": target.model, "stream": False, "shift": False, "options": {"num_ctx": context}}
    answer = await client.post(url + "/api/generate", json=body)
    # A server of this protocol that has no such route loads the model with the first request.
    no_route = answer.status_code == 404 and "model" not in answer.text
    if answer.status_code != 200 and not no_route:
        names = target.endpoint.names
        raise refusal(answer.status_code, answer.text[:2000], url=url, model=target.model, names=names)


def _listed(entry: dict[str, Any]) -> Model:
    name = as_text(entry.get("model")) or as_text(entry.get("name"))
    size = as_count(entry.get("size"))
    reported = billions(as_text(as_dict(entry.get("details")).get("parameter_size")))
    return Model(name, billions(name) or reported or size / BYTES_PER_PARAMETER / 1e9, _capabilities(entry), size=size)


def _with_facts(model: Model, shown: dict[str, Any]) -> Model:
    facts = as_dict(shown.get("model_info"))
    trained = as_count(facts.get(f"{as_text(facts.get('general.architecture'))}.context_length"))
    return replace(model, trained=trained, capabilities=_capabilities(shown) or model.capabilities)


def _capabilities(holder: dict[str, Any]) -> tuple[str, ...]:
    value = holder.get("capabilities")
    return tuple(str(word) for word in value) if isinstance(value, list) else ()


def _with_state(model: Model, loaded: dict[str, dict[str, Any]]) -> Model:
    state = loaded.get(model.name, {})
    size, vram, context = (as_count(state.get(word)) for word in ("size", "size_vram", "context_length"))
    return replace(model, loaded=size, vram=vram, allocated=context)
