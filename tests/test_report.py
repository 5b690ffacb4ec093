"""Reports are derived from the trace alone: result.json, handoff.md, report.html and the live console."""

from __future__ import annotations

import contextlib
import fcntl
import io
import json
import os
import pty
import re
import struct
import termios
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
import sample_run as sample
from hypothesis import given
from hypothesis import strategies as st

from nightshift.domain import EXIT_CODES, Quarantined, TestReport, TestResult
from nightshift.records import Record, as_json, read_trace
from nightshift.report.cache import CacheUse, cache_use
from nightshift.report.console import NOTHING_BUILT, OWN_CHECKS, Console, describe
from nightshift.report.handoff import can_go_on, continue_command, handoff_of
from nightshift.report.html import report_of
from nightshift.report.result import result_of
from nightshift.report.stats import stats_lines, stats_of
from nightshift.report.text import duration, fitted, one_line, printable
from trace_collector import Trace

EVIL = '<script>alert(1)</script>\x1b[2J\u202e```\n# heading & "quotes" \'</pre>'


def hostile(value: Any) -> Any:
    """The same data with every free text replaced by a hostile one."""
    if isinstance(value, dict):
        keep = {"type", "kind", "blame", "outcome", "channel", "label", "chosen", "considered"}
        return {key: item if key in keep else hostile(item) for key, item in value.items()}
    if isinstance(value, list):
        return [hostile(item) for item in value]
    return EVIL if isinstance(value, str) else value


@pytest.fixture(params=["passed", "failed", "hostile", "killed", "empty"])
def records(request: pytest.FixtureRequest, tmp_path: Path) -> list[Record]:
    if request.param == "empty":
        return []
    told = sample.passed_run(tmp_path) if request.param == "passed" else sample.failed_run(tmp_path)
    if request.param == "hostile":
        return [replace(record, fields=hostile(dict(record.fields))) for record in told]
    return told[:7] if request.param == "killed" else told


def test_a_result_has_exactly_the_fields_of_the_contract(records: list[Record]) -> None:
    result = result_of(records)
    assert list(result) == [
        "run",
        "task",
        "status",
        "exit_reason",
        "exit_code",
        "proof",
        "attempts",
        "criteria",
        "tests",
        "baseline",
        "remote",
        "usage",
        "files",
        "branch",
        "commit",
        "models",
        "counters",
    ]
    assert list(result["tests"]) == [
        "collected",
        "passed",
        "failed",
        "skipped",
        "oracle",
        "quarantined",
        "regressed",
        "fixed",
        "doubted",
    ]
    assert list(result["usage"]) == [
        "calls", "prompt_tokens", "cached_tokens", "completion_tokens", "model_seconds", "wall_seconds",
    ]  # fmt: skip
    for criterion in result["criteria"]:
        assert list(criterion) == ["id", "description", "check", "passed", "guard", "channel", "evidence"]
    assert json.loads(json.dumps(result)) == result


def test_the_result_of_a_passed_run(tmp_path: Path) -> None:
    result = result_of(sample.passed_run(tmp_path / sample.RUN))
    assert (result["run"], result["task"]) == (sample.RUN, sample.TASK.prompt)
    assert (result["status"], result["exit_reason"], result["exit_code"]) == ("passed", "passed", 0)
    assert (result["proof"], result["attempts"], result["remote"]) == ("self", 2, False)
    assert [(c["id"], c["passed"], c["channel"]) for c in result["criteria"]] == [
        ("c1", True, "oracle"),
        ("c2", True, "oracle"),
    ]
    assert result["criteria"][0]["check"]["type"] == "tests"
    assert result["tests"]["collected"] == result["tests"]["passed"] == 1
    assert result["tests"]["quarantined"] == [
        {"node": "tests/test_storage.py::test_odd", "reason": "contradicts the spec"}
    ]
    assert (result["files"][0]["path"], result["branch"], result["commit"]) == ("storage.py", "b", "c0")
    assert result["models"] == {"builder": "qwen"}


def test_green_before_anything_was_built_is_the_users_proof(tmp_path: Path) -> None:
    with Trace.create(tmp_path, "r") as trace:
        trace.record("run_started", "", task=sample.TASK, workspace="/w", models={}, remote=False)
        sample.finish(trace, "passed", "already_green", 0)
        records = trace.records()
    assert result_of(records)["proof"] == "user"
    assert OWN_CHECKS not in report_of(records) + said(records)


