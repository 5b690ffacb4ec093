"""Examples that are nearly the same, found without comparing each with all others.

A text becomes a sketch: of the hashes of its word triples, the smallest in each of 32 bins. The share of bins that
two sketches have in common estimates how alike the texts are, give or take 0.05. Texts less alike than 0.9 may be
taken for alike, and the other way round; equal ones never escape.
"""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Iterator
from functools import lru_cache
from zlib import crc32

from nightshift.dataset.example import Example, normalised

BINS = 32
ALIKE = 0.9
RECENT = 8
"""Of many sketches with a band in common only the last few are compared: the work for an example stays bounded."""
BANDS, ROWS = 4, 4
_EMPTY = 2**32 - 1

Sketch = tuple[int, ...]


class Seen:
    """What was let in so far; some hundred bytes for each example."""

    def __init__(self) -> None:
        self._digests: set[bytes] = set()
        self._said = _Index()
        self._asked = _Index()
        self._asked_of = array("I")
        self._splits: list[str] = []

    def fault(self, example: Example, split: str) -> str:
        """Why the example must not be let in beside those before it; when there is no reason, it is remembered."""
        digest = _digest(example)
        if digest in self._digests:
            return "duplicate"
        asked, said = sketch(example.asked), sketch(example.said)
        if any(self._alike(known, asked) for known in self._said.like(said)):
            return "near duplicate"
        twins = list(self._asked.like(asked))
        if any(self._splits[known] != split for known in twins):
            return "prompt of another split"
        self._digests.add(digest)
        self._said.add(said)
        self._asked_of.extend(asked)
        if not twins:
            self._asked.add(asked)
            self._splits.append(split)
        return ""

    def _alike(self, known: int, asked: Sketch) -> bool:
        return likeness(tuple(self._asked_of[known * BINS : (known + 1) * BINS]), asked) >= ALIKE


@lru_cache(maxsize=64)  # samples of one file are asked for by one prompt
def sketch(text: str) -> Sketch:
    bins = [_EMPTY] * BINS
    for number in triples(text):
        place = number % BINS
        if number < bins[place]:
            bins[place] = number
    return tuple(bins)


def triples(text: str, width: int = 3) -> set[int]:
    """The hashes of each run of so many words."""
    words = text.lower().encode("utf-8", "backslashreplace").split()
    return {crc32(b" ".join(words[i : i + width])) for i in range(max(1, len(words) - width + 1))}


def likeness(one: Sketch, other: Sketch) -> float:
    """From 0 to 1; two texts without a word in them are alike."""
    told = [(a, b) for a, b in zip(one, other, strict=True) if min(a, b) != _EMPTY]
    return sum(a == b for a, b in told) / len(told) if told else 1.0


class _Index:
    def __init__(self) -> None:
        self._sketches = array("I")
        self._newest: dict[int, int] = {}
        """Band -> the last sketch that has it, counted from 1."""
        self._older = array("I")
        """For each sketch and band, the one before it that has the same; 0 for none."""

    def like(self, wanted: Sketch) -> Iterator[int]:
        """Numbers of the sketches added before that are like this one."""
        near = {number for place, band in _bands(wanted) for number in self._chain(place, band)}
        for number in sorted(near):
            known = tuple(self._sketches[number * BINS : (number + 1) * BINS])
            if likeness(known, wanted) >= ALIKE:
                yield number

    def add(self, new: Sketch) -> None:
        self._sketches.extend(new)
        number = len(self._sketches) // BINS
        older = [0] * BANDS
        for place, band in _bands(new):
            older[place] = self._newest.get(band, 0)
            self._newest[band] = number
        self._older.extend(older)

    def _chain(self, place: int, band: int) -> Iterator[int]:
        number = self._newest.get(band, 0)
        for _ in range(RECENT):
            if not number:
                return
            yield number - 1
            number = self._older[(number - 1) * BANDS + place]


def _bands(of: Sketch) -> Iterator[tuple[int, int]]:
    """Two sketches that are 0.9 alike have one of these in common in 99 of 100 cases, quite different ones none."""
    for place in range(BANDS):
        band = of[place * ROWS : (place + 1) * ROWS]
        if min(band) != _EMPTY:
            yield place, hash((place, band))


def _digest(example: Example) -> bytes:
    parts = [normalised(text) for text in example.texts]
    return hashlib.sha256("\0".join(parts).encode("utf-8", "backslashreplace")).digest()[:16]
