"""Builds nightshift.pyz: the whole program and httpx in one file for any Python >= 3.11, from what is installed here.

    .venv/bin/python tools/zipapp_build.py [nightshift.pyz]

The same sources give the same bytes. Asks no network. pytest stays outside: it belongs to the interpreter that judges.
"""

from __future__ import annotations

import hashlib
import re
import sys
import zipfile
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
START = Path(__file__).with_name("zipapp_main.py")
FOLDERS = ("nightshift", "prompts", "demo", "benchmarks")
LEFT_OUT = ("RECORD", "INSTALLER", "REQUESTED", "direct_url.json")
NEEDED = "httpx"


def main() -> None:
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "nightshift.pyz"
    print(f"{target}  {build(target) / 1e6:.1f} MB")


def build(target: Path) -> int:
    """The size in bytes of what was written."""
    contents = dict(sorted({**_own(), **_vendored(NEEDED)}.items()))
    digest = hashlib.sha256(b"".join(_entry(name, content) for name, content in contents.items())).hexdigest()
    start = START.read_text(encoding="utf-8").replace("@DIGEST@", digest[:20]).encode()
    partial = target.with_suffix(".partial")
    with partial.open("wb") as file:
        file.write(b"#!/usr/bin/env python3\n")
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in {"__main__.py": start, **{f"app/{n}": c for n, c in contents.items()}}.items():
                archive.writestr(_plain(name), content)
    partial.chmod(0o755)
    partial.replace(target)
    return target.stat().st_size


def _own() -> dict[str, bytes]:
    files = [*ROOT.glob("*.py"), ROOT / "LICENSE"]
    files += [file for folder in FOLDERS for file in (ROOT / folder).rglob("*") if file.is_file()]
    return {file.relative_to(ROOT).as_posix(): file.read_bytes() for file in files if "__pycache__" not in file.parts}


def _vendored(name: str) -> dict[str, bytes]:
    """Beside our own scripts, where every program that we start finds it."""
    found = dict[str, bytes]()
    for distribution in _closure(name):
        for file in distribution.files or ():
            if ".." in file.parts or "__pycache__" in file.parts or file.name in LEFT_OUT:
                continue
            if file.suffix in (".so", ".pyd", ".dylib"):
                sys.exit(f"{distribution.name} is not pure Python ({file}): it cannot be put into the file")
            found[file.as_posix()] = Path(str(file.locate())).read_bytes()
    return found


def _closure(name: str) -> Iterator[metadata.Distribution]:
    wanted, seen = [(name, False)], set[str]()
    while wanted:
        name, optional = wanted.pop()
        if name in seen:
            continue
        seen.add(name)
        try:
            distribution = metadata.distribution(name)
        except metadata.PackageNotFoundError:
            if optional:
                continue
            sys.exit(f"{name} is not installed in {sys.prefix}: run `make setup`")
        yield distribution
        for line in distribution.requires or ():
            requirement, _, marker = line.partition(";")
            if "extra" not in marker:
                wanted.append((re.split(r"[^A-Za-z0-9._-]", requirement.strip())[0], bool(marker)))


def _entry(name: str, content: bytes) -> bytes:
    return f"{name}\0{len(content)}\0".encode() + content


def _plain(name: str) -> zipfile.ZipInfo:
    """Without a time, and readable by all."""
    info = zipfile.ZipInfo(name)
    info.compress_type = zipfile.ZIP_DEFLATED
    info.external_attr = 0o100644 << 16
    return info


if __name__ == "__main__":
    main()
