"""Small questions to a model server: one JSON object back, and nothing generated for it."""

from __future__ import annotations

import json
from typing import Any

import httpx

from nightshift.llm.wire.fields import as_dict, as_text, entries
from nightshift.llm.wire.refusals import refusal

NOT_NOW = (401, 403, 503)
"""Statuses that say something of the whole server rather than of the question."""


async def get_object(client: httpx.AsyncClient, url: str, path: str) -> dict[str, Any]:
    """The JSON object at that path; empty when there is none: some servers answer every path somehow."""
    return _object(await client.get(url + path), url)


async def post_object(client: httpx.AsyncClient, url: str, path: str, body: dict[str, Any]) -> dict[str, Any]:
    """The JSON object that answers this body; empty when the server does not take it."""
    return _object(await client.post(url + path, json=body), url)


async def loaded_models(client: httpx.AsyncClient, url: str) -> dict[str, dict[str, Any]]:
    """What Ollama says of each model that it has loaded, by name."""
    running = entries(await get_object(client, url, "/api/ps"), "models")
    return {as_text(entry.get("model")) or as_text(entry.get("name")): entry for entry in running}


def _object(response: httpx.Response, url: str) -> dict[str, Any]:
    if response.status_code in NOT_NOW:
        raise refusal(response.status_code, response.text[:2000], url=url)
    if response.status_code != 200:
        return {}
    try:
        answer = as_dict(response.json())
        json.dumps(answer, ensure_ascii=False).encode()  # a lone surrogate would fit no file and no request
    except (ValueError, RecursionError):
        return {}
    return answer
