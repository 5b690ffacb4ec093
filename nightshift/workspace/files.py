"""Files that somebody else may have tampered with: read and written below a root, never through a link.

Every folder on the way is opened without following links, so a checked name cannot become another one. Does
not promise anything against a process with the user's own rights that renames folders meanwhile.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import shutil
import stat
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from itertools import groupby
from operator import itemgetter
from pathlib import Path

from nightshift.errors import DiskFull, Refused
from nightshift.policy import MAX_BYTES, is_secret

MAX_TREE_BYTES = 4 << 30
"""Of a folder that is copied."""
MAX_TEXTS_BYTES = 32 << 20
ANY_LINKS = 1 << 30
"""For the user's own files, which may have more than one name."""
MAX_OTHER_TEXT = 64 << 10
"""Of a text file that is not Python."""
PYTHON = (".py", ".pyi")
LFS_POINTER = "version https://git-lfs.github.com/spec/"
SKIPPED = frozenset({
    ".git", ".hg", ".svn", ".nightshift", ".venv", "venv", "node_modules", "__pycache__", ".pytest_cache",
    ".mypy_cache", ".ruff_cache", ".hypothesis", ".tox", ".nox", ".eggs",
})  # fmt: skip
STAGED = re.compile(r"[0-9a-f]{32}")
"""The name of a file that waits to be renamed into place."""
READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def read_bytes(root: Path, path: str, *, cap: int = MAX_BYTES, links: int = 1) -> bytes | None:
    """The content of a regular file of at most `cap` bytes and `links` names; None for anything else."""
    folder, name = os.path.split(path)
    try:
        with _folder(root, folder) as directory:
            return _read(directory, name, cap, links)
    except (OSError, ValueError):
        return None


def _read(directory: int, name: str, cap: int, links: int) -> bytes | None:
    descriptor = os.open(name, READ, dir_fd=directory)
    with open(descriptor, "rb", buffering=0) as file:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode) or found.st_nlink > links or found.st_size > cap:
            return None
        content = file.read(found.st_size + 1)
        # More than there was a moment ago, or less at once than was asked for: the rest as well.
        while len(content) <= cap and (more := file.read(cap + 1 - len(content))):
            content += more
    return content if len(content) <= cap else None


def read_text(root: Path, path: str, *, cap: int = MAX_BYTES) -> str | None:
    """As `read_bytes`, and None for what is not UTF-8 text. Line ends stay as they are."""
    return _decoded(read_bytes(root, path, cap=cap))


def _decoded(content: bytes | None) -> str | None:
    try:
        return None if content is None or b"\0" in content else content.decode()
    except UnicodeDecodeError:
        return None


def mark(root: Path, path: str) -> str | None:
    """What tells one content of a file from another; None where there is no regular file."""
    content = read_bytes(root, path, links=ANY_LINKS)
    if content is not None:
        return mark_of(content)
    found = _status(root / path)
    return f"{found.st_size} bytes" if found and stat.S_ISREG(found.st_mode) else None


def mark_of(content: bytes | None) -> str | None:
    """Larger files are told apart by size alone: no run writes one, and its original is kept."""
    if content is None:
        return None
    return hashlib.sha256(content).hexdigest() if len(content) <= MAX_BYTES else f"{len(content)} bytes"


def is_read_only(root: Path, path: str) -> bool:
    """True for a file that its owner protected, also where the system would let root write it."""
    found = _status(root / path)
    return found is not None and stat.S_ISREG(found.st_mode) and not found.st_mode & stat.S_IWUSR


def _status(file: Path) -> os.stat_result | None:
    try:
        return file.lstat()
    except OSError:
        return None


def texts(root: Path, *, limit: int = MAX_TEXTS_BYTES) -> dict[str, str]:
    """Python files and small text files that may be shown to a model: no binaries, keys or credentials.

    Where there is too much, Python comes first; pointers of Git LFS say nothing to anybody.
    """
    found, size = dict[str, str](), 0
    paths = listing(root)
    python = [path for path in paths if path.endswith(PYTHON)]
    others = [path for path in paths if not path.endswith(PYTHON)]
    for some, cap in ((python, MAX_BYTES), (others, MAX_OTHER_TEXT)):
        for path, text in _texts(root, some, cap):
            if size + len(text) <= limit and not text.startswith(LFS_POINTER) and not is_secret(path, text):
                found[path] = text
                size += len(text)
    return dict(sorted(found.items()))


