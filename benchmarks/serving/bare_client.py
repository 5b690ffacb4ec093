"""The least that a client can do, to measure ours against: bytes that are ready are sent, bytes are read until the end.

`relay` shows what our client really sends, so that the same bytes can be sent again without it; `playback` gives a
recorded answer at a fixed pace. All of it trusts the server and is for measuring only.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import socket
import threading
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from itertools import takewhile
from typing import Any
from urllib.parse import urlsplit

GENERATE = "/v1/chat/completions"
END_OF_EVENT = b"\n\n\r\n"
"""Of an event that is an HTTP chunk of its own."""


@dataclass(slots=True)
class Exchange:
    """What went through a relay, as it was on the wire."""

    request: bytes
    answer: bytearray = field(default_factory=bytearray)

    @property
    def generates(self) -> bool:
        return self.request.startswith(f"POST {GENERATE} ".encode())

    @property
    def tokens(self) -> int:
        """Pieces of text received; this model's tokens come one by one."""
        return len(re.findall(rb'"content": ?"', self.answer))


async def send(url: str, request: bytes) -> bytes:
    """The whole answer; the request must ask for the connection to be closed."""
    reader, writer = await _connect(url)
    try:
        writer.write(request)
        return await reader.read()
    finally:
        writer.close()


async def get(url: str, path: str) -> Any:
    """The JSON value at that path."""
    return body_of(await send(url, f"GET {path} HTTP/1.1\r\nHost: server\r\nConnection: close\r\n\r\n".encode()))


def post(body: dict[str, Any]) -> bytes:
    """A generation request, ready to be sent."""
    data = json.dumps(body).encode()
    head = f"POST {GENERATE} HTTP/1.1\r\nHost: server\r\nConnection: close\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(data)}\r\n\r\n".encode() + data


def body_of(answer: bytes) -> Any:
    """The JSON value of an answer that was not streamed. Raises ValueError for anything else, refusals included."""
    head, _, body = answer.partition(b"\r\n\r\n")
    if head.split(b" ")[1:2] != [b"200"]:
        raise ValueError(f"the server refused: {answer[:200]!r}")
    return json.loads(body)


@asynccontextmanager
async def relay(url: str) -> AsyncIterator[tuple[str, list[Exchange]]]:
    """An address that passes everything on to `url`, and what has passed."""
    passed: list[Exchange] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # A client that leaves is no error here, it is what some measurements are about.
        with contextlib.suppress(OSError, asyncio.IncompleteReadError), contextlib.closing(writer):
            passed.append(Exchange(await _whole_request(reader)))
            await _pass_on(url, passed[-1], reader, writer)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", passed


@contextmanager
def playback(answer: bytes, per_second: float) -> Iterator[str]:
    """A server that gives this streamed answer to every request to generate, so many events a second."""
    events = [event + END_OF_EVENT for event in answer.split(END_OF_EVENT)]
    events[-1] = events[-1].removesuffix(END_OF_EVENT)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        player = threading.Thread(target=_play_to_all, args=(listener, events, 1 / per_second), daemon=True)
        player.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            with contextlib.suppress(OSError):
                # Closing alone does not wake a thread that waits in accept.
                listener.shutdown(socket.SHUT_RDWR)
            player.join(timeout=1.0)


async def _connect(url: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    parts = urlsplit(url)
    return await asyncio.open_connection(parts.hostname, parts.port)


async def _whole_request(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    return head + await reader.readexactly(_length(head))


def _length(head: bytes) -> int:
    lengths = [line.split(b":")[1] for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    return int(lengths[0]) if lengths else 0


async def _pass_on(url: str, exchange: Exchange, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    upstream, sink = await _connect(url)

    async def pump() -> None:
        while data := await upstream.read(65_536):
            exchange.answer += data
            writer.write(data)
            await writer.drain()

    with contextlib.closing(sink):
        sink.write(exchange.request)
        ends = [asyncio.create_task(pump()), asyncio.create_task(reader.read())]
        try:
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for end in ends:
                end.cancel()
            await asyncio.gather(*ends, return_exceptions=True)


def _play_to_all(listener: socket.socket, events: Sequence[bytes], pause: float) -> None:
    with contextlib.suppress(OSError):  # how it learns that it is over
        while True:
            connection, _ = listener.accept()
            with connection, connection.makefile("rb") as file:
                head = b"".join(takewhile(lambda line: line != b"\r\n", iter(file.readline, b"")))
                file.read(_length(head))  # what is left unread would cut the answer short
                _play(connection, head, events, pause)


def _play(connection: socket.socket, head: bytes, events: Sequence[bytes], pause: float) -> None:
    if not head.startswith(f"POST {GENERATE} ".encode()):
        connection.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}")
        return
    started = time.monotonic()
    for number, event in enumerate(events):
        time.sleep(max(0.0, started + number * pause - time.monotonic()))
        connection.sendall(event)
