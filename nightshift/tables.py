"""Tables of settings into frozen dataclasses: the fields say which keys and types there are.

An error names the place where the value was written, down to the line of a TOML file. Knows types, bounds and
parsers, and nothing of what a setting means.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, is_dataclass, replace
from pathlib import Path
from types import NoneType
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from nightshift.errors import ConfigError

T = TypeVar("T")
Key = tuple[str | int, ...]
"""Names of tables and fields, and indices of arrays."""


class Secret(str):
    """Text that neither its repr nor an error message shows."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'***'" if self else "''"


@dataclass(frozen=True, slots=True)
class Layer:
    """Values from one source, and where in it a value was written."""

    table: Mapping[str, Any]
    locate: Callable[[Key], str]


def file_layer(file: Path) -> Layer:
    try:
        text = file.read_text(encoding="utf-8")
        table = tomllib.loads(text)
    except OSError as error:
        raise ConfigError(f"{file}: cannot be read: {error.strerror}") from error
    except ValueError as error:  # UnicodeDecodeError, or TOMLDecodeError, which names the line
        raise ConfigError(f"{file}: not valid TOML: {error}") from error

    def locate(key: Key) -> str:
        line = line_of(text, key)
        return f"{file} line {line}" if line else str(file)

    return Layer(table, locate)


def line_of(text: str, key: Key) -> int | None:
    """The line on which the statement begins that sets the key, in valid TOML.

    The first lines of a valid document are valid too, unless they end inside a statement: the one wanted is
    the first with which the document has the key.
    """
    lines = text.split("\n")
    start = 1
    for end in range(1, len(lines) + 1):
        try:
            table = tomllib.loads("\n".join(lines[:end]) + "\n")
        except tomllib.TOMLDecodeError:
            continue
        if _has(table, key):
            return start
        start = end + 1
    return None


def _has(value: Any, key: Key) -> bool:
    try:
        for part in key:
            value = value[part]
    except (LookupError, TypeError):
        return False
    return True


@dataclass(frozen=True, slots=True)
class Reader:
    """How values are read; the same for every layer."""

    bounds: Mapping[str, tuple[float, float]]
    """Smallest and largest value of each number, by the last name of its key."""
    parsers: Mapping[Any, Callable[[str], Any]]
    """Types that are written as text; a list of them may be written as one text. Raise ValueError."""

    def fill(self, current: T, layer: Layer) -> T:
        """`current` with the layer's values in place. Raises ConfigError."""
        return self._section(current, layer.table, layer, ())

    def _section(self, current: T, table: Mapping[str, Any], layer: Layer, at: Key) -> T:
        hints = get_type_hints(type(current))
        values = {}
        for name, raw in table.items():
            if name not in hints:
                raise _error(layer, (*at, name), f"is unknown; known keys: {', '.join(hints)}")
            values[name] = self._value(hints[name], raw, getattr(current, name), layer, (*at, name))
        return replace(current, **values)  # type: ignore[type-var]

    def _value(self, hint: Any, raw: Any, current: Any, layer: Layer, at: Key) -> Any:
        of, args = get_origin(hint), get_args(hint)
        if NoneType in args:
            return self._value(args[0], raw, current, layer, at)
        if is_dataclass(hint) and isinstance(raw, Mapping):
            return self._section(current, raw, layer, at)
        if of is Mapping and isinstance(raw, Mapping):
            return self._mapping(args, raw, current, layer, at)
        if of is tuple and isinstance(raw, list | tuple):
            return tuple(self._value(args[0], item, None, layer, (*at, i)) for i, item in enumerate(raw))
        if of is tuple and args[0] in self.parsers and isinstance(raw, str):
            return (self._scalar(args[0], raw, layer, at),)
        return self._scalar(hint, raw, layer, at)

    def _mapping(self, args: Any, table: Mapping[str, Any], current: Any, layer: Layer, at: Key) -> Any:
        """Entries are read one by one: what is said of one never changes another."""
        names, hint = get_args(args[0]), args[1]
        for name, raw in table.items():
            if name not in names:
                raise _error(layer, (*at, name), f"is unknown; known keys: {', '.join(names)}")
            before = current.get(name, hint() if isinstance(hint, type) else None)
            current = {**current, name: self._value(hint, raw, before, layer, (*at, name))}
        return current

    def _scalar(self, hint: Any, raw: Any, layer: Layer, at: Key) -> Any:
        if get_origin(hint) is Literal and raw in get_args(hint):
            return raw
        if hint in self.parsers and isinstance(raw, str):
            return self._parsed(hint, raw, layer, at)
        if type(raw) is hint or (hint is float and type(raw) is int):
            return self._within_bounds(raw, layer, at)
        raise _error(layer, at, f"must be {self._described(hint)}, not {'***' if hint is Secret else repr(raw)}")

    def _parsed(self, hint: Any, raw: str, layer: Layer, at: Key) -> Any:
        try:
            return self.parsers[hint](raw)
        except ValueError as error:
            raise _error(layer, at, f"cannot be {'***' if hint is Secret else repr(raw)}: {error}") from error

    def _within_bounds(self, value: Any, layer: Layer, at: Key) -> Any:
        if type(value) not in (int, float):
            return value
        low, high = self.bounds[next(part for part in reversed(at) if isinstance(part, str))]
        if not low <= value <= high:
            raise _error(layer, at, f"must be between {low:g} and {high:,g}, not {value!r}")
        return value

    def _described(self, hint: Any) -> str:
        if get_origin(hint) is Literal:
            return " or ".join(map(repr, get_args(hint)))
        if get_origin(hint) is tuple:
            return f"a list, each item {self._described(get_args(hint)[0])}"
        if hint is str or hint in self.parsers:
            return "text"
        return {bool: "true or false", int: "a whole number", float: "a number"}.get(hint, "a table")


def _error(layer: Layer, key: Key, problem: str) -> ConfigError:
    return ConfigError(f"{layer.locate(key)}: {'.'.join(map(str, key))} {problem}")
