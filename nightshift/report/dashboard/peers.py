"""Which user of this machine a connection comes from: a loopback address alone keeps nobody else out.

Where the kernel does not tell (no /proc), everybody on the machine is answered.
"""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Iterable
from pathlib import Path

TABLES = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))
_ESTABLISHED = "01"


def is_strangers(client: tuple[str, int], server: tuple[str, int]) -> bool:
    """Root is no stranger; a connection whose other end cannot be found is one."""
    tables = [table.read_text(encoding="ascii").splitlines()[1:] for table in TABLES if table.is_file()]
    return bool(tables) and not _is_users((line for table in tables for line in table), client, server, os.geteuid())


def _is_users(lines: Iterable[str], client: tuple[str, int], server: tuple[str, int], user: int) -> bool:
    ends = _written(client), _written(server)
    for line in lines:
        _, local, remote, state, _, _, _, owner, *_ = line.split()
        if (_mapped(local), _mapped(remote)) == ends:
            # The kernel keeps what its process has closed as root's.
            return int(owner) == user or (owner == "0" and state == _ESTABLISHED)
    return False


def _written(end: tuple[str, int]) -> str:
    """As the kernel's table has it."""
    return f"{int.from_bytes(socket.inet_aton(end[0]), sys.byteorder):08X}:{end[1]:04X}"


def _mapped(end: str) -> str:
    """An IPv4 address that is written as an IPv6 one is the same."""
    address, _, port = end.partition(":")
    return f"{address[-8:]}:{port}" if len(address) == 32 and address.startswith("0" * 16) else end
