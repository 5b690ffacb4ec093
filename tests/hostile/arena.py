"""Where hostile programs are let loose: what each may touch, and what somebody outside can see of it afterwards.

Every program has its own folder, key, victim, neighbour and mark, so that many can run in one sandbox and each is
still told from the others. Also the driver that runs many in one process tree.
"""

from __future__ import annotations

import ctypes
import json
import os
import re
import resource
import signal
import socket
import subprocess
import sys
import sysconfig
import threading
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING

import pytest

from nightshift.sandbox.files.removal import remove
from nightshift.sandbox.inside.launch import landlock

if TYPE_CHECKING:
    from hostile.programs import Program

CHECKOUT = Path(__file__).resolve().parents[2]
PLACES = (Path("/tmp"), Path("/var/tmp"), Path("/dev/shm"), Path("/etc"), Path("/usr/local/bin"))
STRAY_SECONDS = 600.0
SITE = Path(sysconfig.get_path("purelib"))

DRIVER = """
import ctypes, json, os, resource, signal, socket, subprocess, sys, time
programs = json.load(open("programs.json"))
for number, (name, code, seconds) in enumerate(programs):
    os.mkdir(f"work{number}")
    pid = os.fork()
    if not pid:
        os.setpgid(0, 0)
        signal.alarm(int(seconds) + 1)
        said = os.open(f"said{number}", os.O_CREAT | os.O_RDWR, 0o600)
        os.dup2(said, 1), os.dup2(said, 2)
        os.close(said)
        os.chdir(f"work{number}")
        try:
            exec(code, {})
        except BaseException as error:
            print(type(error).__name__, error)
        sys.stdout.flush()
        os._exit(0)
    os.waitpid(pid, 0)
    said = open(f"said{number}", errors="replace").read(4000)
    print(json.dumps([name, said]), flush=True)
"""


@dataclass
class Seen:
    """What could be seen of one program."""

    secret: str
    said: str = ""
    ended: bool = True
    parent_died: bool = False
    visited: bool = False
    left_files: list[str] = field(default_factory=list)
    left_processes: list[int] = field(default_factory=list)
    left_memory: bool = False
    left_trees: bool = False
    victim_file: str = ""
    victim_changed: bool = False
    neighbour_before: dict[str, object] = field(default_factory=dict)
    neighbour: dict[str, object] = field(default_factory=dict)


@dataclass
class Stage:
    """What one program may touch."""

    folder: Path
    mark: str
    secret: str
    neighbour: subprocess.Popen[bytes] | None
    before: dict[str, object]
    victim_before: tuple[object, ...]
    key_number: str


