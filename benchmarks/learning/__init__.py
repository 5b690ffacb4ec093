"""What memory brings: the tokens to green of a second, related task, with and without what the first one taught.

    python3 benchmark.py --suite learning

A simulation: the model is pretended and heeds advice by an assumed measure (benchmarks/learning/author.py). Runs,
curating, recall and prompts are real. The unrelated task shows what memory costs where it has nothing to say.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from benchmarks.figures import Figure
from benchmarks.learning.author import Author
from benchmarks.learning.families import FAMILIES, Exercise
from benchmarks.standings import bootstrap_difference
from nightshift.domain import Environment
from nightshift.sandbox.box import open_sandbox

PROGRAM = Path(__file__).resolve().parents[2] / "orchestrator.py"
Say = Callable[[str], object]


@dataclass(frozen=True, slots=True)
class Scale:
    repeats: int = 3
    """Of each ordered pair of related tasks, each with another seed of the model."""
    families: int = len(FAMILIES)


QUICK = Scale(repeats=1, families=1)


@dataclass(frozen=True, slots=True)
class Story:
    """Tokens of one first task and of what came after it."""

    first: int
    remembered: int
    forgotten: int
    unrelated_remembered: int
    unrelated_forgotten: int
    passed: int
    """Of the five."""


def measure(scale: Scale, environment: Environment, say: Say) -> list[Figure]:
    with closing(open_sandbox(environment)) as sandbox, Author(sandbox) as author:
        stories = []
        for story in _stories(scale, author):
            say(f"first {story.first} tokens, then {story.remembered} with memory and {story.forgotten} without")
            stories.append(story)
    figures = list(_figures(stories))
    for figure in figures:
        say(str(figure))
    return figures


def _stories(scale: Scale, author: Author) -> Iterator[Story]:
    families = FAMILIES[: scale.families]
    for author.seed in range(scale.repeats):
        for number, family in enumerate(families):
            stranger = FAMILIES[(number + 1) % len(FAMILIES)].exercises[author.seed % 2]
            for first, second in (family.exercises, family.exercises[::-1]):
                yield _story(first, second, stranger, author.url)


def _story(first: Exercise, second: Exercise, stranger: Exercise, url: str) -> Story:
    with tempfile.TemporaryDirectory(prefix="nightshift-learning-") as folder:
        run = _Runs(Path(folder), url)
        order = [(first, True), (second, True), (second, False), (stranger, True), (stranger, False)]
        taught, with_it, without, strange_with, strange_without = (run(exercise, memory) for exercise, memory in order)
        return Story(taught, with_it, without, strange_with, strange_without, run.passed)


class _Runs:
    """Whole runs with one memory, which only the first one writes: the others have a copy of what it taught."""

    def __init__(self, folder: Path, url: str) -> None:
        self._folder, self._url = folder, url
        self.passed = 0
        self._count = 0

    def __call__(self, exercise: Exercise, memory: bool) -> int:
        self._count += 1
        workspace, home = self._folder / f"work-{self._count}", self._folder / f"home-{self._count}"
        workspace.mkdir()
        taught = self._folder / "home-1" / "data"
        if memory and taught.exists():
            shutil.copytree(taught, home / "data")
        return self._tokens(exercise, workspace, home, memory)

    def _tokens(self, exercise: Exercise, workspace: Path, home: Path, memory: bool) -> int:
        state, data = {"XDG_STATE_HOME": str(home / "state")}, {"XDG_DATA_HOME": str(home / "data")}
        command = [
            sys.executable, str(PROGRAM), "--workspace", str(workspace), "--endpoint", self._url, "--json", "--quiet",
            *(() if memory else ("--no-memory",)), exercise.text,
        ]  # fmt: skip
        env = {**os.environ, "HOME": str(home), **state, **data}
        done = subprocess.run(command, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        result = json.loads(done.stdout)
        self.passed += result["status"] == "passed"
        return int(result["usage"]["prompt_tokens"] + result["usage"]["completion_tokens"])


def _figures(stories: Sequence[Story]) -> Iterator[Figure]:
    passed = sum(story.passed for story in stories)
    yield Figure("tokens of the first task, median", statistics.median(story.first for story in stories))
    related = [100 * (story.remembered / story.forgotten - 1) for story in stories]
    unrelated = [100 * (story.unrelated_remembered / story.unrelated_forgotten - 1) for story in stories]
    yield _change("tokens of a related task, with memory against without", related)
    yield _change("tokens of an unrelated task, with memory against without", unrelated)
    yield Figure("runs that passed", passed, how=f"of {5 * len(stories)}; a simulation")


def _change(name: str, values: Sequence[float]) -> Figure:
    spread = bootstrap_difference({str(number): ((0.0,), (value,)) for number, value in enumerate(values)})
    middle = f"median {statistics.median(values):+.1f}"
    told = f"mean of {len(values)} pairs, 95 % [{spread.low:+.1f}, {spread.high:+.1f}]; {middle}"
    return Figure(name, statistics.mean(values), "%", how=told)
