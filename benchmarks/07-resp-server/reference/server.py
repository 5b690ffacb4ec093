"""A small server that speaks RESP2."""

import asyncio
import fnmatch
import math
import re
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any

from resp import Parser, ProtocolError, RespError, encode

INTEGER = re.compile(rb"0|-?[1-9][0-9]*")
NO_INTEGER = "ERR value is not an integer or out of range"


async def start(port: int = 0) -> asyncio.Server:
    store, channels = Store(), defaultdict(list)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        session = Session(store, channels, writer)
        parser = Parser()
        try:
            while not session.ended and (data := await reader.read(65536)):
                for command in parser.feed(data):
                    session.run(command)
                await writer.drain()
        except ProtocolError:
            session.send(RespError("ERR Protocol error"))
        except ConnectionError:
            pass
        finally:
            session.leave_all()
            writer.close()

    return await asyncio.start_server(serve, "127.0.0.1", port)


class Store:
    """The data; an expired key is dropped when it is looked at."""

    def __init__(self) -> None:
        self._values: dict[bytes, bytes] = {}
        self._ends: dict[bytes, float] = {}

    def has(self, key: bytes) -> bool:
        if self._ends.get(key, math.inf) <= time.monotonic():
            self.drop(key)
        return key in self._values

    def drop(self, key: bytes) -> bool:
        self._ends.pop(key, None)
        return self._values.pop(key, None) is not None

    def limit(self, key: bytes, seconds: int) -> None:
        self._ends[key] = time.monotonic() + seconds

    def set(self, key: bytes, value: bytes, *options: bytes) -> Any:
        seconds, only_new = _options(options)
        if seconds is not None and seconds <= 0:
            raise RespError("ERR invalid expire time in 'set' command")
        if only_new and self.has(key):
            return None
        self.drop(key)
        self._values[key] = value
        if seconds is not None:
            self.limit(key, seconds)
        return "OK"

    def get(self, key: bytes) -> Any:
        return self._values[key] if self.has(key) else None

    def delete(self, *keys: bytes) -> Any:
        return sum(self.has(key) and self.drop(key) for key in keys)

    def exists(self, *keys: bytes) -> Any:
        return sum(map(self.has, keys))

    def increase(self, key: bytes, by: bytes = b"1") -> Any:
        number = _integer(self._values[key] if self.has(key) else b"0") + _integer(by)
        self._values[key] = b"%d" % _within(number)
        return number

    def expire(self, key: bytes, seconds: bytes) -> Any:
        number = _integer(seconds)
        if not self.has(key):
            return 0
        if number <= 0:
            self.drop(key)
        else:
            self.limit(key, number)
        return 1

    def left(self, key: bytes) -> Any:
        if not self.has(key):
            return -2
        return math.ceil(self._ends[key] - time.monotonic()) if key in self._ends else -1

    def keys(self, pattern: bytes) -> Any:
        wanted = re.compile(fnmatch.translate(pattern.decode("latin-1").replace("[", "[[]")).encode("latin-1"))
        return sorted(key for key in list(self._values) if self.has(key) and wanted.match(key))


