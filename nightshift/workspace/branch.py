"""A run's branch in the user's repository, grown commit by commit from an index of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import nightshift.workspace.git as git
from nightshift.errors import Refused
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


def make_base(repository: Repository, index: Path, run_id: str, *, with_changes: bool, when: int) -> Base:
    """Fills the index with what the run starts from."""
    head = git.state(repository).head
    before = git.tree_of(repository, head)
    tree = git.snapshot(repository, index) if with_changes else before
    # Read anew: the user's index may leave files out of the checkout.
    git.fill_index(repository, index, tree)
    if tree is None or tree == before:
        return Base(head, head, when)
    message = f"Snapshot of uncommitted changes\n\nTaken by Nightshift before run {run_id}; not part of its work."
    return Base(head, git.commit_tree(repository, tree, head, message, when), when)


class Branch:
    """Made with its first commit, so that a run that never got so far leaves nothing in the repository."""

    def __init__(self, repository: Repository, name: str, index: Path, base: Base) -> None:
        self.repository = repository
        self.name = name
        self.base = base
        self.tip = base.commit
        self._index = index
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
            self.tip = git.commit_tree(self.repository, tree, self.tip, message, self.base.when)
            git.set_branch(self.repository, self.name, self.tip)
        return self.tip
