"""Hostile programs against the jail. Each is first seen to succeed against a plain subprocess, so that it can fail."""

from __future__ import annotations

import os
import resource
import socket
import subprocess
import sys
import sysconfig
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from nightshift.domain import Environment, ExecLimits, Sandbox, Tree
from nightshift.sandbox.box import open_sandbox

TIGHT = ExecLimits(seconds=4.0, memory_bytes=400 << 20, file_bytes=8 << 20, output_bytes=16 << 10, processes=24)
CHECKOUT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    with closing(open_sandbox(Environment(sys.executable), parallel=2)) as sandbox:
        yield sandbox


@dataclass
class Target:
    """What an attack may touch, and what can be seen of it from outside."""

    folder: Path
    listeners: dict[str, socket.socket]
    victim: subprocess.Popen[bytes]
    secret: str
    said: str = ""
    ended: bool = True
    """The program came to its own end."""

    @property
    def key(self) -> Path:
        return self.folder / "home" / ".ssh" / "id_ed25519"

    def aimed(self, code: str) -> str:
        words = {
            "SECRET_FILE": self.key, "HOME": self.folder / "home", "OUTSIDE": self.folder / "outside",
            "VICTIM": self.folder / "home" / "victim", "MARK": self.secret,
            "VICTIM_PID": self.victim.pid, "UNIX": self.folder / "door.sock", "CHECKOUT": CHECKOUT,
            "YES": "'it ' 'worked'",  # a traceback that quotes its line must not count
            "SITE": sysconfig.get_path("purelib"),
            **{name: each.getsockname()[1] for name, each in self.listeners.items() if name in ("TCP", "TCP6", "UDP")},
        }  # fmt: skip
        for word, value in words.items():
            code = code.replace(f"@{word}@", str(value))
        return code

    def visited(self) -> bool:
        return any(visited(each) for each in self.listeners.values())


@pytest.fixture
def target(tmp_path: Path) -> Iterator[Target]:
    listeners = {
        "TCP": socket.create_server(("127.0.0.1", 0)),
        "TCP6": socket.create_server(("::1", 0), family=socket.AF_INET6),
        "UDP": bound(socket.AF_INET, ("127.0.0.1", 0)),
        "UNIX": bound(socket.AF_UNIX, str(tmp_path / "door.sock")),
    }
    secret = uuid.uuid4().hex
    aim = Target(tmp_path, listeners, neighbour(secret), secret)
    listeners["ABSTRACT"] = bound(socket.AF_UNIX, f"\0{aim.secret}")
    for each in listeners.values():
        each.setblocking(False)
    aim.key.parent.mkdir(parents=True)
    restore(aim)
    yield aim
    for each in listeners.values():
        each.close()
    aim.victim.kill()
    aim.victim.wait()
    for pid in marked(aim.secret):
        os.kill(pid, 9)


