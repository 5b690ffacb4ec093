"""The only door to the user's files and git. Work happens in an isolated tree, delivery is one last step.

    with open_workspace(Path("."), run_id="r1", trees=state / "trees") as workspace:
        workspace.write("app.py", text)
        workspace.commit_step(["app.py"], "app.py: the whole program")
        workspace.deliver()

In a repository the tree is a check-out of HEAD and the user's changes, and the result a branch; elsewhere it
is a copy, written back when proved. Nothing is ever deleted but what the run itself made. Which of the user's
own files may change is not decided here: that is `nightshift.policy`, asked with the plan at hand.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import Literal, Self

import nightshift.workspace.files as files
import nightshift.workspace.git as git
import nightshift.workspace.place as place
from nightshift.domain import Tree
from nightshift.errors import ConfigError, Refused, Tampered
from nightshift.policy import Write, deny_write, is_secret
from nightshift.workspace.branch import Base, Branch, make_base
from nightshift.workspace.deliver import Change, DeliveredFile, Delivery, write_back
from nightshift.workspace.git import GitState, Repository
from nightshift.workspace.place import fresh_folder, is_checkout, slug

__all__ = [
    "DeliveredFile",
    "Delivery",
    "GitState",
    "Workspace",
    "fresh_folder",
    "is_checkout",
    "open_workspace",
    "slug",
]

Mode = Literal["branch", "copy", "in-place"]


@dataclass(frozen=True, slots=True)
class Start:
    """What a run found, kept on disk for its resumption."""

    mode: Mode
    branch: str
    base: Base | None
    files: tuple[str, ...]
    notes: tuple[str, ...]


def open_workspace(
    path: Path,
    *,
    run_id: str,
    trees: Path,
    slug: str = "task",
    in_place: bool = False,
    carry: Sequence[str] = (),
    base: Literal["snapshot", "HEAD"] = "snapshot",
    branch: str = "",
    reopen: bool = False,
) -> Workspace:
    """Locks the folder, making it when only itself is missing, and prepares the isolated tree below `trees`.

    `reopen` takes up the tree of the same run id, put back to its start. Raises ConfigError, Refused,
    WorkspaceLocked and DiskFull.
    """
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", run_id):
        raise ConfigError(f"run id {run_id!r}: only letters, digits, '.', '_' and '-' can be used.")
    path, trees = place.prepared(path), trees.resolve()
    if trees.is_relative_to(path):
        raise ConfigError(f"{trees} lies inside the workspace {path}: set XDG_STATE_HOME to another folder.")
    own = place.own_folder(path)
    with ExitStack() as undo:
        lock = place.Lock(own)
        undo.callback(lock.release)
        repository = git.find_repository(path) if git.has_git() else None
        room = trees / run_id
        start = _read_start(room, reopen)
        if start is None:
            named = branch or f"nightshift/{place.slug(slug)}-{run_id}"
            start = _begin(path, room, repository, run_id, named, tuple(carry), base, in_place)
        workspace = Workspace(path, room, start, repository, lock)
        if reopen:
            workspace.reset()
        undo.pop_all()
    return workspace


class Workspace:
    """A locked workspace and the run's own tree; `close` gives back the lock and leaves the tree."""

    def __init__(self, path: Path, room: Path, start: Start, repository: Repository | None, lock: place.Lock) -> None:
        self.path = path
        """The user's folder."""
        self.runs = path / place.OWN / "runs"
        """Where the traces of this workspace's runs are kept."""
        self.mode = start.mode
        self.notes = start.notes
        self.root = path if start.mode == "in-place" else _root(room, repository if start.base else None)
        """The tree that the run works on."""
        self._start = start
        self._originals = room / "originals"
        self._staging = room / "staging" if start.mode != "in-place" else path / place.OWN / "staging"
        self._written: set[str] = set()
        self._repository = repository
        self._branch: Branch | None = None
        if start.base:
            if repository is None:
                raise Refused(f"{path} was a git repository when the run began and git no longer finds one there.")
            self._branch = Branch(repository, start.branch, room / "index", start.base)
        self._lock = lock

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def branch(self) -> str | None:
        """The run's branch once it holds a commit."""
        return self._branch.name if self._branch and self._branch.exists else None

    def tree(self) -> Tree:
        """Every file as `base`, and as texts those that a model may be shown."""
        return Tree(files.texts(self.root), self.root)

    def git_state(self) -> GitState:
        return git.state(self._repository) if self._repository else git.NO_REPOSITORY

    def write(self, path: str, text: str, *, by: str = "builder") -> None:
        """Puts a text into the run's tree in one step. Raises Refused for a path that leaves it."""
        denied = deny_write(Write(path, text, plan_paths=frozenset({path}), by=by))
        if denied:
            raise Refused(f"not written: {denied}")
        self._keep_original(path)
        files.write_bytes(self.root, path, text.encode(), staging=self._staging)
        self._written.add(path)

    def restore(self, path: str) -> None:
        """Puts a file back to what the run found; one that it made itself is gone again."""
        original = files.read_bytes(self._originals, path, cap=files.MAX_TREE_BYTES)
        if original is not None:
            files.write_bytes(self.root, path, original, staging=self._staging)
        elif path not in self._start.files and os.path.lexists(self.root / path):
            files.remove(self.root, path)

    def reset(self) -> None:
        """Puts the whole tree back to its start; in place there is none to go back to."""
        if self.mode == "in-place":
            return
        made = set(files.everything(self.root)) - set(self._start.files)
        for path in [*files.everything(self._originals), *made]:
            self.restore(path)

    def commit_step(self, paths: Sequence[str], message: str) -> str | None:
        """One commit with these files as they are in the tree now; None where no branch is kept."""
        if self._branch is None:
            return None
        written = sorted(set(paths) & self._written)
        return self._branch.commit([(path, self._content(path)) for path in written], message)

    def deliver(self, merge: bool = False) -> Delivery:
        """The branch is left for review, and merged when asked and possible; a copy is written back."""
        changes = list(self._changes())
        delivered = tuple(change.delivered() for change in changes)
        if self._branch:
            return self._hand_over(self._branch, delivered, merge)
        if self.mode == "copy":
            write_back(changes, self.path, staging=self.path / place.OWN / "staging", kept=self.root)
        return Delivery(delivered)

    def close(self) -> None:
        self._lock.release()

    def _hand_over(self, branch: Branch, delivered: tuple[DeliveredFile, ...], merge: bool) -> Delivery:
        self.commit_step(sorted(self._written), "Remaining files of the run")
        if not branch.exists:
            return Delivery(delivered)
        note = git.fast_forward(branch.repository, branch.name, branch.base.head) if merge else ""
        return Delivery(delivered, branch.name, branch.tip, merged=merge and not note, note=note)

    def _changes(self) -> Iterator[Change]:
        for path in sorted(self._written):
            before = files.read_bytes(self._originals, path, cap=files.MAX_TREE_BYTES)
            after = self._content(path)
            if after is not None and after != before:
                yield Change(path, before, after)

    def _content(self, path: str) -> bytes | None:
        """What the run wrote; None when it took the file back. Raises Tampered."""
        content = files.read_bytes(self.root, path)
        if content is None and (path in self._start.files or os.path.lexists(self.root / path)):
            raise Tampered(f"{self.root / path} is no longer the plain file that was written there.")
        return content

    def _keep_original(self, path: str) -> None:
        if path not in self._start.files or (self._originals / path).exists():
            return
        original = files.read_bytes(self.root, path, cap=files.MAX_TREE_BYTES, links=1 << 30)
        if original is None:
            raise Refused(f"not written: {path} is a link or cannot be read")
        self._originals.mkdir(parents=True, exist_ok=True)
        files.write_bytes(self._originals, path, original, staging=self._staging)


