"""The dashboard's server: what it shows, whom it answers, and that nothing it shows can act."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from contextlib import suppress
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urlencode

import pytest
from dashboards import TOKEN, Site, open_site, program, url_of
from hostile_strings import HOSTILE, STEERING
from runs import ROOT
from sample_run import RUN, failed_run, passed_run, run_dir, start

from config import paths
from nightshift.domain import Task
from nightshift.report.dashboard import pages
from nightshift.report.dashboard.__main__ import state_in
from nightshift.report.dashboard.known import Run
from nightshift.report.dashboard.owner import owner_of
from nightshift.report.dashboard.peers import _is_users
from nightshift.report.dashboard.server import MAX_BODY
from nightshift.workspace.lock import Lock
from trace_collector import Trace

OTHER = "20260102-020304-cd34"


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("written")
    passed_run(run_dir(made))
    failed_run(run_dir(made, OTHER))
    return made


@pytest.fixture
def workspace(tmp_path: Path, written: Path) -> Path:
    return Path(shutil.copytree(written, tmp_path / "shop"))


@pytest.fixture
def site(tmp_path: Path, workspace: Path):
    with open_site(tmp_path, [workspace], [ROOT / "examples" / "queue"]) as opened:
        yield opened


# What it shows.


def test_every_run_is_listed_newest_first(site: Site) -> None:
    listed = re.findall(r'name="run" value="[0-9a-f]+/([^"]+)"', site.ask("/").text)
    assert listed == [OTHER, RUN]


@pytest.mark.parametrize(
    ("query", "listed"),
    [
        ({"status": "passed"}, [RUN]),
        ({"status": "failed"}, [OTHER]),
        ({"q": "TASK TRACKER"}, [OTHER, RUN]),
        ({"q": "cd34"}, [OTHER]),
        ({"q": "no such task"}, []),
        ({"place": "0" * 16}, []),
        ({"before": OTHER}, [RUN]),
    ],
)
def test_the_list_can_be_filtered(site: Site, query: dict[str, str], listed: list[str]) -> None:
    text = site.ask(f"/?{urlencode(query)}").text
    assert re.findall(r'name="run" value="[0-9a-f]+/([^"]+)"', text) == listed
    assert listed or "No run fits." in text


def test_a_run_shows_its_criteria_figures_and_files(site: Site, workspace: Path) -> None:
    text = site.ask(url_of(run_dir(workspace))).text
    for words in ("passed", "2 of 2", "tasks are stored", "storage.py", "on branch b", "verdict"):
        assert words in text


def test_two_runs_are_compared(site: Site, workspace: Path) -> None:
    place = url_of(run_dir(workspace)).split("/")[2]
    query = urlencode([("run", f"{place}/{RUN}"), ("run", f"{place}/{OTHER}")])
    text = site.ask(f"/compare?{query}").text
    assert "attempts_exhausted" in text
    assert text.index(RUN) < text.index(OTHER), "the older one is on the left"


@pytest.mark.parametrize("number", [0, 1, 3])
def test_only_two_runs_can_be_compared(site: Site, workspace: Path, number: int) -> None:
    place = url_of(run_dir(workspace)).split("/")[2]
    got = site.ask(f"/compare?{urlencode([('run', f'{place}/{RUN}')] * number)}")
    assert (got.status, f"{number} were ticked" in got.text) == (400, True)


def test_a_queue_shows_what_nightly_says_of_it(site: Site) -> None:
    (url,) = re.findall(r'href="(/queue/[0-9a-f]+)"', site.ask("/queues").text)
    text = site.ask(url).text
    assert "tracker-json" in text
    assert "held back" in text


def test_runs_are_found_by_the_rooms_they_left(tmp_path: Path, workspace: Path) -> None:
    """Nobody has to name the workspaces."""
    room = tmp_path / "state" / "trees" / RUN
    room.mkdir(parents=True)
    start_of = f'{{"mode": "copy", "branch": "", "base": null, "files": [], "notes": [], "workspace": "{workspace}"}}'
    (room / "start.json").write_text(start_of.replace('"notes": []', '"notes": [], "marks": []'))
    with open_site(tmp_path) as site:
        assert RUN in site.ask("/").text


@pytest.mark.parametrize(
    "environ", [{"HOME": "/h"}, {"HOME": "/h", "XDG_STATE_HOME": "/s"}, {"HOME": "/h", "XDG_STATE_HOME": "x"}]
)
def test_rooms_and_marks_are_looked_for_where_config_puts_them(environ: dict[str, str]) -> None:
    known = paths(environ)
    assert (state_in(environ) / "trees", state_in(environ) / "runs") == (known.trees, known.runs)


@pytest.mark.parametrize("damage", [b"", b"{", b'{"seq": 1}\n', b"\x00\xff\n" * 5, b"[]\n"])
def test_a_damaged_trace_is_shown_as_such(site: Site, workspace: Path, damage: bytes) -> None:
    (run_dir(workspace) / "trace.jsonl").write_bytes(damage)
    assert site.ask("/").status == 200
    assert site.ask(url_of(run_dir(workspace))).status == 200
    assert site.ask(f"{url_of(run_dir(workspace))}/report").status == 404


BASE = {"seq": 1, "time": "2026-01-01T00:00:00.000Z", "run": RUN, "span": ""}


@pytest.mark.parametrize(
    "record",
    [
        {"kind": "run_started", "task": []}, {"kind": "run_started", "task": {"prompt": 7}}, {"kind": "run_started", "task": {"prompt": None}},
        {"kind": "run_finished", "status": {}, "exit_reason": []}, {"kind": "delivered", "files": [7], "branch": {}}, {"kind": "delivered", "files": 7},
        {"kind": "call", "prompt_tokens": "x", "seconds": "y"}, {"kind": "verdict", "verdict": 7}, {"kind": "planned", "accepted": True, "plan": []},
        {"kind": "evaluation", "candidate": 7, "rungs": [7]}, {"kind": "asked", "role": []}, {"kind": "selected", "considered": 7, "chosen": []},
    ],
)  # fmt: skip
def test_a_strange_trace_spoils_no_page(site: Site, workspace: Path, record: dict[str, object]) -> None:
    """It may have come with somebody's checkout."""
    (run_dir(workspace) / "trace.jsonl").write_text(json.dumps({**BASE, **record}) + "\n")
    url, place = url_of(run_dir(workspace)), url_of(run_dir(workspace)).split("/")[2]
    assert OTHER in site.ask("/").text
    assert RUN in site.ask(url).text
    assert site.ask(f"/compare?run={place}/{RUN}&run={place}/{OTHER}").status in (200, 409)
    with site.dashboard.tails.reading(run_dir(workspace) / "trace.jsonl") as tail:
        assert tail.after(0, 20.0)


