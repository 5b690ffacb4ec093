"""The observer of a run's trace: told calmly, one record in, a line or a few out, with a live picture below them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TextIO

from nightshift.domain import Usage, Verdict, Waiting
from nightshift.records import Record, value_of
from nightshift.report.cache import CacheUse, cache_use_of_call
from nightshift.report.console.charset import charset_of, in_ascii
from nightshift.report.console.live import Live
from nightshift.report.console.telling import describe, final_line, tame
from nightshift.report.console.widths import columns, cut, plain

PLAIN_COLUMNS = 160
"""Where lines are cut when no terminal says how wide it is."""
LONGEST = 4000
"""Characters of a line that is not cut to the width."""
DETAILS = frozenset({"call"})
IN_PICTURE = DETAILS | {"explored", "evaluation", "effort", "repair", "splice"}
"""Told by the live picture, so not as lines above it."""

_COLOURS = {"✓": "\x1b[32m", "✗": "\x1b[31m", "!": "\x1b[33m"}
_RESET = "\x1b[0m"


class Console:
    """Only the last line when `quiet`; each model call and check too when `verbose`.

    A live picture where the stream is a terminal that can move its cursor; else lines alone, without control codes.
    """

    def __init__(
        self,
        stream: TextIO,
        *,
        quiet: bool = False,
        verbose: bool = False,
        environ: Mapping[str, str] = os.environ,
        live: bool = True,
    ) -> None:
        """`live`: False where something else is written to the same terminal meanwhile."""
        self._stream = stream
        self._quiet = quiet
        terminal, kind = stream.isatty(), environ.get("TERM", "")
        self._colour = terminal and not environ.get("NO_COLOR") and kind != "dumb"
        self._charset = charset_of(stream.encoding) if terminal else None
        lively = live and terminal and not quiet and kind not in ("", "dumb")
        self._live = Live(stream, self._dressed, colour=self._colour, terminal=kind) if lively else None
        self._hidden = frozenset[str]() if verbose else IN_PICTURE if lively else DETAILS
        self._verdict: Verdict | None = None
        self._cache = CacheUse()
        self._gone = False

    def __call__(self, record: Record) -> None:
        if record.kind == "verdict":
            self._verdict = value_of(Verdict, record, "verdict")
        if record.kind == "call":
            self._cache += cache_use_of_call(record.fields)
        if self._live:
            self._live.saw(record)
        if record.kind == "run_finished":
            self.close()
            # Silence at 0: most often the server has a cache and does not tell of it.
            if self._cache.cached and not self._quiet:
                self._print(f"prompts  {self._cache}")
            # Whole, however long: the way out stands at its end.
            self._print(final_line(record.fields, self._verdict), whole=True)
        elif not self._quiet and record.kind not in self._hidden:
            for line in describe(record):
                self._print(line)

    def say(self, line: str) -> None:
        """One line more, when anything but the last line is wanted."""
        if not self._quiet:
            self._print(tame(line), whole=True)

    def waiting(self, waiting: Waiting) -> None:
        """What a question waits for just now; shown only where there is a live picture."""
        if self._live:
            self._live.heard(waiting)

    def resume(self, used: Usage, seconds: float) -> None:
        """What earlier parts of the run used."""
        if self._live:
            self._live.resume(used, seconds)

    def close(self) -> None:
        """Leaves the live picture standing, as interrupted unless the run is finished. Lines can still be said."""
        if self._live:
            self._live.close()

    def _print(self, line: str, *, whole: bool = False) -> None:
        if len(line) > LONGEST:
            line = f"{line[: LONGEST // 2]} … {line[-LONGEST // 2 :]}"
        if self._live and self._live.tell(line, whole):
            return
        if self._gone:
            return
        try:
            self._stream.write(self._dressed(line, 0 if whole else self._columns()) + "\n")
            self._stream.flush()
        except OSError:
            # The terminal was closed or the pipe's reader left: the night's work goes on.
            self._gone = True

    def _dressed(self, line: str, width: int) -> str:
        """Cut to so many columns, 0 for all of it, and coloured, in characters that the stream has."""
        line = plain(line)
        line = cut(line, width or columns(line))
        mark = line.lstrip()[:1]
        if self._charset and not self._charset.unicode:
            line = in_ascii(line)
            line = cut(line, width or columns(line), self._charset.ellipsis)
        shown = line.lstrip()[:1]
        colour = _COLOURS.get(mark) if self._colour else None
        return line.replace(shown, f"{colour}{shown}{_RESET}", 1) if colour else line

    def _columns(self) -> int:
        terminal = os.get_terminal_size(self._stream.fileno()).columns if self._stream.isatty() else 0
        return terminal or PLAIN_COLUMNS
