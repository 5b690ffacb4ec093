"""Git by its plumbing: a branch grows beside the user's checkout, which only `fast_forward` touches.

The isolated tree is no registered worktree: it holds no `.git`, so nothing that a candidate writes there is
read as configuration, and there is nothing to unregister. Repository, work folder and index are always named.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from nightshift.errors import ConfigError, DiskFull, Refused

TIMEOUT_SECONDS = 600
NO_HOOKS, NO_SIGNING = "core.hooksPath=/dev/null", "commit.gpgSign=false"
QUIET = (
    NO_HOOKS, NO_SIGNING, "core.fsmonitor=false", "gc.auto=0",
    "maintenance.auto=false", "core.safecrlf=false", "core.splitIndex=false", "submodule.recurse=false",
    "merge.autoStash=false",
    # Pointers of Git LFS are files like others: neither fetched nor uploaded.
    "filter.lfs.clean=", "filter.lfs.smudge=", "filter.lfs.process=", "filter.lfs.required=false",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class GitState:
    """What is checked out in the user's repository."""

    branch: str | None
    """None on a detached HEAD."""
    dirty: bool
    """Tracked files differ from HEAD."""
    head: str | None
    """None before the first commit."""
    known: bool = True
    """False where there is no repository."""

    def sentence(self) -> str:
        if not self.known:
            return "Not a git repository."
        where = f"on branch {self.branch}" if self.branch else "on a detached HEAD"
        since = "without a commit yet" if self.head is None else f"at commit {self.head[:12]}"
        return f"A git repository {where}, {since}, with {'' if self.dirty else 'no '}uncommitted changes."


NO_REPOSITORY = GitState(None, False, None, known=False)


@dataclass(frozen=True, slots=True)
class Repository:
    """The repository a workspace lies in."""

    git_dir: Path
    top: Path
    prefix: str
    """The workspace's path below `top`, '' or ending in '/'."""
    env: tuple[tuple[str, str], ...] = field(default=(), repr=False)

    @property
    def located(self) -> dict[str, str]:
        return {"GIT_DIR": str(self.git_dir), "GIT_WORK_TREE": str(self.top)} | dict(self.env)

    def run(self, *args: str, stdin: bytes = b"", index: Path | None = None) -> bytes:
        """Output of a git command. Raises Refused with what git said."""
        result = self.attempt(*args, stdin=stdin, index=index)
        if result.returncode != 0:
            said = result.stderr.decode(errors="replace").strip()
            kind = DiskFull if "No space left on device" in said else Refused
            raise kind(f"git {args[0]} failed in {self.top}: {said}")
        return result.stdout

    def attempt(self, *args: str, stdin: bytes = b"", index: Path | None = None) -> subprocess.CompletedProcess[bytes]:
        chosen = {"GIT_INDEX_FILE": str(index)} if index else {}
        return git(args, self.top, self.located | chosen, stdin)

    def value(self, *args: str, index: Path | None = None) -> str | None:
        """The single line a git command prints; None when it fails."""
        result = self.attempt(*args, index=index)
        return result.stdout.decode(errors="replace").strip() or None if result.returncode == 0 else None


def find_repository(workspace: Path) -> Repository | None:
    """The repository that holds the workspace; None when there is none, or it tracks nothing there.

    Raises Refused for a repository that has no files to work on.
    """
    place = git(("rev-parse", "--absolute-git-dir", "--is-bare-repository", "--is-inside-work-tree"), workspace, {})
    if place.returncode != 0:
        said = place.stderr.decode(errors="replace").strip()
        if "not a git repository (or any" in said:
            return None
        raise Refused(f"git does not accept the repository of {workspace}: {said}")
    git_dir, bare, inside = os.fsdecode(place.stdout).splitlines()
    if bare == "true" or inside != "true":
        raise Refused(f"{workspace} is a bare repository or inside one: clone it and work in the clone.")
    top = Path(os.fsdecode(git(("rev-parse", "--show-toplevel"), workspace, {}).stdout).removesuffix("\n"))
    prefix = "" if workspace == top else workspace.relative_to(top).as_posix() + "/"
    repository = Repository(Path(git_dir), top, prefix)
    if prefix and not repository.run("ls-files", "-z", "--", prefix):
        return None
    return replace(repository, env=_identity(repository))


def has_git() -> bool:
    return shutil.which("git") is not None


