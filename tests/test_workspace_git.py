"""A workspace in a git repository: the branch beside it, and a checkout that stays byte for byte the user's."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from nightshift.errors import ConfigError, Refused, Tampered
from nightshift.workspace import Workspace, open_workspace

CHECKOUT = Path(__file__).resolve().parents[1]
BRANCH = "nightshift/task-run-1"
CANARY = "touch {canary}; cat"
Opener = Callable[..., Workspace]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine on which git knows nobody's name and signs everything with a key that does not exist."""
    home = tmp_path / "home"
    home.mkdir()
    (home / ".gitconfig").write_text(
        "[commit]\ngpgSign = true\n[user]\nuseConfigOnly = true\n[gpg]\nprogram = /bin/false\n"
    )
    monkeypatch.setenv("HOME", str(home))
    return home


class Repo:
    def __init__(self, top: Path) -> None:
        self.top = top
        top.mkdir(exist_ok=True)

    def git(self, *args: str) -> str:
        options = (
            "-c",
            "user.name=User",
            "-c",
            "user.email=user@example.com",
            "-c",
            "commit.gpgSign=false",
            "-c",
            "protocol.file.allow=always",
        )
        result = subprocess.run(["git", *options, *args], cwd=self.top, capture_output=True, text=True, check=False)
        assert result.returncode == 0, result.stderr
        return result.stdout

    def write(self, path: str, text: str) -> None:
        (self.top / path).parent.mkdir(parents=True, exist_ok=True)
        (self.top / path).write_text(text)

    def commit(self, **files: str) -> None:
        for path, text in files.items():
            self.write(path.replace("__", "/").replace("_py", ".py"), text)
        self.git("add", "-A")
        self.git("commit", "-q", "-m", "the user's commit")

    def state(self) -> dict[str, bytes]:
        """The user's checkout, index, stash, HEAD and configuration, byte for byte."""
        kept = [
            path
            for path in self.top.rglob("*")
            if path.is_file() and ".git" not in path.parts and ".nightshift" not in path.parts
        ]
        git = [
            path
            for name in (
                "index",
                "HEAD",
                "config",
                "MERGE_HEAD",
                "refs/stash",
                "refs/heads/main",
                "logs/HEAD",
                "logs/refs/stash",
            )
            if (path := self.top / ".git" / name).is_file()
        ]
        return {str(path): path.read_bytes() for path in (*kept, *git)}

    def show(self, path: str, branch: str = BRANCH) -> str:
        return self.git("show", f"{branch}:{path}")


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    repo = Repo(tmp_path / "repo")
    repo.git("init", "-q", "-b", "main")
    return repo


@pytest.fixture
def opened(repo: Repo, tmp_path: Path) -> Iterator[Opener]:
    workspaces: list[Workspace] = []

    def open_it(path: Path | None = None, *, run_id: str = "run-1", **options: object) -> Workspace:
        for workspace in workspaces:
            workspace.close()
        workspaces.append(open_workspace(path or repo.top, run_id=run_id, trees=tmp_path / "trees", **options))  # type: ignore[arg-type]
        return workspaces[-1]

    yield open_it
    for workspace in workspaces:
        workspace.close()


def dirty(repo: Repo) -> None:
    """Staged, unstaged, deleted, stashed, untracked and ignored, all at once."""
    repo.commit(a_py="1\n", b_py="1\n", c_py="1\n", d_py="1\n")
    repo.write("a.py", "stashed\n")
    repo.git("stash")
    repo.write("a.py", "staged\n")
    repo.git("add", "a.py")
    repo.write("a.py", "unstaged\n")
    repo.write("b.py", "unstaged\n")
    (repo.top / "c.py").unlink()
    repo.write("new.py", "staged\n")
    repo.git("add", "new.py")
    repo.write("untracked.py", "u\n")
    repo.write(".git/info/exclude", "ignored.txt\n")
    repo.write("ignored.txt", "i\n")
    os.utime(repo.top / "d.py", (1, 1))  # a plain `git status` would now rewrite the index


