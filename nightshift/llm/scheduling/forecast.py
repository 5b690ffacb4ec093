"""How long a request will take at a server: from its measured speed, and from what its role was answered before.

A guess to choose between servers by and to tell a straggler by; nothing depends on its being right.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Sequence
from statistics import median

from nightshift.domain import Completion, Request, Role
from nightshift.llm.client.tokens import BYTES_PER_TOKEN
from nightshift.llm.endpoint import Target
from nightshift.llm.profiles import Profiles

PREFILL, DECODE = 500.0, 20.0
"""Tokens a second, while nothing at all has been measured."""
REPLY_TOKENS = 600
RECENT = 15
"""Replies of a role that are remembered."""


class Forecast:
    def __init__(self, profiles: Profiles) -> None:
        self._profiles = profiles
        self._recent: dict[Role, deque[tuple[int, float]]] = defaultdict(lambda: deque(maxlen=RECENT))

    def saw(self, role: Role, completion: Completion) -> None:
        usage = completion.usage
        self._recent[role].append((usage.completion_tokens, usage.model_seconds))

    def measured(self, target: Target) -> bool:
        return self._profiles.of(target).decode > 0

    def reading(self, target: Target, others: Sequence[Target]) -> float:
        """Seconds to read one character of a prompt; a speed not yet measured counts as the best of the others'."""
        profile = self._profiles.of(target)
        speed = profile.prefill or max((self._profiles.of(other).prefill for other in others), default=0) or PREFILL
        return 1 / (speed * (profile.bytes_per_token or BYTES_PER_TOKEN))

    def writing(self, request: Request, target: Target, others: Sequence[Target]) -> float:
        """Seconds to write a reply of this role's usual length."""
        decode = self._profiles.of(target).decode
        speed = decode or max((self._profiles.of(other).decode for other in others), default=0) or DECODE
        lengths = [tokens for tokens, _ in self._recent[request.role] if tokens]
        return min(median(lengths) if lengths else REPLY_TOKENS, request.sampling.max_tokens) / speed

    def usual(self, role: Role) -> float:
        """Seconds a reply to this role took lately; 0 when there was none."""
        return median([seconds for _, seconds in self._recent[role]] or [0.0])
