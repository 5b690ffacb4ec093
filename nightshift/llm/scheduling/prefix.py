"""How much of its beginning a prompt shares with others, and which prompts a server is taken to hold in its cache.

Texts are neither kept nor compared: a prompt is known by a running hash of its blocks. What a server really holds
only its replies tell.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from nightshift.domain import Message

BLOCK = 256
"""Characters that are compared at once."""
PROMPTS_HELD = 16


@dataclass(frozen=True, slots=True)
class Prompt:
    """A prompt as far as caching goes: its length, and a running hash at the end of each full block."""

    characters: int
    marks: tuple[int, ...]

    @classmethod
    def of(cls, messages: Sequence[Message]) -> Prompt:
        text = "\0".join(f"{message.role}\0{message.content}" for message in messages)
        blocks = (text[start : start + BLOCK] for start in range(0, len(text) - BLOCK + 1, BLOCK))
        marks = accumulate(blocks, lambda mark, block: hash((mark, block)), initial=0)
        return cls(len(text), tuple(marks)[1:])

    def shared(self, other: Prompt) -> int:
        """Characters at their beginning that both have, in full blocks."""
        blocks = range(min(len(self.marks), len(other.marks)))
        return BLOCK * bisect_left(blocks, True, key=lambda block: self.marks[block] != other.marks[block])


class PromptCache:
    """llama.cpp keeps a prompt in one slot: the next request takes it over, and others meanwhile read it again."""

    def __init__(self, *, one_at_a_time: bool) -> None:
        self.one_at_a_time = one_at_a_time
        self._held: deque[tuple[str, Prompt]] = deque(maxlen=PROMPTS_HELD)

    def held(self, model: str, prompt: Prompt) -> int:
        """Characters of that prompt which need not be read again."""
        return max((prompt.shared(other) for name, other in self._held if name == model), default=0)

    def take(self, model: str, prompt: Prompt) -> Prompt | None:
        """The held prompt that shares most with this one; a server that can share it goes on holding it."""
        own = [held for held in self._held if held[0] == model]
        best = max(own, key=lambda held: prompt.shared(held[1]), default=None)
        if best is None or not self.one_at_a_time or not prompt.shared(best[1]):
            return None
        self._held.remove(best)
        return best[1]

    def keep(self, model: str, prompt: Prompt) -> None:
        self._held.append((model, prompt))

    def forget(self) -> None:
        self._held.clear()