def test_a_dirty_checkout_is_worked_from_and_left_alone(repo: Repo, opened: Opener) -> None:
    dirty(repo)
    before = repo.state()
    workspace = opened()
    assert workspace.tree().texts == {
        "a.py": "unstaged\n",
        "b.py": "unstaged\n",
        "d.py": "1\n",
        "new.py": "staged\n",
    }
    workspace.write("a.py", "done\n")
    workspace.write("d.py", "done\n")
    workspace.commit_step(["a.py"], "a.py: done")
    told = workspace.deliver()
    workspace.close()
    assert repo.state() == before
    assert (told.branch, told.merged, [file.path for file in told.files]) == (BRANCH, False, ["a.py", "d.py"])
    subjects = repo.git("log", "--format=%s", f"main..{BRANCH}").splitlines()
    assert subjects == ["Remaining files of the run", "a.py: done", "Snapshot of uncommitted changes"]
    assert repo.git("rev-parse", BRANCH).strip() == told.commit
    assert repo.git("diff", "--name-status", "main", BRANCH).split() == [
        "M",
        "a.py",
        "M",
        "b.py",
        "D",
        "c.py",
        "M",
        "d.py",
        "A",
        "new.py",
    ]
    assert workspace.notes == ("untracked files that take no part: 1; [workspace] carry brings them",)


def test_the_base_can_be_head_alone(repo: Repo, opened: Opener) -> None:
    dirty(repo)
    workspace = opened(base="HEAD")
    assert workspace.tree().texts == {f"{name}.py": "1\n" for name in "abcd"}
    workspace.write("a.py", "done\n")
    workspace.deliver()
    assert repo.git("log", "--format=%s", f"main..{BRANCH}").splitlines() == ["Remaining files of the run"]


def test_a_change_of_the_same_size_in_the_same_instant_is_seen(repo: Repo, opened: Opener) -> None:
    """git looks at the content of a file no older than the index; a copied index must not look newer."""
    repo.git("config", "core.trustctime", "false")
    repo.write("a.py", "1\n")
    os.utime(repo.top / "a.py", (1e9, 1e9))
    repo.commit()
    repo.write("a.py", "2\n")
    for path in ("a.py", ".git/index"):
        os.utime(repo.top / path, (1e9, 1e9))
    assert opened().tree().texts == {"a.py": "2\n"}


def test_files_that_a_sparse_checkout_leaves_out_are_there(repo: Repo, opened: Opener) -> None:
    repo.commit(in__a_py="1\n", out__b_py="1\n")
    repo.git("sparse-checkout", "set", "in")
    before = repo.state()
    workspace = opened()
    assert workspace.tree().texts.keys() == {"in/a.py", "out/b.py"}
    workspace.write("out/b.py", "2\n")
    workspace.deliver()
    assert repo.git("diff", "--name-only", "main", BRANCH) == "out/b.py\n"
    assert repo.state() == before


@pytest.mark.parametrize(
    "key", ["core.splitIndex", "core.untrackedCache", "core.autocrlf", "index.sparse", "merge.verifySignatures"]
)
def test_the_users_ways_with_git_change_nothing(repo: Repo, opened: Opener, key: str) -> None:
    repo.git("config", key, "true")
    dirty(repo)
    before, inside = repo.state(), sorted(os.listdir(repo.top / ".git"))
    workspace = opened()
    workspace.write("a.py", "done\n")
    workspace.deliver()
    assert repo.state() == before
    assert sorted(os.listdir(repo.top / ".git")) == inside
    assert repo.show("a.py") == "done\n"


def test_a_clean_checkout_gets_no_snapshot_and_an_unused_run_no_branch(repo: Repo, opened: Opener) -> None:
    repo.commit(a_py="1\n")
    workspace = opened()
    assert workspace.branch is None
    told = workspace.deliver(merge=True)
    assert (told.files, told.branch, told.commit) == ((), None, None)
    assert repo.git("branch", "--list").split() == ["*", "main"]


def test_the_tree_lies_outside_the_repository_and_holds_no_git(repo: Repo, tmp_path: Path, opened: Opener) -> None:
    repo.commit(a_py="1\n")
    workspace = opened()
    assert workspace.root == tmp_path / "trees" / "run-1" / "tree"
    assert [path.name for path in workspace.root.iterdir()] == ["a.py"]
    assert repo.git("worktree", "list").count("\n") == 1
    assert "nightshift" not in repo.git("status", "--porcelain", "--ignored=no")


