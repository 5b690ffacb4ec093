"""What a run found when it began: the filling of its room, kept on disk for its resumption."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Literal

import nightshift.workspace.files as files
import nightshift.workspace.git as git
from nightshift.errors import ConfigError, Refused
from nightshift.policy import is_secret
from nightshift.workspace.branch import Base, make_base
from nightshift.workspace.git import Repository

Mode = Literal["branch", "copy", "in-place"]
NAMED_IN_A_NOTE = 5


@dataclass(frozen=True, slots=True)
class Start:
    mode: Mode
    branch: str
    base: Base | None
    files: tuple[str, ...]
    notes: tuple[str, ...]
    marks: tuple[tuple[str, str | None], ...] = ()
    """In place: path and mark (see `files.mark`) of every file."""
    workspace: str = ""
    """The user's folder."""
    closed: tuple[str, ...] = ()
    """Submodules and files of Git LFS, which no run writes."""


def begin(
    path: Path,
    room: Path,
    repository: Repository | None,
    run_id: str,
    branch: str,
    carry: tuple[str, ...],
    base: str,
    in_place: bool,
) -> Start:
    """Fills the run's room. What an earlier start left there unfinished was never used, and goes."""
    shutil.rmtree(room, ignore_errors=True)
    with files.explained(room):
        root_in(room, repository).mkdir(parents=True)
    carried = _carried(path, carry) if carry else []
    if in_place:
        found = files.listing(path)
        marks = tuple((file, files.mark(path, file)) for file in found)
        start = Start("in-place", "", None, tuple(found), (), marks)
    elif repository:
        start = _begin_branch(path, room, repository, run_id, branch, carried, base)
    else:
        start = _begin_copy(path, room, carried)
    start = replace(start, workspace=str(path))
    _write_start(room, start)
    return start


def _begin_branch(
    path: Path,
    room: Path,
    repository: Repository,
    run_id: str,
    branch: str,
    carried: list[str],
    base: str,
) -> Start:
    git.check_branch(repository, branch)
    index = room / "index"
    begun = make_base(repository, index, run_id, base=base, when=int(time.time()))
    tracked = [file for file in git.tracked(repository, index) if not is_secret(file)]
    git.check_out(repository, index, tracked, room / "tree")
    extra = files.copy_files(path, sorted({*carried} - {*tracked}), root_in(room, repository))
    links, pointers = git.links(repository, index), git.pointers(repository, index)
    notes = _branch_notes(git.untracked(repository) - {*extra}, links, pointers)
    files_there = tuple(sorted({*tracked, *extra}))
    return Start("branch", branch, begun, files_there, notes, closed=tuple(sorted({*links, *pointers})))


def _branch_notes(untracked: set[str], links: Sequence[str], pointers: Sequence[str]) -> tuple[str, ...]:
    """A sentence for each kind of file that the user has and the run has not."""
    tests = [file for file in untracked if _is_test(file)]
    notes = (
        (untracked, f"untracked files that take no part: {len(untracked)}; [workspace] carry brings them"),
        (tests, f"untracked test files that take no part: {_named(tests)}; git add or carry brings them"),
        (links, f"tracked links and submodules that are left out of the run's tree: {_named(links)}"),
        (pointers, f"files of Git LFS, of which the run has the pointers and writes none: {_named(pointers)}"),
    )
    return tuple(note for there, note in notes if there)


def _is_test(file: str) -> bool:
    name = PurePosixPath(file).name
    return name.endswith(".py") and (name.startswith("test_") or name.endswith("_test.py"))


def _named(paths: Iterable[str]) -> str:
    names = [path if path.isprintable() else ascii(path) for path in sorted(paths)]
    more = f" and {len(names) - NAMED_IN_A_NOTE} more" if len(names) > NAMED_IN_A_NOTE else ""
    return ", ".join(names[:NAMED_IN_A_NOTE]) + more


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


def root_in(room: Path, repository: Repository | None) -> Path:
    return room / "tree" / (repository.prefix if repository else "")


def read_start(room: Path, reopen: bool) -> Start | None:
    file = room / "start.json"
    if not file.exists():
        return None
    if not reopen:
        raise Refused(f"{room} holds an earlier run of that id: continue it with --resume.")
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
        base = Base(**data["base"]) if data["base"] else None
        marks = tuple((path, mark) for path, mark in data["marks"])
        lists = {name: tuple(data.get(name, ())) for name in ("files", "notes", "closed")}
        return Start(**{**data, **lists, "base": base, "marks": marks})
    except (ValueError, TypeError, KeyError) as error:
        raise Refused(f"{file} is damaged ({error}): start the task anew.") from error


def _write_start(room: Path, start: Start) -> None:
    files.write_bytes(room, "start.json", json.dumps(asdict(start)).encode(), staging=room / "staging")
