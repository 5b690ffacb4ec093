"""The live console's picture: never wider or higher than the screen, inert, and the same however it came about."""

from __future__ import annotations

import math
import os
import random
import re
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hostile_strings import HOSTILE
from hypothesis import given, settings
from hypothesis import strategies as st
from screen import Screen

from nightshift.domain import ROLES, Usage, Waiting
from nightshift.records import KINDS, Record
from nightshift.report.console.charset import ASCII, UNICODE
from nightshift.report.console.drawing import draw
from nightshift.report.console.painter import Line, Painter
from nightshift.report.console.picture import Picture, after, ended, hearing, resumed
from nightshift.report.console.tree import path_of
from nightshift.report.console.widths import columns, cut, plain

STYLES = re.compile(r"\x1b\[[0-9;]*m")
START = 1_767_225_600.0


def record(kind: str, span: str = "", at: float = 0.0, **fields: Any) -> Record:
    minutes, seconds = divmod(at, 60)
    return Record(1, f"2026-01-01T00:{int(minutes):02}:{seconds:06.3f}Z", "run", kind, span, fields)


TEXTS = (
    *HOSTILE.values(),
    *["money.py", "日本語のファイル.py", "e\u0301\u0301\u0301\u0301\u0301.py", "", "❤\ufe0f"] * 9,
)
TOLD = sorted({*KINDS} - {"executed", "run_finished"})


