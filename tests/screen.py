"""A terminal as far as the console uses one: what it does not know it refuses, so that nothing else is ever emitted.

screen = Screen(80, 24)
screen.feed(text)
screen.visible()        # its rows, without trailing blanks
"""

from __future__ import annotations

import re
import unicodedata

_TOKEN = re.compile(
    r"\x1b\[(\?2026[hl]|\d*A|H|K|J|[\d;]*m)|(\x1b|[\x00-\x1f\x7f-\x9f])|([^\x00-\x1f\x7f-\x9f])", re.DOTALL
)
_CUT_OFF = re.compile(r"\x1b(?:\[[?\d;]*)?\Z")
_BLANK = " "


class Screen:
    """`reflows`: joins and breaks the rows of a long line when its width changes, as most do; else rows are cut."""

    def __init__(self, columns: int, lines: int, *, reflows: bool = True) -> None:
        self.columns, self.lines, self.reflows = columns, lines, reflows
        self.rows: list[list[str]] = [[]]
        """Those of the scrollback first; a wide character is followed by an empty cell."""
        self.broken: list[bool] = [False]
        """Whether the row goes on in the next one."""
        self.row = self.column = 0
        self.synchronised = False
        self.rest = ""

    @property
    def top(self) -> int:
        return max(0, len(self.rows) - self.lines)

    def visible(self) -> list[str]:
        return [self.text(row) for row in self.rows[self.top :]]

    def everything(self) -> list[str]:
        return [self.text(row) for row in self.rows]

    @staticmethod
    def text(row: list[str]) -> str:
        return "".join(row).rstrip()

    def feed(self, text: str) -> None:
        """A sequence that is cut off at the end of the text is kept for the next."""
        text, self.rest = self.rest + text, ""
        if cut := _CUT_OFF.search(text):
            text, self.rest = text[: cut.start()], cut[0]
        end = 0
        for token in _TOKEN.finditer(text):
            assert token.start() == end
            end = token.end()
            command, control, char = token.groups()
            if char is not None:
                self._put(char)
            elif control is not None:
                self._control(control)
            else:
                self._command(command)
        assert end == len(text), f"a sequence that no console should emit: {text[end : end + 20]!r}"

    def resize(self, columns: int, lines: int) -> None:
        if columns != self.columns:
            self._rewrap(columns) if self.reflows else self._cut(columns)
        while len(self.rows) > max(lines, self.row + 1) and not self.rows[-1]:
            self._drop()
        if lines > self.lines and not self.reflows:
            # Blank rows come below; what was scrolled away stays so.
            for _ in range(min(lines, len(self.rows) + lines - self.lines) - min(self.lines, len(self.rows))):
                self._add()
        self.columns, self.lines = columns, lines

    def _control(self, control: str) -> None:
        if control == "\r":
            self.column = 0
        elif control == "\n":
            self.row += 1
            if self.row == len(self.rows):
                self._add()
        else:
            raise AssertionError(f"a character that steers reached the terminal: {control!r}")

    def _command(self, command: str) -> None:
        if command.endswith("A"):
            self.row = max(self.top, self.row - int(command[:-1] or 1))
        elif command == "H":
            self.row, self.column = self.top, 0
        elif command in ("K", "J"):
            assert self.column < self.columns, "erasing while a wrap is pending takes the last character away"
            del self.rows[self.row][self.column :]
            self.broken[self.row] = False
            while command == "J" and len(self.rows) > self.row + 1:
                self._drop()
        elif command.startswith("?2026"):
            assert self.synchronised != command.endswith("h"), "unbalanced synchronised update"
            self.synchronised = command.endswith("h")

    def _put(self, char: str) -> None:
        assert unicodedata.category(char) not in ("Cf", "Cs", "Zl", "Zp"), f"{char!r} reached the terminal"
        width = 2 if unicodedata.east_asian_width(char) in "WF" else 1
        if unicodedata.category(char) in ("Mn", "Me"):
            row = self.rows[self.row]
            if row and self.column:
                row[min(self.column, len(row)) - 1] += char
            return
        if self.column + width > self.columns:
            self.broken[self.row] = True
            self._control("\n")
            self.column = 0
        row = self.rows[self.row]
        row += [_BLANK] * (self.column - len(row))
        row[self.column : self.column + width] = [char, ""][:width]
        self.column += width

    def _rewrap(self, columns: int) -> None:
        """Between two frames, when the cursor stands at the beginning of a line."""
        rows, broken, cursor = self.rows, self.broken, self.row
        self.rows, self.broken = [], []
        line: list[str] = []
        for number, cells in enumerate(rows):
            if number == cursor:
                self.row = len(self.rows)
            line += cells
            if not broken[number]:
                pieces = [line[at : at + columns] for at in range(0, len(line), columns)] or [[]]
                self.rows += pieces
                self.broken += [True] * (len(pieces) - 1) + [False]
                line = []

    def _cut(self, columns: int) -> None:
        self.rows = [row[:columns] for row in self.rows]
        self.column = min(self.column, columns)

    def _add(self) -> None:
        self.rows.append([])
        self.broken.append(False)

    def _drop(self) -> None:
        self.rows.pop()
        self.broken.pop()
