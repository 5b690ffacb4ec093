"""Sending one request to one server whose slot it waits for: loaded first, told to the gate, sent again without
what the model refuses.

Does not choose the server, retry or hedge: the pool does.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import Protocol

from nightshift.domain import Completion, Listener, Request
from nightshift.errors import BadRequest, ModelServerError, ServerOverloaded, StreamBroken, Unreachable
from nightshift.llm.client.ask import ask
from nightshift.llm.client.progress import Progress
from nightshift.llm.client.stream import Runaway
from nightshift.llm.deadlines import Deadlines
from nightshift.llm.discovery import ollama
from nightshift.llm.discovery.probe import look
from nightshift.llm.endpoint import Target
from nightshift.llm.profiles import Profiles
from nightshift.llm.scheduling.lanes import Lane, Turn
from nightshift.llm.wire.common import in_words
from nightshift.switches import Switches

FALLBACKS = {"schema_refused": "schemas", "think_refused": "thinking"}
"""What a refusal says of the model, as a field of its profile that is false from then on."""
LOAD_SECONDS = 600.0
LOOK_SECONDS = 2.0
"""For a look at a server; others may be waiting to be asked."""


class Gate(Protocol):
    def before_send(self, request: Request, endpoint: str, model: str, attempt: int) -> None:
        """Called just before each generation request is sent. Raises BudgetExceeded when it may not be."""

    def fault(self, request: Request, endpoint: str, model: str, attempt: int, error: ModelServerError) -> None:
        """Told of each request that came to nothing, or was cut; attempt 0: before it was sent."""


class Sender:
    def __init__(
        self,
        gate: Gate,
        *,
        context: int,
        deadlines: Deadlines,
        profiles: Profiles,
        switches: Switches,
        listener: Listener = lambda _: None,
    ) -> None:
        self._gate = gate
        self._listener = listener
        self._context = context
        self._deadlines = deadlines
        self._profiles = profiles
        self._switches = switches
        self.counts: Counter[str] = Counter()

    def window(self, target: Target) -> int:
        """Tokens, prompt and reply together, that a request may use there."""
        allowed = target.window(self._context)
        return min(allowed, self._profiles.of(target).context or allowed)

    async def send(self, turn: Turn, tries: Iterator[int]) -> Completion:
        """Waits for the slot. Raises Moved, Runaway and other ModelServerErrors, BudgetExceeded."""
        progress = Progress(turn.request, self._listener)
        progress.tell("slot")
        try:
            return await self._in_slot(turn, tries, progress)
        finally:
            progress.tell("nothing")

    async def _in_slot(self, turn: Turn, tries: Iterator[int], progress: Progress) -> Completion:
        lane = turn.lane
        async with lane.slot(turn):
            try:
                await self._load(turn, progress)
                completion = await self._ask(turn, tries, progress)
            except Runaway:
                self.counts["cut"] += 1
                lane.answered(turn)
                raise
            except ModelServerError as error:
                await _blame(lane, error)
                raise
            lane.answered(turn)
            return completion

    async def _load(self, turn: Turn, progress: Progress) -> None:
        """Ollama loads a model when it is first asked, which must not count as waiting for a reply."""
        target = turn.target
        if target.endpoint.protocol != "ollama" or turn.lane.is_ready(target.model):
            return
        asked = target.window(self._context)
        progress.tell("load")
        try:
            model = await ollama.preload(target, context=asked, seconds=LOAD_SECONDS)
        except ModelServerError as error:
            self._gate.fault(turn.request, target.endpoint.url, target.model, 0, error)
            raise
        if 0 < model.allocated < asked:
            self._profiles.learn(target, context=model.allocated)

    async def _ask(self, turn: Turn, tries: Iterator[int], progress: Progress) -> Completion:
        """A refused schema or thinking switch is left out from then on, and the request sent again at once."""
        while True:
            profile = self._profiles.of(turn.target)
            try:
                return await self._ask_once(turn, tries, progress)
            except BadRequest as error:
                refused = FALLBACKS.get(error.fault)
                if refused is None or not getattr(profile, refused):
                    raise
                self._profiles.learn(turn.target, **{refused: False})
                self.counts["fallbacks"] += 1

    async def _ask_once(self, turn: Turn, tries: Iterator[int], progress: Progress) -> Completion:
        target, attempt = turn.target, 0

        def before_send() -> None:
            nonlocal attempt
            attempt = next(tries)
            self._gate.before_send(turn.request, target.endpoint.url, target.model, attempt)
            turn.sent = True

        try:
            return await ask(
                target,
                self._switched(turn.request),
                # What a server allocated for it may be less; to ask for that would make Ollama load the model again.
                context=target.window(self._context),
                deadlines=self._deadlines,
                profiles=self._profiles,
                before_send=before_send,
                progress=progress,
            )
        except ModelServerError as error:
            self._gate.fault(turn.request, target.endpoint.url, target.model, attempt, error)
            raise

    def _switched(self, request: Request) -> Request:
        asked = replace(request, think=request.think if self._switches.thinking else 0)
        return asked if self._switches.schemas or asked.schema is None else in_words(asked)


async def _blame(lane: Lane, error: ModelServerError) -> None:
    """What a failed request says of its server; silence is looked into, since a server may only be slow."""
    if isinstance(error, Unreachable | ServerOverloaded | StreamBroken):
        silent = error.fault == "first_token"
        lane.failed(error, dead=silent and await look(lane.endpoint, seconds=LOOK_SECONDS) == "dead")
