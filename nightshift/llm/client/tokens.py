"""How many tokens a prompt has: estimated from its bytes, as past replies have taught, or counted by the server.

An estimate is good enough to keep a prompt within its context and to notice that a server dropped much of one. A
small part that a server dropped goes unnoticed where it cannot count for us.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import httpx

from nightshift.domain import Message, Request
from nightshift.errors import ContextExceeded
from nightshift.llm.endpoint import Endpoint
from nightshift.llm.profiles import Profile
from nightshift.llm.wire.fields import as_count

CHARACTERS_PER_TOKEN = 6
"""More than any tokeniser packs into one on average, over code or prose."""
BYTES_PER_TOKEN = 3.5
"""Of a usual tokeniser over code and English."""
TOKENS_PER_MESSAGE = 8
"""For the marks that a chat template puts around it."""
LARGEST_TEMPLATE = 256
"""Tokens that templates have been seen to add by themselves."""

SMALLEST_REPLY = 256
"""Tokens without which a reply is of no use."""
NEAR = 0.6
"""Of the context: from there on an estimate is not good enough where the server counts."""
MARGIN = 1.1
"""By which a prompt is taken to be larger than its estimate."""
SHORTFALL = 0.65
"""A server that evaluated a smaller share of the estimate has likely dropped a part."""
SLACK = 32

FEWEST_TO_LEARN_FROM = 200
"""Prompt tokens; the template outweighs shorter prompts."""
LEARNABLE = (0.5, 5.0)
"""Bytes per token that can be true: above, a server dropped something or did not count what it had cached."""
CALIBRATED = 3
WEIGHT = 0.2
LARGEST_STEP = 1.25

COUNT_PATHS = {"llama.cpp": "/v1/chat/completions/input_tokens", "generic": "/tokenize"}
NO_SUCH_PATH = (404, 405, 501)
COUNT_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Count:
    """Tokens of a prompt, and how we know."""

    tokens: int
    basis: Literal["counted", "calibrated", "usual"]

    @property
    def most(self) -> int:
        """What to reserve for it in a context."""
        return self.tokens if self.basis == "counted" else int(self.tokens * MARGIN)


def estimate(messages: Sequence[Message], profile: Profile) -> Count:
    calibrated = profile.replies >= CALIBRATED
    per_token = profile.bytes_per_token if calibrated else BYTES_PER_TOKEN
    tokens = int(size(messages) / per_token) + TOKENS_PER_MESSAGE * len(messages)
    return Count(tokens, "calibrated" if calibrated else "usual")


def is_near(count: Count, messages: Sequence[Message], context: int) -> bool:
    """Whether only an exact count can tell that the prompt fits: without calibration, a byte may be a token."""
    most = size(messages) + LARGEST_TEMPLATE if count.basis == "usual" else count.tokens
    return most > NEAR * context


async def counted(client: httpx.AsyncClient, endpoint: Endpoint, body: dict[str, Any]) -> int | None:
    """Prompt tokens of that request as the server counts them; 0 when it cannot, None when it just did not answer."""
    path = COUNT_PATHS.get(endpoint.flavour)
    if path is None:
        return 0
    try:
        async with asyncio.timeout(COUNT_SECONDS):
            answer = await client.post(endpoint.url + path, json=body)
            said = answer.json() if answer.status_code == 200 else {}
    except (httpx.HTTPError, TimeoutError, ValueError, RecursionError):
        return None
    found = as_count(said.get("input_tokens") or said.get("count")) if isinstance(said, dict) else 0
    return found or (0 if answer.status_code in (200, *NO_SUCH_PATH) else None)


def fitted(request: Request, count: Count, context: int, *, where: str) -> Request:
    """The request asking for no more tokens than there is room for. Raises ContextExceeded."""
    wanted = request.sampling.max_tokens + request.think
    room = context - count.most
    if room < min(SMALLEST_REPLY, wanted):
        raise ContextExceeded(
            f"the prompt of {request.span} has about {count.tokens} tokens and leaves no room for a reply in the "
            f"{context} of {where}: give the server a larger context or the task a smaller workspace",
            fault="context",
        )
    return replace(request, sampling=replace(request.sampling, max_tokens=min(wanted, room)))


def shortfall(evaluated: int, count: Count, messages: Sequence[Message]) -> Literal["", "likely", "sure"]:
    """Whether the server evaluated fewer prompt tokens than it was sent; no word from it is no shortfall."""
    if not evaluated:
        return ""
    if count.basis == "counted":
        return "sure" if evaluated + max(SLACK, count.tokens // 100) < count.tokens else ""
    if surely_above(evaluated + SLACK, messages):
        return "sure"
    # What dense text, such as numbers, has taught expects too much of code, and a refused reply never corrects it.
    expected = min(count.tokens, size(messages) / BYTES_PER_TOKEN)
    return "likely" if count.basis == "calibrated" and evaluated + SLACK < SHORTFALL * expected else ""


def calibrated(profile: Profile, messages: Sequence[Message], evaluated: int) -> dict[str, float]:
    """What a reply's own count of its prompt changes in the profile."""
    evaluated -= TOKENS_PER_MESSAGE * len(messages)
    if evaluated < FEWEST_TO_LEARN_FROM:
        return {}
    seen = size(messages) / evaluated
    if not LEARNABLE[0] <= seen <= LEARNABLE[1]:
        return {}
    settled = profile.replies >= CALIBRATED
    step = LARGEST_STEP if settled else float("inf")
    weight = WEIGHT if settled else 1 / (profile.replies + 1)
    value = running(profile.bytes_per_token, seen, weight=weight, step=step)
    return {"bytes_per_token": value, "replies": profile.replies + 1}


def running(known: float, seen: float, *, weight: float = WEIGHT, step: float = 2.0) -> float:
    """A running mean to which no single value counts for more than `step` times what is known."""
    return known + weight * (min(max(seen, known / step), known * step) - known) if known else seen


def size(messages: Sequence[Message]) -> int:
    """UTF-8 bytes."""
    return sum(len(message.content.encode("utf-8", "replace")) for message in messages)


def surely_above(tokens: int, messages: Sequence[Message]) -> bool:
    """Whether these messages have more tokens than that under any tokeniser there is."""
    if sum(len(message.content) for message in messages) // CHARACTERS_PER_TOKEN <= tokens:
        return False
    return at_least(messages) > tokens


def at_least(messages: Sequence[Message]) -> int:
    """Tokens these messages have at the very least: long runs of one character may be a single token."""
    text = "".join(message.content for message in messages)
    return len(re.sub(r"(.)\1{3,}", r"\1\1\1", text, flags=re.DOTALL)) // CHARACTERS_PER_TOKEN
