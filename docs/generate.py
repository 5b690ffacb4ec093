"""Writes the pages that are made from the code: docs/configuration.md and docs/trace.md.

    python3 docs/generate.py            # or: make docs

A test holds the pages against the code, so that neither can be changed alone.
"""

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import MISSING, fields, is_dataclass
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

DOCS = Path(__file__).resolve().parent
ROOT = DOCS.parent
sys.path.insert(0, str(ROOT))

from config import BOUNDS, FLAGS, SHORT_NAMES, USERS_OWN, Config
from nightshift.records import KINDS

CONFIGURATION = """# Configuration

Made from the code by `make docs`; do not edit. Later ones win: built-in defaults, the profile of a calibration
(`doctor.py --calibrate --apply`), `~/.config/nightshift/config.toml`, `nightshift.toml` in the workspace,
`--config FILE`, environment, flags. An unknown key, a wrong type or an impossible value ends with exit code 2, the file
and the line.

Every setting that fits on a line has a variable: `calls` of the table `[limits]` is `NIGHTSHIFT_LIMITS_CALLS`; lists
are separated by commas. The ecosystem's own variables are read too: `OLLAMA_HOST`, `OPENAI_BASE_URL`, `OPENAI_API_KEY`,
`LLAMA_ARG_HOST`/`LLAMA_ARG_PORT`, `NO_COLOR`, `XDG_*`.

A setting marked † is not for a project's own `nightshift.toml`, which may be a stranger's.
"""
TRACE = """# The trace

Made from the code by `make docs`; do not edit. `trace.jsonl` of a run folder is everything that happened, in order, one
JSON object a line, only ever appended to. Each has `seq` (from 1, no gap), `time` (UTC, ISO 8601, milliseconds), `run`,
`kind`, `span` (where in the run, e.g. `attempt-1/build/models.py/candidate-2`) and the kind's own fields. A reader
skips kinds and fields that it does not know. `python3 trace_collector.py show RUN` tells it to people.
"""
ELSEWHERE: Mapping[str, Sequence[tuple[str, str]]] = {
    "call": [("nightshift/llm/calls.py", "_asked"), ("nightshift/llm/calls.py", "call_fields")],
    "server": [("nightshift/llm/managed/servers.py", "_note")],
    "delivered": [("nightshift/workspace/deliver.py", "Delivery")],
}
"""Kinds whose fields are put together by a function or a class of another place."""
Section = tuple[str, type, str]


def pages() -> Mapping[str, str]:
    """Name of the file -> its text."""
    return {"configuration.md": configuration(), "trace.md": trace()}


def configuration() -> str:
    return CONFIGURATION + "".join(map(_section, _sections()))


def _sections() -> Iterator[Section]:
    yield "", Config, ""
    for name, hint in get_type_hints(Config).items():
        doc = _docs(Config).get(name, "")
        if inner := _dataclass_in(hint):
            yield _heading(name, hint), inner, doc


def _heading(name: str, hint: Any) -> str:
    if get_origin(hint) is tuple:
        return f"[[{name}]]"
    return f"[{name}.ROLE]" if _is_mapping(hint) else f"[{name}]"


def _section(section: Section) -> str:
    heading, type_, doc = section
    rows = [_row(heading, type_, name, hint) for name, hint in get_type_hints(type_).items() if _plain(hint)]
    title = f"`{heading}`" if heading else "At the top"
    lines = [f"\n## {title}\n", *([doc, ""] if doc else []), "| key | default | what |", "| --- | --- | --- |", *rows]
    return "\n".join(lines) + "\n"


def _row(heading: str, type_: type, name: str, hint: Any) -> str:
    table = heading.strip("[]")
    dotted = f"{table}.{name}" if table else name
    own = " †" if tuple(dotted.split(".")) in USERS_OWN or (table,) in USERS_OWN else ""
    told = [_docs(type_).get(name, ""), _allowed(name, hint), *_other_names(dotted)]
    cells = (f"`{name}`{own}", f"`{_default(type_, name)}`", " ".join(filter(None, told)))
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _other_names(dotted: str) -> Iterator[str]:
    names = [FLAGS[dotted]] if dotted in FLAGS else []
    names += [name for name, key in SHORT_NAMES.items() if key == dotted]
    if names:
        yield f"Also {', '.join(f'`{name}`' for name in names)}."


def _allowed(name: str, hint: Any) -> str:
    if get_origin(hint) is Literal:
        return "One of " + ", ".join(f"`{value}`" for value in get_args(hint)) + "."
    if name in BOUNDS and _number(hint):
        low, high = BOUNDS[name]
        return f"From {low:g} to {high:,.10g}."
    return ""


def _number(hint: Any) -> bool:
    return hint in (int, float) or any(map(_number, get_args(hint)))


