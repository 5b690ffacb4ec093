"""report.html piece by piece: what nobody may break out of, what is stored once, and what the drawings say."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from dataclasses import replace
from hashlib import sha256
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import sample_run as sample
from hostile_strings import CANARY, HOSTILE, STEERING
from hypothesis import given
from hypothesis import strategies as st

from nightshift.records import Record
from nightshift.report.html import report_of
from nightshift.report.markup import MOST_CHARS, escaped, page, table, tag
from nightshift.report.page.clock import Busy, calls_in, rows_of, total, union
from nightshift.report.page.diffs import MOST_LINES, diff
from nightshift.report.page.script import SCRIPT
from nightshift.report.page.store import STORE_BYTES, Store
from nightshift.report.page.verdict import UNFINISHED
from nightshift.report.text import printable
from trace_collector import Trace

ATTRIBUTES = {
    "aria-hidden", "aria-label", "charset", "class", "content", "cx", "cy", "d", "data-label", "data-text", "height",
    "hidden", "href", "http-equiv", "id", "lang", "name", "open", "r", "role", "rx", "scope", "tabindex", "text-anchor",
    "type", "viewbox", "width", "x", "x1", "x2", "y", "y1", "y2",
}  # fmt: skip
"""All that a page of ours uses: none that runs, loads or restyles."""
TAGS = {
    "a", "b", "body", "button", "circle", "dd", "details", "div", "dl", "dt", "h1", "h2", "h3", "h4", "head", "header",
    "html", "li", "line", "main", "meta", "nav", "ol", "p", "path", "pre", "rect", "script", "section", "span",
    "strong", "style", "summary", "svg", "table", "tbody", "td", "text", "th", "thead", "title", "tr", "ul",
}  # fmt: skip
CHOICES = {"type", "kind", "blame", "outcome", "channel", "label", "chosen", "considered"}
"""Fields that a reader refuses to take anything in."""


class Shape(HTMLParser):
    """Reads a page strictly: the tags and attributes it has, and that they nest."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: dict[str, set[str]] = {}
        self.scripts: list[str] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(page)
        self.close()
        assert not self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        for name, value in attrs:
            self.attributes.setdefault(name, set()).add(str(value))
        if tag != "meta":
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag, f"</{tag}> does not close what is open"

    def handle_data(self, data: str) -> None:
        if self._open[-1:] == ["script"]:
            self.scripts.append(data)
        else:
            self.text += data


def everywhere(value: Any, text: str) -> Any:
    """The same data with every free text replaced."""
    if isinstance(value, dict):
        return {key: item if key in CHOICES else everywhere(item, text) for key, item in value.items()}
    if isinstance(value, list):
        return [everywhere(item, text) for item in value]
    return text if isinstance(value, str) else value


def test_there_are_fifty_hostile_texts_and_each_is_one_of_its_own() -> None:
    assert len(HOSTILE) == len(set(HOSTILE.values())) == 50


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_text_in_every_field_adds_no_tag_no_attribute_and_no_script(text: str, tmp_path: Path) -> None:
    records = [replace(r, fields=everywhere(dict(r.fields), text)) for r in sample.failed_run(tmp_path)]
    whole = report_of(records)
    shape = Shape(whole)
    assert shape.tags <= TAGS
    assert shape.attributes.keys() <= ATTRIBUTES
    assert all(link.startswith("#") for link in shape.attributes["href"])
    assert len(shape.scripts) == 2
    assert shape.scripts[1] == SCRIPT
    assert not STEERING & set(whole)
    assert len(whole.encode()) < 2_000_000, "not even a huge text makes a huge page"
    assert printable(text).strip()[:40].strip() in shape.text.replace("\n… ", "")


@given(st.text(st.characters(), max_size=200))
def test_text_never_becomes_markup(text: str) -> None:
    shape = Shape(tag("p", text, text, title=text))
    assert shape.tags == {"p"}
    assert shape.text == printable(text)
    assert not re.search(r"[<>\"']", escaped(text))


@given(st.lists(st.text(st.characters()), max_size=5))
def test_a_store_gives_back_every_text_as_it_was_but_inert(texts: list[str]) -> None:
    store = Store()
    for text in texts:
        store.place(text)
    (data,) = Shape(store.markup()).scripts
    assert not set("<>&") & set(data)
    told = json.loads(data)
    assert ["\n\n".join(told["parts"][part] for part in parts) for parts in told["texts"]] == list(
        map(printable, texts)
    )


def test_what_prompts_share_is_stored_once() -> None:
    store, shared = Store(), "\n\n".join(f"paragraph {number} " + "x" * 200 for number in range(50))
    for number in range(200):
        store.place(f"{shared}\n\nquestion {number}")
    assert len(store.markup()) < 2 * len(shared) + 200 * 50 * 4 + 200 * 30


