"""What is handed over for review: commits that say who made them, a patch, and a repository otherwise untouched."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_workspace_git import BRANCH, Repo

from nightshift.errors import ConfigError, Refused
from nightshift.policy import Denied
from nightshift.workspace import Workspace, open_workspace
from nightshift.workspace.customs import commit_signed
from nightshift.workspace.deliver import Change
from nightshift.workspace.git import find_repository
from nightshift.workspace.patch import patch_of

Opener = Callable[..., Workspace]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    return home


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    repo = Repo(tmp_path / "repo")
    repo.git("init", "-q", "-b", "main")
    repo.commit(a_py="one\ntwo\nthree\n", b_py="1\n")
    return repo


@pytest.fixture
def opened(repo: Repo, tmp_path: Path) -> Iterator[Opener]:
    workspaces: list[Workspace] = []

    def open_it(path: Path | None = None, **options: object) -> Workspace:
        workspaces.append(open_workspace(path or repo.top, run_id="run-1", trees=tmp_path / "trees", **options))  # type: ignore[arg-type]
        return workspaces[-1]

    yield open_it
    for workspace in workspaces:
        workspace.close()


# Trailers.


def test_a_commit_names_its_step_its_run_and_the_models_in_trailers(repo: Repo, opened: Opener) -> None:
    workspace = opened()
    workspace.models = ("qwen3:8b", "a\nNightshift-Run: forged")
    workspace.write("a.py", "2\n")
    workspace.commit_step(["a.py"], "a.py: candidate-1")
    found = repo.git("log", "-1", "--format=%s|%(trailers:only,unfold,separator=%x2C)", BRANCH).strip()
    assert found == (
        "a.py: candidate-1|Nightshift-Step: a.py,Nightshift-Run: run-1,Nightshift-Model: qwen3:8b,"
        "Nightshift-Model: a Nightshift-Run: forged"
    )


# The base.


def test_a_run_may_start_from_any_commit_and_the_checkout_plays_no_part(repo: Repo, opened: Opener) -> None:
    repo.git("tag", "v1")
    repo.commit(a_py="later\n")
    repo.write("a.py", "dirty\n")
    before = repo.state()
    workspace = opened(base="v1")
    assert workspace.tree().texts["a.py"] == "one\ntwo\nthree\n"
    workspace.write("a.py", "two\n")
    told = workspace.deliver(merge=True)
    assert not told.merged
    assert repo.git("rev-parse", f"{BRANCH}~1") == repo.git("rev-parse", "v1")
    assert repo.state() == before


@pytest.mark.parametrize("base", ["nowhere", "--all", "HEAD~99", "HEAD:a.py", ""])
def test_a_base_that_is_no_commit_is_refused_before_anything_is_made(repo: Repo, opened: Opener, base: str) -> None:
    with pytest.raises(ConfigError, match="no such commit"):
        opened(base=base)
    assert repo.git("branch", "--list", "nightshift/*") == ""


# The patch.


def test_the_patch_beside_the_trace_applies_to_what_the_run_began_with(repo: Repo, opened: Opener) -> None:
    workspace = opened()
    (workspace.runs / "run-1").mkdir(parents=True)
    workspace.write("a.py", "one\n2\nthree")
    workspace.write("new dir/with space.txt", "text\r\nof lines\n")
    workspace.write("empty/__init__.py", "")
    told = workspace.deliver()
    patch = workspace.runs / "run-1" / "changes.patch"
    assert patch.read_text().startswith(f"From {told.commit} ")
    assert "Nightshift-Run: run-1" in patch.read_text()
    repo.git("apply", "--check", str(patch))
    repo.git("apply", "--index", str(patch))
    assert repo.git("diff", "--cached", BRANCH) == ""


def test_the_patch_of_a_subdirectory_applies_from_the_top(repo: Repo, opened: Opener) -> None:
    repo.commit(sub__x_py="1\n")
    workspace = opened(repo.top / "sub")
    (workspace.runs / "run-1").mkdir(parents=True)
    workspace.write("x.py", "2\n")
    workspace.deliver()
    repo.git("apply", "--check", str(workspace.runs / "run-1" / "changes.patch"))


def test_a_folder_without_git_gets_a_patch_too(tmp_path: Path, opened: Opener) -> None:
    folder = tmp_path / "plain"
    folder.mkdir()
    (folder / "a.py").write_text("1\n")
    workspace = opened(folder)
    (workspace.runs / "run-1").mkdir(parents=True)
    workspace.write("a.py", "2\n")
    workspace.deliver()
    assert "-1\n+2\n" in (workspace.runs / "run-1" / "changes.patch").read_text()


LINES = st.lists(st.sampled_from(["a", "b", "c", "  a", "", "\r", "-- ", "@@", "\\ x", "é"]), max_size=12)
TEXTS = st.builds(lambda lines, end: "\n".join(lines) + end, LINES, st.sampled_from(["", "\n"]))


@pytest.mark.slow
@settings(deadline=None, max_examples=40)
@given(before=st.none() | TEXTS, after=TEXTS, name=st.sampled_from(["a.py", "d/e f.txt", 'q"u.txt', "é.md"]))
def test_git_makes_of_the_patch_what_the_run_wrote(
    tmp_path_factory: pytest.TempPathFactory, before: str | None, after: str, name: str
) -> None:
    if before == after:
        return
    folder = tmp_path_factory.mktemp("apply")
    file = folder / name
    file.parent.mkdir(exist_ok=True)
    if before is not None:
        file.write_bytes(before.encode())
    change = Change(name, None if before is None else before.encode(), after.encode())
    command = ["git", "apply", "-p1", "--whitespace=nowarn", "-"]
    done = subprocess.run(
        command, cwd=folder, input=patch_of([change], "x", "", None), capture_output=True, check=False,
        env={**os.environ, "GIT_CEILING_DIRECTORIES": str(folder.parent)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert file.read_bytes() == after.encode()


# Submodules and LFS.

POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:{}\nsize 5\n".format("0" * 64)


@pytest.fixture
def with_lfs(repo: Repo, tmp_path: Path) -> Path:
    """Pointers in the repository, contents in the checkout, and filters that leave a trace when they are run."""
    canary = tmp_path / "canary"
    repo.write(".gitattributes", "*.bin filter=lfs diff=lfs merge=lfs -text\n")
    repo.write("data.bin", POINTER)
    repo.commit()
    for name in ("clean", "smudge"):
        repo.git("config", f"filter.lfs.{name}", f"touch {canary}; cat")
    repo.git("config", "filter.lfs.required", "true")
    repo.write("data.bin", "large")
    return canary


def test_files_of_lfs_are_neither_filtered_nor_written_nor_shown(repo: Repo, opened: Opener, with_lfs: Path) -> None:
    objects = repo.git("count-objects", "-v")
    workspace = opened()
    assert (workspace.root / "data.bin").read_text() == POINTER
    assert "data.bin" not in workspace.tree().texts
    assert workspace.closed == {"data.bin"}
    assert any("Git LFS" in note for note in workspace.notes)
    with pytest.raises(Denied, match="Git LFS"):
        workspace.write("data.bin", "x")
    assert repo.git("count-objects", "-v") == objects
    workspace.write("a.py", "2\n")
    workspace.deliver()
    assert repo.git("show", f"{BRANCH}:data.bin") == POINTER
    assert (repo.top / "data.bin").read_text() == "large"
    assert not with_lfs.exists()


def test_a_submodule_stays_at_its_commit_and_nothing_is_written_below_it(
    repo: Repo, tmp_path: Path, opened: Opener
) -> None:
    other = Repo(tmp_path / "other")
    other.git("init", "-q")
    other.commit(x_py="1\n")
    repo.git("submodule", "--quiet", "add", str(other.top), "lib")
    repo.git("commit", "-q", "-m", "with lib")
    pinned = repo.git("ls-tree", "HEAD", "lib")
    inside = Repo(repo.top / "lib")
    inside.commit(y_py="moved on\n")
    workspace = opened()
    with pytest.raises(Denied, match="submodule"):
        workspace.write("lib/x.py", "2\n")
    workspace.write("a.py", "2\n")
    workspace.deliver()
    assert repo.git("ls-tree", BRANCH, "lib") == pinned
    assert (repo.top / "lib" / "y.py").read_text() == "moved on\n"


# Hooks and signing.


def hook(repo: Repo, text: str) -> None:
    file = repo.top / ".git" / "hooks" / "pre-commit"
    file.parent.mkdir(exist_ok=True)
    file.write_text(f"#!/bin/sh\n{text}\n")
    file.chmod(0o755)


def test_a_hook_is_asked_only_when_the_user_wants_it(repo: Repo, opened: Opener) -> None:
    hook(repo, "echo no tabs please; exit 1")
    workspace = opened()
    workspace.write("a.py", "2\n")
    assert workspace.deliver().branch == BRANCH


def test_a_hook_that_objects_keeps_the_work_from_being_handed_over(repo: Repo, opened: Opener) -> None:
    hook(repo, 'test "$(cat a.py)" = fine && exit 0; echo rewritten > b.py; echo no tabs please; exit 1')
    before = repo.state()
    workspace = opened(hooks=True)
    workspace.write("a.py", "2\n")
    with pytest.raises(Refused, match="no tabs please"):
        workspace.deliver()
    workspace.write("a.py", "fine\n")
    assert workspace.deliver().branch == BRANCH
    assert repo.show("b.py") == "1\n"
    assert repo.state() == before


def signer(repo: Repo, home: Path, script: str) -> None:
    program = home / "signer"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    repo.git("config", "commit.gpgSign", "true")
    repo.git("config", "gpg.program", str(program))


def test_commits_are_signed_when_the_user_signs_and_the_key_needs_nobody(
    repo: Repo, home: Path, opened: Opener
) -> None:
    signer(repo, home, 'cat >/dev/null; echo "[GNUPG:] SIG_CREATED " >&2; echo "-- signed in a test --"')
    workspace = opened()
    workspace.write("a.py", "2\n")
    told = workspace.deliver()
    assert told.unsigned == ""
    assert "signed in a test" in repo.git("cat-file", "commit", BRANCH)


def test_commits_are_unsigned_with_a_note_when_the_key_needs_a_person(repo: Repo, home: Path, opened: Opener) -> None:
    signer(repo, home, 'echo asked >> "$HOME/asked"; echo "no pinentry" >&2; exit 2')
    workspace = opened()
    for path in ("a.py", "b.py"):
        workspace.write(path, "2\n")
        workspace.commit_step([path], path)
    told = workspace.deliver()
    assert "failed to sign" in told.unsigned
    assert "gpgsig" not in repo.git("cat-file", "commit", BRANCH)
    assert (home / "asked").read_text() == "asked\n"


def test_a_key_that_waits_for_a_person_is_given_up_and_nothing_of_it_stays(repo: Repo, home: Path) -> None:
    signer(repo, home, 'echo $$ > "$HOME/pid"; exec sleep 600')
    repository = find_repository(repo.top)
    assert repository
    tree = repo.git("rev-parse", "HEAD^{tree}").strip()
    commit, why = commit_signed(repository, tree, None, "x", 1_700_000_000, seconds=1.0)
    assert not commit
    assert "took longer than 1 s" in why
    asked, until = Path(f"/proc/{(home / 'pid').read_text().strip()}/exe"), time.monotonic() + 5
    while asked.exists() and time.monotonic() < until:  # a killed process takes a moment to go
        time.sleep(0.01)
    assert not asked.exists()


def test_recent_files_are_those_of_the_newest_commits_first(repo: Repo, opened: Opener) -> None:
    repo.commit(sub__new_py="1\n")
    assert opened().recent() == ("sub/new.py", "a.py", "b.py")
