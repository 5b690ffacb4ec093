"""Whose turn it is at each model server: its slots, its queue, its health, and the prompts its cache holds.

A `Lane` is one server. A `Device` is what computes for it and hands out the turns: each lane has its own, except
that lanes declared to share a GPU share one, which works for one model at a time. Nothing here talks to a server
or looks into a request; a lane believes what it is told of how its requests ended.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from nightshift.domain import Request
from nightshift.errors import ModelServerError
from nightshift.llm.endpoint import Endpoint, Target
from nightshift.llm.scheduling.prefix import Prompt, PromptCache
from nightshift.switches import Layout

WORTH_SHARING = 1024
"""Characters of prefix below which no request waits for another."""
OVERTAKES = 8
"""How often a waiting request may be overtaken for the sake of the model that is loaded."""
FAILURES = 3
"""In a row, before a server rests."""
SHORTEST_REST, LONGEST_REST = 30.0, 600.0
LEADER_PATIENCE = 2.0
"""Times its expected seconds that others wait for the request that warms their cache."""
KEEPS_LOADED = 240.0
"""Seconds without a request after which Ollama may have unloaded a model; its own default is five minutes."""

Clock = Callable[[], float]


class Moved(Exception):
    """The request lost its place in the queue: its lane rests, or another one is free. It should choose again."""


@dataclass(slots=True, eq=False)
class Turn:
    """The place of one request at one lane: first in its queue, then in one of its slots."""

    lane: Lane
    target: Target
    request: Request
    prompt: Prompt
    reading: float
    """Seconds to read one character of the prompt."""
    writing: float
    """Seconds the reply is expected to take."""
    started: float | None = None
    """When it was given a slot, by the clock of its device."""
    overtaken: int = 0
    sent: bool = False
    """A generation request of it was sent."""
    whole: bool = False
    """It was answered to the end."""
    cached: int | None = None
    """Characters of its prompt that its slot holds already; None while it waits."""
    copy: Prompt | None = None
    """The cached prompt it has taken over."""
    options: Sequence[Target] = ()
    """Where it might be sent instead while it waits."""
    granted: asyncio.Future[bool] = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    @property
    def seconds(self) -> float:
        """Expected in a slot."""
        cached = self.lane.held(self) if self.cached is None else self.cached
        return self.reading * (self.prompt.characters - cached) + self.writing

    def elapsed(self) -> float:
        return self.lane.clock() - self.started if self.started is not None else 0.0

    def left(self) -> float:
        """Seconds still expected; what takes longer than expected will take longer still."""
        return max(self.seconds - self.elapsed(), self.elapsed() / 2)

    def patience(self) -> float:
        """Seconds that others still wait for what it reads."""
        return LEADER_PATIENCE * self.seconds - self.elapsed()

    def resolve(self, granted: bool) -> None:
        if not self.granted.done():
            self.granted.set_result(granted)


class Device:
    """Hands out the turns of its lanes in the order they are asked for, but prefers the model it has loaded."""

    def __init__(self, *, layout: Layout = "auto", after: Callable[[], None] = lambda: None) -> None:
        """`after` is called when turns were handed out."""
        self.layout = layout
        self.lanes: list[Lane] = []
        self.waiting: list[Turn] = []
        self.loaded: tuple[Lane, str] | None = None
        self.swaps = 0
        self._after = after

    def changed(self) -> None:
        """Requests that come together are looked at together, because how many share a prefix matters."""
        asyncio.get_running_loop().call_soon(self._hand_out)

    def _hand_out(self) -> None:
        while turn := self._next():
            self._count(turn)
            self.waiting.remove(turn)
            turn.lane.begin(turn)
            turn.resolve(True)
        self._watch_leaders()
        self._after()

    def _watch_leaders(self) -> None:
        """Looks again at those held back when their leader takes longer than they should wait."""
        leaders = {turn.lane.leader(turn) for turn in self.waiting}
        for leader in leaders - {None} if self.layout == "auto" else ():
            assert leader is not None
            asyncio.get_running_loop().call_later(leader.patience(), self.changed)

    def _next(self) -> Turn | None:
        if not self.waiting:
            return None
        ready = [turn for turn in self.waiting if self._may_start(turn)]
        overdue = next((turn for turn in self.waiting if turn.overtaken >= OVERTAKES), None)
        if overdue:
            return overdue if overdue in ready else None
        same = [turn for turn in ready if self.loaded in (None, (turn.lane, turn.target.model))]
        return next(iter(same or ready), None)

    def _may_start(self, turn: Turn) -> bool:
        lane = turn.lane
        if len(lane.running) >= lane.slots or turn.granted.done():
            return False
        running = [other for lane in self.lanes for other in lane.running]
        if len(self.lanes) > 1 and any(_wants(other) != _wants(turn) for other in running):
            return False
        return lane.leader(turn) is None

    def _count(self, turn: Turn) -> None:
        for earlier in self.waiting[: self.waiting.index(turn)]:
            earlier.overtaken += _wants(earlier) != _wants(turn)
        before, self.loaded = self.loaded, _wants(turn)
        if before not in (None, self.loaded):
            self.swaps += 1
        if before and before[0] is turn.lane and before != self.loaded:
            turn.lane.cache.forget()


class Lane:
    """One server. Never has more requests running than the server has slots."""

    def __init__(self, endpoint: Endpoint, device: Device, *, clock: Clock = time.monotonic) -> None:
        self.endpoint = endpoint
        self.slots = max(1, endpoint.slots)
        self.device = device
        self.clock = clock
        self.running: list[Turn] = []
        self.error: ModelServerError | None = None
        """The last failure."""
        self.rests = 0
        self.rest_until: float | None = None
        """None while it works. After that time one look at the server decides."""
        self.being_looked_at = False
        self._failures = 0
        self._rest = 0.0
        self.cache = PromptCache(one_at_a_time=endpoint.flavour != "generic")
        self._ready: tuple[str, float] | None = None
        device.lanes.append(self)

    @property
    def queue(self) -> list[Turn]:
        return [turn for turn in self.device.waiting if turn.lane is self]

    @property
    def is_idle(self) -> bool:
        """It has a slot that nobody waits for."""
        busy = len(self.device.lanes) > 1 and any(lane.running for lane in self.device.lanes)
        return not self.resting and not busy and len(self.running) < self.slots and not self.queue

    def enter(self, turn: Turn) -> None:
        """Joins the queue."""
        self.device.waiting.append(turn)
        self.device.changed()

    def begin(self, turn: Turn) -> None:
        """Gives it a slot, and with it the cached prompt that suits it best."""
        turn.started, turn.cached = self.clock(), self.held(turn)
        turn.copy = self.cache.take(turn.target.model, turn.prompt)
        self.running.append(turn)

    def leave(self, turn: Turn) -> None:
        """Frees the place, wherever it was; leaving twice does no harm."""
        if turn in self.device.waiting:
            self.device.waiting.remove(turn)
        elif turn in self.running:
            self.running.remove(turn)
            if kept := turn.prompt if turn.whole else turn.copy:
                self.cache.keep(turn.target.model, kept)
        else:
            return
        self.device.changed()

    @asynccontextmanager
    async def slot(self, turn: Turn) -> AsyncIterator[None]:
        """Waits for the slot of a turn that has entered, and holds it. Raises Moved."""
        try:
            if not await turn.granted:
                raise Moved
            yield
        finally:
            self.leave(turn)

    def wait(self, turn: Turn) -> float:
        """Seconds until that turn, which may not have entered yet, may expect a slot."""
        queue = self.queue
        ahead = [*self.running, *(queue[: queue.index(turn)] if turn in queue else queue)]
        leader = self.leader(turn)
        held_back = leader.left() if leader else 0.0
        return held_back if len(ahead) < self.slots else max(held_back, sum(one.left() for one in ahead) / self.slots)

    # What its cache holds.

    def held(self, turn: Turn) -> int:
        """Characters of its prompt that need not be read again."""
        return self.cache.held(turn.target.model, turn.prompt)

    def leader(self, turn: Turn) -> Turn | None:
        """The running request that has a long prefix in its slot which this one should wait to take over."""
        if self.device.layout == "at-once" or not self.running:
            return None
        leader = max(self.running, key=lambda running: self._gain(running, turn))
        gain = self._gain(leader, turn)
        pays = gain >= WORTH_SHARING and (self.device.layout == "warm" or self._pays(leader, turn, gain))
        return leader if pays else None

    def _gain(self, leader: Turn, turn: Turn) -> int:
        if leader.target.model != turn.target.model:
            return 0
        return leader.prompt.shared(turn.prompt) - self.held(turn)

    def _pays(self, leader: Turn, turn: Turn, gain: int) -> bool:
        """Whether waiting for the leader, and for those before it in the queue, is shorter than all reading at once."""
        followers = [other for other in self.queue if self._gain(leader, other) >= WORTH_SHARING]
        before = followers.index(turn) if turn in followers else len(followers)
        wait = leader.left() + (before * turn.writing if self.cache.one_at_a_time else 0.0)
        return leader.patience() > 0 and max(len(followers), before + 1) * gain * turn.reading > wait

    def is_ready(self, model: str) -> bool:
        """Whether that model was used here a moment ago, so that it need not be loaded."""
        return self._ready is not None and self._ready[0] == model and self.clock() - self._ready[1] < KEEPS_LOADED

    # Its health.

    @property
    def resting(self) -> bool:
        return self.rest_until is not None

    @property
    def due(self) -> bool:
        """Its rest is over and nobody has looked yet."""
        return self.rest_until is not None and self.clock() >= self.rest_until and not self.being_looked_at

    def answered(self, turn: Turn) -> None:
        turn.whole = True
        self._ready = (turn.target.model, self.clock())
        self._failures, self._rest, self.rest_until = 0, 0.0, None

    def failed(self, error: ModelServerError, *, dead: bool = False) -> None:
        self.error = error
        self._ready = None
        self._failures += 1
        if not self.resting and (dead or self._failures >= FAILURES):
            self.rests += 1
            self._begin_rest()

    def looked(self, alive: bool) -> None:
        """What a look showed: a server that is back has one failure left; one whose rest is over rests longer."""
        if alive:
            self.rest_until, self._failures = None, FAILURES - 1
        elif self.rest_until is not None and self.clock() >= self.rest_until:
            self._begin_rest()

    def _begin_rest(self) -> None:
        self._rest = min(max(2 * self._rest, SHORTEST_REST), LONGEST_REST)
        self.rest_until = self.clock() + self._rest
        for turn in self.queue:
            turn.resolve(False)


def _wants(turn: Turn) -> tuple[Lane, str]:
    return turn.lane, turn.target.model
