"""Tests against the real llama.cpp server of benchmarks/tiny_model.py, with replies that can be dictated.

    with llama_server() as url, GrammarProxy(url, lambda asked: "def f(): ...") as proxy:
        ...                                 # talk to proxy.url; proxy.requests has what was asked

A grammar that allows one text only makes the model say exactly that text.
"""

from __future__ import annotations

import http.client
import json
import os
import threading
from collections.abc import Callable
from functools import partial
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import urlsplit

import pytest
from servers import Asked, Served

from benchmarks.tiny_model import missing


def require_llama() -> None:
    """Skips the test where the server cannot be had; in CI that is a failure."""
    why = missing()
    if not why:
        return
    if os.environ.get("CI") == "true":
        pytest.fail(f"no real llama.cpp server in CI: {why}")
    pytest.skip(f"no real llama.cpp server: {why}")


class GrammarProxy(Served):
    """Stands in front of a real server, records what it is asked and dictates its replies.

    `reply` is given the request's `Asked` and returns the text the server must say, or None to let it talk.
    """

    def __init__(self, upstream: str, reply: Callable[[Asked], str | None]) -> None:
        super().__init__(partial(_Proxy, self))
        self.upstream = urlsplit(upstream).netloc
        self.reply = reply
        self.requests: list[Asked] = []
        self.lock = threading.Lock()

    def dictate(self, body: bytes, headers: dict[str, str]) -> bytes:
        asked = Asked(json.loads(body))
        asked.headers = headers
        with self.lock:
            self.requests.append(asked)
            text = self.reply(asked)
        return json.dumps(asked if text is None else dictated(asked, text)).encode()


def dictated(asked: Asked, text: str) -> dict[str, Any]:
    """The request with a grammar that allows `text` alone; a schema beside a grammar would be an error."""
    room = len(text.encode()) + 16
    rest = {key: value for key, value in asked.items() if key != "response_format"}
    return rest | {
        "grammar": f"root ::= {gbnf_literal(text)}",
        "max_tokens": max(room, asked.get("max_tokens", 0)),
    }


def gbnf_literal(text: str) -> str:
    escapes = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"}
    return '"' + "".join(escapes.get(c, c if c.isprintable() else f"\\U{ord(c):08X}") for c in text) + '"'


class _Proxy(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def __init__(self, proxy: GrammarProxy, *args: Any) -> None:
        self.proxy = proxy
        super().__init__(*args)

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def do_GET(self) -> None:
        self._forward(None)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path == "/v1/chat/completions":
            body = self.proxy.dictate(body, dict(self.headers))
        self._forward(body)

    def _forward(self, body: bytes | None) -> None:
        upstream = http.client.HTTPConnection(self.proxy.upstream)
        try:
            upstream.request(self.command, self.path, body, {"Content-Type": "application/json", "Connection": "close"})
            self._pass_on(upstream.getresponse())
        except OSError:
            self.close_connection = True
        finally:
            upstream.close()

    def _pass_on(self, answer: http.client.HTTPResponse) -> None:
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.headers.get("Content-Type", "application/json"))
        self.send_header("Transfer-Encoding", "chunked")
        self.send_header("Connection", "close")
        self.end_headers()
        while data := answer.read1(65_536):
            self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        self.wfile.write(b"0\r\n\r\n")
