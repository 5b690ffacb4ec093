"""The project's modules as the tests import them: each name is asked for at the end of the link where the code is."""

from __future__ import annotations

import builtins
import importlib.abc
import importlib.machinery
import sys
import types
from collections.abc import Iterator, Sequence
from typing import Any

from .peer import Peer

HOOKS = ("pytest", "setup_", "teardown_", "setUp", "tearDown")
"""Names of a test file that pytest takes up by itself."""


class ProjectModule(types.ModuleType):
    """A module of the other process; what is set on it is set there."""

    def __getattr__(self, name: str) -> Any:
        if name in ("__path__", "__file__", "__wrapped__", "_ns_module"):
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        if name == "__all__":
            return exported(self.__dict__["_ns_names"], sys._getframe(1))
        peer = self.__dict__["_ns_peer"]
        return peer.name(name, peer.ask("get", self, name))

    def __setattr__(self, name: str, value: Any) -> None:
        if name.startswith("__") or isinstance(value, types.ModuleType):
            return super().__setattr__(name, value)
        return self.__dict__["_ns_peer"].ask("set", self, name, value)  # type: ignore[no-any-return]

    def __delattr__(self, name: str) -> None:
        self.__dict__["_ns_peer"].ask("delete", self, name)


class Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def __init__(self, peer: Peer, modules: dict[str, bool]) -> None:
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
        module.__dict__["_ns_names"] = [str(name) for name in names]


def exported(names: list[str], importer: types.FrameType) -> list[str]:
    """What `import *` brings: nothing in place of what the test file has already, and no builtin that it uses."""
    while importer.f_back and importer.f_code.co_filename.startswith("<frozen importlib"):
        importer = importer.f_back
    if "__all__" in importer.f_code.co_names:  # it is read, and nothing is imported
        return names
    fresh = [name for name in names if name not in importer.f_globals and not name.startswith(HOOKS)]
    if taken := sorted({*names_in(importer.f_code)} & {*fresh} & {*vars(builtins)}):
        raise ImportError(f"import * would put the code's own {taken[0]} in place of the builtin; import it by name")
    return [name for name in fresh if name not in vars(builtins)]


def names_in(code: types.CodeType) -> Iterator[str]:
    yield from code.co_names
    for each in code.co_consts:
        if isinstance(each, types.CodeType):
            yield from names_in(each)
