"""Hostile programs, each with what somebody outside sees when it succeeded.

A program is text for `exec`; @WORDS@ are put in by the arena. It boasts by printing @YES@ only where nothing can be
seen from outside. Nothing in here does lasting harm to the machine it runs on, not even as root without walls.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from hostile.arena import Seen

SYSCALL = (
    "import ctypes, os, struct\nlibc = ctypes.CDLL(None, use_errno=True)\narm = os.uname().machine == 'aarch64'\n"
    "def call(x86, on_arm, *a): return libc.syscall(*[ctypes.c_long(x) if isinstance(x, int) else x for x in ((on_arm if arm else x86), *a)])\n"
    "def boast(result): print(@YES@ if result >= 0 else ctypes.get_errno())\n"
)
CHILDREN = "import mmap, os, time\nfor _ in range(3):\n    if os.fork() == 0:\n        %s; time.sleep(0.5); os._exit(0)\nended = [os.wait()[1] for _ in range(3)]\nprint(@YES@ if ended == [0, 0, 0] else ended)"
DAEMON = "import os, subprocess, time\nif os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0:\n        %sos.execlp('sh', 'sh', '-c', 'sleep 60; : @MARK@')\n    os._exit(0)\ntime.sleep(0.1)"


@dataclass(frozen=True)
class Program:
    name: str
    code: str
    succeeded: Callable[[Seen], bool]
    alone: bool = False
    """Hurts its own neighbours, or takes long: it gets a sandbox to itself."""
    may_be_immune: bool = False
    """A kernel, a missing module or an ordinary user's rights may stop it without any sandbox."""
    root: bool = False
    """Works, without a sandbox, as root only."""
    seconds: float = 4.0


def boasted(seen: Seen) -> bool:
    return "it worked" in seen.said


def stole(seen: Seen) -> bool:
    return seen.secret in seen.said


def reached(seen: Seen) -> bool:
    return seen.visited


def wrote(seen: Seen) -> bool:
    return bool(seen.left_files)


def hurt(seen: Seen) -> bool:
    return seen.victim_file != "intact 640"


def survived(seen: Seen) -> bool:
    return bool(seen.left_processes)


def killed(seen: Seen) -> bool:
    return seen.neighbour.get("state") is None


def stopped(seen: Seen) -> bool:
    return seen.neighbour.get("state") in ("T", "t")


def changed(seen: Seen) -> bool:
    return bool(seen.neighbour) and {**seen.neighbour, "state": ""} != {**seen.neighbour_before, "state": ""}


def flooded(seen: Seen) -> bool:
    return len(seen.said) > 1_000_000


def lingered(seen: Seen) -> bool:
    return not seen.ended


