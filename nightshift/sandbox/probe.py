"""Shows from outside that a sandbox holds: plants a listener and a secret, sends a prober in, and looks.

A self-test, not an audit: it notices walls that are missing on this machine, not holes in them.
"""

from __future__ import annotations

import os
import secrets
import socket
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from nightshift.domain import ExecLimits, ExecResult, Tree

PROBE_LIMITS = ExecLimits(seconds=10.0, processes=8)

PROBER = """
import os, shutil, socket, sys
port, secret, outside = sys.argv[1:]
def reach_a_socket():
    socket.create_connection(("127.0.0.1", int(port)), timeout=1).send(b"x")
def read_the_home_directory():
    open(secret).read()
def write_outside():
    open(outside, "w").close()
def write_into_the_system():
    open("/usr/nightshift-probe", "w").close()
def keep_privileges():
    status = dict(line.split(":", 1) for line in open("/proc/self/status"))
    assert os.getuid() == 0 or int(status["CapEff"], 16) or not int(status["NoNewPrivs"])
for attack in (reach_a_socket, read_the_home_directory, write_outside, write_into_the_system, keep_privileges):
    try:
        attack()
    except (OSError, AssertionError):
        continue
    print("it could", attack.__name__)
shutil.rmtree("folder")
os.mkdir("folder")
assert os.listdir("folder") == [], "a removed directory comes back"
print("held")
"""


def weakness(run: Callable[[Tree, Sequence[str], ExecLimits], ExecResult], scratch: Path) -> str:
    """Why the sandbox behind `run` cannot be used here; empty when it holds."""
    outside = scratch / "written-by-the-prober"
    with listener() as port_and_visits, planted_secret(scratch) as secret:
        port, visited = port_and_visits
        tree = Tree({"prober.py": PROBER, "folder/file": ""})
        argv = ["python3", "-I", "-S", "prober.py", str(port), secret, str(outside)]
        result = run(tree, argv, PROBE_LIMITS)
        if visited():
            return "it could reach a network socket outside"
    if outside.exists():
        outside.unlink()
        return "it could write outside its tree"
    if result.ok and result.stdout == "held\n":
        return ""
    said = (result.stdout + result.stderr).strip().splitlines()
    return said[-1 if not result.ok else 0] if said else f"the prober ended with {result.exit_code}"


@contextmanager
def listener() -> Iterator[tuple[int, Callable[[], bool]]]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)

        def visited() -> bool:
            try:
                server.accept()[0].close()
            except BlockingIOError:
                return False
            return True

        yield server.getsockname()[1], visited


@contextmanager
def planted_secret(scratch: Path) -> Iterator[str]:
    """A file in the home directory for a moment, since that is where the secrets are."""
    home = Path(os.path.expanduser("~"))
    folder = home if home.is_dir() and os.access(home, os.W_OK) else scratch
    with tempfile.NamedTemporaryFile("w", prefix=".nightshift-probe-", dir=folder) as file:
        file.write(secrets.token_hex())
        file.flush()
        yield file.name
