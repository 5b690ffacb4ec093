"""The end of the link where the tests are: makes the project's modules importable, and lets the code do little here.

In this process there is no line of the code under test. What the code may do with an object that a test gave it is
call it, iterate over it, and use what is public on objects whose class the test file itself defines: a function's
globals or a mock's records are none of its business.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import io
import os
import sys
import types
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import pytest

from . import oracle_wire as wire
from .oracle_classes import MirrorClass, is_made, is_mirror
from .oracle_peer import Peer
from .oracle_wire import LinkBroken

HIDDEN = ("PYTEST_",)
"""Environment variables that would tell the code which test asks."""
INTERNAL = ("gi_", "cr_", "ag_", "f_", "tb_", "co_", "func_")
NOT_CROSSING = (types.FrameType, types.CodeType, types.ModuleType, types.CellType)
STREAMS = {1: "stdout", 2: "stderr"}


class Unsupported(BaseException):
    """The test does what cannot be done across two processes: no verdict, and none that the code could bring about."""


def connect(channel: int, orders: dict[str, Any], tell: Callable[..., None]) -> object:
    """The plugin that watches the link. From here on the project's modules are mirrors."""
    from .reporters import TimedOut

    peer = TestsPeer(channel, orders["root"], tell, (TimedOut,))
    sys.meta_path.insert(0, Finder(peer, orders["modules"]))
    return Watch(peer)


class Watch:
    """Says at the end whether the link held: a broken one is no verdict, whatever the tests made of it."""

    def __init__(self, peer: TestsPeer) -> None:
        self.peer = peer

    def pytest_collectstart(self, collector: pytest.Collector) -> None:
        self.peer.file = collector.nodeid.partition("::")[0]

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        self.peer.file = nodeid.partition("::")[0]

    def pytest_sessionfinish(self) -> None:
        self.peer.tell("link", broken=self.peer.broken)


class TestsPeer(Peer):
    __test__ = False
    guards = True

    def __init__(
        self, channel: int, root: str, tell: Callable[..., None], finals: tuple[type[BaseException], ...]
    ) -> None:
        super().__init__(channel, first=2)
        self.tell, self._root, self._finals = tell, root, finals
        self._named: set[int] = set()
        self._given_classes: set[int] = set()
        self._surroundings: dict[str, Any] = {}
        self._process = os.getpid()
        self.file = ""
        """The test file at work."""

    # What mirrors ask of their peer.

    def names_class(self, number: int) -> bool:
        return number in self._named

    def name(self, name: str, value: Any) -> Any:
        """A class that the test calls by a name in CapWords makes objects; any other name answers with them."""
        if name.lstrip("_")[:1].isupper() and isinstance(value, MirrorClass):
            self._named.add(int(value.__dict__["_ns_class"]))
        return value

    def trusts(self, mirror: Any) -> bool:
        return is_made(mirror)

    def plain(self, value: Any) -> bool:
        kind = type(value)
        return kind.__module__ == "builtins" or bool(wire.container_name(value) or wire.parts_of(value))

    def refused(self, mirror: Any, name: str) -> Any:
        self.note(mirror, f"was to settle {name} with a plain value")
        return NotImplemented

    def note(self, mirror: Any, what: str) -> None:
        self.tell("note", what=f"an object of the class {type(mirror).__name__} {what}"[:300])

    def nonsense(self, what: str) -> NoReturn:
        self._break(f"{what} makes no sense")

    def unsupported(self, why: str) -> NoReturn:
        self.tell("unsupported", path=self.file, why=why)
        raise Unsupported(why)

    def error_class(self, name: str) -> Any:
        kind = self._decode_shared(name)
        if not issubclass(kind, BaseException):
            self.nonsense("an exception's class")
        return kind

    def shape(self, said: dict[str, Any]) -> type:
        if said["generator"]:
            return types.GeneratorType
        return type(str(said["name"]), ({"dict": dict, "list": list, "set": set}[said["shape"]],), {})

    # What the code may do here.

    def perform(self, operation: str, arguments: list[Any]) -> Any:
        if operation not in ("call", "get", "set", "operate"):
            raise AttributeError(f"{operation} is not for objects of the tests")
        target = arguments[1] if operation == "operate" else arguments[0]
        name = str(arguments[1]) if operation in ("get", "set") else ""
        if isinstance(target, type) and id(target) not in self._given_classes:
            raise AttributeError(f"the class {target.__name__} was not given away")
        if is_mirror(target) or (name and not self._open(target, name)):
            raise AttributeError(f"{type(target).__name__!r} object has no attribute {name!r}")
        replaces = operation == "set" and (callable(arguments[2]) or callable(getattr(target, name, None)))
        if replaces or (operation == "set" and name.startswith("_")):
            raise AttributeError(f"{name} of a test's object cannot be replaced")
        if operation == "operate" and str(arguments[0]) not in OPERATORS:
            raise AttributeError(str(arguments[0]))
        result = super().perform(operation, arguments)
        if isinstance(result, NOT_CROSSING):  # no question of the code may make the file unsupported
            raise AttributeError(f"a {type(result).__name__} is not for the code")
        return result

    def _open(self, target: Any, name: str) -> bool:
        if name.startswith(("_", *INTERNAL)):
            return name in ("__name__", "__doc__", "__qualname__", "__module__") and callable(target)
        if mock := kind_of(target, "unittest.mock", "NonCallableMock"):
            return name not in dir(mock) and not name.startswith("assert")
        if isinstance(target, types.GeneratorType):
            return name in ("send", "throw", "close")
        return isinstance(target, io.IOBase) or self._defined_by_tests(target)

    def _defined_by_tests(self, target: Any) -> bool:
        kind = target if isinstance(target, type) else type(target)
        module = sys.modules.get(kind.__module__)
        file = getattr(module, "__file__", None) or ""
        own = file.startswith(self._root + os.sep)
        return own and not kind_of(target, "unittest", "TestCase") and not issubclass(kind, types.ModuleType)

    # Values.

    def final(self, error: BaseException) -> bool:
        return super().final(error) or isinstance(error, (Unsupported, *self._finals))

    def shared_name(self, value: Any) -> str:
        return wire.public_name(value)

    functions_cross = True

    def checked(self, value: Any, name: str) -> Any:
        if not wire.harmless(value, name):
            raise LinkBroken(f"{name} may not be given to the tests")
        return value

    def encode(self, value: Any) -> Any:
        if isinstance(value, ProjectModule):
            return super().encode(value.__dict__["_ns_module"])
        return super().encode(value)

    def _encode_own(self, value: Any) -> Any:
        if isinstance(value, NOT_CROSSING):
            self.unsupported(f"a {type(value).__name__} is given to the code")
        if isinstance(value, type):
            self._given_classes.add(id(value))
        return super()._encode_own(value)

    # Surroundings: the code sees the environment and the directory of the test, and the test what was printed.

    def news(self) -> Any:
        here = {name: value for name, value in os.environ.items() if not name.startswith(HIDDEN)}
        now = {"environment": here, "directory": os.getcwd()}
        if now == self._surroundings:
            return None
        self._surroundings = now
        return now

    def hear(self, news: Any) -> None:
        for stream, text in news or ():
            getattr(sys, STREAMS[stream]).write(str(text))

    def ask(self, operation: str, *arguments: Any) -> Any:
        if os.getpid() != self._process:
            raise LinkBroken("a fork of the test process has no link")
        return super().ask(operation, *arguments)


