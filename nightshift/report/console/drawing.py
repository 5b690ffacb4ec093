"""A picture of a run as lines of text, never wider or higher than asked.

Pure. Where there is little room, columns go before words, and what is finished is folded before what goes on.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from nightshift.domain import Waiting
from nightshift.report.console.charset import UNICODE, Charset
from nightshift.report.console.picture import Picture
from nightshift.report.console.tree import Node, State
from nightshift.report.console.widths import columns, cut, cut_front, padded
from nightshift.report.text import counted, duration

Part = tuple[str, str]
"""A style and a text."""
Fold = int
"""How much is folded: 0 nothing that goes on, then finished steps, steps to come, finished stages, candidates."""
FOLDS: tuple[Fold, ...] = (0, 1, 2, 3, 4)

WIDE, MIDDLE = 76, 64
"""Columns from which all figures are shown, and from which the speed is."""
HIGH = 10
"""Rows from which there is a head and a foot."""
LONGEST_NAME = 28
WIDEST = 112
"""Columns from which a line would only become harder to read."""
_SGR = {
    "passed": "32",
    "failed": "31",
    "partly": "33",
    "active": "36",
    "bold": "1",
    "dim": "2",
    "dropped": "2",
    "waiting": "2",
}


@dataclass(frozen=True, slots=True)
class Pen:
    width: int
    charset: Charset
    colour: bool
    now: float

    def line(self, left: Sequence[Part], right: Sequence[Part] = ()) -> str:
        """Cut to the width; what stands at the right is left out where it would take more than half of it."""
        cells = [(style, self.charset.text(text)) for style, text in right]
        taken = sum(columns(text) for _, text in cells)
        if 2 * taken > self.width:
            cells, taken = [], 0
        room = self.width - taken - (1 if taken else 0)
        shown, used = [], 0
        for style, text in left:
            piece = cut(self.charset.text(text), room - used, self.charset.ellipsis)
            used += columns(piece)
            shown.append(self._styled(style, piece))
            if used >= room:
                break
        gap = " " * (self.width - taken - used) if taken else ""
        return ("".join(shown) + gap + "".join(self._styled(style, text) for style, text in cells)).rstrip(" ")

    def _styled(self, style: str, text: str) -> str:
        return f"\x1b[{_SGR[style]}m{text}\x1b[0m" if self.colour and style in _SGR and text.strip() else text

    def bar(self, share: float, width: int) -> str:
        full = round(min(1.0, max(0.0, share)) * width)
        return self.charset.full * full + self.charset.empty * (width - full)


def draw(
    picture: Picture, width: int, height: int, charset: Charset = UNICODE, colour: bool = False, now: float = 0.0
) -> list[str]:
    if width < 1 or height < 1:
        return []
    over = bool(picture.status)
    pen = Pen(min(width, WIDEST), charset, colour, picture.seen if over else max(now, picture.seen))
    head, foot = [_head(picture, pen)], [_present(picture, pen), *_budget(picture, pen)]
    if height < HIGH:
        head, foot = [], foot[:1]
    room = height - len(head) - len(foot)
    rows: list[str] = []
    for fold in FOLDS:
        rows = [pen.line(left, right) for left, right in _rows(picture, pen, fold)]
        if len(rows) <= room:
            break
    return [*head, *_last(rows, room, pen), *foot]


def _last(rows: list[str], room: int, pen: Pen) -> list[str]:
    """What goes on stands at the end."""
    if len(rows) <= room:
        return rows
    hidden = len(rows) - room + 1
    return (
        [pen.line([("dim", f"{pen.charset.ellipsis} {counted(hidden, 'line')} more")]), *rows[hidden:]] if room else []
    )


# The tree.

Row = tuple[list[Part], list[Part]]


def _rows(picture: Picture, pen: Pen, fold: Fold) -> Iterator[Row]:
    stages, over = list(picture.root.children.values()), bool(picture.status)
    finished = [stage for stage in stages if stage.settled]
    if fold >= 3 and len(finished) > 1:
        yield [("passed", f" {pen.charset.marks['passed']} "), ("dim", counted(len(finished), "earlier stage"))], []
        stages = [stage for stage in stages if not stage.settled]
    names = _name_width(stages, pen)
    for stage in stages:
        yield _row(stage, picture, pen, " ", names)
        if not stage.settled or (over and fold == 0):
            yield from _steps(stage, picture, pen, fold)


def _steps(stage: Node, picture: Picture, pen: Pen, fold: Fold) -> Iterator[Row]:
    steps = list(stage.children.values())
    finished = [step for step in steps if step.settled]
    to_come = [step for step in steps if step.state == "waiting"]
    groups: list[Part] = []
    if fold >= 1 and len(finished) > 1:
        groups.append(("passed", f"{pen.charset.marks['passed']} {counted(len(finished), 'step')} finished"))
        steps = [step for step in steps if not step.settled]
    if fold >= 2 and len(to_come) > 1:
        steps = [step for step in steps if step.state != "waiting"]
    rest = len(to_come) if fold >= 2 and len(to_come) > 1 else 0
    names = _name_width(steps, pen)
    last = len(groups) + len(steps) + bool(rest) - 1
    for number, group in enumerate(groups):
        yield [("dim", f"   {_branch(pen, number == last)}"), group], []
    for number, step in enumerate(steps, len(groups)):
        yield _row(step, picture, pen, f"   {_branch(pen, number == last)}", names)
        if step.children and not step.settled and not picture.status and fold < 4:
            yield from _tries(step, picture, pen, f"   {'  ' if number == last else pen.charset.trunk}")
    if rest:
        yield [("dim", f"   {pen.charset.last}{pen.charset.marks['waiting']} {counted(rest, 'step')} to come")], []


def _tries(step: Node, picture: Picture, pen: Pen, indent: str) -> Iterator[Row]:
    tries = list(step.children.values())
    names = _name_width(tries, pen)
    for number, one in enumerate(tries, 1):
        yield _row(one, picture, pen, indent + _branch(pen, number == len(tries)), names)


def _branch(pen: Pen, last: bool) -> str:
    return pen.charset.last if last else pen.charset.branch


def _name_width(nodes: Sequence[Node], pen: Pen) -> int:
    most = min(LONGEST_NAME, pen.width // (3 if pen.width >= MIDDLE else 2))
    return min(most, max((columns(pen.charset.text(node.name)) for node in nodes), default=0))


def _row(node: Node, picture: Picture, pen: Pen, indent: str, names: int) -> Row:
    state: State = "dropped" if picture.status and node.state == "active" else node.state
    name = cut_front(pen.charset.text(node.name), max(names, 1), pen.charset.ellipsis)
    words = _words(node, picture, pen)
    left = [
        ("dim", indent),
        (state, f"{pen.charset.marks[state]} "),
        ("bold" if state == "active" else "dim" if state in ("waiting", "dropped") else "", padded(name, names)),
        *([("", "  "), ("dim" if state != "active" else "", words)] if words else []),
    ]
    return left, _cells(node, picture, pen)


def _words(node: Node, picture: Picture, pen: Pen) -> str:
    if node.waiting and not picture.status:
        words = _waiting_words(node.waiting, pen)
        return f"{words}, {node.note}" if node.note else words
    if node.state == "active" and not node.children and not picture.status:
        return node.note or "checks run"
    return node.note


def _waiting_words(waiting: Waiting, pen: Pen) -> str:
    if waiting.state == "prompt" and waiting.done and waiting.total:
        share = min(1.0, waiting.done / waiting.total)
        return f"reads {share:.0%} of the prompt {pen.bar(share, 8)}"
    if waiting.state == "prompt":
        return f"reads about {counted(waiting.total, 'token')}" if waiting.total else "reads the prompt"
    if waiting.state == "reply":
        return f"writes, {counted(waiting.tokens, 'token')}"
    return _STATES.get(waiting.state, "")


_STATES = {"slot": "waits for a slot", "load": "the model is loaded", "tape": "from the tape"}


def _cells(node: Node, picture: Picture, pen: Pen) -> list[Part]:
    """Speed, cache share and time, as far as there is room for them."""
    cells = [("", f"{_time(node, picture, pen):>8}")]
    if pen.width >= WIDE:
        cells.insert(0, ("dim", f"{_cache(node):>7}"))
    if pen.width >= MIDDLE:
        cells.insert(0, ("dim", f"{_speed(node, picture, pen):>8}"))
    return cells


def _time(node: Node, picture: Picture, pen: Pen) -> str:
    if not node.began:
        return ""
    seconds = max(0.0, (node.ended or pen.now) - node.began)
    # A clock that moves is shown in whole seconds, so that nothing is drawn in between.
    return duration(seconds) if node.ended or picture.status or seconds >= 60 else f"{int(seconds)} s"


def _speed(node: Node, picture: Picture, pen: Pen) -> str:
    waiting = node.waiting
    if waiting and waiting.state == "reply" and not picture.status:
        seconds = waiting.seconds + max(0.0, pen.now - node.told)
        return _rate(waiting.tokens / seconds) if seconds >= 0.5 else ""
    return _rate(node.use.timed / node.use.writing) if node.use.writing else ""


def _rate(speed: float) -> str:
    return f"{speed:.1f}" if speed < 100 else _short(round(speed))


def _cache(node: Node) -> str:
    return f"{node.use.cached / node.use.prompt:.0%}" if node.use.cached else ""


# What stands above and below the tree.


def _head(picture: Picture, pen: Pen) -> str:
    titles = f"{'tokens/s' if pen.width >= MIDDLE else '':>8}{'cache' if pen.width >= WIDE else '':>7}{'time':>8}"
    left = f"{pen.charset.rule * 2} nightshift {pen.charset.dot} {picture.task}"
    room = pen.width - len(titles) - 2
    text = cut(pen.charset.text(left), max(0, room), pen.charset.ellipsis)
    rule = pen.charset.rule * max(0, room - columns(text))
    return pen.line([("dim", f"{text} {rule}")], [("dim", titles)])


def _present(picture: Picture, pen: Pen) -> str:
    """What is being waited for, all calls together."""
    if picture.status:
        state = "passed" if picture.status in ("passed", "planned") else "failed"
        return pen.line([(state, f" {pen.charset.marks[state]} {picture.status}")], _cells(picture.root, picture, pen))
    counts: Counter[str] = Counter(node.waiting.state for node in _nodes(picture.root) if node.waiting)
    words = [f"{counts[state]} {word}" for state, word in _COUNTED.items() if counts[state]]
    left: list[Part] = [("active", " now  "), ("", ", ".join(words) or "checks run in the sandbox")]
    return pen.line(left, _cells(picture.root, picture, pen))


_COUNTED = {
    "reply": "writing",
    "prompt": "reading",
    "load": "loading a model",
    "slot": "waiting for a slot",
    "tape": "from the tape",
}


def _nodes(node: Node) -> Iterator[Node]:
    yield node
    for child in node.children.values():
        yield from _nodes(child)


def _budget(picture: Picture, pen: Pen) -> list[str]:
    use, limits = picture.root.use, picture.limits
    minutes = (picture.seconds + max(0.0, pen.now - picture.root.began)) / 60 if picture.root.began else 0.0
    parts = [
        ("calls", max(picture.calls, use.replies), limits.calls),
        ("tokens", picture.tokens + use.prompt + use.tokens, limits.tokens),
        ("minutes", minutes, limits.minutes),
    ]
    if pen.width < WIDE:
        return [
            pen.line([("dim", f" {name:<8}"), *_gauge(used, limit, pen, max(4, pen.width - 28))])
            for name, used, limit in parts
        ]
    room = pen.width // 3
    line: list[Part] = []
    for name, used, limit in parts:
        gauge = _gauge(used, limit, pen, max(4, min(24, room - len(name) - 16)))
        text = sum(columns(part) for _, part in gauge) + len(name) + 2
        line += [("dim", f" {name} "), *gauge, ("", " " * (room - text))]
    return [pen.line(line)]


def _gauge(used: float, limit: float, pen: Pen, width: int) -> list[Part]:
    share = used / limit if limit else 0.0
    style = "failed" if share >= 0.9 else "partly" if share >= 0.7 else "active"
    return [(style, pen.bar(share, width)), ("", f" {_short(used)} of {_short(limit)}")]


def _short(number: float) -> str:
    """
    >>> _short(7), _short(15_300), _short(2_000_000)
    ('7', '15.3k', '2M')
    """
    for size, letter in ((1e6, "M"), (1e3, "k")):
        if number >= size:
            return f"{number / size:.1f}".removesuffix(".0") + letter
    return str(int(number))