class Session:
    """One connection."""

    def __init__(self, store: Store, channels: dict[bytes, list["Session"]], writer: asyncio.StreamWriter) -> None:
        self._writer, self._channels = writer, channels
        self._queue: list[tuple[Callable[..., Any], list[bytes]]] | None = None
        self._spoiled = False
        self.ended = False
        self._commands: dict[bytes, tuple[Callable[..., Any], int, float]] = {
            b"ping": (self._ping, 0, 1), b"echo": (lambda text: text, 1, 1), b"set": (store.set, 2, math.inf),
            b"get": (store.get, 1, 1), b"del": (store.delete, 1, math.inf), b"exists": (store.exists, 1, math.inf),
            b"incr": (store.increase, 1, 1), b"incrby": (store.increase, 2, 2), b"expire": (store.expire, 2, 2),
            b"ttl": (store.left, 1, 1), b"keys": (store.keys, 1, 1), b"publish": (self._publish, 2, 2),
            b"multi": (self._multi, 0, 0), b"exec": (self._exec, 0, 0), b"discard": (self._discard, 0, 0),
            b"subscribe": (self._subscribe, 1, math.inf), b"unsubscribe": (self._unsubscribe, 0, math.inf),
            b"quit": (self._quit, 0, 0),
        }  # fmt: skip

    def send(self, *values: Any) -> None:
        self._writer.write(b"".join(map(encode, values)))

    def run(self, command: Any) -> None:
        if self.ended or command in (None, []):
            return
        if not isinstance(command, list) or not all(isinstance(word, bytes) for word in command):
            raise ProtocolError("a command is an array of bulk strings")
        try:
            answer = self._answer(*command)
        except RespError as error:
            answer = error
        self.send(*answer) if isinstance(answer, tuple) else self.send(answer)

    def leave_all(self) -> None:
        for members in self._channels.values():
            if self in members:
                members.remove(self)

    def _answer(self, name: bytes, *arguments: bytes) -> Any:
        try:
            function = self._found(name, len(arguments))
            if self._queue is None or name.lower() in (b"exec", b"discard", b"multi"):
                return function(*arguments)
            if name.lower() in (b"subscribe", b"unsubscribe", b"quit"):
                raise RespError("ERR not allowed in MULTI")
        except RespError:
            self._spoiled = self._spoiled or name.lower() != b"multi"
            raise
        self._queue.append((function, list(arguments)))
        return "QUEUED"

    def _found(self, name: bytes, count: int) -> Callable[..., Any]:
        if name.lower() not in self._commands:
            raise RespError(f"ERR unknown command '{name.decode('utf-8', 'replace')}'")
        function, least, most = self._commands[name.lower()]
        if not least <= count <= most:
            raise RespError(f"ERR wrong number of arguments for '{name.decode().lower()}' command")
        return function

    def _ping(self, text: bytes | None = None) -> Any:
        return "PONG" if text is None else text

    def _multi(self) -> Any:
        if self._queue is not None:
            raise RespError("ERR MULTI calls can not be nested")
        self._queue, self._spoiled = [], False
        return "OK"

    def _exec(self) -> Any:
        if self._queue is None:
            raise RespError("ERR EXEC without MULTI")
        queue, self._queue = self._queue, None
        if self._spoiled:
            raise RespError("EXECABORT Transaction discarded because of previous errors.")
        return [_attempt(function, arguments) for function, arguments in queue]

    def _discard(self) -> Any:
        if self._queue is None:
            raise RespError("ERR DISCARD without MULTI")
        self._queue = None
        return "OK"

    def _quit(self) -> Any:
        self.ended = True
        return "OK"

    def _subscribe(self, *names: bytes) -> Any:
        answers = []
        for name in names:
            if self not in self._channels[name]:
                self._channels[name].append(self)
            answers.append(self._told(b"subscribe", name))
        return tuple(answers)

    def _unsubscribe(self, *names: bytes) -> Any:
        answers = []
        for name in names or self._subscribed():
            if self in self._channels[name]:
                self._channels[name].remove(self)
            answers.append(self._told(b"unsubscribe", name))
        return tuple(answers) or [b"unsubscribe", None, 0]

    def _told(self, what: bytes, name: bytes) -> list[Any]:
        return [what, name, len(self._subscribed())]

    def _subscribed(self) -> list[bytes]:
        return sorted(name for name, members in self._channels.items() if self in members)

    def _publish(self, name: bytes, message: bytes) -> Any:
        members = list(self._channels[name])
        for member in members:
            member.send([b"message", name, message])
        return len(members)


def _attempt(function: Callable[..., Any], arguments: list[bytes]) -> Any:
    try:
        return function(*arguments)
    except RespError as error:
        return error


def _options(options: tuple[bytes, ...]) -> tuple[int | None, bool]:
    seconds, only_new = None, False
    words = iter(options)
    for word in words:
        if word.lower() == b"nx":
            only_new = True
        elif word.lower() == b"ex" and (number := next(words, None)) is not None:
            seconds = _integer(number)
        else:
            raise RespError("ERR syntax error")
    return seconds, only_new


def _integer(text: bytes) -> int:
    if not INTEGER.fullmatch(text):
        raise RespError(NO_INTEGER)
    return _within(int(text))


def _within(number: int) -> int:
    if not -(2**63) <= number < 2**63:
        raise RespError(NO_INTEGER)
    return number
