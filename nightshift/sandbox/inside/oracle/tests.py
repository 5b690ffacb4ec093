"""The end of the link where the tests are: makes the project's modules importable, and lets the code do little here.

In this process there is no line of the code under test. What the code may do with an object that a test gave it is
call it, iterate over it, and use what is public on objects whose class the test file itself defines: a function's
globals or a mock's records are none of its business.
"""

from __future__ import annotations

import io
import os
import random
import sys
import types
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

import pytest

from . import wire
from .classes import MirrorClass, is_made, is_mirror, mark_made, number_in, stands_for, wide
from .guards import ORDER
from .modules import Finder, ProjectModule
from .peer import Peer
from .wire import LinkBroken

HIDDEN = ("PYTEST_",)
"""Environment variables that would tell the code which test asks."""
INTERNAL = ("gi_", "cr_", "ag_", "f_", "tb_", "co_", "func_")
NOT_CROSSING = (types.FrameType, types.CodeType, types.ModuleType, types.CellType)
WIDE = {kind: wide(kind) for kind in (BaseException, Exception, AssertionError)}
"""What a failed assert belongs to -> what the code gets when it calls that its own error class."""
COMPARING = (*ORDER, "__eq__", "__ne__")
STREAMS = {1: "stdout", 2: "stderr"}


class Unsupported(BaseException):
    """The test does what cannot be done across two processes: no verdict, and none that the code could bring about."""


def connect(channel: int, orders: dict[str, Any], tell: Callable[..., None]) -> object:
    """The plugin that watches the link. From here on the project's modules are mirrors."""
    from ..reporters import TimedOut

    peer = TestsPeer(channel, orders["root"], tell, (TimedOut,))
    sys.meta_path.insert(0, Finder(peer, orders["modules"]))
    watch_seeds(peer)
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
        self._named_wide: set[type] = set()
        self._held: dict[int, Any] = {}
        self.seeded: Any = None
        """The state of `random` after a test has seeded it; the code has not heard of it yet."""
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

    def state_of(self, mirror: Any) -> Any:
        """What the object holds; it may change when something is done with it, and not while it is compared."""
        number = number_in(mirror)
        if number not in self._held:
            state = self.ask("state", mirror)
            self._held[number or 0] = state
        return self._held[number or 0]

    def error_classes(self, name: str) -> tuple[Any, ...]:
        """Its first class of the library, and the one of all errors of the code."""
        kind = super()._decode_shared(name)
        if not issubclass(kind, BaseException):
            self.nonsense("an exception's class")
        if not issubclass(kind, Exception):
            return (kind,)
        return tuple(dict.fromkeys((WIDE.get(kind, kind), WIDE[Exception])))

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
        return wire.public_name(stands_for(value))

    functions_cross = True

    def _decode_shared(self, body: str) -> Any:
        kind = super()._decode_shared(body)
        if kind not in WIDE:
            return kind
        self._named_wide.add(kind)
        return WIDE[kind]

    def raised_class(self, name: str) -> Any:
        """An error that is no more than `Exception` is the error of whoever calls that by a name of his own."""
        kind = super()._decode_shared(name)
        return WIDE[kind] if kind in WIDE and self._named_wide else kind

    def answered(self, mirror: Any) -> Any:
        """What a test has made is an answer like any other once the code gives it back."""
        return mark_made(mirror, made=False)

    def _decode_class(self, body: int) -> Any:
        """A class makes trusted objects where the test has it by its name, not where it is an answer."""
        self._named.discard(body)
        return super()._decode_class(body)

    def checked(self, value: Any, name: str) -> Any:
        if not wire.harmless(value, name):
            raise LinkBroken(f"{name} may not be given to the tests")
        return value

    def encode(self, value: Any) -> Any:
        if isinstance(value, ProjectModule):
            return super().encode(value.__dict__["_ns_module"])
        return super().encode(value)

    def _encode_own(self, value: Any) -> Any:
        if isinstance(value, type):
            self._given_classes.add(id(value))
        return super()._encode_own(value)

    # Surroundings: the code sees the environment and the directory of the test, and the test what was printed.

    def news(self) -> Any:
        here = {name: value for name, value in os.environ.items() if not name.startswith(HIDDEN)}
        now = {"environment": here, "directory": os.getcwd()}
        if now == self._surroundings and self.seeded is None:
            return None
        self._surroundings, seeded, self.seeded = now, self.seeded, None
        return {**now, "seeded": seeded}

    def hear(self, news: Any) -> None:
        for stream, text in news or ():
            getattr(sys, STREAMS[stream]).write(str(text))

    def ask(self, operation: str, *arguments: Any) -> Any:
        if os.getpid() != self._process:
            raise LinkBroken("a fork of the test process has no link")
        given = [each for each in within(arguments) if not isinstance(each, ProjectModule)]
        if strange := next((each for each in given if isinstance(each, NOT_CROSSING)), None):
            self.unsupported(f"a {type(strange).__name__} is given to the code")
        if operation != "state" and not (operation == "operate" and arguments[0] in COMPARING):
            self._held.clear()
        try:
            return super().ask(operation, *arguments)
        except StopIteration as error:
            if (operation == "operate" and arguments[0] == "__next__") or self._expects_stop():
                raise
            raise RuntimeError(f"{operation} raised StopIteration") from error

    def _expects_stop(self) -> bool:
        """Whether a test at work names the error. Elsewhere it must not end an iteration of the test's own."""
        frame: types.FrameType | None = sys._getframe()
        while frame:
            code = frame.f_code
            if "StopIteration" in code.co_names and code.co_filename.startswith(self._root + os.sep):
                return True
            frame = frame.f_back
        return False


def within(values: Any, depth: int = 4) -> Iterator[Any]:
    """What is given, and what plain containers in it hold."""
    for value in values.values() if type(values) is dict else values:
        yield value
        if depth and type(value) in (tuple, list, dict, set):
            yield from within(value, depth - 1)


def watch_seeds(peer: TestsPeer) -> None:
    """A seed of the tests is one of the code."""
    plain = random.seed

    def seed(*args: Any, **kwargs: Any) -> None:
        plain(*args, **kwargs)
        peer.seeded = random.getstate()

    random.__dict__["seed"] = seed


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
