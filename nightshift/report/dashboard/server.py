"""A small HTTP server for one user of one machine: who may ask, which route answers, and how much at once.

It binds a loopback address, and other users of the machine are refused where the kernel tells them apart. A page of
another site can neither read from it (no CORS) nor change anything: Host, Origin and Sec-Fetch-Site are checked, and
changes need a token besides.
"""

from __future__ import annotations

import json
import re
import select
import socket
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from email.message import Message
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from nightshift.errors import ConfigError
from nightshift.report.dashboard.peers import is_strangers
from nightshift.report.text import one_line

HOST = "127.0.0.1"
MAX_CONNECTIONS = 128
MAX_STREAMS = 64
"""Live views and chats; the other connections stay free for pages."""
MAX_BODY = 1 << 20
IDLE_SECONDS = 20.0
"""For a client that neither sends its request nor takes what it asked for."""
ASKING_SECONDS = 30.0
"""For a whole request, however steadily its bytes drip in: who is slow must not hold the place of others."""
MAX_FIELDS = 200
"""Of a query or a form: so many runs may be ticked by mistake, and are told so."""

POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src data:; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


@dataclass(frozen=True, slots=True)
class Request:
    method: str
    path: str
    query: Mapping[str, str]
    headers: Message
    raw_query: str = ""
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Response:
    body: bytes = b""
    type: str = "text/html; charset=utf-8"
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


class Client:
    """Who reads a stream. `send` raises OSError once nobody does."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection

    def send(self, data: bytes) -> None:
        self.connection.sendall(data)

    @property
    def gone(self) -> bool:
        """Known without writing: a client that left makes its socket readable, and there is nothing to read."""
        waiter = select.poll()
        waiter.register(self.connection, select.POLLIN)
        return bool(waiter.poll(0)) and self._left()

    def _left(self) -> bool:
        try:
            # Whatever else it sends is read and dropped: nothing can follow a request here.
            return self.connection.recv(4096) == b""
        except OSError:
            return True


@dataclass(frozen=True, slots=True)
class Stream:
    """An answer in pieces: `tell` sends them and returns at the end, or when its client is gone."""

    tell: Callable[[Client], None]
    type: str = "text/event-stream; charset=utf-8"


Answer = Response | Stream


class HttpError(Exception):
    """What the client is told instead of an answer."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class Route:
    method: str
    pattern: str
    """Of the whole path as it was sent, which is never decoded: `..` and its disguises match nothing."""
    answer: Callable[..., Answer]
    """Given the request and the pattern's named groups."""


def fields_of(text: str) -> dict[str, list[str]]:
    """Of a query or a form. Raises HttpError."""
    try:
        return parse_qs(text, keep_blank_values=True, max_num_fields=MAX_FIELDS)
    except ValueError as error:
        raise HttpError(400, f"at most {MAX_FIELDS} fields are read") from error


def as_json(data: Any, status: int = 200) -> Response:
    return Response(json.dumps(data).encode(), "application/json", status)


class Server(ThreadingHTTPServer):
    """`complain` words an HttpError for the path it happened at."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(self, port: int, routes: Sequence[Route], complain: Callable[[str, HttpError], Response]) -> None:
        try:
            super().__init__((HOST, port), _Handler)
        except OSError as error:
            told = f"port {port} of {HOST} cannot be had ({error.strerror}): --port 0 takes a free one"
            raise ConfigError(told) from error
        self.port: int = self.server_address[1]
        self.routes = [(route, re.compile(route.pattern)) for route in routes]
        self.complain = complain
        self.streams = threading.BoundedSemaphore(MAX_STREAMS)
        self.asking_seconds = ASKING_SECONDS
        self.asking: dict[socket.socket, float] = {}
        """Connections whose request is not whole yet -> since when."""
        self._connections = threading.BoundedSemaphore(MAX_CONNECTIONS)

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    def server_bind(self) -> None:
        """Without the look-up of a host name that HTTPServer makes, which may take seconds."""
        socket.socket.bind(self.socket, self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = HOST, self.socket.getsockname()[1]

    def service_actions(self) -> None:
        """Hears no more of requests that take too long; asked for twice a second by `serve_forever`."""
        late = time.monotonic() - self.asking_seconds
        for connection in [one for one, since in list(self.asking.items()) if since < late]:
            with suppress(OSError):  # it has just ended by itself
                connection.shutdown(socket.SHUT_RD)

    def process_request(self, request: Any, client_address: Any) -> None:
        if self._connections.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._connections.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A traceback on standard error, unless it is only a client that left."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


def refusal(method: str, headers: Message, port: int) -> str | None:
    """Why a request is not answered at all: it was not made by this server's own pages nor by a program."""
    own = {f"{name}:{port}" for name in (HOST, "localhost")}
    hosts, origins = headers.get_all("Host", []), headers.get_all("Origin", [])
    if len(hosts) != 1 or hosts[0].lower() not in own:
        # A name that a stranger's page points here after it was loaded (DNS rebinding).
        return f"Host must be {HOST}:{port} or localhost:{port}"
    if any(origin.lower() not in {f"http://{host}" for host in own} for origin in origins):
        return "pages of another origin are not answered"
    from_afar = headers.get("Sec-Fetch-Site", "none") not in ("none", "same-origin")
    if from_afar and not (method == "GET" and headers.get("Sec-Fetch-Mode") == "navigate"):
        return "pages of another site are not answered"
    return None


