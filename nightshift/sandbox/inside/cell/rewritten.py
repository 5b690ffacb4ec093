"""Test files with their asserts rewritten, kept from one candidate to the next: they differ less than the sources.

Rewriting only parses and compiles, so the server can do it without running a candidate's code. It hangs on one
private function of pytest; where that is another, nothing is kept and each child rewrites for itself.
"""

from __future__ import annotations

import os
import types
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from _pytest.assertion import rewrite

MOST_BYTES = 1 << 18
AT_ONCE = 32


@dataclass(frozen=True, slots=True)
class Text:
    """What the rewriter asks of a path."""

    path: str
    content: bytes

    def read_bytes(self) -> bytes:
        return self.content

    def __str__(self) -> str:
        return self.path


class Rewritten:
    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.known: dict[Text, tuple[bytes, types.CodeType]] = {}
        self.original: Any = getattr(rewrite, "_rewrite_test", None)
        if self.original:
            setattr(rewrite, "_rewrite_test", self.rewrite)  # noqa: B010

    def rewrite(self, path: Path, config: pytest.Config) -> tuple[bytes, types.CodeType]:
        found = self.known.get(Text(str(path), path.read_bytes()))
        result: tuple[bytes, types.CodeType] = found or self.original(path, config)
        return result

    def foresee(self, request: dict[str, Any]) -> None:
        for path in request["files"] if self.original else ():
            text = self.found(os.path.relpath(path, request["root"]), path, request["layers"])
            if text and text not in self.known:
                self.keep(text)

    def found(self, name: str, path: str, layers: list[str]) -> Text | None:
        for layer in layers:
            try:
                with open(os.path.join(layer, name), "rb") as file:
                    content = file.read(MOST_BYTES + 1)
            except OSError:
                continue
            return Text(path, content) if len(content) <= MOST_BYTES else None
        return None

    def keep(self, text: Text) -> None:
        """Not if there is anything to be warned of: the child shall say that itself."""
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                result = self.original(text, self.config)
        except (SyntaxError, ValueError, RecursionError, MemoryError, Warning):
            return
        if len(self.known) >= AT_ONCE:
            del self.known[next(iter(self.known))]
        self.known[text] = result