def _identity(repository: Repository) -> tuple[tuple[str, str], ...]:
    """The user's name where git knows it; a commit never fails for want of one."""
    name = repository.value("config", "user.name") or "Nightshift"
    email = repository.value("config", "user.email") or "nightshift@localhost"
    return tuple(
        (f"GIT_{who}_{what}", value)
        for who in ("AUTHOR", "COMMITTER")
        for what, value in (("NAME", name), ("EMAIL", email))
    )


def state(repository: Repository) -> GitState:
    changed = repository.run("status", "--porcelain", "-z", "--untracked-files=no", "--ignore-submodules=all")
    return GitState(
        repository.value("symbolic-ref", "--quiet", "--short", "HEAD"),
        bool(changed),
        repository.value("rev-parse", "--verify", "--quiet", "HEAD^{commit}"),
    )


def snapshot(repository: Repository, index: Path) -> str:
    """The tree of what the user has: tracked files as they are on disk, by way of a copy of the index.

    The copy keeps its time: with a later one git would take files changed since for unchanged. Submodules and files
    of Git LFS stay as they are in the index.
    """
    own = repository.git_dir / "index"
    if own.exists():
        shutil.copy2(own, index)
    if repository.run("ls-files", "--unmerged", "-z", index=index):
        raise Refused(f"{repository.top} has unresolved merge conflicts: resolve them or leave them out: --base HEAD.")
    closed = [*pointers(repository, index), *_entries(repository, index, (b"160",))]
    if closed:
        names = b"".join(os.fsencode(f"{repository.prefix}{path}") + b"\0" for path in closed)
        repository.run("update-index", "--skip-worktree", "-z", "--stdin", stdin=names, index=index)
    repository.run("add", "--update", index=index)
    return repository.run("write-tree", index=index).decode().strip()


def commit_tree(repository: Repository, tree: str, parent: str | None, message: str, when: int) -> str:
    """With a time that does not move, doing the same again gives the same commit."""
    args, at, plain = commit_command(repository, tree, parent, message, when)
    return at.run(*args, stdin=plain).decode().strip()


def commit_command(
    repository: Repository, tree: str, parent: str | None, message: str, when: int
) -> tuple[tuple[str, ...], Repository, bytes]:
    parents = ("-p", parent) if parent else ()
    dated = (("GIT_AUTHOR_DATE", f"{when} +0000"), ("GIT_COMMITTER_DATE", f"{when} +0000"))
    plain = "".join(char if char.isprintable() or char == "\n" else " " for char in message)
    return ("commit-tree", tree, *parents), replace(repository, env=repository.env + dated), plain.encode()


def pointers(repository: Repository, index: Path) -> list[str]:
    """Files of the workspace that Git LFS keeps elsewhere."""
    paths = tracked(repository, index)
    names = b"".join(os.fsencode(f"{repository.prefix}{path}") + b"\0" for path in paths)
    told = os.fsdecode(repository.run("check-attr", "-z", "--stdin", "filter", stdin=names, index=index)).split("\0")
    kept = (path for path, value in zip(told[::3], told[2::3], strict=False) if value == "lfs")
    return [path.removeprefix(repository.prefix) for path in kept]


def commit_of(repository: Repository, revision: str) -> str | None:
    """The commit that a revision names; None when it names none."""
    named = f"{revision}^{{commit}}"
    return repository.value("rev-parse", "--verify", "--quiet", "--end-of-options", named) if revision else None


def tracked(repository: Repository, index: Path) -> list[str]:
    """Files of the index in the workspace, below it; submodules and links left out."""
    return _entries(repository, index, (b"100",))


def links(repository: Repository, index: Path) -> list[str]:
    """What `tracked` leaves out: symbolic links and submodules."""
    return _entries(repository, index, (b"120", b"160"))


def _entries(repository: Repository, index: Path, kinds: tuple[bytes, ...]) -> list[str]:
    scope = ["--", repository.prefix] if repository.prefix else []
    entries = repository.run("ls-files", "--stage", "-z", *scope, index=index).split(b"\0")
    paths = [os.fsdecode(entry).split("\t", 1)[1] for entry in entries if entry.startswith(kinds)]
    return [path.removeprefix(repository.prefix) for path in paths]


def check_out(repository: Repository, index: Path, paths: Iterable[str], folder: Path) -> None:
    """Writes files of the index into the folder, at their path below the repository's top."""
    names = b"".join(os.fsencode(f"{repository.prefix}{path}") + b"\0" for path in paths)
    repository.run("checkout-index", "-z", "--stdin", f"--prefix={folder}/", stdin=names, index=index)


def fill_index(repository: Repository, index: Path, tree: str | None) -> None:
    repository.run("read-tree", tree or "--empty", index=index)


