"""Finding model servers and asking them what they are: protocol, models, slots, context.

What a server is follows from what it answers, never from its port. Nothing here starts a generation.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Sequence
from typing import Any

import httpx

from nightshift.errors import ModelServerError, ServerLoading, Unreachable
from nightshift.llm.addresses import base_url
from nightshift.llm.client import open_client, unreachable
from nightshift.llm.endpoint import Endpoint, Model
from nightshift.llm.refusals import refusal
from nightshift.llm.wire import as_count, as_dict, as_text

DEFAULT_URLS = (
    "http://127.0.0.1:11434",
    "http://127.0.0.1:8080",
    "http://127.0.0.1:1234",
    "http://127.0.0.1:8000",
)
POLL_SECONDS = 0.5
BATCHING_SLOTS = 4
"""For servers that batch what comes (vLLM) and have no slots to report."""
BYTES_PER_PARAMETER = 0.6
"""Of the usual 4-bit quantisations."""


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


async def find_servers(
    urls: Sequence[str] = DEFAULT_URLS, *, api_key: str = "", seconds: float = 2.0
) -> list[Endpoint]:
    """The servers that answer, in the order of `urls`. Raises ServerLoading when all of them load."""
    found = (await survey(urls, api_key=api_key, seconds=seconds)).values()
    servers = [one for one in found if isinstance(one, Endpoint)]
    loading = [one for one in found if isinstance(one, ServerLoading)]
    if loading and not servers:
        raise loading[0]
    return servers


async def survey(
    urls: Sequence[str], *, api_key: str = "", seconds: float = 10.0
) -> dict[str, Endpoint | ModelServerError]:
    """What is found at each URL, or why nothing is; all are asked at the same time."""
    found = await asyncio.gather(*(_try(url, api_key, seconds) for url in urls))
    return dict(zip(urls, found, strict=True))


async def is_ready(endpoint: Endpoint) -> bool:
    """False while the server loads its model; a dead one counts as ready, since asking it will tell."""
    path = "/" if endpoint.protocol == "ollama" else "/health"
    try:
        async with asyncio.timeout(10), open_client(api_key=endpoint.api_key) as client:
            return (await client.get(endpoint.url + path)).status_code != 503
    except (httpx.HTTPError, TimeoutError):
        return True


def billions(name: str) -> float:
    """Parameters in billions as a model's name tells them; 0 when it does not.

    >>> billions("qwen3-coder:30b-a3b"), billions("mixtral:8x7b"), billions("gemma3:270m")
    (30.0, 56.0, 0.27)
    """
    size = re.search(r"(?<![a-z0-9.])(?:(\d+)x)?(\d+(?:\.\d+)?)([bm])(?![a-z0-9])", name.lower())
    if not size:
        return 0.0
    return int(size[1] or 1) * float(size[2]) / (1000 if size[3] == "m" else 1)


async def _try(url: str, api_key: str, seconds: float) -> Endpoint | ModelServerError:
    try:
        return await probe(url, api_key=api_key, seconds=seconds)
    except ModelServerError as error:
        return error


async def _identify(client: httpx.AsyncClient, url: str, api_key: str) -> Endpoint:
    if as_text((await _get(client, url, "/api/version")).get("version")):
        return _ollama(url, await _get(client, url, "/api/tags"), api_key)
    props = await _get(client, url, "/props")
    models = await _get(client, url, "/v1/models")
    if "default_generation_settings" in props:
        return _llama(url, props, models, api_key)
    if isinstance(models.get("data"), list):
        return _generic(url, models, api_key)
    raise Unreachable(f"something answers at {url}, but it is no model server we know", fault="not_a_model_server")


async def _get(client: httpx.AsyncClient, url: str, path: str) -> dict[str, Any]:
    """The JSON object at that path; empty when there is none: some servers answer every path somehow."""
    response = await client.get(url + path)
    if response.status_code in (401, 403, 503):
        raise refusal(response.status_code, response.text[:2000], url=url)
    if response.status_code != 200:
        return {}
    try:
        return as_dict(response.json())
    except (ValueError, RecursionError):
        return {}


def _ollama(url: str, tags: dict[str, Any], api_key: str) -> Endpoint:
    models = tuple(_ollama_model(as_dict(entry)) for entry in _entries(tags, "models"))
    return Endpoint(url, "ollama", "ollama", models, slots=1, api_key=api_key)


def _ollama_model(entry: dict[str, Any]) -> Model:
    name = as_text(entry.get("model")) or as_text(entry.get("name"))
    reported = billions(as_text(as_dict(entry.get("details")).get("parameter_size")))
    estimated = as_count(entry.get("size")) / BYTES_PER_PARAMETER / 1e9
    capabilities = tuple(str(word) for word in _entries(entry, "capabilities"))
    return Model(name, billions(name) or reported or estimated, capabilities)


def _llama(url: str, props: dict[str, Any], models: dict[str, Any], api_key: str) -> Endpoint:
    context = as_count(as_dict(props["default_generation_settings"]).get("n_ctx"))
    slots = as_count(props.get("total_slots"))
    return Endpoint(url, "openai", "llama.cpp", _openai_models(models), slots or 1, context or None, api_key)


def _generic(url: str, models: dict[str, Any], api_key: str) -> Endpoint:
    contexts = [as_count(as_dict(entry).get("max_model_len")) for entry in _entries(models, "data")]
    context = min((size for size in contexts if size), default=0)
    slots = BATCHING_SLOTS if context else 1
    return Endpoint(url, "openai", "generic", _openai_models(models), slots, context or None, api_key)


def _openai_models(models: dict[str, Any]) -> tuple[Model, ...]:
    entries = [as_dict(entry) for entry in _entries(models, "data")]
    return tuple(Model(as_text(entry.get("id")), _openai_size(entry)) for entry in entries if entry.get("id"))


def _openai_size(entry: dict[str, Any]) -> float:
    return billions(as_text(entry.get("id"))) or as_count(as_dict(entry.get("meta")).get("n_params")) / 1e9


def _entries(holder: dict[str, Any], name: str) -> list[Any]:
    value = holder.get(name)
    return value if isinstance(value, list) else []
