"""The classes of mirrors and of errors, and what each mirror knows by itself: its number, and who made it."""

from __future__ import annotations

from typing import Any

Peer = Any
"""The end of the link that the mirror belongs to (see `peer.py`)."""


class Doc:
    """The text of a class on the class, and that of the object on its mirror."""

    def __init__(self, text: str | None) -> None:
        self.text = text

    def __get__(self, mirror: Any, owner: Any) -> Any:
        return self.text if mirror is None else mirror.__getattr__("__doc__")


class WideError(type):
    """A class of errors that every error belongs to, as the code hands it out: of the code's own errors only.

    Else `BadValue = Exception` would make a failed assert, or any slip, the error that a test expects.
    """

    def __eq__(cls, other: object) -> bool:
        return other is cls or other is stands_for(cls)

    def __hash__(cls) -> int:
        return type.__hash__(stands_for(cls))


def stands_for(kind: Any) -> Any:
    return kind.__dict__.get("_ns_real", kind) if isinstance(kind, WideError) else kind


def wide(kind: type[BaseException]) -> WideError:
    base = Exception if kind is BaseException else kind
    space = {"__slots__": (), "__module__": "builtins", "__qualname__": kind.__name__, "_ns_real": kind}
    return WideError(kind.__name__, (base,), space)


class MirrorClass(WideError):
    """The class of mirrored classes."""

    def __new__(cls, name: str, bases: tuple[type, ...], space: dict[str, Any]) -> MirrorClass:
        if "_ns_class" not in space:
            peer = next(base for base in bases if isinstance(base, MirrorClass))._ns_peer
            peer.unsupported("a class of the project is subclassed by the test")
        return super().__new__(cls, name, bases, space)

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        made = ask_call(cls._ns_peer, cls, args, kwargs)
        if cls._ns_peer.names_class(cls.__dict__["_ns_class"]):
            mark_made(made)
        return made

    def __getattr__(cls, name: str) -> Any:
        if name.startswith("_ns"):
            raise AttributeError(name)
        return cls._ns_peer.ask("get", cls, name)

    def __setattr__(cls, name: str, value: Any) -> None:
        cls._ns_peer.ask("set", cls, name, value)

    def __delattr__(cls, name: str) -> None:
        cls._ns_peer.ask("delete", cls, name)

    def __iter__(cls) -> Any:
        return cls._ns_peer.ask("operate", "__iter__", cls)

    def __len__(cls) -> Any:
        return cls._ns_peer.ask("operate", "__len__", cls)

    def __getitem__(cls, key: Any) -> Any:
        return cls._ns_peer.ask("operate", "__getitem__", cls, key)

    def __contains__(cls, item: Any) -> Any:
        return cls._ns_peer.ask("operate", "__contains__", cls, item)

    def __bool__(cls) -> bool:
        return True

    def __instancecheck__(cls, value: Any) -> bool:
        """A protocol or an abstract class knows more of its kind than those that inherit from it."""
        if super().__instancecheck__(value) or not (cls._ns_peer.guards and is_mirror(value)):
            return super().__instancecheck__(value)
        return cls._ns_peer.ask("operate", "__instancecheck__", cls, value) is True


class Opaque:
    """An object of which nothing is known here but its number."""

    __slots__ = ("__weakref__", "_ns", "_ns_made")


def is_mirror(value: Any) -> bool:
    return isinstance(type(value), MirrorClass)


def number_in(mirror: Any) -> int | None:
    try:
        return int(object.__getattribute__(mirror, "_ns"))
    except AttributeError:
        return None


def is_made(mirror: Any) -> bool:
    return bool(object.__getattribute__(mirror, "_ns_made"))


def mark_made(mirror: Any, *, made: bool = True) -> Any:
    if is_mirror(mirror) and not isinstance(mirror, BaseException):
        object.__setattr__(mirror, "_ns_made", made)
    return mirror


def ask_call(peer: Peer, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    return peer.ask("call", target, args, tuple(kwargs), tuple(kwargs.values()))
