"""A queue of tasks: how they are read, whose turn it is, how much they may use, and where they end."""

from __future__ import annotations

import json
import math
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nights import Queue
from runs import ROOT, environment

from nightshift.errors import ConfigError, NightshiftError, Refused
from nightshift.nightly.budget import UNLIMITED, Amount, allowance, stopped_by_the_night, worthwhile
from nightshift.nightly.notify import notify
from nightshift.nightly.order import STARVED_NIGHTS, History, in_full_order, in_order, refusals
from nightshift.nightly.running import slots_of
from nightshift.nightly.schedule import crontab_line, install, schedule, systemd_units, with_line
from nightshift.nightly.tasks import FrontMatter, Task, read_queue, read_task

HOME = Path("/home/me/work")


def written(folder: Path, text: str, name: str = "one") -> Path:
    file = folder / f"{name}.md"
    file.write_text(text, encoding="utf-8")
    return file


# Reading tasks


def test_every_setting_of_a_task_is_read(tmp_path: Path) -> None:
    front = """+++
workspace = "../code"
verify = ["make test", "make lint"]
after = ["parser.md"]
priority = 5
repeat = true
endpoint = "localhost:8080/v1"
[limits]
minutes = 30
calls = 9
tokens = 1000
+++

Add a flag.
"""
    task = read_task(written(tmp_path, front), HOME)
    assert (task.name, task.prompt, task.workspace) == ("one", "Add a flag.", tmp_path.parent / "code")
    assert task.settings.verify == ("make test", "make lint")
    assert (task.settings.after, task.settings.priority, task.settings.repeat) == (("parser",), 5, True)
    assert task.settings.endpoint == "http://localhost:8080"
    assert (task.settings.limits.minutes, task.settings.limits.calls, task.settings.limits.tokens) == (30, 9, 1000)


def test_a_task_without_settings_works_in_a_folder_of_its_own(tmp_path: Path) -> None:
    task = read_task(written(tmp_path, "Add a flag.\n+++ is no fence here\n"), HOME / "one")
    assert (task.workspace, task.settings) == (HOME / "one", FrontMatter())
    assert task.prompt.endswith("no fence here")