NETWORK = [
    Program("connects over TCP", "import socket; socket.create_connection(('127.0.0.1', @TCP@)).send(b'@MARK@')", reached),
    Program("connects over IPv6", "import socket; socket.create_connection(('::1', @TCP6@)).send(b'@MARK@')", reached, may_be_immune=True),
    Program("connects through an address in IPv6 clothes", "import socket; socket.create_connection(('::ffff:127.0.0.1', @TCP@)).send(b'@MARK@')", reached, may_be_immune=True),
    Program("connects by TCP fast open", "import socket; s = socket.socket(); s.sendto(b'@MARK@', 0x20000000, ('127.0.0.1', @TCP@))", reached, may_be_immune=True),
    Program("connects over multipath TCP", "import socket; s = socket.socket(2, 1, 262); s.connect(('127.0.0.1', @TCP@)); s.send(b'@MARK@')", reached, may_be_immune=True),
    Program("connects to the host's own address", "import socket; s = socket.socket(2, 2); s.connect(('192.0.2.1', 9)); print(@YES@)", boasted, may_be_immune=True),
    Program("sends a datagram", "import socket; socket.socket(2, 2).sendto(b'@MARK@', ('127.0.0.1', @UDP@))", reached),
    Program("sends a connected datagram", "import socket; s = socket.socket(2, 2); s.connect(('127.0.0.1', @UDP@)); s.send(b'@MARK@')", reached),
    Program("broadcasts", "import socket; s = socket.socket(2, 2); s.setsockopt(1, 6, 1); s.sendto(b'@MARK@', ('127.255.255.255', @UDP@))", reached, may_be_immune=True),
    Program("talks to a unix socket", "import socket; socket.socket(1, 2).sendto(b'@MARK@', '@UNIX@')", reached),
    Program("talks to a daemon's unix stream", "import socket; s = socket.socket(1, 1); s.connect('@STREAM@'); s.send(b'@MARK@')", reached),
    Program("talks to an abstract socket", "import socket; socket.socket(1, 2).sendto(b'@MARK@', '\\0' '@ABSTRACT@')", reached),
    Program("talks to an abstract stream", "import socket; s = socket.socket(1, 1); s.connect('\\0' '@ABSTRACT@-stream'); s.send(b'@MARK@')", reached),
    Program("waits for a visitor", "import socket\ns = socket.create_server(('127.0.0.1', @VISIT@)); s.settimeout(1); s.accept()[0].send(b'@MARK@')", reached, alone=True),
    Program("opens a vsock", "import socket; socket.socket(40, 1); print(@YES@)", boasted, may_be_immune=True),
    Program("opens a netlink socket", "import socket; socket.socket(16, 3, 0); print(@YES@)", boasted),
    Program("opens a raw socket", "import socket; socket.socket(2, 3, 1); print(@YES@)", boasted, root=True),
    Program("opens a packet socket", "import socket; socket.socket(17, 3, 768); print(@YES@)", boasted, root=True, may_be_immune=True),
    Program("opens a ping socket", "import socket; socket.socket(2, 2, 1); print(@YES@)", boasted, may_be_immune=True),
    Program("opens the kernel's crypto socket", "import socket; socket.socket(38, 5); print(@YES@)", boasted, may_be_immune=True),
    Program("opens an SCTP socket", "import socket; socket.socket(2, 1, 132); print(@YES@)", boasted, may_be_immune=True),
    Program("opens a key management socket", "import socket; socket.socket(15, 3, 2); print(@YES@)", boasted, root=True, may_be_immune=True),
    Program("sees the host's interfaces", "import socket; print(@YES@ if len(socket.if_nameindex()) > 1 else '')", boasted, may_be_immune=True),
    Program("sees the host's connections", "print(@YES@ if ':%04X ' % @TCP@ in open('/proc/net/tcp').read() else '')", boasted, may_be_immune=True),
]  # fmt: skip

