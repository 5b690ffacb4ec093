"""Where a run may work: the folders that are refused, and `.nightshift`, which ignores itself."""

from __future__ import annotations

import os
import re
from pathlib import Path

from nightshift.errors import ConfigError, Refused
from nightshift.workspace.files import explained

CHECKOUT = Path(__file__).resolve().parents[2]
OWN = ".nightshift"
SLUG_LENGTH = 40


def slug(text: str) -> str:
    """A short name for branches and folders: lower case words joined by '-'."""
    words = re.findall(r"[a-z0-9]+", text.lower())
    return "-".join(words)[:SLUG_LENGTH].strip("-") or "task"


def is_checkout(path: Path) -> bool:
    """True in Nightshift's own checkout, where a run needs a folder of its own."""
    return path.resolve() == CHECKOUT


def work_folder() -> Path:
    """Where work goes that was given no place: below the home folder, outside the checkout, wherever one stands."""
    home = Path.home() / "nightshift-work"
    with explained(home):
        home.mkdir(exist_ok=True)
    return home


def fresh_folder(task_slug: str) -> Path:
    """A new folder for a task that was given none."""
    home = work_folder()
    name = slug(task_slug)
    candidates = (home / (name if number == 1 else f"{name}-{number}") for number in range(1, 10_000))
    return next(folder for folder in candidates if not folder.exists())


def prepared(path: Path) -> Path:
    """The workspace as an absolute path, made when only itself was missing. Raises ConfigError, Refused."""
    path = Path(os.path.abspath(path))
    if not str(path).isprintable():
        raise ConfigError(f"workspace {str(path)!r}: its name has control or invisible characters; rename it.")
    if not path.exists():
        if not path.parent.is_dir():
            raise ConfigError(f"workspace {path}: its parent folder does not exist; make it first.")
        _refuse_unsafe(path.parent.resolve() / path.name)
        with explained(path):
            path.mkdir()
    path = path.resolve()
    _refuse_unsafe(path)
    if not path.is_dir():
        raise Refused(f"workspace {path} is not a folder: give one with --workspace.")
    return path


def _refuse_unsafe(path: Path) -> None:
    home = Path.home().resolve()
    reasons = (
        (path == Path("/"), "is the root of the file system"),
        (path == home, "is your home folder"),
        (home.is_relative_to(path), "holds your home folder"),
        (path == CHECKOUT or path.is_relative_to(CHECKOUT / "nightshift"), "is Nightshift's own checkout"),
        (OWN in path.parts, "belongs to a run of Nightshift"),
    )
    for unsafe, reason in reasons:
        if unsafe:
            raise Refused(f"workspace {path} {reason}: give a project folder with --workspace.")


def own_folder(workspace: Path) -> Path:
    """`.nightshift` in the workspace, made when missing, hidden from git by itself."""
    folder = workspace / OWN
    with explained(folder):
        folder.mkdir(exist_ok=True)
        if folder.is_symlink() or not os.access(folder, os.W_OK | os.X_OK):
            raise PermissionError(None, "it is a link, or not yours to write in")
        descriptor = os.open(folder / ".gitignore", os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK, 0o644)
        with open(descriptor, "w", encoding="utf-8") as file:
            file.write("*\n")
    return folder