# Whom it answers.


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Host": "localhost:{port}"}, 200),
        ({"Host": "evil.example:{port}"}, 403),
        ({"Host": "127.0.0.1"}, 403),
        ({"Host": "127.0.0.1:1"}, 403),
        ({"Host": "127.0.0.1.evil.example:{port}"}, 403),
        ({"Host": ""}, 403),
        ({"Origin": "http://127.0.0.1:{port}"}, 200),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://127.0.0.1:1"}, 403),
        ({"Origin": "https://127.0.0.1:{port}"}, 403),
        ({"Sec-Fetch-Site": "same-origin"}, 200),
        ({"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}, 403),
        ({"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "cors"}, 403),
        ({"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}, 200),
    ],
)  # fmt: skip
@pytest.mark.parametrize("path", ["/", "/v1/models"])
def test_only_its_own_pages_and_programs_are_answered(
    site: Site, path: str, headers: dict[str, str], status: int
) -> None:
    sent = {name: value.format(port=site.port) for name, value in headers.items()}
    assert site.ask(path, sent).status == status


@pytest.mark.parametrize("head", ["", "Host: 127.0.0.1:{port}\r\nHost: evil.example\r\n"])
def test_a_request_has_one_host(site: Site, head: str) -> None:
    assert raw(site, f"GET / HTTP/1.0\r\n{head.format(port=site.port)}\r\n").startswith("HTTP/1.0 403")


@pytest.mark.parametrize("method", ["OPTIONS", "PUT", "DELETE", "PATCH", "POST", "TRACE"])
def test_no_other_method_and_no_preflight_is_granted(site: Site, method: str) -> None:
    got = site.ask("/", {"Origin": f"http://127.0.0.1:{site.port}"}, method=method)
    assert got.status in (405, 501)
    assert not [name for name in got.headers if name.lower().startswith("access-control")]


def test_every_answer_forbids_scripts_of_others_and_frames(site: Site, workspace: Path) -> None:
    for path in ("/", "/queues", "/front-door", url_of(run_dir(workspace)), "/nothing", "/static/app.js", "/v1/models"):
        headers = site.ask(path).headers
        assert "default-src 'none'" in headers["Content-Security-Policy"]
        assert "unsafe" not in headers["Content-Security-Policy"]
        assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "no-referrer"


@pytest.mark.parametrize(
    "path",
    [
        "/../etc/passwd", "/static/../../etc/passwd", "/static/..%2f..%2fetc/passwd", "/static/%2e%2e/app.js", "/static//app.js",
        "/run/{place}/../{run}", "/run/{place}/%2e%2e", "/run/{place}/..", "/run/{place}/{run}/../../../secret",
        "/run/{place}/{run}/report/../../x", "/run/{place}/{run}%00", "/run/{place}/{run}\\..", "/run/../../{run}",
        "/queue/{place}/..", "/queue/{place}/%2e%2e%2fdone", "/v1/models/../../etc/passwd", "//evil.example/", "/.env",
    ],
)  # fmt: skip
def test_no_path_leads_anywhere_else(site: Site, workspace: Path, path: str) -> None:
    place = url_of(run_dir(workspace)).split("/")[2]
    asked = path.format(place=place, run=RUN)
    answer = raw(site, f"GET {asked} HTTP/1.0\r\nHost: 127.0.0.1:{site.port}\r\n\r\n")
    assert re.match(r"HTTP/1.0 (404|400)", answer), answer[:200]
    assert "root:" not in answer


@pytest.mark.parametrize(
    "line", ["GET / HTTP/1.0" + " x" * 9, "\0\1\2", "GET " + "/x" * 40_000 + " HTTP/1.0", "<script>"]
)
def test_what_is_no_request_gets_a_harmless_answer(site: Site, line: str) -> None:
    answer = raw(site, f"{line}\r\nHost: 127.0.0.1:{site.port}\r\n\r\n")
    assert not answer or "Content-Security-Policy" in answer or re.match(r"HTTP/1.0 4", answer)
    assert "<script>" not in answer
    assert site.ask("/").status == 200


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("http://[", 400), ("/?" + "a=1&" * 201, 400), ("/?" + "a=1&" * 40, 200), ("/compare?" + "run=a/b&" * 30, 400),
    ],
)  # fmt: skip
def test_an_odd_address_is_answered(site: Site, path: str, status: int) -> None:
    answer = raw(site, f"GET {path} HTTP/1.0\r\nHost: 127.0.0.1:{site.port}\r\n\r\n")
    assert answer.startswith(f"HTTP/1.0 {status} ")


def test_a_form_with_too_many_fields_is_answered(site: Site, workspace: Path) -> None:
    assert site.ask(f"{url_of(run_dir(workspace))}/stop", method="POST", body="a=1&" * 300).status == 400


def test_who_sends_a_request_drop_by_drop_does_not_keep_a_place(site: Site) -> None:
    site.server.asking_seconds = 0.1
    with socket.create_connection(("127.0.0.1", site.port), timeout=20) as slow:
        slow.sendall(b"GET / HTTP/1.0\r\nX: ")
        # Without an end to its patience the server would wait for twenty more silent seconds, and after each byte anew.
        assert b"403" in slow.recv(1 << 16)
    assert site.ask("/").status == 200


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Content-Length": str(MAX_BODY + 1)}, 413), ({"Content-Length": "9" * 30}, 413), ({"Content-Length": "-1"}, 411),
        ({"Content-Length": "²"}, 411), ({"Content-Length": "", "Transfer-Encoding": "chunked"}, 411),
    ],
)  # fmt: skip
def test_a_body_has_a_length_and_a_limit(site: Site, headers: dict[str, str], status: int) -> None:
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items() if value)
    asked = f"POST /v1/chat/completions HTTP/1.0\r\nHost: 127.0.0.1:{site.port}\r\n{head}\r\n"
    assert raw(site, asked).startswith(f"HTTP/1.0 {status}")


