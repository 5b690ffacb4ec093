"""How well and how fast earlier work is recalled: on a labelled set, and in a memory of 50,000 snippets.

    python3 benchmark.py --suite recall

The labelled tasks are in tests/recall_cases.py; the odd ones were held out while recall was made. The snippets are
made up from a vocabulary in which few words are common and many rare, as in real code.
"""

from __future__ import annotations

import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from pathlib import Path

from benchmarks.figures import Figure, figure_of
from memory import Lesson, Memory, Question

CASES = Path(__file__).resolve().parent.parent / "tests"
_VOCABULARY = """
task user order item price cart invoice report session token request reply page path file row column table
query graph node edge weight cache buffer stream parser lexer rule event handler queue worker job retry limit
window score match index offset bound total count average median matrix vector grid cell board move player
hand deck round
"""
WORDS = _VOCABULARY.split()


@dataclass(frozen=True, slots=True)
class Scale:
    snippets: int = 50_000
    questions: int = 200


QUICK = Scale(2_000, 40)


def measure(scale: Scale, say: Callable[[str], object]) -> list[Figure]:
    told = []
    with tempfile.TemporaryDirectory(prefix="nightshift-recall-") as folder:
        for figure in (*precision(Path(folder)), *speed(Path(folder), scale)):
            say(str(figure))
            told.append(figure)
    return told


def precision(folder: Path) -> Iterator[Figure]:
    sys.path.insert(0, str(CASES))
    cases = import_module("recall_cases")
    with Memory(folder / "labelled.db") as memory:
        memory.learn((Lesson(f"{failed} {task}", advice) for _, failed, task, advice in cases.LESSONS), "run")
        keys = {advice: key for key, _, _, advice in cases.LESSONS}
        for name, first in (("held out", 1), ("tuned on", 0)):
            for form, rest in (("", ""), (", long texts", cases.USUAL)):
                share = _share(_right(memory, text + rest, key, keys) for text, key in cases.TASKS[first::2])
                yield Figure(f"right lesson in the top 3, {name}{form}", share, "%", at_least=90)
                share = _share(not memory.recall(text + rest).lessons for text in cases.UNRELATED[first::2])
                yield Figure(f"nothing recalled for unrelated tasks, {name}{form}", share, "%", at_least=95)


def speed(folder: Path, scale: Scale) -> Iterator[Figure]:
    chance = random.Random(7)
    rare = [f"{a}{b}" for a in WORDS for b in WORDS]
    with Memory(folder / "large.db") as memory:
        started = time.perf_counter()
        for start in range(0, scale.snippets, 5000):
            memory.fill(_snippet(n, chance, rare) for n in range(start, min(start + 5000, scale.snippets)))
        yield Figure("made", time.perf_counter() - started, "s", how=f"{scale.snippets:,} snippets")
        asked = [" ".join([*chance.choices(WORDS, k=20), *chance.choices(rare, k=3)]) for _ in range(scale.questions)]
        taken = [_milliseconds(partial(memory.recall, Question(text))) for text in asked]
    size = f"{scale.snippets:,} snippets"
    yield figure_of("recall", [wall for wall, _ in taken], "ms", at_most=20, how=size)
    busy = sorted(busy for _, busy in taken)
    yield figure_of("recall, processor time", busy, "ms", at_most=20, how=size)
    yield Figure(
        "recall, processor time of the slowest twentieth", busy[-max(1, len(busy) // 20)], "ms", at_most=20, how=size
    )
    opened = [_milliseconds(partial(_once, folder / "large.db", text)) for text in asked[:20]]
    yield figure_of("recall, opening the file too", [wall for wall, _ in opened], "ms", how=size)


def _right(memory: Memory, text: str, key: str, keys: dict[str, str]) -> bool:
    return key in [keys.get(lesson.advice) for lesson in memory.recall(text).lessons]


def _share(held: Iterator[bool]) -> float:
    told: Sequence[bool] = list(held)
    return 100 * sum(told) / len(told)


def _snippet(number: int, chance: random.Random, rare: list[str]) -> Lesson:
    common = chance.choices(WORDS, weights=[1 / n for n in range(1, len(WORDS) + 1)], k=6)
    names = [*common, *chance.choices(rare, k=3)]
    code = f"def {'_'.join(names[:3])}_{number}({', '.join(names[3:6])}):\n" + "    pass\n" * 12
    return Lesson(" ".join(names), code, f"run-{number % 500}", "snippet")


def _once(path: Path, text: str) -> None:
    with Memory(path) as memory:
        memory.recall(text)


def _milliseconds(action: Callable[[], object]) -> tuple[float, float]:
    """By the clock, and of this process alone: on a busy machine the first says little."""
    wall, busy = time.perf_counter(), time.process_time()
    action()
    return 1000 * (time.perf_counter() - wall), 1000 * (time.process_time() - busy)
