"""Shows from outside that a sandbox holds: plants a listener, a secret and a neighbour, sends a prober in, and looks.

A self-test, not an audit: it notices walls that are missing on this machine, not holes in them.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from nightshift.domain import ExecLimits, ExecResult, Tree

PLANTED = ".nightshift-probe-"
PROBE_LIMITS = ExecLimits(seconds=10.0, processes=8)

PROBER = """
import _socket, os, sys
port, datagrams, abstract, neighbour, secret, outside = sys.argv[1:]
def reach_a_port():
    reached = _socket.socket(_socket.AF_INET, _socket.SOCK_STREAM)
    reached.settimeout(1)
    reached.connect(("127.0.0.1", int(port)))
def reach_an_abstract_socket():
    _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM).connect("\\0" + abstract)
def send_a_datagram():
    _socket.socket(_socket.AF_INET, _socket.SOCK_DGRAM).sendto(b"x", ("127.0.0.1", int(datagrams)))
    raise OSError("whether it arrived is seen from outside only")
def read_the_home_directory():
    open(secret).read()
def read_the_environment_of_a_neighbour():
    assert abstract in open(f"/proc/{neighbour}/environ").read()
def see_a_neighbour():
    assert open(f"/proc/{neighbour}/cmdline").read() == "cat\\0"
def end_a_neighbour():
    if int(neighbour) not in (1, os.getpid(), os.getppid()):
        os.kill(int(neighbour), 9)
def write_outside():
    open(outside, "w").close()
def write_into_the_system():
    open("/usr/nightshift-probe", "w").close()
def keep_privileges():
    status = dict(line.split(":", 1) for line in open("/proc/self/status"))
    assert os.getuid() == 0 or int(status["CapEff"], 16) or not int(status["NoNewPrivs"])
for attack in (
    reach_a_port, send_a_datagram, reach_an_abstract_socket, read_the_home_directory, see_a_neighbour,
    read_the_environment_of_a_neighbour, write_outside, write_into_the_system, keep_privileges, end_a_neighbour,
):
    try:
        attack()
    except (OSError, AssertionError):
        continue
    print("it could", attack.__name__)
os.unlink("folder/file")
os.rmdir("folder")
os.mkdir("folder")
assert os.listdir("folder") == [], "a removed directory comes back"
print("held")
"""


def weakness(scratch: Path, run: Callable[[Tree, Sequence[str]], ExecResult]) -> str:
    """Why the sandbox behind `run` cannot be used here; empty when it holds."""
    outside = scratch / "written-by-the-prober"
    mark = secrets.token_hex()
    with ExitStack() as planted:
        port = planted.enter_context(socket.create_server(("127.0.0.1", 0)))
        datagrams = planted.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        datagrams.bind(("127.0.0.1", 0))
        victim = planted.enter_context(neighbour(mark))
        secret = planted.enter_context(planted_secret(scratch))
        if os.path.exists("/proc/net/unix"):
            abstract = planted.enter_context(socket.socket(socket.AF_UNIX))
            abstract.bind("\0" + mark)
            abstract.listen()
        tree = Tree({"prober.py": PROBER, "folder/file": ""})
        ports = [str(each.getsockname()[1]) for each in (port, datagrams)]
        facts = [*ports, mark, str(victim.pid), secret, str(outside)]
        result = run(tree, ["python3", "-I", "-S", "prober.py", *facts])
        if visited(port) or visited(datagrams):
            return "it could reach a network socket outside"
        if victim.poll() is not None:
            return "it could end a process outside"
    if outside.exists():
        outside.unlink()
        return "it could write outside its tree"
    if result.ok and result.stdout == "held\n":
        return ""
    said = (result.stdout + result.stderr).strip().splitlines()
    return said[-1 if not result.ok else 0] if said else f"the prober ended with {result.exit_code}"


def visited(server: socket.socket) -> bool:
    server.setblocking(False)
    try:
        if server.type == socket.SOCK_DGRAM:
            server.recv(1)
        else:
            server.accept()[0].close()
    except BlockingIOError:
        return False
    return True


@contextmanager
def neighbour(mark: str) -> Iterator[subprocess.Popen[bytes]]:
    """Another process of this user, with something in its environment that is nobody's business; ends with us."""
    env = {"PATH": os.defpath, "MARK": mark}
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, env=env) as process:
        yield process


@contextmanager
def planted_secret(scratch: Path) -> Iterator[str]:
    """A file in the home directory for a moment, since that is where the secrets are. Its lock says who lives."""
    home = Path(os.path.expanduser("~"))
    folder = home if home.is_dir() and os.access(home, os.W_OK) else scratch
    for left in folder.glob(PLANTED + "*"):
        remove_unlocked(left)
    fd, name = tempfile.mkstemp(prefix=PLANTED, dir=folder)
    with open(fd, "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.write(secrets.token_hex())
        file.flush()
        try:
            yield name
        finally:
            Path(name).unlink(missing_ok=True)


def remove_unlocked(left: Path) -> None:
    """What a killed start could not take away."""
    with suppress(OSError), open(left, "rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        left.unlink()