def test_a_report_is_shown_apart_from_everything_else(site: Site, workspace: Path) -> None:
    """Its page has an origin of its own, so that a script in it, whoever wrote it, reaches nothing."""
    (run_dir(workspace) / "report.html").write_text("<h1>the report</h1>")
    got = site.ask(f"{url_of(run_dir(workspace))}/report")
    policy = got.headers["Content-Security-Policy"]
    assert "the report" in got.text
    assert policy.startswith("sandbox allow-scripts; default-src 'none'")
    assert "allow-same-origin" not in policy


@pytest.mark.parametrize("kind", ["link", "pipe", "folder", "linked run"])
def test_only_a_real_file_is_shown_as_a_report(site: Site, workspace: Path, tmp_path: Path, kind: str) -> None:
    """A checkout may bring links along that lead to the user's secrets."""
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "report.html").write_text("SECRET")
    folder = run_dir(workspace)
    if kind == "linked run":
        (secret / "trace.jsonl").write_bytes((folder / "trace.jsonl").read_bytes())
        folder = run_dir(workspace, "20260103-000000-aaaa")
        folder.symlink_to(secret)
    elif kind == "link":
        (folder / "report.html").symlink_to(secret / "report.html")
    elif kind == "pipe":
        os.mkfifo(folder / "report.html")
    else:
        (folder / "report.html").mkdir()
    got = site.ask(f"{url_of(folder)}/report")
    assert (got.status, "SECRET" in got.text) == (404, False)


