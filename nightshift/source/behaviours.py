"""How a module behaves, told by itself: its text runs as a script where untrusted code may run, and nowhere else.

Each probe has a process of its own, forked after the import, so that it meets fresh state and may hang or die. What
it prints is advice: the code it runs can lie. Two behaviours are equal when a test could hardly tell them apart:

- numbers as `==` sees them, floats to nine digits; a bool is no number;
- sets and dicts whatever their order, a subclass of dict, list, tuple or str like its base;
- every iterator like any other with the same items, but no list; a list is no tuple;
- an instance of a class by its type and, of a dataclass, the public fields; an exception by its type alone;
- the text printed.
"""

from __future__ import annotations

import ast
import collections
import contextlib
import dataclasses
import datetime
import decimal
import enum
import fractions
import functools
import hashlib
import importlib
import inspect
import io
import itertools
import json
import math
import os
import pathlib
import random
import re
import select
import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set

MAX_SECONDS = 2.0
"""For one probe."""
MAX_HANGS = 3
"""After so many the rest is not tried."""
MAX_CHARS = 300
MAX_ITEMS = 50
MAX_DEPTH = 6
HELPERS = {m.__name__: m for m in (collections, datetime, decimal, fractions, itertools, math, pathlib)}
"""Modules a probe may name."""


def tell(module: str, probes: Sequence[str]) -> None:
    """Prints one JSON list on standard output, a text for each probe."""
    out = os.dup(1)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    sys.path[:0] = [folder for folder in (os.getcwd(), os.path.join(os.getcwd(), "src")) if folder not in sys.path]
    told = behaviours(module, probes)
    with open(out, "w", encoding="ascii") as stream:
        stream.write("\n" + json.dumps(told) + "\n")


def behaviours(module: str, probes: Sequence[str]) -> list[str]:
    try:
        found = vars(importlib.import_module(module))
    except BaseException as error:  # noqa: BLE001  # whatever the module raises is what it does
        return [f"no import: {type(error).__name__}"] * len(probes)
    told: list[str] = []
    for probe in probes:
        late = told.count("hangs") >= MAX_HANGS
        told.append("not tried" if late else _apart(probe, found))
    return told


def _apart(probe: str, module: Mapping[str, object]) -> str:
    """The behaviour in a process that is killed when it takes too long: code may catch a signal or an exception."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        _child(probe, module, writer)
    os.close(writer)
    try:
        data = _read(reader, time.monotonic() + MAX_SECONDS)
    finally:
        os.close(reader)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    return "hangs" if data is None else data.decode("ascii", "replace") or "dies"


def _child(probe: str, module: Mapping[str, object], writer: int) -> None:
    told = ""
    try:
        told = behaviour(probe, module)
    finally:
        os.write(writer, told.encode("ascii", "backslashreplace"))
        os._exit(0)


def _read(reader: int, deadline: float) -> bytes | None:
    """All until its end; None when that does not come in time."""
    data = b""
    while True:
        left = deadline - time.monotonic()
        if left <= 0 or not select.select([reader], [], [], left)[0]:
            return None
        piece = os.read(reader, 65536)
        if not piece:
            return data
        data += piece


def behaviour(probe: str, module: Mapping[str, object]) -> str:
    """What every expression of the probe is worth, then what it printed; an exception ends no probe."""
    names: dict[str, object] = {**HELPERS, **module}
    random.seed(0)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        steps = [_step(statement, names) for statement in ast.parse(probe).body]
    said = [f"prints {_bounded(printed.getvalue().rstrip())}"] if printed.getvalue().strip() else []
    return _bounded("; ".join([*filter(None, steps), *said]))


def _step(statement: ast.stmt, names: dict[str, object]) -> str:
    try:
        if isinstance(statement, ast.Expr):
            value = eval(compile(ast.Expression(statement.value), "probe", "eval"), names)
            return normal(_awaited(value))
        exec(compile(ast.Module([statement], []), "probe", "exec"), names)
    except BaseException as error:  # noqa: BLE001  # whatever the code raises is what it does
        return f"raises {type(error).__name__}"
    return ""


def _awaited(value: object) -> object:
    if not inspect.iscoroutine(value):
        return value
    import asyncio  # slow, and rarely needed

    return asyncio.run(value)


def normal(value: object, depth: int = 0) -> str:
    """A text that is equal for equal values; the first case that holds decides."""
    if depth > MAX_DEPTH:
        return "..."
    inner = functools.partial(normal, depth=depth + 1)
    match value:
        case enum.Enum():
            return f"{type(value).__name__}.{value.name}"
        case bool() | None:
            return str(value)
        case int() | float():
            return _number(value)
        case complex():
            return f"complex({_number(value.real)}, {_number(value.imag)})"
        case decimal.Decimal():
            return f"Decimal({value.normalize() if value.is_finite() else value})"
        case str():
            return str.__repr__(value)
        case bytes() | bytearray():
            return repr(bytes(value))
        case list():
            return f"[{_items(value, inner)}]"
        case tuple():
            return f"({_items(value, inner)})"
        case Set():
            return f"set({', '.join(sorted(map(inner, value)))})"
        case Mapping():
            return "{" + ", ".join(sorted(f"{inner(key)}: {inner(item)}" for key, item in value.items())) + "}"
        case Iterator():
            return f"iterator({_items(value, inner)})"
    return _instance(value, inner)


def _number(value: int | float) -> str:
    if isinstance(value, int):
        return str(int(value)) if value.bit_length() < 1000 else hex(value)
    if not math.isfinite(value):
        return str(float(value))
    short = 0.0 if abs(value) < 1e-12 else float(f"{value:.9g}")
    return str(int(short)) if short.is_integer() else str(short)


def _items(value: Iterable[object], inner: Callable[[object], str]) -> str:
    items = [*map(inner, itertools.islice(value, MAX_ITEMS + 1))]
    return ", ".join([*items[:MAX_ITEMS], *(["..."] if len(items) > MAX_ITEMS else [])])


def _instance(value: object, inner: Callable[[object], str]) -> str:
    """The module's own class says its type only: its repr and attributes are its own affair."""
    cls = type(value)
    if isinstance(value, BaseException):
        return cls.__name__
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        names = [field.name for field in dataclasses.fields(value) if field.repr and not field.name.startswith("_")]
        return f"{cls.__name__}({', '.join(f'{name}={inner(getattr(value, name, None))}' for name in names)})"
    if callable(value) and not isinstance(value, type):
        return "callable"
    library = cls.__module__ == "builtins" or cls.__module__.partition(".")[0] in sys.stdlib_module_names
    return re.sub(r" at 0x[0-9a-fA-F]+", "", repr(value)) if library and cls.__module__ != "__main__" else cls.__name__


def _bounded(text: str) -> str:
    if len(text) <= MAX_CHARS:
        return text
    return f"{text[: MAX_CHARS - 20]}...{hashlib.sha256(text.encode('utf-8', 'replace')).hexdigest()[:12]}"
