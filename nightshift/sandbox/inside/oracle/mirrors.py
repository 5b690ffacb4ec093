"""Mirrors: what stands, in one process of the oracle, for an object, a class or a function of the other.

A mirror's class has exactly the special methods that the real class has, so that `len`, `iter`, `callable`, truth
and errors come out as they would; a subclass of `int`, `str` or `tuple` is one here too and holds its value.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .classes import Doc, MirrorClass, Opaque, Peer, ask_call, mark_made
from .guards import ARITHMETIC, ORDER, containing, guarded, identity, on_value

FORWARDED = (
    "__call__", "__len__", "__iter__", "__next__", "__reversed__", "__getitem__", "__setitem__", "__delitem__",
    "__bool__", "__int__", "__float__", "__complex__", "__index__", "__round__", "__trunc__", "__floor__",
    "__ceil__", "__abs__", "__neg__", "__pos__", "__invert__", "__enter__", "__exit__", "__bytes__", "__fspath__",
)  # fmt: skip
TEXTS = ("__repr__", "__str__", "__format__")
PREDICATES = frozenset(
    name for kind in (str, float, set) for name in dir(kind) if name.startswith(("is", "starts", "ends"))
)
"""Methods of plain types that say yes or no: the classic question to a text that is none."""
VALUE_TYPES = {kind.__name__: kind for kind in (int, float, complex, str, bytes, tuple, frozenset)}
SHAPES = {kind.__name__: kind for kind in (dict, list, set)}


def mirror_class(peer: Peer, number: int, said: dict[str, Any], bases: list[Any]) -> Any:
    space: dict[str, Any] = {
        "_ns_class": number, "_ns_peer": peer, "_ns_said": said,
        "__qualname__": str(said["qualname"]), "__module__": str(said["module"]), "__doc__": Doc(said["doc"]),
        "__getattr__": getter(peer), "__copy__": copier(peer, deep=False), "__deepcopy__": copier(peer, deep=True),
    }  # fmt: skip
    methods = [str(name) for name in said["methods"]]
    if said["error"]:
        roots = peer.error_classes(said["error"])
        return created(said, bases, roots, {**space, "__str__": lambda self: self.__dict__.get("_ns_text", "")})
    space.update({name: forwarded(peer, name) for name in FORWARDED if name in methods})
    if value := VALUE_TYPES.get(said["value"]):
        space.update({name: forwarded(peer, name) for name in TEXTS if name in methods})
        space.update({name: on_value(peer, name, value) for name in (*ARITHMETIC, *ORDER) if name in methods})
        space.update({name: forwarded(peer, name) for name in ("__setattr__", "__delattr__")})
        return created(said, bases, (value,), {**space, "__hash__": value.__hash__})
    space.update({name: forwarded(peer, name) for name in ("__repr__", "__str__", "__setattr__", "__delattr__")})
    space.update({name: guarded(peer, name) for name in (*ARITHMETIC, *ORDER) if name in methods})
    space.update(identity(peer, said, methods))
    if "__format__" in methods:
        space["__format__"] = forwarded(peer, "__format__")
    if "__contains__" in methods:
        space["__contains__"] = containing(peer, iterable="__iter__" in methods)
    if said["shape"] in SHAPES or said["generator"]:
        space["__class__"] = claimed(peer.shape(said))
    return created(said, bases, (Opaque,), {**space, "__slots__": ()})


def created(said: dict[str, Any], bases: list[Any], roots: tuple[type, ...], space: dict[str, Any]) -> Any:
    fitting = tuple(base for base in bases if issubclass(base, BaseException if said["error"] else roots[0]))
    lacking = tuple(root for root in roots if not any(issubclass(base, root) for base in fitting))
    try:
        return MirrorClass(str(said["name"]), (*fitting, *lacking), space)
    except TypeError:  # an order of bases that only the real classes have
        return MirrorClass(str(said["name"]), roots, space)


def mirror_instance(kind: Any, number: int, value: Any) -> Any:
    said = kind.__dict__["_ns_said"]
    base = VALUE_TYPES.get(said["value"])
    if base is None:
        mirror = object.__new__(kind)
        object.__setattr__(mirror, "_ns", number)
        object.__setattr__(mirror, "_ns_made", False)
        return mirror
    if type(value) is not base:
        raise TypeError(f"the value of a mirror is no {base.__name__}")
    valued: Any = base.__new__(kind, value)
    valued.__dict__.update(_ns=number, _ns_made=False)
    return valued


def mirror_function(peer: Peer, number: int, name: str, qualname: str, module: str, doc: str | None) -> Any:
    """A real function, so that what is done to functions can be done to it."""

    def function(*args: Any, **kwargs: Any) -> Any:
        return ask_call(peer, function, args, kwargs)

    function.__name__, function.__qualname__, function.__module__, function.__doc__ = name, qualname, module, doc
    return function


# Special methods that ask, whatever they are given.


def claimed(kind: type) -> property:
    """What `isinstance` takes the mirror for, besides its own class."""
    return property(lambda _: kind)


def getter(peer: Peer) -> Callable[..., Any]:
    def __getattr__(self: Any, name: str) -> Any:
        if name.startswith("_ns") or (name in PREDICATES and not peer.trusts(self)):
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        return peer.ask("get", self, name)

    return __getattr__


def copier(peer: Peer, *, deep: bool) -> Callable[..., Any]:
    def copied(self: Any, memo: Any = None) -> Any:
        twin = peer.ask("copy", self, deep)
        return mark_made(twin) if peer.trusts(self) and type(twin) is type(self) else twin

    return copied


def forwarded(peer: Peer, name: str) -> Callable[..., Any]:
    def method(self: Any, *arguments: Any, **named: Any) -> Any:
        if name == "__call__":
            return ask_call(peer, self, arguments, named)
        return peer.ask("operate", name, self, *arguments)

    return method
