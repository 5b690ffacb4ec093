"""The live picture below the lines of a console: when it is painted, and how it ends.

A thread of its own paints, so that neither a slow terminal nor one that was stopped with Ctrl-S holds up the run. It
paints a few times a second at most, and once a second when only the clock moves. No signal handler, nothing to restore:
the cursor is never hidden and always stands below the picture, so what a killed run leaves is its last picture.
"""

from __future__ import annotations

import threading
import time
from functools import partial
from typing import TextIO

from nightshift.domain import Usage, Waiting
from nightshift.records import Record
from nightshift.report.console.charset import charset_of
from nightshift.report.console.drawing import draw
from nightshift.report.console.painter import Dressed, Painter, size_of
from nightshift.report.console.picture import Picture, after, ended, hearing, resumed

PAUSE = 0.2
"""Seconds between two frames."""
TICK = 1.0
"""Seconds between two frames when nothing but the clock changed."""
FAREWELL = 2.0
"""Seconds that the end of a run waits for a terminal that takes nothing."""


class Live:
    def __init__(self, stream: TextIO, dressed: Dressed, *, colour: bool, terminal: str) -> None:
        """`terminal` is what TERM says."""
        self._stream = stream
        self._gone = False
        self._charset = charset_of(stream.encoding)
        self._colour = colour
        self._painter = Painter(self._write, partial(size_of, stream), dressed, terminal)
        self._picture = Picture()
        self._received = time.monotonic()
        self._lines: list[tuple[str, bool]] = []
        self._lock = threading.Lock()
        self._painting = threading.Lock()
        self._news, self._over = threading.Event(), threading.Event()
        self._thread: threading.Thread | None = None

    def saw(self, record: Record) -> None:
        with self._lock:
            self._picture, self._received = after(self._picture, record), time.monotonic()
        self._tell_news()

    def heard(self, waiting: Waiting) -> None:
        with self._lock:
            self._picture = hearing(self._picture, waiting, self._now())
        self._news.set()

    def resume(self, used: Usage, seconds: float) -> None:
        with self._lock:
            self._picture = resumed(self._picture, used, seconds)

    def tell(self, line: str, whole: bool) -> bool:
        """Has the line painted above the picture; False when there is no picture, before the first record or after."""
        with self._lock:
            if self._thread is None or self._over.is_set():
                return False
            self._lines.append((line, whole))
        self._news.set()
        return True

    def close(self) -> None:
        with self._lock:
            if self._thread is None or self._over.is_set():
                return
            self._over.set()
            self._picture = ended(self._picture, "interrupted")
        self._news.set()
        self._thread.join(FAREWELL)
        self._paint()

    def _tell_news(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._paint_on, name="console", daemon=True)
            self._thread.start()
        self._news.set()

    def _paint_on(self) -> None:
        painted = 0.0
        while not self._over.is_set():
            news = self._news.wait(PAUSE)
            self._news.clear()
            if not self._over.is_set() and (news or self._painter.is_resized() or time.monotonic() - painted >= TICK):
                self._paint()
                painted = time.monotonic()
                self._over.wait(PAUSE)

    def _paint(self) -> None:
        if not self._painting.acquire(timeout=FAREWELL):
            return
        try:
            with self._lock:
                picture, now = self._picture, self._now()
                lines, self._lines = self._lines, []
            self._painter.paint(
                lines, lambda width, height: draw(picture, width, height, self._charset, self._colour, now)
            )
        finally:
            self._painting.release()

    def _write(self, text: str) -> None:
        if self._gone:
            return
        try:
            self._stream.write(text)
            self._stream.flush()
        except (OSError, ValueError):
            # The terminal was closed: the night's work goes on.
            self._gone = True

    def _now(self) -> float:
        """By the clock of the records."""
        return self._picture.seen + time.monotonic() - self._received if self._picture.seen else 0.0
