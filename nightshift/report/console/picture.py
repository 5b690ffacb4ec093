"""The picture of a run that a live console draws: records in, a tree of stages, steps and candidates out.

Pure: every change makes a new picture. All texts in it are inert (one line, no control characters), all times are
seconds of one clock, the one of the records. Does not hold what a run said: the lines above the picture tell that.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from nightshift.domain import Limits, Usage, Waiting
from nightshift.records import Record, attempt_number
from nightshift.report.console.tree import (
    Change,
    Node,
    State,
    Use,
    begun,
    changed,
    closed,
    found,
    over,
    path_of,
    text_of,
)
from nightshift.report.text import counted


@dataclass(frozen=True, slots=True)
class Picture:
    root: Node = Node("")
    task: str = ""
    limits: Limits = Limits()
    calls: int = 0
    """Requests sent."""
    tokens: int = 0
    """Of earlier parts of a resumed run."""
    seconds: float = 0.0
    """Of earlier parts of a resumed run."""
    files: tuple[str, ...] = ()
    """That the next attempt is going to build, as planned."""
    status: str = ""
    """How the run ended; empty while it goes on."""
    seen: float = 0.0
    """When the last record came."""


def resumed(picture: Picture, used: Usage, seconds: float) -> Picture:
    """With what earlier parts of the run used of its budget."""
    tokens = used.prompt_tokens + used.completion_tokens
    return replace(picture, calls=picture.calls + used.calls, tokens=tokens, seconds=seconds)


def after(picture: Picture, record: Record) -> Picture:
    at = time_of(record)
    picture = replace(picture, seen=at, root=replace(picture.root, began=picture.root.began or at))
    change = _CHANGES.get(record.kind)
    return change(picture, record, at) if change else picture


def hearing(picture: Picture, waiting: Waiting, at: float) -> Picture:
    """With what a question waits for just now."""
    path, is_over = path_of(waiting.span), waiting.state == "nothing"
    if is_over:
        known = found(picture.root, path) is not None
        return _at(picture, path, lambda node: replace(node, waiting=None)) if known else picture
    return _at(picture, path, lambda node: replace(begun(at)(node), waiting=waiting, told=at), begun(at))


def ended(picture: Picture, status: str) -> Picture:
    return picture if picture.status else replace(picture, status=status)


def time_of(record: Record) -> float:
    return datetime.fromisoformat(record.time).timestamp()


def _run_started(picture: Picture, record: Record, _: float) -> Picture:
    limits = _dict(_dict(record.fields.get("config")).get("limits"))
    known = {name: limits[name] for name in ("minutes", "calls", "tokens") if _number(limits.get(name)) > 0}
    root = replace(picture.root, name=text_of(record.run), state="active")
    return replace(
        picture, root=root, task=text_of(_dict(record.fields.get("task")).get("prompt")), limits=Limits(**known)
    )


def _asked(picture: Picture, record: Record, at: float) -> Picture:
    picture = replace(picture, calls=picture.calls + 1)
    return _at(picture, path_of(record.span), begun(at), begun(at))


def _call(picture: Picture, record: Record, at: float) -> Picture:
    """A builder's reply is judged next; any other is all that was asked for."""
    fields = record.fields
    judged = fields.get("role") in ("builder", "repairer")
    use = _use(fields)
    if not picture.calls:
        # No request was sent: the reply comes from a tape, whose speed says nothing.
        use = replace(use, timed=0, writing=0.0)

    def counted_in(node: Node) -> Node:
        return replace(begun(at)(node), use=node.use + use)

    def answered(node: Node) -> Node:
        # Of a call that nobody announced, the beginning is known from its length.
        began = node.began or at - _number(fields.get("seconds"))
        node = replace(counted_in(node), began=began, waiting=None, note="")
        return node if judged else replace(node, state="passed", ended=at)

    return _at(picture, path_of(record.span), answered, counted_in)


def _evaluation(picture: Picture, record: Record, at: float) -> Picture:
    rungs = [_dict(rung) for rung in _list(record.fields.get("rungs"))]
    failed = next((rung for rung in rungs if not rung.get("passed")), None)
    outcomes = _dict(record.fields.get("outcomes"))
    tests = f"{sum(map(bool, outcomes.values()))} of {counted(len(outcomes), 'test')}" if outcomes else ""
    rung = text_of(failed.get("name")) if failed else ""
    said = tests if rung in ("", "tests") and tests else f"fails: {rung}" if rung else "passes"
    if record.fields.get("same_as"):
        said = f"same as {text_of(record.fields['same_as'])}"

    def judged(node: Node) -> Node:
        state: State = "failed" if failed else "passed"
        return replace(node, began=node.began or at, state=state, note=said, ended=at, waiting=None)

    return _at(picture, path_of(record.span), judged, begun(at))


def _selected(picture: Picture, record: Record, at: float) -> Picture:
    if record.fields.get("key") == "race":
        return picture
    stage, path = path_of(record.span)[:1], text_of(record.fields.get("path"))
    considered, chosen = _list(record.fields.get("considered")), text_of(record.fields.get("chosen"))

    def settled(node: Node) -> Node:
        winner = node.children.get(chosen)
        state: State = "failed" if winner is None else "passed" if winner.state == "passed" else "partly"
        what = f"{chosen} of {len(considered)}" if chosen else "no usable reply"
        note = f"{winner.note}, {what}" if winner and winner.note else what
        children = {name: closed(child, at) for name, child in node.children.items()}
        return replace(begun(at)(node), state=state, note=note, ended=at, children=children)

    return _at(picture, (*stage, path), settled, begun(at)) if stage and path else picture


