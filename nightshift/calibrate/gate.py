"""The feasibility gate: a coding canary, and what one reply must be like for its cell to count at all.

The canary is a function of ten lines behind a sheet of filler, so that the prompt is as long as wanted; what the
model writes is run against tests in the real sandbox. It tells "can write code at all" from "loads", nothing finer.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from nightshift.domain import Completion, ExecLimits, Message, Request, SamplingParams, Sandbox, Tree
from nightshift.errors import ModelServerError, ReplyRejected
from nightshift.source.replies import extract_code

LEAKS = (
    "<|eot_id|>", "<|end_of_text|>", "<|endoftext|>", "<|im_end|>", "<|im_start|>", "<|end|>",
    "<|start_header_id|>", "<|end_header_id|>", "</s>",
)  # fmt: skip
"""Marks that end a turn: a reply that shows one comes from a server with the wrong template."""
EVALUATED = 0.9
"""Share of the prompt that the server must say it has read."""
MAX_NOTES, NOTE_CHARS = 3, 600
MEMORY_WORDS = re.compile(
    r"out of memory|\boom\b|alloc|more system memory|insufficient memory|unexpectedly stopped|reset|disconnected",
    re.IGNORECASE,
)
BROKEN_OFF = ("cut", "no_end_mark")
TRANSIENT = (
    "unreachable", "silent", "loading", "http_429", "http_503", "http_401", "http_403",
    "no_llama_server", "wrong_server",
)  # fmt: skip

FILE = "canary.py"
SYSTEM = "You write correct Python. Answer with the complete file in one fenced block and nothing else."
TASK = """
Everything above is unrelated filler; ignore it. Write the file canary.py. It defines one function:

def runs(text: str) -> list[tuple[str, int]]:
    # Splits text into runs of equal characters and returns (character, length of the run) for each, in order.
    # runs("aab") is [("a", 2), ("b", 1)]; runs("") is []. Upper and lower case are different characters.
"""
TESTS = """
from canary import runs

def test_runs():
    assert runs("") == []
    assert runs("a") == [("a", 1)]
    assert runs("aab") == [("a", 2), ("b", 1)]
    assert runs("abab") == [("a", 1), ("b", 1), ("a", 1), ("b", 1)]
    assert runs("  \\n\\nxX") == [(" ", 2), ("\\n", 2), ("x", 1), ("X", 1)]
"""
LINE = "entry {number:05d}: the shelf {shelf} in hall {hall} holds part {part} and was counted twice\n"
MAX_TOKENS = 512
PROMPTS = hashlib.sha256(f"{SYSTEM}{TASK}{TESTS}{LINE}{MAX_TOKENS}".encode()).hexdigest()[:16]
"""Changes with them: part of every recipe."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer to the canary, as the gate looks at it."""

    completion: Completion
    intended: int
    """Tokens that the prompt should have; 0: not known yet."""
    limit: float
    """Seconds within which the first token must come."""


def canary(sheet: str, size: int, *, temperature: float = 0.0, seed: int = 0) -> Request:
    """The question with so many characters of filler. A name of its own for each sheet keeps it out of the cache."""
    filler = f"sheet {sheet}\n" + "".join(_filler(size))
    messages = (Message("system", SYSTEM), Message("user", filler + TASK))
    sampling = SamplingParams(temperature=temperature, seed=seed, max_tokens=MAX_TOKENS)
    return Request("builder", f"calibrate/{sheet}", messages, sampling)


def faults(answer: Answer) -> list[str]:
    """Everything that keeps this reply's cell from being feasible, but for what running its code shows."""
    return [fault for check in CHECKS for fault in check(answer)]


def truncated(answer: Answer) -> Iterator[str]:
    read = answer.completion.usage.prompt_tokens
    if read and read < EVALUATED * answer.intended:
        yield f"prompt truncated: the server read {read} of {answer.intended} tokens"


def code_fault(completion: Completion, box: Sandbox) -> str:
    """What the tests say of the code in the reply; empty when it is right."""
    try:
        code = extract_code(completion.text, stop_reason=completion.stop_reason, path=FILE)
    except ReplyRejected as error:
        return f"canary: no usable code ({error.reason})"
    tests = f"test_{FILE}"
    limits = ExecLimits(seconds=30, test_seconds=5)
    report = box.test(Tree({FILE: code, tests: TESTS}), [tests], limits=limits)
    if report.passed:
        return ""
    detail = [text for _, text in report.collection_errors] + [result.detail for result in report.failures]
    return f"canary: wrong code ({_reason(detail)})"


def noted(found: Iterable[str]) -> str:
    """Up to three different faults on one line."""
    different = dict.fromkeys(" ".join(fault.split())[:NOTE_CHARS] for fault in found if fault)
    more = len(different) - MAX_NOTES
    return "; ".join([*list(different)[:MAX_NOTES], *([f"and {more} more"] if more > 0 else [])])


def ran_out(error: ModelServerError) -> bool:
    """Whether that looks like memory that ran out; servers differ in how they die of it."""
    return error.fault in BROKEN_OFF or MEMORY_WORDS.search(str(error)) is not None


def is_transient(error: ModelServerError) -> bool:
    return error.fault in TRANSIENT


def _slow(answer: Answer) -> Iterator[str]:
    waited = answer.completion.first_token_seconds
    if waited > answer.limit:
        yield f"first token after {waited:.1f} s, the limit is {answer.limit:g} s"


def _leaky(answer: Answer) -> Iterator[str]:
    leaked = [mark for mark in LEAKS if mark in answer.completion.text]
    if leaked:
        yield f"stop token in the reply: {' '.join(leaked)}"


def _cut_short(answer: Answer) -> Iterator[str]:
    if answer.completion.stop_reason != "stop":
        yield f"the reply did not end by itself (stop reason {answer.completion.stop_reason})"


CHECKS: tuple[Callable[[Answer], Iterable[str]], ...] = (_slow, _leaky, truncated, _cut_short)


def _filler(size: int) -> Iterator[str]:
    """Different lines throughout, so that no run of them looks like a loop or compresses well."""
    written, number = 0, 0
    while written < size:
        number += 1
        numbers = {"shelf": number * 37 % 101, "hall": number * 11 % 17, "part": number * 7919 % 99_991}
        line = LINE.format(number=number, **numbers)
        written += len(line)
        yield line


def _reason(details: list[str]) -> str:
    """pytest marks the lines that say what is wrong with an E; the first one says most."""
    lines = [line.strip() for detail in details for line in detail.splitlines() if line.strip()]
    marked = [line.removeprefix("E").strip() for line in lines if line.startswith("E ")]
    return next(iter([*marked, *reversed(lines)]), "no test ran")
