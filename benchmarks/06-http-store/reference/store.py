"""Documents over HTTP, kept in memory."""

import json
import re
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

METHODS = {"docs": "GET, HEAD", "doc": "DELETE, GET, HEAD, PUT", "append": "POST"}
NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")


@dataclass(frozen=True)
class Document:
    content: bytes
    kind: str
    version: int

    @property
    def etag(self) -> str:
        return f'"{self.version}"'


@dataclass
class Answer(Exception):
    """Also raised, where a request ends early."""

    status: int
    content: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()


def failure(status: int, problem: str, *headers: tuple[str, str]) -> Answer:
    content = json.dumps({"error": problem}).encode()
    return Answer(status, content, (("Content-Type", "application/json"), *headers))


def make_server(port: int = 0, max_bytes: int = 1_000_000) -> ThreadingHTTPServer:
    documents: dict[str, Document] = {}
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            try:
                body = self._body()
                with lock:
                    answer = route(documents, self.command, self.path, self.headers, body, max_bytes)
            except Answer as early:
                answer = early
            self._send(answer)

        do_HEAD = do_PUT = do_DELETE = do_POST = do_GET

        def log_message(self, *arguments: Any) -> None:
            """Nothing is told."""

        def _body(self) -> bytes | None:
            length = int(self.headers.get("Content-Length", 0))
            if length > max_bytes:
                self.close_connection = True
                raise failure(413, f"at most {max_bytes} bytes")
            return self.rfile.read(length) if "Content-Length" in self.headers else None

        def _send(self, answer: Answer) -> None:
            self.send_response(answer.status)
            for header in answer.headers:
                self.send_header(*header)
            if answer.status not in (204, 304):
                self.send_header("Content-Length", str(len(answer.content)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(answer.content)

    return ThreadingHTTPServer(("127.0.0.1", port), Handler)


def route(
    documents: dict[str, Document], method: str, target: str, headers: Any, body: bytes | None, most: int
) -> Answer:
    url = urlsplit(target)
    match url.path.split("/")[1:]:
        case ["docs"]:
            kind, name = "docs", None
        case ["docs", name]:
            kind = "doc"
        case ["docs", name, "append"]:
            kind = "append"
        case _:
            raise failure(404, "no such path")
    if method not in METHODS[kind].split(", "):
        raise failure(405, "not with this method", ("Allow", METHODS[kind]))
    if name is None:
        return listed(sorted(documents), parse_qs(url.query))
    if not NAME.fullmatch(name):
        raise failure(400, "a name has 1 to 64 letters, digits, dots, dashes and underscores")
    if method in ("PUT", "POST") and body is None:
        raise failure(411, "Content-Length needed")
    old = documents.get(name)
    if method == "PUT":
        return put(documents, name, old, headers, body)
    if old is None:
        raise failure(404, f"no document {name}")
    if method == "DELETE":
        refuse_if_changed(old, headers)
        del documents[name]
        return Answer(204)
    if method == "POST":
        if len(old.content) + len(body) > most:
            raise failure(413, f"at most {most} bytes")
        return stored(documents, name, Document(old.content + body, old.kind, old.version + 1), 204)
    known = {tag.strip() for tag in headers.get("If-None-Match", "").split(",")}
    if known & {"*", old.etag}:
        return Answer(304, headers=(("ETag", old.etag),))
    return Answer(200, old.content, (("Content-Type", old.kind), ("ETag", old.etag)))


def put(documents: dict[str, Document], name: str, old: Document | None, headers: Any, body: bytes) -> Answer:
    refuse_if_changed(old, headers)
    if old and headers.get("If-None-Match") == "*":
        raise failure(412, "it exists")
    kind = headers.get("Content-Type", "application/octet-stream")
    new = Document(body, kind, old.version + 1 if old else 1)
    return stored(documents, name, new, 204 if old else 201)


def stored(documents: dict[str, Document], name: str, new: Document, status: int) -> Answer:
    documents[name] = new
    return Answer(status, headers=(("ETag", new.etag),))


def refuse_if_changed(old: Document | None, headers: Any) -> None:
    wanted = headers.get("If-Match")
    if wanted is not None and (old is None or wanted not in ("*", old.etag)):
        raise failure(412, "not this version")


def listed(names: list[str], query: dict[str, list[str]]) -> Answer:
    prefix, after, limit = (
        query.get(key, [default])[-1] for key, default in (("prefix", ""), ("after", ""), ("limit", "100"))
    )
    if not re.fullmatch("[0-9]{1,4}", limit) or not 1 <= int(limit) <= 1000:
        raise failure(400, "limit is a number from 1 to 1000")
    fitting = [name for name in names if name.startswith(prefix) and name > after]
    shown, rest = fitting[: int(limit)], fitting[int(limit) :]
    content = json.dumps({"names": shown, "next": rest[0] if rest else None}).encode()
    return Answer(200, content, (("Content-Type", "application/json"),))
