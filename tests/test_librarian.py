"""The librarian: what a run teaches is in its trace and passes the gates, and a verdict is never touched."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sample_run as sample
from planted_secrets import HARMLESS, SECRETS

from curating import Assistant, curate, project_of
from memory import Lesson, Memory, Question
from nightshift.domain import TestReport, TestResult
from nightshift.knowledge.gates import private
from nightshift.ownership import remember
from nightshift.records import started_with
from trace_collector import Trace

ROOT = Path(__file__).resolve().parent.parent
CODE = '''import json
from pathlib import Path


def load_tasks(path: Path) -> list[str]:
    """The tasks kept in a JSON file; none when it is missing."""
    if not path.exists():
        return []
    return json.loads(path.read_text())
'''


def command(folder: Path, *arguments: str) -> list[str]:
    return [
        sys.executable,
        "librarian.py",
        "--workspace",
        str(folder),
        "--memory",
        str(folder / "memory.db"),
        *arguments,
    ]


def run(folder: Path, *arguments: str, code: int = 0) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        command(folder, *arguments),
        cwd=ROOT, capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert done.returncode == code, done.stderr
    return done


def playbook_text(**fields: Any) -> str:
    entry = {"kind": "lesson", "trigger": "json storage", "advice": "Write to a file beside it, then replace."}
    known = {**entry, "run": "r", "proved": True, "created": "2026", "outcomes": {}, **fields}
    return json.dumps({"nightshift": "playbook", "version": 1, "entries": [known]})


def told(folder: Path, *arguments: str) -> Any:
    return json.loads(run(folder, *arguments, "--json").stdout)


def lessons(records: Any) -> list[Lesson]:
    return [lesson for lesson in curate(records).lessons if lesson.kind == "lesson"]


def turned_by(folder: Path, advice: str, *, reply: str = "") -> Any:
    with Trace.create(folder, "r") as trace:
        sample.start(trace)
        sample.judge(trace, 1, sample.verdict(False))
        diagnosis = replace(sample.DIAGNOSIS, advice=advice)
        trace.record("diagnosis", "attempt-1/diagnose", attempt=1, diagnosis=diagnosis)
        sample.judge(trace, 2, sample.verdict(True))
        if reply:
            sample.ask(trace, "librarian", "librarian", reply)
        return trace.records()


def test_advice_that_turned_a_failure_into_a_pass_is_a_lesson(tmp_path: Path) -> None:
    (lesson,) = lessons(sample.passed_run(tmp_path / sample.RUN))
    assert (lesson.advice, lesson.run, lesson.proved) == (sample.DIAGNOSIS.advice, sample.RUN, True)
    assert {"KeyError", "storage", "json"} <= set(lesson.trigger.split())


def test_an_error_that_the_run_met_is_known_with_what_mended_it(tmp_path: Path) -> None:
    (error,) = [lesson for lesson in curate(sample.passed_run(tmp_path)).lessons if lesson.kind == "error"]
    assert (error.trigger, error.advice) == ("KeyError: …", sample.DIAGNOSIS.advice)


def test_delivered_code_is_kept_in_pieces_that_can_be_read_alone(tmp_path: Path) -> None:
    with Trace.create(tmp_path, "r") as trace:
        sample.start(trace)
        sample.build(trace, 1, ("candidate-1",), "candidate-1", text=CODE)
        sample.judge(trace, 1, sample.verdict(True))
        (snippet,) = [lesson for lesson in curate(trace.records(), "project").lessons if lesson.kind == "snippet"]
    assert snippet.advice.startswith("import json\nfrom pathlib import Path\n\n\ndef load_tasks")
    assert snippet.trigger == "load_tasks path The tasks kept in a JSON file; none when it is missing."
    assert snippet.project == "project"


def test_a_repair_that_was_chosen_teaches_the_change_it_made(tmp_path: Path) -> None:
    span = "attempt-1/build/storage.py"
    with Trace.create(tmp_path, "r") as trace:
        sample.start(trace)
        for label, origin, text, detail in (
            ("candidate-1", "sample", "def f(d):\n    return d['a']\n", "E KeyError: 'a'"),
            ("repair-1", "repair", "def f(d):\n    return d.get('a')\n", ""),
        ):
            candidate = {"path": "storage.py", "label": label, "origin": origin, "temperature": 0, "text": text}
            rungs = [{"name": "tests", "passed": not detail, "detail": detail}]
            trace.record(
                "evaluation", f"{span}/{label}", path="storage.py", candidate=candidate, rungs=rungs, outcomes={}
            )
        trace.record("selected", span, path="storage.py", chosen="repair-1", considered=[], scores={}, reason="")
        sample.judge(trace, 1, sample.verdict(True))
        (error,) = curate(trace.records()).lessons
    assert (error.kind, error.trigger) == ("error", "KeyError: …")
    assert "-    return d['a']\n+    return d.get('a')" in error.advice


def test_a_failed_run_teaches_only_what_is_kept_apart(tmp_path: Path) -> None:
    curated = curate(sample.failed_run(tmp_path))
    assert [(lesson.kind, lesson.proved) for lesson in curated.lessons] == [("lesson", False)]
    assert curate([]).lessons == ()


def test_a_claim_without_a_passing_verdict_proves_nothing(tmp_path: Path) -> None:
    with Trace.create(tmp_path, "r") as trace:
        sample.start(trace)
        sample.fail_and_diagnose(trace)
        sample.finish(trace, "passed", "passed", 0)
        assert not any(lesson.proved for lesson in curate(trace.records()).lessons)


def test_advice_that_did_not_help_is_kept_apart(tmp_path: Path) -> None:
    with Trace.create(tmp_path, "r") as trace:
        sample.start(trace)
        advices = ["a wrong idea indeed", "quite the right idea", ""]
        for number, (passed, advice) in enumerate(zip([False, False, True], advices, strict=True), 1):
            sample.judge(trace, number, sample.verdict(passed))
            if not passed:
                diagnosis = replace(sample.DIAGNOSIS, advice=advice)
                trace.record("diagnosis", f"attempt-{number}/diagnose", attempt=number, diagnosis=diagnosis)
        assert [(lesson.advice, lesson.proved) for lesson in lessons(trace.records())] == [
            (advices[0], False), (advices[1], True),
        ]  # fmt: skip


@pytest.mark.parametrize(
    ("advice", "reason"),
    [
        ("Set the api_key to q8Zr51xTTw09pLm2 before the request is sent.", "secret"),
        ("Use the key sk-abcdefghijklmnopqrstuvwx in the header.", "secret"),
        ("-----BEGIN RSA PRIVATE KEY----- must be read as text.", "secret"),
        ("Connect to postgres://admin:hunter22@db.local/prod first.", "secret"),
        ("password = 'correct-horse-battery' must not be logged.", "secret"),
        ("Read the file /home/anna/project/data.json when it exists.", "path"),
        ("Write below ~/.config/tool and never beside the program.", "path"),
        ("Open C:\\Users\\anna\\data.csv with another encoding.", "path"),
        ("In storage.py the function add must save the list.", "one task only"),
        ("Make test_c1_saves pass by saving each change.", "one task only"),
        ("Criterion c2 demands that the list is saved first.", "one task only"),
        ("Fix it.", "too little"),
    ],
)
def test_the_gates_keep_out_secrets_paths_and_what_is_about_one_task(tmp_path: Path, advice: str, reason: str) -> None:
    curated = curate(turned_by(tmp_path, advice))
    assert not curated.lessons
    assert all(reason in refusal for refusal in curated.refused), curated.refused


@pytest.mark.parametrize(
    "advice",
    [
        "Write the JSON file after each change, or the next start finds nothing.",
        "Compare tokens with hmac.compare_digest; a plain == leaks how much of a secret is right.",
        "The password is hashed with hashlib.scrypt and a random salt of 16 bytes.",
        "The sort key is the lower-case name, so that the order does not depend on capitals.",
        "Use pathlib and join with /, as in folder / name.",
        "Return 404 when /users/<id> is unknown.",
    ],
)
def test_the_gates_let_ordinary_advice_pass(tmp_path: Path, advice: str) -> None:
    assert [lesson.advice for lesson in lessons(turned_by(tmp_path, advice))] == [advice]


def test_a_lesson_of_the_librarian_needs_evidence_that_is_in_the_run(tmp_path: Path) -> None:
    good = {
        "trigger": "json storage",
        "advice": "Save after each change, or a restart loses data.",
        "quote": "E KeyError: test_a",
    }
    invented = {"trigger": "json", "advice": "Flush the buffers of the disk twice.", "quote": "OSError: disk is full"}
    records = turned_by(tmp_path, "In storage.py save it.", reply=json.dumps({"lessons": [good, invented]}))
    curated = curate(records)
    assert [lesson.advice for lesson in curated.lessons if lesson.kind == "lesson"] == [good["advice"]]
    assert any("evidence is not in the run" in refusal for refusal in curated.refused)


def test_a_useless_reply_of_the_librarian_is_as_good_as_none(tmp_path: Path) -> None:
    records = turned_by(tmp_path, "Write the JSON file after each change.", reply="I learned a lot today.")
    assert len(lessons(records)) == 1


def test_the_trigger_names_the_most_frequent_exceptions_of_the_evidence(tmp_path: Path) -> None:
    details = ["E ValueError: x", "E  json.JSONDecodeError: y", "E ValueError", "E OSError"]
    tests = TestReport(tuple(TestResult(f"t{n}", "failed", 0, d) for n, d in enumerate(details)), 4)
    with Trace.create(tmp_path, "r") as trace:
        sample.start(trace)
        sample.judge(trace, 1, replace(sample.verdict(False, sample.USER), report=tests, results=()))
        trace.record("diagnosis", "attempt-1/diagnose", attempt=1, diagnosis=sample.DIAGNOSIS)
        sample.judge(trace, 2, sample.verdict(True))
        (lesson,) = lessons(trace.records())
    assert lesson.trigger.split()[:3] == ["ValueError", "JSONDecodeError", "storage"]


# What becomes of that which was shown.


@pytest.mark.parametrize(
    ("span", "outcome"),
    [
        ("plan", 1),
        ("attempt-1/build/storage.py", -1),
        ("attempt-1/build/storage.py/repair-1", -1),
        ("attempt-1/build/other.py", 0),
        ("attempt-1/diagnose", 1),
        ("attempt-2/build/storage.py", 1),
        ("attempt-3/build/storage.py", 0),
    ],
)
def test_an_entry_is_credited_by_what_followed_where_it_was_shown(tmp_path: Path, span: str, outcome: int) -> None:
    sample.passed_run(tmp_path)
    with Trace.resume(tmp_path) as trace:
        trace.record("recalled", span, key="recalled", ids=[7], text="x")
        sample.finish(trace, "passed", "passed", 0)
        assert curate(trace.records()).outcomes == {7: outcome}


def test_an_interrupted_run_credits_nothing_to_its_plan(tmp_path: Path) -> None:
    with Trace.create(tmp_path, "r") as trace:
        sample.start(trace)
        trace.record("recalled", "plan", key="recalled", ids=[7], text="x")
        assert curate(trace.records()).outcomes == {7: 0}
        assert curate(trace.records(), status="failed").outcomes == {7: -1}


# A run's assistant.


def test_a_resumed_run_is_told_the_same_whatever_was_learned_or_forgotten_meanwhile(tmp_path: Path) -> None:
    path, question = tmp_path / "memory.db", Question("warehouse stock levels")
    with Memory(path) as memory:
        (lesson,) = memory.learn([Lesson("warehouse stock", "Give unknown items a count of zero.")], "r")
    with Trace.create(tmp_path / "run", "run") as trace:
        assistant = Assistant(path, trace, "", print)
        first, nothing = assistant.recall("plan", question), assistant.recall("other", Question("chess"))
    with Memory(path) as memory:
        memory.forget(lesson.id)
        memory.learn(
            [Lesson("chess moves", "Castling is a move of the king."), Lesson("chess", "Mate ends the game.")], "r"
        )
    with Trace.resume(tmp_path / "run") as trace:
        assistant = Assistant(path, trace, "", print)
        assert (assistant.recall("plan", question), assistant.recall("other", Question("chess"))) == (first, nothing)
        assert assistant.recall("new", Question("chess")) != nothing
    assert "count of zero" in first


def test_a_memory_that_cannot_be_used_never_blocks_a_run(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    said: list[str] = []
    with Trace.create(tmp_path / "run", "run") as trace:
        assistant = Assistant(tmp_path / "file" / "memory.db", trace, "", said.append)
        assert assistant.recall("plan", Question("warehouse stock")) == ""
        assistant.keep(trace.records(), "passed")
    assert all("without memory" in line for line in said)
    assert said


# Commands.


def test_curating_learns_once_and_the_next_related_task_finds_it(tmp_path: Path) -> None:
    trace = sample.run_dir(tmp_path) / "trace.jsonl"
    sample.passed_run(sample.run_dir(tmp_path))
    before = trace.read_bytes()
    assert "Write the JSON file after each change." in run(tmp_path, "curate").stdout
    assert "learned nothing new" in run(tmp_path, "curate", "latest").stderr
    assert trace.read_bytes() == before
    (found,) = told(tmp_path, "search", "a task tracker that stores tasks as JSON, with persistence")
    assert found["run"] == sample.RUN
    assert "nothing fits" in run(tmp_path, "search", "play chess").stderr


@pytest.mark.parametrize("fields", [{"demo": True}, {"config": {"memory": {"enabled": False}}}])
def test_a_demo_and_a_run_without_memory_teach_nothing(tmp_path: Path, fields: dict[str, Any]) -> None:
    sample.passed_run(sample.run_dir(tmp_path))
    trace = sample.run_dir(tmp_path) / "trace.jsonl"
    first, rest = trace.read_text().split("\n", 1)
    trace.write_text(json.dumps({**json.loads(first), **fields}) + "\n" + rest)
    assert "teaches nothing" in run(tmp_path, "curate", code=5).stderr
    run(tmp_path, "watch", "--once")
    assert told(tmp_path, "list", "--kind", "lesson") == []


def test_entries_are_added_listed_and_forgotten_by_hand(tmp_path: Path) -> None:
    run(tmp_path, "add", "--lesson", "json storage persistence", "Write to a temporary file, then replace.")
    assert "by hand" in run(tmp_path, "list").stdout
    (mine,) = told(tmp_path, "list", "--kind", "lesson")
    run(tmp_path, "forget", str(mine["id"]))
    assert told(tmp_path, "list", "--kind", "lesson") == []
    assert "no entry" in run(tmp_path, "forget", str(mine["id"]), code=2).stderr


@pytest.mark.parametrize(
    "arguments",
    [(), ("docs", "--package", "json"), ("nowhere",), ("--package", "no_such"), ("--lesson", "a", "see ~/x/y")],
)
def test_wrong_additions_are_exit_2_with_a_sentence(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    assert len(run(tmp_path, "add", *arguments, code=2).stderr) > 30


def test_documentation_is_found_by_its_headings_and_taken_in_anew_each_time(tmp_path: Path) -> None:
    docs = tmp_path / "guide"
    docs.mkdir()
    (docs / "billing.md").write_text(
        "# Invoices\n\nEvery invoice has a number that begins with the year.\n\n# Payments\n\nPayments are booked at noon, in the order they came.\n"
    )
    (docs / "keys.txt").write_text("The deployment uses the key AKIAABCDEFGHIJKLMNOP for its bucket, always.\n")
    assert "2 passages, 1 left out: they hold secrets" in run(tmp_path, "add", str(docs)).stderr
    run(tmp_path, "add", str(docs))
    (found,) = told(tmp_path, "search", "how invoices and billing are numbered")
    assert (found["kind"], found["run"]) == ("doc", "guide/billing.md")
    assert len(told(tmp_path, "list", "--kind", "doc")) == 2


def test_a_packages_docstrings_are_taken_in_without_importing_it(tmp_path: Path) -> None:
    run(tmp_path, "add", "--package", "json")
    found = told(tmp_path, "search", "decode text with the raw_decode of a JSONDecoder")
    assert any(entry["run"] == "package json" and "raw_decode(self" in entry["advice"] for entry in found)


def test_scores_show_what_helped_first(tmp_path: Path) -> None:
    with Memory(tmp_path / "memory.db") as memory:
        one, two = memory.learn(
            [Lesson("json storage", "Check for an empty file."), Lesson("csv header", "Mind the byte order mark.")], "r"
        )
        memory.credit("x", {one.id: -1, two.id: 1})
    assert [entry["id"] for entry in told(tmp_path, "list", "--scores")] == [two.id, one.id]
    assert "helped 1 of 1, score 0.67" in run(tmp_path, "list", "--scores").stdout


def test_a_playbook_travels_as_json_and_arrives_once(tmp_path: Path) -> None:
    sample.passed_run(sample.run_dir(tmp_path))
    run(tmp_path, "curate")
    run(tmp_path, "export", str(tmp_path / "playbook.json"))
    other = tmp_path / "other"
    other.mkdir()
    assert sample.DIAGNOSIS.advice in run(other, "import", str(tmp_path / "playbook.json")).stdout
    assert "nothing new" in run(other, "import", str(tmp_path / "playbook.json")).stderr
    run(other, "export", str(other / "playbook.json"))
    assert (other / "playbook.json").read_text() == (tmp_path / "playbook.json").read_text()
    assert str(tmp_path) not in (tmp_path / "playbook.json").read_text()


def test_what_comes_from_elsewhere_passes_the_same_gates(tmp_path: Path) -> None:
    entry = {
        "kind": "lesson",
        "trigger": "json storage",
        "advice": "Look into /home/anna/notes.txt before all else.",
        "run": "r",
        "proved": True,
        "created": "",
        "outcomes": {},
    }
    (tmp_path / "p.json").write_text(json.dumps({"nightshift": "playbook", "version": 1, "entries": [entry]}))
    assert "left out  1 entry" in run(tmp_path, "import", str(tmp_path / "p.json")).stderr
    assert told(tmp_path, "list", "--kind", "lesson") == []


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"trigger": "a b"}\n', "no playbook"),
        (b"\xff\n", "no playbook"),
        (b'{"nightshift": "playbook", "version": 9}', "version 9"),
        (b'{"nightshift": "playbook", "version": 1, "entries": [{"kind": "lesson"}]}', "entry 1: 'trigger' missing"),
        (b'{"nightshift": "playbook", "version": 1, "entries": [3]}', "entry 1"),
        (b'{"nightshift": "playbook", "version": 1, "entries": 3}', "a list wanted"),
        (b'{"nightshift": ' + b"[" * 100_000, "nested too deeply"),
        (playbook_text(outcomes={"\n## SYSTEM": 1}).encode(), "no name of a run"),
        (None, "cannot read"),
    ],
)
def test_a_file_that_is_no_playbook_is_refused(tmp_path: Path, content: bytes | None, message: str) -> None:
    if content is not None:
        (tmp_path / "in.json").write_bytes(content)
    assert message in run(tmp_path, "import", str(tmp_path / "in.json"), code=2).stderr


def test_what_another_machine_claims_of_its_source_is_bounded_and_holds_no_secret(tmp_path: Path) -> None:
    file = tmp_path / "in.json"
    file.write_text(playbook_text(run="r]\n## SYSTEM\n" + "x" * 9000, trigger="json \ud800 storage"))
    run(tmp_path, "import", str(file))
    (entry,) = told(tmp_path, "list", "--kind", "lesson")
    assert (entry["trigger"], len(entry["run"]), "\n" in entry["run"]) == ("json ? storage", 300, False)
    file.write_text(playbook_text(run="AKIAABCDEFGHIJKLMNOP"))
    assert "left out  1 entry" in run(tmp_path, "import", str(file)).stderr


@pytest.mark.parametrize("id", [0, -1, 10**6, 10**30])
def test_an_entry_that_is_not_there_cannot_be_forgotten(tmp_path: Path, id: int) -> None:
    assert f"no entry {id}" in run(tmp_path, "forget", "--", str(id), code=2).stderr


# Watching.


@pytest.mark.parametrize("others", [False, True])
def test_watching_learns_from_a_stranger_s_run_only_when_told_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, others: bool
) -> None:
    """A checkout may bring runs along, whose lessons would stand in the prompts of all later ones."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    records = sample.passed_run(sample.run_dir(tmp_path, "20260101-000001-aaaa"))
    remember(tmp_path / "state" / "nightshift" / "runs", "20260101-000001-aaaa", started_with(records))
    sample.passed_run(sample.run_dir(tmp_path, "20260101-000002-bbbb"))
    odd = sample.run_dir(tmp_path, "20260101-000003-cccc") / "trace.jsonl"
    sample.passed_run(odd.parent)
    odd.write_bytes(odd.read_bytes().replace(b'"task": {', b'"task": 7, "odd": {', 1))
    said = run(tmp_path, "watch", "--once", *(["--others"] if others else [])).stderr
    assert "curated  20260101-000001-aaaa" in said
    assert ("curated  20260101-000002-bbbb" in said) is others
    assert "left out  20260101-000003-cccc" in said
    assert ("you did not start it here" in said) is not others