def test_a_store_that_is_full_says_what_it_leaves_out() -> None:
    store = Store()
    placed = [store.place(f"{number} " + "x" * 90_000) for number in range(60)]
    assert "Left out" not in placed[0]
    assert "Left out" in placed[-1]
    assert len(store.markup()) < STORE_BYTES + 200_000


@pytest.mark.slow
def test_two_hundred_calls_at_their_worst_stay_below_five_megabytes(tmp_path: Path) -> None:
    """Long texts that share nothing, in characters that take most room, and differ in every line."""
    with Trace.create(tmp_path, "r") as trace:
        sample.start(trace)
        for number in range(200):
            label, where = f"candidate-{number % 5}", f"attempt-1/build/{number // 5}.py"
            text = "\n\n".join(f"{number} {line} <&> 日本語 {'<語>' * 80}" for line in range(120))
            sample.ask(trace, "builder", f"{where}/{label}", text)
            told = {"path": f"{number // 5}.py", "candidate": {"label": label, "text": text}, "rungs": []}
            outcomes = {f"tests/test_{node}.py::test_{'x' * 60}": node % 2 > 0 for node in range(60)}
            trace.record("evaluation", f"{where}/{label}", **told, outcomes=outcomes)
            if number % 5 == 4:
                trace.record("selected", where, path=told["path"], chosen=label, considered=[label], scores={})
        whole = report_of(trace.records())
    assert len(whole.encode()) < 5_000_000
    assert whole.count("Left out to keep this page small") > 0


def test_a_text_beyond_all_reason_is_cut_and_says_so() -> None:
    assert escaped("x" * (MOST_CHARS + 5)).endswith("… (5 more characters)")


def test_the_policy_allows_our_style_and_script_and_nothing_else() -> None:
    whole = page("t", ["<p>x</p>"], SCRIPT)
    (policy,) = re.findall(r'Content-Security-Policy" content="(.*?)"', whole)
    (style,) = re.findall(r"<style>(.*?)</style>", whole, re.S)
    hashes = [b64encode(sha256(text.encode()).digest()).decode() for text in (SCRIPT, style)]
    assert policy.split("; ") == [
        "default-src 'none'", f"script-src 'sha256-{hashes[0]}'", f"style-src 'sha256-{hashes[1]}'",
        "base-uri 'none'", "form-action 'none'",
    ]  # fmt: skip
    assert "<script" not in page("t", [])
    assert "script-src" not in page("t", [])


def test_a_table_without_rows_is_nothing() -> None:
    assert table(("a", "b"), ()) == ""


@pytest.mark.parametrize("told", [1, 4, 7, 12])
def test_a_run_without_an_end_says_so_first_and_how_to_go_on(tmp_path: Path, told: int) -> None:
    text = Shape(report_of(sample.failed_run(tmp_path)[:told])).text
    assert UNFINISHED in text
    assert text.index(UNFINISHED) < text.index("Criteria: ")
    assert "--resume" in text


def test_an_empty_trace_gives_a_page_too() -> None:
    assert UNFINISHED in Shape(report_of([])).text


def test_the_verdict_comes_first_and_the_headings_are_listed(tmp_path: Path) -> None:
    whole = report_of(sample.passed_run(tmp_path))
    shape = Shape(whole)
    assert whole.index("✓ passed") < whole.index("Criteria: ")
    listed = {link[1:] for link in shape.attributes["href"]}
    assert listed >= {"criteria", "timeline", "causes", "candidates", "plan", "files", "roles", "calls"}
    assert listed <= shape.attributes["id"]


def test_why_one_candidate_won_is_told_with_the_number_that_decided(tmp_path: Path) -> None:
    with Trace.create(tmp_path, "r") as trace:
        sample.start(trace)
        sample.build(trace, 1, ("candidate-1", "candidate-2"), "candidate-2")
        scores = {"candidate-1": [3, 0, 10.0, True, -258], "candidate-2": [3, 0, 11.25, True, -396]}
        told = {"path": "storage.py", "chosen": "candidate-2", "considered": list(scores), "reason": "better"}
        trace.record("selected", "attempt-1/build/storage.py", **told, scores=scores, key="again")
        text = Shape(report_of(trace.records())).text
    assert "It is ahead of candidate-1 by this: agreement, 11.25 to 10." in text
    assert "diff to candidate-2" in text


def test_the_matrix_shows_what_tells_candidates_apart_and_the_trust_of_each_test(tmp_path: Path) -> None:
    node = "tests/test_storage.py::test_a"
    with Trace.create(tmp_path, "r") as trace:
        sample.start(trace)
        sample.build(trace, 1, ("candidate-1", "candidate-2"), "candidate-2")
        trials = {node: {"flaky": False, "mutants": 11, "killed": 9}}
        tests = [{"node": node, "score": 0.44, "doubts": ["no other sample agrees"]}]
        trace.record("trust", "attempt-1/trust", key="trials", trials=trials, tests=tests)
        text = Shape(report_of(trace.records())).text
    assert "1 test of 2 not passed by every candidate" in text
    assert "0.44sees 9 of 11 planted faults; no other sample agrees" in text


