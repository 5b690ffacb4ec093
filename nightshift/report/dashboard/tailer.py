"""Following the traces of running runs for many readers at once: each trace is read once, each record worded once.

A run never waits for its readers: they read its file, and one that is slow or gone is left behind.
"""

from __future__ import annotations

import json
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from nightshift.errors import NightshiftError
from nightshift.records import Record, attempt_number, record_of
from nightshift.report.reading import lines_of
from nightshift.report.text import asker, one_line

POLL_SECONDS = 0.25
"""Between two looks at a trace, and so between two batches."""
BLOCK = 1 << 20
KEPT = 400
"""Records of each trace that a reader may be behind."""
LINE_CHARS = 600
ENDED = b"event: ended\ndata: {}\n\n"


@dataclass(frozen=True, slots=True)
class Told:
    """A record as a page shows it; `text` is JSON without line ends, whatever a model wrote."""

    seq: int
    text: str


@dataclass(slots=True)
class Tally:
    """The figures of a run so far."""

    attempt: int = 0
    calls: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    held: str = ""
    ended: bool = False
    waiting: dict[str, str] = field(default_factory=dict)
    """Span of each question that has no answer yet -> who asked."""

    def add(self, record: Record) -> None:
        self.attempt = max(self.attempt, attempt_number(record))
        self.ended = record.kind == "run_finished"
        if record.kind == "asked":
            self.calls += 1
            self.waiting[record.span] = asker(record.span) or one_line(str(record.fields.get("role")))
        elif record.kind == "call":
            self.prompt_tokens += record.fields.get("prompt_tokens") or 0
            self.completion_tokens += record.fields.get("completion_tokens") or 0
        if record.kind in ("call", "fault"):
            self.waiting.pop(record.span, None)
        if record.kind in ("resumed", "run_finished"):
            self.waiting.clear()
        if record.kind == "verdict":
            results = record.fields["verdict"]["results"]
            self.held = f"{sum(bool(result['passed']) for result in results)} of {len(results)}"

    def shown(self) -> dict[str, Any]:
        tokens = f"{self.prompt_tokens:,} + {self.completion_tokens:,}"
        waiting = [name[:200] for name in list(self.waiting.values())[:6]]
        return {
            "attempt": self.attempt, "calls": self.calls, "tokens": tokens, "held": self.held, "waiting": waiting,
            "ended": self.ended,
        }  # fmt: skip


def told(record: Record) -> Told:
    try:
        lines = [line.strip()[:LINE_CHARS] for line in lines_of(record)[1:30]]
    except (NightshiftError, ValueError, KeyError, TypeError, AttributeError) as error:
        lines = [f"cannot be shown: {one_line(repr(error))[:LINE_CHARS]}"]
    shown = {
        "seq": record.seq, "time": one_line(record.time[11:19]), "kind": one_line(record.kind)[:40],
        "span": one_line(record.span)[:200], "lines": lines,
    }  # fmt: skip
    return Told(record.seq, json.dumps(shown))


class Tail:
    """One trace and those who read along."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._tally = Tally()
        self._kept: deque[Told] = deque(maxlen=KEPT)
        self._news = threading.Condition()
        self._caught_up = False
        self.readers = 0
        self._thread = threading.Thread(target=self._follow, name="tail", daemon=True)
        self._over = threading.Event()

    def start(self) -> None:
        self._thread.start()

    def end(self) -> None:
        self._over.set()

    def after(self, seq: int, seconds: float, *, at_once: bool = False) -> tuple[list[Told], dict[str, Any]] | None:
        """What came after that record and the figures, as soon as there is something; None when nothing came."""
        with self._news:
            if not self._news.wait_for(lambda: self._caught_up and (at_once or self._last > seq), seconds):
                return None
            return [one for one in self._kept if one.seq > seq], self._tally.shown()

    @property
    def _last(self) -> int:
        return self._kept[-1].seq if self._kept else 0

    def _follow(self) -> None:
        with self._path.open("rb") as file:
            while not self._over.is_set():
                more = self._read(file)
                if not more:
                    self._over.wait(POLL_SECONDS)

    def _read(self, file: IO[bytes]) -> bool:
        """Words up to a block of new records; whether there may be more."""
        start = file.tell()
        block = file.read(BLOCK)
        while block and b"\n" not in block and (more := file.read(BLOCK)):
            block += more
        whole = block[: block.rfind(b"\n") + 1]
        file.seek(start + len(whole))
        records = [record for line in whole.splitlines(keepends=True) for record in _readable(line)]
        # Only the last ones are ever shown.
        shown = [told(record) for record in records[-KEPT:]]
        with self._news:
            for record in records:
                self._count(record)
            self._kept.extend(shown)
            self._caught_up = self._caught_up or not whole
            self._news.notify_all()
        return bool(whole)

    def _count(self, record: Record) -> None:
        try:
            self._tally.add(record)
        except (ValueError, KeyError, TypeError, AttributeError):
            self._tally.held = "cannot be read"


class Tails:
    """The traces that somebody reads along with."""

    def __init__(self) -> None:
        self._tails: dict[Path, Tail] = {}
        self._lock = threading.Lock()

    @contextmanager
    def reading(self, path: Path) -> Iterator[Tail]:
        with self._lock:
            tail = self._tails.get(path)
            if tail is None:
                tail = self._tails[path] = Tail(path)
                tail.start()
            tail.readers += 1
        try:
            yield tail
        finally:
            with self._lock:
                tail.readers -= 1
                if not tail.readers:
                    tail.end()
                    del self._tails[path]


def events(tail: Tail, seq: int, gone: Callable[[], bool], alive: Callable[[], bool], beat: float) -> Iterator[bytes]:
    """The event stream of one reader, from after that record to the run's end, or its death, or until it is gone."""
    spoken, begun = time.monotonic(), False
    while not gone():
        if news := tail.after(seq, 1.0, at_once=not begun):
            records, tally = news
            seq, begun = max([seq, *(one.seq for one in records)]), True
            body = f'{{"tally":{json.dumps(tally)},"records":[{",".join(one.text for one in records)}]}}'
            spoken = time.monotonic()
            yield f"id: {seq}\nevent: records\ndata: {body}\n\n".encode()
            if tally["ended"]:
                yield ENDED
                return
        elif time.monotonic() - spoken > beat:
            spoken = time.monotonic()
            if not alive():
                yield ENDED
                return
            yield b": alive\n\n"


def _readable(line: bytes) -> Iterator[Record]:
    try:
        yield record_of(line)
    except ValueError:
        return