READING = [
    Program("reads a key", "print(open('@KEY@').read())", stole),
    Program("reads a key through a link", "import os; os.symlink('@KEY@', 'key'); print(open('key').read())", stole),
    Program("reads a key through a hard link", "import os; os.link('@KEY@', '@HERE@/twin'); print(open('@HERE@/twin').read())", stole),
    Program("reads a key through its parents", "import os; os.chdir('@HERE@/../..'); print(open('@KEY@').read())", stole),
    Program("reads a key through a magic link", "import os; os.chdir('/proc/self/root@HERE@'); print(open('key').read())", stole),
    Program("copies a key with another program", "import subprocess; print(subprocess.run(['cat', '@KEY@'], capture_output=True, text=True).stdout)", stole),
    Program("reads a key by its handle", SYSCALL + "handle = struct.pack('Ii', 128, 0) + bytes(128)\nhandle = ctypes.create_string_buffer(handle)\nmount = ctypes.c_int()\ncall(303, 264, -100, b'@KEY@', handle, ctypes.byref(mount), 0)\nfd = call(304, 265, os.open('@HERE@', os.O_RDONLY), handle, os.O_RDONLY)\nprint(os.read(fd, 99))", stole, root=True, may_be_immune=True),
    Program("reads a key through init's root", "print(open('/proc/1/root@KEY@').read())", stole, root=True, may_be_immune=True),
    Program("reads a key after a change of root", "import os; os.mkdir('jail'); os.chroot('jail'); os.chdir('../../../../../../..'); os.chroot('.'); print(open('@KEY@').read())", stole, root=True),
    Program("lists a home", "import os; print(@YES@ if 'victim' in os.listdir('@HERE@') else '')", boasted),
    Program("finds out that a file exists", "import os; print(@YES@ if os.path.exists('@KEY@') else '')", boasted),
    Program("reads where a link leads", "import os; print(os.readlink('@HERE@/link'))", stole),
    Program("watches a home", SYSCALL + "fd = libc.inotify_init()\nboast(libc.inotify_add_watch(fd, b'@HERE@', 0x100))", boasted),
    Program("reads the password hashes", "print(@YES@ if open('/etc/shadow').read() else '')", boasted, root=True),
    Program("reads the checkout", "print(@YES@ if 'ExecLimits' in open('@CHECKOUT@/nightshift/domain.py').read() else '')", boasted),
    Program("reads the environment", "import os; print(os.environ['NIGHTSHIFT_TEST_@MARK@'])", stole),
    Program("reads its parent's environment", "import os; print(open('/proc/%d/environ' % os.getppid()).read().partition('@MARK@')[2][:40])", stole),
    Program("reads the environment of a neighbour", "print(open('/proc/@PID@/environ').read())", stole),
    Program("reads the command line of a neighbour", "print(@YES@ if '@MARK@' in open('/proc/@PID@/cmdline').read() else '')", boasted),
    Program("reads the memory of a neighbour", "import re\nfor line in open('/proc/@PID@/maps'):\n    if 'stack' in line:\n        a, b = [int(x, 16) for x in line.split()[0].split('-')]\n        memory = open('/proc/@PID@/mem', 'rb', 0); memory.seek(a); print(memory.read(b - a).partition(b'TOKEN=')[2][:40])", stole),
    Program("reads the memory of a neighbour by a call", SYSCALL + "for line in open('/proc/@PID@/maps'):\n    if 'stack' in line:\n        a, b = [int(x, 16) for x in line.split()[0].split('-')]\n        room = ctypes.create_string_buffer(b - a)\n        mine, theirs = struct.pack('PN', ctypes.addressof(room), b - a), struct.pack('PN', a, b - a)\n        call(310, 270, @PID@, mine, 1, theirs, 1, 0); print(room.raw.partition(b'TOKEN=')[2][:40])", stole),
    Program("opens what a neighbour has open", "print(open('/proc/@PID@/fd/0').read())", stole),
    Program("goes where a neighbour is", "import os; os.chdir('/proc/@PID@/cwd'); print(open('key').read())", stole),
    Program("takes a descriptor of a neighbour", SYSCALL + "fd = call(438, 438, os.pidfd_open(@PID@), 0, 0); print(os.pread(fd, 99, 0))", stole),
    Program("lists the processes of the host", "import os; print(@YES@ if '@PID@' in os.listdir('/proc') else '')", boasted),
    Program("reads an inherited descriptor", "import os\nfor fd in range(3, 64):\n    try: print(os.pread(fd, 99, 0))\n    except OSError: pass", stole),
    Program("reads a disk", "import glob, os; print(@YES@ if os.read(os.open(glob.glob('/dev/[vsn][dv]*')[0], os.O_RDONLY), 512) else '')", boasted, root=True, may_be_immune=True),
    Program("reads the kernel's log", SYSCALL + "boast(call(103, 116, 3, ctypes.create_string_buffer(99), 99))", boasted, may_be_immune=True),
    Program("reads the physical memory", "import os; os.open('/dev/mem', os.O_RDONLY); print(@YES@)", boasted, root=True, may_be_immune=True),
    Program("reads the symbols of the kernel", "print(@YES@ if int(open('/proc/kallsyms').readline().split()[0], 16) else '')", boasted, root=True, may_be_immune=True),
]  # fmt: skip

