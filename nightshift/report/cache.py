"""What the servers' prompt caches brought a run, as far as the servers tell.

The seconds saved are an estimate: cached tokens at the speed at which this run's other prompt tokens were read.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import astuple, dataclass
from functools import reduce
from operator import add
from typing import Any

from nightshift.records import Record, of_kind
from nightshift.report.text import duration


@dataclass(frozen=True, slots=True)
class CacheUse:
    """Prompt tokens of some calls; they can be added up."""

    prompt: int = 0
    """As the servers count them."""
    cached: int = 0
    """Those of them that a server had read before."""
    sent: int = 0
    """By our own count, of the calls that have one."""
    evaluated: int = 0
    """The servers' count for those same calls; fewer than `sent` means that some were dropped."""
    timed: int = 0
    """Tokens really read in `prefill_seconds`."""
    prefill_seconds: float = 0.0

    def __add__(self, other: CacheUse) -> CacheUse:
        return CacheUse(*map(add, astuple(self), astuple(other)))

    @property
    def share(self) -> float:
        return self.cached / self.prompt if self.prompt else 0.0

    @property
    def seconds_saved(self) -> float | None:
        """None when no server told how long it read."""
        return self.cached * self.prefill_seconds / self.timed if self.timed else None

    def figures(self) -> dict[str, float | None]:
        """As the reports for programs have them."""
        saved = self.seconds_saved
        return {
            "sent": self.sent,
            "evaluated": self.evaluated,
            "cached_share": round(self.share, 4),
            "seconds_saved_estimate": None if saved is None else round(saved, 3),
        }

    def __str__(self) -> str:
        saved = self.seconds_saved
        brought = f", about {duration(saved)} of reading saved (estimate)" if saved else ""
        return f"{self.share:.0%} of {self.prompt:,} prompt tokens came from a cache{brought}"


def cache_use(records: Iterable[Record]) -> CacheUse:
    """Of all the calls among the records."""
    return reduce(add, (cache_use_of_call(record.fields) for record in of_kind(records, "call")), CacheUse())


def cache_use_of_call(fields: Mapping[str, Any]) -> CacheUse:
    names = ("prompt_tokens", "cached_tokens", "prompt_sent", "prefill_seconds")
    prompt, told, sent, seconds = (fields.get(name) or 0 for name in names)
    cached = min(told, prompt)
    read = prompt - cached
    return CacheUse(prompt, cached, sent, prompt if sent else 0, read if seconds else 0, seconds if read else 0.0)