@pytest.mark.parametrize(
    "text, told",
    [
        ("+++\npriority = 1\nprioritty = 2\n+++\nDo it", "one.md line 3: prioritty is unknown; known keys: workspace"),
        ("+++\n[limits]\nhours = 2\n+++\nDo it", "one.md line 3: limits.hours is unknown"),
        ("+++\npriority = 'high'\n+++\nDo it", "one.md line 2: priority must be a whole number"),
        ("+++\n\nrepeat = 1\n+++\nDo it", "one.md line 3: repeat must be true or false"),
        ("+++\n[limits]\nminutes = -1\n+++\nDo it", "one.md line 3: limits.minutes must be between"),
        ("+++\npriority = \n+++\nDo it", "line 2"),
        ("+++\npriority = 1\nDo it", "one.md line 1: the settings that begin here have no second line +++"),
        ("---\npriority: 1\n---\nDo it", "one.md line 1: settings are TOML between two lines +++"),
        ("workspace: ~/code\nDo it", "one.md line 1: settings are TOML"),
        ("+++\nendpoint = 'nonsense url'\n+++\nDo it", "one.md line 2: endpoint 'nonsense url' is not a URL"),
        ("+++\nverify = ['make', ' ']\n+++\nDo it", "one.md line 2: verify.1 cannot be ' '"),
        ("+++\nafter = '../other'\n+++\nDo it", "one.md line 2: after cannot be '../other'"),
        ("+++\npriority = 1\n+++\n \n", "one.md: there is no task in it"),
        ("", "one.md: there is no task in it"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_task_is_told_with_file_and_line(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(NightshiftError) as refused:
        read_task(written(tmp_path, text), HOME)
    assert told in str(refused.value)
    assert refused.value.exit_code == 2


@given(st.text(max_size=200), st.text(max_size=50))
@settings(max_examples=150, deadline=None)
def test_any_text_is_a_task_or_is_refused(tmp_path_factory: pytest.TempPathFactory, front: str, body: str) -> None:
    file = tmp_path_factory.getbasetemp() / "any.md"
    file.write_bytes(f"+++\n{front}\n+++\n{body}".encode("utf-8", "surrogatepass"))
    try:
        assert read_task(file, HOME).prompt
    except NightshiftError as refused:
        assert "any.md" in str(refused)


def test_a_broken_task_does_not_hide_the_others_and_no_folder_is_told(tmp_path: Path) -> None:
    written(tmp_path, "Do it", "good")
    written(tmp_path, "+++\nx = 1\n+++\nDo it", "bad")
    written(tmp_path, "half saved", ".hidden")
    (tmp_path / "binary.md").write_bytes(b"\xff\xfe\x00")
    queued = read_queue(tmp_path, lambda name: HOME / name)
    assert (list(queued.tasks), sorted(queued.refused)) == (["good"], ["bad", "binary"])
    with pytest.raises(ConfigError, match="is not a folder"):
        read_queue(tmp_path / "missing", lambda name: HOME)


# Whose turn it is


def task(name: str, prompt: str = "x", after: tuple[str, ...] = (), priority: int = 0) -> Task:
    front = FrontMatter(after=after, priority=priority)  # type: ignore[arg-type]
    return Task(Path(f"{name}.md"), prompt, front, HOME / name)


def names(tasks: list[Task]) -> list[str]:
    return [one.name for one in tasks]


def test_easy_wins_come_first_and_priority_before_them() -> None:
    tasks = [task("long", "x" * 2000), task("short"), task("urgent", "x" * 9000, priority=1)]
    assert names(in_order(tasks, {})) == ["urgent", "short", "long"]


def test_what_took_a_short_time_before_is_easy_however_long_its_text() -> None:
    histories = {"long": History(successes=(Amount(3), Amount(2), Amount(50)))}
    assert names(in_order([task("short"), task("long", "x" * 9000)], histories)) == ["long", "short"]


def test_a_task_that_nights_passed_over_comes_first() -> None:
    histories = {"hard": History(nights_skipped=STARVED_NIGHTS)}
    assert names(in_order([task("easy", priority=9), task("hard", "x" * 9000)], histories)) == ["hard", "easy"]


def test_a_task_that_was_put_aside_comes_after_those_that_had_no_turn() -> None:
    histories = {"easy": History(turns_tonight=1), "urgent": History(turns_tonight=1)}
    tasks = [task("easy"), task("hard", "x" * 9000), task("urgent", priority=9)]
    assert names(in_order(tasks, histories)) == ["hard", "urgent", "easy"]


def test_tasks_that_wait_for_each_other_are_refused_and_named() -> None:
    tasks = {t.name: t for t in (task("a", after=("b",)), task("b", after=("a",)), task("c", after=("c",)), task("d"))}
    refused = refusals(tasks, dict.fromkeys(tasks, "waiting"))
    assert sorted(refused) == ["a", "b", "c"]
    assert "a.md: after: these wait for each other: " in refused["a"]
    assert "c -> c" in refused["c"]


def test_waiting_for_a_task_that_nobody_knows_is_refused() -> None:
    refused = refusals({"a": task("a", after=("typo",))}, {"a": "waiting"})
    assert "after 'typo': there is no such task" in refused["a"]


@given(st.lists(st.tuples(st.integers(0, 9), st.sets(st.integers(0, 9)), st.integers(-3, 3)), max_size=10))
def test_the_order_holds_every_task_once_and_no_task_before_what_it_waits_for(
    drawn: list[tuple[int, set[int], int]],
) -> None:
    tasks = {
        f"t{n}": task(f"t{n}", "x" * n, tuple(f"t{other}" for other in after if other < n), priority)
        for n, after, priority in drawn
    }
    order = names(in_full_order(tasks, {}))
    assert sorted(order) == sorted(tasks)
    for name in order:
        waits = [other for other in tasks[name].settings.after if other in tasks]
        assert all(order.index(other) < order.index(name) for other in waits)


# How much a task may use


def test_a_task_gets_its_share_or_twice_what_it_usually_takes_and_never_more_than_its_own_limit() -> None:
    left, none = Amount(100, 100, 1000), Amount()
    assert allowance(UNLIMITED, none, left, 4, none).minutes == 25
    assert allowance(UNLIMITED, none, left, 4, Amount(20)).minutes == 40
    assert allowance(Amount(10, 10, 10), none, left, 4, none) == Amount(10, 10, 10)
    assert allowance(Amount(50, 50, 999), Amount(30, 5, 0), left, 4, none) == Amount(50, 30, 250)


AMOUNTS = st.builds(Amount, st.floats(0, 1e4), st.integers(0, 10**4), st.integers(0, 10**7))


@given(AMOUNTS, AMOUNTS, AMOUNTS, st.integers(1, 50), AMOUNTS)
def test_an_allowance_never_exceeds_what_is_left_nor_the_tasks_own_limit(
    own: Amount, used: Amount, left: Amount, waiting: int, usual: Amount
) -> None:
    totals = allowance(own, used, left, waiting, usual)
    for name in ("minutes", "calls", "tokens"):
        given_, most = getattr(totals, name), getattr(own, name)
        assert given_ <= most
        assert given_ - getattr(used, name) <= getattr(left, name) + 1e-9


def test_only_what_the_night_kept_back_is_worth_another_turn() -> None:
    totals, own = Amount(10, 50, 100), Amount(60, 50, 100)
    assert stopped_by_the_night("budget_minutes", totals, own)
    assert not stopped_by_the_night("budget_calls", totals, own)
    assert not stopped_by_the_night("attempts_exhausted", totals, own)
    assert worthwhile(UNLIMITED)
    assert not worthwhile(Amount(math.inf, 0, math.inf))


def test_one_server_has_one_lock_and_another_machines_server_another() -> None:
    assert slots_of(["http://localhost:8080"], "a") == slots_of(["127.0.0.1:8080/v1"], "a")
    assert slots_of(["http://localhost:8080"], "a") != slots_of(["http://localhost:8080"], "b")
    assert slots_of(["http://gpu:8080"], "a") == slots_of(["http://gpu:8080/"], "b")
    assert len(slots_of(["http://gpu:1", "http://gpu:2", "http://gpu:1"], "a")) == 2


# Telling and scheduling


def test_the_users_program_gets_the_night_and_can_harm_nothing(tmp_path: Path) -> None:
    assert notify(f"cat > {tmp_path}/told", {"exit_code": 1}) == ""
    assert json.loads((tmp_path / "told").read_text()) == {"exit_code": 1}
    assert "exit code 3: oh" in notify("echo oh >&2; exit 3", {})
    assert notify("true", {"long": "x" * 1_000_000}) == "", "it need not read"
    begun = time.monotonic()
    assert "ended after 0.2 s" in notify("sleep 30 & sleep 30", {}, seconds=0.2)
    assert time.monotonic() - begun < 20


CRON = """#!/bin/sh
if [ "$1" = -l ]; then cat "$HOME/crontab" 2>/dev/null || { echo "no crontab for me" >&2; exit 1; }; exit; fi
echo written >> "$HOME/writes"; cat > "$HOME/crontab"
"""


def fake_cron(home: Path, script: str = CRON) -> dict[str, str]:
    program = home / "bin" / "crontab"
    program.parent.mkdir(parents=True)
    program.write_text(script)
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    return {"PATH": f"{program.parent}:/usr/bin:/bin", "HOME": str(home)}


def test_installing_twice_writes_once_and_leaves_other_lines_alone(tmp_path: Path) -> None:
    environ = fake_cron(tmp_path)
    (tmp_path / "crontab").write_text("# mine\n5 4 * * * backup\n")
    queue = Path("/home/me/my 100% queue")
    plan = schedule(queue, ["python3", "nightly.py", str(queue), "--until", "07:00"], "22:30")
    assert "written" in install(plan, environ, uid=1000)
    assert "already" in install(plan, environ, uid=1000)
    lines = (tmp_path / "crontab").read_text().splitlines()
    assert lines[:2] == ["# mine", "5 4 * * * backup"]
    assert len(lines) == 3
    assert lines[2].startswith("30 22 * * * mkdir -p '/home/me/my 100\\% queue/nights' && python3 nightly.py ")
    later = schedule(queue, ["python3", "nightly.py", str(queue)], "23:00")
    install(later, environ, uid=1000)
    assert (tmp_path / "crontab").read_text().splitlines()[2:] == [crontab_line(later)]
    assert len((tmp_path / "writes").read_text().splitlines()) == 2


@given(st.text(alphabet=st.characters(blacklist_characters="\r\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029"), max_size=200))
def test_any_crontab_keeps_its_lines(text: str) -> None:
    plan = schedule(Path("/q"), ["nightly.py"], "22:00")
    once = with_line(text, plan)
    assert with_line(once, plan) == once
    assert once.splitlines()[:-1] == text.splitlines()


def test_roots_crontab_is_never_written(tmp_path: Path) -> None:
    environ = fake_cron(tmp_path)
    with pytest.raises(Refused, match="this is root"):
        install(schedule(Path("/q"), ["nightly.py"], "22:00"), environ, uid=0)
    assert not (tmp_path / "writes").exists()


def test_a_crontab_that_cannot_be_read_is_not_overwritten(tmp_path: Path) -> None:
    environ = fake_cron(tmp_path, "#!/bin/sh\necho 'permission denied' >&2; exit 1\n")
    with pytest.raises(Refused, match="nothing is written: permission denied"):
        install(schedule(Path("/q"), ["nightly.py"], "22:00"), environ, uid=1000)


def test_without_cron_a_systemd_timer_is_written(tmp_path: Path) -> None:
    environ = fake_cron(tmp_path, '#!/bin/sh\necho "$@" >> "$HOME/calls"\n')
    (tmp_path / "bin" / "crontab").rename(tmp_path / "bin" / "systemctl")
    plan = schedule(Path("/my queue"), ["python3", "nightly.py", "/my queue", "100%", "$x"], "6:05")
    install(plan, {**environ, "PATH": str(tmp_path / "bin") + ":/nowhere"} | {"PATH": f"{tmp_path}/bin"}, uid=1000)
    folder = tmp_path / ".config" / "systemd" / "user"
    assert {path.name for path in folder.iterdir()} == set(systemd_units(plan))
    assert 'ExecStart="python3" "nightly.py" "/my queue" "100%%" "$$x"' in (folder / f"{plan.name}.service").read_text()
    assert "OnCalendar=*-*-* 06:05:00" in (folder / f"{plan.name}.timer").read_text()


@pytest.mark.parametrize("at", ["24:00", "7", "", "12:60", "noon"])
def test_a_time_of_day_that_is_none_is_refused(at: str) -> None:
    with pytest.raises(ConfigError, match="give a time of day"):
        schedule(Path("/q"), ["nightly.py"], at)


# The program


def test_a_night_does_what_can_be_done_and_says_the_rest(tmp_path: Path) -> None:
    """Failure does not stop the others; what depends on it waits; a wrong file is named; the worst code is the night's."""
    queue = Queue(tmp_path)
    queue.add("a", "Do it")
    queue.add("b", "Do it badly exit=1", 'after = ["a"]')
    queue.add("c", "Do it later", 'after = ["b"]')
    queue.add("d", "Do it", "colour = 'red'")
    told = queue.run("--json", "--notify", f"cat > {tmp_path}/notified")
    assert told.code == 2, told.stderr
    assert "d.md line 2: colour is unknown" in told.stderr
    assert queue.files() == {"": ["c", "d"], "done": ["a"], "failed": ["b"]}
    assert json.loads((tmp_path / "notified").read_text()) == told.night
    assert told.night["headline"] == "1 of 4 tasks passed; 2 failed, 1 not begun."
    result = json.loads((queue.folder / "done" / "a.result.json").read_text())
    assert (result["status"], result["queue"]["task_file"]) == ("passed", "a.md")
    report = Path(told.night["report"])
    assert (report.with_suffix(".md")).read_text().startswith(f"# {told.night['headline']}\n")
    page = report.read_text()
    assert "it &lt;works&gt;" in page
    assert "AssertionError: 1 != 2" in page


def test_a_queue_that_is_not_there_is_told_to_the_users_program_too(tmp_path: Path) -> None:
    queue = Queue(tmp_path)
    told = queue.run("--notify", f"cat > {tmp_path}/notified")
    assert (told.code, queue.folder.exists()) == (2, False)
    assert "is not a folder" in json.loads((tmp_path / "notified").read_text())["headline"]


def test_a_dry_run_prints_the_order_and_does_nothing(tmp_path: Path) -> None:
    queue = Queue(tmp_path)
    queue.add("long", "x" * 2000)
    queue.add("short", "Do it", 'after = ["long"]')
    queue.add("easy", "Do it")
    told = queue.run("--dry-run", "--json")
    assert [one["name"] for one in told.night["order"]] == ["easy", "long", "short"]
    assert (told.code, queue.started(), (queue.folder / ".nightly").exists()) == (0, [], False)


def test_a_task_without_a_folder_gets_the_same_one_wherever_the_night_is_started(tmp_path: Path) -> None:
    queue = Queue(tmp_path)
    queue.add("a", "Do it")
    for here in (tmp_path, ROOT):
        told = subprocess.run(
            [sys.executable, str(ROOT / "nightly.py"), str(queue.folder), "--dry-run"],
            env=environment(tmp_path), cwd=here, text=True, capture_output=True, check=True,
        )  # fmt: skip
        assert f"in {tmp_path / 'nightshift-work' / 'a'}" in told.stdout


def test_the_cron_line_repeats_the_command(tmp_path: Path) -> None:
    queue = Queue(tmp_path)
    queue.add("a", "Do it")
    told = queue.run("--until", "07:00", "--install-cron", "--at", "21:15")
    assert told.code == 0
    line = told.stdout.splitlines()[1]
    assert line.startswith("15 21 * * * mkdir -p ")
    assert "--until 07:00 >> " in line
    assert "--install-cron" not in line
    assert "OnCalendar=*-*-* 21:15:00" in told.stdout


@pytest.mark.parametrize(
    "flags, told",
    [
        (("--no-such-flag",), "unrecognized arguments"),
        (("--resume",), "--resume is about one run"),
        (("--until", "soon"), "--until soon: give a time of day like 07:00"),
        (("--max-minutes", "0"), "must be more than 0"),
        (("another",), "nightly.py: error: unrecognized arguments: another"),
    ],
)
def test_wrong_usage_is_exit_2_before_anything_is_done(tmp_path: Path, flags: tuple[str, ...], told: str) -> None:
    queue = Queue(tmp_path)
    queue.add("a", "Do it")
    done = queue.run(*flags)
    assert (done.code, queue.started()) == (2, [])
    assert told in done.stderr