def _default(type_: type, name: str) -> str:
    field = next(field for field in fields(type_) if field.name == name)
    if field.default_factory is not MISSING:
        return _toml(field.default_factory())
    return "" if field.default is MISSING else _toml(field.default)


def _toml(value: Any) -> str:
    if isinstance(value, (tuple, list)):
        return f"[{', '.join(map(_toml, value))}]"
    if isinstance(value, dict):
        return "{}"
    if isinstance(value, str):
        return f'"{value}"'
    return str(value).lower() if isinstance(value, bool) or value is None else f"{value:g}".replace("e+0", "e")


def _plain(hint: Any) -> bool:
    return _dataclass_in(hint) is None


def _dataclass_in(hint: Any) -> type | None:
    """The table behind a setting, if it is one; a target of a role is written as text."""
    inner = get_args(hint)[-1] if _is_mapping(hint) else get_args(hint)[0] if get_origin(hint) is tuple else hint
    if get_origin(inner) in (Union, UnionType):
        inner = next(arg for arg in get_args(inner) if arg is not NoneType)
    return inner if isinstance(inner, type) and is_dataclass(inner) else None


def _is_mapping(hint: Any) -> bool:
    return get_origin(hint) is not None and issubclass(get_origin(hint), Mapping) if _is_class(hint) else False


def _is_class(hint: Any) -> bool:
    return isinstance(get_origin(hint), type)


def _docs(type_: type) -> dict[str, str]:
    """The string below each field."""
    body = ast.parse(inspect.getsource(type_)).body[0]
    assert isinstance(body, ast.ClassDef)
    found = {}
    for before, after in zip(body.body, body.body[1:], strict=False):
        if isinstance(before, ast.AnnAssign) and isinstance(before.target, ast.Name) and _text(after):
            found[before.target.id] = " ".join(_text(after).split())
    return found


def _text(node: ast.stmt) -> str:
    value = node.value if isinstance(node, ast.Expr) else None
    return value.value if isinstance(value, ast.Constant) and isinstance(value.value, str) else ""


def trace() -> str:
    written = _fields_written()
    parts = [f"\n## `{kind}`\n\n{what}\n\n{_fields(written.get(kind, {}))}" for kind, what in KINDS.items()]
    return TRACE + "".join(parts)


def _fields(found: Mapping[str, set[str]]) -> str:
    names = ", ".join(f"`{name}`" for name in found) or "none of its own"
    return f"Fields: {names}. Written by {', '.join(f'`{at}`' for at in sorted(set().union(*found.values())))}.\n"


def _fields_written() -> dict[str, dict[str, set[str]]]:
    """Kind -> field -> the modules that write it, read from the calls of `record`."""
    found: dict[str, dict[str, set[str]]] = {}
    for kind, name, at in (*_by_calls(), *_by_others()):
        found.setdefault(kind, {}).setdefault(name, set()).add(at)
    return found


def _by_others() -> Iterator[tuple[str, str, str]]:
    for kind, places in ELSEWHERE.items():
        for at, name in places:
            tree = ast.parse((ROOT / at).read_text(encoding="utf-8"))
            made = next(n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.ClassDef) and n.name == name)
            yield from ((kind, key, at) for key in (*_keys(made), *_attributes(made)))


def _attributes(made: ast.AST) -> Iterator[str]:
    for node in ast.iter_child_nodes(made):
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            yield node.target.id


def _by_calls() -> Iterator[tuple[str, str, str]]:
    for path in sorted([*ROOT.glob("*.py"), *(ROOT / "nightshift").rglob("*.py")]):
        tree, at = ast.parse(path.read_text(encoding="utf-8")), path.relative_to(ROOT).as_posix()
        for function in (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)):
            yield from ((kind, name, at) for kind, names in _recorded(function) for name in names)


def _recorded(function: ast.AST) -> Iterator[tuple[str, list[str]]]:
    for node in ast.walk(function):
        match node:
            case ast.Call(func=ast.Attribute(attr="record"), args=[ast.Constant(value=str(kind)), *_]):
                given = [keyword.arg for keyword in node.keywords]
                spread = list(_keys(function)) if None in given else []
                yield kind, list(dict.fromkeys([*filter(None, given), *spread]))


def _keys(function: ast.AST) -> Iterator[str]:
    """Of the dictionaries made in it: what `**fields` may stand for."""
    for node in ast.walk(function):
        if isinstance(node, ast.Dict):
            yield from (key.value for key in node.keys if isinstance(key, ast.Constant) and isinstance(key.value, str))


def main() -> int:
    for name, text in pages().items():
        (DOCS / name).write_text(text, encoding="utf-8")
        print(DOCS / name)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
