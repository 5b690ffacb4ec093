"""State machines with guards, actions and callbacks."""

from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

ANY = "*"
Callback = Callable[[str, str, str], Any]


class MachineError(Exception):
    """The event is not possible."""


class UnknownEvent(MachineError):
    """No transition has this event."""


class NotAllowed(MachineError):
    """Not in this state, or not with this payload."""


@dataclass(frozen=True)
class Transition:
    event: str
    source: str
    target: str
    guard: Callable[[dict[str, Any]], bool] | None = None
    action: Callable[[dict[str, Any]], Any] | None = None


class Machine:
    def __init__(self, initial: str, transitions: Sequence[Transition], final: Iterable[str] = ()) -> None:
        self._final = frozenset(final)
        self._table = {(each.event, each.source): each for each in transitions}
        if len(self._table) < len(transitions):
            raise ValueError("two transitions of the same event and source")
        _check(initial, transitions, self._final)
        self._state = initial
        self._history: list[tuple[str, str, str]] = []
        self._entering: defaultdict[str, list[Callback]] = defaultdict(list)
        self._leaving: defaultdict[str, list[Callback]] = defaultdict(list)
        self._waiting: deque[tuple[str, dict[str, Any]]] = deque()
        self._busy = False

    @property
    def state(self) -> str:
        return self._state

    @property
    def is_final(self) -> bool:
        return self._state in self._final

    @property
    def history(self) -> list[tuple[str, str, str]]:
        return list(self._history)

    def on_enter(self, state: str, callback: Callback) -> None:
        self._entering[state].append(callback)

    def on_leave(self, state: str, callback: Callback) -> None:
        self._leaving[state].append(callback)

    def events(self) -> list[str]:
        return sorted({event for event, _ in self._table if self._transition(event)})

    def fire(self, event: str, **payload: Any) -> str:
        self._waiting.append((event, payload))
        if not self._busy:
            self._busy = True
            try:
                while self._waiting:
                    self._make(*self._waiting.popleft())
            finally:
                self._busy = False
                self._waiting.clear()
        return self._state

    def _transition(self, event: str) -> Transition | None:
        own = self._table.get((event, self._state))
        return own or (None if self.is_final else self._table.get((event, ANY)))

    def _make(self, event: str, payload: dict[str, Any]) -> None:
        if event not in {known for known, _ in self._table}:
            raise UnknownEvent(event)
        transition = self._transition(event)
        if transition is None or (transition.guard and not transition.guard(payload)):
            raise NotAllowed(f"{event} in state {self._state}")
        if transition.action:
            transition.action(payload)
        step = event, self._state, transition.target
        self._state = transition.target
        self._history.append(step)
        for callback in [*self._leaving[step[1]], *self._entering[step[2]]]:
            callback(*step)


def _check(initial: str, transitions: Sequence[Transition], final: frozenset[str]) -> None:
    if any(each.source in final for each in transitions):
        raise ValueError("a transition starts at a final state")
    targets = {each.target for each in transitions}
    if ANY in targets | final:
        raise ValueError(f"{ANY} is no state")
    states = {initial, *(each.source for each in transitions), *targets, *final} - {ANY}
    reached: set[str] = set()
    edge = {initial}
    while edge:
        reached |= edge
        sources = (edge - final) | ({ANY} if edge - final else set())
        edge = {each.target for each in transitions if each.source in sources} - reached
    if states - reached:
        raise ValueError(f"never reached: {', '.join(sorted(states - reached))}")
