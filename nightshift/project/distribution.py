"""What an installed project would tell of itself: name, version and entry points, for code that asks at import.

Nothing is built: only what the project's files say literally is told, and only where something of it may be asked.
"""

from __future__ import annotations

import configparser
import re
from collections.abc import Mapping
from typing import Any

from nightshift.project.settings import inside, read_toml, table

UNKNOWN_VERSION = "0.0.0"


def known_distribution(texts: Mapping[str, str], folder: str) -> dict[str, str]:
    """A `.dist-info` beside the project's settings; empty when it has no name."""
    name, version, points = _described(texts, folder)
    if not name:
        return {}
    place = f"{re.sub(r'[-_.]+', '_', name)}-{version}.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    files = {"METADATA": metadata, "entry_points.txt": points} if points else {"METADATA": metadata}
    return {f"{place}/{file}": text for file, text in files.items()}


def _described(texts: Mapping[str, str], folder: str) -> tuple[str, str, str]:
    project = table(read_toml(texts.get(inside(folder, "pyproject.toml"), "")), "project")
    poetry = table(read_toml(texts.get(inside(folder, "pyproject.toml"), "")), "tool", "poetry")
    if name := project.get("name") or poetry.get("name"):
        version = str(project.get("version") or poetry.get("version") or UNKNOWN_VERSION)
        return str(name), _plain(version), _points(project)
    parser = configparser.RawConfigParser(strict=False)
    try:
        parser.read_string(texts.get(inside(folder, "setup.cfg"), ""))
    except configparser.Error:
        parser.clear()
    setup = texts.get(inside(folder, "setup.py"), "")
    name = parser.get("metadata", "name", fallback="") or _literal(setup, "name")
    version = parser.get("metadata", "version", fallback="") or _literal(setup, "version")
    return name, _plain(version), ""


def _literal(setup: str, argument: str) -> str:
    found = re.search(rf"\b{argument}\s*=\s*['\"]([\w.+!-]+)['\"]", setup)
    return found[1] if found else ""


def _plain(version: str) -> str:
    return version if re.fullmatch(r"\d[\w.+!]*", version) else UNKNOWN_VERSION


def _points(project: dict[str, Any]) -> str:
    groups = {"console_scripts": table(project, "scripts"), **table(project, "entry-points")}
    parts = [
        f"[{group}]\n" + "".join(f"{name} = {target}\n" for name, target in points.items())
        for group, points in groups.items()
        if isinstance(points, dict) and points and group != "pytest11"
    ]
    return "\n".join(parts)
