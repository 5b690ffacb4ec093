"""The seccomp filter as bytes: calls that ordinary programs do not need and that reach round namespaces.

A deny-list, since generated code must still be able to run ordinary programs. It closes what namespaces leave
open: vsock and other socket families, io_uring, nested user namespaces, keyrings, memory that no limit sees.
It is a second wall, not the wall: the namespaces are.
"""

from __future__ import annotations

import errno
import platform
import struct

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
}  # fmt: skip
ABSENT = {
    "io_uring_setup": (425, 425), "io_uring_enter": (426, 426), "io_uring_register": (427, 427),
    "userfaultfd": (323, 282), "memfd_create": (319, 279), "memfd_secret": (447, 447), "clone3": (435, 435),
}  # fmt: skip
"""Answered as if the kernel did not know them, so that libraries take their other way. The flags of clone3
lie behind a pointer that a filter cannot read: libc takes clone then."""

X86_ONLY = {"iopl": 172, "ioperm": 173, "modify_ldt": 154, "uselib": 134}
SOCKET, CLONE, PRLIMIT = (41, 198), (56, 220), (302, 261)
FAMILIES = (1, 2, 10, 16)
"""AF_UNIX, AF_INET, AF_INET6, AF_NETLINK: harmless in a network namespace of its own."""
NEW_NAMESPACES = 0x7E020000
AUDIT_ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}

LOAD, EQUAL, AT_LEAST, ANY_BIT, RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
ALLOW, KILL, ERRNO = 0x7FFF0000, 0x80000000, 0x50000
NUMBER, ARCH, FIRST_ARGUMENT = 0, 4, 16


def seccomp_filter(machine: str = platform.machine()) -> bytes:
    """The BPF program for this machine; empty where its system call numbers are not known here."""
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
    program += when(CLONE[column], [step(ANY_BIT, NEW_NAMESPACES, 0, 1), fail(errno.EPERM)])
    program += when(PRLIMIT[column], [step(EQUAL, 0, 1, 0), fail(errno.EPERM)])
    known = [line for family in FAMILIES for line in (step(EQUAL, family, 0, 1), step(RETURN, ALLOW))]
    program += when(SOCKET[column], [*known, fail(errno.EAFNOSUPPORT)])
    return b"".join([*program, step(RETURN, ALLOW)])


def refuse(number: int, code: int) -> list[bytes]:
    return [step(EQUAL, number, 0, 1), fail(code)]


def when(number: int, body: list[bytes]) -> list[bytes]:
    """The body sees the call's first argument; what falls off its end is allowed."""
    body = [step(LOAD, FIRST_ARGUMENT), *body, step(RETURN, ALLOW)]
    return [step(EQUAL, number, 0, len(body)), *body]


def fail(code: int) -> bytes:
    return step(RETURN, ERRNO | code)


def step(code: int, operand: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("=HBBI", code, if_true, if_false, operand)