def kind_of(target: Any, module: str, name: str) -> Any:
    """The class, when the target is one of its kind. A module that the test did not import has made nothing."""
    kind = getattr(sys.modules.get(module), name, None)
    return (
        kind if kind and (isinstance(target, kind) or (isinstance(target, type) and issubclass(target, kind))) else None
    )


OPERATORS = frozenset({
    "__call__", "__iter__", "__next__", "__len__", "__getitem__", "__setitem__", "__delitem__", "__contains__",
    "__eq__", "__ne__", "__lt__", "__le__", "__gt__", "__ge__", "__hash__", "__bool__", "__str__", "__repr__",
    "__enter__", "__exit__", "__int__", "__float__", "__index__", "__add__", "__radd__", "__sub__", "__rsub__",
    "__mul__", "__rmul__", "__truediv__", "__rtruediv__", "__fspath__", "__format__", "__reversed__",
})  # fmt: skip


# The project's modules.


class ProjectModule(types.ModuleType):
    """A module of the other process; what is set on it is set there."""

    def __getattr__(self, name: str) -> Any:
        if name in ("__path__", "__file__", "__wrapped__", "_ns_module"):
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        peer = self.__dict__["_ns_peer"]
        return peer.name(name, peer.ask("get", self, name))

    def __setattr__(self, name: str, value: Any) -> None:
        if name.startswith("__") or isinstance(value, types.ModuleType):
            return super().__setattr__(name, value)
        return self.__dict__["_ns_peer"].ask("set", self, name, value)  # type: ignore[no-any-return]

    def __delattr__(self, name: str) -> None:
        self.__dict__["_ns_peer"].ask("delete", self, name)


class Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def __init__(self, peer: TestsPeer, modules: dict[str, bool]) -> None:
        self.peer, self.modules = peer, modules
        """Name -> whether it is a package."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: types.ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if name not in self.modules:
            return None
        return importlib.machinery.ModuleSpec(name, self, is_package=self.modules[name])

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ProjectModule:
        module = ProjectModule(spec.name)
        module.__dict__["_ns_peer"] = self.peer
        return module

    def exec_module(self, module: types.ModuleType) -> None:
        remote, names = self.peer.ask("import", module.__name__)
        module.__dict__["_ns_module"] = remote
        module.__dict__["__all__"] = [str(name) for name in names]
