"""A workspace without git: which folders are refused, the lock, hostile files, the copy and its delivery."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from nightshift.errors import ConfigError, NightshiftError, Refused, Tampered, WorkspaceLocked
from nightshift.workspace import Workspace, fresh_folder, is_checkout, open_workspace, slug
from nightshift.workspace.files import read_bytes, texts

CHECKOUT = Path(__file__).resolve().parents[1]
Opener = Callable[..., Workspace]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    return folder


@pytest.fixture
def opened(folder: Path, tmp_path: Path) -> Iterator[Opener]:
    """Opens the folder as often as asked and closes it at the end."""
    workspaces: list[Workspace] = []

    def open_it(run_id: str = "run-1", **options: object) -> Workspace:
        for workspace in workspaces:
            workspace.close()
        workspaces.append(open_workspace(folder, run_id=run_id, trees=tmp_path / "state" / "trees", **options))  # type: ignore[arg-type]
        return workspaces[-1]

    yield open_it
    for workspace in workspaces:
        workspace.close()


def content(folder: Path) -> dict[str, bytes]:
    """Every file of the user's; what is ours is in .nightshift alone."""
    files = (path for path in folder.rglob("*") if path.is_file() and ".nightshift" not in path.parts)
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


# Which folders are refused.


@pytest.mark.parametrize(
    "place, exit_reason, words",
    [
        ("/", "workspace_unsafe", "root of the file system"),
        ("{home}", "workspace_unsafe", "your home folder"),
        ("{home}/../home", "workspace_unsafe", "your home folder"),
        ("{home}/link-home", "workspace_unsafe", "your home folder"),
        ("{home}/..", "workspace_unsafe", "holds your home folder"),
        (str(CHECKOUT), "workspace_unsafe", "Nightshift's own checkout"),
        (str(CHECKOUT / "nightshift" / "llm"), "workspace_unsafe", "Nightshift's own checkout"),
        ("{home}/into/made-by-a-test", "workspace_unsafe", "Nightshift's own checkout"),
        ("{home}/file.txt", "workspace_unsafe", "is not a folder"),
        ("{home}/file.txt/x", "invalid_config", "parent folder does not exist"),
        ("{home}/no/such", "invalid_config", "parent folder does not exist"),
        ("{home}/p/.nightshift/runs", "workspace_unsafe", "belongs to a run"),
        ("{home}/linked", "workspace_unsafe", "cannot be written"),
        ("{home}/\x1b[2J", "invalid_config", "invisible"),
    ],
)  # fmt: skip
def test_an_unsafe_or_impossible_workspace_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str, exit_reason: str, words: str
) -> None:
    home = tmp_path / "home"
    (home / "p" / ".nightshift" / "runs").mkdir(parents=True)
    (home / "file.txt").touch()
    (home / "link-home").symlink_to(home)
    (home / "into").symlink_to(CHECKOUT / "nightshift")
    (home / "linked").mkdir()
    (home / "linked" / ".nightshift").symlink_to(tmp_path)
    monkeypatch.setenv("HOME", str(home))
    with pytest.raises(NightshiftError) as refusal:
        open_workspace(Path(place.format(home=home)), run_id="r", trees=tmp_path / "trees")
    assert refusal.value.exit_reason == exit_reason
    assert words in str(refusal.value)
    assert not (home / "into" / "made-by-a-test").exists()


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
def test_an_unwritable_workspace_is_refused(tmp_path: Path) -> None:
    """/proc is unwritable for root too."""
    with pytest.raises(Refused, match=r"/proc/\d+/\.nightshift cannot be written"):
        open_workspace(Path("/proc/self"), run_id="r", trees=tmp_path / "trees")


def test_a_workspace_is_made_when_only_itself_is_missing(tmp_path: Path) -> None:
    with open_workspace(tmp_path / "new", run_id="r", trees=tmp_path / "trees") as workspace:
        assert workspace.path.is_dir()
        assert workspace.tree().texts == {}


@pytest.mark.parametrize("run_id", ["", "../x", "a/b", ".", "-x", "a b"])
def test_a_run_id_is_a_plain_name(folder: Path, tmp_path: Path, run_id: str) -> None:
    with pytest.raises(ConfigError):
        open_workspace(folder, run_id=run_id, trees=tmp_path / "trees")


def test_trees_never_lie_in_the_workspace(folder: Path) -> None:
    with pytest.raises(ConfigError, match="XDG_STATE_HOME"):
        open_workspace(folder, run_id="r", trees=folder / "state")


def test_only_our_own_folder_appears_and_git_ignores_it(folder: Path, opened: Opener) -> None:
    opened()
    assert [path.name for path in folder.iterdir()] == [".nightshift"]
    assert (folder / ".nightshift" / ".gitignore").read_text() == "*\n"


