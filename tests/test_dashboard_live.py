"""The live view: each record once, in order, as soon as it is whole; and many readers cost no more than one."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from dashboards import Site, open_site, url_of
from nights import wait_until
from sample_run import RUN, ask, finish, run_dir, start

from nightshift.records import Record
from nightshift.report.dashboard import server as limits
from nightshift.report.dashboard.tailer import KEPT, Tally
from trace_collector import Trace


class Reader:
    """One tab: the events of a run, as a browser reads them."""

    def __init__(self, site: Site, path: str, head: str = "") -> None:
        self._socket = socket.create_connection(("127.0.0.1", site.port), timeout=20)
        self._socket.sendall(f"GET {path} HTTP/1.0\r\nHost: 127.0.0.1:{site.port}\r\n{head}\r\n".encode())
        self._file = self._socket.makefile("rb")
        self.status = int(self._file.readline().split()[1])
        while self._file.readline().strip():
            pass

    def event(self) -> tuple[str, Any]:
        """Its name and data; comments are passed over."""
        fields: dict[str, str] = {}
        while True:
            line = self._file.readline().decode()
            if not line:
                return "closed", None
            if line == "\n" and "data" in fields:
                return fields["event"], json.loads(fields["data"])
            name, _, value = line.strip().partition(": ")
            fields[name] = value

    def seqs(self, last: int) -> list[int]:
        """Of all records up to that one."""
        found: list[int] = []
        while not found or found[-1] < last:
            found += [record["seq"] for record in self.event()[1]["records"]]
        return found

    def close(self) -> None:
        self._file.close()
        self._socket.close()


@contextmanager
def reading(site: Site, path: str, head: str = "") -> Iterator[Reader]:
    reader = Reader(site, path, head)
    try:
        yield reader
    finally:
        reader.close()


@pytest.fixture
def trace(tmp_path: Path) -> Iterator[Trace]:
    with Trace.create(run_dir(tmp_path / "shop"), RUN) as made:
        start(made)
        yield made


@pytest.fixture
def site(tmp_path: Path, trace: Trace) -> Iterator[Site]:
    with open_site(tmp_path, [tmp_path / "shop"]) as opened:
        yield opened


@pytest.fixture
def events(tmp_path: Path) -> str:
    return f"{url_of(run_dir(tmp_path / 'shop'))}/events"


def test_a_new_record_arrives_with_the_figures_so_far(site: Site, trace: Trace, events: str) -> None:
    with reading(site, events) as reader:
        before = reader.seqs(trace.records()[-1].seq)
        assert before == list(range(1, len(before) + 1))
        ask(trace, "builder", "attempt-1/build/storage.py/candidate-1", "code")
        name, news = reader.event()
        assert name == "records"
        assert [record["kind"] for record in news["records"]][-1] in ("asked", "call")
        while news["tally"]["waiting"]:
            _, news = reader.event()
        assert (news["tally"]["calls"], news["tally"]["tokens"], news["tally"]["attempt"]) == (2, "200 + 20", 1)


def test_a_reader_that_comes_back_goes_on_where_it_was(site: Site, trace: Trace, events: str) -> None:
    """The browser names the last record it had."""
    last = trace.records()[-1].seq
    for head, path in ((f"Last-Event-ID: {last - 1}\r\n", events), ("", f"{events}?after={last - 1}")):
        with reading(site, path, head) as reader:
            assert [record["seq"] for record in reader.event()[1]["records"]] == [last]


@pytest.mark.parametrize("after", ["-1", "x", "9" * 30, "²", "1 OR 1"])
def test_only_the_number_of_a_record_can_be_named(site: Site, events: str, after: str) -> None:
    assert site.ask(events, {"Last-Event-ID": after.encode().decode("latin-1")}).status == 400


def test_the_stream_ends_with_the_run(site: Site, trace: Trace, events: str) -> None:
    with reading(site, events) as reader:
        reader.event()
        finish(trace, "passed", "passed", 0)
        assert reader.event()[1]["tally"]["ended"]
        assert reader.event() == ("ended", {})
        assert reader.event() == ("closed", None)


def test_a_line_that_is_being_written_waits_until_it_is_whole(
    site: Site, trace: Trace, events: str, tmp_path: Path
) -> None:
    last = trace.records()[-1].seq
    line = json.dumps(
        {"seq": last + 1, "time": "2026-01-01T00:00:00.000Z", "run": RUN, "kind": "learned", "span": "", "lessons": []}
    )
    with (
        reading(site, f"{events}?after={last - 1}") as reader,
        (run_dir(tmp_path / "shop") / "trace.jsonl").open("a") as file,
    ):
        assert reader.seqs(last) == [last]
        file.write(line[:20])
        file.flush()
        threading.Event().wait(0.6)
        file.write(line[20:] + "\n")
        file.flush()
        assert reader.event()[1]["records"][0]["seq"] == last + 1


def test_many_readers_share_one_reading_of_the_trace(site: Site, trace: Trace, events: str) -> None:
    readers = [Reader(site, events) for _ in range(20)]
    try:
        last = trace.records()[-1].seq
        assert {tuple(reader.seqs(last)) for reader in readers} == {tuple(range(1, last + 1))}
        wait_until(lambda: sum(thread.name == "tail" for thread in threading.enumerate()) == 1, 20)
    finally:
        for reader in readers:
            reader.close()
    wait_until(lambda: not any(thread.name == "tail" for thread in threading.enumerate()), 20)
    assert not site.dashboard.tails._tails, "nothing is left of readers that are gone"


def test_a_reader_far_behind_gets_the_last_records_only(site: Site, trace: Trace, events: str) -> None:
    for number in range(KEPT + 50):
        trace.record("guard", "", rule="r", action="a", reason=str(number))
    with reading(site, events) as reader:
        last = trace.records()[-1].seq
        assert len(reader.seqs(last)) <= KEPT + 60


def test_live_views_leave_room_for_pages(site: Site, events: str) -> None:
    with ExitStack() as tabs:
        for _ in range(limits.MAX_STREAMS):
            tabs.enter_context(reading(site, events))
        assert tabs.enter_context(reading(site, events)).status == 503
        assert site.ask("/").status == 200


def test_a_question_waits_until_it_is_answered() -> None:
    tally = Tally()
    for kind in ("asked", "asked", "call"):
        tally.add(Record(1, "", RUN, kind, "attempt-1/build/a.py/candidate-1", {"role": "builder"}))
    assert (tally.calls, tally.waiting) == (2, {})
    tally.add(Record(1, "", RUN, "asked", "plan/ask-1", {"role": "planner"}))
    assert list(tally.waiting.values()) == ["planner, ask-1"]
    tally.add(Record(1, "", RUN, "resumed", "", {}))
    assert not tally.waiting, "whoever asked died with the part of the run before"