class _Handler(BaseHTTPRequestHandler):
    """One request on one connection."""

    server: Server
    timeout = IDLE_SECONDS

    def setup(self) -> None:
        super().setup()
        self.server.asking[self.connection] = time.monotonic()

    def finish(self) -> None:
        self.server.asking.pop(self.connection, None)
        super().finish()

    def do_GET(self) -> None:
        try:
            answer = self._answer()
        except HttpError as error:
            answer = self.server.complain(self.path, error)
        if isinstance(answer, Response):
            self._send(answer)
        else:
            self._stream(answer)

    do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = do_GET

    def _answer(self) -> Answer:
        if reason := refusal(self.command, self.headers, self.server.port):
            raise HttpError(403, reason)
        if is_strangers(self.client_address, (HOST, self.server.port)):
            raise HttpError(403, "this is another user's: on this machine only they are answered")
        try:
            parts = urlsplit(self.path)
        except ValueError as error:
            raise HttpError(400, "this is no address") from error
        method = "GET" if self.command == "HEAD" else self.command
        found = [(r, match) for r, pattern in self.server.routes if (match := pattern.fullmatch(parts.path))]
        route, match = next(((r, match) for r, match in found if r.method == method), (None, None))
        if route is None or match is None:
            raise HttpError(405 if found else 404, "not that way" if found else "there is no such page")
        body = self._body() if method == "POST" else b""
        self.server.asking.pop(self.connection, None)
        given = fields_of(parts.query) if len(parts.query) < 4000 else {}
        query = {name: values[-1] for name, values in given.items()}
        return route.answer(Request(method, parts.path, query, self.headers, parts.query, body), **match.groupdict())

    def _body(self) -> bytes:
        length = self.headers.get("Content-Length", "")
        if not (length.isascii() and length.isdigit()) or self.headers.get("Transfer-Encoding"):
            raise HttpError(411, "a Content-Length is needed")
        if len(length) > 9 or int(length) > MAX_BODY:
            raise HttpError(413, f"at most {MAX_BODY} bytes are read")
        body = self.rfile.read(int(length))
        if len(body) < int(length):
            raise HttpError(400, "the body is cut off")
        return body

    def _send(self, response: Response) -> None:
        self._head(response.status, response.type, {"Content-Length": str(len(response.body)), **response.headers})
        if self.command != "HEAD":
            self.wfile.write(response.body)

    def _stream(self, stream: Stream) -> None:
        if not self.server.streams.acquire(blocking=False):
            error = HttpError(503, f"{MAX_STREAMS} streams are open already: close some")
            self._send(self.server.complain(self.path, error))
            return
        try:
            self._head(200, stream.type, {"X-Accel-Buffering": "no"})
            if self.command != "HEAD":
                stream.tell(Client(self.connection))
        finally:
            self.server.streams.release()

    def _head(self, status: int, kind: str, headers: Mapping[str, str]) -> None:
        self.request_version = self.protocol_version  # what is no request would get no head at all
        self.send_response(status)
        for name, value in {"Content-Type": kind, **HEADERS, **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.flush()

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """What the library says of a request that is none."""
        self.close_connection = True
        self.command = self.command or "GET"
        reason = one_line(message or HTTPStatus(code).phrase)
        self._send(self.server.complain("", HttpError(code, reason)))

    def version_string(self) -> str:
        return "nightshift"

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: what is worth telling is on the pages."""