WRITING = [
    Program("writes outside", "open('@HERE@/@MARK@', 'w').write('x')", wrote),
    Program("makes a directory outside", "import os; os.mkdir('@HERE@/@MARK@')", wrote),
    Program("makes a link outside", "import os; os.symlink('/', '@HERE@/@MARK@')", wrote),
    Program("makes a pipe outside", "import os; os.mkfifo('@HERE@/@MARK@')", wrote),
    Program("makes a socket outside", "import socket; socket.socket(1, 1).bind('@HERE@/@MARK@')", wrote),
    Program("makes a device outside", "import os, stat; os.mknod('@HERE@/@MARK@', stat.S_IFCHR | 0o666, os.makedev(1, 3))", wrote, root=True),
    Program("moves a file outside", "import os; open('own', 'w'); os.rename('own', '@HERE@/@MARK@')", wrote, may_be_immune=True),
    Program("writes into site-packages", "open('@SITE@/@MARK@', 'w').write('x')", wrote, may_be_immune=True),
    Program("plants a line for the interpreter's start", "open('@SITE@/@MARK@.pth', 'w').write('import os')", wrote, may_be_immune=True),
    Program("plants a program in the PATH", "open('/usr/local/bin/@MARK@', 'w').write('x')", wrote, root=True),
    Program("plants a timed job", "open('/etc/@MARK@', 'w').write('x')", wrote, root=True),
    Program("leaves a file in /tmp", "open('/tmp/@MARK@', 'w').write('x')", wrote),
    Program("leaves a file in /var/tmp", "open('/var/tmp/@MARK@', 'w').write('x')", wrote),
    Program("leaves a file in /dev/shm", "open('/dev/shm/@MARK@', 'w').write('x')", wrote),
    Program("leaves a semaphore", "import _multiprocessing; _multiprocessing.SemLock(1, 1, 1, '/@MARK@', False)", wrote),
    Program("leaves System V memory", SYSCALL + "boast(call(29, 194, 0x@KEYNUMBER@, 4096, 0o1600)); print(open('/proc/sysvipc/shm').read())", lambda seen: seen.left_memory),
    Program("changes the tree it was copied from", "open('@BASE@/@MARK@', 'w').write('x')", wrote),
    Program("plants a hook in a repository", "open('@HERE@/.git/hooks/@MARK@', 'w').write('x')", wrote),
    Program("plants a file for the user's shell", "open('@HERE@/.bashrc-@MARK@', 'a').write('x')", wrote),
    Program("plants a key that may log in", "open('@HERE@/.ssh/@MARK@', 'a').write('x')", wrote),
    Program("overwrites a file", "open('@VICTIM@', 'w').write('gone')", hurt),
    Program("overwrites a file through a link", "import os; os.symlink('@VICTIM@', 'a'); open('a', 'w').write('gone')", hurt),
    Program("overwrites a file through a hard link", "import os; os.link('@VICTIM@', '@HERE@/twin'); open('@HERE@/twin', 'w').write('gone')", hurt),
    Program("overwrites a file through its parents", "import os; os.chdir('@HERE@/../..'); open('@VICTIM@', 'w').write('gone')", hurt),
    Program("replaces a file", "import os; open('@HERE@/new', 'w').write('gone'); os.rename('@HERE@/new', '@VICTIM@')", hurt),
    Program("cuts a file", "import os; os.truncate('@VICTIM@', 2)", hurt),
    Program("deletes a file", "import os; os.unlink('@VICTIM@')", hurt),
    Program("deletes a directory", "import shutil; shutil.rmtree('@HERE@')", hurt),
    Program("changes permissions", "import os; os.chmod('@VICTIM@', 0o777)", hurt),
    Program("changes permissions by another call", SYSCALL + "call(452, 452, -100, b'@VICTIM@', 0o777, 0)", hurt, may_be_immune=True),
    Program("changes the times of a file", "import os; os.utime('@VICTIM@', (1, 1))", lambda seen: seen.victim_changed),
    Program("attaches something to a file", "import os; os.setxattr('@VICTIM@', 'user.x', b'x')", lambda seen: seen.victim_changed, may_be_immune=True),
    Program("gives a file away", "import os; os.chown('@VICTIM@', 12345, 12345)", lambda seen: seen.victim_changed, root=True),
    Program("mounts over a directory", SYSCALL + "boast(libc.mount(b'tmpfs', b'.', b'tmpfs', 0, None)); libc.umount2(b'.', 2)", boasted, root=True),
    Program("changes a setting of the kernel", "v = open('/proc/sys/kernel/panic').read(); open('/proc/sys/kernel/panic', 'w').write(v); print(@YES@)", boasted, root=True),
    Program("changes what happens at a crash", "v = open('/proc/sys/kernel/core_pattern').read(); open('/proc/sys/kernel/core_pattern', 'w').write(v); print(@YES@)", boasted, root=True),
]  # fmt: skip