def test_one_commit_a_step_and_none_for_a_step_that_changes_nothing(repo: Repo, opened: Opener) -> None:
    repo.commit(a_py="1\n")
    workspace = opened()
    workspace.write("a.py", "1\n")
    assert workspace.commit_step(["a.py"], "nothing") == repo.git("rev-parse", "main").strip()
    workspace.write("b.py", "2\n")
    first = workspace.commit_step(["b.py"], "b.py\n\nwith \x00odd ünïcode")
    assert workspace.commit_step(["b.py"], "again") == first
    assert workspace.commit_step(["never-written.py"], "again") == first
    assert repo.git("rev-list", "--count", f"main..{BRANCH}").strip() == "1"


def test_a_file_that_is_restored_leaves_the_branch_again(repo: Repo, opened: Opener) -> None:
    repo.commit(a_py="1\n")
    workspace = opened()
    for path in ("a.py", "b.py"):
        workspace.write(path, "2\n")
    workspace.commit_step(["a.py", "b.py"], "one")
    workspace.restore("a.py")
    workspace.restore("b.py")
    workspace.commit_step(["a.py", "b.py"], "two")
    assert repo.git("diff", "main", BRANCH) == ""


def test_modes_survive_and_odd_names_are_plain_names(repo: Repo, opened: Opener) -> None:
    repo.write("run.py", "1\n")
    (repo.top / "run.py").chmod(0o755)
    odd = {"ä b.py": "1\n", "[x]*.py": "1\n", ":(top)y.py": "1\n", '"q".py': "1\n"}
    for path, text in odd.items():
        repo.write(path, text)
    repo.commit()
    workspace = opened()
    for path in ("run.py", *odd):
        workspace.write(path, "2\n")
    workspace.deliver()
    assert repo.git("diff", "--summary", "main", BRANCH) == ""
    assert repo.git("diff", "-z", "--name-only", "main", BRANCH).split("\0")[:-1] == sorted(["run.py", *odd])