def tree_of(repository: Repository, commit: str | None) -> str | None:
    return repository.value("rev-parse", "--verify", "--quiet", f"{commit}^{{tree}}") if commit else None


def untracked(repository: Repository) -> set[str]:
    """The files in the workspace that git neither tracks nor ignores."""
    scope = ["--", repository.prefix] if repository.prefix else []
    found = os.fsdecode(repository.run("ls-files", "--others", "--exclude-standard", "-z", *scope))
    return {path.removeprefix(repository.prefix) for path in found.split("\0")[:-1]}


def stage_files(repository: Repository, index: Path, files: Sequence[tuple[str, bytes | None]]) -> str:
    """The tree with these contents; None takes a file out. Attributes are those of the user's checkout."""
    for path, content in files:
        full = f"{repository.prefix}{path}"
        if content is None:
            repository.run("update-index", "--force-remove", "--", full, index=index)
            continue
        blob = repository.run("hash-object", "-w", "--stdin", "--path", full, stdin=content).decode().strip()
        before = repository.run("ls-files", "--stage", "-z", "--", full, index=index)
        mode = "100755" if before.startswith(b"100755") else "100644"
        repository.run("update-index", "--add", "--cacheinfo", f"{mode},{blob},{full}", index=index)
    return repository.run("write-tree", index=index).decode().strip()


def check_branch(repository: Repository, branch: str) -> None:
    """Raises ConfigError for a name that git refuses or that another branch stands in the way of."""
    full = f"refs/heads/{branch}"
    if branch.startswith("-") or repository.attempt("check-ref-format", full).returncode != 0:
        raise ConfigError(f"--branch {branch}: git does not accept that name.")
    taken = os.fsdecode(repository.run("for-each-ref", "--format=%(refname)", "refs/heads/")).splitlines()
    for ref in taken:
        # Branches are paths: neither may be a folder of the other.
        if f"{full}/".startswith(f"{ref}/") or ref.startswith(f"{full}/"):
            clash = ref.removeprefix("refs/heads/")
            raise ConfigError(f"branch {clash} stands in the way of {branch}: choose another with --branch.")


def set_branch(repository: Repository, branch: str, commit: str) -> None:
    repository.run("update-ref", "-m", "nightshift", f"refs/heads/{branch}", commit)


def fast_forward(repository: Repository, branch: str, start: str | None) -> str:
    """Moves a clean checkout that is still where the run began to the branch; else the reason why not."""
    now = state(repository)
    commit = repository.value("rev-parse", "--verify", "--quiet", f"refs/heads/{branch}")
    if now.head == commit:
        return ""
    reasons = (
        (now.branch is None, "no branch is checked out"),
        (now.dirty, "the checkout has uncommitted changes"),
        (now.head != start, "the checkout has moved on since the run began"),
    )
    for holds, reason in reasons:
        if holds:
            return f"not merged: {reason}"
    # What git ignores is the user's too, and git would write over it without a word.
    result = repository.attempt("merge", "--ff-only", "--no-overwrite-ignore", "--quiet", branch)
    return "" if result.returncode == 0 else f"not merged: {result.stderr.decode(errors='replace').strip()}"


def git(
    args: Sequence[str],
    cwd: Path,
    env: dict[str, str],
    stdin: bytes = b"",
    *,
    seconds: float = TIMEOUT_SECONDS,
    without: str = "",
    alone: bool = False,
) -> subprocess.CompletedProcess[bytes]:
    options = [part for setting in QUIET if setting != without for part in ("-c", setting)]
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    own = {
        "GIT_CONFIG_NOSYSTEM": "1", "GIT_TERMINAL_PROMPT": "0", "GIT_OPTIONAL_LOCKS": "0",
        "GIT_LITERAL_PATHSPECS": "1", "LC_ALL": "C",
    }  # fmt: skip
    command = ["git", *options, *args]
    try:
        with subprocess.Popen(
            command, cwd=cwd, env=inherited | own | env, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, start_new_session=alone,
        ) as process:  # fmt: skip
            try:
                out, err = process.communicate(stdin, timeout=seconds)
            except BaseException:
                process.kill()
                if alone:
                    # The programs it started end with it: one that waits for a person would stay.
                    with suppress(ProcessLookupError):
                        os.killpg(process.pid, signal.SIGKILL)
                raise
        return subprocess.CompletedProcess(command, process.returncode, out, err)
    except subprocess.TimeoutExpired as error:
        raise Refused(f"git {args[0]} took longer than {seconds:g} s in {cwd}.") from error
