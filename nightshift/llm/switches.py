"""Which optimisations of the model servers' room are on; the config table `[switches]`.

Each may be turned off alone, and with all of them off everything still works, only slower. None changes what
counts as done.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Layout = Literal["auto", "warm", "at-once"]


@dataclass(frozen=True, slots=True)
class Switches:
    schemas: bool = True
    """JSON replies are held to a schema by the server; off: the prompt asks and the parser decides."""
    thinking: bool = True
    """Requests that allow thinking may think; off: none does."""
    hedging: bool = True
    """A straggler is sent a second time, to another server with an idle slot."""
    cache_layout: Layout = "auto"
    """Requests sharing a prefix: the first warms the cache for the others, or all go at once; auto decides by speed."""
