"""How a project writes its code, as its configuration says, and as its files show where that is silent.

    style_of(tree.texts).sentence        "Lines up to 88 characters, double quotes, formatted by black."
    style_checks(style, ["app/cart.py"]) the formatter and the linter that the project configured

Whether a tool is there is not known here: `outcome_of` tells a failed check from one that could not be made.
"""

from __future__ import annotations

import configparser
import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from nightshift.domain import ExecResult

SAMPLE = 40
"""Files that are looked at for their quotes and indentation."""
MISSING = re.compile(r"No module named '?([\w.]+)'?|not found|No such file or directory")

Outcome = Literal["passed", "failed", "unavailable"]


@dataclass(frozen=True, slots=True)
class Style:
    line_length: int | None = None
    quotes: str = ""
    """`single` or `double`; empty where there is no rule."""
    indent: str = ""
    imports: str = ""
    """How imports are sorted, where a tool does it."""
    formatter: Literal["", "black", "ruff"] = ""
    linters: tuple[str, ...] = ()
    """Of ruff, flake8 and isort those that are configured."""

    @property
    def sentence(self) -> str:
        """One line for a prompt; empty when nothing is known."""
        parts = [
            f"lines up to {self.line_length} characters" if self.line_length else "",
            f"{self.quotes} quotes" if self.quotes else "",
            f"indented by {self.indent}" if self.indent else "",
            f"imports {self.imports}" if self.imports else "",
            f"formatted by {self.formatter}" if self.formatter else "",
        ]
        told = ", ".join(part for part in parts if part)
        return f"{told[0].upper()}{told[1:]}." if told else ""


@dataclass(frozen=True, slots=True)
class StyleCheck:
    """A command of the project's own; only what it says of the named files counts."""

    name: str
    argv: tuple[str, ...]


def style_of(texts: Mapping[str, str]) -> Style:
    """What the files at the top say; a file that cannot be read says nothing."""
    tool = _toml(texts.get("pyproject.toml", "")).get("tool", {})
    ruff_file = texts.get("ruff.toml") or texts.get(".ruff.toml")
    ruff = _toml(ruff_file) if ruff_file is not None else tool.get("ruff")
    black, isort = tool.get("black"), tool.get("isort")
    flake8 = _flake8(texts)
    editor = _editor(texts.get(".editorconfig", ""))
    lint = _part(ruff, "lint")
    chosen = [*_list(lint.get("select")), *_list(lint.get("extend-select")), *_list(_part(ruff).get("select"))]
    sorts = isort is not None or any(str(rule).startswith("I") for rule in chosen)
    formats = black is not None or "format" in _part(ruff)
    sample = [text for path, text in sorted(texts.items()) if path.endswith(".py") and text.strip()][:SAMPLE]
    lengths = (_part(ruff).get("line-length"), _part(black).get("line-length"), 88 if formats else None, flake8, editor)
    return Style(
        line_length=next((length for length in map(_int, lengths) if length), None),
        quotes=_quotes(_part(ruff, "format"), black, sample),
        indent="tabs" if sum("\n\t" in text for text in sample) * 2 > len(sample) else "",
        imports=f"sorted by {'isort' if isort is not None else 'ruff'}" if sorts else "",
        formatter="black" if black is not None else "ruff" if "format" in _part(ruff) else "",
        linters=tuple(name for name, there in _linters(ruff, flake8, isort) if there),
    )


def style_checks(style: Style, paths: Iterable[str]) -> tuple[StyleCheck, ...]:
    """One command for each tool that the project configured, on the Python files among `paths`."""
    files = tuple(sorted(path for path in paths if path.endswith((".py", ".pyi"))))
    formats = {"black": ("black", "--check", "--quiet"), "ruff": ("ruff", "format", "--check", "--quiet")}
    lints = {
        "ruff": ("ruff", "check", "--no-fix", "--quiet"),
        "flake8": ("flake8",),
        "isort": ("isort", "--check-only", "-q"),
    }
    wanted = [(style.formatter, formats)] if style.formatter else []
    commands = [known[name] for name, known in [*wanted, *((name, lints) for name in style.linters)]]
    return tuple(
        StyleCheck(" ".join(part for part in argv if not part.startswith("-")), ("python3", "-m", *argv, *files))
        for argv in commands
        if files
    )


def outcome_of(check: StyleCheck, result: ExecResult) -> Outcome:
    """A tool that is not installed, cannot start or cannot read its configuration is unavailable, never passed."""
    if result.ok:
        return "passed"
    said = f"{result.stdout}\n{result.stderr}"
    missing = result.exit_code in (126, 127) or (MISSING.search(said) and f"{check.argv[2]}" in said)
    return "unavailable" if missing or result.timed_out or result.exit_code not in (1, 123) else "failed"


def _linters(ruff: Any, flake8: int | None, isort: Any) -> Sequence[tuple[str, bool]]:
    return ("ruff", ruff is not None), ("flake8", flake8 is not None), ("isort", isort is not None)


def _toml(text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return {}


def _flake8(texts: Mapping[str, str]) -> int | None:
    """Its line length where it is configured; its own default is 79."""
    for path in (".flake8", "setup.cfg", "tox.ini"):
        parser = configparser.ConfigParser(interpolation=None, strict=False)
        try:
            parser.read_string(texts.get(path, ""))
        except configparser.Error:
            continue
        if parser.has_section("flake8"):
            return _int(parser.get("flake8", "max-line-length", fallback="79")) or 79
    return None


def _editor(text: str) -> int | None:
    """`max_line_length` of the section for Python, else of the one for all files."""
    section, found = "", dict[str, int]()
    for line in text.splitlines():
        key, _, value = line.partition("=")
        if line.strip().startswith("["):
            section = line.strip()
        elif key.strip().lower() == "max_line_length" and (length := _int(value.strip())):
            found["py" if "py" in section else section] = length
    return found.get("py") or found.get("[*]")


def _quotes(formatted: Mapping[str, Any], black: Any, sample: Sequence[str]) -> str:
    style = formatted.get("quote-style")
    if style in ("single", "double"):
        return str(style)
    if black is not None:
        return "" if _part(black).get("skip-string-normalization") else "double"
    single, double = (sum(len(re.findall(mark, text)) for text in sample) for mark in (r"'[^'\"\n]*'", r'"[^\'"\n]*"'))
    if single + double < 20:
        return ""
    return "single" if single > 3 * double else "double" if double > 3 * single else ""


def _part(table: Any, *names: str) -> Mapping[str, Any]:
    """A table inside of a table; an empty one for what is none."""
    for name in names:
        table = table.get(name) if isinstance(table, Mapping) else None
    return table if isinstance(table, Mapping) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _int(value: Any) -> int | None:
    try:
        return int(value) if value is not None and not isinstance(value, bool) else None
    except (TypeError, ValueError):
        return None
