"""What a mirror has to be told of a class, and what may be asked of the end that holds an object."""

from __future__ import annotations

import sys
import types
from collections.abc import Callable
from typing import Any

from .wire import Frame

VALUED: dict[type, Callable[[Any], Any]] = {
    int: int.__int__, float: float.__float__, complex: complex.__pos__, str: str.__str__,
    bytes: lambda v: b"".join([v, b""]), tuple: lambda v: tuple(tuple.__iter__(v)),
    frozenset: lambda v: frozenset(frozenset.__iter__(v)),
}  # fmt: skip
"""Plain types that a class may be a kind of -> how to get at the value without asking the class."""
SHAPED = (dict, list, set)
HASHES: dict[Any, str] = {None: "none", object.__hash__: "id"}


def public(kind: type) -> bool:
    """Of the standard library: both ends have it, or neither needs it."""
    return kind.__module__.partition(".")[0] in sys.stdlib_module_names


def describe(kind: type) -> Frame:
    stop = next((base for base in kind.__mro__ if base in VALUED), object)
    own = [vars(base) for base in kind.__mro__ if base not in (object, stop, BaseException, Exception)]
    return {
        "name": str(kind.__name__), "qualname": str(kind.__qualname__), "module": str(kind.__module__),
        "doc": kind.__doc__ if isinstance(kind.__doc__, str) else None,
        "methods": sorted({name for space in own for name in space if name.startswith("__")}),
        "hash": HASHES.get(kind.__hash__, "own"),
        "value": stop.__name__ if stop is not object else "",
        "shape": next((base.__name__ for base in SHAPED if issubclass(kind, base)), ""),
        "error": next((f"{b.__module__}:{b.__qualname__}" for b in kind.__mro__ if _shared_error(b)), ""),
        "fields": compared_fields(kind),
        "generator": kind is types.GeneratorType,
    }  # fmt: skip


def _shared_error(kind: type) -> bool:
    return issubclass(kind, BaseException) and kind.__module__.partition(".")[0] in sys.stdlib_module_names


def compared_fields(kind: Any) -> list[str] | None:
    """What the comparison that `dataclass` wrote looks at; None when the class compares in its own way."""
    fields, compare = vars(kind).get("__dataclass_fields__"), vars(kind).get("__eq__")
    if not fields or getattr(getattr(compare, "__code__", None), "co_filename", "") != "<string>":
        return None
    return [name for name, field in fields.items() if field.compare and field._field_type.name == "_FIELD"]


def base_value(value: Any) -> Any:
    """The plain value inside an instance of a subclass of a plain type; None when there is none."""
    kind = next((base for base in VALUED if isinstance(value, base)), None)
    return VALUED[kind](value) if kind else None


# What may be asked of the end that holds an object.


def operate(name: str, target: Any, *arguments: Any) -> Any:
    if name == "__getitem__" and issubclass(type(target), type):
        return target[arguments[0]]  # a generic class has it, and its metaclass has not
    return getattr(type(target), name)(target, *arguments)


def answers(name: str, target: Any, others: tuple[Any, ...]) -> tuple[bool | None, ...]:
    """What it says of each of the others; None where it raises."""
    return tuple(_answer(name, target, other) for other in others)


def _answer(name: str, target: Any, other: Any) -> bool | None:
    try:
        return bool(target == other if name == "__eq__" else other in target)
    except Exception:  # noqa: BLE001  (the code's own method may raise anything)
        return None


def plain_copy(target: Any) -> Any:
    for base in SHAPED:
        if isinstance(target, base):
            return base(target)
    return None


def state(target: Any) -> dict[str, Any]:
    """What its own attributes are, those in slots included."""
    slots = [name for kind in type(target).__mro__ for name in _names(vars(kind).get("__slots__", ()))]
    kept = {name: getattr(target, name) for name in slots if not name.startswith("__") and hasattr(target, name)}
    return {**kept, **getattr(target, "__dict__", {})}


def _names(slots: Any) -> tuple[str, ...]:
    return (slots,) if isinstance(slots, str) else tuple(slots)


def copied(target: Any, deep: bool) -> Any:
    import copy

    return copy.deepcopy(target) if deep else copy.copy(target)


def called(target: Any, arguments: tuple[Any, ...], names: tuple[str, ...], values: tuple[Any, ...]) -> Any:
    return target(*arguments, **dict(zip(names, values, strict=True)))


OPERATIONS: dict[str, Callable[..., Any]] = {
    "get": getattr, "set": setattr, "delete": delattr, "call": called, "operate": operate, "answers": answers,
    "fields": lambda target, names: tuple(getattr(target, name) for name in names),
    "plain": plain_copy, "copy": copied, "state": state,
}  # fmt: skip
