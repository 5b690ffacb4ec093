"""What speculation has done on a llama.cpp server, as its metrics tell: it must have been started with --metrics."""

from __future__ import annotations

import asyncio
import re

import httpx

from nightshift.llm.endpoint import Endpoint
from nightshift.llm.wire.http import open_client

DRAFTED, ACCEPTED = "llamacpp:spec_decode_num_draft_tokens_total", "llamacpp:spec_decode_num_accepted_tokens_total"


async def drafts(endpoint: Endpoint, *, seconds: float = 10.0) -> tuple[int, int]:
    """Tokens drafted and accepted since the server was started; zeros when it does not say."""
    try:
        async with asyncio.timeout(seconds), open_client(api_key=endpoint.api_key) as client:
            answer = await client.get(f"{endpoint.url}/metrics")
    except (httpx.HTTPError, TimeoutError):
        return 0, 0
    text = answer.text if answer.status_code == 200 else ""
    return counter(text, DRAFTED), counter(text, ACCEPTED)


def counter(metrics: str, name: str) -> int:
    """
    >>> counter("# TYPE a counter\\na 12\\n", "a")
    12
    """
    found = re.search(rf"^{re.escape(name)} (\d+(?:\.\d+)?(?:e[+]?\d+)?)$", metrics, re.MULTILINE)
    return int(float(found[1])) if found else 0
