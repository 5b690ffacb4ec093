"""Which files of a project a task is about: by the words they share, by who imports whom, by what changed lately.

    ranked(texts, "parse_date drops the time zone", recent=["app/dates.py"], evidence=traceback)

Words are identifiers split at case and underscore, weighed as in BM25; from the files found so the weight flows along
imports, as in a page rank that always starts there anew. It is a guess that costs a fraction of a second, made to fill
a context window well; nothing is proved by it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence

from nightshift.source.glance import defined, neighbours

MAX_WORDS = 32
"""Of a long task the first ones count, identifiers before others."""
SATURATION, LENGTH_SHARE = 1.2, 0.6
"""BM25's k1 and b."""
DEFINED_COUNTS, PATH_COUNTS = 6, 4
"""As often as so many mentions counts a name that a file defines, or a word of its path."""
SEEDS, ROUNDS, STAY = 30, 8, 0.5
NAMED, IN_TRACEBACK, CALLED_SO, RECENT, NEAR = 3.0, 1.5, 0.4, 0.15, 0.5
"""What a best of 1 gains by being named in the task, by standing in a traceback, by a name that is a word of the task,
by a late change, by nearness along imports."""

PROSE, PROSE_COUNTS = (".md", ".rst", ".txt"), 0.6

_STOP_WORDS = frozenset(
    re.findall(
        r"\w+",
        """
    a about add after all also an and any are as at be been before but by can change class code def do does done
    each file fix for from function get has have if import in instead into is it its like make may method module
    must new no not now of off old on one only or other our out over python return self set should so some such test
    tests than that the their them then there these they this those to too two under up use used user uses using
    value want was when where which while will with without work would write you your
    """,
    )
)
_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]{2,}")
_PART = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_PLACE = re.compile(r"[\w./-]+\.\w+")


def ranked(texts: Mapping[str, str], task: str, *, recent: Sequence[str] = (), evidence: str = "") -> dict[str, float]:
    """Path -> how much it concerns the task, the most first; files that nothing speaks for are left out."""
    words = words_of(f"{task}\n{evidence}")
    scores = _scaled(relevance(texts, words))
    for path, near in _scaled(_flow(scores, neighbours(texts))).items():
        scores[path] = scores.get(path, 0.0) + NEAR * near
    named, traced = _places(task, texts), _places(evidence, texts)
    late = {path: RECENT / (1 + age) for age, path in enumerate(recent) if path in texts}
    called = {path: CALLED_SO for path in scores if path.rpartition("/")[2].partition(".")[0].lower() in words}
    for extra in (dict.fromkeys(named, NAMED), dict.fromkeys(traced, IN_TRACEBACK), called, late):
        for path, more in extra.items():
            scores[path] = scores.get(path, 0.0) + more
    return dict(sorted(scores.items(), key=lambda item: (-item[1], item[0])))


def words_of(text: str) -> tuple[str, ...]:
    """The telling words of a text in lower case, whole identifiers and their parts; the most specific first."""
    found = dict.fromkeys(_IDENTIFIER.findall(text))
    whole = [name.lower() for name in found if len(_parts(name)) > 1]
    parts = [stem(part) for name in found for part in _parts(name)]
    words = [word for word in dict.fromkeys([*whole, *parts]) if len(word) > 2 and word not in _STOP_WORDS]
    return tuple(words[:MAX_WORDS])


def stem(word: str) -> str:
    """Without the plural's s, so that it is found inside both forms."""
    return word[:-1] if len(word) > 4 and word.endswith("s") and not word.endswith("ss") else word


def relevance(texts: Mapping[str, str], words: Sequence[str]) -> dict[str, float]:
    """BM25 of each text that has one of the words; a word counts inside of longer ones too."""
    counts = {path: _counts(path, text, words) for path, text in texts.items()}
    having = [sum(1 for found in counts.values() if word in found) for word in words]
    rare = {word: math.log(1 + (len(texts) - n + 0.5) / (n + 0.5)) for word, n in zip(words, having, strict=True)}
    average = sum(map(len, texts.values())) / max(1, len(texts))
    scores = {}
    for path, found in counts.items():
        if found:
            room = SATURATION * (1 - LENGTH_SHARE + LENGTH_SHARE * len(texts[path]) / max(1.0, average))
            score = sum(rare[word] * n * (SATURATION + 1) / (n + room) for word, n in found.items())
            scores[path] = score * PROSE_COUNTS if path.endswith(PROSE) else score
    return scores


def _counts(path: str, text: str, words: Sequence[str]) -> dict[str, int]:
    lowered, place = text.lower(), path.lower()
    names = " ".join(defined(text)).lower() if path.endswith(".py") else ""
    found = {}
    for word in words:
        mentions = lowered.count(word)
        weight = mentions + (DEFINED_COUNTS * names.count(word) if mentions else 0) + PATH_COUNTS * place.count(word)
        if weight:
            found[word] = weight
    return found


def _parts(identifier: str) -> list[str]:
    return [part.lower() for part in _PART.findall(identifier)]


def _scaled(scores: Mapping[str, float]) -> dict[str, float]:
    """So that the best has 1."""
    best = max(scores.values(), default=0.0)
    return {path: score / best for path, score in scores.items()} if best else {}


def _flow(scores: Mapping[str, float], imports: Mapping[str, Iterable[str]]) -> dict[str, float]:
    """Where the weight of the best files gets to along imports, both ways, when half of it always begins anew."""
    edges: dict[str, list[str]] = {path: [*found] for path, found in imports.items()}
    for path, found in imports.items():
        for other in found:
            edges[other].append(path)
    best = sorted((path for path in scores if path in edges), key=lambda path: (-scores[path], path))[:SEEDS]
    total = sum(scores[path] for path in best) or 1.0
    start = {path: scores[path] / total for path in best}
    flow = start
    for _ in range(ROUNDS):
        passed = {path: STAY * share for path, share in start.items()}
        for path, share in flow.items():
            for other in edges[path]:
                passed[other] = passed.get(other, 0.0) + (1 - STAY) * share / len(edges[path])
        flow = passed
    return flow


def _places(text: str, texts: Mapping[str, str]) -> set[str]:
    """The files that a text names, by their paths or the ends of them."""
    named = {place.lstrip("./") for place in _PLACE.findall(text)}
    ends = {place for place in named if "/" in place}
    found = named & texts.keys()
    return found | {path for path in texts if any(path.endswith(f"/{end}") or end.endswith(f"/{path}") for end in ends)}
