"""One end of the link between tests and code: asks the other end for what it holds, and answers what it is asked.

One thread at a time talks. What an end allows to be done with its own objects is for its subclass to say.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

from . import wire
from .facts import OPERATIONS
from .values import MISSING, Values
from .wire import Frame, LinkBroken


class Peer(Values):
    def __init__(self, fd: int, first: int) -> None:
        super().__init__(first)
        self._fd = fd
        self.broken = False

    def ask(self, operation: str, *arguments: Any) -> Any:
        self._send({"q": operation, "a": arguments})
        while True:
            frame = self._receive()
            if "q" in frame:
                self._answer(frame)
            elif "x" in frame:
                with self._reading():
                    error = self.decode(frame["x"])
                if not isinstance(error, BaseException):
                    self._break("an error is no exception")
                raise error
            else:
                with self._reading():
                    return self.decode(frame["r"])

    def serve(self) -> NoReturn:
        while True:
            self._answer(self._receive())

    def _answer(self, frame: Frame) -> None:
        try:
            with self._reading():
                operation, arguments = str(frame["q"]), [self.decode(each) for each in frame["a"]]
            reply = {"r": self.perform(operation, arguments)}
        except BaseException as error:
            if self.final(error):
                raise
            reply = {"x": error}
        try:
            self._send(reply)
        except (ValueError, TypeError, RecursionError, MemoryError, AttributeError) as error:
            self._send({"x": ValueError(f"the result cannot cross: {error}")})

    def perform(self, operation: str, arguments: list[Any]) -> Any:
        return OPERATIONS[operation](*arguments)

    def final(self, error: BaseException) -> bool:
        """Whether an error ends the conversation and is no answer."""
        return isinstance(error, LinkBroken)

    def _send(self, content: dict[str, Any]) -> None:
        if self.broken:
            raise LinkBroken("the link to the other process is broken")
        frame: Frame = {}
        for key, value in content.items():
            frame[key] = value if key == "q" else [*map(self.encode, value)] if key == "a" else self.encode(value)
        agreed = self._twins.tell(frame, self.encode)
        frame["d"] = self._classes
        frame["z"] = [number for number in self._dead if self._mirror(number) is MISSING]
        frame["s"] = self.news()
        try:
            wire.send(self._fd, frame)
        except OSError as error:
            self._break(f"the process with the code has ended: {error}")
        for twin, items in agreed:
            twin.agreed = items
        self._classes, self._dead = [], []

    def _receive(self) -> Frame:
        with self._reading():
            frame = wire.receive(self._fd)
            self.hear(frame.get("s"))
            for number, description in frame["d"]:
                self._import_class(number, description)
            for number in frame["z"]:
                self._release(number)
            self._twins.hear(frame, self.decode)
            return frame

    @contextmanager
    def _reading(self) -> Iterator[None]:
        """Whatever goes wrong while a frame is read, an interruption included, ends the link."""
        try:
            yield
        except BaseException as error:
            self.broken = True
            if isinstance(error, Exception):
                raise LinkBroken(f"the other process speaks no sense: {type(error).__name__}: {error}") from None
            raise

    def _break(self, why: str) -> NoReturn:
        self.broken = True
        raise LinkBroken(why)

    def news(self) -> Any:
        """What goes with every frame besides: the surroundings, what was printed."""
        return None

    def hear(self, news: Any) -> None: ...