PROCESSES = [
    Program("kills a neighbour", "import os; os.kill(@PID@, 9)", killed),
    Program("kills a neighbour by a descriptor", "import os, signal; signal.pidfd_send_signal(os.pidfd_open(@PID@), 9)", killed),
    Program("kills a thread of a neighbour", SYSCALL + "call(200, 130, @PID@, 9)", killed),
    Program("kills a neighbour by a queued signal", SYSCALL + "call(129, 138, @PID@, 9, struct.pack('iii', 9, 0, -1) + bytes(116))", killed),
    Program("kills a group of neighbours", "import os; os.killpg(@PID@, 9)", killed),
    Program("stops a neighbour", "import os, time; os.kill(@PID@, 19); time.sleep(0.05)", stopped),
    Program("traces a neighbour", SYSCALL + "import time\nif call(101, 117, 16, @PID@, 0, 0) >= 0: print(@YES@)\ntime.sleep(0.02)", boasted),
    Program("kills its parent", "import os; os.kill(os.getppid(), 9)", lambda seen: seen.parent_died, alone=True),
    Program("limits a neighbour", "import resource; resource.prlimit(@PID@, resource.RLIMIT_NOFILE, (9, 9))", changed),
    Program("slows a neighbour", "import os; os.setpriority(os.PRIO_PROCESS, @PID@, 15)", changed),
    Program("binds a neighbour to a core", "import os; os.sched_setaffinity(@PID@, {0})", changed, may_be_immune=True),
    Program("schedules a neighbour", "import os; os.sched_setscheduler(@PID@, os.SCHED_IDLE, os.sched_param(0))", changed),
    Program("slows the disk of a neighbour", SYSCALL + "call(251, 30, 1, @PID@, 3 << 13)", changed),
    Program("marks a neighbour to be killed first", "open('/proc/@PID@/oom_score_adj', 'w').write('999')", changed),
    Program("renames a neighbour", "open('/proc/@PID@/comm', 'w').write('x')", changed, may_be_immune=True),
    Program("overwrites the memory of a neighbour", "for line in open('/proc/@PID@/maps'):\n    if 'stack' in line:\n        a, b = [int(x, 16) for x in line.split()[0].split('-')]\n        memory = open('/proc/@PID@/mem', 'r+b', 0); memory.seek(a)\n        at = memory.read(b - a).index(b'@MARK@'); memory.seek(a + at); memory.write(b'gone')", changed),
    Program("leaves a child", "import subprocess; subprocess.Popen(['sh', '-c', 'sleep 60; : @MARK@'])", survived),
    Program("leaves a daemon", DAEMON % "", survived),
    Program("leaves a daemon that ignores signals", DAEMON % "import signal; [signal.signal(n, signal.SIG_IGN) for n in (1, 2, 3, 15)]; ", survived),
    Program("leaves a daemon that is stopped", "import os, signal, subprocess; p = subprocess.Popen(['sh', '-c', 'sleep 60; : @MARK@'], start_new_session=True); p.send_signal(19)", survived),
    Program("leaves a daemon that holds its output", "import subprocess; subprocess.Popen(['sh', '-c', 'sleep 60; : @MARK@'], start_new_session=True)", survived),
    Program("leaves a crowd", "import subprocess\nfor _ in range(8): subprocess.Popen(['sh', '-c', 'sleep 60; : @MARK@'], start_new_session=True)", survived),
    Program("leaves a process that forks itself on and on", "import os, subprocess, sys\nsubprocess.Popen(['sh', '-c', 'n=0; while [ $n -lt 400 ]; do n=$((n+1)); (sleep 0.5; : @MARK@) & sleep 0.01; done; : @MARK@'], start_new_session=True)", survived, alone=True),
    Program("hangs on stdin", "import sys; sys.stdin.read(); print('read to the end')", lingered, alone=True, seconds=0.5),
]  # fmt: skip