def test_a_run_without_an_end_was_interrupted_and_proves_nothing(tmp_path: Path) -> None:
    result = result_of(sample.failed_run(tmp_path)[:7])
    assert (result["status"], result["exit_code"]) == ("interrupted", EXIT_CODES["interrupted"])
    assert [criterion["evidence"] for criterion in result["criteria"]] == ["not judged"] * 2
    assert not any(criterion["passed"] for criterion in result["criteria"])


@pytest.mark.parametrize(
    ("outcomes", "counts"),
    [
        (["passed", "failed", "error"], (1, 2, 0)),
        (["passed", "skipped", "xfailed"], (1, 0, 2)),
        (["xpassed"], (0, 1, 0)),
    ],
)
def test_only_a_pass_counts_as_passed(tmp_path: Path, outcomes: list[Any], counts: tuple[int, int, int]) -> None:
    report = TestReport(tuple(TestResult(f"t{n}", o) for n, o in enumerate(outcomes)), len(outcomes))
    with Trace.create(tmp_path, "r") as trace:
        sample.judge(trace, 1, replace(sample.verdict(True), report=report))
        tests = result_of(trace.records())["tests"]
    assert (tests["passed"], tests["failed"], tests["skipped"]) == counts


def test_a_handoff_says_what_works_what_fails_what_was_tried_and_how_to_go_on(tmp_path: Path) -> None:
    text = handoff_of(sample.failed_run(tmp_path / sample.RUN))
    for wanted in (
        "attempts_exhausted", "1 of 2 collected tests pass", "### c1: tasks are stored", "KeyError: 'x'",
        "`tests/test_storage.py::test_a` failed", "E KeyError: test_a", "2 candidates evaluated",
        "chose candidate-2 of 2 candidates", "2. why: nothing is written", "add never saves",
        "Write the JSON file after each change.", "contradicts the spec", "went silent",
        f"orchestrator.py --workspace '/home/me/my project' --resume {sample.RUN} --attempts 2",
    ):  # fmt: skip
        assert wanted in text, wanted


@pytest.mark.parametrize(
    ("reason", "limits", "room"),
    [
        ("budget_calls", {"calls": 3}, "--max-calls 6"),
        ("budget_tokens", {"tokens": 2_000_000}, "--max-tokens 4000000"),
        ("budget_tokens", {"tokens": 50}, "--max-tokens 380"),
        ("budget_minutes", {"minutes": 0.01}, "--max-minutes 1"),
        ("interrupted", {}, ""),
    ],
)
def test_the_command_to_go_on_gives_more_room_than_was_spent(
    tmp_path: Path, reason: str, limits: dict[str, float], room: str
) -> None:
    """Three calls were made, for 330 tokens."""
    with Trace.create(tmp_path, "r") as trace:
        trace.record("run_started", "", task=sample.TASK, workspace="/w", config={"limits": limits})
        for number in range(3):
            sample.ask(trace, "builder", f"attempt-1/build/a.py/candidate-{number}", "text")
        sample.finish(trace, "limit", reason, 4)
        records = trace.records()
    assert continue_command(records).endswith(f"--workspace /w --resume r {room}".strip())


@pytest.mark.parametrize(
    ("status", "reason", "stopped"),
    [
        ("interrupted", "interrupted", True), ("limit", "budget_calls", True), ("error", "endpoint_unreachable", True),
        ("error", "invalid_config", False), ("failed", "no_progress", False), ("passed", "passed", False),
    ],
)  # fmt: skip
def test_only_a_run_that_was_stopped_goes_on_as_it_is(tmp_path: Path, status: str, reason: Any, stopped: bool) -> None:
    with Trace.create(tmp_path, "r") as trace:
        sample.start(trace)
        sample.finish(trace, status, reason, EXIT_CODES[reason])
        assert can_go_on(trace.records()) is stopped
        trace.record("run_started", "", overrides={"workspace.in_place": True})
        assert not can_go_on(trace.records()), "a run in place cannot be resumed"


