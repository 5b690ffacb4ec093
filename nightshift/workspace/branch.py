"""A run's branch in the user's repository, grown commit by commit from an index of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import nightshift.workspace.customs as customs
import nightshift.workspace.git as git
from nightshift.errors import ConfigError, Refused
from nightshift.workspace.git import Repository


@dataclass(frozen=True, slots=True)
class Base:
    """Where a branch begins; kept on disk, so that a resumed run begins there again."""

    head: str | None
    """The user's HEAD; None before the first commit."""
    commit: str | None
    """`head`, or the snapshot of the user's changes on top of it."""
    when: int
    """Unix time of every commit, so that a resumed run makes the same ones again."""


SNAPSHOT = "snapshot"
"""As a base: HEAD with the user's tracked changes on top. Any other is a revision."""


def make_base(repository: Repository, index: Path, run_id: str, *, base: str, when: int) -> Base:
    """Fills the index with what the run starts from. Raises ConfigError."""
    head = git.state(repository).head
    if base not in (SNAPSHOT, "HEAD"):
        head = git.commit_of(repository, base)
        if head is None:
            raise ConfigError(f"--base {base}: {repository.top} has no such commit; give a branch, a tag or a commit.")
    before = git.tree_of(repository, head)
    tree = git.snapshot(repository, index) if base == SNAPSHOT else before
    # Read anew: the user's index may leave files out of the checkout.
    git.fill_index(repository, index, tree)
    if tree is None or tree == before:
        return Base(head, head, when)
    message = f"Snapshot of uncommitted changes\n\nTaken by Nightshift before run {run_id}; not part of its work."
    return Base(head, git.commit_tree(repository, tree, head, message, when), when)


def trailers(run: str, models: Sequence[str], paths: Sequence[str] = ()) -> str:
    """What a commit says of its making, as lines that git finds again."""
    told = [("Step", paths[0])] if len(paths) == 1 else []
    told += [("Run", run), *(("Model", model) for model in models)]
    return "\n".join(f"Nightshift-{name}: {' '.join(value.split())}" for name, value in told)


class Branch:
    """Made with its first commit, so that a run that never got so far leaves nothing in the repository."""

    def __init__(self, repository: Repository, name: str, index: Path, base: Base) -> None:
        self.repository = repository
        self.name = name
        self.base = base
        self.tip = base.commit
        self._index = index
        self._signs = customs.wants_signing(repository)
        self.unsigned = ""
        """Why commits that the user has signed elsewhere are not signed."""
        if git.state(repository).branch == name:
            raise Refused(f"{name} is checked out in {repository.top}: check out another branch first.")
        git.fill_index(repository, index, base.commit)
        if base.commit != base.head and base.commit:
            git.set_branch(repository, name, base.commit)

    @property
    def exists(self) -> bool:
        return self.tip is not None and self.tip != self.base.head

    def commit(self, files: Sequence[tuple[str, bytes | None]], message: str) -> str | None:
        """The new tip, or the old one when the files bring nothing new."""
        tree = git.stage_files(self.repository, self._index, files)
        if tree != git.tree_of(self.repository, self.tip):
            self.tip = self._commit(tree, message)
            git.set_branch(self.repository, self.name, self.tip)
        return self.tip

    def said_by_hook(self, name: str, folder: Path) -> str:
        """What the user's hook says against the tip, checked out into an empty folder; empty for no objection."""
        git.check_out(self.repository, self._index, git.tracked(self.repository, self._index), folder)
        return customs.run_hook(self.repository, name, self._index, folder)

    def _commit(self, tree: str, message: str) -> str:
        asked = (self.repository, tree, self.tip, message, self.base.when)
        if self._signs:
            commit, self.unsigned = customs.commit_signed(*asked)
            if commit:
                return commit
            # Asked once: a key that nobody is there to unlock keeps every commit waiting.
            self._signs = False
        return git.commit_tree(*asked)