def test_the_state_folder_may_be_named_from_here(repo: Repo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    repo.commit(a_py="1\n")
    monkeypatch.chdir(tmp_path)
    with open_workspace(Path("repo"), run_id="run-1", trees=Path("trees")) as workspace:
        assert workspace.tree().texts == {"a.py": "1\n"}


def test_the_notes_name_what_takes_no_part(repo: Repo, opened: Opener) -> None:
    repo.commit(a_py="1\n")
    (repo.top / "link.py").symlink_to("a.py")
    repo.git("add", "link.py")
    for path in (*(f"test_{number}.py" for number in range(5)), "tests/x_test.py", "notes.txt", "contest_a.py"):
        repo.write(path, "")
    assert opened().notes == (
        "untracked files that take no part: 8; [workspace] carry brings them",
        (
            "untracked test files that take no part: test_0.py, test_1.py, test_2.py, test_3.py, test_4.py"
            " and 1 more; git add or carry brings them"
        ),
        "tracked links and submodules that are left out of the run's tree: link.py",
    )
    carried = opened(run_id="run-2", carry=("*.py", "*.txt", "tests"))
    assert carried.notes == ("tracked links and submodules that are left out of the run's tree: link.py",)


def test_a_branch_is_not_handed_over_with_what_the_run_did_not_write(repo: Repo, opened: Opener) -> None:
    repo.commit(a_py="1\n")
    workspace = opened()
    workspace.write("a.py", "2\n")
    (workspace.root / "a.py").write_text("somebody else's\n")
    for deliver in (workspace.deliver, lambda: workspace.commit_step(["a.py"], "a step")):
        with pytest.raises(Tampered, match=r"a\.py"):
            deliver()
    assert workspace.branch is None


def test_a_resumed_run_does_not_commit_a_carried_file_that_it_once_wrote(repo: Repo, opened: Opener) -> None:
    repo.commit(a_py="1\n")
    repo.write("local.txt", "the user's\n")
    opened(carry=("local.txt",)).write("local.txt", "the run's\n")
    again = opened(reopen=True)
    again.write("a.py", "2\n")
    again.deliver()
    assert repo.git("ls-tree", "--name-only", BRANCH).split() == ["a.py"]


# Merging.


def test_merge_fast_forwards_a_clean_checkout(repo: Repo, opened: Opener) -> None:
    repo.commit(a_py="1\n")
    workspace = opened()
    workspace.write("a.py", "2\n")
    told = workspace.deliver(merge=True)
    assert (told.merged, told.note) == (True, "")
    assert (repo.top / "a.py").read_text() == "2\n"
    assert repo.git("status", "--porcelain") == ""
    assert repo.git("rev-parse", "main").strip() == told.commit
    assert workspace.deliver(merge=True).merged


def with_changes(repo: Repo) -> None:
    repo.write("a.py", "the user's edit\n")


def with_a_commit(repo: Repo) -> None:
    repo.commit(z_py="1\n")


def on_no_branch(repo: Repo) -> None:
    repo.git("checkout", "-q", "--detach")


def with_a_file_in_the_way(repo: Repo) -> None:
    repo.write("b.py", "the user's file\n")


def with_an_ignored_file_in_the_way(repo: Repo) -> None:
    """Git itself would write over it without a word."""
    (repo.top / ".git" / "info" / "exclude").write_text("b.py\n")
    repo.write("b.py", "the user's file\n")


@pytest.mark.parametrize(
    "meanwhile, reason",
    [
        (with_changes, "uncommitted changes"),
        (with_a_commit, "moved on"),
        (on_no_branch, "no branch"),
        (with_a_file_in_the_way, "untracked working tree files would be overwritten"),
        (with_an_ignored_file_in_the_way, "untracked working tree files would be overwritten"),
    ],
)
def test_merge_leaves_any_other_checkout_alone_and_says_why(
    repo: Repo, opened: Opener, meanwhile: Callable[[Repo], None], reason: str
) -> None:
    repo.commit(a_py="1\n")
    workspace = opened()
    workspace.write("b.py", "2\n")
    meanwhile(repo)
    before = repo.state()
    told = workspace.deliver(merge=True)
    assert not told.merged
    assert reason in told.note
    assert told.branch == BRANCH
    assert repo.state() == before


# Repositories in odd states.


def test_a_repository_without_a_commit(repo: Repo, opened: Opener) -> None:
    repo.write("a.py", "1\n")
    repo.git("add", "a.py")
    workspace = opened()
    assert workspace.tree().texts == {"a.py": "1\n"}
    assert workspace.git_state().head is None
    workspace.write("b.py", "2\n")
    workspace.deliver()
    assert repo.git("ls-tree", "--name-only", BRANCH).split() == ["a.py", "b.py"]
    assert repo.git("status", "--porcelain").splitlines() == ["A  a.py"]


def test_an_empty_repository_can_be_merged_into(repo: Repo, opened: Opener) -> None:
    workspace = opened()
    workspace.write("b.py", "2\n")
    assert workspace.deliver(merge=True).merged
    assert (repo.top / "b.py").read_text() == "2\n"


def test_a_detached_head(repo: Repo, opened: Opener) -> None:
    repo.commit(a_py="1\n")
    repo.git("checkout", "-q", "--detach")
    workspace = opened()
    assert workspace.git_state().branch is None
    assert "detached HEAD" in workspace.git_state().sentence()
    workspace.write("a.py", "2\n")
    assert workspace.deliver().branch == BRANCH


def test_a_bare_repository_and_the_inside_of_one_are_refused(repo: Repo, tmp_path: Path, opened: Opener) -> None:
    bare = Repo(tmp_path / "bare")
    bare.git("init", "-q", "--bare")
    for place in (bare.top, repo.top / ".git" / "info"):
        with pytest.raises(Refused, match="bare repository") as refusal:
            opened(place)
        assert refusal.value.exit_reason == "workspace_unsafe"


def test_a_conflict_is_refused_unless_it_is_left_out(repo: Repo, opened: Opener) -> None:
    repo.commit(a_py="1\n")
    repo.git("checkout", "-q", "-b", "other")
    repo.commit(a_py="2\n")
    repo.git("checkout", "-q", "main")
    repo.commit(a_py="3\n")
    with pytest.raises(AssertionError):
        repo.git("merge", "-q", "other")
    assert repo.git("ls-files", "--unmerged")
    before = repo.state()
    with pytest.raises(Refused, match="--base HEAD"):
        opened()
    assert opened(run_id="run-2", base="HEAD").tree().texts == {"a.py": "3\n"}
    assert repo.state() == before


@pytest.mark.parametrize("sub", ["sub", "sub/deep er", ":(top)s[u]b*"])
def test_a_subdirectory_is_a_workspace_of_its_own(repo: Repo, opened: Opener, sub: str) -> None:
    repo.write(f"{sub}/a.py", "1\n")
    repo.commit(conftest_py="raise SystemExit\n", sub2__a_py="1\n")
    repo.write(f"{sub}/a.py", "edited\n")
    repo.write(f"{sub}/untracked.py", "\n")
    repo.write("sub2/a.py", "edited too\n")
    workspace = opened(repo.top / sub)
    assert "take no part: 1;" in workspace.notes[0]
    assert workspace.tree().texts == {"a.py": "edited\n"}
    workspace.write("b.py", "2\n")
    workspace.deliver()
    assert repo.show(f"{sub}/b.py") == "2\n"
    assert repo.show(f"{sub}/a.py") == "edited\n"
    assert repo.show("conftest.py") == "raise SystemExit\n"
    assert [path.name for path in workspace.root.parent.iterdir()] == [workspace.path.name]


@pytest.mark.parametrize("exclude", ["sub/\n", ""])
def test_a_folder_of_which_git_tracks_nothing_is_copied(repo: Repo, opened: Opener, exclude: str) -> None:
    repo.commit(a_py="1\n")
    repo.write(".git/info/exclude", exclude)
    repo.write("sub/x.py", "1\n")
    workspace = opened(repo.top / "sub")
    assert workspace.mode == "copy"
    assert workspace.tree().texts == {"x.py": "1\n"}
    assert not workspace.git_state().known


def test_a_linked_worktree_of_the_users(repo: Repo, tmp_path: Path, opened: Opener) -> None:
    repo.commit(a_py="1\n")
    repo.git("worktree", "add", "-q", "-b", "feature", str(tmp_path / "linked"))
    linked = Repo(tmp_path / "linked")
    linked.write("a.py", "2\n")
    workspace = opened(linked.top)
    assert (workspace.mode, workspace.git_state().branch) == ("branch", "feature")
    assert workspace.tree().texts == {"a.py": "2\n"}
    workspace.write("b.py", "1\n")
    workspace.deliver()
    assert linked.git("status", "--porcelain").splitlines() == [" M a.py"]


def test_submodules_stay_what_they_are(repo: Repo, tmp_path: Path, opened: Opener) -> None:
    inner = Repo(tmp_path / "inner")
    inner.git("init", "-q", "-b", "main")
    inner.commit(x_py="1\n")
    repo.git("submodule", "--quiet", "add", str(inner.top), "lib")
    repo.commit(a_py="1\n")
    repo.write("lib/x.py", "dirty\n")
    workspace = opened()
    assert workspace.tree().texts.keys() == {".gitmodules", "a.py"}
    assert workspace.notes == ("tracked links and submodules that are left out of the run's tree: lib",)
    workspace.write("a.py", "2\n")
    workspace.deliver()
    assert repo.git("ls-tree", BRANCH, "lib") == repo.git("ls-tree", "main", "lib")
    inside = Repo(repo.top / "lib")
    in_submodule = opened(inside.top, run_id="run-2")
    assert in_submodule.tree().texts == {"x.py": "dirty\n"}


def test_a_repository_that_git_cannot_read_is_refused_in_its_words(repo: Repo, opened: Opener) -> None:
    repo.commit(a_py="1\n")
    (repo.top / ".git" / "config").write_text("[broken\n")
    with pytest.raises(Refused, match="bad config"):
        opened()


# What git might run, read or be told.


def plant(repo: Repo, canary: Path) -> None:
    """Everything that makes git run a program, as a hostile candidate would write it into a .git folder."""
    for hook in (
        "pre-commit",
        "commit-msg",
        "post-commit",
        "post-checkout",
        "post-merge",
        "reference-transaction",
        "post-index-change",
    ):
        path = repo.top / ".git" / "hooks" / hook
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"#!/bin/sh\ntouch {canary}\n")
        path.chmod(0o755)
    for key in (
        "core.fsmonitor",
        "core.pager",
        "core.editor",
        "core.sshCommand",
        "diff.external",
        "gpg.program",
    ):
        repo.git("config", key, f"touch {canary}; false")


