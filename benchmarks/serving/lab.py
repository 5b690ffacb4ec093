"""What the measurements of the suite `serving` share: their size, the server, and how it is asked."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import count

from benchmarks.serving.bare_client import relay
from benchmarks.serving.demo_calls import Waves
from nightshift.domain import ROLES, Message, Request, SamplingParams
from nightshift.errors import ModelServerError
from nightshift.llm.endpoint import Endpoint, Target
from nightshift.llm.scheduling.pool import Pool
from nightshift.switches import Layout, Switches

SLOTS = 4
CONTEXT = 65_536
"""Of all slots together; the generated model's tokens are about a byte."""


@dataclass(frozen=True, slots=True)
class Scale:
    """How much of everything."""

    calls: int = 2000
    """Sent to see whether any fails."""
    races: int = 10
    """Of four requests each, all cancelled."""
    replays: int = 3
    """Of the demo's calls, in each layout."""
    pairs: int = 300
    """Of a call of ours and a bare one."""
    tokens: int = 1000
    """Of the reply whose reading is measured."""
    rounds: int = 31
    """Of four candidates, ours and bare."""


QUICK = Scale(calls=40, races=1, replays=1, pairs=4, tokens=40, rounds=1)


@dataclass(frozen=True, slots=True)
class Lab:
    """A server, and what to ask of it."""

    server: Endpoint
    scale: Scale
    waves: Waves
    rounds: Iterator[int] = field(default_factory=lambda: count(1))


@dataclass(slots=True)
class Ledger:
    """A gate that lets everything pass and remembers what came to nothing."""

    faults: dict[str, str] = field(default_factory=dict)
    """Span -> the last fault of that request, also where another try went well."""

    def before_send(self, request: Request, endpoint: str, model: str, attempt: int) -> None:
        pass

    def fault(self, request: Request, endpoint: str, model: str, attempt: int, error: ModelServerError) -> None:
        self.faults[request.span] = str(error)


def asked(span: str, text: str, *, tokens: int) -> Request:
    messages = (Message("system", "You answer."), Message("user", text))
    return Request("builder", span, messages, SamplingParams(1.0, seed=7, max_tokens=tokens))


def pool_of(server: Endpoint, *, ledger: Ledger | None = None, layout: Layout = "auto") -> Pool:
    targets = (Target(server, server.names[0]),)
    return Pool(dict.fromkeys(ROLES, targets), gate=ledger or Ledger(), switches=Switches(cache_layout=layout))


async def bytes_of(server: Endpoint, requests: Sequence[Request]) -> list[bytes]:
    """What our client sends for them, byte for byte."""
    async with relay(server.url) as (url, passed):
        pool = pool_of(replace(server, url=url))
        await asyncio.gather(*map(pool.complete, requests))
    return [exchange.request for exchange in passed if exchange.generates]
