"""A proxy before a model server that harms a set share of its answers, each in one of the ways real servers fail."""

from __future__ import annotations

import http.client
import random
import threading
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal, Self
from urllib.parse import urlsplit

Fault = Literal["hung up", "error 500", "loading 503", "cut off", "stalled", "garbage"]
RATES: Mapping[Fault, float] = {
    "hung up": 0.03, "error 500": 0.02, "loading 503": 0.02, "cut off": 0.03, "stalled": 0.01, "garbage": 0.01,
}  # fmt: skip
"""Shares of the generation requests."""
STALL_SECONDS = 30.0
"""Longer than the client waits."""


class FaultyProxy:
    """Serves on a port of 127.0.0.1 while the `with` block lasts; `down` is a machine that is switched off."""

    def __init__(self, upstream: str, *, rates: Mapping[Fault, float] = RATES, seed: int = 0) -> None:
        self.upstream = urlsplit(upstream).netloc
        self.made: Counter[Fault] = Counter()
        self.requests = 0
        self.down = threading.Event()
        self.ending = threading.Event()
        self._rates = rates
        self._random = random.Random(seed)
        self._lock = threading.Lock()
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, self))
        self._http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._http.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.ending.set()
        self._http.shutdown()
        self._http.server_close()

    def fate(self) -> Fault | None:
        with self._lock:
            self.requests += 1
            chosen, names = self._random.random(), iter(self._rates.items())
            for fault, rate in names:
                if chosen < rate:
                    self.made[fault] += 1
                    return fault
                chosen -= rate
        return None


class _Handler(BaseHTTPRequestHandler):
    def __init__(self, proxy: FaultyProxy, *args: Any) -> None:
        self._proxy = proxy
        super().__init__(*args)

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet."""

    def do_GET(self) -> None:
        self._pass_on(b"", None)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        generates = self.path in ("/api/chat", "/v1/chat/completions") and b'"messages"' in body
        self._pass_on(body, self._proxy.fate() if generates else None)

    def _pass_on(self, body: bytes, fault: Fault | None) -> None:
        self.close_connection = True
        if self._proxy.down.is_set() or fault == "hung up":
            return
        if fault in ("error 500", "loading 503"):
            self._answer(int(fault[-3:]), b'{"error": "out of order"}')
        elif fault == "garbage":
            self._answer(200, b"<html>captive portal</html>")
        else:
            status, text = self._asked(body)
            self._answer(status, text[: len(text) // 2] if fault else text, promised=len(text))
            if fault == "stalled":
                self._proxy.ending.wait(STALL_SECONDS)

    def _asked(self, body: bytes) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection(self._proxy.upstream, timeout=60)
        try:
            connection.request(self.command, self.path, body or None, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def _answer(self, status: int, body: bytes, promised: int = 0) -> None:
        with suppress(ConnectionError):
            self.send_response(status)
            self.send_header("Content-Type", "application/x-ndjson")
            self.send_header("Content-Length", str(promised or len(body)))
            self.end_headers()
            self.wfile.write(body)
            self.wfile.flush()