def test_the_cascade_is_drawn_on_the_imports_that_the_files_really_have(tmp_path: Path) -> None:
    """The plan says nothing of it, but the second file imports the first."""
    plan = replace(sample.PLAN, steps=(*sample.PLAN.steps, replace(sample.PLAN.steps[0], path="cli.py")))
    with Trace.create(tmp_path, "r") as trace:
        sample.start(trace, plan=plan)
        sample.fail_and_diagnose(trace)
        for path, reason in (("storage.py", "culprit"), ("cli.py", "uses the changed interface of storage.py")):
            trace.record("cascade", "attempt-2", rebuild=[{"path": path, "reason": reason}], retest=[])
            candidate = {
                "path": path,
                "label": "candidate-1",
                "text": "import storage\n" if path == "cli.py" else "x = 1\n",
            }
            where, label = f"attempt-2/build/{path}", candidate["label"]
            trace.record("evaluation", f"{where}/{label}", path=path, candidate=candidate, rungs=[], outcomes={})
            trace.record("selected", where, path=path, chosen=label, considered=[label], scores={}, reason="r")
        whole = report_of(trace.records())
    assert whole.count('class="edge hit"') == 1
    assert "storage.py: blamed, made again, 1.; cli.py: made again, 2." in whole


def asked_and(trace: Trace, kind: str, span: str, **fields: Any) -> None:
    trace.record("asked", span, role="builder", endpoint="http://h", model="m", attempt=1, key=span)
    trace.record(kind, span, role="builder", endpoint="http://h", **fields)


def test_questions_without_a_reply_are_in_the_timeline_too(tmp_path: Path) -> None:
    """One failed, one lost its race, one was still open when the run was killed."""
    with Trace.create(tmp_path, "r") as trace:
        asked_and(trace, "fault", "attempt-1/build/a.py/candidate-1", fault="stall", message="m", model="m", attempt=1)
        trace.record("asked", "attempt-1/build/a.py/candidate-3", role="builder", endpoint="http://h")
        told: dict[str, Any] = {
            "key": "race",
            "chosen": None,
            "considered": ["candidate-2"],
            "scores": {},
            "reason": "called off",
        }
        trace.record("selected", "attempt-1/build/a.py/candidates-2-3", path="a.py", **told)
        trace.record("asked", "attempt-1/build/b.py/candidate-1", role="builder", endpoint="http://h")
        calls = calls_in(trace.records())
    assert [call.answered for call in calls] == [False] * 3
    assert [call.record.span.partition("build/")[2] for call in calls] == [
        "a.py/candidate-1", "a.py/candidate-3", "b.py/candidate-1",
    ]  # fmt: skip


SPANS = st.lists(st.tuples(st.floats(0, 100), st.floats(0, 10)).map(lambda pair: (pair[0], sum(pair))), max_size=30)


@given(SPANS)
def test_rows_hold_everything_once_without_overlap_and_are_as_few_as_ran_at_once(
    spans: list[tuple[float, float]],
) -> None:
    nothing = Record(1, "", "", "call", "", {})
    rows = rows_of(Busy(start, end, nothing) for start, end in spans)
    assert sorted((one.start, one.end) for row in rows for one in row) == sorted(spans)
    assert all(one.end <= after.start for row in rows for one, after in pairwise(row))
    at_once = [1 + sum(a <= start < b for a, b in spans) - (start < end) for start, end in spans]
    assert len(rows) <= max(at_once, default=0)


@given(SPANS)
def test_time_that_overlaps_counts_once(spans: list[tuple[float, float]]) -> None:
    joined = union(spans)
    assert all(before[1] < after[0] for before, after in pairwise(joined))
    assert total(joined) <= sum(end - start for start, end in spans) + 1e-6


def test_a_diff_is_marked_and_one_that_would_take_too_long_is_not_made() -> None:
    assert '<b class="bad">-a</b><b class="good">+b</b>' in diff("a", "b", ("one", "two"))
    assert "The same text." in diff("a", "a", ("one", "two"))
    assert "Too long" in diff("a\n" * (MOST_LINES + 1), "b", ("one", "two"))
    assert "more lines differ" in diff("", "b\n" * 1_000, ("one", "two"))


def test_no_script_of_ours_writes_markup() -> None:
    """It may run only because it cannot be made to run anything else."""
    for means in ("innerHTML", "outerHTML", "insertAdjacent", "document.write", "eval(", "Function(", CANARY):
        assert means not in SCRIPT
