"""The `__init__.py` files a plan implies and does not name."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from pathlib import PurePosixPath

_NO_PACKAGES = {
    "src", "test", "tests", "doc", "docs", "example", "examples", "script", "scripts", "bin", "benchmarks", "tools",
    "build", "dist", "venv", "env", "site-packages", "node_modules", "__pycache__",
}  # fmt: skip
"""Folders whose Python files are run, or are somebody else's, and nothing below them is ours to complete."""


def missing_packages(paths: Collection[str], texts: Mapping[str, str]) -> tuple[str, ...]:
    """Of folders that the plan's modules lie in; a folder that the project uses without one stays as it is."""
    known = {*paths, *texts}
    wanted = dict.fromkeys(f"{folder}/__init__.py" for path in sorted(paths) for folder in _packages(path))
    plain = {str(PurePosixPath(path).parent) for path in texts if path.endswith(".py")}
    return tuple(path for path in wanted if path not in known and str(PurePosixPath(path).parent) not in plain)


def _packages(path: str) -> Iterator[str]:
    parts = PurePosixPath(path).parts
    folders = parts[:-1]
    inside = folders[1:] if folders[:1] == ("src",) else folders
    if not path.endswith(".py") or any(part in _NO_PACKAGES or not part.isidentifier() for part in inside):
        return
    for i in range(len(folders) - len(inside) + 1, len(folders) + 1):
        yield "/".join(folders[:i])
