"""The dashboard's addresses: which page shows what. Everything is read; one thing can be done, stopping a run."""

from __future__ import annotations

import hmac
import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from nightshift.errors import NightshiftError
from nightshift.report.compare import delivered_lines, difference_of
from nightshift.report.dashboard import pages
from nightshift.report.dashboard.assets import SCRIPT, SHEET
from nightshift.report.dashboard.known import RUN, UNREADABLE, Known, Run, is_running, report_in
from nightshift.report.dashboard.owner import stop
from nightshift.report.dashboard.processes import queue_status
from nightshift.report.dashboard.server import Client, HttpError, Request, Response, Route, Stream, fields_of
from nightshift.report.dashboard.tailer import Tails, events, told
from nightshift.report.outline import outline
from nightshift.report.reading import last_records
from nightshift.report.result import result_of

PAGE_OF_RUNS = 60
SHOWN_RECORDS = 60
STATUS_SECONDS = 2.0
"""For so long an answer of `nightly.py --status` is good for every tab."""
DIFF_LINES = 5000
BEAT_SECONDS = 10.0
REPORT_POLICY = (
    "sandbox allow-scripts; default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""A report has its own, stricter policy too. This one gives it an origin of its own: it reaches nothing of ours."""
PLACE = r"(?P<place>[0-9a-f]{16})"
ONE = rf"/run/{PLACE}/(?P<name>{RUN})"


@dataclass(frozen=True, slots=True)
class Dashboard:
    known: Known
    token: str
    front_door: Callable[[], str]
    """Says how to use it, as the body of a page."""
    tails: Tails = field(default_factory=Tails)
    statuses: dict[Path, tuple[float, dict[str, Any]]] = field(default_factory=dict)

    def routes(self) -> list[Route]:
        return [
            Route("GET", r"/", self._runs),
            Route("GET", r"/compare", self._compare),
            Route("GET", r"/queues", self._queues),
            Route("GET", rf"/queue/{PLACE}", self._queue),
            Route("GET", rf"/queue/{PLACE}/(?P<night>{RUN})", self._night),
            Route("GET", r"/front-door", lambda request: _html(self.front_door())),
            Route("GET", ONE, self._run),
            Route("GET", rf"{ONE}/report", self._report),
            Route("GET", rf"{ONE}/events", self._events),
            Route("POST", rf"{ONE}/stop", self._stop),
            Route("GET", r"/static/style.css", partial(_asset, SHEET, "text/css")),
            Route("GET", r"/static/app.js", partial(_asset, SCRIPT, "text/javascript")),
        ]

    def _runs(self, request: Request) -> Response:
        wanted = {name: request.query.get(name, "")[:200] for name in ("q", "status", "place")}
        before = request.query.get("before", "")
        rows = list(self._fitting(wanted, before))
        last = rows[PAGE_OF_RUNS - 1][0].name if len(rows) > PAGE_OF_RUNS else ""
        more = f"/?{urlencode({**wanted, 'before': last})}" if last else ""
        places = {place: str(path) for place, path in self.known.workspaces().items()}
        return _html(pages.runs_page(rows[:PAGE_OF_RUNS], wanted, places, more))

    def _fitting(self, wanted: Mapping[str, str], before: str) -> Iterator[pages.Row]:
        """One more than a page holds; those further down are not even read."""
        found = 0
        for run in self.known.runs():
            if found > PAGE_OF_RUNS or (before and run.name >= before) or wanted["place"] not in ("", run.place):
                continue
            row = self.known.summary(run)
            text = f"{run.name} {row['task']}".casefold()
            if wanted["q"].casefold() in text and wanted["status"] in ("", row["status"]):
                found += 1
                yield run, row

    def _run(self, request: Request, place: str, name: str) -> Response:
        run = self.known.run(place, name)
        row = self.known.summary(run)
        shown = [told(record) for record in self._last(run)]
        note = "It was told to stop and ends as soon as everything is saved." if "stopping" in request.query else ""
        items = [pages.record_item(json.loads(one.text)) for one in shown]
        seq = shown[-1].seq if shown else 0
        show = partial(pages.run_page, run, row, seq=seq, token=self.token, note=note)
        try:
            return _html(show(_result(run), items))
        except UNREADABLE:
            return _html(show({}, items))

    def _last(self, run: Run) -> Iterator[Any]:
        try:
            yield from last_records(run.trace, SHOWN_RECORDS)
        except (NightshiftError, OSError):
            return  # the row above says that it is damaged, or gone

    def _report(self, request: Request, place: str, name: str) -> Response:
        run = self.known.run(place, name)
        return _sandboxed(report_in(run.folder, run.workspace))

    def _events(self, request: Request, place: str, name: str) -> Stream:
        run = self.known.run(place, name)
        # The browser itself sends the first when it connects again.
        seq = request.headers.get("Last-Event-ID") or request.query.get("after", "0")
        if not (seq.isascii() and seq.isdigit() and len(seq) < 12):
            raise HttpError(400, "after must be the number of a record")

        def tell(client: Client) -> None:
            with self.tails.reading(run.trace) as tail:
                client.send(b"retry: 2000\n\n")
                for event in events(tail, int(seq), lambda: client.gone, lambda: is_running(run), BEAT_SECONDS):
                    client.send(event)

        return Stream(tell)

    def _stop(self, request: Request, place: str, name: str) -> Response:
        given = fields_of(request.body.decode("ascii", "replace")).get("token", [""])[0]
        if not hmac.compare_digest(given.encode(), self.token.encode()):
            raise HttpError(403, "this form is not of this dashboard, or it was started anew: load the page again")
        run = self.known.run(place, name)
        try:
            stop(run.workspace, run.name)
        except NightshiftError as error:
            raise HttpError(409, str(error)) from error
        return Response(status=303, headers={"Location": f"{run.url}?stopping"})

    def _compare(self, request: Request) -> Response:
        named = fields_of(request.raw_query).get("run", [])
        if len(named) != 2:
            raise HttpError(400, f"two runs can be compared, {len(named)} were ticked")
        runs = [self.known.run(*(one.partition("/")[::2])) for one in named]
        one, other = sorted(runs, key=lambda run: run.name)
        try:
            found = difference_of(one.trace, other.trace)
            diff = list(delivered_lines(one.trace, other.trace))
        except UNREADABLE as error:
            raise HttpError(409, f"they cannot be compared: {error}") from error
        cut = [*diff[:DIFF_LINES], "..."] if len(diff) > DIFF_LINES else diff
        return _html(pages.compare_page((one, other), found, cut))

    def _queues(self, request: Request) -> Response:
        return _html(pages.queues_page((f"/queue/{place}", str(path)) for place, path in self.known.queues.items()))

    def _queue(self, request: Request, place: str) -> Response:
        queue = self.known.queue(place)
        nights = [(f"/queue/{place}/{night}", night) for night in _nights(queue)]
        return _html(pages.queue_page(queue.name, self._status(queue), nights))

    def _night(self, request: Request, place: str, night: str) -> Response:
        queue = self.known.queue(place)
        if night not in _nights(queue):
            raise HttpError(404, "there is no such night")
        return _sandboxed(report_in(queue / "nights" / night, queue))

    def _status(self, queue: Path) -> dict[str, Any]:
        asked, status = self.statuses.get(queue, (0.0, {}))
        if not status or time.monotonic() - asked > STATUS_SECONDS:
            status = queue_status(queue)
            self.statuses[queue] = time.monotonic(), status
        return status


def complain(path: str, error: HttpError) -> Response:
    return Response(pages.message_page("Not possible", str(error)).encode(), status=error.status)


def _result(run: Run) -> dict[str, Any]:
    try:
        return result_of(list(outline(run.trace)))
    except UNREADABLE:
        return {}


def _nights(queue: Path) -> list[str]:
    folder = queue / "nights"
    names = [path.name for path in folder.iterdir() if path.is_dir()] if folder.is_dir() else []
    return sorted(names, reverse=True)[:200]


def _html(text: str) -> Response:
    return Response(text.encode())


def _sandboxed(report: bytes) -> Response:
    return Response(report, headers={"Content-Security-Policy": REPORT_POLICY})


def _asset(text: str, kind: str, request: Request) -> Response:
    return Response(text.encode(), f"{kind}; charset=utf-8")