class Arena:
    def __init__(self, folder: Path, programs: Sequence[Program]) -> None:
        end_strays()
        self.folder = folder
        self.token = uuid.uuid4().hex[:12]
        self.base = folder / "base"
        self.base.mkdir()
        self.received = b""
        self.listeners = listeners(folder, self.token)
        self.visit_port = free_port()
        self.stages = {program.name: self.stage(number, program) for number, program in enumerate(programs)}
        self.inherited = [self.stages[each.name].folder for each in programs if "inherited" in each.name]
        self.look()

    def stage(self, number: int, program: Program) -> Stage:
        folder = self.folder / f"home{number}"
        for inner in (".ssh", ".git/hooks"):
            (folder / inner).mkdir(parents=True)
        mark, secret = f"m{self.token}n{number}m", uuid.uuid4().hex
        (folder / "key").write_text(secret)
        (folder / "link").symlink_to(secret)
        victim = folder / "victim"
        victim.write_text("intact")
        victim.chmod(0o640)
        neighbour = neighbour_of(folder, mark, secret) if "@PID@" in program.code else None
        before = looks(neighbour.pid, mark) if neighbour else {}
        key_number = f"{int(self.token[:7], 16) % 0x100000:05x}{number:02x}"
        return Stage(folder, mark, secret, neighbour, before, facts(victim), key_number)

    def aimed(self, program: Program) -> str:
        stage = self.stages[program.name]
        words = {
            "KEY": stage.folder / "key", "HERE": stage.folder, "VICTIM": stage.folder / "victim", "MARK": stage.mark,
            "PID": stage.neighbour.pid if stage.neighbour else 0, "UNIX": self.folder / "d.sock", "STREAM": self.folder / "s.sock",
            "ABSTRACT": self.token, "CHECKOUT": CHECKOUT, "SITE": SITE, "BASE": self.base, "VISIT": self.visit_port,
            "KEYNUMBER": stage.key_number, "YES": "'it ' 'worked'",  # a traceback that quotes its line must not count
            **{name: each.getsockname()[1] for name, each in self.listeners.items() if name in ("TCP", "TCP6", "UDP")},
        }  # fmt: skip
        return re.sub(r"@([A-Z0-9]+)@", lambda found: str(words[found[1]]), program.code)

    def secrets(self) -> dict[str, str]:
        """For the environment of whoever starts the programs."""
        return {f"NIGHTSHIFT_TEST_{stage.mark}": stage.secret for stage in self.stages.values()}

    def look(self) -> None:
        """At everything that is the same for all programs."""
        self.listen()
        self.names = [place / name for place in (*PLACES, SITE, self.base) for name in os.listdir(place)]
        self.processes = command_lines()
        self.memory = Path("/proc/sysvipc/shm").read_text()

    def seen(self, name: str, said: str, **more: bool) -> Seen:
        """Of what was there at the last look."""
        stage = self.stages[name]
        victim = stage.folder / "victim"
        mode = f" {victim.stat().st_mode & 0o777:o}" if victim.exists() else ""
        neighbour = stage.neighbour
        return Seen(
            secret=stage.secret,
            said=said,
            visited=stage.mark.encode() in self.received,
            left_files=self.left_files(stage),
            left_processes=self.left_processes(stage),
            left_memory=str(int(stage.key_number, 16)) in self.memory.split(),
            victim_file=(victim.read_text() if victim.exists() else "gone") + mode,
            victim_changed=facts(victim) != stage.victim_before,
            neighbour_before=stage.before,
            neighbour=looks(neighbour.pid, stage.mark) if neighbour and neighbour.poll() is None else {},
            **more,
        )

    def left_files(self, stage: Stage) -> list[str]:
        inside = [path for path in (stage.folder, stage.folder / ".ssh", stage.folder / ".git/hooks") if path.is_dir()]
        names = [*self.names, *(path / name for path in inside for name in os.listdir(path))]
        return [str(path) for path in names if stage.mark in path.name]

    def left_processes(self, stage: Stage) -> list[int]:
        own = stage.neighbour.pid if stage.neighbour else -1
        found = [pid for pid, line in self.processes.items() if stage.mark.encode() in line]
        return [pid for pid in found if session_of(pid) not in (own, 0)]

    def listen(self) -> None:
        for each in self.listeners.values():
            with suppress(BlockingIOError):
                while True:
                    self.received += heard(each)

    @contextmanager
    def visiting(self) -> Iterator[None]:
        """Somebody from outside who tries a door on loopback, again and again."""
        over = threading.Event()

        def visit() -> None:
            while not over.wait(0.03):
                with suppress(OSError), socket.create_connection(("127.0.0.1", self.visit_port), timeout=0.5) as door:
                    self.received += door.recv(100)

        visitor = threading.Thread(target=visit)
        visitor.start()
        try:
            yield
        finally:
            over.set()
            visitor.join()

    def close(self) -> None:
        self.look()
        for each in self.listeners.values():
            each.close()
        for stage in self.stages.values():
            self.clear(stage)
        while strays := orphans(f"NIGHTSHIFT_TEST_m{self.token}"):
            for pid in strays:
                kill(pid)
            time.sleep(0.005)
        for folder in self.folder.glob("plain-*"):
            remove(folder)

    def clear(self, stage: Stage) -> None:
        pids = self.left_processes(stage) + ([stage.neighbour.pid] if stage.neighbour else [])
        for pid in pids:
            kill(pid)
        if stage.neighbour:
            stage.neighbour.wait()
        for path in self.left_files(stage):
            with suppress(OSError):
                os.rmdir(path) if os.path.isdir(path) and not os.path.islink(path) else os.unlink(path)
        if str(int(stage.key_number, 16)) in self.memory.split():
            remove_memory(int(stage.key_number, 16))


