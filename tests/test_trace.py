"""The trace: every record whole, in order and still there after anything; resume answers from it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from datetime import datetime, timedelta
from pathlib import Path

import pytest
import sample_run as sample

from nightshift.disk import disk_errors, write_all, write_atomically
from nightshift.errors import ConfigError, DiskFull, WorkspaceLocked
from nightshift.records import TraceDamaged, elapsed_of, read_trace, usage_of
from trace_collector import Trace

ROOT = Path(__file__).resolve().parent.parent


def python(code: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        cwd=ROOT, capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL,
    )  # fmt: skip


def lines(folder: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (folder / "trace.jsonl").read_bytes().splitlines()]


def test_a_record_is_one_line_with_the_contract_fields_and_its_own(tmp_path: Path) -> None:
    with Trace.create(tmp_path / "r1", "r1") as trace:
        trace.record("evaluation", "attempt-1/build/a.py/candidate-1", path="a.py", outcomes={"t": True})
        trace.record("guard", "", reason="line\nbreak\u2028 and \udc80 and \x00")
    first, second = lines(tmp_path / "r1")
    assert list(first) == ["seq", "time", "run", "kind", "span", "path", "outcomes"]
    assert (first["seq"], second["seq"], first["run"], first["kind"]) == (1, 2, "r1", "evaluation")
    assert datetime.fromisoformat(str(first["time"])).utcoffset() == timedelta(0)
    assert str(first["time"])[-5:-4] == "." or str(first["time"]).endswith("Z")
    assert read_trace(tmp_path / "r1" / "trace.jsonl")[1].fields["reason"] == "line\nbreak\u2028 and \udc80 and \x00"


def test_domain_values_are_recorded_as_plain_data(tmp_path: Path) -> None:
    with Trace.create(tmp_path, "r") as trace:
        trace.record("planned", "plan", plan=sample.PLAN, accepted=True)
        assert trace.records()[0].fields["plan"]["criteria"][1]["check"]["type"] == "script"
        with pytest.raises(TypeError, match="no JSON form"):
            trace.record("guard", "", reason=object())
        with pytest.raises(AssertionError, match="own fields"):
            trace.record("guard", "", run="another")
        trace.record("guard", "", reason="still in order")
    assert [record.seq for record in read_trace(tmp_path / "trace.jsonl")] == [1, 2]


def test_threads_share_a_trace_without_a_gap_or_a_mixed_line(tmp_path: Path) -> None:
    seen: list[int] = []
    with Trace.create(tmp_path, "r") as trace:
        trace.subscribe(lambda record: seen.append(record.seq))
        writers = [
            threading.Thread(target=lambda: [trace.record("executed", "s", text="x" * 5000) for _ in range(40)])
            for _ in range(8)
        ]
        for writer in writers:
            writer.start()
        for writer in writers:
            writer.join()
    assert [record.seq for record in read_trace(tmp_path / "trace.jsonl")] == list(range(1, 321)) == seen


def test_a_new_trace_never_replaces_one(tmp_path: Path) -> None:
    Trace.create(tmp_path, "r").close()
    with pytest.raises(FileExistsError):
        Trace.create(tmp_path, "r")


def test_a_run_killed_at_any_byte_resumes_with_every_whole_record(tmp_path: Path) -> None:
    sample.failed_run(tmp_path / "whole")
    data = (tmp_path / "whole" / "trace.jsonl").read_bytes()
    ends = [i + 1 for i, byte in enumerate(data) if byte == 10]
    cuts = {end + shift for end in [0, *ends] for shift in (-2, -1, 0, 1, 40)} | {0}
    for cut in sorted(c for c in cuts if 0 <= c <= len(data)):
        folder = tmp_path / f"cut-{cut}"
        folder.mkdir()
        (folder / "trace.jsonl").write_bytes(data[:cut])
        whole = sum(end <= cut for end in ends)
        assert len(read_trace(folder / "trace.jsonl")) == whole
        with Trace.resume(folder) as trace:
            trace.record("guard", "", reason="goes on")
            records = trace.records()
        assert [record.seq for record in records] == list(range(1, whole + 3))
        assert records[whole].kind == "resumed"
        dropped = cut - max([0, *(end for end in ends if end <= cut)])
        assert records[whole].fields.get("dropped_bytes", 0) == dropped


@pytest.mark.parametrize("tail", [b"\0" * 4096, b"\xff\xfe garbage", b'{"seq": 3}\n', b"[]\n", b"\n"])
def test_a_bad_last_line_of_any_kind_is_dropped(tmp_path: Path, tail: bytes) -> None:
    sample.failed_run(tmp_path)
    before = read_trace(tmp_path / "trace.jsonl")
    with (tmp_path / "trace.jsonl").open("ab") as file:
        file.write(tail)
    assert read_trace(tmp_path / "trace.jsonl") == before


@pytest.mark.parametrize("bad", [b"", b"{", b'{"seq": 2}', b"null", b"\0\0", b'{"seq":9,"time":"2026-01-01T00:00:00Z","run":"r","kind":"k","span":""}'])  # fmt: skip
def test_damage_in_the_middle_is_an_error_that_names_the_line_and_the_way_out(tmp_path: Path, bad: bytes) -> None:
    sample.failed_run(tmp_path)
    path = tmp_path / "trace.jsonl"
    content = path.read_bytes().split(b"\n")
    content[4] = bad
    path.write_bytes(b"\n".join(content))
    with pytest.raises(TraceDamaged, match=r"line 5: .*head -n 4"):
        read_trace(path)
    with pytest.raises(TraceDamaged):
        Trace.resume(tmp_path)
    assert path.read_bytes() == b"\n".join(content), "refusing must not change the file"


def test_a_missing_trace_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no run"):
        Trace.resume(tmp_path / "none")


def test_recall_gives_each_earlier_record_once_in_order_and_only_for_the_same_question(
    tmp_path: Path,
) -> None:
    with Trace.create(tmp_path, "r") as trace:
        for text in ("one", "two"):
            trace.record("call", "span", key="k", text=text)
        trace.record("call", "another span", key="other", text="three")
        trace.record("explored", "", text="keyless")
        assert trace.recall("call", "span", "k") is None, "only what an earlier part recorded is recalled"
    with Trace.resume(tmp_path) as trace:
        assert trace.recall("call", "elsewhere", "k") is None
        assert trace.recall("asked", "span", "k") is None
        answers = [trace.recall("call", "span", "k") for _ in range(3)]
        assert [answer and answer["text"] for answer in answers] == ["one", "two", None]
        assert (trace.recall("explored", "", "") or {})["text"] == "keyless"
        assert trace.replayed == 3


def test_from_the_first_changed_question_on_a_resumed_run_decides_anew_and_says_so_once(tmp_path: Path) -> None:
    """A reply to the very same question still counts; an order of a race that was run with other questions does not."""
    with Trace.create(tmp_path, "r") as trace:
        trace.record("selected", "early", key="race", considered=["a"])
        for number in (1, 2, 3):
            trace.record("call", f"ask-{number}", key="old", text=str(number))
        trace.record("selected", "late", key="race", considered=["b"])
    with Trace.resume(tmp_path) as trace:
        trace.record("selected", "early", **(trace.recall("selected", "early", "race") or {}))
        assert trace.recall("call", "ask-1", "old")
        assert trace.recall("call", "ask-2", "new") is None
        assert trace.recall("call", "ask-3", "new") is None
        assert trace.recall("selected", "late", "race") is None
        assert (trace.recall("call", "ask-3", "old") or {})["text"] == "3"
        trace.record("call", "ask-2", key="new", text="2, anew")
        said = [(r.span, r.fields["action"]) for r in trace.records() if r.fields.get("rule") == "replay"]
        assert said == [("ask-2", "live from here on")]
    with Trace.resume(tmp_path) as trace:
        assert trace.recall("selected", "early", "race"), "what was told before the change still holds"
        assert (trace.recall("call", "ask-2", "new") or {})["text"] == "2, anew"
        assert trace.recall("selected", "late", "race") is None, "and what followed it in an older part never again"


def test_of_a_decision_told_again_the_last_telling_counts(tmp_path: Path) -> None:
    for number in (1, 2):
        with Trace.create(tmp_path, "r") if number == 1 else Trace.resume(tmp_path) as trace:
            trace.record("trust", "attempt-1/trust", key="trials", trials=number)
    with Trace.resume(tmp_path) as trace:
        assert (trace.recall("trust", "attempt-1/trust", "trials") or {})["trials"] == 2
        assert trace.recall("trust", "attempt-1/trust", "trials") is None


def test_a_run_that_other_code_began_is_noted(tmp_path: Path) -> None:
    with Trace.create(tmp_path, "r") as trace:
        trace.record("run_started", "", version="1")
    for version, noted in (("1", None), ("2", "1")):
        with Trace.resume(tmp_path, version=version) as trace:
            assert trace.records()[-1].fields.get("begun_by") == noted


@pytest.mark.parametrize("jump", [-36_000.0, 36_000.0])
def test_a_clock_that_jumps_takes_no_minute_from_a_run_and_gives_none(tmp_path: Path, jump: float) -> None:
    clocks = iter([time.time(), time.time() + jump])
    for part in (1, 2):
        at = next(clocks)
        with (
            Trace.create(tmp_path, "r", clock=lambda at=at: at) if part == 1  # type: ignore[misc]
            else Trace.resume(tmp_path, clock=lambda at=at: at)  # type: ignore[misc]
        ) as trace:  # fmt: skip
            for _ in range(3):
                trace.record("guard", "")
    with Trace.resume(tmp_path) as trace:
        assert 0 <= trace.elapsed_seconds < 5
        assert [r.seq for r in trace.records()] == list(range(1, 9))


def test_a_thread_that_outlives_the_trace_writes_into_no_file(tmp_path: Path) -> None:
    trace = Trace.create(tmp_path / "r", "r")
    trace.close()
    with (tmp_path / "other").open("wb"), pytest.raises(OSError, match="Bad file descriptor"):
        trace.record("guard", "")
    assert (tmp_path / "other").read_bytes() == b""


def test_a_trace_has_one_writer(tmp_path: Path) -> None:
    with Trace.create(tmp_path, "r") as trace:
        trace.record("run_started", "")
        with pytest.raises(WorkspaceLocked, match="another process"):
            Trace.resume(tmp_path)
    with Trace.resume(tmp_path) as trace, pytest.raises(WorkspaceLocked):
        Trace.resume(tmp_path)


def test_a_killed_writer_leaves_every_record_it_was_told_is_written(tmp_path: Path) -> None:
    code = """