CALLER = """
import http.client, sys
connection = http.client.HTTPConnection(sys.argv[1], int(sys.argv[2]), timeout=20)
connection.request("GET", "/", headers={"Host": "127.0.0.1:" + sys.argv[2]})
print(connection.getresponse().status)
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user")
@pytest.mark.parametrize("address", ["127.0.0.1", "::ffff:127.0.0.1"])
@pytest.mark.parametrize(("user", "status"), [(0, "200"), (65534, "403")])
def test_other_users_of_the_machine_are_refused(site: Site, address: str, user: int, status: str) -> None:
    command = ["/usr/bin/env", "python3", "-c", CALLER, address, str(site.port)]
    done = subprocess.run(
        command, capture_output=True, text=True, user=user, cwd="/", env={"PATH": "/usr/bin:/bin"}, check=False
    )
    assert done.stdout.strip() == status, done.stderr


@pytest.mark.parametrize(
    ("row", "users"),
    [
        ("0100007F:1234 0100007F:0050 01 0:0 0:0 0 1000 0", True),
        ("0100007F:1234 0100007F:0050 04 0:0 0:0 0 1000 0", True),
        ("0000000000000000FFFF00000100007F:1234 0000000000000000FFFF00000100007F:0050 01 0:0 0:0 0 1000 0", True),
        ("0100007F:1234 0100007F:0050 01 0:0 0:0 0 1001 0", False),
        ("0100007F:1234 0100007F:0050 01 0:0 0:0 0 0 0", True),
        ("0100007F:1234 0100007F:0050 05 0:0 0:0 0 0 0", False),
        ("0100007F:0050 0100007F:1234 01 0:0 0:0 0 1000 0", False),
        ("0100007F:1235 0100007F:0050 01 0:0 0:0 0 1000 0", False),
    ],
)
def test_the_kernels_table_says_whose_a_connection_is(row: str, users: bool) -> None:
    """Its other end is looked for; what its process has closed shows as root's and proves nothing."""
    assert _is_users([f"0: {row}"], ("127.0.0.1", 0x1234), ("127.0.0.1", 0x50), 1000) is users


