"""The filter's decisions, by a small interpreter of its program: one of the two machines is always another one."""

from __future__ import annotations

import errno
import struct

import pytest

from nightshift.sandbox.isolation.seccomp import (
    ABSENT,
    ALLOW,
    AUDIT_ARCH,
    DENIED,
    ERRNO,
    INET,
    KILL,
    OPEN_NETWORK,
    SHARED_DENIED,
    SHARED_FAKED,
    SHARED_OWN,
    UNIX,
    seccomp_filter,
)

MACHINES = ["x86_64", "aarch64"]
NEW_USER, NEW_NET, SIGCHLD = 0x10000000, 0x40000000, 17


def decide(
    machine: str,
    number: int,
    *arguments: int,
    arch: int | None = None,
    families: tuple[int, ...] | None = None,
    shared: bool = False,
) -> int:
    known = AUDIT_ARCH[machine] if arch is None else arch
    data = struct.pack("=iIQ6Q", number, known, 0, *arguments, *[0] * (6 - len(arguments)))
    more = {} if families is None else {"families": families}
    steps = list(struct.iter_unpack("=HBBI", seccomp_filter(machine, shared=shared, **more)))
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


@pytest.mark.parametrize("machine", MACHINES)
def test_nobody_types_into_a_terminal(machine: str) -> None:
    ioctl = call(machine, 16, 29)
    assert decide(machine, ioctl, 0, 0x5401) == ALLOW, "asking a terminal for its settings"
    assert [decide(machine, ioctl, 0, trick) for trick in (0x5412, 0x541C)] == [ERRNO | errno.EPERM] * 2


@pytest.mark.parametrize("machine", MACHINES)
def test_without_namespaces_what_landlock_leaves_open_is_closed_too(machine: str) -> None:
    column = MACHINES.index(machine)
    for numbers in SHARED_DENIED.values():
        assert decide(machine, numbers[column]) == ALLOW, "harmless in a namespace of one's own"
        assert decide(machine, numbers[column], shared=True) == ERRNO | errno.EPERM
    for numbers in SHARED_FAKED.values():
        if (number := numbers[column]) is not None:
            assert (decide(machine, number), decide(machine, number, shared=True)) == (ALLOW, ERRNO)
    for numbers in SHARED_OWN.values():
        assert decide(machine, numbers[column], 0, shared=True) == ALLOW
        assert decide(machine, numbers[column], 42, shared=True) == ERRNO | errno.EPERM


@pytest.mark.parametrize("machine", MACHINES)
def test_without_a_network_of_its_own_a_process_makes_no_socket(machine: str) -> None:
    socket = call(machine, 41, 198)
    for family in range(64):
        assert decide(machine, socket, family, families=()) == ERRNO | errno.EAFNOSUPPORT
    assert decide(machine, socket, INET, families=OPEN_NETWORK) == ALLOW
    assert decide(machine, socket, UNIX, families=OPEN_NETWORK) == ERRNO | errno.EAFNOSUPPORT
    assert decide(machine, call(machine, 53, 199), families=()) == ALLOW, "a pair leads nowhere"


@pytest.mark.parametrize("machine", MACHINES)
def test_no_number_is_listed_twice(machine: str) -> None:
    column = MACHINES.index(machine)
    tables = (DENIED, ABSENT, SHARED_DENIED, SHARED_OWN, SHARED_FAKED)
    numbers = [numbers[column] for table in tables for numbers in table.values() if numbers[column] is not None]
    assert len(numbers) == len(set(numbers))


def test_foreign_call_numbers_end_the_process() -> None:
    assert decide("x86_64", 0, arch=0x40000003) == KILL, "i386 counts differently"
    assert decide("x86_64", 0x40000000 | 41) == KILL, "x32"
    assert decide("aarch64", 0, arch=0x40000028) == KILL


def test_an_unknown_machine_gets_no_filter() -> None:
    assert seccomp_filter("riscv64") == b""
