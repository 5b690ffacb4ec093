"""When Ollama will unload its models if nobody asks them anything. No generation is started."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import httpx

from nightshift.llm.client import open_client
from nightshift.llm.endpoint import Endpoint
from nightshift.llm.inquiry import entries, get_object
from nightshift.llm.wire import as_text


async def minutes_left(endpoint: Endpoint, *, seconds: float = 10.0) -> dict[str, float]:
    """Loaded model -> minutes; millions of them stand for ever. Empty when the server does not say."""
    if endpoint.protocol != "ollama":
        return {}
    try:
        async with asyncio.timeout(seconds), open_client(api_key=endpoint.api_key) as client:
            running = entries(await get_object(client, endpoint.url, "/api/ps"), "models")
    except (httpx.HTTPError, TimeoutError):
        return {}
    told = {as_text(entry.get("model")): _minutes_until(as_text(entry.get("expires_at"))) for entry in running}
    return {name: minutes for name, minutes in told.items() if minutes is not None}


def _minutes_until(moment: str) -> float | None:
    try:
        when = datetime.fromisoformat(moment)
    except ValueError:
        return None
    return (when - datetime.now(when.tzinfo or UTC).replace(tzinfo=when.tzinfo)).total_seconds() / 60