def test_hooks_and_monitors_never_run(repo: Repo, tmp_path: Path, opened: Opener) -> None:
    repo.commit(a_py="1\n")
    canary = tmp_path / "canary"
    plant(repo, canary)
    workspace = opened()
    workspace.git_state()
    workspace.write("a.py", "2\n")
    workspace.commit_step(["a.py"], "a step")
    assert workspace.deliver(merge=True).merged
    assert not canary.exists()


def test_attributes_that_a_candidate_writes_choose_no_filter(repo: Repo, tmp_path: Path, opened: Opener) -> None:
    repo.commit(a_py="1\n")
    canary = tmp_path / "canary"
    for step in ("clean", "smudge"):
        repo.git("config", f"filter.own.{step}", CANARY.format(canary=canary))
    workspace = opened()
    with pytest.raises(Refused, match="changes what a checkout yields"):
        workspace.write(".gitattributes", "*.py filter=own\n")
    (workspace.root / ".gitattributes").write_text("*.py filter=own\n")
    workspace.write("a.py", "2\n")
    workspace.deliver()
    assert not canary.exists()


def test_a_git_folder_in_the_tree_is_never_read(repo: Repo, tmp_path: Path, opened: Opener) -> None:
    repo.commit(a_py="1\n")
    workspace = opened()
    evil = Repo(workspace.root)
    evil.git("init", "-q")
    plant(evil, tmp_path / "canary")
    workspace.write("a.py", "2\n")
    workspace.deliver()
    assert ".git" not in workspace.tree().texts
    assert not (tmp_path / "canary").exists()


