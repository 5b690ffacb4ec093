"""The console on a terminal and off it: real pseudo-terminals, read by a screen that refuses what nobody should emit."""

from __future__ import annotations

import codecs
import contextlib
import fcntl
import io
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, TextIO

import pytest
import sample_run as sample
from hostile_strings import HOSTILE
from screen import Screen

from nightshift.domain import Waiting
from nightshift.records import Record
from nightshift.report.console import Console

PROGRAM = Path(__file__).resolve().parent.parent / "orchestrator.py"
TERMINAL = {"TERM": "xterm-256color"}


class Terminal:
    """A pseudo-terminal and what it shows; `stream` is the program's end of it."""

    def __init__(self, columns: int, lines: int, encoding: str = "utf-8") -> None:
        self.master, self.slave = pty.openpty()
        self.screen, self.raw = Screen(columns, lines), ""
        self.refused: list[AssertionError] = []
        self.lock = threading.Lock()
        self.resize(columns, lines)
        self.stream: TextIO = open(os.dup(self.slave), "w", encoding=encoding, errors="backslashreplace")  # noqa: SIM115
        self.reader = threading.Thread(target=self._read, args=(codecs.getincrementaldecoder(encoding)(),), daemon=True)

    def resize(self, columns: int, lines: int) -> None:
        with self.lock:
            fcntl.ioctl(self.slave, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
            self.screen.resize(columns, lines)

    def _read(self, decoder: codecs.IncrementalDecoder) -> None:
        with contextlib.suppress(OSError):  # Linux tells the end by EIO
            while part := os.read(self.master, 65536):
                text = decoder.decode(part).replace("\r\r\n", "\r\n")
                with self.lock:
                    self.raw += text
                    self._show(text)

    def _show(self, text: str) -> None:
        try:
            self.screen.feed(text)
        except AssertionError as error:
            # Told at the end: whoever writes must not wait for a reader that is gone.
            self.refused.append(error)

    def ended(self) -> Screen:
        """Once nobody writes to it any more."""
        self.stream.close()
        os.close(self.slave)
        self.reader.join(30)
        os.close(self.master)
        assert not self.refused, self.refused[0]
        return self.screen

    def shows(self, text: str, patience: float = 90.0) -> bool:
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline:
            with self.lock:
                if any(text in row for row in self.screen.everything()):
                    return True
            time.sleep(0.02)
        return False


@contextlib.contextmanager
def terminal(columns: int = 100, lines: int = 30, **more: Any) -> Iterator[Terminal]:
    opened = Terminal(columns, lines, **more)
    opened.reader.start()
    yield opened


def told(console: Console, records: list[Record]) -> None:
    for record in records:
        console(record)


def plain(records: list[Record], **options: Any) -> str:
    stream = io.StringIO()
    told(Console(stream, **options), records)
    return stream.getvalue()


def on_terminal(records: list[Record], environ: Mapping[str, str] = TERMINAL, **options: Any) -> Terminal:
    with terminal() as shown:
        told(Console(shown.stream, environ=environ, **options), records)
        shown.ended()
    return shown


def test_on_a_terminal_the_story_stands_above_and_the_finished_tree_below_it(tmp_path: Path) -> None:
    rows = on_terminal(sample.passed_run(tmp_path)).screen.everything()
    tree = next(number for number, row in enumerate(rows) if "nightshift ·" in row)
    story, rest = "\n".join(rows[:tree]), "\n".join(rows[tree:])
    for wanted in ("planned  2 files", "✗ tasks are stored: KeyError", "2. nothing is written", "delivered  1 file"):
        assert wanted in story, wanted
    for wanted in ("✗ attempt 1", "✓ diagnosis 1  blames storage.py", "✓ attempt 2", "✓ passed", "calls"):
        assert wanted in rest, wanted
    assert rows[-2].startswith("✓ passed in 12.0 s")
    assert "passes every check" not in "\n".join(rows), "the tree tells it"


def test_the_plan_that_was_proved_is_not_told_a_second_time(tmp_path: Path) -> None:
    records = sample.passed_run(tmp_path)
    again = next(replace(record, span="proved") for record in records if record.kind == "planned")
    assert plain([*records[:-1], again, records[-1]]) == plain(records)


def test_everything_is_told_when_verbose_and_one_line_when_quiet(tmp_path: Path) -> None:
    records = sample.passed_run(tmp_path)
    assert "✓ storage.py  candidate-2 passes every check" in "\n".join(
        on_terminal(records, verbose=True).screen.everything()
    )
    rows = on_terminal(records, quiet=True).screen.everything()
    assert len(rows) == 2
    assert rows[0].startswith("✓ passed in 12.0 s")


@pytest.mark.parametrize("environ", [{"TERM": "dumb"}, {}, {"TERM": "dumb", "NO_COLOR": "1"}])
def test_a_terminal_that_cannot_move_its_cursor_gets_plain_lines(tmp_path: Path, environ: dict[str, str]) -> None:
    shown = on_terminal(sample.passed_run(tmp_path), environ)
    assert "nightshift ·" not in shown.raw
    assert "\x1b[" not in shown.raw.replace("\x1b[3", "").replace("\x1b[0m", ""), "no more than colours"
    assert ("\x1b" in shown.raw) is ("TERM" not in environ)


def test_where_something_else_is_written_to_the_terminal_there_are_lines_alone(tmp_path: Path) -> None:
    """As with --dry-run, whose plan goes to the standard output."""
    rows = on_terminal(sample.passed_run(tmp_path), live=False).screen.everything()
    assert "  ✓ storage.py  candidate-2 passes every check, 2 of 2 tests" in rows
    assert not any("nightshift ·" in row for row in rows)


def test_off_a_terminal_there_are_no_control_codes_and_one_line_for_each_thing_told(tmp_path: Path) -> None:
    text = plain(sample.passed_run(tmp_path), environ=TERMINAL)
    assert text.replace("\n", "").isprintable()
    assert "✗ storage.py  candidate-1 fails: tests, 1 of 2 tests" in text


def test_no_color_takes_the_colours_and_leaves_the_picture(tmp_path: Path) -> None:
    records = sample.passed_run(tmp_path)
    shown = on_terminal(records, {**TERMINAL, "NO_COLOR": "1"})
    assert not re.search(r"\x1b\[[\d;]*m", shown.raw)
    assert "✓ attempt 2" in "\n".join(shown.screen.everything())
    assert "\x1b[32m" in on_terminal(records).raw


def test_a_terminal_without_unicode_gets_ascii_alone(tmp_path: Path) -> None:
    with terminal(encoding="latin-1") as shown:
        told(Console(shown.stream, environ=TERMINAL), sample.passed_run(tmp_path))
        shown.ended()
    assert shown.raw.isascii()
    rows = "\n".join(shown.screen.everything())
    assert " + attempt 2" in rows
    assert "\n+ passed in 12.0 s" in rows


def hostile(value: Any, text: str) -> Any:
    if isinstance(value, dict):
        return {key: item if key in KEPT else hostile(item, text) for key, item in value.items()}
    if isinstance(value, list):
        return [hostile(item, text) for item in value]
    return text if isinstance(value, str) else value


SHORTENED = [text[:3_000] for text in HOSTILE.values()]
KEPT = {"type", "kind", "blame", "outcome", "channel", "label", "chosen", "considered", "role"}


def test_no_hostile_text_can_steer_a_terminal_or_forge_a_line(tmp_path: Path) -> None:
    """The screen refuses every sequence but the painter's own, and every character that steers."""
    records = sample.failed_run(tmp_path)
    with terminal(120, 40) as shown:
        for text in SHORTENED:
            console = Console(shown.stream, environ=TERMINAL, verbose=True)
            span = f"attempt-1/build/{text}/candidate-1"
            told(console, [replace(record, fields=hostile(dict(record.fields), text)) for record in records[:-1]])
            console.waiting(Waiting("builder", span, "reply", tokens=3))
            console.say(text)
            console(replace(records[-1], fields=hostile(dict(records[-1].fields), text), span=span))
        shown.ended()
    assert not shown.screen.synchronised
    assert sum(row.startswith("pwned") for row in shown.screen.everything()) == 0
    for text in SHORTENED:
        lines = plain([replace(r, fields=hostile(dict(r.fields), text)) for r in records], verbose=True)
        assert all(line.isprintable() for line in lines.splitlines())


def test_what_is_left_after_a_crash_is_the_last_picture_as_interrupted(tmp_path: Path) -> None:
    with terminal() as shown:
        console = Console(shown.stream, environ=TERMINAL)
        told(console, sample.passed_run(tmp_path)[:5])
        console.close()
        console.close()
        console.say("a last word")
        screen = shown.ended()
    assert any(row.startswith(" ✗ interrupted") for row in screen.everything())
    assert screen.everything()[-2:] == ["a last word", ""]


def test_a_terminal_that_takes_nothing_holds_nobody_up(tmp_path: Path) -> None:
    """As after Ctrl-S: the painter waits, the run does not."""
    records = sample.failed_run(tmp_path)[:-1]
    shown = Terminal(200, 60)
    console = Console(shown.stream, environ=TERMINAL, verbose=True)
    began = time.monotonic()
    for _ in range(30):
        told(console, records)
        time.sleep(0.01)
    assert time.monotonic() - began < 3, "a write to it blocks for ever"
    shown.reader.start()
    console.close()
    assert any("interrupted" in row for row in shown.ended().everything())


def test_a_live_terminal_that_went_away_does_not_end_the_run(tmp_path: Path) -> None:
    with terminal() as shown:
        console = Console(shown.stream, environ=TERMINAL)
        records = sample.passed_run(tmp_path)
        told(console, records[:4])
        shown.ended()
        told(console, records[4:-1])
        console.close()


def started(shown: Terminal, folder: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, str(PROGRAM), "--demo", "--workspace", str(folder / "demo")]
    surroundings = {**os.environ, **TERMINAL, "XDG_STATE_HOME": str(folder / "state")}
    surroundings.pop("NO_COLOR", None)
    return subprocess.Popen(command, env=surroundings, stdin=subprocess.DEVNULL, stdout=shown.slave, stderr=shown.slave)


@pytest.mark.slow
@pytest.mark.parametrize("size", [(120, 40), (50, 20), (40, 8), (200, 12)])
def test_a_demo_on_a_terminal_that_is_resized_ends_with_its_tree_and_its_last_lines(
    tmp_path: Path, size: tuple[int, int]
) -> None:
    with terminal(*size) as shown:
        process = started(shown, tmp_path)
        assert shown.shows("attempt 1")
        for columns, lines in ((90, 25), (45, 30), size):
            shown.resize(columns, lines)
            time.sleep(0.8)
        assert process.wait(120) == 0
        screen = shown.ended()
    rows = screen.everything()
    final = next(number for number, row in enumerate(rows) if row.startswith("✓ passed in"))
    assert any(row.startswith(" ✓ passed") for row in rows[:final])
    assert any(row.startswith("report") for row in rows[final:])
    assert not screen.synchronised


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGKILL, -9)])
def test_a_run_that_is_stopped_leaves_its_last_picture_and_a_usable_terminal(
    tmp_path: Path, number: int, code: int
) -> None:
    with terminal(90, 40) as shown:
        process = started(shown, tmp_path)
        assert shown.shows("attempt 1")
        process.send_signal(number)
        assert process.wait(60) == code
        screen = shown.ended()
    rows = screen.everything()
    assert any("attempt 1" in row for row in rows)
    assert (any(row.startswith(" ✗ interrupted") for row in rows)) is (number != signal.SIGKILL)
    assert screen.column == 0, "a prompt comes on a row of its own"
    assert rows[-1] == ""
    assert not screen.synchronised


def test_the_reader_of_these_tests_refuses_what_it_does_not_know() -> None:
    for text in ("\x1b[?25l", "\x1b[2J", "\x1b]0;title\x07", "\x07", "\u202e", "\x1b[5;5H"):
        with pytest.raises(AssertionError):
            Screen(80, 24).feed(text)
