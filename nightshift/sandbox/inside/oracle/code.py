"""The end of the link where the code is: imports the project's modules and does with them what the tests ask.

The code shares this process, so nothing here can be relied on; the other end relies on nothing but data.
"""

from __future__ import annotations

import io
import json
import os
import sys
import types
from importlib import import_module
from typing import Any, NoReturn

from . import wire
from .peer import Peer


def main() -> NoReturn:
    orders_fd, channel = map(int, sys.argv[1:])
    with open(orders_fd, encoding="utf-8") as file:
        orders = json.load(file)
    os.set_inheritable(channel, False)
    root = orders["root"]
    sys.path[:0] = [path for path in (root, os.path.join(root, "src")) if os.path.isdir(path)]
    sys.argv = ["pytest"]
    peer = CodePeer(channel)
    sys.stdout, sys.stderr = peer.printed[0][1], peer.printed[1][1]
    try:
        peer.serve()
    except wire.LinkBroken:
        os._exit(0)


class CodePeer(Peer):
    guards = False

    def __init__(self, channel: int) -> None:
        super().__init__(channel, first=1)
        self.printed = ((1, io.StringIO()), (2, io.StringIO()))

    def perform(self, operation: str, arguments: list[Any]) -> Any:
        if operation == "import":
            return imported(arguments[0])
        return super().perform(operation, arguments)

    def shared_name(self, value: Any) -> str:
        name = wire.public_name(value) if isinstance(value, type) else ""
        return name if name and wire.harmless(value, name) else ""

    def encode(self, value: Any) -> Any:
        if type(value).__module__ == "numpy" and hasattr(value, "item") and getattr(value, "shape", None) == ():
            return super().encode(value.item())
        return super().encode(value)

    def news(self) -> Any:
        said = [(stream, text.getvalue()) for stream, text in self.printed if text.tell()]
        for _, text in self.printed:
            text.seek(0)
            text.truncate()
        return said or None

    def hear(self, news: Any) -> None:
        if news:
            os.environ.clear()
            os.environ.update(news["environment"])
            os.chdir(news["directory"])
            if news["seeded"]:
                version, internal, gauss = news["seeded"]
                import_module("random").setstate((version, tuple(internal), gauss))

    # What mirrors ask of their peer: objects of the tests are taken at their word here.

    def names_class(self, number: int) -> bool:
        return False

    def trusts(self, mirror: Any) -> bool:
        return True

    def error_classes(self, name: str) -> tuple[Any, ...]:
        return (wire.found(name),)

    def shape(self, said: dict[str, Any]) -> type:
        return types.GeneratorType if said["generator"] else {"dict": dict, "list": list, "set": set}[said["shape"]]

    def unsupported(self, why: str) -> NoReturn:
        raise TypeError(why)


def imported(name: str) -> tuple[types.ModuleType, list[str]]:
    module = import_module(name)
    names = getattr(module, "__all__", None) or [each for each in vars(module) if not each.startswith("_")]
    return module, [str(each) for each in names]