def _begin(
    path: Path,
    room: Path,
    repository: Repository | None,
    run_id: str,
    branch: str,
    carry: tuple[str, ...],
    base: Literal["snapshot", "HEAD"],
    in_place: bool,
) -> Start:
    """Fills the run's room. What an earlier start left there unfinished was never used, and goes."""
    shutil.rmtree(room, ignore_errors=True)
    with files.explained(room):
        _root(room, repository).mkdir(parents=True)
    carried = _carried(path, carry) if carry else []
    if in_place:
        start = Start("in-place", "", None, tuple(files.listing(path)), ())
    elif repository:
        start = _begin_branch(path, room, repository, run_id, branch, carried, base)
    else:
        start = _begin_copy(path, room, carried)
    _write_start(room, start)
    return start


def _begin_branch(
    path: Path,
    room: Path,
    repository: Repository,
    run_id: str,
    branch: str,
    carried: list[str],
    base: Literal["snapshot", "HEAD"],
) -> Start:
    git.check_branch(repository, branch)
    index = room / "index"
    begun = make_base(repository, index, run_id, with_changes=base == "snapshot", when=int(time.time()))
    tracked = [file for file in git.tracked(repository, index) if not is_secret(file)]
    git.check_out(repository, index, tracked, room / "tree")
    extra = files.copy_files(path, sorted({*carried} - {*tracked}), _root(room, repository))
    missing = len(git.untracked(repository) - {*extra})
    notes = (f"untracked files that take no part: {missing}; [workspace] carry brings them",) if missing else ()
    return Start("branch", branch, begun, tuple(sorted({*tracked, *extra})), notes)


def _begin_copy(path: Path, room: Path, carried: list[str]) -> Start:
    wanted = {*(file for file in files.listing(path) if not is_secret(file)), *carried}
    found = files.copy_files(path, sorted(wanted), room / "tree")
    missing = not git.has_git() and (path / ".git").exists()
    notes = ("git is not installed: working in a copy, without a branch",) if missing else ()
    return Start("copy", "", None, tuple(found), notes)


def _carried(path: Path, globs: tuple[str, ...]) -> list[str]:
    """The regular files that the globs name, also inside a folder they name."""
    for glob in globs:
        if not glob or glob.startswith("/") or ".." in glob.split("/"):
            raise ConfigError(f"[workspace] carry: {glob!r} must be a pattern inside the workspace.")
    named = {found.relative_to(path).as_posix() for glob in globs for found in path.glob(glob)}
    return [file for file in files.everything(path) if named.intersection(_and_its_folders(file))]


def _and_its_folders(file: str) -> Iterator[str]:
    yield file
    yield from map(str, PurePosixPath(file).parents)


def _root(room: Path, repository: Repository | None) -> Path:
    return room / "tree" / (repository.prefix if repository else "")


def _read_start(room: Path, reopen: bool) -> Start | None:
    file = room / "start.json"
    if not file.exists():
        return None
    if not reopen:
        raise Refused(f"{room} holds an earlier run of that id: continue it with --resume.")
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
        base = Base(**data["base"]) if data["base"] else None
        return replace(Start(**data), base=base, files=tuple(data["files"]), notes=tuple(data["notes"]))
    except (ValueError, TypeError, KeyError) as error:
        raise Refused(f"{file} is damaged ({error}): start the task anew.") from error


def _write_start(room: Path, start: Start) -> None:
    files.write_bytes(room, "start.json", json.dumps(asdict(start)).encode(), staging=room / "staging")