import os, signal, sys
from pathlib import Path
from trace_collector import Trace
trace = Trace.create(Path(sys.argv[1]), "r")
for number in range(20):
    trace.record("asked" if number % 2 else "call", "s", number=number)
os.kill(os.getpid(), signal.SIGKILL)
"""
    assert python(code, tmp_path).returncode == -signal.SIGKILL
    assert [record.fields["number"] for record in read_trace(tmp_path / "trace.jsonl")] == list(range(20))
    Trace.resume(tmp_path).close()


def test_counts_and_time_go_on_where_the_run_stopped(tmp_path: Path) -> None:
    sample.failed_run(tmp_path)
    with Trace.resume(tmp_path) as trace:
        assert (trace.usage.calls, trace.usage.prompt_tokens, trace.usage.completion_tokens) == (4, 400, 40)
        assert 0 <= trace.elapsed_seconds < 5
        sample.ask(trace, "builder", "again", "x")
        assert (trace.usage.calls, trace.usage.prompt_tokens) == (5, 500)
        assert trace.usage == usage_of(trace.records())


def test_elapsed_time_leaves_out_the_night_in_between_and_a_clock_set_back(tmp_path: Path) -> None:
    told = [("run_started", 0), ("call", 10), ("call", 4), ("call", 6), ("resumed", 90_000), ("call", 90_007)]
    start = datetime.fromisoformat("2026-01-01T00:00:00.000Z")
    rows = [
        {"seq": n, "time": (start + timedelta(seconds=at)).isoformat(), "run": "r", "kind": kind, "span": ""}
        for n, (kind, at) in enumerate(told, 1)
    ]
    (tmp_path / "trace.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    assert elapsed_of(read_trace(tmp_path / "trace.jsonl")) == 10 + 2 + 7


def test_a_full_disk_is_said_plainly_and_leaves_a_trace_that_resumes(tmp_path: Path) -> None:
    code = """
