"""What crosses between the two processes of the oracle: frames of JSON, and the plain values that cross as themselves.

No pickle: a value is rebuilt from a closed list of types, so a frame can say nothing but data. A frame from
the other side may be anything; whoever decodes one takes any exception as the end of the link.
"""

from __future__ import annotations

import json
import os
import struct
import sys
from collections.abc import Callable, Iterable, Mapping
from importlib import import_module
from typing import Any

FRAME_BYTES = 32 << 20
BIG = 1 << 53
"""From here on an integer crosses in hexadecimal: reading decimals is bounded by the interpreter."""

Frame = dict[str, Any]


class LinkBroken(BaseException):
    """The other process is gone or speaks no sense; no test may catch it as an error it expects."""


def send(fd: int, frame: Frame) -> None:
    body = json.dumps(frame, separators=(",", ":")).encode("ascii")
    if len(body) > FRAME_BYTES:
        raise ValueError(f"a value of {len(body)} bytes is too large to cross")
    data = struct.pack("<I", len(body)) + body
    while data:
        data = data[os.write(fd, data) :]


def receive(fd: int) -> Frame:
    (size,) = struct.unpack("<I", read(fd, 4))
    if size > FRAME_BYTES:
        raise LinkBroken("a frame is too large")
    frame = json.loads(read(fd, size))
    if not isinstance(frame, dict):
        raise LinkBroken("a frame is no object")
    return frame


def read(fd: int, size: int) -> bytes:
    parts = []
    while size:
        part = os.read(fd, min(size, 1 << 20))
        if not part:
            raise LinkBroken("the process with the code has ended")
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


# Values that are built anew on the other side: type -> the arguments that make an equal one.

PARTS: Mapping[str, Callable[[Any], tuple[Any, ...]]] = {
    "builtins:complex": lambda v: (v.real, v.imag),
    "builtins:range": lambda v: (v.start, v.stop, v.step),
    "builtins:slice": lambda v: (v.start, v.stop, v.step),
    "builtins:frozenset": lambda v: (tuple(v),),
    "builtins:dict_keys": lambda v: (tuple(v),),
    "builtins:dict_values": lambda v: (tuple(v),),
    "builtins:dict_items": lambda v: (tuple(v),),
    "decimal:Decimal": lambda v: (str(v),),
    "fractions:Fraction": lambda v: (v.numerator, v.denominator),
    "datetime:date": lambda v: (v.year, v.month, v.day),
    "datetime:datetime": lambda v: (v.year, v.month, v.day, v.hour, v.minute, v.second, v.microsecond, v.tzinfo),
    "datetime:time": lambda v: (v.hour, v.minute, v.second, v.microsecond, v.tzinfo),
    "datetime:timedelta": lambda v: (v.days, v.seconds, v.microseconds),
    "datetime:timezone": lambda v: (v.utcoffset(None),),
    "zoneinfo:ZoneInfo": lambda v: (v.key,),
    "uuid:UUID": lambda v: (str(v),),
    "pathlib:PosixPath": lambda v: (str(v),),
    "pathlib:PurePosixPath": lambda v: (str(v),),
    "re:Pattern": lambda v: (v.pattern, v.flags),
}
MAKE: Mapping[str, Callable[..., Any]] = {
    "builtins:dict_keys": lambda items: dict.fromkeys(items).keys(),
    "builtins:dict_values": lambda items: dict(enumerate(items)).values(),
    "builtins:dict_items": lambda items: dict(items).items(),
    "re:Pattern": lambda pattern, flags: import_module("re").compile(pattern, flags),
}
"""Where it is not the type itself that is called."""


def parts_of(value: object) -> tuple[str, tuple[Any, ...]] | None:
    """Name and arguments of a plain value; None when it is none. Exact types only: a subclass is another thing."""
    kind = type(value)
    name = f"{kind.__module__.partition('.')[0]}:{kind.__qualname__}"
    if name not in PARTS or (kind.__module__ != "builtins" and found(name) is not kind):
        return None
    return name, PARTS[name](value)


def built(name: str, arguments: Iterable[Any]) -> Any:
    if name not in PARTS:
        raise LinkBroken(f"{name} is no plain type")
    return MAKE.get(name, found(name))(*arguments)


def found(name: str) -> Any:
    module, _, path = name.partition(":")
    value: Any = import_module(module)
    for part in path.split("."):
        value = getattr(value, part, None)
    return value


# Containers that can change: they cross with their identity, see `peer.py`.

CONTAINERS = (
    "builtins:list", "builtins:dict", "builtins:set", "builtins:bytearray",
    "collections:deque", "collections:OrderedDict", "collections:defaultdict", "collections:Counter",
)  # fmt: skip


def container_name(value: object) -> str:
    """Empty for what is none of them, exactly."""
    kind = type(value)
    name = f"{kind.__module__}:{kind.__qualname__}"
    return name if name in CONTAINERS and found(name) is kind else ""


def items_of(container: Any) -> list[Any]:
    """What it holds, flat, so that two states can be compared item by item."""
    if isinstance(container, dict):
        return [*container.keys(), *container.values()]
    return list(container)


def refill(container: Any, items: list[Any]) -> None:
    if isinstance(container, dict):
        half = len(items) // 2
        container.clear()
        for key, value in zip(items[:half], items[half:], strict=True):
            container[key] = value
        return
    container.clear()
    (container.update if isinstance(container, set) else container.extend)(items)


# Classes and functions that both sides have: they cross by name.

SHARED_MODULES = frozenset({
    "builtins", "collections", "datetime", "decimal", "enum", "fractions", "pathlib", "uuid", "abc",
})  # fmt: skip


def public_name(value: Any) -> str:
    """The name by which both sides find this very object in the standard library; empty when there is none."""
    module, path = getattr(value, "__module__", None), getattr(value, "__qualname__", None)
    if not isinstance(module, str) or not isinstance(path, str) or "<" in path:
        return ""
    if module.partition(".")[0] not in sys.stdlib_module_names or module not in sys.modules:
        return ""
    name = f"{module}:{path}"
    return name if found(name) is value else ""


def harmless(value: Any, name: str) -> bool:
    """Whether the tests may be given it by name: exceptions and classes of plain values, and nothing that acts."""
    if not isinstance(value, type):
        return False
    return issubclass(value, BaseException) or name.partition(":")[0] in SHARED_MODULES