def _planned(picture: Picture, record: Record, at: float) -> Picture:
    stage = path_of(record.span)[:1]
    if not record.fields.get("accepted") or record.span == "proved" or not stage:
        return picture
    plan = _dict(record.fields.get("plan"))
    steps = [_dict(step) for step in _list(plan.get("steps"))]
    files = tuple(text_of(step.get("path")) for step in steps if step.get("kind") != "test")
    criteria = len(_list(plan.get("criteria")))
    note = f"{counted(len(steps), 'file')}, {criteria} {'criterion' if criteria == 1 else 'criteria'}"
    return _at(replace(picture, files=files), stage, over("passed", note, at))


def _accepted(picture: Picture, record: Record, at: float) -> Picture:
    stage, path = path_of(record.span)[:1], text_of(record.fields.get("path"))
    tests = int(_number(record.fields.get("tests")))
    if not stage or not path:
        return picture

    def settled(node: Node) -> Node:
        done = [child for child in node.children.values() if child.settled]
        if not node.name.startswith("tests") or len(done) < len(node.children):
            return node
        note = f"accepted in {counted(len(done), 'file')}"
        return over("passed" if any(child.state == "passed" for child in done) else "failed", note, at)(node)

    one = over("passed" if tests else "failed", f"{counted(tests, 'test')} accepted", at)
    return _at(picture, (*stage, path), one, settled)


def _cascade(picture: Picture, record: Record, at: float) -> Picture:
    paths = [text_of(_dict(item).get("path")) for item in _list(record.fields.get("rebuild"))]
    stage = f"attempt {attempt_number(record)}"

    def waits(node: Node) -> Node:
        return node if node.children else replace(node, state="waiting", ended=0.0)

    picture = _at(picture, (stage,), begun(at))
    for path in filter(None, paths):
        picture = _at(picture, (stage, path), waits)
    return picture


def _verdict(picture: Picture, record: Record, at: float) -> Picture:
    verdict = _dict(record.fields.get("verdict"))
    results = [_dict(result) for result in _list(verdict.get("results"))]
    report = _dict(verdict.get("report"))
    tests = [_dict(test) for test in _list(report.get("results"))]
    held, passed = sum(bool(r.get("passed")) for r in results), sum(t.get("outcome") == "passed" for t in tests)
    note = f"{held} of {len(results)} criteria" + (f", {passed} of {counted(len(tests), 'test')}" if tests else "")
    good = record.fields.get("passed", bool(results) and held == len(results) and passed == len(tests))
    return _at(picture, (f"attempt {attempt_number(record)}",), over("passed" if good else "failed", note, at))


def _diagnosis(picture: Picture, record: Record, at: float) -> Picture:
    culprits = _list(_dict(record.fields.get("diagnosis")).get("culprits"))
    blamed = ", ".join(dict.fromkeys(text_of(_dict(culprit).get("path")) for culprit in culprits)) or "nothing"
    return _at(picture, (f"diagnosis {attempt_number(record)}",), over("passed", f"blames {blamed}", at))


def _guard(picture: Picture, record: Record, _: float) -> Picture:
    path = path_of(record.span)
    if record.fields.get("rule") != "reply" or found(picture.root, path) is None:
        return picture
    note = f"refused: {text_of(record.fields.get('action'))}"
    return _at(picture, path, lambda node: replace(node, note=note))


def _fault(picture: Picture, record: Record, _: float) -> Picture:
    path = path_of(record.span)
    if found(picture.root, path) is None:
        return picture
    return _at(picture, path, lambda node: replace(node, note=f"fault: {text_of(record.fields.get('fault'))}"))


def _run_finished(picture: Picture, record: Record, _: float) -> Picture:
    return ended(picture, text_of(record.fields.get("status")) or "over")


_CHANGES: dict[str, Callable[[Picture, Record, float], Picture]] = {
    "run_started": _run_started,
    "asked": _asked,
    "call": _call,
    "evaluation": _evaluation,
    "selected": _selected,
    "planned": _planned,
    "accepted": _accepted,
    "cascade": _cascade,
    "verdict": _verdict,
    "diagnosis": _diagnosis,
    "guard": _guard,
    "fault": _fault,
    "run_finished": _run_finished,
}


def _at(picture: Picture, path: Sequence[str], change: Change, above: Change = lambda node: node) -> Picture:
    """With one node changed. The first attempt at a plan begins with all its files."""
    if not path:
        return picture
    root = picture.root
    if picture.files and path[0].startswith("attempt") and path[0] not in root.children:
        planned = Node(path[0], children={name: Node(name) for name in picture.files})
        root = replace(root, children={**root.children, path[0]: planned})
        picture = replace(picture, files=())
    return replace(picture, root=changed(root, path, change, above))


def _use(fields: Mapping[str, Any]) -> Use:
    prompt, tokens = (int(_number(fields.get(name))) for name in ("prompt_tokens", "completion_tokens"))
    cached = min(prompt, int(_number(fields.get("cached_tokens"))))
    # By the server's own clock; one that does not time itself is timed from its first token on.
    first, seconds = (_number(fields.get(name)) for name in ("first_token_seconds", "seconds"))
    writing = _number(fields.get("decode_seconds")) or (max(0.0, seconds - first) if first else 0.0)
    return Use(1, prompt, cached, tokens, tokens if writing else 0, writing)


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1e15 else 0.0


def _dict(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _list(value: object) -> Sequence[Any]:
    return value if isinstance(value, list | tuple) else ()