import resource, sys
from pathlib import Path
from nightshift.errors import DiskFull
from trace_collector import Trace
resource.setrlimit(resource.RLIMIT_FSIZE, (3000, resource.RLIM_INFINITY))
trace = Trace.create(Path(sys.argv[1]), "r")
written = 0
for text in ["x" * 700] * 9 + ["short"]:
    try:
        trace.record("call", "s", text=text)
        written += 1
    except DiskFull as error:
        message = str(error)
print(written, message)
"""
    done = python(code, tmp_path)
    written, _, message = done.stdout.partition(" ")
    assert message, done.stderr
    assert "Free space" in message
    assert str(tmp_path) in message
    records = read_trace(tmp_path / "trace.jsonl")
    assert len(records) == int(written) == 4, "a short record still fits once the half line is cut"
    assert records[-1].fields["text"] == "short"
    Trace.resume(tmp_path).close()


def test_no_space_left_is_disk_full_and_other_errors_are_not() -> None:
    path = Path("/dev/full")
    with path.open("wb", buffering=0) as full, pytest.raises(DiskFull, match="No space"), disk_errors(path):
        write_all(full.fileno(), b"x")
    with pytest.raises(BrokenPipeError), disk_errors(Path("pipe")):
        raise BrokenPipeError


def test_an_interrupt_at_any_instant_leaves_no_gap_and_no_double_number(tmp_path: Path) -> None:
    code = """
