"""A profile for macOS's own `sandbox-exec`: nothing is allowed that is not written here. Never tried on a Mac by us.

It has no network, reads only the allow-list and writes only the tree. It bounds neither memory nor processes
together, and a daemon that leaves its session lives on.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

SYSTEM = (
    "/usr/lib", "/usr/bin", "/bin", "/usr/sbin", "/sbin", "/usr/share", "/System", "/Library/Apple",
    "/Library/Developer/CommandLineTools", "/Library/Frameworks", "/private/var/db/timezone", "/private/etc/ssl",
    "/private/var/db/dyld",
)  # fmt: skip
FILES = ("/", "/dev/random", "/dev/urandom", "/dev/zero", "/private/etc/localtime", "/private/etc/passwd")
PROFILE = """\
(version 1)
(deny default)
(allow process-fork)
(allow process-exec)
(allow process-info* (target self))
(allow signal (target same-sandbox))
(allow sysctl-read)
(allow ipc-posix-sem)
(allow mach-lookup (global-name "com.apple.system.opendirectoryd.libinfo"))
(allow file-read-metadata)
(allow file-read* {read})
(allow file-read* file-write* {write})
(allow file-read* file-write-data (literal "/dev/null"))
"""
NETWORK = "(allow network*)\n(allow system-socket)\n(allow mach-lookup)\n"


def profile(read: Sequence[str], write: Sequence[str], *, network: bool) -> str:
    readable = [*(subpath(path) for path in (*SYSTEM, *read)), *(f"(literal {quoted(path)})" for path in FILES)]
    writable = [subpath(path) for path in write]
    text = PROFILE.format(read=" ".join(readable), write=" ".join(writable))
    return text + (NETWORK if network else "")


def subpath(path: str) -> str:
    """The system compares real paths: /tmp is a link there."""
    return f"(subpath {quoted(os.path.realpath(path))})"


def quoted(path: str) -> str:
    escaped = path.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
