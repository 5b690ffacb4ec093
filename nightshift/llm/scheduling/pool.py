"""All model servers as one: which server to ask, and what to do when one fails or dawdles.

A request goes to the server that is expected to finish it first, waits there for a slot (see lanes.py), and its
clock starts when a slot is its own. What can pass is tried again after a pause; what cannot is tried elsewhere. A
server that keeps failing rests. The gate is told of every generation request before it is sent, charges the budget
and writes it down; loading a model and looking at a server are none. Does not promise that the guess was right.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count

from nightshift.domain import Completion, Listener, Request, Role
from nightshift.errors import BudgetExceeded, ModelMissing, ModelServerError, ServerLoading, Unreachable
from nightshift.llm.client.stream import Runaway
from nightshift.llm.deadlines import Deadlines
from nightshift.llm.discovery.probe import POLL_SECONDS, look
from nightshift.llm.endpoint import Endpoint, Target
from nightshift.llm.profiles import Profiles
from nightshift.llm.routing import in_order
from nightshift.llm.scheduling.failures import may_pass, summary
from nightshift.llm.scheduling.forecast import Forecast
from nightshift.llm.scheduling.hedging import hedged
from nightshift.llm.scheduling.lanes import Device, Lane, Moved, Turn
from nightshift.llm.scheduling.prefix import Prompt
from nightshift.llm.scheduling.sending import LOOK_SECONDS, Gate, Sender
from nightshift.switches import Switches

PAUSES = (1.0, 3.0, 9.0)
"""Seconds before each further round of tries, give or take half."""
SWAP_SECONDS = 10.0
"""What asking a server for another model than the one it has loaded is taken to cost."""
CROWDING = 0.2
"""How much slower a request is taken to be for each other one in work at the same server."""
STRAGGLER_SECONDS, STRAGGLER_FACTOR = 20.0, 3.0
"""A request that runs longer than both, in seconds and in times what was expected, is a straggler."""
REST_PATIENCE = 120.0
"""Seconds until a request gives up when none of its servers is alive."""
WATCH_SECONDS = 1.0
FIGURES = ("hedges", "hedges_won", "swaps", "rests", "fallbacks", "cut")


@dataclass(slots=True)
class _Errand:
    """One request on its way to a reply."""

    request: Request
    prompt: Prompt
    pending: list[Target]
    """Where it may still go."""
    pauses: Iterator[float]
    tries: Iterator[int] = field(default_factory=lambda: count(1))
    tried: set[Target] = field(default_factory=set)
    """In this round."""
    failures: dict[Target, ModelServerError] = field(default_factory=dict)
    give_up: float = 0.0
    """Until then servers that load or rest are waited for; counted from the first trouble."""


class Pool:
    """A ChatModel over many servers."""

    def __init__(
        self,
        routes: Mapping[Role, Sequence[Target]],
        *,
        gate: Gate,
        context: int = 32_768,
        deadlines: Deadlines | None = None,
        profiles: Profiles | None = None,
        switches: Switches | None = None,
        listener: Listener = lambda _: None,
        retries: Sequence[float] = PAUSES,
        patience: float | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`patience`: seconds that servers which load or rest are waited for; by default those of a first token."""
        self._routes = {role: tuple(targets) for role, targets in routes.items()}
        deadlines = deadlines or Deadlines()
        profiles = Profiles() if profiles is None else profiles
        self._switches = switches or Switches()
        self._gate = gate
        self._sender = Sender(
            gate,
            context=context,
            deadlines=deadlines,
            profiles=profiles,
            switches=self._switches,
            listener=listener,
        )
        self._forecast = Forecast(profiles)
        self._retries = tuple(retries)
        self._patience = deadlines.first_token if patience is None else patience
        self._sleep = sleep
        self._clock = clock
        self._counts: Counter[str] = Counter()
        self._misnamed: set[Target] = set()
        """Where another model answered, or none of that name; asked only when that is so everywhere."""
        self._devices: dict[str, Device] = {}
        self._lanes: dict[str, Lane] = {}
        for endpoint in (target.endpoint for targets in self._routes.values() for target in targets):
            if endpoint.url not in self._lanes:
                self._lanes[endpoint.url] = Lane(endpoint, self._device(endpoint), clock=clock)

    def _device(self, endpoint: Endpoint) -> Device:
        made = Device(layout=self._switches.cache_layout, after=self._rebalance)
        return self._devices.setdefault(endpoint.device or endpoint.url, made)

    def window(self, role: Role) -> int:
        """Tokens, prompt and reply together, that any server this role may be sent to can take."""
        return min(self._sender.window(target) for target in self._routes[role])

    def figures(self) -> dict[str, int]:
        """What the pool did beyond sending requests, for the report."""
        swaps = sum(device.swaps for device in self._devices.values())
        rests = sum(lane.rests for lane in self._lanes.values())
        counts = self._counts + self._sender.counts
        return {name: counts[name] for name in FIGURES} | {"swaps": swaps, "rests": rests}

    async def complete(self, request: Request) -> Completion:
        routes = self._routes[request.role]
        targets = [target for target in routes if target not in self._misnamed] or list(routes)
        errand = _Errand(request, Prompt.of(request.messages), targets, iter(self._retries))
        while errand.pending:
            target = await self._choose(errand)
            try:
                return await self._hedged(errand, target)
            except Moved:
                continue
            except Runaway as error:
                return error.completion
            except ModelServerError as error:
                self._note(errand, target, error)
        raise summary(list(errand.failures.values()))

    # Whom to ask.

    async def _choose(self, errand: _Errand) -> Target:
        """Raises the errors so far when there is nobody left to ask, or nobody comes back in time."""
        while True:
            await self._look_after_rest(errand)
            awake = [target for target in errand.pending if not self._lane(target).resting]
            fresh = [target for target in awake if target not in errand.tried]
            if fresh:
                return self._best(errand.request, errand.prompt, fresh)
            pause = next(errand.pauses, None)
            if pause is None:
                raise self._given_up(errand)
            errand.tried.clear()
            errand.give_up = errand.give_up or self._clock() + self._patience
            await (self._pause(errand, pause) if awake else self._wait_for_rest(errand))

    def _best(self, request: Request, prompt: Prompt, targets: Sequence[Target]) -> Target:
        """The preferred model, at the server that will be done first; of equals the one not measured yet."""
        models = in_order(list(dict.fromkeys(target.model for target in self._routes[request.role])), request.span)

        def order(target: Target) -> tuple[int, float, bool]:
            finish = self._finish(self._turn(request, prompt, target))
            return models.index(target.model), finish, self._forecast.measured(target)

        return min(targets, key=order)

    def _turn(self, request: Request, prompt: Prompt, target: Target) -> Turn:
        others = [other for other in self._routes[request.role] if other.model == target.model]
        reading = self._forecast.reading(target, others)
        writing = self._forecast.writing(request, target, others)
        return Turn(self._lane(target), target, request, prompt, reading, writing)

    def _finish(self, turn: Turn) -> float:
        """Seconds until a request would be done there, were it sent now."""
        loaded = turn.lane.device.loaded
        swap = SWAP_SECONDS if loaded not in (None, (turn.lane, turn.target.model)) else 0.0
        crowd = 1 + CROWDING * len(turn.lane.running)
        return turn.lane.wait(turn) + swap + crowd * turn.seconds

    def _rebalance(self) -> None:
        """Each lane with an idle slot takes over one waiting request that it would finish earlier."""
        waiting = [turn for device in self._devices.values() for turn in device.waiting if not turn.granted.done()]
        for lane in self._lanes.values() if waiting else ():
            if lane.is_idle:
                self._invite(lane, [turn for turn in waiting if turn.lane is not lane])

    def _invite(self, lane: Lane, waiting: Sequence[Turn]) -> None:
        for turn in waiting:
            here = Target(lane.endpoint, turn.target.model)
            if here in turn.options and self._is_better(here, turn):
                turn.resolve(False)
                return

    def _is_better(self, target: Target, turn: Turn) -> bool:
        return self._finish(self._turn(turn.request, turn.prompt, target)) < self._finish(turn)

    # Sending.

    async def _hedged(self, errand: _Errand, target: Target) -> Completion:
        turn = self._turn(errand.request, errand.prompt, target)
        turn.options = [other for other in errand.pending if other not in errand.tried]
        # In the queue at once, so that the next request to choose sees it there.
        turn.lane.enter(turn)
        try:
            completion, won = await self._race(errand, turn)
        finally:
            turn.lane.leave(turn)
        self._forecast.saw(errand.request.role, completion)
        self._counts["hedges_won"] += won
        return completion

    async def _race(self, errand: _Errand, turn: Turn) -> tuple[Completion, bool]:
        first = self._sender.send(turn, errand.tries)
        if not self._switches.hedging or all(_together(self._lane(target), turn.lane) for target in errand.pending):
            return await first, False
        return await hedged(first, self._straggles(errand, turn), lambda rival: self._second(errand, rival))

    async def _straggles(self, errand: _Errand, turn: Turn) -> Target:
        """Returns when the request runs much longer than expected and another server of its role has an idle slot."""
        while True:
            await self._sleep(WATCH_SECONDS)
            usual = max(turn.seconds, self._forecast.usual(errand.request.role))
            if turn.elapsed() > max(STRAGGLER_SECONDS, STRAGGLER_FACTOR * usual):
                lanes = [(target, self._lane(target)) for target in errand.pending if target not in errand.tried]
                idle = [target for target, lane in lanes if lane.is_idle and not _together(lane, turn.lane)]
                if idle:
                    return self._best(errand.request, errand.prompt, idle)

    async def _second(self, errand: _Errand, rival: Target) -> Completion | None:
        turn = self._turn(errand.request, errand.prompt, rival)
        turn.lane.enter(turn)
        try:
            return await self._sender.send(turn, errand.tries)
        except (BudgetExceeded, Moved, Runaway):
            return None
        except ModelServerError as error:
            self._note(errand, rival, error)
            return None
        finally:
            self._counts["hedges"] += turn.sent

    def _lane(self, target: Target) -> Lane:
        return self._lanes[target.endpoint.url]

    # Trouble.

    def _note(self, errand: _Errand, target: Target, error: ModelServerError) -> None:
        errand.failures[target] = error
        errand.tried.add(target)
        if isinstance(error, ModelMissing):
            self._misnamed.add(target)
        if not may_pass(error):
            errand.pending.remove(target)

    async def _pause(self, errand: _Errand, pause: float) -> None:
        """Servers that load are waited for without asking them anything that costs; others get a pause."""
        failures = {target: errand.failures.get(target) for target in errand.pending}
        loading = [target.endpoint for target, error in failures.items() if isinstance(error, ServerLoading)]
        if not loading or self._clock() >= errand.give_up:
            await self._sleep(pause * random.uniform(0.5, 1.5))
        while loading and self._clock() < errand.give_up:
            if any([await look(endpoint) != "loading" for endpoint in loading]):
                return
            await self._sleep(POLL_SECONDS)

    async def _wait_for_rest(self, errand: _Errand) -> None:
        """Until one of the resting servers is back: with nobody else to ask, their rests are not waited out.

        Raises the errors so far when none comes back in time.
        """
        lanes = {self._lane(target) for target in errand.pending}
        patience = min(self._patience, REST_PATIENCE)
        for second in range(int(patience / WATCH_SECONDS)):
            await self._sleep(WATCH_SECONDS)
            await asyncio.gather(*(_look(lane) for lane in lanes if not lane.being_looked_at))
            if not all(lane.resting for lane in lanes):
                return
            if second == 0:
                self._tell_of_wait(errand, patience)
        raise self._given_up(errand)

    def _tell_of_wait(self, errand: _Errand, seconds: float) -> None:
        """On record at once: nothing else happens until one of them is back."""
        first, *others = errand.pending
        urls = ", ".join(dict.fromkeys(target.endpoint.url for target in (first, *others)))
        error = Unreachable(f"waiting up to {seconds:.0f} s for {urls} to answer again", fault="waiting")
        self._gate.fault(errand.request, first.endpoint.url, first.model, 0, error)

    async def _look_after_rest(self, errand: _Errand) -> None:
        due = {lane for lane in map(self._lane, errand.pending) if lane.due}
        await asyncio.gather(*map(_look, due))

    def _given_up(self, errand: _Errand) -> ModelServerError:
        resting = [lane.error for lane in map(self._lane, errand.pending) if lane.resting and lane.error]
        return summary(list(errand.failures.values()) or resting)


def _together(one: Lane, other: Lane) -> bool:
    """Whether they compute on the same device, so that asking both gains nothing."""
    return one.device is other.device


async def _look(lane: Lane) -> None:
    lane.being_looked_at = True
    try:
        lane.looked(await look(lane.endpoint, seconds=LOOK_SECONDS) != "dead")
    finally:
        lane.being_looked_at = False
