"""Which of the methods are on; the config table `[switches]`.

Each may be turned off alone, and with all of them off everything still works, only slower or less often right.
None changes what counts as done.
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
    fixes: bool = True
    """Mechanical faults of a candidate are mended without asking the model."""
    splice: bool = True
    """Functions of several candidates are put together into one file."""
    probes: bool = True
    """Candidates that no test tells apart are told apart by inputs made for it."""
    trust: bool = True
    """Tests are tried on mutants and run again, and doubted ones are rewritten before the source is."""
    voting: bool = False
    """What execution cannot decide is put to the voter role. Off: in the laboratory it brought
    nothing outside its interval."""
    review: bool = True
    """Another model than the builder's looks for a check that the result fails."""