def batch(arena: Arena, programs: Sequence[Program]) -> dict[str, str]:
    """Files of a tree whose `driver.py` runs all of them, one after the other."""
    orders = [(each.name, arena.aimed(each), each.seconds) for each in programs]
    return {"driver.py": DRIVER, "programs.json": json.dumps(orders)}


def told(output: str) -> dict[str, str]:
    return dict(json.loads(line) for line in output.splitlines() if line.startswith("["))


def plainly(
    arena: Arena, texts: dict[str, str], script: str, seconds: float, python: str = sys.executable
) -> tuple[str, bool, int]:
    """As most programs run other programs. What it said, whether it ended, and its exit code."""
    folder = arena.folder / f"plain-{uuid.uuid4().hex[:6]}"
    folder.mkdir()
    for name, text in texts.items():
        (folder / name).write_text(text)
    inherited = [os.open(folder / "key", os.O_RDONLY) for folder in arena.inherited]
    for fd in inherited:
        os.set_inheritable(fd, True)
    never_written, other_end = os.pipe()
    with open(folder / "output", "w+b") as output, subprocess.Popen(
        [python, script], cwd=folder, stdin=never_written, close_fds=False, env={**os.environ, **arena.secrets()},
        stdout=output, stderr=output, start_new_session=True,
    ) as process:  # fmt: skip
        try:
            process.wait(seconds)
            ended = True
        except subprocess.TimeoutExpired:
            process.kill()
            ended = False
        for fd in (never_written, other_end, *inherited):
            os.close(fd)
        output.seek(0)
        return output.read().decode(errors="replace"), ended, process.wait()


def python_for_anybody() -> str:
    """Tier B has the host's own permissions: an interpreter in a home serves nobody else."""
    others = os.stat(os.path.realpath(sys.executable)).st_mode & 0o005 == 5
    real = Path(os.path.realpath(sys.executable))
    reachable = others and all(parent.stat().st_mode & 0o001 for parent in real.parents)
    return sys.executable if reachable or os.getuid() else "/usr/bin/python3"


def skip_where_impossible(tier: str) -> None:
    """Tier B needs a newer Landlock where it must hold back signals between processes of one user."""
    if tier == "B" and landlock.version() < (6 if os.getuid() else landlock.ENOUGH):
        pytest.skip("this kernel's Landlock does not suffice for tier B")


