"""Which model a benchmark is about: one of the user's servers, or a simulation that says so in its name.

qwen2.5-coder:7b        at the configured server, or at those of --endpoint
qwen2.5-coder:7b@http://gpu:8080
simulated-7B            a simulation at the error rates of that profile: no model at all
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.acceptance import BoxFor
from benchmarks.setting import CONFIGURED, Setting, setting_of
from benchmarks.simulated.profiles import PROFILES
from benchmarks.simulated_tasks.server import serving
from benchmarks.tasks import BenchmarkTask
from nightshift.errors import ConfigError

SIMULATED = "simulated-"


@dataclass(frozen=True, slots=True)
class Contender:
    setting: Setting
    flags: Callable[[int], Sequence[str]]
    """Where the servers of a repeat are: a simulation has another world for each."""
    environment: Mapping[str, str]


@contextmanager
def contenders(
    names: Sequence[str],
    endpoints: Sequence[str],
    flags: Sequence[str],
    tasks: Sequence[BenchmarkTask],
    box_for: BoxFor,
) -> Iterator[list[Contender]]:
    """One for each name, and one for the configured model when there is none. Raises ConfigError."""
    with ExitStack() as stack:
        yield [
            _simulated(name, flags, tasks, box_for, stack)
            if name.startswith(SIMULATED)
            else _real(name, endpoints, flags)
            for name in names or [CONFIGURED]
        ]


def _real(name: str, endpoints: Sequence[str], flags: Sequence[str]) -> Contender:
    model, at, url = name.partition("@http")
    addresses = [word for each in ([f"http{url}"] if at else endpoints) for word in ("--endpoint", each)]
    chosen = [*addresses, *(("--model", model) if model != CONFIGURED else ())]
    return Contender(setting_of(model, flags), lambda repeat: [*chosen, *flags], {})


def _simulated(
    name: str, flags: Sequence[str], tasks: Sequence[BenchmarkTask], box_for: BoxFor, stack: ExitStack
) -> Contender:
    profile = name.removeprefix(SIMULATED)
    if profile not in PROFILES and profile != "cheat":
        raise ConfigError(f"{name}: there is no such simulation; there are {', '.join([*PROFILES, 'cheat'])}")
    urls: dict[int, str] = {}

    def flags_of(repeat: int) -> Sequence[str]:
        if repeat not in urls:
            urls[repeat] = stack.enter_context(serving(profile, repeat, tasks, box_for)).url
        return ["--endpoint", urls[repeat], *flags]

    empty = stack.enter_context(tempfile.TemporaryDirectory(prefix="nightshift-no-config-"))
    surroundings = {"XDG_CONFIG_HOME": str(Path(empty)), "OLLAMA_HOST": "", "OPENAI_BASE_URL": "", "OPENAI_API_KEY": ""}
    return Contender(setting_of(name, flags), flags_of, surroundings)