def raw(site: Site, text: str) -> str:
    with socket.create_connection(("127.0.0.1", site.port), timeout=20) as connection:
        connection.sendall(text.encode())
        connection.shutdown(socket.SHUT_WR)
        answer = b""
        with suppress(ConnectionResetError):  # it does not read all of what is too long
            while block := connection.recv(1 << 16):
                answer += block
    return answer.decode(errors="replace")


# Stopping a run.

HOLDER = """
import sys, time
from pathlib import Path
from nightshift.workspace.lock import Lock
lock = Lock(Path(sys.argv[1]) / ".nightshift", sys.argv[2])
print("held", flush=True)
time.sleep(60)
"""


def holding(workspace: Path, run: str) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(workspace), run], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout
    assert process.stdout.readline() == "held\n"
    return process


def stop(site: Site, run_folder: Path, token: str = TOKEN) -> int:
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    return site.ask(f"{url_of(run_folder)}/stop", form, method="POST", body=urlencode({"token": token})).status


def test_the_stop_button_ends_the_run_that_works_there(site: Site, workspace: Path) -> None:
    trace = run_dir(workspace) / "trace.jsonl"
    trace.write_bytes(b"".join(trace.read_bytes().splitlines(keepends=True)[:-1]))
    with holding(workspace, RUN) as process:
        page = site.ask(url_of(run_dir(workspace))).text
        assert "Stop this run" in page
        assert TOKEN in page
        assert stop(site, run_dir(workspace)) == 303
        assert process.wait(20) == -15


@pytest.mark.parametrize("token", ["", "wrong", TOKEN[:-1], TOKEN + "x", "ü"])
def test_nothing_is_stopped_without_the_token(site: Site, workspace: Path, token: str) -> None:
    with holding(workspace, RUN) as process:
        assert stop(site, run_dir(workspace), token) == 403
        assert process.poll() is None
        process.kill()


def test_a_run_that_does_not_work_is_not_stopped(site: Site, workspace: Path) -> None:
    with holding(workspace, RUN) as process:
        assert stop(site, run_dir(workspace, OTHER)) == 409
        assert process.poll() is None
        process.kill()
    assert stop(site, run_dir(workspace)) == 409


def test_a_process_that_only_has_the_number_of_a_dead_run_is_left_alone(site: Site, workspace: Path) -> None:
    """Numbers of processes are used again; the lock file of a run that was killed still names one."""
    with holding(workspace, RUN) as process:
        process.kill()
    lock = workspace / ".nightshift" / "lock"
    with subprocess.Popen(["sleep", "60"]) as stranger:
        lock.write_text(lock.read_text().replace(f'"pid": {process.pid}', f'"pid": {stranger.pid}'))
        assert owner_of(workspace) is None
        assert stop(site, run_dir(workspace)) == 409
        assert stranger.poll() is None
        stranger.kill()


def test_asking_who_works_there_never_keeps_a_run_out(workspace: Path) -> None:
    lock = Lock(workspace / ".nightshift", RUN)
    found = owner_of(workspace)
    lock.release()
    assert found is not None
    assert (found.run, owner_of(workspace)) == (RUN, None)


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"pid": -1}', '{"pid": "x", "run": "", "host": "", "boot": "", "beat": 0}', "null"]
)
def test_a_strange_lock_file_names_nobody(workspace: Path, text: str) -> None:
    (workspace / ".nightshift" / "lock").write_text(text)
    assert owner_of(workspace) is None


# That nothing it shows can act.