def _texts(root: Path, paths: Iterable[str], cap: int) -> Iterator[tuple[str, str]]:
    """Each folder is reached once: finding the way to every file anew takes longer than reading it."""
    for folder, inside in groupby(sorted(map(os.path.split, paths)), key=itemgetter(0)):
        with suppress(OSError), _folder(root, folder) as directory:
            for _, name in inside:
                with suppress(OSError, ValueError):
                    text = _decoded(_read(directory, name, cap, 1))
                    if text is not None:
                        yield f"{folder}/{name}" if folder else name, text


def listing(root: Path) -> list[str]:
    """The regular files below root, sorted; caches, version control and names that are no text left out."""
    return sorted(_walk(root, "", SKIPPED))


def everything(root: Path) -> list[str]:
    """As `listing`, with caches and the like."""
    return sorted(_walk(root, "", frozenset({".git", ".nightshift"}))) if root.exists() else []


def _walk(root: Path, at: str, skipped: frozenset[str]) -> Iterator[str]:
    """Below the folder `at`, which is empty or ends in '/'."""
    with explained(root / at), os.scandir(root / at) as entries:
        for entry in entries:
            if entry.name in skipped or not entry.name.isprintable():
                continue
            if entry.is_dir(follow_symlinks=False):
                yield from _walk(root, f"{at}{entry.name}/", skipped)
            elif entry.is_file(follow_symlinks=False):
                yield f"{at}{entry.name}"


def copy_files(source: Path, paths: Iterable[str], target: Path) -> list[str]:
    """Copies regular files with their modes; those that vanish meanwhile are left out of the result."""
    copied, left = [], MAX_TREE_BYTES
    for path in paths:
        with explained(target / path), suppress(FileNotFoundError):
            left -= (source / path).lstat().st_size
            if left < 0:
                break
            (target / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source / path, target / path, follow_symlinks=False)
            copied.append(path)
    if left < 0:
        raise Refused(f"{source} holds more than {MAX_TREE_BYTES >> 30} GB: choose a smaller workspace.")
    return copied


def write_bytes(root: Path, path: str, content: bytes, *, staging: Path) -> None:
    """Puts a file below root in one step, with the mode of the old one. Raises Refused or DiskFull."""
    staged = stage(content, staging)
    try:
        put(staged, root, path)
    finally:
        staged.unlink(missing_ok=True)


def stage(content: bytes, staging: Path) -> Path:
    """A file on disk with that content, to be renamed into place."""
    with explained(staging):
        staging.mkdir(parents=True, exist_ok=True)
        staged = staging / uuid.uuid4().hex
        with open(staged, "xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    return staged


def put(staged: Path, root: Path, path: str) -> None:
    """Renames a staged file to its place below root, making folders on the way."""
    folder, name = os.path.split(path)
    with explained(root / path), _folder(root, folder, make=True) as directory:
        mode = _mode_there(directory, name)
        if mode is not None:
            os.chmod(staged, mode)
        os.rename(staged, name, dst_dir_fd=directory)


def _mode_there(directory: int, name: str) -> int | None:
    try:
        found = os.stat(name, dir_fd=directory, follow_symlinks=False)
    except FileNotFoundError:
        return None
    if not stat.S_ISREG(found.st_mode):
        raise OSError(errno.ELOOP, "it is a link or no regular file")
    return stat.S_IMODE(found.st_mode) & 0o777


def remove(root: Path, path: str) -> None:
    """Removes a file that Nightshift itself put there."""
    folder, name = os.path.split(path)
    with explained(root / path), _folder(root, folder) as directory:
        os.unlink(name, dir_fd=directory)


@contextmanager
def _folder(root: Path, folder: str, *, make: bool = False) -> Iterator[int]:
    """A descriptor of the folder, reached from root without following a link."""
    descriptor = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for part in filter(None, folder.split("/")):
            descriptor = _step(descriptor, part, make)
        yield descriptor
    finally:
        os.close(descriptor)


def _step(parent: int, part: str, make: bool) -> int:
    if part == "..":
        raise OSError(errno.EXDEV, "it leads out of its folder")
    if make:
        with suppress(FileExistsError):
            os.mkdir(part, dir_fd=parent)
    child = os.open(part, READ | os.O_DIRECTORY, dir_fd=parent)
    os.close(parent)
    return child


@contextmanager
def explained(place: Path) -> Iterator[None]:
    """Turns a failure of the file system into the sentence for the user."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DiskFull(f"No space left to write {place}: free some and continue with --resume.") from error
        reason = error.strerror or str(error)
        raise Refused(f"{place} cannot be written: {reason}; nothing was changed there.") from error
