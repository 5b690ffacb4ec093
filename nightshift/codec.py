"""Domain values to plain JSON data and back, driven by their type hints.

    from_json(Plan, as_json(plan)) == plan

A check carries its kind as "type" (tests, script, command, shell). Fields that the value does not know are
skipped; whatever does not fit is a ValueError that says where. It does not judge meaning: a plan with a cycle
decodes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from collections.abc import Mapping as AbstractMapping
from dataclasses import MISSING, Field, fields, is_dataclass
from functools import cache
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from nightshift.domain import CommandCheck, ScriptCheck, ShellCheck, TestsCheck

T = TypeVar("T")

TAGS: dict[str, type] = {
    "tests": TestsCheck,
    "script": ScriptCheck,
    "command": CommandCheck,
    "shell": ShellCheck,
}


def as_json(value: Any) -> Any:
    """Plain data of a value: dataclasses become objects, tuples lists, paths text."""
    if is_dataclass(value) and not isinstance(value, type):
        data = {field.name: as_json(getattr(value, field.name)) for field in fields(value)}
        tag = next((tag for tag, cls in TAGS.items() if isinstance(value, cls)), None)
        return {"type": tag, **data} if tag else data
    if isinstance(value, Mapping):
        return {str(key): as_json(item) for key, item in value.items()}
    if isinstance(value, (tuple, list)):
        return [as_json(item) for item in value]
    if isinstance(value, Path):
        return str(value)
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise TypeError(f"{type(value).__name__} has no JSON form; give records plain data or domain values")


def from_json(cls: type[T], data: Any) -> T:
    """The value of type `cls` that `data` describes; ValueError says what does not fit, and where."""
    decoded: T = _decode(cls, data, cls.__name__)
    return decoded


def _decode(hint: Any, data: Any, where: str) -> Any:
    if hint is Any:
        return data
    if is_dataclass(hint):
        return _decode_dataclass(hint, data, where)
    decoder = _BY_ORIGIN.get(get_origin(hint))
    return decoder(get_args(hint), data, where) if decoder else _decode_scalar(hint, data, where)


def _decode_dataclass(cls: Any, data: Any, where: str) -> Any:
    if not isinstance(data, Mapping):
        raise _misfit(where, "an object", data)
    hints = _hints(cls)
    known = [field for field in fields(cls) if field.name in data]
    missing = [field.name for field in fields(cls) if field.name not in data and _required(field)]
    if missing:
        raise ValueError(f"{where}: {', '.join(missing)} missing")
    return cls(**{f.name: _decode(hints[f.name], data[f.name], f"{where}.{f.name}") for f in known})


def _decode_union(choices: tuple[Any, ...], data: Any, where: str) -> Any:
    if data is None and NoneType in choices:
        return None
    choices = tuple(choice for choice in choices if choice is not NoneType)
    if len(choices) == 1:
        return _decode(choices[0], data, where)
    tags = [tag for tag, cls in TAGS.items() if cls in choices]
    tag = data.get("type") if isinstance(data, Mapping) else None
    if tag not in tags:
        raise _misfit(where, f"an object whose type is one of {', '.join(tags)}", data)
    return _decode(TAGS[tag], data, where)


def _decode_literal(choices: tuple[Any, ...], data: Any, where: str) -> Any:
    if not any(type(data) is type(choice) and data == choice for choice in choices):
        raise _misfit(where, f"one of {', '.join(map(str, choices))}", data)
    return data


def _decode_tuple(hints: tuple[Any, ...], data: Any, where: str) -> Any:
    if not isinstance(data, (list, tuple)):
        raise _misfit(where, "a list", data)
    each = (hints[0],) * len(data) if hints[-1:] == (...,) else hints
    if len(each) != len(data):
        raise _misfit(where, f"a list of {len(each)}", data)
    return tuple(_decode(hint, item, f"{where}[{i}]") for i, (hint, item) in enumerate(zip(each, data, strict=True)))


def _decode_mapping(hints: tuple[Any, ...], data: Any, where: str) -> Any:
    if not isinstance(data, Mapping):
        raise _misfit(where, "an object", data)
    return {str(key): _decode(hints[1], item, f"{where}.{key}") for key, item in data.items()}


def _decode_scalar(hint: Any, data: Any, where: str) -> Any:
    if hint is float and type(data) is int:
        return float(data)
    if hint is Path and isinstance(data, str):
        return Path(data)
    if type(data) is not hint:
        raise _misfit(where, {str: "text", bool: "true or false"}.get(hint, f"{hint.__name__}"), data)
    return data


_BY_ORIGIN: dict[Any, Callable[[tuple[Any, ...], Any, str], Any]] = {
    Union: _decode_union,
    UnionType: _decode_union,
    Literal: _decode_literal,
    tuple: _decode_tuple,
    dict: _decode_mapping,
    AbstractMapping: _decode_mapping,
}


@cache
def _hints(cls: type) -> dict[str, Any]:
    return get_type_hints(cls)


def _required(field: Field[Any]) -> bool:
    return field.default is MISSING and field.default_factory is MISSING


def _misfit(where: str, wanted: str, data: Any) -> ValueError:
    return ValueError(f"{where}: {wanted} wanted, found {str(data)[:60]!r}")