class Seen(HTMLParser):
    """The elements of a page and their attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.names: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.names |= {name for name, _ in attrs}


def hostile_pages(text: str) -> list[str]:
    run = Run("0" * 16, Path("/tmp") / text.replace("/", "_").replace("\0", "")[:100], RUN)
    told = {"run": RUN, "status": "failed", "exit_reason": text, "time": text, "task": text}
    criterion = {"id": text, "description": text, "passed": False, "evidence": text}
    result = {"criteria": [criterion], "files": [{"action": text, "path": text, "lines": text}], "branch": text}
    record = pages.record_item({"time": text, "kind": text, "span": text, "lines": [text]})
    wanted = {"q": text, "status": text, "place": text}
    return [
        pages.runs_page([(run, told)], wanted, {text: text}, f"/?{urlencode({'q': text.encode('utf-8', 'replace')})}"),
        pages.run_page(run, told, result, [record], seq=1, token=text, note=text),
        pages.compare_page((run, run), {text: {text: (text, {text: text})}}, [text, f"+{text}"]),
        pages.queue_page(
            text, {"at_work": True, "tasks": [{"state": text, "name": text, "told": text}]}, [(text, text)]
        ),
        pages.queue_page(text, {"error": text}, []),
        pages.message_page(text, text),
    ]


@pytest.mark.parametrize(("name", "text"), HOSTILE.items(), ids=HOSTILE)
def test_hostile_text_is_inert_on_every_page(name: str, text: str) -> None:
    for page, harmless in zip(hostile_pages(text), hostile_pages("harmless"), strict=True):
        seen, usual = Seen(page), Seen(harmless)
        assert not STEERING & set(page)
        assert {*seen.tags} <= {*usual.tags, "details", "summary", "pre"}
        assert seen.tags.count("script") == 1
        assert seen.names <= usual.names
        page.encode()


def test_the_whole_of_a_hostile_run_is_inert(tmp_path: Path) -> None:
    """Through trace, reader and server, in page and event stream, with every text at once."""
    folder = run_dir(tmp_path / "shop")
    with Trace.create(folder, RUN) as trace:
        start(trace, Task("<script>window.pwned=1</script>"))
        for text in (text[:5000] for text in HOSTILE.values()):
            trace.record("guard", text[:1000], rule=text, action=text, reason=text)
            trace.record("verdict", "attempt-1/judge", attempt=text, verdict=text)
            trace.record(
                "evaluation", text[:1000], path=text, candidate={"label": text}, rungs=[{"name": text}], outcomes={}
            )
            trace.record(text[:100], "", anything=text)
        trace.record("run_finished", "", status="failed", exit_reason="no_progress", exit_code=1)
    with open_site(tmp_path, [tmp_path / "shop"]) as site:
        page, stream = site.ask(url_of(folder)).text, site.ask(f"{url_of(folder)}/events").text
    assert not STEERING & {*page, *stream}
    assert Seen(page).tags.count("script") == 1
    assert "window.pwned" in page, "it is shown, as text"
    fields = [line.partition(":")[0] for line in stream.split("\n") if line]
    assert {*fields} == {"retry", "id", "event", "data"}
    assert [line for line in stream.split("\n") if line.startswith("event:")][-1] == "event: ended"


def test_old_runs_do_not_slow_the_list(tmp_path: Path) -> None:
    """Only what a page shows is read."""
    for number in range(150):
        folder = run_dir(tmp_path / "shop", f"20260101-{number:06}-aaaa")
        folder.mkdir(parents=True)
        (folder / "trace.jsonl").write_bytes(b"")
    with open_site(tmp_path, [tmp_path / "shop"]) as site:
        text = site.ask("/").text
        assert text.count('type="checkbox"') == 60
        older = re.search(r'href="(/\?[^"]*before=[^"]*)"', text)
        assert older
        assert "20260101-000089-aaaa" in site.ask(older[1].replace("&amp;", "&")).text
        assert len(site.dashboard.known._summaries) < 130


def test_the_program_prints_its_address_and_ends_when_told(tmp_path: Path) -> None:
    with program(home=tmp_path / "home") as (process, url):
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+", url)
        began = time.monotonic()
        process.terminate()
        assert process.wait(20) == 0
        assert time.monotonic() - began < 15


@pytest.mark.parametrize(
    "args", [["--port", "99999999"], ["--workspace", "/no/such/folder"], ["--nonsense"], ["--api-key-file", "/no"]]
)
def test_a_wrong_option_is_exit_2_and_says_which(tmp_path: Path, args: list[str]) -> None:
    command = [sys.executable, "-m", "nightshift.report.dashboard", *args]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 2
    assert args[-1] in done.stderr
    assert "Traceback" not in done.stderr