class _Tags(HTMLParser):
    """Reads a page strictly: which tags and attributes it has, and whether they nest."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: set[str] = set()
        self.links: list[str] = []
        self.text = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)
        self.links += [str(value) for name, value in attrs if name in ("src", "href", "onclick", "onerror")]
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, f"</{tag}> does not close what is open"

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_report_is_one_well_formed_page_that_loads_and_runs_nothing(records: list[Record]) -> None:
    page = report_of(records)
    tags = _Tags(page)
    assert not tags.open
    assert all(link.startswith("#") for link in tags.links)
    assert tags.seen.isdisjoint({"img", "iframe", "object", "embed", "link", "form", "base"})
    assert "http" not in re.sub(r"http://127[\d.:]+|http-equiv", "", page)
    assert not set(page) & set("\x1b\u202e")


@pytest.mark.parametrize("make", [handoff_of, report_of])
def test_reports_are_the_same_for_the_same_trace(make: Any, tmp_path: Path) -> None:
    sample.failed_run(tmp_path)
    assert make(read_trace(tmp_path / "trace.jsonl")) == make(read_trace(tmp_path / "trace.jsonl"))


def test_a_hostile_trace_stays_inside_its_markdown_fences(tmp_path: Path) -> None:
    told = [replace(r, fields=hostile(dict(r.fields))) for r in sample.failed_run(tmp_path)]
    fence = ""
    for line in handoff_of(told).splitlines():
        mark = re.match(r"`{3,}", line)
        if not fence and mark:
            fence = mark[0]
        elif line == fence:
            fence = ""
        elif not fence:
            assert not line.startswith("# heading")
    assert not fence


def test_the_report_shows_the_matrix_the_evidence_and_the_grade_of_the_proof(tmp_path: Path) -> None:
    text = _Tags(report_of(sample.passed_run(tmp_path))).text
    for wanted in (
        OWN_CHECKS, "Criteria: 2 of 2 hold", "Quarantined tests", "contradicts the spec", "candidate-2 of 1",
        "tests/test_storage.py::test_b", "agrees with most tests", "nothing is written", "qwen-7b",
        "Files delivered on branch b", "Attempt 2", "✓", "✗",
    ):  # fmt: skip
        assert wanted in text, wanted


def test_a_repair_is_shown_also_where_nothing_was_chosen(tmp_path: Path) -> None:
    with Trace.create(tmp_path, "r") as trace:
        sample.start(trace)
        where = {"path": "tests/test_a.py", "outcome": "test rewritten", "detail": "contradicts the task"}
        trace.record("repair", "attempt-2/tests/test_a.py/rewrite", **where)
        records = trace.records()
    assert "repair: test rewritten: contradicts the task" in _Tags(report_of(records)).text


def test_a_user_check_that_took_part_changes_the_grade(tmp_path: Path) -> None:
    records = sample.passed_run(tmp_path, sample.TESTS, sample.USER)
    assert result_of(records)["proof"] == "mixed"
    assert OWN_CHECKS not in report_of(records)
    assert OWN_CHECKS not in said(records)


def said(records: list[Record], **options: Any) -> str:
    stream = io.StringIO()
    console = Console(stream, **options)
    for record in records:
        console(record)
    return stream.getvalue()


def test_the_console_tells_the_story_calmly(tmp_path: Path) -> None:
    text = said(sample.passed_run(tmp_path))
    for wanted in (
        "planned  2 files", "- c1: tasks are stored", "✗ storage.py  candidate-1 fails: tests, 1 of 2 tests",
        "✓ storage.py  candidate-2 passes every check, 2 of 2 tests", "chose  storage.py: candidate-2 of 2: agrees",
        "verdict  attempt 1: 0 of 2 criteria hold", "✗ tasks are stored: KeyError", "2. nothing is written",
        "rebuild  storage.py: blamed", "repair  storage.py", "delivered  1 file on branch b", "added storage.py",
    ):  # fmt: skip
        assert wanted in text, wanted
    assert text.splitlines()[-1] == f"✓ passed in 12.0 s ({OWN_CHECKS}); 1 test took no part"
    assert "asked" not in text
    assert "asked  builder (qwen-7b), 100 -> 10 tokens" in said(sample.passed_run(tmp_path / "b"), verbose=True)


@pytest.mark.parametrize(
    ("status", "reason", "line"),
    [
        ("passed", "already_green", f"✓ passed in 12.0 s: {NOTHING_BUILT}"),
        ("planned", "planned", "✓ planned in 12.0 s: said; save it, edit it and run it with --plan FILE"),
        ("interrupted", "interrupted", "✗ interrupted after 12.0 s (interrupted): said"),
    ],
)
def test_the_last_line_says_what_was_done_and_what_comes_next(status: str, reason: str, line: str) -> None:
    fields = {"status": status, "exit_reason": reason, "seconds": 12.0, "message": "said"}
    assert said([Record(1, "", "r", "run_finished", "", fields)]).splitlines() == [line]


@pytest.mark.parametrize(
    ("span", "who"),
    [
        ("explore", "explorer"),
        ("replan-1/plan/ask-2/retry-3", "planner, ask-2, retry 3"),
        ("tests/tests/test_a.py/sample-1/retry-1", "tester, tests/test_a.py, sample-1, retry 1"),
        ("attempt-1/build/tests/data.json/candidate-1", "builder, tests/data.json, candidate-1"),
        ("attempt-2/build/shop/cart.py/repair-2", "repairer, shop/cart.py, repair-2"),
        ("attempt-2/diagnose/retry-1", "analyst, retry 1"),
    ],
)
def test_a_refused_reply_is_told_with_its_role_file_and_retry(span: str, who: str) -> None:
    fields = {"rule": "reply", "action": "truncated", "reason": "too long"}
    assert describe(Record(1, "", "r", "guard", span, fields)) == [f"  ! reply of {who}: truncated: too long"]


def test_a_fault_before_anything_was_sent_names_no_try() -> None:
    fields = {"role": "builder", "endpoint": "http://h", "attempt": 0, "fault": "waiting", "message": "up to 9 s"}
    assert describe(Record(1, "", "r", "fault", "", fields)) == ["  ! builder at http://h: waiting: up to 9 s"]


def read_all(terminal: int) -> str:
    """What was shown on a pseudo-terminal whose other end is closed."""
    shown = b""
    with contextlib.suppress(OSError):  # Linux tells the end by EIO
        while part := os.read(terminal, 65536):
            shown += part
    os.close(terminal)
    return shown.decode()


def test_quiet_is_the_last_line_only_and_says_why_it_is_not_done(tmp_path: Path) -> None:
    assert said(sample.failed_run(tmp_path), quiet=True).splitlines() == [
        "✗ failed after 12.0 s (attempts_exhausted): 1 attempt did not fulfil every criterion"
    ]


def test_no_text_of_a_model_can_steer_the_terminal_or_break_a_line(tmp_path: Path) -> None:
    told = [replace(r, fields=hostile(dict(r.fields))) for r in sample.failed_run(tmp_path)]
    for line in [line for record in told for line in describe(record)] + said(told, verbose=True).splitlines():
        assert line.isprintable(), line


@pytest.mark.parametrize(("environ", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False), ({"NO_COLOR": ""}, True)])
def test_colour_needs_a_terminal_and_no_no_color(tmp_path: Path, environ: dict[str, str], coloured: bool) -> None:
    records = sample.passed_run(tmp_path)
    assert "\x1b" not in said(records, environ=environ), "a file or pipe is no terminal"
    master, slave = pty.openpty()
    with open(slave, "w", encoding="utf-8") as terminal:
        console = Console(terminal, environ=environ)
        console(next(record for record in records if record.kind == "verdict"))
    shown = read_all(master)
    assert ("\x1b[31m✗\x1b[0m" in shown) is coloured


def test_lines_are_cut_to_the_width_of_the_terminal(tmp_path: Path) -> None:
    records = sample.passed_run(tmp_path)
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 30, 0, 0))
    with open(slave, "w", encoding="utf-8") as terminal:
        console = Console(terminal, environ={"NO_COLOR": "1"})
        console(records[0])
    shown = read_all(master).splitlines()
    assert max(map(len, shown)) == 30
    assert shown[0].endswith("…")


def test_a_terminal_that_went_away_does_not_end_the_run(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    stream = io.TextIOWrapper(io.FileIO(writer, "w"), encoding="utf-8")
    console = Console(stream, environ={})
    for record in sample.passed_run(tmp_path):
        console(record)
    # What is left in the buffer would raise once more, when the stream is closed.
    with Path(os.devnull).open("wb") as nowhere:
        os.dup2(nowhere.fileno(), writer)
    stream.close()


@pytest.mark.parametrize(
    ("text", "columns", "cut"),
    [
        ("short", 10, "short"),
        ("exactly 10", 10, "exactly 10"),
        ("more than ten", 10, "more than…"),
        ("日本語テキスト", 7, "日本語…"),
        ("ab", 1, "…"),
    ],
)
def test_text_is_cut_by_columns_not_by_characters(text: str, columns: int, cut: str) -> None:
    assert fitted(text, columns) == cut


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0.0 s"), (59.94, "59.9 s"), (61, "1m01s"), (3599, "59m59s"), (7500, "2h05m")]
)
def test_durations_read_well(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_printable_keeps_line_breaks_and_one_line_does_not() -> None:
    assert printable("a\n\tb\rc") == "a\n\tb\\rc"
    assert one_line("a\n\tb") == "a b"


def test_quarantined_tests_reach_every_report(tmp_path: Path) -> None:
    said_of = replace(sample.verdict(False), quarantined=(Quarantined("test_x", "asserts a typo"),))
    with Trace.create(tmp_path, "r") as trace:
        sample.start(trace)
        sample.judge(trace, 1, said_of)
        records = trace.records()
    assert result_of(records)["tests"]["quarantined"] == as_json(said_of.quarantined)
    for text in (handoff_of(records), report_of(records)):
        assert "asserts a typo" in text


def calls_of(tmp_path: Path, *calls: dict[str, Any]) -> list[Record]:
    with Trace.create(tmp_path / "run", "run") as trace:
        sample.start(trace)
        for number, fields in enumerate(calls):
            sample.ask(trace, "builder", f"attempt-1/build/a.py/candidate-{number}", "text", **fields)
        sample.finish(trace, "passed", "passed", 0)
        return trace.records()


TOLD = {"prompt_tokens": 3000, "cached_tokens": 0, "prompt_sent": 3010, "prefill_seconds": 6.0}
CACHED = {"prompt_tokens": 3000, "cached_tokens": 2900, "prompt_sent": 2990, "prefill_seconds": 0.2}


def test_every_report_tells_the_cached_share_and_the_seconds_it_saved_as_an_estimate(tmp_path: Path) -> None:
    """5,860 of 9,100 tokens from the cache; 3,100 others were read in 6.2 s, 500 a second; the planner's is untimed."""
    records = calls_of(tmp_path, TOLD, CACHED, {**CACHED, "prefill_seconds": 0.0})
    told = "64% of 9,100 prompt tokens came from a cache, about 11.7 s of reading saved (estimate)"
    assert f"prompts  {told}" in said(records).splitlines()[-2:]
    text = _Tags(report_of(records)).text
    assert told in text
    assert "evaluated / sent by our count: 9,000 / 8,990" in text
    figures = {"sent": 8990, "evaluated": 9000, "cached_share": 0.644, "seconds_saved_estimate": 11.72}
    assert stats_of(records)["prompts"] == figures
    assert "prompts: sent 8990, evaluated 9000, cached_share 0.644" in "\n".join(stats_lines(stats_of(records)))
    counters = result_of(records)["counters"]
    assert {name: counters[f"prompts_{name}"] for name in figures} == figures