@contextmanager
def short_folder() -> Iterator[Path]:
    """The path of a unix socket holds 108 bytes only."""
    folder = Path(mkdtemp(dir="/tmp"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        remove(folder)


# Who must not stay.


def end_strays() -> None:
    """Programs of a test run that was itself killed."""
    for pid in orphans("NIGHTSHIFT_TEST_m"):
        with suppress(OSError):
            if time.time() - os.stat(f"/proc/{pid}").st_mtime > STRAY_SECONDS:
                kill(pid)


def orphans(variable: str) -> list[int]:
    """Processes without a parent whose environment holds a variable that begins so."""
    found = []
    for entry in Path("/proc").iterdir():
        with suppress(OSError):
            if entry.name.isdigit() and variable.encode() in (entry / "environ").read_bytes():
                found += [int(entry.name)] if "\nPPid:\t1\n" in (entry / "status").read_text() else []
    return found


def kill(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


# What can be seen.


def looks(pid: int, mark: str) -> dict[str, object]:
    """A neighbour from outside."""
    state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    if state == "Z":
        return {}
    return {
        "state": state,
        "limit": resource.prlimit(pid, resource.RLIMIT_NOFILE),
        "nice": os.getpriority(os.PRIO_PROCESS, pid),
        "cores": os.sched_getaffinity(pid),
        "schedule": os.sched_getscheduler(pid),
        "disk": disk_priority(pid),
        "score": Path(f"/proc/{pid}/oom_score_adj").read_text(),
        "comm": Path(f"/proc/{pid}/comm").read_text(),
        "marked": mark in Path(f"/proc/{pid}/environ").read_text() and mark in Path(f"/proc/{pid}/cmdline").read_text(),
    }


def disk_priority(pid: int) -> int:
    number = 252 if os.uname().machine == "x86_64" else 31
    return int(ctypes.CDLL(None).syscall(number, 1, pid))


def neighbour_of(folder: Path, mark: str, secret: str) -> subprocess.Popen[bytes]:
    """With a mark in its command line, and a secret in its environment, its directory and what it has open."""
    with open(folder / "key") as key:
        made = subprocess.Popen(
            [mark, "60"], executable="/bin/sleep", stdin=key, cwd=folder, start_new_session=True,
            env={**os.environ, "TOKEN": secret, "OTHER": mark},
        )  # fmt: skip
    while not looks(made.pid, mark)["marked"]:  # the kernel shows it a moment after the start
        time.sleep(0.001)
    return made


def facts(path: Path) -> tuple[object, ...]:
    if not path.exists():
        return ()
    found = path.stat()
    return found.st_uid, found.st_gid, int(found.st_mtime), os.listxattr(path)


def command_lines() -> dict[int, bytes]:
    found = {}
    for name in os.listdir("/proc"):
        with suppress(OSError):
            if name.isdigit():
                found[int(name)] = Path(f"/proc/{name}/cmdline").read_bytes()
    found.pop(os.getpid())
    return found


def session_of(pid: int) -> int:
    try:
        return os.getsid(pid)
    except ProcessLookupError:
        return 0


def remove_memory(key: int) -> None:
    libc = ctypes.CDLL(None)
    libc.shmctl(libc.shmget(key, 1, 0), 0, None)


def listeners(folder: Path, token: str) -> dict[str, socket.socket]:
    made = {
        "TCP": socket.create_server(("127.0.0.1", 0)),
        "UDP": bound(socket.SOCK_DGRAM, socket.AF_INET, ("0.0.0.0", 0)),
        "UNIX": bound(socket.SOCK_DGRAM, socket.AF_UNIX, str(folder / "d.sock")),
        "STREAM": bound(socket.SOCK_STREAM, socket.AF_UNIX, str(folder / "s.sock")),
        "ABSTRACT": bound(socket.SOCK_DGRAM, socket.AF_UNIX, f"\0{token}"),
        "ABSTRACT STREAM": bound(socket.SOCK_STREAM, socket.AF_UNIX, f"\0{token}-stream"),
    }
    made["TCP6"] = socket.create_server(("::1", 0), family=socket.AF_INET6) if socket.has_ipv6 else made["TCP"]
    for path in (folder / "d.sock", folder / "s.sock"):
        path.chmod(0o777)
    for each in made.values():
        each.setblocking(False)
    return made


def bound(kind: int, family: int, address: object) -> socket.socket:
    made = socket.socket(family, kind)
    made.bind(address)
    if kind == socket.SOCK_STREAM:
        made.listen(50)
    return made


def heard(listener: socket.socket) -> bytes:
    if listener.type == socket.SOCK_DGRAM:
        return listener.recv(200) + b"\n"
    with listener.accept()[0] as visitor:
        visitor.settimeout(0.2)
        with suppress(TimeoutError):
            return visitor.recv(200) + b"\n"
    return b""


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])