def neighbour(secret: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(["sleep", "60"], start_new_session=True, env={**os.environ, "TOKEN": secret})


def bound(family: int, address: object) -> socket.socket:
    made = socket.socket(family, socket.SOCK_DGRAM)
    made.bind(address)
    return made


def visited(listener: socket.socket) -> bool:
    try:
        if listener.type == socket.SOCK_STREAM:
            listener.accept()[0].close()
        else:
            listener.recv(100)
    except BlockingIOError:
        return False
    return True


def restore(aim: Target) -> None:
    """As before the first attack: a plain one may have left damage."""
    aim.key.write_text(aim.secret)
    victim = aim.folder / "home" / "victim"
    victim.unlink(missing_ok=True)
    victim.write_text("intact")
    victim.chmod(0o640)
    (aim.folder / "outside").unlink(missing_ok=True)
    for leftover in (
        Path("/dev/shm") / aim.secret,
        Path("/tmp") / aim.secret,
        Path(sysconfig.get_path("purelib")) / aim.secret,
    ):
        leftover.unlink(missing_ok=True)
    while aim.visited():
        pass
    for pid in marked(aim.secret):
        os.kill(pid, 9)
    aim.victim.kill()
    aim.victim.wait()
    aim.victim = neighbour(aim.secret)


def marked(word: str) -> list[int]:
    """Living processes with the word in their command line."""
    found = []
    for entry in Path("/proc").iterdir():
        with suppress(OSError):
            if entry.name.isdigit() and word.encode() in (entry / "cmdline").read_bytes():
                found.append(int(entry.name))
    return [pid for pid in found if pid != os.getpid()]


# Attacks: name -> (program, what an observer outside sees when it succeeded).


def stole(aim: Target) -> bool:
    return aim.secret in aim.said


def reached(aim: Target) -> bool:
    return aim.visited()


def hurt(aim: Target) -> bool:
    victim = aim.folder / "home" / "victim"
    return not victim.exists() or victim.read_text() != "intact" or victim.stat().st_mode & 0o777 != 0o640


def wrote(aim: Target) -> bool:
    places = (aim.folder / "outside", Path("/dev/shm") / aim.secret, Path("/tmp") / aim.secret)
    return any(place.exists() for place in (*places, Path(sysconfig.get_path("purelib")) / aim.secret))


def survived(aim: Target) -> bool:
    return bool(marked(aim.secret))


def killed(aim: Target) -> bool:
    time.sleep(0.02)
    return aim.victim.poll() is not None


def stopped(aim: Target) -> bool:
    return Path(f"/proc/{aim.victim.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"


def limited(aim: Target) -> bool:
    return resource.prlimit(aim.victim.pid, resource.RLIMIT_NOFILE)[0] == 9


def boasted(aim: Target) -> bool:
    return "it worked" in aim.said


def flooded(aim: Target) -> bool:
    return len(aim.said) > 200_000


def lingered(aim: Target) -> bool:
    return not aim.ended


SYSCALL = "import ctypes\nlibc = ctypes.CDLL(None, use_errno=True)\ndef call(*a): return libc.syscall(*[ctypes.c_long(x) if isinstance(x, int) else x for x in a])\n"

ATTACKS: dict[str, tuple[str, Callable[[Target], bool]]] = {
    "connects over TCP": ("import socket; socket.create_connection(('127.0.0.1', @TCP@)).send(b'x')", reached),
    "connects over IPv6": ("import socket; socket.create_connection(('::1', @TCP6@)).send(b'x')", reached),
    "sends a datagram": ("import socket; socket.socket(2, 2).sendto(b'x', ('127.0.0.1', @UDP@))", reached),
    "talks to a unix socket": ("import socket; socket.socket(1, 2).sendto(b'x', '@UNIX@')", reached),
    "talks to an abstract socket": ("import socket; socket.socket(1, 2).sendto(b'x', '\\0' '@MARK@')", reached),
    "connects over multipath TCP": ("import socket; s = socket.socket(2, 1, 262); s.connect(('127.0.0.1', @TCP@)); s.send(b'x')", reached),
    "opens a vsock": ("import socket; socket.socket(40, 1); print(@YES@)", boasted),
    "sees the host's interfaces": ("import socket; print(@YES@ if len(socket.if_nameindex()) > 1 else '')", boasted),
    "reads a key": ("print(open('@SECRET_FILE@').read())", stole),
    "reads a key through a link": ("import os; os.symlink('@SECRET_FILE@', 'key'); print(open('key').read())", stole),
    "lists the home": ("import os; print(@YES@ if 'victim' in os.listdir('@HOME@') else '')", boasted),
    "reads the checkout": ("print(@YES@ if 'ExecLimits' in open('@CHECKOUT@/nightshift/domain.py').read() else '')", boasted),
    "reads the environment": ("import os; print(os.environ)", stole),
    "reads the environment of a neighbour": ("print(open('/proc/@VICTIM_PID@/environ').read())", stole),
    "reads an inherited descriptor": ("import os\nfor fd in range(3, 64):\n    try: print(os.pread(fd, 99, 0))\n    except OSError: pass", stole),
    "writes outside": ("open('@OUTSIDE@', 'w').write('x')", wrote),
    "writes through a link": ("import os; os.symlink('@VICTIM@', 'a'); open('a', 'w').write('gone')", hurt),
    "writes through the parent directory": ("import os\nos.chdir('@HOME@/../..'); open('@VICTIM@', 'w').write('gone')", hurt),
    "deletes a file": ("import os; os.unlink('@VICTIM@')", hurt),
    "changes permissions": ("import os; os.chmod('@VICTIM@', 0o777)", hurt),
    "writes through a hard link": ("import os; os.link('@VICTIM@', '@HOME@/twin'); open('@HOME@/twin', 'w').write('gone')", hurt),
    "replaces a file": ("import os; open('@HOME@/new', 'w').write('gone'); os.rename('@HOME@/new', '@VICTIM@')", hurt),
    "writes into site-packages": ("open('@SITE@/@MARK@', 'w').write('x')", wrote),
    "leaves a file in /tmp": ("open('/tmp/@MARK@', 'w').write('x')", wrote),
    "leaves a file in /dev/shm": ("open('/dev/shm/@MARK@', 'w').write('x')", wrote),
    "kills a neighbour": ("import os; os.kill(@VICTIM_PID@, 9)", killed),
    "stops a neighbour": ("import os; os.kill(@VICTIM_PID@, 19); import time; time.sleep(0.05)", stopped),
    "limits a neighbour": ("import resource; resource.prlimit(@VICTIM_PID@, resource.RLIMIT_NOFILE, (9, 9))", limited),
    "leaves a child": ("import subprocess; subprocess.Popen(['sh', '-c', 'sleep 60; : @MARK@'])", survived),
    "leaves a daemon": ("import os, subprocess\nif os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0:\n        os.execlp('sh', 'sh', '-c', 'sleep 60; : @MARK@')\n    os._exit(0)\nimport time; time.sleep(0.1)", survived),
    "leaves a daemon that holds its output": ("import subprocess; subprocess.Popen(['sh', '-c', 'sleep 60; : @MARK@'], start_new_session=True)", survived),
    "hangs on stdin": ("import sys; sys.stdin.read(); print('read to the end')", lingered),
    "floods its output": ("import sys\nfor _ in range(300): sys.stdout.write('x' * 10_000)", flooded),
    "allocates": ("x = bytearray(450 << 20); print(@YES@)", boasted),
    "allocates in children": ("import os, time\nfor _ in range(3):\n    if os.fork() == 0:\n        x = b'x' * (150 << 20); time.sleep(0.4); os._exit(0)\nfor _ in range(3): os.wait()\nprint(@YES@)", boasted),
    "writes a large file": ("open('big', 'wb').write(b'x' * (20 << 20)); print(@YES@)", boasted),
    "forks without end": ("import os, signal\ntry:\n    for _ in range(120):\n        if os.fork() == 0: signal.pause()\n    print(@YES@, flush=True)\nfinally:\n    signal.signal(15, signal.SIG_IGN); os.killpg(0, 15)", boasted),
    "makes a user namespace": (SYSCALL + "print(@YES@ if libc.unshare(0x10000000) == 0 else '')", boasted),
    "makes a user namespace by clone": (SYSCALL + "import os\npid = call(56 if os.uname().machine == 'x86_64' else 220, 0x10000000 | 17, 0, 0, 0, 0)\nif pid == 0: os._exit(0)\nprint(@YES@ if pid > 0 else '')", boasted),
    "sets up io_uring": (SYSCALL + "print(@YES@ if call(425, 4, ctypes.create_string_buffer(200)) >= 0 else '')", boasted),
    "keeps a key in the keyring": (SYSCALL + "import os\nnr = 248 if os.uname().machine == 'x86_64' else 217\nprint(@YES@ if call(nr, b'user', b'@MARK@', b'x', 1, -3) >= 0 else '')", boasted),
    "hides memory in a memfd": ("import os; os.memfd_create('x'); print(@YES@)", boasted),
}  # fmt: skip

NOT_HERE = {"opens a vsock", "writes into site-packages", "sees the host's interfaces", "connects over multipath TCP", "connects over IPv6", "sets up io_uring",
            "keeps a key in the keyring", "makes a user namespace", "makes a user namespace by clone"}  # fmt: skip
"""Attacks that a machine may be immune to by itself."""


def attack_plainly(aim: Target, code: str, seconds: float) -> None:
    """As most programs run other programs."""
    folder = aim.folder / "plain"
    folder.mkdir()
    inherited = os.open(aim.key, os.O_RDONLY)
    os.set_inheritable(inherited, True)
    never_written, other_end = os.pipe()
    try:
        with open(aim.folder / "said", "w+b") as said, subprocess.Popen(
            [sys.executable, "-c", code], cwd=folder, stdin=never_written, close_fds=False,
            stdout=said, stderr=said, start_new_session=True,
        ) as process:  # fmt: skip
            try:
                process.wait(seconds)
            except subprocess.TimeoutExpired:
                process.kill()
                aim.ended = False
            said.seek(0)
            aim.said = said.read().decode(errors="replace")
    finally:
        for fd in (never_written, other_end, inherited):
            os.close(fd)


QUICK = {"connects over TCP", "sends a datagram", "talks to an abstract socket", "reads a key", "reads the environment",
         "reads an inherited descriptor", "writes outside", "writes through a link", "changes permissions", "kills a neighbour",
         "leaves a daemon", "leaves a daemon that holds its output", "forks without end", "hides memory in a memfd"}  # fmt: skip


@pytest.mark.parametrize(
    "name", [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in ATTACKS]
)
def test_an_attack_that_works_on_a_plain_subprocess_fails_in_the_jail(
    name: str, box: Sandbox, target: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    program, succeeded = ATTACKS[name]
    monkeypatch.setenv("NIGHTSHIFT_TEST_TOKEN", target.secret)
    code = target.aimed(program)
    attack_plainly(target, code, 0.5 if succeeded is lingered else 20.0)
    worked = succeeded(target)
    if not worked and name in NOT_HERE:
        pytest.skip(f"this machine is immune: {target.said[-200:]}")
    assert worked, f"the attack is harmless: {target.said[-500:]}"
    restore(target)
    code = target.aimed(program)
    result = box.run(Tree({"attack.py": code}), ["python3", "attack.py"], limits=TIGHT)
    target.said, target.ended = result.stdout + result.stderr, not result.timed_out
    assert not succeeded(target), result


@pytest.mark.parametrize(
    "code",
    [
        pytest.param("while True: pass", marks=pytest.mark.slow),
        "import signal\nfor n in (1, 2, 3, 15): signal.signal(n, signal.SIG_IGN)\nwhile True: signal.pause()",
        pytest.param(
            "import os\nos.fork()\nos.setsid() if os.getpid() != 2 else None\nwhile True: pass", marks=pytest.mark.slow
        ),
        pytest.param(
            "import threading\nthreading.Thread(target=lambda: print(sum(range(10**12)))).start()",
            marks=pytest.mark.slow,
        ),
    ],
)
def test_the_wall_clock_ends_everything(box: Sandbox, code: str) -> None:
    started = time.monotonic()
    result = box.run(Tree({"a.py": code}), ["python3", "a.py"], limits=ExecLimits(seconds=0.5))
    assert result.timed_out
    assert not result.ok
    assert result.exit_code == 137
    assert time.monotonic() - started < 1.5


def test_a_killed_nightshift_leaves_no_process_and_its_trees_are_swept(tmp_path: Path) -> None:
    mark = uuid.uuid4().hex
    code = (
        "import os, time\nif os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0:\n"
        f"        os.execlp('sh', 'sh', '-c', 'sleep 60; : {mark}')\ntime.sleep(60)"
    )
    owner = f"""
import sys
from pathlib import Path
from nightshift.domain import Environment, Tree
from nightshift.sandbox.box import open_sandbox
open_sandbox(Environment(sys.executable), scratch=Path({str(tmp_path)!r})).run(Tree({{"a.py": {code!r}}}), ["python3", "a.py"])
"""
    nightshift = subprocess.Popen([sys.executable, "-c", owner], cwd=CHECKOUT)
    wait_until(lambda: any(Path(f"/proc/{pid}/cmdline").read_text().startswith("sh") for pid in marked(mark)))
    assert list(tmp_path.iterdir())
    nightshift.kill()
    nightshift.wait()
    wait_until(lambda: not marked(mark))
    with closing(open_sandbox(Environment(sys.executable), scratch=tmp_path)):
        assert len(list(tmp_path.iterdir())) == 1, "only the new sandbox's own nest is left"
    assert not list(tmp_path.iterdir())


def test_a_killed_launcher_takes_everything_along(tmp_path: Path) -> None:
    mark = uuid.uuid4().hex
    with closing(open_sandbox(Environment(sys.executable), scratch=tmp_path)) as sandbox, ThreadPoolExecutor(1) as pool:
        running = pool.submit(sandbox.run, Tree({}), ["sh", "-c", f"sleep 60; : {mark}"])
        wait_until(lambda: bool(marked(mark)))
        os.kill(min(marked(str(tmp_path))), 9)
        assert running.result(5).exit_code == 137
        wait_until(lambda: not marked(mark))


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        with suppress(OSError):
            if condition():
                return
        time.sleep(0.02)
    raise AssertionError("it did not happen")


@pytest.mark.slow
def test_a_full_disk_is_not_possible(box: Sandbox) -> None:
    """Everything written goes to memory of a fixed size and is gone with the jail."""
    code = "import os\nn = 0\ntry:\n    while n < 100:\n        open(str(n), 'wb').write(b'x' * (4 << 20)); n += 1\nexcept OSError: pass\nprint(n)"
    result = box.run(Tree({"a.py": code}), ["python3", "a.py"], limits=TIGHT)
    assert 0 < int(result.stdout) < 70


def test_a_server_on_loopback_works_inside(box: Sandbox) -> None:
    code = (
        "import socket, threading\ns = socket.create_server(('127.0.0.1', 0))\n"
        "threading.Thread(target=lambda: s.accept()[0].sendall(b'hello')).start()\n"
        "print(socket.create_connection(s.getsockname()).recv(9).decode())"
    )
    assert box.run(Tree({"a.py": code}), ["python3", "a.py"]).stdout == "hello\n"


def test_the_network_is_there_when_a_trusted_caller_asks(box: Sandbox) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        code = f"import socket; socket.create_connection(('127.0.0.1', {server.getsockname()[1]}))"
        assert box.run(Tree({}), ["python3", "-c", code], network=True).ok
        server.accept()[0].close()