def test_a_fresh_folder_lies_outside_the_checkout_and_is_new(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    first = fresh_folder("Build a task tracker!")
    assert first == tmp_path / "nightshift-work" / "build-a-task-tracker"
    first.mkdir()
    assert fresh_folder("Build a task tracker!").name == "build-a-task-tracker-2"
    assert is_checkout(CHECKOUT)
    assert not is_checkout(tmp_path)


@pytest.mark.parametrize(
    "text, name",
    [
        ("", "task"),
        ("../../x", "x"),
        ("Ä é", "task"),
        ("a" * 99, "a" * 40),
        ("Add -- it.lock", "add-it-lock"),
    ],
)
def test_a_slug_is_safe_in_branches_and_folders(text: str, name: str) -> None:
    assert slug(text) == name


# The lock.

HOLDER = """
import sys, time
from pathlib import Path
from nightshift.workspace import open_workspace
open_workspace(Path(sys.argv[1]), run_id="other", trees=Path(sys.argv[2]))
print("open", flush=True)
time.sleep(60)
"""


def test_a_second_run_is_told_who_works_there_and_a_dead_owner_is_replaced(folder: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLDER, str(folder), str(tmp_path / "trees")]
    with subprocess.Popen(command, cwd=CHECKOUT, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "open\n"
        with pytest.raises(WorkspaceLocked, match=f"process {other.pid}") as refusal:
            open_workspace(folder, run_id="r", trees=tmp_path / "trees")
        assert refusal.value.exit_reason == "workspace_locked"
        other.send_signal(signal.SIGKILL)
    with open_workspace(folder, run_id="r", trees=tmp_path / "trees"):
        assert json.loads((folder / ".nightshift" / "lock").read_text())["pid"] == os.getpid()


def test_a_failed_opening_gives_the_lock_back(folder: Path, opened: Opener) -> None:
    with pytest.raises(ConfigError, match="carry"):
        opened(carry=("../secrets",))
    opened()


@pytest.mark.parametrize("make", [os.mkfifo, lambda path: os.symlink("/etc/passwd", path), os.mkdir])
def test_a_planted_lock_is_refused_without_waiting(folder: Path, tmp_path: Path, make: Callable[[Path], None]) -> None:
    (folder / ".nightshift").mkdir()
    make(folder / ".nightshift" / "lock")
    with pytest.raises(Refused):
        open_workspace(folder, run_id="r", trees=tmp_path / "trees")


# What is read.


def test_the_tree_shows_python_and_small_texts_only(folder: Path, opened: Opener) -> None:
    shown = {"a.py": "x = 1\n", "pkg/b.py": "# ü\r\n", "README.md": "hello"}
    for path, text in shown.items():
        (folder / path).parent.mkdir(exist_ok=True)
        (folder / path).write_bytes(text.encode())
    (folder / "big.py").write_text("#" * 1_000_001)
    (folder / "big.csv").write_text("#" * 70_000)
    (folder / "image.png").write_bytes(b"\x89PNG\0\0")
    (folder / "latin.txt").write_bytes(b"\xe4")
    for name in ("__pycache__", ".git", "node_modules", ".venv"):
        (folder / name).mkdir()
        (folder / name / "x.py").touch()
    tree = opened(in_place=True).tree()
    assert tree.texts == shown
    assert tree.base == folder


SECRETS = {".env": "K=planted", "conf/prod.env": "planted", "id_rsa": "planted", "cert.pem": "planted", ".aws/credentials": "planted", "credentials.json": "planted", "notes.txt": "-----BEGIN RSA PRIVATE KEY-----\nplanted"}  # fmt: skip


@pytest.mark.parametrize("in_place", [True, False])
def test_keys_and_credentials_are_never_shown(folder: Path, opened: Opener, in_place: bool) -> None:
    for path, text in SECRETS.items():
        (folder / path).parent.mkdir(exist_ok=True)
        (folder / path).write_text(text)
    (folder / "a.py").write_text("x = 1")
    assert opened(in_place=in_place).tree().texts == {"a.py": "x = 1"}


def test_the_copy_holds_no_credentials_unless_they_are_carried(folder: Path, opened: Opener) -> None:
    (folder / ".env").write_text("planted")
    assert content(opened().root) == {}
    carried = opened("run-2", carry=(".env",))
    assert content(carried.root) == {".env": b"planted"}
    assert carried.tree().texts == {}


def test_files_made_as_weapons_are_not_read(folder: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("planted")
    (folder / "link.py").symlink_to(secret)
    os.link(secret, folder / "hard.py")
    os.mkfifo(folder / "fifo.py")
    (folder / "up").symlink_to(tmp_path)
    with open(folder / "sparse.py", "wb") as file:
        file.truncate(1 << 40)
    with open(os.fsencode(folder) + b"/\xff.py", "wb"):
        pass
    (folder / "a\nb.py").touch()
    assert texts(folder) == {}
    for path in ("link.py", "hard.py", "fifo.py", "up/secret", "sparse.py", "../secret", "missing", "a\0b"):
        assert read_bytes(folder, path) is None


# What is written.


@pytest.mark.parametrize("in_place", [True, False])
@pytest.mark.parametrize(
    "path",
    [
        "../x.py",
        "/tmp/x.py",
        "",
        "a/../../x",
        ".git/config",
        ".nightshift/lock",
        "-x",
        "a\0b",
        ".env",
        "up/x.py",
        "link.py",
        "fifo.py",
    ],
)
def test_nothing_is_written_outside_or_through_a_link(
    folder: Path, tmp_path: Path, opened: Opener, path: str, in_place: bool
) -> None:
    workspace = opened(in_place=in_place)
    outside = tmp_path / "outside.py"
    outside.write_text("kept")
    (workspace.root / "up").symlink_to(tmp_path)
    (workspace.root / "link.py").symlink_to(outside)
    os.mkfifo(workspace.root / "fifo.py")
    before = sorted(tmp_path.iterdir())
    with pytest.raises(Refused) as refusal:
        workspace.write(path, "x")
    assert refusal.value.exit_reason == "workspace_unsafe"
    assert sorted(tmp_path.iterdir()) == before
    assert outside.read_text() == "kept"


def test_a_file_keeps_its_mode_and_its_exact_bytes(folder: Path, opened: Opener) -> None:
    (folder / "run.sh").write_text("old")
    (folder / "run.sh").chmod(0o755)
    workspace = opened()
    workspace.write("run.sh", "a\r\nb\n")
    workspace.write("new/deep/x.py", "ü")
    workspace.deliver()
    assert content(folder) == {"run.sh": b"a\r\nb\n", "new/deep/x.py": "ü".encode()}
    assert (folder / "run.sh").stat().st_mode & 0o777 == 0o755
    assert (folder / "new/deep/x.py").stat().st_mode & 0o600 == 0o600


def test_nothing_of_the_users_changes_before_delivery(folder: Path, opened: Opener) -> None:
    (folder / "a.py").write_text("old")
    workspace = opened()
    workspace.write("a.py", "new")
    assert workspace.commit_step(["a.py"], "a step") is None
    assert workspace.tree().texts == {"a.py": "new"}
    assert content(folder) == {"a.py": b"old"}


def test_a_full_disk_is_told_from_other_failures(folder: Path) -> None:
    from nightshift.errors import DiskFull
    from nightshift.workspace.files import explained

    for number, kind in ((28, DiskFull), (122, DiskFull), (13, Refused)):
        with pytest.raises(kind), explained(folder):
            raise OSError(number, "told")


# Delivery of a copy.


def test_a_copy_is_delivered_with_what_was_done_to_each_file(folder: Path, opened: Opener) -> None:
    (folder / "a.py").write_text("old")
    (folder / "same.py").write_text("same")
    workspace = opened()
    workspace.write("a.py", "1\n2\n")
    workspace.write("same.py", "same")
    workspace.write("b/c.py", "")
    told = [(file.path, file.action, file.lines) for file in workspace.deliver().files]
    assert told == [("a.py", "changed", 2), ("b/c.py", "added", 0)]
    assert content(folder) == {"a.py": b"1\n2\n", "same.py": b"same", "b/c.py": b""}
    assert not list((folder / ".nightshift" / "staging").iterdir())


def edit(folder: Path) -> None:
    (folder / "b.py").write_text("the user's edit")


def appear(folder: Path) -> None:
    (folder / "new.py").write_text("the user's file")


def vanish(folder: Path) -> None:
    (folder / "b.py").unlink()


def become_link(folder: Path) -> None:
    (folder / "b.py").unlink()
    (folder / "b.py").symlink_to("a.py")


def become_folder(folder: Path) -> None:
    (folder / "new.py").mkdir()


@pytest.mark.parametrize("meanwhile", [edit, appear, vanish, become_link, become_folder])
def test_a_file_that_changed_meanwhile_stops_the_whole_delivery(
    folder: Path, opened: Opener, meanwhile: Callable[[Path], None]
) -> None:
    (folder / "a.py").write_text("old")
    (folder / "b.py").write_text("old")
    workspace = opened()
    for path in ("a.py", "b.py", "new.py"):
        workspace.write(path, "new")
    meanwhile(folder)
    before = content(folder)
    with pytest.raises(Refused, match=r"(b|new)\.py changed while the run was at work") as refusal:
        workspace.deliver()
    assert str(workspace.root) in str(refusal.value)
    assert content(folder) == before


def test_a_delivery_that_fails_half_way_is_taken_back(folder: Path, tmp_path: Path, opened: Opener) -> None:
    (folder / "a.py").write_text("old")
    workspace = opened()
    for path in ("a.py", "b.py", "z/c.py"):
        workspace.write(path, "new")
    (folder / "z").symlink_to(tmp_path)
    with pytest.raises(Refused):
        workspace.deliver()
    (folder / "z").unlink()
    assert content(folder) == {"a.py": b"old"}
    assert not (tmp_path / "c.py").exists()


def test_delivering_again_after_a_kill_is_no_conflict(folder: Path, opened: Opener) -> None:
    (folder / "a.py").write_text("old")
    workspace = opened()
    workspace.write("a.py", "new")
    workspace.write("b.py", "new")
    (folder / "a.py").write_text("new")  # as far as the killed delivery came
    assert len(workspace.deliver().files) == 2
    assert len(workspace.deliver().files) == 2
    assert content(folder) == {"a.py": b"new", "b.py": b"new"}


def test_no_file_of_the_users_is_ever_deleted(folder: Path, opened: Opener) -> None:
    """The predecessor ran rm -f *.json *.db; a run that leaves files out of its tree must not either."""
    names = ("package.json", "config.json", "users.db", "a.sqlite3", "x/.env")
    for name in names:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(name)
    workspace = opened()
    workspace.write("a.py", "x")
    (workspace.root / "package.json").unlink()
    workspace.deliver()
    assert content(folder).keys() == {*names, "a.py"}


def test_a_file_in_the_tree_that_became_a_link_is_tampering(folder: Path, opened: Opener) -> None:
    workspace = opened()
    workspace.write("a.py", "x")
    (workspace.root / "a.py").unlink()
    (workspace.root / "a.py").symlink_to("/etc/passwd")
    with pytest.raises(Tampered):
        workspace.deliver()


# In place, restoring and resuming.


def test_in_place_writes_go_straight_to_the_folder(folder: Path, opened: Opener) -> None:
    (folder / "a.py").write_text("old")
    workspace = opened(in_place=True)
    workspace.write("a.py", "new")
    assert content(folder) == {"a.py": b"new"}
    assert [file.action for file in workspace.deliver().files] == ["changed"]


@pytest.mark.parametrize("in_place", [True, False])
def test_a_restored_file_is_as_the_run_found_it(folder: Path, opened: Opener, in_place: bool) -> None:
    (folder / "a.py").write_text("old")
    workspace = opened(in_place=in_place)
    for text in ("one", "two"):
        workspace.write("a.py", text)
        workspace.write("b.py", text)
    workspace.restore("a.py")
    workspace.restore("b.py")
    workspace.restore("never-written.py")
    assert content(workspace.root) == {"a.py": b"old"}
    assert workspace.deliver().files == ()


def test_a_resumed_run_finds_its_tree_as_it_was_at_the_start(folder: Path, opened: Opener) -> None:
    (folder / "a.py").write_text("old")
    (folder / "data.bin").write_bytes(b"\0\1")
    workspace = opened()
    before = content(workspace.root)
    workspace.write("a.py", "new")
    workspace.write("pkg/b.py", "new")
    (folder / "a.py").write_text("the user's edit")
    again = opened(reopen=True)
    assert again.root == workspace.root
    assert content(again.root) == before
    again.write("a.py", "new")
    with pytest.raises(Refused, match="changed while the run was at work"):
        again.deliver()
    assert (folder / "a.py").read_text() == "the user's edit"


def test_an_opening_that_was_killed_half_way_starts_anew(folder: Path, tmp_path: Path, opened: Opener) -> None:
    (folder / "a.py").write_text("x")
    leftover = tmp_path / "state" / "trees" / "run-1" / "tree"
    leftover.mkdir(parents=True)
    (leftover / "half.py").touch()
    assert content(opened(reopen=True).root) == {"a.py": b"x"}


def test_a_run_id_is_used_once_unless_resumed(opened: Opener) -> None:
    opened()
    with pytest.raises(Refused, match="--resume"):
        opened()


def test_a_damaged_record_of_the_start_is_named(tmp_path: Path, opened: Opener) -> None:
    opened()
    file = tmp_path / "state" / "trees" / "run-1" / "start.json"
    file.write_text(file.read_text()[:-5])
    with pytest.raises(Refused, match=r"start.json is damaged"):
        opened(reopen=True)


def test_carry_brings_what_the_globs_name_and_nothing_more(folder: Path, opened: Opener) -> None:
    for path in ("venv/lib/x.py", "data/deep/y.csv", "keys/a.pem", "keys/b.pem", ".git/config"):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text("x")
    workspace = opened(carry=("venv", "keys/a*", ".git/**", "nothing*"))
    assert content(workspace.root).keys() == {"venv/lib/x.py", "data/deep/y.csv", "keys/a.pem"}
