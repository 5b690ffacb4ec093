"""The seccomp filter as bytes: calls that ordinary programs do not need and that reach round the other walls.

A deny-list, since generated code must still be able to run ordinary programs. It closes what namespaces leave
open: vsock and other socket families, io_uring, nested user namespaces, keyrings, memory that no limit sees.
Where there are no namespaces it also closes what Landlock leaves open: sockets, System V memory, the modes,
owners and times of files elsewhere, the priorities of other processes. It is a second wall, never the only one.
"""

from __future__ import annotations

import errno
import platform
import struct
from collections.abc import Sequence

# (x86-64, aarch64); from 424 on both share their numbers.
DENIED = {
    "ptrace": (101, 117), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271), "kcmp": (312, 272),
    "mount": (165, 40), "umount2": (166, 39), "pivot_root": (155, 41), "chroot": (161, 51),
    "unshare": (272, 97), "setns": (308, 268), "bpf": (321, 280), "perf_event_open": (298, 241),
    "keyctl": (250, 219), "add_key": (248, 217), "request_key": (249, 218),
    "open_by_handle_at": (304, 265), "name_to_handle_at": (303, 264), "fanotify_init": (300, 262),
    "init_module": (175, 105), "finit_module": (313, 273), "delete_module": (176, 106),
    "kexec_load": (246, 104), "kexec_file_load": (320, 294), "reboot": (169, 142), "syslog": (103, 116),
    "swapon": (167, 224), "swapoff": (168, 225), "acct": (163, 89), "quotactl": (179, 60),
    "settimeofday": (164, 170), "clock_settime": (227, 112), "clock_adjtime": (305, 266),
    "adjtimex": (159, 171),
    "sethostname": (170, 161), "setdomainname": (171, 162), "personality": (135, 92), "vhangup": (153, 58),
    "lookup_dcookie": (212, 18), "migrate_pages": (256, 238), "move_pages": (279, 239),
    "open_tree": (428, 428), "move_mount": (429, 429), "fsopen": (430, 430), "fsconfig": (431, 431),
    "fsmount": (432, 432), "fspick": (433, 433), "pidfd_getfd": (438, 438), "process_madvise": (440, 440),
    "mount_setattr": (442, 442), "quotactl_fd": (443, 443), "statmount": (457, 457), "listmount": (458, 458),
    "open_tree_attr": (467, 467),
}  # fmt: skip
ABSENT = {
    "io_uring_setup": (425, 425), "io_uring_enter": (426, 426), "io_uring_register": (427, 427),
    "userfaultfd": (323, 282), "memfd_create": (319, 279), "memfd_secret": (447, 447), "clone3": (435, 435),
}  # fmt: skip
"""Answered as if the kernel did not know them, so that libraries take their other way. The flags of clone3
lie behind a pointer that a filter cannot read: libc takes clone then."""

X86_ONLY = {"iopl": 172, "ioperm": 173, "modify_ldt": 154, "uselib": 134}

SHARED_DENIED = {
    "shmget": (29, 194), "msgget": (68, 186), "semget": (64, 190), "mq_open": (240, 180),
    "setpriority": (141, 140), "ioprio_set": (251, 30), "inotify_add_watch": (254, 27),
}  # fmt: skip
"""Reach what lies outside when there are no namespaces."""
SHARED_OWN = {
    "sched_setparam": (142, 118), "sched_setscheduler": (144, 119), "sched_setaffinity": (203, 122),
    "sched_setattr": (314, 274),
}  # fmt: skip
"""Their first argument is a process: one's own only."""
SHARED_FAKED = {
    "chmod": (90, None), "fchmod": (91, 52), "fchmodat": (268, 53), "fchmodat2": (452, 452),
    "chown": (92, None), "fchown": (93, 55), "lchown": (94, None), "fchownat": (260, 54),
    "setxattr": (188, 5), "lsetxattr": (189, 6), "fsetxattr": (190, 7), "setxattrat": (463, 463),
    "removexattr": (197, 14), "lremovexattr": (198, 15), "fremovexattr": (199, 16), "removexattrat": (466, 466),
    "utime": (132, None), "utimes": (235, None), "futimesat": (261, None), "utimensat": (280, 88),
    "file_setattr": (469, 469),
}  # fmt: skip
"""Landlock does not govern them. They seem to succeed, since half of all programs need no more."""