def test_seconds_are_not_made_up_where_no_server_told_how_long_it_read(tmp_path: Path) -> None:
    records = calls_of(tmp_path, {**CACHED, "prefill_seconds": 0.0, "prompt_sent": 0})
    assert "estimate" not in said(records) + report_of(records)
    assert stats_of(records)["prompts"]["seconds_saved_estimate"] is None
    assert "seconds_saved_estimate -" in "\n".join(stats_lines(stats_of(records)))
    assert "prompts_seconds_saved_estimate" not in result_of(records)["counters"]


def test_the_console_is_silent_of_caches_that_no_server_told_of(tmp_path: Path) -> None:
    records = calls_of(tmp_path, TOLD, {"cached_tokens": 0}, {"cached_tokens": None})
    untold = [record for record in records if record.fields.get("role") != "planner"]
    assert "from a cache" not in said(untold, verbose=True)


COUNTS = st.integers(0, 10**6)


@given(st.lists(st.tuples(COUNTS, COUNTS, COUNTS, st.floats(0, 1e4) | st.none())))
def test_cache_figures_stay_within_reason_whatever_servers_claim(claims: list[Any]) -> None:
    names = ("prompt_tokens", "cached_tokens", "prompt_sent", "prefill_seconds")
    use = cache_use(Record(1, "", "", "call", "", dict(zip(names, claim, strict=True))) for claim in claims)
    assert 0 <= use.share <= 1
    assert use.seconds_saved is None or use.seconds_saved >= 0
    assert use.evaluated <= use.prompt
    assert use + CacheUse() == use