def test_a_file_checked_out_with_other_line_ends_is_committed_as_the_user_would(repo: Repo, opened: Opener) -> None:
    repo.write(".gitattributes", "*.py text eol=crlf\n")
    repo.commit(a_py="1\r\n2\r\n")
    workspace = opened()
    assert workspace.tree().texts["a.py"] == "1\r\n2\r\n"
    workspace.write("a.py", "1\r\n2\r\n3\r\n")
    workspace.deliver()
    assert repo.git("diff", "--numstat", "main", BRANCH).split() == ["1", "0", "a.py"]


def test_git_variables_of_the_surroundings_are_ignored(
    repo: Repo, tmp_path: Path, opened: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Started from a git hook, GIT_DIR and GIT_INDEX_FILE point elsewhere."""
    repo.commit(a_py="1\n")
    for name in (
        "GIT_DIR",
        "GIT_WORK_TREE",
        "GIT_INDEX_FILE",
        "GIT_OBJECT_DIRECTORY",
        "GIT_CONFIG_PARAMETERS",
    ):
        monkeypatch.setenv(name, str(tmp_path / "elsewhere"))
    workspace = opened()
    workspace.write("a.py", "2\n")
    commit = workspace.deliver().commit
    for name in (
        "GIT_DIR",
        "GIT_WORK_TREE",
        "GIT_INDEX_FILE",
        "GIT_OBJECT_DIRECTORY",
        "GIT_CONFIG_PARAMETERS",
    ):
        monkeypatch.delenv(name)
    assert repo.git("rev-parse", BRANCH).strip() == commit


@pytest.mark.parametrize(
    "known, author", [(False, "Nightshift <nightshift@localhost>"), (True, "Ada <ada@example.com>")]
)
def test_commits_carry_the_users_name_or_ours(repo: Repo, opened: Opener, known: bool, author: str) -> None:
    repo.commit(a_py="1\n")
    if known:
        repo.git("config", "user.name", "Ada")
        repo.git("config", "user.email", "ada@example.com")
    workspace = opened()
    workspace.write("a.py", "2\n")
    workspace.deliver()
    assert repo.git("log", "-1", "--format=%an <%ae>", BRANCH).strip() == author


def test_tracked_credentials_stay_in_the_branch_and_out_of_the_tree(repo: Repo, opened: Opener) -> None:
    repo.write(".env", "K=planted")
    repo.commit(a_py="1\n")
    repo.write("a.py", "edited\n")
    workspace = opened()
    assert [path.name for path in workspace.root.iterdir()] == ["a.py"]
    workspace.write("a.py", "2\n")
    workspace.deliver()
    assert repo.git("diff", "--name-only", "main", BRANCH) == "a.py\n"


def test_carried_files_are_in_the_tree_and_never_in_the_branch(repo: Repo, opened: Opener) -> None:
    repo.commit(a_py="1\n")
    repo.write(".git/info/exclude", "local.db\n")
    repo.write("local.db", "data")
    repo.write("new.py", "1\n")
    workspace = opened(carry=("*.db", "new.py", "a.py"))
    assert sorted(path.name for path in workspace.root.iterdir()) == ["a.py", "local.db", "new.py"]
    workspace.write("a.py", "2\n")
    workspace.deliver()
    assert repo.git("ls-tree", "--name-only", BRANCH).split() == ["a.py"]


@pytest.mark.parametrize(
    "name, words",
    [
        ("main", "main stands in the way"),
        ("main/x", "main stands in the way"),
        ("deep", "deep/er stands in the way"),
        ("a..b", "does not accept"),
        ("-x", "does not accept"),
        ("x.lock", "does not accept"),
    ],
)
def test_a_branch_that_is_taken_or_impossible_is_refused(repo: Repo, opened: Opener, name: str, words: str) -> None:
    repo.commit(a_py="1\n")
    repo.git("branch", "deep/er")
    with pytest.raises(ConfigError, match=words):
        opened(branch=name)
    assert repo.git("branch", "--list").split() == ["deep/er", "*", "main"]


def test_a_chosen_branch_name_is_used(repo: Repo, opened: Opener) -> None:
    repo.commit(a_py="1\n")
    workspace = opened(branch="feature/x")
    workspace.write("a.py", "2\n")
    assert workspace.deliver().branch == "feature/x"


def test_in_place_touches_files_and_nothing_of_git(repo: Repo, opened: Opener) -> None:
    repo.commit(a_py="1\n")
    workspace = opened(in_place=True)
    workspace.write("a.py", "2\n")
    assert workspace.commit_step(["a.py"], "a step") is None
    assert workspace.git_state().branch == "main"
    assert (workspace.deliver().branch, repo.git("branch", "--list").split()) == (None, ["*", "main"])
    assert (repo.top / "a.py").read_text() == "2\n"


# Resuming.


def test_a_resumed_run_makes_the_very_same_commits_again(repo: Repo, opened: Opener) -> None:
    dirty(repo)
    before = repo.state()

    def work(workspace: Workspace, steps: int) -> list[str | None]:
        commits = []
        for number in range(steps):
            workspace.write(f"step{number}.py", f"{number}\n")
            commits.append(workspace.commit_step([f"step{number}.py"], f"step {number}"))
        return commits

    first = work(opened(), 2)
    repo.write("b.py", "edited while it was killed\n")
    again = opened(reopen=True)
    assert "step0.py" not in again.tree().texts
    assert again.tree().texts["b.py"] == "unstaged\n"
    assert work(again, 3)[:2] == first
    assert repo.git("rev-list", "--count", f"main..{BRANCH}").strip() == "4"
    repo.write("b.py", "unstaged\n")
    assert repo.state() == before


def test_a_branch_that_the_user_checked_out_is_not_moved_under_them(repo: Repo, opened: Opener) -> None:
    repo.commit(a_py="1\n")
    workspace = opened()
    workspace.write("a.py", "2\n")
    workspace.deliver()
    repo.git("checkout", "-q", BRANCH)
    with pytest.raises(Refused, match="check out another branch"):
        opened(reopen=True)


def test_two_runs_in_one_repository_do_not_meet(repo: Repo, tmp_path: Path) -> None:
    repo.commit(one__a_py="1\n", two__a_py="1\n")
    trees = tmp_path / "trees"
    with (
        open_workspace(repo.top / "one", run_id="r1", trees=trees) as one,
        open_workspace(repo.top / "two", run_id="r2", trees=trees) as two,
    ):
        for workspace in (one, two):
            workspace.write("a.py", "2\n")
            workspace.commit_step(["a.py"], "a step")
        told = [one.deliver(), two.deliver()]
    for delivery, changed in zip(told, ("one/a.py", "two/a.py"), strict=True):
        assert repo.git("diff", "--name-only", "main", str(delivery.branch)).split() == [changed]


# Without git.

NO_GIT = """
import os, sys
from pathlib import Path
os.environ["PATH"] = "/nowhere"
from nightshift.workspace import open_workspace
with open_workspace(Path(sys.argv[1]), run_id="r", trees=Path(sys.argv[2])) as workspace:
    print(workspace.mode, *workspace.notes)
    workspace.write("a.py", "2\\n")
    workspace.deliver()
"""


def test_without_git_a_repository_is_worked_on_in_a_copy_and_says_so(repo: Repo, tmp_path: Path) -> None:
    repo.commit(a_py="1\n")
    before = repo.state()
    command = [sys.executable, "-c", NO_GIT, str(repo.top), str(tmp_path / "trees")]
    result = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=True, env={**os.environ})
    assert result.stdout == "copy git is not installed: working in a copy, without a branch\n"
    changed = {path for path, content in repo.state().items() if before[path] != content}
    assert changed == {str(repo.top / "a.py")}
