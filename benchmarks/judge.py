"""How many candidates the sandbox judges in a second, and whether its cells stay as they were.

    python3 benchmark.py --suite judge
    python3 benchmark.py --suite judge --soak 10000

A candidate is a source file beside a file of twelve small tests; each variant is given the two texts and has to write
them, run them and clean up. The variants take turns in one run on one core, so that ratios mean something on a
shared machine; the seconds are this machine's. Real tests do more, and are helped less by a warm start.
"""

from __future__ import annotations

import itertools
import os
import statistics
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.figures import Figure, figure_of
from nightshift.domain import Environment, TestReport, Tree
from nightshift.sandbox.box import Box, open_sandbox
from nightshift.sandbox.trees import PREFIX
from nightshift.sandbox.usage import resident_bytes

FILE = "test_solution.py"
TESTS = "import pytest\n\nfrom solution import add\n\n" + "".join(
    f"def test_{number}():\n    assert add({number}, 1) == {number + 1}\n\n" for number in range(12)
)
SOURCE = "def add(a, b):\n    return a + b  # candidate {}\n"
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
    for part in (speed, boots, memory, soak):
        for figure in part(scale, environment):
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


def candidate(number: int) -> Tree:
    return Tree({"solution.py": SOURCE.format(number), FILE: TESTS})


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


def at_once(threads: int, act: Callable[[int], object], times: int) -> None:
    def work(first: int) -> None:
        for number in range(first, first + times):
            act(number)

    workers = [threading.Thread(target=work, args=(thread * times,)) for thread in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()


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


# The long run.

RIGHT, WRONG = "def add(a, b):\n    return a + b\n", "def add(a, b):\n    return a - b\n"
KINDS: tuple[tuple[str, str, bool], ...] = (
    ("right", RIGHT, True),
    ("wrong", WRONG, False),
    ("does not parse", "def add(a, b:\n", False),
    ("hungry", f"data = bytearray(64 << 20)\n{RIGHT}", True),
    ("spoils what it can", f"import json, os\njson.loads = None\nos.environ['HOME'] = '/'\n{WRONG}", False),
    ("litters", f"open('/tmp/x', 'w').write('x' * 100000)\nopen('y', 'w').write('y')\n{RIGHT}", True),
    (
        "leaves a thread",
        f"import threading, time\nthreading.Thread(target=time.sleep, args=(9,)).start()\n{RIGHT}",
        True,
    ),
    ("imports much", f"import asyncio, sqlite3, http.server\n{RIGHT}", True),
)
LEAVER = f"import subprocess\nsubprocess.Popen(['sleep', '60'], start_new_session=True)\n{RIGHT}"
ONE_IN = 400
"""Leaves a process behind: its cell is replaced."""
"""What comes by in the night: name, source, whether it passes."""


@dataclass(frozen=True, slots=True)
class Level:
    """What must not grow."""

    megabytes: float
    """Of the cells."""
    own_megabytes: float
    descriptors: int
    processes: int
    files: int


MEMORIES, COUNTS = ("megabytes", "own_megabytes"), ("descriptors", "processes", "files")


def soak(scale: Scale, environment: Environment) -> Iterator[Figure]:
    cores = len(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory() as folder:
        sandbox = open_sandbox(environment, scratch=Path(folder), parallel=cores, tier="A")
        with closing(sandbox):
            levels, wrong, warm, counter = [], [], [], itertools.count(1)
            portion = max(1, scale.soak // (20 * cores))

            def judge(number: int) -> None:
                leaver = ("leaves a process", LEAVER, True)
                name, source, passes = leaver if next(counter) % ONE_IN == 0 else KINDS[number % len(KINDS)]
                report = sandbox.test(Tree({"solution.py": source, FILE: TESTS}), [FILE])
                warm.append(bool(report.exec and report.exec.isolation.endswith("warm")))
                wrong.extend([name] * (report.passed is not passes))

            started = time.perf_counter()
            for _ in range(20):
                at_once(cores, judge, portion)
                levels.append(level(Path(folder)))
            seconds = time.perf_counter() - started
        left = len(list(Path(folder).glob(f"{PREFIX}*")))
    yield Figure("soak: candidates", len(warm), how=f"{len(warm) / seconds:.1f}/s, {sum(warm)} of them warm")
    yield Figure("soak: wrong verdicts", len(wrong), at_most=0, how=", ".join(sorted(set(wrong))))
    yield from drift(levels)
    yield Figure("soak: directories left", left, at_most=0)


def drift(levels: list[Level]) -> Iterator[Figure]:
    """The last quarter against the second one: in the first the cells and caches come to be."""
    quarter = len(levels) // 4
    early, late = levels[quarter : 2 * quarter], levels[-quarter:]
    for name, unit, most in (*((each, "MB", 5) for each in MEMORIES), *((each, "", 0) for each in COUNTS)):
        before, after = (statistics.median(getattr(each, name) for each in part) for part in (early, late))
        values = tuple(float(getattr(each, name)) for each in levels)
        title = f"soak: growth of {name.replace('_', ' ')}"
        yield Figure(title, after - before, unit, at_most=most, how=f"from {min(values):.4g} to {max(values):.4g}")


def level(folder: Path) -> Level:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return Level(
        megabytes=(resident_bytes(os.getpid()) >> 10) / 1024,
        own_megabytes=pages * os.sysconf("SC_PAGE_SIZE") / (1 << 20),
        descriptors=len(os.listdir("/proc/self/fd")),
        processes=len(descendants(os.getpid())),
        files=sum(len(files) + len(folders) for _, folders, files in os.walk(folder)),
    )


def descendants(root: int) -> list[int]:
    found, todo = [], [root]
    while todo:
        for task in Path(f"/proc/{todo.pop()}/task").iterdir():
            children = [int(each) for each in (task / "children").read_text().split()]
            found += children
            todo += children
    return found


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