RESOURCES = [
    Program("allocates", "x = bytearray(450 << 20); print(@YES@)", boasted, alone=True),
    Program("allocates in children", CHILDREN % "x = b'x' * (150 << 20)", boasted, alone=True),
    Program("allocates shared memory in children", CHILDREN % "x = mmap.mmap(-1, 150 << 20); [x.__setitem__(slice(n << 20, n + 1 << 20), b'x' * (1 << 20)) for n in range(150)]", boasted, alone=True),
    Program("hides memory in a memfd", "import os; os.memfd_create('x'); print(@YES@)", boasted),
    Program("hides memory in a secret area", SYSCALL + "boast(call(447, 447, 0))", boasted, may_be_immune=True),
    Program("locks memory", SYSCALL + "room = ctypes.create_string_buffer(16 << 20); boast(libc.mlock(room, 16 << 20))", boasted, may_be_immune=True),
    Program("writes a large file", "open('big', 'wb').write(b'x' * (20 << 20)); print(@YES@)", boasted),
    Program("makes a sparse file of a terabyte", "open('big', 'wb').truncate(1 << 40); print(@YES@)", boasted),
    Program("keeps the disk filled with many files", "import os\nfor n in range(80):\n    fd = os.open(f'f{n}', os.O_CREAT | os.O_WRONLY); os.posix_fallocate(fd, 0, 8 << 20); os.close(fd)\nimport time; time.sleep(0.4)\nprint(@YES@)", boasted, alone=True),
    Program("keeps the disk filled with names", "import os\nos.mkdir('names')\nfor n in range(70_000): os.close(os.open(f'names/{n}', os.O_CREAT))\nimport time; time.sleep(0.9)\nprint(@YES@)", boasted, alone=True, seconds=20),
    Program("fills the shared memory", "for n in range(60): open('/dev/shm/@MARK@%d' % n, 'wb').write(b'x' * (7 << 20))\nprint(@YES@)", boasted, alone=True),
    Program("leaves directories too deep to name", "import os\nfor _ in range(1200): os.mkdir('d'); os.chdir('d')\nprint(@YES@)", lambda seen: seen.left_trees, alone=True),
    Program("takes all descriptors", "import os\nfor _ in range(5000): os.dup(0)\nprint(@YES@)", boasted, may_be_immune=True),
    Program("raises its own limits", "import resource\nresource.setrlimit(resource.RLIMIT_AS, (-1, -1)); resource.setrlimit(resource.RLIMIT_CORE, (-1, -1)); print(@YES@)", boasted, may_be_immune=True),
    Program("forks without end", "import os, signal\ntry:\n    for _ in range(150):\n        if os.fork() == 0: signal.pause()\n    print(@YES@, flush=True)\nfinally:\n    signal.signal(15, signal.SIG_IGN); os.killpg(0, 15)", boasted, alone=True),
    Program("starts threads without end", "import threading, time\nfor _ in range(150): threading.Thread(target=time.sleep, args=(1,), daemon=True).start()\nprint(@YES@, flush=True)", boasted, alone=True),
    Program("leaves zombies without end", "import os\nfor _ in range(150):\n    if os.fork() == 0: os._exit(0)\nprint(@YES@)", boasted, alone=True),
    Program("floods its output", "import sys\nfor _ in range(300): sys.stdout.write('x' * 10_000)", flooded, alone=True),
    Program("floods its errors without a line end", "import os\nfor _ in range(300): os.write(2, b'\\xff' * 10_000)", flooded, alone=True),
    Program("spins", "while True: pass", lingered, alone=True, seconds=0.5),
    Program("sleeps", "import time; time.sleep(60)", lingered, alone=True, seconds=0.5),
    Program("ignores every signal", "import signal\nfor n in (1, 2, 3, 15): signal.signal(n, signal.SIG_IGN)\nwhile True: signal.pause()", lingered, alone=True, seconds=0.5),
]  # fmt: skip

