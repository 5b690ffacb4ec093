"""The protocol RESP2."""

import re
from collections.abc import Iterator
from typing import Any

LONGEST_LINE = 65536
NUMBER = re.compile(rb"-?[0-9]+")


class RespError(Exception):
    """An error as a value of the protocol."""


class ProtocolError(Exception):
    """The stream is not RESP."""


def encode(value: Any) -> bytes:
    match value:
        case None:
            return b"$-1\r\n"
        case bytes():
            return b"$%d\r\n%b\r\n" % (len(value), value)
        case bool():
            raise TypeError("bool has no form in RESP2")
        case int():
            return b":%d\r\n" % value
        case str():
            return b"+%b\r\n" % _line(value)
        case RespError():
            return b"-%b\r\n" % _line(value.args[0])
        case list():
            return b"*%d\r\n" % len(value) + b"".join(map(encode, value))
    raise TypeError(f"{type(value).__name__} has no form in RESP2")


def _line(text: str) -> bytes:
    if "\r" in text or "\n" in text:
        raise ValueError("a simple string is one line")
    return text.encode()


class Parser:
    def __init__(self) -> None:
        self._buffer = bytearray()
        self._values = self._parsed()
        self._broken = False
        next(self._values)

    def feed(self, data: bytes) -> list[Any]:
        self._buffer += data
        if self._broken:
            raise ProtocolError("the stream was broken before")
        values = []
        try:
            while (value := next(self._values)) is not _MORE:
                values.append(value)
        except ProtocolError:
            self._broken = True
            raise
        return values

    def _parsed(self) -> Iterator[Any]:
        """All values of the stream, and _MORE whenever more bytes are needed."""
        yield _MORE
        while True:
            yield (yield from self._value())

    def _value(self) -> Iterator[Any]:
        line = yield from self._line()
        kind, rest = line[:1], line[1:]
        if kind == b"+":
            return rest.decode()
        if kind == b"-":
            return RespError(rest.decode())
        if kind not in (b":", b"$", b"*") or not NUMBER.fullmatch(rest):
            raise ProtocolError(f"not RESP: {line[:40]!r}")
        number = int(rest)
        if kind == b":":
            return number
        if number < -1:
            raise ProtocolError("a length below -1")
        if number == -1:
            return None
        return (yield from self._bulk(number) if kind == b"$" else self._array(number))

    def _array(self, length: int) -> Iterator[Any]:
        values = []
        for _ in range(length):
            values.append((yield from self._value()))
        return values

    def _bulk(self, length: int) -> Iterator[Any]:
        while len(self._buffer) < length + 2:
            if len(self._buffer) > length and self._buffer[length] != ord("\r"):
                break
            yield _MORE
        if self._buffer[length : length + 2] != b"\r\n":
            raise ProtocolError("a bulk string must be followed by a line end")
        return self._taken(length)

    def _line(self) -> Iterator[Any]:
        start = 0
        while (end := self._buffer.find(b"\r\n", start)) < 0:
            self._check_line(len(self._buffer) - 1)
            start = max(0, len(self._buffer) - 1)
            yield _MORE
        self._check_line(end)
        return self._taken(end)

    def _check_line(self, length: int) -> None:
        if length - 1 > LONGEST_LINE:
            raise ProtocolError("a line is too long")
        if self._buffer and self._buffer[0] not in b"+-:$*":
            raise ProtocolError("an unknown type")

    def _taken(self, length: int) -> bytes:
        taken = bytes(self._buffer[:length])
        del self._buffer[: length + 2]
        return taken


_MORE = object()
