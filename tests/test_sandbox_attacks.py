"""Hostile programs against the jail. Each is first seen to succeed against a plain subprocess, so that it can fail."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from nightshift.domain import Environment, ExecLimits, Sandbox, Tree
from nightshift.errors import SandboxUnavailable
from nightshift.sandbox.box import open_sandbox

TIGHT = ExecLimits(seconds=5.0, memory_bytes=400 << 20, file_bytes=8 << 20, output_bytes=16 << 10, processes=24)


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    with closing(open_sandbox(Environment(sys.executable), parallel=2)) as sandbox:
        yield sandbox


@dataclass
class Target:
    """What an attack may touch, and what the outside sees of it afterwards."""

    folder: Path
    secret: str = field(default_factory=lambda: uuid.uuid4().hex)
    visits: list[bytes] = field(default_factory=list)
    ports: dict[str, int] = field(default_factory=dict)

    @property
    def home(self) -> Path:
        return self.folder / "home"

    @property
    def words(self) -> dict[str, str]:
        return {
            "SECRET_FILE": str(self.home / ".ssh" / "id_ed25519"), "HOME_DIR": str(self.home),
            "OUTSIDE": str(self.folder / "outside"), "VICTIM": str(self.home / "victim"),
            "ABSTRACT": f"\\0nightshift-{self.secret}", "UNIX": str(self.folder / "door.sock"),
            "PARENT": str(os.getpid()), **{name: str(port) for name, port in self.ports.items()},
        }  # fmt: skip


@pytest.fixture
def target(tmp_path: Path) -> Iterator[Target]:
    aim = Target(tmp_path)
    (aim.home / ".ssh").mkdir(parents=True)
    (aim.home / ".ssh" / "id_ed25519").write_text(aim.secret)
    (aim.home / "victim").write_text("intact")
    listeners = {
        "TCP": listen(socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", 0)),
        "TCP6": listen(socket.AF_INET6, socket.SOCK_STREAM, ("::1", 0)),
        "UDP": listen(socket.AF_INET, socket.SOCK_DGRAM, ("127.0.0.1", 0)),
        "LOCAL": listen(socket.AF_UNIX, socket.SOCK_DGRAM, str(tmp_path / "door.sock")),
        "HIDDEN": listen(socket.AF_UNIX, socket.SOCK_DGRAM, f"\0nightshift-{aim.secret}"),
    }
    aim.ports = {name: listeners[name].getsockname()[1] for name in ("TCP", "TCP6", "UDP")}
    threads = [threading.Thread(target=note_visits, args=(each, aim.visits)) for each in listeners.values()]
    for thread in threads:
        thread.start()
    try:
        yield aim
    finally:
        for each in listeners.values():
            if each.type == socket.SOCK_STREAM:
                each.shutdown(socket.SHUT_RDWR)
            else:
                each.settimeout(0)
                each.shutdown(socket.SHUT_RD) if each.family == socket.AF_UNIX else poke(each)
        for thread in threads:
            thread.join()
        for each in listeners.values():
            each.close()
