"""Gates between a dataset and training: each refuses one thing, says why, and has a test that makes it refuse.

Those of a single example leave it out of an export; a dataset that holds such an example is refused as a whole. What a
gate cannot see, it lets pass: whether a reply is good was decided before, by running it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path

from nightshift.dataset.example import Example
from nightshift.dataset.near import triples
from nightshift.dataset.secrets import holds_secret
from nightshift.source.blocks import is_fence

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
WIDTH = 8
"""Words in a row that no two texts share by chance."""
OVERLAP = 0.5
"""Share of a benchmark's prompt that is taken for the whole of it."""
FEWEST = 40
"""Examples below which shares say nothing, and below which trainers were seen to fail."""


@dataclass(frozen=True, slots=True)
class Bounds:
    max_tokens: int = 8192
    """Of one example, estimated; a trainer would cut the end off, which is the reply."""
    max_share: float = 0.8
    """Of one role among the examples: more, and a model does the same thing everywhere."""


Gate = Callable[[Example, Bounds], bool]


def refusal(example: Example, bounds: Bounds) -> str:
    """The name of the first gate that refuses; empty when all let it pass."""
    return next((name for name, refuses in GATES.items() if refuses(example, bounds)), "")


def unbalanced(roles: Mapping[str, int], bounds: Bounds) -> str:
    """Why the roles are not fit to be learned together; one role alone is a choice."""
    total, known = sum(roles.values()), {role: number for role, number in roles.items() if role}
    if total < FEWEST or len(known) < 2:
        return ""
    role, most = max(known.items(), key=lambda item: item[1])
    if most <= bounds.max_share * total:
        return ""
    return f"unbalanced roles: {most} of {total} examples are the {role}'s, more than {bounds.max_share:.0%}"


def _odd_roles(example: Example, _: Bounds) -> bool:
    """Anything but an optional system message, then user and assistant in turn, the user last."""
    roles = [message["role"] for message in example.prompt]
    turns = roles[1:] if roles[:1] == ["system"] else roles
    return turns != ["user", "assistant"] * (len(turns) // 2) + ["user"]


def _blank(example: Example, _: Bounds) -> bool:
    return any(not text.strip() for text in example.texts)


def _unclosed(example: Example, _: Bounds) -> bool:
    """A fence or a thinking that is opened and not closed teaches to stop in the middle."""
    fences = sum(is_fence(line) for line in example.reply.split("\n"))
    return fences % 2 == 1 or len(_THINK.findall(example.reply)) % 2 == 1


_THINK = re.compile(r"^\s*</?think(?:ing)?>", re.M)


def _too_long(example: Example, bounds: Bounds) -> bool:
    return example.tokens > bounds.max_tokens


def _pointless(example: Example, _: Bounds) -> bool:
    return example.rejected is not None and example.rejected.split() == example.reply.split()


def _secret(example: Example, _: Bounds) -> bool:
    return any(map(_holds_secret, example.texts))


@lru_cache(maxsize=64)  # the constant texts and the prompts of one file come again and again
def _holds_secret(text: str) -> bool:
    return holds_secret(text)


def _of_benchmark(example: Example, _: Bounds) -> bool:
    return _overlaps(example.asked) or _overlaps(example.said)


@lru_cache(maxsize=64)
def _overlaps(text: str) -> bool:
    known, sizes = benchmark_prompts()
    found = Counter(prompt for words in triples(text, WIDTH) & known.keys() for prompt in known[words])
    return any(number >= OVERLAP * sizes[prompt] for prompt, number in found.items())


@cache
def benchmark_prompts() -> tuple[dict[int, list[int]], list[int]]:
    """Runs of words -> the prompts that hold them, and how many each prompt has."""
    known: dict[int, list[int]] = {}
    sizes: list[int] = []
    for number, prompt in enumerate(_prompts()):
        words = triples(prompt, WIDTH)
        sizes.append(len(words))
        for each in words:
            known.setdefault(each, []).append(number)
    return known, sizes


def _prompts() -> Iterator[str]:
    for path in sorted(BENCHMARKS.rglob("prompt.md")):
        yield path.read_text(encoding="utf-8")
    for path in sorted(BENCHMARKS.rglob("*.task")):
        yield path.read_text(encoding="utf-8").partition("\n---")[0]


GATES: dict[str, Gate] = {
    "odd roles": _odd_roles,
    "blank": _blank,
    "unclosed": _unclosed,
    "over-length": _too_long,
    "no difference": _pointless,
    "secret": _secret,
    "benchmark": _of_benchmark,
}
