"""How values cross between the two processes of the oracle, at one end of the link.

Plain values cross as themselves, containers as twins (see `twins.py`), classes and functions of the standard
library by name. Anything else stays where it is and is stood for by a mirror (see `mirrors.py`). Decoding
believes nothing: any error in it is the end of the link.
"""

from __future__ import annotations

import sys
import types
import weakref
from collections.abc import Callable
from itertools import count
from typing import Any

from . import wire
from .classes import MirrorClass, number_in
from .facts import base_value, describe, public
from .mirrors import mirror_class, mirror_function, mirror_instance
from .twins import Twins
from .wire import Frame, LinkBroken

MISSING = object()


class Values:
    """What this end has given away, and the mirrors of what it was given."""

    functions_cross = False
    """Functions are mirrored by functions."""

    def __init__(self, first: int) -> None:
        self._numbers = count(first, 2)
        self._exports: dict[int, Any] = {}
        self._export_numbers: dict[int, int] = {}
        self._imports: dict[int, Callable[[], Any]] = {}
        self._import_numbers: dict[int, tuple[int, Any]] = {}
        self._dead: list[int] = []
        self._classes: list[tuple[int, Frame]] = []
        self._twins = Twins(self._numbers)

    # Values out.

    def encode(self, value: Any) -> Any:
        kind = type(value)
        if value is None or kind in (bool, str, float):
            return value
        if kind is int:
            return value if -wire.BIG < value < wire.BIG else {"i": hex(value)}
        if kind is tuple:
            return {"t": [*map(self.encode, value)]}
        if kind in (bytes, type(NotImplemented), types.TracebackType):
            return {"b": value.decode("latin-1")} if kind is bytes else {"n": None} if value is NotImplemented else None
        number = self.number_of(value)
        if number is not None:
            return {"y": number}
        if name := wire.container_name(value):
            return {"c": self._twins.number(name, value)}
        if parts := wire.parts_of(value):
            return {"v": [parts[0], [*map(self.encode, parts[1])]]}
        if name := self.shared_name(value):
            return {"g": name}
        return self._encode_own(value)

    def number_of(self, value: Any) -> int | None:
        """The other end's number for what this end has as a mirror."""
        kind = type(value)
        if isinstance(kind, MirrorClass):
            return number_in(value)
        if issubclass(kind, MirrorClass):
            return int(value.__dict__["_ns_class"])
        number, kept = self._import_numbers.get(id(value), (None, None))
        return number if kept is value else None

    def shared_name(self, value: Any) -> str:
        raise NotImplementedError

    def _encode_own(self, value: Any) -> Frame:
        if isinstance(value, type):
            return {"k": self._class_number(value)}
        number = self._export(value)
        if isinstance(value, BaseException):
            return {"e": [number, *self._error_parts(value)]}
        if isinstance(value, (types.FunctionType, types.MethodType)) and self.functions_cross:
            return {"f": [number, value.__name__, value.__qualname__, value.__module__, value.__doc__]}
        base = base_value(value)
        return {"m": [number, self._class_number(type(value)), self.encode(base)]}

    def _error_parts(self, error: BaseException) -> list[Any]:
        name = self.shared_name(type(error))
        plain = {k: v for k, v in vars(error).items() if type(v) in (str, int, float, bool, type(None))}
        kind = {"g": name} if name else {"k": self._class_number(type(error))}
        try:
            text = str(error)
        except Exception as problem:  # noqa: BLE001  (the code's own __str__ may raise anything)
            text = f"<{type(problem).__name__} in __str__>"
        cause = error.__cause__
        return [kind, self.encode(error.args), text, plain, self.encode(cause)]

    def _export(self, value: Any) -> int:
        number = self._export_numbers.get(id(value))
        if number is None:
            number = next(self._numbers)
            self._exports[number] = value
            self._export_numbers[id(value)] = number
        return number

    def _release(self, number: int) -> None:
        value = self._exports.pop(number, MISSING)
        if value is not MISSING:
            self._export_numbers.pop(id(value), None)

    def _class_number(self, kind: type) -> int:
        if id(kind) in self._export_numbers:
            return self._export_numbers[id(kind)]
        bases = [base for base in kind.__bases__ if base is not object]
        numbers = [self._class_number(base) for base in bases if not public(base)]
        number = self._export(kind)
        self._classes.append((number, {**describe(kind), "bases": numbers}))
        return number

    # Values in.

    def decode(self, data: Any) -> Any:
        if not isinstance(data, dict):
            if isinstance(data, list):
                raise LinkBroken("a bare list")
            return data
        ((tag, body),) = data.items()
        return getattr(self, f"_decode_{DECODERS[tag]}")(body)

    def _decode_integer(self, body: str) -> int:
        return int(body, 16)

    def _decode_tuple(self, body: list[Any]) -> tuple[Any, ...]:
        return tuple(map(self.decode, body))

    def _decode_bytes(self, body: str) -> bytes:
        return body.encode("latin-1")

    def _decode_not_implemented(self, body: None) -> Any:
        return NotImplemented

    def _decode_own(self, body: int) -> Any:
        return self._exports[body]

    def _decode_container(self, body: int) -> Any:
        return self._twins.known[body].container

    def _decode_plain(self, body: list[Any]) -> Any:
        return wire.built(body[0], map(self.decode, body[1]))

    def _decode_shared(self, body: str) -> Any:
        module = body.partition(":")[0]
        if module.partition(".")[0] not in sys.stdlib_module_names - {"antigravity", "this"}:
            raise LinkBroken(f"{body} is not in the standard library")
        return self.checked(wire.found(body), body)

    def checked(self, value: Any, name: str) -> Any:
        return value

    def raised_class(self, name: str) -> Any:
        return self._decode_shared(name)

    def _decode_class(self, body: int) -> Any:
        return self._mirror(body)

    def _decode_mirror(self, body: list[Any]) -> Any:
        number, kind, base = body
        mirror = self._mirror(number)
        if mirror is not MISSING:
            return self.answered(mirror)
        mirror = mirror_instance(self._mirror(kind), number, self.decode(base))
        try:
            self._imports[number] = weakref.ref(mirror, lambda _: self._dead.append(number))
        except TypeError:  # an int or a tuple cannot be watched; it stays
            self._imports[number] = lambda: mirror
        return mirror

    def answered(self, mirror: Any) -> Any:
        return mirror

    def _decode_function(self, body: list[Any]) -> Any:
        number, *names = body
        mirror = self._mirror(number)
        if mirror is MISSING:
            mirror = mirror_function(self, number, *names)
            self._imports[number] = lambda: mirror
            self._import_numbers[id(mirror)] = (number, mirror)
        return mirror

    def _decode_error(self, body: list[Any]) -> BaseException:
        number, kind, arguments, text, plain, cause = body
        mirror = self._mirror(number)
        if mirror is not MISSING:
            return mirror  # type: ignore[no-any-return]
        raised = self.raised_class(kind["g"]) if "g" in kind else self.decode(kind)
        error = made_error(raised, self.decode(arguments))
        error.__dict__.update({k: v for k, v in plain.items() if not k.startswith("_")})
        if isinstance(type(error), MirrorClass):
            error.__dict__.update(_ns=int(number), _ns_text=str(text))
        error.__cause__ = self.decode(cause)
        self._import_numbers[id(error)] = (number, error)
        self._imports[number] = lambda: error
        return error

    def _import_class(self, number: int, description: Frame) -> None:
        bases = [self._mirror(base) for base in description["bases"]]
        kind = mirror_class(self, number, description, bases)
        self._imports[number] = lambda: kind

    def _mirror(self, number: int) -> Any:
        find = self._imports.get(number)
        mirror = find() if find else None
        return MISSING if mirror is None else mirror


DECODERS = {
    "i": "integer", "t": "tuple", "b": "bytes", "n": "not_implemented", "y": "own", "c": "container",
    "v": "plain", "g": "shared", "k": "class", "m": "mirror", "f": "function", "e": "error",
}  # fmt: skip


def made_error(kind: Any, arguments: tuple[Any, ...]) -> BaseException:
    """Without its constructor where that wants other arguments than the error keeps."""
    if not issubclass(kind, BaseException):
        raise LinkBroken("an error whose class is no exception")
    if not isinstance(kind, MirrorClass):
        try:
            return kind(*arguments)  # type: ignore[no-any-return]
        except TypeError:
            pass
    root = next(base for base in kind.__mro__ if not isinstance(base, MirrorClass))
    error: BaseException = root.__new__(kind, *arguments)
    error.args = arguments
    return error
