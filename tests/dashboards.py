"""The dashboard for tests: its server in a thread over folders made for the purpose, and its program as a process."""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runs import ROOT, environment

from nightshift.report.dashboard.__main__ import _complain
from nightshift.report.dashboard.frontdoor.routes import FrontDoor
from nightshift.report.dashboard.frontdoor.runs import Desk
from nightshift.report.dashboard.known import Known, id_of
from nightshift.report.dashboard.routes import Dashboard
from nightshift.report.dashboard.server import Server

TOKEN = "the token of this test"


@dataclass(frozen=True)
class Got:
    status: int
    headers: http.client.HTTPMessage
    text: str

    @property
    def data(self) -> Any:
        return json.loads(self.text)


@dataclass(frozen=True)
class Site:
    port: int
    server: Server
    dashboard: Dashboard

    def ask(self, path: str, headers: Mapping[str, str] = {}, *, method: str = "GET", body: str | None = None) -> Got:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.request(method, path, None if body is None else body.encode(), dict(headers))
            answer = connection.getresponse()
            return Got(answer.status, answer.headers, answer.read().decode())
        finally:
            connection.close()

    def chat(self, body: object, headers: Mapping[str, str] = {}) -> Got:
        told = body if isinstance(body, str) else json.dumps(body)
        given = {"Content-Type": "application/json", **headers}
        return self.ask("/v1/chat/completions", given, method="POST", body=told)


def url_of(run_dir: Path) -> str:
    return f"/run/{id_of(run_dir.parents[2])}/{run_dir.name}"


@contextmanager
def open_site(
    tmp_path: Path, workspaces: Sequence[Path] = (), queues: Sequence[Path] = (), *, key: str = ""
) -> Iterator[Site]:
    door = FrontDoor(Desk((), tmp_path / "state" / "runs"), workspaces, key)
    dashboard = Dashboard(Known(tmp_path / "state" / "trees", workspaces, queues), TOKEN, door.page)
    server = Server(0, [*dashboard.routes(), *door.routes()], _complain)
    door.url = server.url
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield Site(server.port, server, dashboard)
    finally:
        door.desk.close()
        server.shutdown()
        server.server_close()


@contextmanager
def program(*args: str, home: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The process and its URL."""
    home.mkdir(exist_ok=True)
    process = subprocess.Popen(
        [sys.executable, "-m", "nightshift.report.dashboard", "--port", "0", *args],
        cwd=ROOT, env=environment(home), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout
    try:
        yield process, process.stdout.readline().strip()
    finally:
        process.terminate()
        process.communicate(timeout=90)
