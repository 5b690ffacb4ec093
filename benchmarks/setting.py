"""Under which circumstances a result was had: results are compared only when just one of them differs."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache
from hashlib import sha256
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
CONFIGURED = "configured"
"""The model that the user's configuration names, or the server has."""
_CODE = ("*.py", "nightshift/**/*.py", "prompts/*.md", "requirements.txt")


@dataclass(frozen=True, slots=True)
class Setting:
    model: str
    """As it was asked for; what a simulation is called says so."""
    flags: tuple[str, ...]
    """Given to every run, without the addresses of servers."""
    code: str
    machine: str

    @property
    def simulated(self) -> bool:
        return self.model.startswith("simulated")

    @property
    def id(self) -> str:
        return sha256(repr(sorted(asdict(self).items())).encode()).hexdigest()[:10]

    @property
    def title(self) -> str:
        name = f"{self.model} (a simulation, no model)" if self.simulated else self.model
        return " ".join([name, *self.flags])


def named(setting: Setting, served: Sequence[str]) -> Setting:
    """With the names that the servers gave, where none was asked for."""
    return replace(setting, model="+".join(served)) if setting.model == CONFIGURED and served else setting


def differences(one: Setting, other: Setting) -> list[str]:
    """The names of what differs."""
    mine, theirs = asdict(one), asdict(other)
    return [name for name in mine if mine[name] != theirs[name]]


def setting_of(model: str, flags: Sequence[str]) -> Setting:
    return Setting(model, tuple(flags), code_version(), machine())


def machine() -> str:
    return f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"


@cache
def code_version() -> str:
    """The digest of all that a run depends on."""
    files = sorted(path for glob in _CODE for path in CHECKOUT.glob(glob) if path.name != "benchmark.py")
    return sha256(b"\0".join(path.read_bytes() for path in files)).hexdigest()[:10]


def commit() -> str:
    """What git says of the checkout; empty where there is no git."""
    try:
        done = subprocess.run(
            ["git", "-C", str(CHECKOUT), "rev-parse", "--short=10", "HEAD"], capture_output=True, text=True,
            check=False, timeout=10,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip()