import random, signal, sys
from pathlib import Path
from trace_collector import Trace

class Interrupt(BaseException):
    pass

def interrupt(*_):
    raise Interrupt

signal.signal(signal.SIGALRM, interrupt)
trace, kept, hits = Trace.create(Path(sys.argv[1]), "r"), [], 0
chance = random.Random(7)
for number in range(600):
    try:
        signal.setitimer(signal.ITIMER_REAL, chance.uniform(1e-5, 2e-4))
        while True:
            trace.record("call", "s", number=number, text="x" * 300)
            kept.append(number)
    except Interrupt:
        hits += 1
trace.record("call", "s", number="end")
print(hits, len(kept))
"""
    done = python(code, tmp_path)
    assert done.returncode == 0, done.stderr
    hits, kept = map(int, done.stdout.split())
    records = read_trace(tmp_path / "trace.jsonl")
    assert hits == 600
    assert kept < len(records) <= kept + hits + 1
    assert records[-1].fields["number"] == "end"


def test_an_observer_hears_each_record_after_it_is_on_disk_and_its_error_is_loud(tmp_path: Path) -> None:
    with Trace.create(tmp_path, "r") as trace:
        heard: list[tuple[str, int]] = []
        trace.subscribe(lambda record: heard.append((record.kind, len(trace.records()))))
        trace.record("explored", "")
        trace.record("planned", "")
        assert heard == [("explored", 1), ("planned", 2)]
        trace.subscribe(lambda record: [][1])
        with pytest.raises(IndexError):
            trace.record("verdict", "")
        assert [record.kind for record in trace.records()] == ["explored", "planned", "verdict"]


def test_the_heartbeat_tells_the_time_of_the_last_progress(tmp_path: Path) -> None:
    with Trace.create(tmp_path, "r") as trace:
        trace.record("explored", "")
        assert abs(int((tmp_path / "heartbeat").read_text(encoding="utf-8")) - time.time()) < 5
        os.utime(tmp_path / "heartbeat", (0, 0))
        trace.beat()
        assert (tmp_path / "heartbeat").stat().st_mtime == 0, "at most one write a second"


def test_a_file_is_replaced_as_a_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "new" / "result.json"
    write_atomically(path, "first")
    write_atomically(path, "second \udc80")
    assert path.read_text(encoding="utf-8") == "second \\udc80"
    (tmp_path / "folder").mkdir()
    with pytest.raises(IsADirectoryError):
        write_atomically(tmp_path / "folder", "x")
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["folder", "new", "result.json"]
