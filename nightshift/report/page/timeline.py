"""What ran when: a row for each slot of a model server that was ever busy, one for the sandbox, one for verdicts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from nightshift.records import Record, attempt_number, elapsed_of
from nightshift.report.markup import Markup, joined, picture, scrolling, tag
from nightshift.report.page.clock import (
    Busy,
    by_endpoint,
    calls_in,
    processes_in,
    rows_of,
    seconds_of,
    total,
    union,
)
from nightshift.report.text import counted, duration, one_line

LEFT, WIDTH, ROW = 150, 900, 22
MOST_ROWS = 24
STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 28800)
ROLES = (
    "planner", "explorer", "tester", "builder", "repairer", "analyst", "librarian", "reviewer", "voter",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Scale:
    """Where on the drawing a moment is."""

    whole: float

    def x(self, seconds: float) -> float:
        return round(LEFT + WIDTH * min(max(seconds / self.whole, 0.0), 1.0), 1)


def timeline(records: Sequence[Record]) -> Iterator[Markup]:
    whole = elapsed_of(records)
    calls, processes = calls_in(records), processes_in(records)
    if not (calls or processes) or whole <= 0:
        return
    yield tag("h2", "Timeline", id="timeline")
    yield tag("p", said := _use(calls, processes, whole))
    yield scrolling(_drawing(records, calls, processes, said), "timeline")
    yield _key(calls)


def _use(calls: Sequence[Busy], processes: Sequence[Busy], whole: float) -> str:
    """How much of the time the servers and the sandbox were put to use."""
    asking = union((call.start, call.end) for call in calls)
    either = union([*asking, *((one.start, one.end) for one in processes)])
    slots = sum(len(rows_of(own)) for own in by_endpoint(calls).values())
    idle = 1 - sum(call.end - call.start for call in calls) / max(slots * whole, 1e-9)
    return (
        f"Of {duration(whole)}, a model was asked for {duration(total(asking))}, only checks ran for "
        f"{duration(total(either) - total(asking))}, and nothing that the trace times for "
        f"{duration(max(0.0, whole - total(either)))}. {counted(slots, 'slot')} of the model servers "
        f"{'was' if slots == 1 else 'were'} ever busy at once, idle for {max(0.0, idle):.0%} of the time."
    )


def _drawing(records: Sequence[Record], calls: Sequence[Busy], processes: Sequence[Busy], said: str) -> Markup:
    scale = Scale(elapsed_of(records))
    rows = [(f"{_host(name)} #{n}", row) for name, own in by_endpoint(calls).items() for n, row in _numbered(own)]
    parts = [*_attempts(records, scale)]
    top = ROW + 4
    for name, row in rows[:MOST_ROWS]:
        parts += [_name(name, top), _lane(scale, top), *_bars(row, scale, top)]
        top += ROW
    if len(rows) > MOST_ROWS:
        parts.append(_name(f"{len(rows) - MOST_ROWS} more slots", top))
        top += ROW
    parts += [_name("sandbox", top), _lane(scale, top), *_checks(processes, scale, top)]
    parts += [_name("judged", top + ROW), *_judged(records, scale, top + ROW)]
    top += 2 * ROW
    parts = [*_axis(scale, top), *parts, *_cuts(records, scale, top)]
    return picture(joined(*parts), LEFT + WIDTH + 30, top + 20, f"Timeline. {said}")


def _numbered(calls: Iterable[Busy]) -> Iterator[tuple[int, list[Busy]]]:
    return iter(list(enumerate(rows_of(calls), 1)))


def _attempts(records: Sequence[Record], scale: Scale) -> Iterator[Markup]:
    """A band for each attempt; what comes before the first has none."""
    known: dict[int, list[float]] = {}
    for now, record in zip(seconds_of(records), records, strict=True):
        if number := attempt_number(record):
            known.setdefault(number, []).append(now)
    begun = [(call.start, attempt_number(call.record)) for call in calls_in(records)]
    for number, times in sorted(known.items()):
        left = scale.x(min([*times, *(start for start, of in begun if of == number)]))
        width = max(2.0, round(scale.x(max(times)) - left, 1))
        yield tag("rect", "", "band", x=left, y=2, width=width, height=ROW - 6, rx=3)
        if width > 18:
            name = f"attempt {number}" if width > 70 else str(number)
            yield tag("text", name, "soft", x=left + 5, y=ROW - 9)


def _axis(scale: Scale, bottom: float) -> Iterator[Markup]:
    step = next((step for step in STEPS if scale.whole / step <= 10), scale.whole / 8)
    for number in range(int(scale.whole / step) + 1):
        x = scale.x(number * step)
        yield tag("line", "", "grid", x1=x, x2=x, y1=0, y2=bottom)
        yield tag("text", _moment(number * step), "soft", x=x, y=bottom + 15, text_anchor="middle")


def _moment(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 60 else duration(seconds)


def _name(name: str, top: float) -> Markup:
    return tag("text", one_line(name)[-22:], "soft", x=LEFT - 10, y=top + 14, text_anchor="end")


def _lane(scale: Scale, top: float) -> Markup:
    """Idle, where nothing is drawn over it."""
    return tag("rect", "", "idle", x=LEFT, y=top + 3, width=scale.x(scale.whole) - LEFT, height=ROW - 6, rx=3)


def _bars(row: Iterable[Busy], scale: Scale, top: float) -> Iterator[Markup]:
    """A bar that nobody could tell from its neighbour is not drawn twice."""
    drawn: set[tuple[float, float, str]] = set()
    for busy in row:
        left = scale.x(busy.start)
        width = max(1.5, round(scale.x(busy.end) - left, 1))
        style = _role(busy.record) + ("" if busy.answered else " none")
        place = round(left), round(width), style
        if place not in drawn:
            drawn.add(place)
            shape = {"x": left, "y": top + 3, "width": width, "height": ROW - 6, "rx": 2}
            yield tag("rect", tag("title", _told(busy)), style, **shape)


def _told(busy: Busy) -> str:
    fields = busy.record.fields
    took = duration(busy.end - busy.start)
    if not busy.answered:
        return f"{fields.get('role')} {busy.record.span}: {took}, no reply"
    tokens = f"{fields.get('prompt_tokens')} → {fields.get('completion_tokens')} tokens"
    return f"{fields.get('role')} {busy.record.span}: {took}, {tokens}"


def _checks(processes: Iterable[Busy], scale: Scale, top: float) -> Iterator[Markup]:
    for start, end in union(((one.start, one.end) for one in processes), gap=scale.whole / WIDTH):
        left = scale.x(start)
        width = max(1.5, round(scale.x(end) - left, 1))
        about = tag("title", f"checks: {duration(end - start)}")
        yield tag("rect", about, "checks", x=left, y=top + 3, width=width, height=ROW - 6, rx=2)


def _judged(records: Sequence[Record], scale: Scale, top: float) -> Iterator[Markup]:
    drawn: set[tuple[int, bool]] = set()
    for now, record in zip(seconds_of(records), records, strict=True):
        good = _passed(record)
        place = round(scale.x(now)), bool(good)
        if record.kind == "evaluation" and place not in drawn:
            drawn.add(place)
            told = tag("title", f"{record.span}: {'passes every check' if good else 'fails'}")
            yield tag("circle", told, _style(good), cx=scale.x(now), cy=top + 11, r=3.5)
        elif record.kind == "verdict":
            x, y = scale.x(now), top + 11
            told = tag("title", f"{record.span}: verdict {'passed' if good else 'failed'}")
            yield tag("path", told, _style(good), d=f"M{x} {y - 8}l8 8l-8 8l-8 -8z")


def _passed(record: Record) -> bool:
    if record.kind == "verdict":
        return bool(record.fields.get("passed"))
    return all(rung.get("passed") for rung in record.fields.get("rungs") or ())


def _style(good: bool) -> str:
    return "good" if good else "bad"


def _cuts(records: Sequence[Record], scale: Scale, bottom: float) -> Iterator[Markup]:
    for now, record in zip(seconds_of(records), records, strict=True):
        if record.kind == "resumed":
            x = scale.x(now)
            yield tag("line", tag("title", "killed, and resumed"), "cut", x1=x, x2=x, y1=0, y2=bottom)


def _key(calls: Sequence[Busy]) -> Markup:
    roles = sorted({_role(call.record) for call in calls}, key=(*ROLES, "other").index)
    entries = [*((role, role) for role in roles), ("checks", "checks in the sandbox"), ("idle", "idle")]
    items = [tag("li", joined(_dot(style), name)) for style, name in entries]
    shapes = [("M6 2l4 4l-4 4l-4 -4z", "a verdict"), ("M2 6a4 4 0 1 0 8 0a4 4 0 1 0 -8 0", "a candidate evaluated")]
    items += [tag("li", joined(_shape(path), f"{name}, green when it passed")) for path, name in shapes]
    return tag("ul", joined(*items), "key")


def _dot(style: str) -> Markup:
    rect = tag("rect", "", style, width=12, height=12, rx=2)
    return tag("svg", rect, width=12, height=12, aria_hidden="true")


def _shape(path: str) -> Markup:
    return tag("svg", tag("path", "", "good", d=path), width=12, height=12, aria_hidden="true")


def _role(record: Record) -> str:
    role = str(record.fields.get("role"))
    return role if role in ROLES else "other"


def _host(endpoint: str) -> str:
    return endpoint.partition("://")[2] or endpoint