def test_watching_curates_runs_as_they_finish_alone_and_may_be_killed_at_any_time(tmp_path: Path) -> None:
    def lesson_of(name: str) -> bool:
        with Memory(tmp_path / "memory.db") as memory:
            return memory.is_curated(name, 1)

    watcher = subprocess.Popen(
        command(tmp_path, "watch", "--others", "--every", "0.1"), cwd=ROOT, stderr=subprocess.PIPE, text=True
    )
    try:
        assert watcher.stderr is not None
        assert watcher.stderr.readline().startswith("watching")
        assert os.getpriority(os.PRIO_PROCESS, watcher.pid) == 19
        sample.passed_run(sample.run_dir(tmp_path, "20260101-000001-aaaa"))
        assert "curated  20260101-000001-aaaa" in watcher.stderr.readline()
        assert "one is enough" in run(tmp_path, "watch", "--once", code=5).stderr
    finally:
        watcher.send_signal(signal.SIGKILL)
        watcher.wait(10)
        watcher.stderr.close()
    assert lesson_of("20260101-000001-aaaa")
    sample.passed_run(sample.run_dir(tmp_path, "20260101-000002-bbbb"))
    assert run(tmp_path, "watch", "--others", "--once").stderr.count("curated") == 1


def test_watching_leaves_a_damaged_trace_and_a_running_one_alone(tmp_path: Path) -> None:
    sample.passed_run(sample.run_dir(tmp_path, "20260101-000001-aaaa"))
    damaged = sample.run_dir(tmp_path, "20260101-000001-aaaa") / "trace.jsonl"
    damaged.write_bytes(damaged.read_bytes().replace(b'"seq"', b'"sqe"', 1))
    with Trace.create(sample.run_dir(tmp_path, "20260101-000002-bbbb"), "20260101-000002-bbbb") as trace:
        sample.start(trace)
    sample.passed_run(sample.run_dir(tmp_path, "20260101-000003-cccc"))
    said = run(tmp_path, "watch", "--others", "--once").stderr
    assert "left out  20260101-000001-aaaa" in said
    assert "curated  20260101-000003-cccc" in said
    assert "bbbb" not in said


def test_a_project_is_marked_without_telling_its_path(tmp_path: Path) -> None:
    assert project_of(tmp_path) == project_of(f"{tmp_path}/../{tmp_path.name}")
    assert tmp_path.name not in project_of(tmp_path)


@pytest.mark.parametrize("kind", ["lesson", "error", "snippet", "doc"])
def test_none_of_fifty_planted_secrets_is_kept_in_any_kind_of_entry(kind: Any) -> None:
    kept = [secret for secret in SECRETS if not private(Lesson("json storage", f"x = 1\n{secret}\ny = 2", kind=kind))]
    assert kept == []


def test_what_only_looks_like_a_secret_is_kept() -> None:
    refused = [text for text in HARMLESS if private(Lesson("json storage", text))]
    assert len(refused) <= 1, refused