class Inventor:
    """Events of a run as nobody would write them, the same for each seed."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def event(self) -> Record | Waiting:
        if self.one(True, False):
            states = ("slot", "load", "prompt", "reply", "tape", "nothing")
            done, total, tokens, seconds = (self.random.randrange(10**6) for _ in range(4))
            return Waiting(self.one(*ROLES), self.span(), self.one(*states), done, total, tokens, seconds / 7)
        kind = self.one(*TOLD * 4, "run_finished")
        return record(kind, self.span(), self.random.uniform(0, 3599), **self.fields())

    def one(self, *options: Any) -> Any:
        return self.random.choice(options)

    def text(self) -> str:
        return str(self.one(*TEXTS))

    def span(self) -> str:
        label = self.one("candidate-1", "kept", "repair-1", "candidates-2-3", self.text())
        built = f"{self.one('attempt-1', 'attempt-2', 'replan-1')}/{self.one('build', 'tests')}/{self.path()}/{label}"
        fixed = ("", "plan", "plan/ask-1", "tests/tests/t.py/sample-1/retry-1", "attempt-2", "attempt-1/diagnose")
        return str(self.one(built, built, self.one(*fixed), self.text()))

    def path(self) -> str:
        return str(self.one("a.py", "b.py", "shop/cart.py", self.text()))

    def scalar(self) -> Any:
        return self.one(None, True, -3, 0, 7, 10**9, 1e300, math.nan, math.inf, [], {}, [None], self.text())

    def many(self, make: Callable[[], Any], most: int = 3) -> list[Any]:
        return [make() for _ in range(self.random.randrange(most))]

    def fields(self) -> dict[str, Any]:
        passing = {"passed": self.one(True, False), "name": self.text(), "outcome": self.text()}
        plan = {
            "steps": self.many(lambda: {"path": self.path(), "kind": self.text()}, 30),
            "criteria": self.many(self.text),
        }
        made: dict[str, Any] = {
            "role": self.one(*ROLES), "path": self.path(), "chosen": self.one("candidate-1", "kept", None),
            "considered": self.many(self.text), "key": self.one("race", "k"), "accepted": self.one(True, False),
            "rungs": [passing] * self.one(0, 3), "outcomes": {self.text(): self.one(True, False)}, "plan": plan,
            "verdict": {"results": [passing], "report": self.one(None, {"results": [passing]})}, "status": self.text(),
            "rebuild": self.many(lambda: {"path": self.path()}), "attempt": self.one(1, 2, True, "x"),
            "diagnosis": {"culprits": self.many(lambda: {"path": self.path()})}, "task": {"prompt": self.text()},
            "config": {"limits": {"calls": self.scalar(), "minutes": self.scalar()}}, "same_as": self.one(None, "kept"),
            **{name: self.scalar() for name in ("prompt_tokens", "completion_tokens", "cached_tokens", "tests", "seconds")},
        }  # fmt: skip
        return {name: self.one(value, value, value, self.scalar()) for name, value in made.items()}


POOL = [Inventor(seed).event() for seed in range(3000)]
events = st.lists(st.sampled_from(POOL), max_size=25)


def picture_of(events: Sequence[Record | Waiting]) -> Picture:
    picture = Picture()
    for event in events:
        picture = hearing(picture, event, picture.seen) if isinstance(event, Waiting) else after(picture, event)
    return picture


@given(events, st.integers(0, 130), st.integers(0, 40), st.booleans(), st.booleans())
def test_a_drawing_is_never_wider_or_higher_than_asked_and_holds_nothing_that_steers(
    told: list[Record | Waiting], width: int, height: int, unicode: bool, colour: bool
) -> None:
    lines = draw(picture_of(told), width, height, UNICODE if unicode else ASCII, colour, START)
    assert len(lines) <= height
    for line in lines:
        bare = STYLES.sub("", line)
        assert bare.isprintable(), line
        assert columns(bare) <= width, line
        assert colour or bare == line
        assert unicode or bare.isascii(), line


class Terminal:
    """A painter before a screen, and what is shown on it."""

    def __init__(self, size: tuple[int, int], *, reflows: bool = True) -> None:
        self.screen = Screen(*size, reflows=reflows)
        self.painter = Painter(
            self.screen.feed, self.size, lambda line, width: cut(line, width or columns(line)), "xterm"
        )
        self.told: list[str] = []

    def size(self) -> os.terminal_size:
        return os.terminal_size((self.screen.columns, self.screen.lines))

    def paint(self, picture: Picture, lines: Sequence[Line] = ()) -> list[str]:
        self.painter.paint(lines, lambda width, height: draw(picture, width, height, now=START))
        self.told += [line for line, _ in lines]
        return self.expected(picture)

    def expected(self, picture: Picture) -> list[str]:
        return draw(picture, self.screen.columns - 1, self.screen.lines - 1, now=START)


sizes = st.tuples(st.integers(2, 100), st.integers(2, 30))
steps = st.lists(
    st.tuples(
        events,
        st.lists(st.sampled_from(["told", "planned  2 files: a b c d e f", "日本語" * 20]), max_size=4),
        sizes | st.none(),
    ),
    min_size=1,
    max_size=8,
)


@given(steps, sizes, st.booleans())
@settings(max_examples=40)
def test_after_any_frames_and_resizes_the_screen_shows_what_a_fresh_drawing_shows(
    steps: list[Any], size: tuple[int, int], reflows: bool
) -> None:
    terminal, told = Terminal(size, reflows=reflows), []
    for more, lines, resized_to in steps:
        told += more
        if resized_to:
            terminal.screen.resize(*resized_to)
        expected = terminal.paint(picture_of(told), [(line, False) for line in lines])
        screen = terminal.screen
        assert screen.column == 0
        assert [screen.text(row) for row in screen.rows[screen.row :]] == [""] * (len(screen.rows) - screen.row)
        shown = [screen.text(row) for row in screen.rows[max(screen.top, screen.row - len(expected)) : screen.row]]
        assert shown == [line.rstrip() for line in expected]
        assert not screen.synchronised


@given(steps)
@settings(max_examples=40)
def test_without_a_resize_every_line_told_stands_once_and_in_order_above_the_frame(steps: list[Any]) -> None:
    terminal, told = Terminal((80, 20)), []
    for more, lines, _ in steps:
        told += more
        expected = terminal.paint(picture_of(told), [(line, True) for line in lines])
    above = terminal.screen.everything()[: terminal.screen.row - len(expected)]
    assert "".join(above) == "".join(terminal.told)


def test_nothing_is_written_when_nothing_changed_and_only_what_changed_otherwise() -> None:
    written: list[str] = []
    painter = Painter(written.append, lambda: os.terminal_size((80, 24)), lambda line, _: line, "linux")
    for second in ("b", "b", "B"):
        frame = ["a", second, "c"]
        painter.paint([], lambda width, height: frame)  # noqa: B023
    assert len(written) == 2
    assert written[1] == "\r\x1b[3A\r\nB\x1b[K\r\n\r\n\x1b[J"


def test_what_is_waited_for_is_shown_until_the_reply_is_there() -> None:
    span = "attempt-1/build/a.py/candidate-1"
    picture = after(Picture(), record("run_started"))

    def shown(waiting: Waiting, width: int = 100) -> str:
        nonlocal picture
        picture = hearing(picture, waiting, picture.seen)
        return "\n".join(draw(picture, width, 20, now=picture.seen + 1))

    assert "waits for a slot" in shown(Waiting("builder", span, "slot"))
    assert "the model is loaded" in shown(Waiting("builder", span, "load"))
    assert "reads about 8,200 tokens" in shown(Waiting("builder", span, "prompt", total=8200))
    assert "reads 50% of the prompt ████░░░░" in shown(Waiting("builder", span, "prompt", 4100, 8200))
    text = shown(Waiting("builder", span, "reply", tokens=120, seconds=3.0))
    assert "writes, 120 tokens" in text
    assert "30.0" in text, "tokens a second, by the time since"
    assert "now  1 writing" in text
    assert "writes" not in shown(Waiting("builder", span, "nothing"))


def test_a_frame_shows_states_scores_speed_cache_and_time() -> None:
    span = "attempt-1/build/a.py/candidate-1"
    told = [
        record("run_started", task={"prompt": "Build it"}, config={"limits": {"calls": 10}}),
        record("planned", "plan", 1, accepted=True, plan={"steps": [{"path": p, "kind": "source"} for p in ("a.py", "b.py")]}),
        record("asked", span, 2),
        record("call", span, 5, role="builder", prompt_tokens=100, cached_tokens=64, completion_tokens=90, decode_seconds=2.0),
        record("evaluation", span, 6, rungs=[{"name": "tests", "passed": False}], outcomes={"t1": True, "t2": False}),
    ]  # fmt: skip
    assert draw(picture_of(told), 80, 24, now=START + 62) == [
        "── nightshift · Build it ─────────────────────────────── tokens/s  cache    time",
        " ✓ plan       2 files, 0 criteria                                          0.0 s",
        " ● attempt 1                                                 45.0    64%   1m00s",
        "   ├ ● a.py                                                  45.0    64%   1m00s",
        "   │ └ ✗ candidate-1  1 of 2 tests                           45.0    64%   4.0 s",
        "   └ ○ b.py",
        " now  checks run in the sandbox                              45.0    64%   1m02s",
        " calls ░░░░░ 1 of 10       tokens ░░░░ 190 of 2M     minutes ░░░░ 1 of 120",
    ]


def test_where_there_is_little_room_finished_work_is_folded_first_and_what_goes_on_stays() -> None:
    told = [record("planned", "plan", 1, accepted=True, plan={"steps": [{"path": f"f{n}.py"} for n in range(30)]})]
    for number in range(12):
        span = f"attempt-1/build/f{number}.py"
        told += [record("evaluation", f"{span}/candidate-1", 2, rungs=[]),
                 record("selected", span, 3, path=f"f{number}.py", chosen="candidate-1", considered=["candidate-1"])]  # fmt: skip
    told.append(record("asked", "attempt-1/build/f12.py/candidate-1", 4))
    lines = draw(picture_of(told), 60, 14, now=START)
    assert [line[: line.rindex("  ") + 1].rstrip() if "  " in line[9:] else line for line in lines[3:-4]] == [
        "   ├ ✓ 12 steps finished", "   ├ ● f12.py", "   │ └ ● candidate-1  checks run", "   └ ○ 17 steps to come",
    ]  # fmt: skip
    for height in range(1, 14):
        assert any(
            "f12.py" in line or "now" in line or "attempt" in line for line in draw(picture_of(told), 60, height)
        )


def test_what_goes_on_when_a_run_ends_is_drawn_as_called_off() -> None:
    picture = picture_of([record("run_started"), record("asked", "plan/ask-1", 1)])
    lines = draw(ended(picture, "interrupted"), 70, 20, now=START + 100)
    assert any(line.startswith(" ✗ interrupted") for line in lines)
    assert any("− ask-1" in line for line in lines)
    assert not any("●" in line for line in lines)


def test_a_resumed_run_goes_on_with_what_its_earlier_parts_used() -> None:
    used = resumed(Picture(), Usage(7, prompt_tokens=900, completion_tokens=100), 600.0)
    text = draw(after(used, record("run_started")), 100, 20)[-1]
    assert "7 of 200" in text
    assert "1k of 2M" in text
    assert "10 of 120" in text


@pytest.mark.parametrize(
    ("span", "path"),
    [
        ("attempt-1/build/shop/cart.py/candidate-2/retry-1", ("attempt 1", "shop/cart.py", "candidate-2")),
        ("attempt-1/build/a.py/tie/vote-2", ("attempt 1", "a.py", "tie/vote-2")),
        ("attempt-2/tests/tests/test_a.py/rewrite-1", ("attempt 2", "tests/test_a.py", "rewrite-1")),
        ("replan-1/plan/ask-1", ("plan 2", "plan", "ask-1")),
        ("attempt-2/judge", ("attempt 2",)),
        ("attempt-2/diagnose/blame/vote-1", ("diagnosis 2", "blame", "vote-1")),
        ("", ()),
    ],
)
def test_every_span_has_its_place_in_the_tree(span: str, path: tuple[str, ...]) -> None:
    assert path_of(span) == path


@pytest.mark.parametrize(
    ("text", "width"), [("abc", 3), ("日本", 4), ("e\u0301", 1), ("한", 2), ("👍", 2), ("\u0e01\u0e34", 1), ("", 0)]
)
def test_columns_are_counted_as_terminals_do(text: str, width: int) -> None:
    assert columns(text) == width
    assert cut(text, width) == text
    assert columns(cut(text + "x" * 9, width + 3)) <= width + 3


def test_marks_piled_on_a_character_and_variation_selectors_are_taken_away() -> None:
    assert plain("Z" + "\u0301" * 50 + "!") == "Z" + "\u0301" * 3 + "!"
    assert plain("❤\ufe0f") == "❤"
