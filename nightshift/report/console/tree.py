"""A tree of frozen nodes: the stages of a run, the steps of a stage, the candidates of a step; and changing one.

Every change makes a new tree. All texts in it are inert (one line, no control characters), all times are seconds of
one clock.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from nightshift.domain import Waiting
from nightshift.report.console.widths import plain
from nightshift.report.text import one_line

State = Literal["waiting", "active", "passed", "partly", "failed", "dropped"]
SETTLED = ("passed", "partly", "failed", "dropped")

LONGEST = 300
"""Characters of a text; no screen shows more of it."""


@dataclass(frozen=True, slots=True)
class Use:
    """What calls cost; they can be added up."""

    replies: int = 0
    prompt: int = 0
    cached: int = 0
    tokens: int = 0
    """Written."""
    timed: int = 0
    """Of those, the ones written in `writing` seconds; of other calls nobody knows how long it took."""
    writing: float = 0.0

    def __add__(self, other: Use) -> Use:
        return Use(
            self.replies + other.replies,
            self.prompt + other.prompt,
            self.cached + other.cached,
            self.tokens + other.tokens,
            self.timed + other.timed,
            self.writing + other.writing,
        )


@dataclass(frozen=True, slots=True)
class Node:
    """A stage, a step of it, or a candidate of that."""

    name: str
    state: State = "waiting"
    note: str = ""
    began: float = 0.0
    """0: not yet."""
    ended: float = 0.0
    """0: not yet."""
    use: Use = Use()
    """Of its calls, those below it included."""
    waiting: Waiting | None = None
    told: float = 0.0
    """When `waiting` was told."""
    children: Mapping[str, Node] = field(default_factory=dict)

    @property
    def settled(self) -> bool:
        return self.state in SETTLED


Change = Callable[[Node], Node]


def path_of(span: str) -> tuple[str, ...]:
    """Stage, step and candidate of a span, as far as it has them.

    >>> path_of("attempt-1/build/shop/cart.py/candidate-2/retry-1")
    ('attempt 1', 'shop/cart.py', 'candidate-2')
    >>> path_of("tests/tests/test_a.py/sample-1"), path_of("plan/ask-1"), path_of("attempt-2/diagnose")
    (('tests', 'tests/test_a.py', 'sample-1'), ('plan', 'ask-1'), ('diagnosis 2',))
    """
    where = span.partition("/retry-")[0][:LONGEST]
    inside = _PART.fullmatch(where)
    part, number, rest = (inside[1], inside[2], inside[3] or "") if inside else ("", "", where)
    stage, _, inner = rest.partition("/")
    below = _STEP.fullmatch(inner)
    step, label = (below[1], below[2]) if below else ("", inner)
    if part == "replan":
        names = [f"plan {int(number) + 1}", *(["plan"] if stage == "plan" else []), step, label]
    elif part and stage in ("build", "tests", "trust", "judge"):
        names = [f"attempt {number}", step, label]
    elif part:
        names = [f"{_STAGES.get(stage, stage)} {number}".strip(), step, label]
    else:
        names = [_STAGES.get(stage, stage), step, label]
    return tuple(text_of(name) for name in names if name)[:3]


_PART = re.compile(r"(attempt|replan)-(\d{1,9})(?:/(.*))?", re.DOTALL)
_STEP = re.compile(r"(.+?)/((?:tie|blame|demanded)/[^/]+|[^/]+)", re.DOTALL)
_STAGES = {"diagnose": "diagnosis", "explore": "exploration"}


def changed(node: Node, path: Sequence[str], change: Change, above: Change = lambda node: node) -> Node:
    """With the node at that path changed, which is made when there is none, and those above it by `above`."""
    name, *rest = path
    child = node.children.get(name) or Node(name)
    child = changed(child, rest, change, above) if rest else change(child)
    return above(replace(node, children={**node.children, name: child}))


def found(node: Node, path: Sequence[str]) -> Node | None:
    for name in path:
        if name not in node.children:
            return None
        node = node.children[name]
    return node if path else None


def begun(at: float) -> Change:
    return lambda node: replace(node, state="active", began=node.began or at, ended=0.0)


def over(state: State, note: str, at: float) -> Change:
    def change(node: Node) -> Node:
        children = {name: closed(child, at) for name, child in node.children.items()}
        return replace(node, state=state, note=note, began=node.began or at, ended=at, waiting=None, children=children)

    return change


def closed(node: Node, at: float) -> Node:
    """What was still going on below something that is over was called off."""
    return node if node.settled else over("dropped", node.note, at)(node)


def text_of(value: object) -> str:
    """Inert, and no longer than a screen can show."""
    return plain(one_line(str(value)[:LONGEST])) if value is not None else ""
