"""What has been learned of each model on each server: how it counts tokens, how fast it is, what it refuses.

Kept between runs in one JSON file; a file that cannot be read is set aside, since all of it can be learned again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from nightshift.llm.endpoint import Target


@dataclass(frozen=True, slots=True)
class Profile:
    """One model on one server."""

    bytes_per_token: float = 0.0
    """Of the prompts sent, UTF-8; 0 until replies have told."""
    replies: int = 0
    """Replies that `bytes_per_token` was learned from."""
    schemas: bool = True
    """False once it refused a JSON schema."""
    thinking: bool = True
    """False once it refused to be told whether to think."""
    prefill: float = 0.0
    """Prompt tokens read in a second; 0 unknown."""
    decode: float = 0.0
    """Tokens written in a second by one slot; 0 unknown."""
    context: int = 0
    """Tokens a slot was seen to hold when that is fewer than asked for; 0 unknown."""


class Profiles:
    def __init__(self, known: Mapping[tuple[str, str], Profile] | None = None) -> None:
        self._known = dict(known or {})

    def of(self, target: Target) -> Profile:
        return self._known.get((target.endpoint.url, target.model), Profile())

    def learn(self, target: Target, **changes: Any) -> Profile:
        """The profile with these fields changed, which is also what `of` returns from now on."""
        profile = replace(self.of(target), **changes)
        self._known[target.endpoint.url, target.model] = profile
        return profile
