"""Passages of documentation: of a folder of texts by heading, of a package by its docstrings; it is not imported."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from nightshift.errors import ConfigError
from nightshift.knowledge.entries import MAX_TEXT, Lesson
from nightshift.source.syntax import DefNode, parse_or_none
from nightshift.source.units import is_private

SUFFIXES = frozenset({".md", ".markdown", ".rst", ".txt"})
MAX_FILE_BYTES = 2 << 20
MIN_CHARS = 40
_HEADING = re.compile(r"(?m)^(?:#{1,6} +(?P<hashed>.+?)(?: +#+)?|(?P<under>\S.*)\n(?:={3,}|-{3,}|~{3,}|\^{3,}))[ \t]*$")
_FENCED = re.compile(r"(?ms)^[ \t]*(`{3,}|~{3,}).*?^[ \t]*\1[`~]*[ \t]*$")


def folder_passages(folder: Path) -> Iterator[Lesson]:
    """Of all text files below a folder; hidden ones and very large ones are left out."""
    if not folder.is_dir():
        raise ConfigError(f"{folder} is no folder: give one that holds .md, .rst or .txt files")
    for path in sorted(folder.rglob("*")):
        inside = path.relative_to(folder)
        hidden = any(part.startswith(".") for part in inside.parts)
        if path.suffix in SUFFIXES and not hidden and path.is_file() and path.stat().st_size <= MAX_FILE_BYTES:
            text = path.read_text(encoding="utf-8", errors="replace")
            yield from passages(f"{folder.resolve().name}/{inside.as_posix()}", text)


def passages(source: str, text: str) -> Iterator[Lesson]:
    """One text, cut at its headings, and at empty lines where a part is too long."""
    title = Path(source).stem
    code = [match.span() for match in _FENCED.finditer(text)]
    headings = [m for m in _HEADING.finditer(text) if not any(start <= m.start() < end for start, end in code)]
    starts = [0, *(match.end() for match in headings)]
    ends = [*(match.start() for match in headings), len(text)]
    names = ["", *((match["hashed"] or match["under"]).strip() for match in headings)]
    for name, start, end in zip(names, starts, ends, strict=True):
        for part in _parts(text[start:end].strip()):
            if len(part) >= MIN_CHARS:
                yield Lesson(" ".join(filter(None, (title, name))), part, source, "doc")


def package_passages(name: str) -> Iterator[Lesson]:
    """The docstrings of an installed package's public classes and functions, with their signatures."""
    for path, module in _modules(name):
        tree = parse_or_none(path.read_text(encoding="utf-8", errors="replace"))
        for qualified, node in _documented(tree.body if tree else (), module):
            text = f"{_heading(qualified, node)}\n{ast.get_docstring(node)}"
            yield Lesson(qualified.replace(".", " "), text[: MAX_TEXT["doc"]], f"package {name}", "doc")


def _parts(text: str) -> Iterator[str]:
    limit = MAX_TEXT["doc"]
    part = ""
    for paragraph in re.split(r"\n\s*\n", text):
        if part and len(part) + len(paragraph) + 2 > limit:
            yield part
            part = ""
        part = f"{part}\n\n{paragraph}" if part else paragraph[:limit]
    if part:
        yield part


def _modules(name: str) -> Iterator[tuple[Path, str]]:
    try:
        spec = find_spec(name) if re.fullmatch(r"[A-Za-z_]\w*", name) else None
    except ValueError:
        spec = None
    if spec is None or not (spec.submodule_search_locations or str(spec.origin).endswith(".py")):
        raise ConfigError(f"no package {name!r} with Python source is installed here: give the name that is imported")
    for root in map(Path, spec.submodule_search_locations or ()):
        for path in sorted(root.rglob("*.py")):
            parts = path.relative_to(root).with_suffix("").parts
            if not any(is_private(part) or part in ("tests", "test") for part in parts):
                yield path, ".".join([name, *(part for part in parts if part != "__init__")])
    if not spec.submodule_search_locations:
        yield Path(str(spec.origin)), name


def _documented(
    body: Iterator[ast.stmt] | list[ast.stmt] | tuple[()], prefix: str
) -> Iterator[tuple[str, DefNode | ast.ClassDef]]:
    for node in body:
        if not isinstance(node, DefNode | ast.ClassDef) or is_private(node.name):
            continue
        qualified = f"{prefix}.{node.name}"
        if len(ast.get_docstring(node) or "") >= MIN_CHARS:
            yield qualified, node
        if isinstance(node, ast.ClassDef):
            yield from _documented(node.body, qualified)


def _heading(qualified: str, node: DefNode | ast.ClassDef) -> str:
    return f"{qualified}({ast.unparse(node.args)})" if isinstance(node, DefNode) else f"class {qualified}"
