"""Lines above that stay, and a frame below them that is drawn in place: the only one who moves the terminal's cursor.

A frame is one write, wrapped in a synchronised update where the terminal is known to take or ignore that. Between two
writes the cursor stands at the beginning of the row below the frame. There is no alternate screen: what was told goes
into the scrollback. After a resize that broke lines the whole screen is drawn anew from what was told last, because
terminals differ in what they make of lines that are too long.
"""

from __future__ import annotations

import os
import re
from collections import deque
from collections.abc import Callable, Sequence
from typing import TextIO

from nightshift.report.console.widths import columns

UP, HOME, ERASE_LINE, ERASE_BELOW = "\x1b[%dA", "\x1b[H", "\x1b[K", "\x1b[J"
BEGIN, END = "\x1b[?2026h", "\x1b[?2026l"
SYNCHRONISED = ("xterm", "tmux", "alacritty", "foot", "kitty", "wezterm", "ghostty", "contour")
"""Beginnings of TERM whose terminals hold back a frame until it is whole, or ignore that they are asked to."""
USUAL = os.terminal_size((80, 24))
REMEMBERED = 300
"""Lines told; no screen has more."""

Line = tuple[str, bool]
"""What is told, and whether it may take more than one row."""
Dressed = Callable[[str, int], str]
"""Makes a line ready for so many columns, 0 for as many as it has."""
_STYLES = re.compile(r"\x1b\[[0-9;]*m")


class Painter:
    def __init__(
        self, write: Callable[[str], None], size: Callable[[], os.terminal_size], dressed: Dressed, terminal: str
    ) -> None:
        """`terminal` is what TERM says."""
        self._write = write
        self._asked = size
        self._dressed = dressed
        self._around = (BEGIN, END) if terminal.startswith(SYNCHRONISED) else ("", "")
        self._told: deque[Line] = deque(maxlen=REMEMBERED)
        self._frame: list[str] = []
        self._size = size()
        self._torn = False

    def is_resized(self) -> bool:
        return self._asked() != self._size

    def paint(self, lines: Sequence[Line], draw: Callable[[int, int], list[str]]) -> None:
        """`draw` is given the columns and rows that the frame may take: a row and a column fewer than there are."""
        size = self._asked()
        broken, self._size = self._is_broken(size), size
        frame = draw(size.columns - 1, size.lines - 1)
        self._told.extend(lines)
        if broken:
            room = size.lines - 1 - len(frame)
            rows = [self._dressed(line, size.columns - 1) for line, _ in list(self._told)[-room:]] if room else []
            text = HOME + ERASE_BELOW + _ended(rows) + _ended(frame)
        elif lines:
            rows = [self._dressed(line, 0 if whole else size.columns - 1) for line, whole in lines]
            text = self._to_top() + ERASE_BELOW + _ended(rows) + _ended(frame)
        else:
            text = self._differences(frame)
        self._frame = frame
        if text:
            self._write(text.join(self._around))

    def _differences(self, frame: list[str]) -> str:
        old = self._frame
        if frame == old:
            return ""
        changed = [
            line + ERASE_LINE if number >= len(old) or old[number] != line else "" for number, line in enumerate(frame)
        ]
        return self._to_top() + _ended(changed) + ERASE_BELOW

    def _to_top(self) -> str:
        return "\r" + (UP % len(self._frame) if self._frame else "")

    def _is_broken(self, size: os.terminal_size) -> bool:
        """Whether the terminal, made smaller, may have cut, broken or scrolled away a line of the frame."""
        if size == self._size:
            return False
        widest = max((columns(_STYLES.sub("", line)) for line in self._frame), default=0)
        # What was once broken and scrolled away is joined again, with the row below it, when there is more room.
        self._torn = self._torn or widest > size.columns - 1
        return self._torn or len(self._frame) > size.lines - 1


def size_of(stream: TextIO) -> os.terminal_size:
    try:
        size = os.get_terminal_size(stream.fileno())
    except (OSError, ValueError):
        return USUAL
    return os.terminal_size((size.columns or USUAL.columns, size.lines or USUAL.lines))


def _ended(rows: Sequence[str]) -> str:
    return "".join(f"{row}\r\n" for row in rows)
