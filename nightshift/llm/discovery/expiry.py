"""When Ollama will unload its models if nobody asks them anything. No generation is started."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import httpx

from nightshift.llm.endpoint import Endpoint
from nightshift.llm.wire.fields import as_text
from nightshift.llm.wire.http import open_client
from nightshift.llm.wire.inquiry import loaded_models


async def minutes_left(endpoint: Endpoint, *, seconds: float = 10.0) -> dict[str, float]:
    """Loaded model -> minutes; millions of them stand for ever. Empty when the server does not say."""
    if endpoint.protocol != "ollama":
        return {}
    try:
        async with asyncio.timeout(seconds), open_client(api_key=endpoint.api_key) as client:
            loaded = await loaded_models(client, endpoint.url)
    except (httpx.HTTPError, TimeoutError):
        return {}
    told = {name: _minutes_until(as_text(state.get("expires_at"))) for name, state in loaded.items()}
    return {name: minutes for name, minutes in told.items() if minutes is not None}


def _minutes_until(moment: str) -> float | None:
    try:
        when = datetime.fromisoformat(moment)
    except ValueError:
        return None
    return (when - datetime.now(when.tzinfo or UTC).replace(tzinfo=when.tzinfo)).total_seconds() / 60