SOCKET, CLONE, PRLIMIT, IOCTL = (41, 198), (56, 220), (302, 261), (16, 29)
UNIX, INET, INET6, NETLINK = 1, 2, 10, 16
PRIVATE_NETWORK = (UNIX, INET, INET6, NETLINK)
"""Harmless in a network namespace and a root of one's own."""
OPEN_NETWORK = (INET, INET6, NETLINK)
"""Where the host's files are visible, a socket with a path leads to its daemons."""
TERMINAL_TRICKS = (0x5412, 0x541C)
"""TIOCSTI, TIOCLINUX: typing into somebody's terminal."""
NEW_NAMESPACES = 0x7E020000
AUDIT_ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}

LOAD, EQUAL, AT_LEAST, ANY_BIT, RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
ALLOW, KILL, ERRNO = 0x7FFF0000, 0x80000000, 0x50000
NUMBER, ARCH = 0, 4


def seccomp_filter(
    machine: str = platform.machine(), *, families: Sequence[int] = PRIVATE_NETWORK, shared: bool = False
) -> bytes:
    """The BPF program for this machine; empty where its system call numbers are not known here.

    `families` are the sockets that may be made; `shared` is said of a process without namespaces of its own.
    """
    if machine not in AUDIT_ARCH:
        return b""
    column = 0 if machine == "x86_64" else 1
    program = [
        step(LOAD, ARCH),
        step(EQUAL, AUDIT_ARCH[machine], 1, 0),
        step(RETURN, KILL),
        step(LOAD, NUMBER),
    ]
    if column == 0:  # the x32 numbers would walk round every comparison below
        program += [step(AT_LEAST, 0x40000000, 0, 1), step(RETURN, KILL)]
        program += [line for number in X86_ONLY.values() for line in refuse(number, errno.EPERM)]
    program += [line for numbers in DENIED.values() for line in refuse(numbers[column], errno.EPERM)]
    program += [line for numbers in ABSENT.values() for line in refuse(numbers[column], errno.ENOSYS)]
    program += shared_rules(column) if shared else []
    program += when(CLONE[column], 0, [step(ANY_BIT, NEW_NAMESPACES, 0, 1), fail(errno.EPERM)])
    program += only_own(PRLIMIT[column])
    program += when(IOCTL[column], 1, [line for trick in TERMINAL_TRICKS for line in refuse(trick, errno.EPERM)])
    known = [line for family in families for line in (step(EQUAL, family, 0, 1), step(RETURN, ALLOW))]
    program += when(SOCKET[column], 0, [*known, fail(errno.EAFNOSUPPORT)])
    return b"".join([*program, step(RETURN, ALLOW)])


def shared_rules(column: int) -> list[bytes]:
    faked = [number for numbers in SHARED_FAKED.values() if (number := numbers[column]) is not None]
    return [
        *(line for numbers in SHARED_DENIED.values() for line in refuse(numbers[column], errno.EPERM)),
        *(line for numbers in SHARED_OWN.values() for line in only_own(numbers[column])),
        *(line for number in faked for line in refuse(number, 0)),
    ]


def refuse(value: int, code: int) -> list[bytes]:
    return [step(EQUAL, value, 0, 1), fail(code)]


def only_own(number: int) -> list[bytes]:
    """0 is the calling process itself."""
    return when(number, 0, [step(EQUAL, 0, 1, 0), fail(errno.EPERM)])


def when(number: int, argument: int, body: list[bytes]) -> list[bytes]:
    """The body sees that argument of the call; what falls off its end is allowed."""
    body = [step(LOAD, 16 + 8 * argument), *body, step(RETURN, ALLOW)]
    return [step(EQUAL, number, 0, len(body)), *body]


def fail(code: int) -> bytes:
    return step(RETURN, ERRNO | code)


def step(code: int, operand: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("=HBBI", code, if_true, if_false, operand)
