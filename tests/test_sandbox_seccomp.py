"""The filter's decisions, by a small interpreter of its program: one of the two machines is always another one."""

from __future__ import annotations

import errno
import struct

import pytest

from nightshift.sandbox.seccomp import ABSENT, ALLOW, AUDIT_ARCH, DENIED, ERRNO, KILL, seccomp_filter

MACHINES = ["x86_64", "aarch64"]
NEW_USER, NEW_NET, SIGCHLD = 0x10000000, 0x40000000, 17


def decide(machine: str, number: int, argument: int = 0, arch: int | None = None) -> int:
    data = struct.pack("=iIQQ", number, AUDIT_ARCH[machine] if arch is None else arch, 0, argument)
    steps = list(struct.iter_unpack("=HBBI", seccomp_filter(machine)))
    at = value = 0
    while True:
        code, if_true, if_false, operand = steps[at]
        at += 1
        if code == 0x06:
            return operand
        if code == 0x20:
            value = struct.unpack_from("=I", data, operand)[0]
        else:
            holds = {0x15: value == operand, 0x35: value >= operand, 0x45: bool(value & operand)}[code]
            at += if_true if holds else if_false


def call(machine: str, x86: int, arm: int) -> int:
    return x86 if machine == "x86_64" else arm


@pytest.mark.parametrize("machine", MACHINES)
def test_ordinary_calls_are_allowed(machine: str) -> None:
    ordinary = {"read": (0, 63), "openat": (257, 56), "execve": (59, 221), "connect": (42, 203), "exit": (60, 93)}
    for numbers in ordinary.values():
        assert decide(machine, call(machine, *numbers)) == ALLOW


@pytest.mark.parametrize("machine", MACHINES)
def test_each_listed_call_is_refused_or_unknown(machine: str) -> None:
    for numbers in DENIED.values():
        assert decide(machine, call(machine, *numbers)) == ERRNO | errno.EPERM
    for numbers in ABSENT.values():
        assert decide(machine, call(machine, *numbers)) == ERRNO | errno.ENOSYS


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize(
    ("family", "allowed"), [(1, True), (2, True), (10, True), (16, True), (17, False), (40, False), (38, False)]
)
def test_sockets_are_of_known_families(machine: str, family: int, allowed: bool) -> None:
    expected = ALLOW if allowed else ERRNO | errno.EAFNOSUPPORT
    assert decide(machine, call(machine, 41, 198), family) == expected


@pytest.mark.parametrize("machine", MACHINES)
def test_processes_may_be_made_but_not_namespaces(machine: str) -> None:
    clone = call(machine, 56, 220)
    assert decide(machine, clone, SIGCHLD) == ALLOW
    assert decide(machine, clone, 0x3D0F00 | SIGCHLD) == ALLOW, "a thread"
    for flags in (NEW_USER | SIGCHLD, NEW_NET):
        assert decide(machine, clone, flags) == ERRNO | errno.EPERM


@pytest.mark.parametrize("machine", MACHINES)
def test_limits_are_ones_own(machine: str) -> None:
    prlimit = call(machine, 302, 261)
    assert (decide(machine, prlimit, 0), decide(machine, prlimit, 42)) == (ALLOW, ERRNO | errno.EPERM)


def test_foreign_call_numbers_end_the_process() -> None:
    assert decide("x86_64", 0, arch=0x40000003) == KILL, "i386 counts differently"
    assert decide("x86_64", 0x40000000 | 41) == KILL, "x32"
    assert decide("aarch64", 0, arch=0x40000028) == KILL


def test_an_unknown_machine_gets_no_filter() -> None:
    assert seccomp_filter("riscv64") == b""
