"""Netstrings: byte strings with their length in front."""

import math


class NetstringError(ValueError):
    """The bytes are no sequence of netstrings."""


class Decoder:
    def __init__(self, limit: float = 65536) -> None:
        self._limit = limit
        self._buffer = bytearray()

    def feed(self, piece: bytes) -> list[bytes]:
        self._buffer += piece
        contents = []
        while (content := self._next()) is not None:
            contents.append(content)
        return contents

    def close(self) -> None:
        if self._buffer:
            raise NetstringError("the stream ends inside a netstring")

    def _next(self) -> bytes | None:
        """What is wrong stays in the buffer, so that every later call finds it again."""
        if not self._buffer:
            return None
        digits, colon, _ = bytes(self._buffer).partition(b":")
        length, start = self._length(digits), len(digits) + 1
        if not colon or len(self._buffer) <= start + length:
            return None
        if self._buffer[start + length] != ord(","):
            raise NetstringError("no comma at the end")
        content = bytes(self._buffer[start : start + length])
        del self._buffer[: start + length + 1]
        return content

    def _length(self, digits: bytes) -> int:
        if not digits.isdigit():
            raise NetstringError(f"no length: {digits[:20]!r}")
        if digits[0] == ord("0") and len(digits) > 1:
            raise NetstringError("a length has no leading zeros")
        if len(digits) > 20 or int(digits) > self._limit:
            raise NetstringError(f"longer than {self._limit} bytes")
        return int(digits)


def encode(data: bytes) -> bytes:
    return b"%d:%b," % (len(data), data)


def decode(data: bytes) -> list[bytes]:
    decoder = Decoder(limit=math.inf)
    contents = decoder.feed(data)
    decoder.close()
    return contents
