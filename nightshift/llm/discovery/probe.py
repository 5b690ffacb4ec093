"""Finding model servers and asking them what they are: protocol, models, slots, context.

What a server is follows from what it answers, never from its port. Nothing here starts a generation.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import PurePath
from typing import Any, Literal

import httpx

from nightshift.errors import ModelServerError, ServerLoading, Unreachable
from nightshift.llm.addresses import base_url
from nightshift.llm.discovery import ollama
from nightshift.llm.endpoint import Endpoint, Model, billions
from nightshift.llm.wire.fields import as_count, as_dict, as_text, entries
from nightshift.llm.wire.http import open_client, unreachable
from nightshift.llm.wire.inquiry import get_object

DEFAULT_URLS = (
    "http://127.0.0.1:11434",
    "http://127.0.0.1:8080",
    "http://127.0.0.1:1234",
    "http://127.0.0.1:8000",
)
POLL_SECONDS = 0.5
BATCHING_SLOTS = 4
"""For servers that batch what comes (vLLM) and have no slots to report."""
THINKING_TEMPLATE = re.compile(r"enable_thinking|<think>|reasoning_content")
State = Literal["ready", "loading", "dead"]


async def probe(url: str, *, api_key: str = "", seconds: float = 10.0, patience: float = 0.0) -> Endpoint:
    """What answers there; a server that loads its model is waited for with `patience` (seconds).

    Raises Unreachable, ServerLoading, ServerOverloaded or BadRequest.
    """
    give_up = time.monotonic() + patience
    while True:
        try:
            return await _probe(base_url(url), api_key, seconds)
        except ServerLoading:
            if time.monotonic() >= give_up:
                raise
            await asyncio.sleep(POLL_SECONDS)


async def find_servers(
    urls: Sequence[str] = DEFAULT_URLS, *, api_key: str = "", seconds: float = 2.0, patience: float = 0.0
) -> list[Endpoint]:
    """The servers that answer, in the order of `urls`. Raises ServerLoading when all of them load."""
    found = (await survey(urls, api_key=api_key, seconds=seconds, patience=patience)).values()
    servers = [one for one in found if isinstance(one, Endpoint)]
    loading = [one for one in found if isinstance(one, ServerLoading)]
    if loading and not servers:
        raise loading[0]
    return servers


async def survey(
    urls: Sequence[str], *, api_key: str = "", seconds: float = 10.0, patience: float = 0.0
) -> dict[str, Endpoint | ModelServerError]:
    """What is found at each URL, or why nothing is; all are asked at the same time."""
    found = await asyncio.gather(*(_try(url, api_key, seconds, patience) for url in urls))
    return dict(zip(urls, found, strict=True))


async def look(endpoint: Endpoint, *, seconds: float = 10.0) -> State:
    """One look at a server, which costs it nothing."""
    path = "/" if endpoint.protocol == "ollama" else "/health"
    try:
        async with asyncio.timeout(seconds), open_client(api_key=endpoint.api_key) as client:
            status = (await client.get(endpoint.url + path)).status_code
    except (httpx.HTTPError, TimeoutError):
        return "dead"
    return "loading" if status == 503 else "dead" if status >= 500 else "ready"


async def _probe(url: str, api_key: str, seconds: float) -> Endpoint:
    try:
        async with asyncio.timeout(seconds), open_client(api_key=api_key) as client:
            return await _identify(client, url, api_key)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise unreachable(url, error) from error
    except TimeoutError as error:
        raise Unreachable(
            f"{url} says nothing within {seconds:g} s. Is a model server running there?", fault="silent"
        ) from error


async def _try(url: str, api_key: str, seconds: float, patience: float) -> Endpoint | ModelServerError:
    try:
        return await probe(url, api_key=api_key, seconds=seconds, patience=patience)
    except ModelServerError as error:
        return error


async def _identify(client: httpx.AsyncClient, url: str, api_key: str) -> Endpoint:
    version = as_text((await get_object(client, url, "/api/version")).get("version"))
    if version:
        return await ollama.describe(client, url, version, api_key)
    props = await get_object(client, url, "/props")
    models = await get_object(client, url, "/v1/models")
    if "default_generation_settings" in props:
        return _llama(url, props, models, api_key)
    if isinstance(models.get("data"), list):
        return _generic(url, models, api_key)
    raise Unreachable(f"something answers at {url}, but it is no model server we know", fault="not_a_model_server")


def _llama(url: str, props: dict[str, Any], models: dict[str, Any], api_key: str) -> Endpoint:
    context = as_count(as_dict(props["default_generation_settings"]).get("n_ctx"))
    slots = as_count(props.get("total_slots"))
    alias = as_text(props.get("model_alias")) or PurePath(as_text(props.get("model_path"))).name
    thinks = ("completion", "thinking") if THINKING_TEMPLATE.search(as_text(props.get("chat_template"))) else ()
    listed = _openai_models(models) or ((Model(alias, billions(alias)),) if alias else ())
    known = tuple(replace(model, capabilities=model.capabilities or thinks) for model in listed)
    build = as_text(props.get("build_info"))
    return Endpoint(url, "openai", "llama.cpp", known, slots or 1, context or None, api_key, build)


def _generic(url: str, models: dict[str, Any], api_key: str) -> Endpoint:
    contexts = [as_count(entry.get("max_model_len")) for entry in entries(models, "data")]
    context = min((size for size in contexts if size), default=0)
    slots = BATCHING_SLOTS if context else 1
    return Endpoint(url, "openai", "generic", _openai_models(models), slots, context or None, api_key)


def _openai_models(models: dict[str, Any]) -> tuple[Model, ...]:
    return tuple(_openai_model(entry) for entry in entries(models, "data") if as_text(entry.get("id")))


def _openai_model(entry: dict[str, Any]) -> Model:
    name, meta = as_text(entry.get("id")), as_dict(entry.get("meta"))
    size = billions(name) or as_count(meta.get("n_params")) / 1e9
    return Model(name, size, trained=as_count(meta.get("n_ctx_train")), size=as_count(meta.get("size")))
