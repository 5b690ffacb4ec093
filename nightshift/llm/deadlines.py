"""How long each part of a request may take; the config table `[deadlines]`."""

from __future__ import annotations

from dataclasses import dataclass

ORDINARY_PROMPT = 8_000
"""Tokens of a prompt that is read within the deadline for a first token; longer ones get more time in proportion."""


@dataclass(frozen=True, slots=True)
class Deadlines:
    """Seconds for each part of a request."""

    connect: float = 30.0
    first_token: float = 600.0
    """From sending to the first piece of text: reading the prompt takes its time."""
    stall: float = 120.0
    """Between two pieces."""
    total: float = 1800.0

    def first(self, prompt_tokens: int) -> float:
        """For the first token of a reply to a prompt of that length."""
        return min(self.first_token * max(1.0, prompt_tokens / ORDINARY_PROMPT), self.total)
