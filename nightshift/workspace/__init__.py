"""The only door to the user's files and git. Work happens in an isolated tree, delivery is one last step.

    with open_workspace(Path("."), run_id="r1", trees=state / "trees") as workspace:
        workspace.write("app.py", text)
        workspace.commit_step(["app.py"], "app.py: the whole program")
        workspace.deliver()

In a repository the tree is a check-out of HEAD and the user's changes, and the result a branch; elsewhere it
is a copy, written back when proved. Nothing is ever deleted but what the run itself made. Which of the user's
own files may change is not decided here: that is `nightshift.policy`, asked with the plan at hand by whoever writes
and once more here, at every write, commit and delivery.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import cached_property
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Self

import nightshift.workspace.customs as customs
import nightshift.workspace.files as files
import nightshift.workspace.git as git
import nightshift.workspace.place as place
from nightshift.disk import atomic_file
from nightshift.domain import Tree
from nightshift.errors import ConfigError, Refused, Tampered
from nightshift.policy import BUILT_IN, Commit, Denied, Policy, Write, deny_commit, deny_write, is_secret
from nightshift.source.credentials import planted
from nightshift.workspace.branch import SNAPSHOT, Branch, trailers
from nightshift.workspace.deliver import Change, DeliveredFile, Delivery, journal_of, recover, write_back
from nightshift.workspace.facts import FactsKept, facts_file
from nightshift.workspace.git import GitState, Repository
from nightshift.workspace.ledger import Ledger
from nightshift.workspace.lock import Lock
from nightshift.workspace.patch import PATCH, patch_of
from nightshift.workspace.place import fresh_folder, is_checkout, slug, work_folder
from nightshift.workspace.start import Start, begin, read_start, root_in

__all__ = [
    "DeliveredFile",
    "Delivery",
    "GitState",
    "Workspace",
    "fresh_folder",
    "is_checkout",
    "open_workspace",
    "slug",
    "work_folder",
]


def open_workspace(
    path: Path,
    *,
    run_id: str,
    trees: Path,
    slug: str = "task",
    in_place: bool = False,
    carry: Sequence[str] = (),
    base: str = SNAPSHOT,
    branch: str = "",
    policy: Policy = BUILT_IN,
    hooks: bool = False,
    reopen: bool = False,
) -> Workspace:
    """Locks the folder, making it when only itself is missing, and prepares the isolated tree below `trees`.

    `base` is a revision to start from instead of the user's files as they are. With `hooks` the user's pre-commit hook
    is asked before delivery: it runs outside of the sandbox. `reopen` takes up the tree of the same run id, put back to
    its start. Raises ConfigError, Refused, WorkspaceLocked and DiskFull.
    """
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", run_id):
        raise ConfigError(f"run id {run_id!r}: only letters, digits, '.', '_' and '-' can be used.")
    path, trees = place.prepared(path), trees.resolve()
    if trees.is_relative_to(path):
        raise ConfigError(f"{trees} lies inside the workspace {path}: set XDG_STATE_HOME to another folder.")
    own, journal = place.own_folder(path), journal_of(trees, path)
    with ExitStack() as undo:
        lock = Lock(own, run_id)
        undo.callback(lock.release)
        ended = recover(path, staging=own / "staging", journal=journal)
        repository = git.find_repository(path) if git.has_git() else None
        room = trees / run_id
        start = read_start(room, reopen)
        if start is None:
            named = branch or f"nightshift/{place.slug(slug)}-{run_id}"
            start = begin(path, room, repository, run_id, named, tuple(carry), base, in_place)
        noted = replace(start, notes=(*start.notes, ended)) if ended else start
        workspace = Workspace(path, room, noted, repository, lock, policy, journal, hooks=hooks)
        if reopen:
            workspace.reset()
        undo.pop_all()
    return workspace


class Workspace:
    """A locked workspace and the run's own tree; `close` gives back the lock and leaves the tree."""

    def __init__(
        self,
        path: Path,
        room: Path,
        start: Start,
        repository: Repository | None,
        lock: Lock,
        policy: Policy,
        journal: Path,
        *,
        hooks: bool = False,
    ) -> None:
        self.path = path
        """The user's folder."""
        self.runs = path / place.OWN / "runs"
        """Where the traces of this workspace's runs are kept."""
        self.mode = start.mode
        self.notes = start.notes
        self.root = path if start.mode == "in-place" else root_in(room, repository if start.base else None)
        """The tree that the run works on."""
        self._start = start
        self._room = room
        self._originals = room / "originals"
        self._mine = room / "mine"
        self._staging = room / "staging" if start.mode != "in-place" else path / place.OWN / "staging"
        self._written = Ledger(room if start.mode == "in-place" else None, dict(start.marks))
        self._repository = repository
        self._branch: Branch | None = None
        if start.base:
            if repository is None:
                raise Refused(f"{path} was a git repository when the run began and git no longer finds one there.")
            self._branch = Branch(repository, start.branch, room / "index", start.base)
        self._lock = lock
        self._policy = policy
        self._journal = journal
        self._hooks = hooks
        self._facts: FactsKept | None = None
        self.models: tuple[str, ...] = ()
        """Who writes here, for the trailers of commits."""

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

    @property
    def originals(self) -> Path | None:
        """Where the files that the run replaced are kept as it found them; None while there are none."""
        return self._originals if files.everything(self._originals) else None

    def tree(self) -> Tree:
        """Every file as `base`, and as texts those that a model may be shown."""
        texts = files.texts(self.root)
        if self._facts is None:
            self._facts = FactsKept(facts_file(self._room.parent, self.path))
            self._facts.recall(texts)
        return Tree(texts, self.root)

    @cached_property
    def secrets(self) -> frozenset[str]:
        """The values in the user's files of keys and credentials, none of which may be shown or written elsewhere."""
        found = [files.read_bytes(self.path, path, links=files.ANY_LINKS) for path in self._secret_files()]
        return frozenset().union(*(planted(content.decode("utf-8", "replace")) for content in found if content))

    @property
    def closed(self) -> frozenset[str]:
        """Submodules and files of Git LFS: never written."""
        return frozenset(self._start.closed)

    def unshown(self, tree: Tree) -> frozenset[str]:
        """Files that the run found and nobody can be shown: too long, no UTF-8, with a key. Who writes one loses it."""
        return frozenset(self._start.files) - tree.texts.keys()

    def recent(self) -> tuple[str, ...]:
        """The files that the newest commits touched, the newest first."""
        return customs.recent_files(self._repository) if self._repository else ()

    def git_state(self) -> GitState:
        return git.state(self._repository) if self._repository else git.NO_REPOSITORY

    def write(self, path: str, text: str, *, by: str = "builder") -> None:
        """Puts a text into the run's tree in one step. Whether the plan names the file is known elsewhere.

        Raises Denied for what the policy denies; in place Refused, for a file that is no longer as the run knows it.
        """
        previous = files.read_text(self.root, path) or ""
        named, own = frozenset({path}), self.secrets
        if reason := deny_write(Write(path, text, named, by=by, previous=previous, policy=self._policy, secrets=own)):
            raise Denied("write", reason)
        if closed := self.closed.intersection((path, *map(str, PurePosixPath(path).parents))):
            raise Denied("write", f"{path}: {min(closed)} is kept by Git LFS, or a link or a submodule, and left alone")
        content = text.encode()
        if self.mode == "in-place":
            self._keep(self._mine, path, content)
            self._refuse_strange([path])
            self._refuse_read_only(path)
        self._keep_original(path)
        self._put(path, content)

    def restore(self, path: str) -> None:
        """Puts a file back to what the run found; one that it made itself is gone again."""
        if self.mode == "in-place":
            self._restore_in_place(path)
        elif path in self._written:
            self._put(path, self._original(path))
        elif (original := self._original(path)) is not None or path not in self._start.files:
            self._replace(path, original)

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
        written = sorted(path for path in set(paths) if path in self._written)
        contents = {path: self._content(path) for path in written}
        self._ask("commit", {path: (self._original(path), content) for path, content in contents.items()}, message)
        return self._branch.commit(
            list(contents.items()), f"{message}\n\n{trailers(self._room.name, self.models, written)}"
        )

    def deliver(self, merge: bool = False) -> Delivery:
        """The branch is left for review, and merged when asked and possible; a copy is written back.

        Raises Refused or Tampered when a file is no longer what the run last wrote.
        """
        if self.mode == "in-place":
            self._refuse_strange(self._written.paths())
        changes = list(self._changes())
        self._ask("delivery", {change.path: (change.before, change.after) for change in changes}, "Delivery")
        delivered = tuple(change.delivered() for change in changes)
        if self._branch:
            told = self._hand_over(self._branch, delivered, merge)
        else:
            told = Delivery(delivered)
        if self.mode == "copy":
            staging = self.path / place.OWN / "staging"
            write_back(changes, self.path, staging=staging, kept=self.root, journal=self._journal)
        self._write_patch(changes, told)
        return told

    def close(self) -> None:
        if self._facts:
            self._facts.save()
        self._lock.release()

    def _ask(self, asked: str, contents: Mapping[str, tuple[bytes | None, bytes | None]], message: str) -> None:
        if contents and (reason := deny_commit(Commit(contents, message, self._policy, self.secrets))):
            raise Denied(asked, reason)

    def _secret_files(self) -> Iterator[str]:
        """Also those that git ignores: it is there that they are."""
        return (path for path in files.listing(self.path) if is_secret(path))

    def _hand_over(self, branch: Branch, delivered: tuple[DeliveredFile, ...], merge: bool) -> Delivery:
        self.commit_step(self._written.paths(), "Remaining files of the run")
        if not branch.exists:
            return Delivery(delivered)
        if self._hooks:
            self._ask_hook(branch)
        note = git.fast_forward(branch.repository, branch.name, branch.base.head) if merge else ""
        return Delivery(delivered, branch.name, branch.tip, merge and not note, note, branch.unsigned)

    def _ask_hook(self, branch: Branch) -> None:
        """In a folder of its own: a hook may rewrite files, and what was proved must stay as it is."""
        with TemporaryDirectory(dir=self._room, prefix="hook-") as folder:
            if said := branch.said_by_hook("pre-commit", Path(folder)):
                raise Refused(
                    f"the pre-commit hook of {self.path} refuses {branch.name}, which is kept: {said[-2000:]}"
                )

    def _write_patch(self, changes: Sequence[Change], told: Delivery) -> None:
        """Beside the trace, where there is one."""
        run = self.runs / self._room.name
        if changes and run.is_dir():
            prefix = self._repository.prefix if self._branch and self._repository else ""
            subject = f"Nightshift run {self._room.name}"
            with atomic_file(run / PATCH) as file:
                file.write(patch_of(changes, subject, trailers(self._room.name, self.models), told.commit, prefix))

    def _changes(self) -> Iterator[Change]:
        for path in self._written.paths():
            before, after = self._original(path), self._content(path)
            if after is not None and after != before:
                yield Change(path, before, after)

    def _content(self, path: str) -> bytes | None:
        """What the run wrote; None when it took the file back. Raises Tampered."""
        if not self._written.knows(path, files.mark(self.root, path)):
            raise Tampered(f"{self.root / path} is no longer what was written there.")
        return files.read_bytes(self.root, path, cap=files.MAX_TREE_BYTES, links=files.ANY_LINKS)

    def _original(self, path: str) -> bytes | None:
        return files.read_bytes(self._originals, path, cap=files.MAX_TREE_BYTES)

    def _refuse_strange(self, paths: Sequence[str]) -> None:
        strange = [path for path in paths if not self._written.knows(path, files.mark(self.root, path))]
        if strange:
            raise Refused(
                f"{self.root}: {', '.join(strange)} is not as the run found or left it, so somebody else works there; "
                f"it was left alone, the run's version is in {self._mine}."
            )

    def _refuse_read_only(self, path: str) -> None:
        if files.is_read_only(self.root, path):
            raise Refused(
                f"{self.root / path} is read-only and was left alone, the run's version is in {self._mine}: "
                f"chmod u+w it and continue with --resume."
            )

    def _restore_in_place(self, path: str) -> None:
        """What the run never wrote is the user's, also when it was not there at the start."""
        if path not in self._written:
            return
        self._refuse_strange([path])
        self._put(path, self._original(path))
        self._written.forget(path)
        files.remove(self._mine, path)

    def _put(self, path: str, content: bytes | None) -> None:
        with self._written.changing(path, files.mark_of(content)):
            self._replace(path, content)

    def _replace(self, path: str, content: bytes | None) -> None:
        """None takes the file away."""
        if content is not None:
            files.write_bytes(self.root, path, content, staging=self._staging)
        elif os.path.lexists(self.root / path):
            files.remove(self.root, path)

    def _keep_original(self, path: str) -> None:
        if path not in self._start.files or (self._originals / path).exists():
            return
        original = files.read_bytes(self.root, path, cap=files.MAX_TREE_BYTES, links=files.ANY_LINKS)
        if original is None:
            raise Refused(f"not written: {path} is a link or cannot be read")
        self._keep(self._originals, path, original)

    def _keep(self, folder: Path, path: str, content: bytes) -> None:
        with files.explained(folder):
            folder.mkdir(parents=True, exist_ok=True)
        files.write_bytes(folder, path, content, staging=self._room / "staging")