KERNEL = [
    Program("makes a user namespace", SYSCALL + "boast(libc.unshare(0x10000000))", boasted, may_be_immune=True),
    Program("makes a user namespace by clone", SYSCALL + "pid = call(56, 220, 0x10000000 | 17, 0, 0, 0, 0)\nif pid == 0: os._exit(0)\nboast(pid)", boasted, may_be_immune=True),
    Program("makes a user namespace by clone3", SYSCALL + "pid = call(435, 435, struct.pack('QQQQQQQQ', 0x10000000, 0, 0, 0, 17, 0, 0, 0), 64)\nif pid == 0: os._exit(0)\nboast(pid)", boasted, may_be_immune=True),
    Program("makes a mount namespace", SYSCALL + "boast(libc.unshare(0x20000))", boasted, root=True),
    Program("joins a namespace of init", SYSCALL + "boast(libc.setns(os.open('/proc/1/ns/uts', os.O_RDONLY), 0))", boasted, root=True, may_be_immune=True),
    Program("opens a file system by hand", SYSCALL + "boast(call(430, 430, b'tmpfs', 0))", boasted, root=True),
    Program("clones a mount", SYSCALL + "boast(call(428, 428, -100, b'/', 1))", boasted, root=True),
    Program("renames the machine", SYSCALL + "name = os.uname().nodename.encode(); boast(libc.sethostname(name, len(name)))", boasted, root=True),
    Program("sets up io_uring", SYSCALL + "boast(call(425, 425, 4, ctypes.create_string_buffer(200)))", boasted, may_be_immune=True),
    Program("keeps a key in the keyring", SYSCALL + "boast(call(248, 217, b'user', b'@MARK@', b'x', 1, -3))", boasted, may_be_immune=True),
    Program("asks for the keyring", SYSCALL + "boast(call(250, 219, 0, -3, 1))", boasted, may_be_immune=True),
    Program("handles page faults", SYSCALL + "boast(call(323, 282, 1))", boasted, may_be_immune=True),
    Program("loads a program into the kernel", SYSCALL + "code = ctypes.create_string_buffer(struct.pack('QQ', 0xb7, 0x95)); licence = ctypes.create_string_buffer(b'GPL')\nattr = struct.pack('IIQQ', 1, 2, ctypes.addressof(code), ctypes.addressof(licence)) + bytes(96)\nboast(call(321, 280, 5, attr, len(attr)))", boasted, root=True, may_be_immune=True),
    Program("measures the machine", SYSCALL + "attr = struct.pack('IIQ', 1, 120, 0) + bytes(24) + struct.pack('Q', 0x61) + bytes(72)\nboast(call(298, 241, attr, 0, -1, -1, 0))", boasted, may_be_immune=True),
    Program("turns off address randomisation", SYSCALL + "boast(call(135, 92, 0x0040000))", boasted),
    Program("compares processes", SYSCALL + "boast(call(312, 272, os.getpid(), @PID@, 1, 0, 0))", boasted, may_be_immune=True),
    Program("watches a whole file system", SYSCALL + "boast(call(300, 262, 0x200, 0))", boasted, may_be_immune=True),
    Program("unloads a kernel to boot", SYSCALL + "boast(call(246, 104, 0, 0, None, 0))", boasted, root=True, may_be_immune=True),
    Program("reaches for the ports of the machine", SYSCALL + "boast(call(172, 9999, 3))", boasted, root=True, may_be_immune=True),
    Program("changes its descriptor table", SYSCALL + "boast(call(154, 9999, 0, ctypes.create_string_buffer(64), 64))", boasted, may_be_immune=True),
    Program("calls by the old 32-bit door", SYSCALL + "import mmap\nroom = mmap.mmap(-1, 4096, prot=7); room.write(bytes.fromhex('b814000000cd80c3'))\nwork = ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(room)))\nboast(work() - 1)", boasted, may_be_immune=True),
    Program("calls by x32 numbers", SYSCALL + "boast(call(0x40000000 | 39, 9999))", boasted, may_be_immune=True),
    Program("may gain rights by setuid programs", "print(@YES@ if 'NoNewPrivs:\\t0' in open('/proc/self/status').read() else '')", boasted),
    Program("keeps capabilities", "print(@YES@ if 'CapBnd:\\t0000000000000000' not in open('/proc/self/status').read() else '')", boasted),
]  # fmt: skip

PROGRAMS = [*NETWORK, *READING, *WRITING, *PROCESSES, *RESOURCES, *KERNEL]

EXCEPTIONS = {
    "A": {
        "opens a netlink socket": "it sees the private network namespace only, and programs use it to list interfaces",
    },
    "B": {
        "finds out that a file exists": "Landlock does not govern names, sizes and times of files, only what is in them",
        "reads where a link leads": "Landlock does not govern the text of a link",
    },
}
"""What each tier lets happen, and why that is borne. docs/sandbox.md repeats it; a test compares."""
