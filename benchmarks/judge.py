"""How many candidates the sandbox judges in a second, and what its cells cost; `judge_soak.py` is the long run.

    python3 benchmark.py --suite judge

Each variant is given the two texts of a candidate and has to write them, run them and clean up. The variants take
turns in one run on one core, so that ratios mean something on a shared machine; the seconds are this machine's. Real
tests do more, and are helped less by a warm start.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from benchmarks.figures import Figure, figure_of
from benchmarks.judge_candidates import FILE, TESTS, at_once, candidate
from benchmarks.judge_soak import soak
from nightshift.domain import Environment, TestReport, Tree
from nightshift.sandbox.box import Box, open_sandbox

MEMORY = """
import re
def test_memory(capsys):
    text = open("/proc/self/smaps_rollup").read()
    with capsys.disabled():
        print("private", sum(map(int, re.findall(r"Private_\\w+: +([0-9]+)", text))))
"""
Say = Callable[[str], object]
Variant = Callable[[Tree], object]


@dataclass(frozen=True, slots=True)
class Scale:
    """How much of everything."""

    rounds: int = 25
    each: int = 4
    """Runs of a variant in one round; of the cold ones, one."""
    boots: int = 7
    soak: int = 10_000


QUICK = Scale(rounds=2, each=2, boots=1, soak=80)


def measure(scale: Scale, environment: Environment, say: Say) -> list[Figure]:
    """All figures, each told as soon as it is had."""
    told = []
    parts = (part(scale, environment) for part in (speed, boots, memory))
    for figure in chain(*parts, soak(scale.soak, environment)):
        say(str(figure))
        told.append(figure)
    return told


# Speed.


def speed(scale: Scale, environment: Environment) -> Iterator[Figure]:
    with one_core(), ExitStack() as stack:
        variants = {
            "cold, as plain pytest": plain_pytest(environment, autoload=True),
            "cold, plugin autoload off": plain_pytest(environment, autoload=False),
            "cold, our reporter, no walls": tests_in(stack.enter_context(box(environment, tier="none"))),
            "cold, jailed": tests_in(stack.enter_context(box(environment, warm=False))),
            "warm, jailed": tests_in(stack.enter_context(box(environment))),
            "bare fork": stack.enter_context(bare_fork(environment)),
        }
        seconds = in_turns(variants, scale)
    for name, taken in seconds.items():
        yield figure_of(f"{name}: candidates per second", [1 / each for each in taken], "/s", how="one core")
    off, warm, bare = (seconds[name] for name in ("cold, plugin autoload off", "warm, jailed", "bare fork"))
    yield figure_of("warm, jailed: times as fast as cold without autoload", ratios(off, warm), "x", at_least=10)
    yield figure_of("warm, jailed: times a bare fork", ratios(warm, bare), "x", at_most=2.5)
    walls = ratios(seconds["cold, jailed"], seconds["cold, our reporter, no walls"])
    yield figure_of("walls on top of a cold run", [100 * (each - 1) for each in walls], "%", at_most=10)
    yield from on_all_cores(scale, environment)
    yield from confirmed(scale, environment)


def in_turns(variants: Mapping[str, Variant], scale: Scale) -> dict[str, list[float]]:
    """Seconds for one candidate, round by round."""
    seconds: dict[str, list[float]] = {name: [] for name in variants}
    numbers = iter(range(1 << 30))
    for number in range(-1, scale.rounds):
        for name, run in variants.items():
            times = 1 if name.startswith("cold") else scale.each * (3 if number < 0 else 1)
            started = time.perf_counter()
            for _ in range(times):
                run(candidate(next(numbers)))
            if number >= 0:  # the first round makes ready what is kept
                seconds[name].append((time.perf_counter() - started) / times)
    return seconds


def ratios(above: list[float], below: list[float]) -> list[float]:
    return [one / other for one, other in zip(above, below, strict=True)]


def tests_in(sandbox: Box) -> Variant:
    def run(tree: Tree) -> TestReport:
        report = sandbox.test(tree, [FILE])
        assert report.passed, report
        return report

    return run


def plain_pytest(environment: Environment, *, autoload: bool) -> Variant:
    env = {"PATH": "/usr/bin:/bin", "PYTHONDONTWRITEBYTECODE": "1"}
    env |= {} if autoload else {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}

    def run(tree: Tree) -> None:
        with written(tree) as folder:
            command = [environment.python, "-m", "pytest", "-q", FILE]
            subprocess.run(command, cwd=folder, env=env, check=True, capture_output=True)

    return run


@contextmanager
def bare_fork(environment: Environment) -> Iterator[Variant]:
    command = [environment.python, "-P", "-s", str(Path(__file__).with_name("bare_fork.py"))]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1) as server:
        assert server.stdin
        assert server.stdout
        tell, answers = server.stdin, server.stdout

        def run(tree: Tree) -> None:
            with written(tree) as folder:
                tell.write(f"{folder}\n")
                assert answers.readline() == "12\n"

        yield run
        tell.close()


@contextmanager
def written(tree: Tree) -> Iterator[str]:
    with tempfile.TemporaryDirectory() as folder:
        for path, text in tree.texts.items():
            Path(folder, path).write_text(text)
        yield folder


def on_all_cores(scale: Scale, environment: Environment) -> Iterator[Figure]:
    cores = len(os.sched_getaffinity(0))
    with box(environment, parallel=cores) as sandbox:
        run = tests_in(sandbox)
        at_once(cores, lambda number: run(candidate(number)), 3)
        rates = []
        for _ in range(scale.rounds):
            started = time.perf_counter()
            at_once(cores, lambda number: run(candidate(number)), 2 * scale.each)
            rates.append(cores * 2 * scale.each / (time.perf_counter() - started))
    yield figure_of("warm, jailed, all cores: candidates per second", rates, "/s", how=f"{cores} cores")


def confirmed(scale: Scale, environment: Environment) -> Iterator[Figure]:
    """A pass that matters: warm, and then by the oracle."""
    with one_core(), box(environment) as sandbox:
        rates = []
        for number in range(-3, scale.rounds):
            started = time.perf_counter()
            assert sandbox.test(candidate(number), [FILE], confirm=True).passed
            rates += [1 / (time.perf_counter() - started)] if number >= 0 else []
    yield figure_of("warm and confirmed by the oracle: candidates per second", rates, "/s", how="one core")


# Cells.


def boots(scale: Scale, environment: Environment) -> Iterator[Figure]:
    with box(environment) as sandbox:
        assert sandbox.warmth, "no warm cells here"
        taken = []
        for _ in range(scale.boots):
            with ExitStack() as held:
                started = time.perf_counter()
                held.enter_context(sandbox.warmth.cell()).retire()
                taken.append(1000 * (time.perf_counter() - started))
    yield figure_of("boot of a cell", taken, "ms", at_most=200)


def memory(scale: Scale, environment: Environment) -> Iterator[Figure]:
    tree = Tree({**candidate(0).texts, "test_solution.py": TESTS + MEMORY})
    with box(environment) as sandbox:
        reports = [sandbox.test(tree, [FILE]) for _ in range(2 + scale.boots)][2:]
    told = [report.exec.stdout.partition("private ")[2].split()[0] for report in reports if report.exec]
    yield figure_of("private memory of a candidate", [int(kilobytes) / 1024 for kilobytes in told], "MB", at_most=15)


# Common.


@contextmanager
def box(environment: Environment, **options: object) -> Iterator[Box]:
    given = {"tier": "A", "parallel": 1, **options}
    with closing(open_sandbox(environment, **given)) as sandbox:  # type: ignore[arg-type]
        yield sandbox


@contextmanager
def one_core() -> Iterator[None]:
    """For this process and all that it starts meanwhile."""
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(cores)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, cores)
