"""How our client and pool serve a run: a real llama.cpp server, a generated model, ratios within one run.

    python3 benchmark.py --suite serving

The model's text is noise and its speed is this machine's. What is measured is what we add to the server's own work,
and what its prompt cache saves; nothing here says how fast a real model is.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

from benchmarks.figures import Figure
from benchmarks.serving.cache import cache_shares
from benchmarks.serving.candidates import candidates, early_winner
from benchmarks.serving.cost import overhead, streaming
from benchmarks.serving.demo_calls import Waves, demo_waves
from benchmarks.serving.lab import CONTEXT, SLOTS, Lab, Scale
from benchmarks.serving.reliability import cancelled_races, requests_without_failure
from benchmarks.tiny_model import WIDTH, llama_server, missing
from nightshift.errors import ConfigError
from nightshift.llm.discovery.probe import probe

SLOW = 8192
"""Makes the model write some 400 tokens/s in each of four slots: at its full speed our reading is all one would see."""
PARTS = ((WIDTH, (requests_without_failure, cancelled_races, overhead, streaming)), (SLOW, (candidates, early_winner)))
"""How wide the model is, and what is measured at such a server."""


def measure(scale: Scale, say: Callable[[str], object]) -> list[Figure]:
    """All figures, each told as soon as it is had. Raises ConfigError where there can be no server."""
    if why := missing():
        raise ConfigError(f"{why}: the suite needs a real llama.cpp server, which `make setup` installs on Linux")
    return asyncio.run(_measure(scale, demo_waves(), say))


async def _measure(scale: Scale, waves: Waves, say: Callable[[str], object]) -> list[Figure]:
    figures = []
    async for figure in _figures(scale, waves):
        figures.append(figure)
        say(str(figure))
    return figures


async def _figures(scale: Scale, waves: Waves) -> AsyncIterator[Figure]:
    for hidden, parts in PARTS:
        with llama_server(context=CONTEXT, slots=SLOTS, ends=False, hidden=hidden) as url:
            lab = Lab(await probe(url), scale, waves)
            for part in parts:
                for figure in await part(lab):
                    yield figure
    async for figure in cache_shares(scale, waves):
        yield figure
