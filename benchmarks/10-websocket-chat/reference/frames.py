"""The frames of WebSocket (RFC 6455), as a server sees them."""

import base64
import hashlib
import struct
from collections.abc import Iterator

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
KNOWN = (0, TEXT, BINARY, CLOSE, PING, PONG)
GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


class WebSocketError(Exception):
    """Made of a close code and a sentence."""

    @property
    def code(self) -> int:
        return int(self.args[0])


def accept_key(key: str) -> str:
    return base64.b64encode(hashlib.sha1((key + GUID).encode()).digest()).decode()


def encode(opcode: int, payload: bytes) -> bytes:
    first, length = 0x80 | opcode, len(payload)
    if length < 126:
        return struct.pack("!BB", first, length) + payload
    if length < 65536:
        return struct.pack("!BBH", first, 126, length) + payload
    return struct.pack("!BBQ", first, 127, length) + payload


class Decoder:
    def __init__(self, max_bytes: int = 65536) -> None:
        self._max_bytes = max_bytes
        self._buffer = bytearray()
        self._opcode = 0
        """Of the message whose fragments are coming."""
        self._message = b""
        self._closed = False

    def feed(self, data: bytes) -> list[tuple[int, bytes]]:
        self._buffer += data
        return list(self._messages())

    def _messages(self) -> Iterator[tuple[int, bytes]]:
        while not self._closed and (frame := self._frame()):
            final, opcode, payload = frame
            if opcode >= CLOSE:
                _check_control(opcode, payload)
                self._closed = opcode == CLOSE
                yield opcode, payload
                continue
            self._opcode = opcode or self._opcode
            self._message += payload
            if final:
                message = self._opcode, self._message
                self._opcode, self._message = 0, b""
                if message[0] == TEXT:
                    _check_text(message[1])
                yield message

    def _frame(self) -> tuple[bool, int, bytes] | None:
        """The next whole frame; its header is checked as soon as it is there."""
        if len(self._buffer) < 2:
            return None
        final, opcode, length = self._buffer[0] >= 128, self._buffer[0] & 15, self._buffer[1] & 127
        self._check_header(final, opcode, length)
        size = {126: 2, 127: 8}.get(length, 0)
        if len(self._buffer) < 2 + size:
            return None
        if size:
            length = int.from_bytes(self._buffer[2 : 2 + size], "big")
        if opcode < CLOSE and len(self._message) + length > self._max_bytes:
            raise WebSocketError(1009, "the message is too long")
        start = 6 + size
        if len(self._buffer) < start + length:
            return None
        mask = self._buffer[start - 4 : start]
        payload = bytes(byte ^ mask[i % 4] for i, byte in enumerate(self._buffer[start : start + length]))
        del self._buffer[: start + length]
        return final, opcode, payload

    def _check_header(self, final: bool, opcode: int, length: int) -> None:
        if self._buffer[0] & 0x70 or opcode not in KNOWN or self._buffer[1] < 128:
            raise WebSocketError(1002, "a reserved bit, an unknown opcode or no mask")
        if opcode >= CLOSE and (not final or length > 125):
            raise WebSocketError(1002, "a control frame is short and whole")
        if opcode < CLOSE and (opcode == 0) != (self._opcode != 0):
            raise WebSocketError(1002, "a fragment out of order")


def _check_control(opcode: int, payload: bytes) -> None:
    if opcode == CLOSE and payload:
        code = int.from_bytes(payload[:2], "big")
        allowed = 1000 <= code <= 1003 or 1007 <= code <= 1011 or 3000 <= code <= 4999
        if len(payload) == 1 or not allowed:
            raise WebSocketError(1002, "a wrong close code")
        _check_text(payload[2:])


def _check_text(payload: bytes) -> None:
    try:
        payload.decode()
    except UnicodeDecodeError as error:
        raise WebSocketError(1007, "text is not UTF-8") from error
