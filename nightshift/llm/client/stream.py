"""A reply while it grows: its text, its clock, and the guards that cut what will come to no good end.

Reads no socket. Every guard costs a few comparisons per piece, since a piece is usually one token.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from nightshift.domain import Completion, Request, StopReason, Usage
from nightshift.errors import StreamBroken
from nightshift.llm.calls import well_formed
from nightshift.llm.client.tokens import BYTES_PER_TOKEN
from nightshift.llm.deadlines import Deadlines
from nightshift.llm.endpoint import Target
from nightshift.llm.wire.common import Counts, Delta
from nightshift.llm.wire.refusals import same_model, wrong_model

MAX_REPLY = 10_000_000
"""Characters; no honest reply comes near."""
LOOP_WINDOW = 4_000
LOOP_UNIT = 400
"""A reply whose last LOOP_WINDOW characters repeat a unit of at most LOOP_UNIT will not come to an end."""
BLANKS = 1_000
"""Whitespace characters in a row; a model held to a schema can write them for ever."""
UNASKED_THINKING = 6_000
"""Tokens of thinking for a model that was told not to think, or cannot be told, and thinks all the same."""
THINKING_SLACK = 1.25
"""Tokens of thinking are estimated from its characters; a server that counts them stops earlier by itself."""


class Runaway(StreamBroken):
    """The reply repeated itself or grew without end and was cut; `completion` is what had come until then."""

    def __init__(self, message: str, completion: Completion, *, fault: str = "runaway") -> None:
        super().__init__(message, fault=fault)
        self.completion = completion


@dataclass(slots=True)
class Reply:
    """What has come of a reply so far; all lengths are in characters."""

    target: Target
    deadlines: Deadlines
    prompt_sent: int
    """Tokens, by our own count."""
    most_thinking: int
    started: float = field(default_factory=time.monotonic)
    patience: float = 0.0
    """Seconds from the start to the first piece."""
    first_at: float | None = None
    last_at: float = 0.0
    stop_reason: StopReason | None = None
    model_served: str = ""
    counts: Counts = Counts()
    ended: bool = False
    length: int = 0
    """Of text and thinking together."""
    thought: int = 0
    """Of the thinking alone."""
    read: int = 0
    """Tokens of the prompt, as the server says."""
    prompt: int = 0
    _text: list[str] = field(default_factory=list)
    _reasoning: list[str] = field(default_factory=list)
    _blank: int = 0
    """Of the whitespace at its end."""
    _checked: int = 0
    """Its length when it was last looked at for repetition."""
    _tail: str = ""

    @classmethod
    def to(
        cls, request: Request, target: Target, *, deadlines: Deadlines, prompt_sent: int, bytes_per_token: float
    ) -> Reply:
        think = THINKING_SLACK * request.think if request.think else UNASKED_THINKING
        most_thinking = int(think * (bytes_per_token or BYTES_PER_TOKEN))
        return cls(target, deadlines, prompt_sent, most_thinking, patience=deadlines.first(prompt_sent))

    def add(self, delta: Delta) -> None:
        """Raises StreamBroken, Runaway when a guard cuts the reply, and ModelMissing when another model writes it."""
        if delta.error:
            raise self.broken(f"reports an error in mid-stream: {delta.error}", "mid_stream_error")
        if delta.model and delta.model != self.model_served:
            self._served_by(delta.model)
        if delta.counts:
            self.counts |= delta.counts
        self.stop_reason = delta.stop_reason or self.stop_reason
        self.ended = self.ended or delta.end
        if delta.prompt:
            self.read, self.prompt = delta.read, delta.prompt
        if delta.text or delta.reasoning:
            self._grow(delta)

    def _served_by(self, model: str) -> None:
        if not same_model(self.target.model, model):
            raise wrong_model(self.target.model, model, self.target.endpoint.url)
        self.model_served = model

    def _grow(self, delta: Delta) -> None:
        piece = delta.reasoning + delta.text if delta.reasoning else delta.text
        self._text.append(delta.text)
        self.length += len(piece)
        self._tail = (self._tail + piece)[-LOOP_WINDOW:]
        self._blank = self._blank + len(piece) if piece.isspace() else len(piece) - len(piece.rstrip())
        if delta.reasoning:
            self._reasoning.append(delta.reasoning)
            self.thought += len(delta.reasoning)
        if self.length > MAX_REPLY:
            raise self.cut(f"sent more than {MAX_REPLY:,} characters", "too_large")
        if self._blank > BLANKS:
            raise self.cut(f"sent more than {BLANKS:,} blanks in a row", "whitespace")
        if self.thought > self.most_thinking:
            raise self.cut(f"was still thinking after {self.thought:,} characters", "overthinking")
        if self.length - self._checked >= LOOP_UNIT:
            self._checked = self.length
            if repeats(self._tail):
                raise self.cut("repeats itself without end", "runaway")

    @property
    def pieces(self) -> int:
        return len(self._text)

    def moved(self) -> None:
        """Notes that text has come just now."""
        self.last_at = time.monotonic()
        self.first_at = self.first_at or self.last_at

    def completion(self) -> Completion:
        if self.stop_reason is None:
            raise self.broken("ended its reply without saying why", "no_end_mark")
        now = time.monotonic()
        counts = self.counts
        usage = Usage(1, counts.prompt_tokens, counts.cached_tokens, counts.completion_tokens, now - self.started)
        return Completion(
            text=well_formed("".join(self._text))[:MAX_REPLY],
            stop_reason=self.stop_reason,
            usage=usage,
            reasoning=well_formed("".join(self._reasoning))[:MAX_REPLY],
            endpoint=self.target.endpoint.url,
            model_requested=self.target.model,
            model_served=self.model_served,
            first_token_seconds=(self.first_at or now) - self.started,
            prompt_sent=self.prompt_sent,
            prefill_seconds=counts.prefill_seconds,
            decode_seconds=counts.decode_seconds,
        )

    def due(self) -> float:
        """Seconds until this reply is overdue unless more of it comes."""
        by = self.started + self.patience if self.first_at is None else self.last_at + self.deadlines.stall
        return by - time.monotonic()

    def overdue(self) -> StreamBroken:
        # A timer may fire a moment early.
        if time.monotonic() - self.started >= self.deadlines.total - 0.01:
            return self.broken(f"was not done after {self.deadlines.total:g} s in all", "total")
        if self.first_at is None:
            return self.broken(f"sent no first token within {self.patience:g} s", "first_token")
        return self.broken(f"sent nothing more for {self.deadlines.stall:g} s", "stall")

    def cut(self, what: str, fault: str) -> Runaway:
        self.stop_reason = "length"
        return Runaway(f"{self.target} {what}", self.completion(), fault=fault)

    def broken(self, what: str, fault: str) -> StreamBroken:
        return StreamBroken(f"{self.target} {what}", fault=fault)


def repeats(tail: str) -> bool:
    """True when a full window is one short unit over and over, so that legal oddities like }}}} pass."""
    if len(tail) < LOOP_WINDOW:
        return False
    unit = len(tail) - LOOP_UNIT - tail.rfind(tail[-LOOP_UNIT:], 0, -1)
    return unit <= LOOP_UNIT and tail[unit:] == tail[:-unit]
