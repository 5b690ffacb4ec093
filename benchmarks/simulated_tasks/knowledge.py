"""What the simulated model knows of a benchmark task: prompt, start and reference, and what may go wrong in each file.

Never the acceptance tests: the scorer knows those, and the two meet nowhere.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from random import Random
from typing import Any

from benchmarks.simulated.slips import slips
from benchmarks.simulated_tasks.calls import Call, calls_of, values
from benchmarks.tasks import BenchmarkTask
from nightshift.codec import as_json, from_json
from nightshift.disk import write_atomically
from nightshift.domain import Sandbox, Tree

_CALLS = Path(__file__).with_name("calls.py")
FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef
POPULAR = 3
"""Slips of one file of which it is known what they change."""


@dataclass(frozen=True, slots=True)
class Cache:
    """What took the sandbox long to find out, by all that it depends on."""

    folder: Path

    def kept(self, parts: Sequence[object], make: Callable[[], Any]) -> Any:
        key = sha256(repr([*parts, _CALLS.read_text(encoding="utf-8")]).encode()).hexdigest()[:24]
        file = self.folder / f"{key}.json"
        if file.is_file():
            return json.loads(file.read_text(encoding="utf-8"))
        made = make()
        self.folder.mkdir(parents=True, exist_ok=True)
        write_atomically(file, json.dumps(made))
        return made


@dataclass(frozen=True, slots=True)
class Wrong:
    """One function of a file as it is wrong."""

    unit: str
    text: str
    kind: str


@dataclass(frozen=True)
class Knowledge:
    task: BenchmarkTask
    sources: tuple[str, ...]
    """The files of the solution that a plan names, tests left out."""
    calls: tuple[Call, ...]
    sandbox: Sandbox
    cache: Cache
    _believed: dict[str, Mapping[Wrong, Mapping[int, str]]] = field(default_factory=dict)

    @property
    def prompt(self) -> str:
        return self.task.prompt

    def text(self, path: str) -> str:
        return self.task.solution[path]

    def started(self, path: str) -> str:
        """As the file is before the work begins."""
        file = self.task.start / path if self.task.start else None
        return file.read_text(encoding="utf-8") if file and file.is_file() else ""

    @cached_property
    def wrongs(self) -> Mapping[str, Sequence[Wrong]]:
        """Path -> every slip, in a fixed order."""
        return {path: _wrongs(self.text(path)) for path in self.sources if path.endswith(".py")}

    def believed(self, path: str) -> Mapping[Wrong, Mapping[int, str]]:
        """For some slips of a file: number of a call -> what it gives then, where that differs."""
        if path not in self._believed:
            wrongs = self.wrongs.get(path, ())
            some = Random(path).sample(list(wrongs), min(POPULAR, len(wrongs)))
            self._believed[path] = {wrong: self._changes(path, wrong) for wrong in some}
        return self._believed[path]

    def _changes(self, path: str, wrong: Wrong) -> dict[int, str]:
        own = [(number, call) for number, call in enumerate(self.calls) if call.path == path]
        tree = Tree({**self.task.solution, path: with_wrongs(self.text(path), [wrong])}, self.task.start)
        asked = [call.text for _, call in own]
        told = self.cache.kept([tree.texts, asked], lambda: values(tree, self.sources, asked, self.sandbox))
        pairs = zip(own, told, strict=True)
        return {number: value for (number, call), value in pairs if value not in (call.value, "?", "!slow")}


def knowledge_of(task: BenchmarkTask, sandbox: Sandbox, cache: Cache) -> Knowledge:
    sources = tuple(path for path, text in task.solution.items() if text.strip() and not is_test(path))
    parts = [task.prompt, dict(task.solution), task.requires]
    told = cache.kept(parts, lambda: as_json(calls_of(task.prompt, task.reference, sources, sandbox)))
    return Knowledge(task, sources, tuple(from_json(Call, each) for each in told), sandbox, cache)


def is_test(path: str) -> bool:
    name = path.rpartition("/")[2]
    return name.startswith("test_") or name in ("conftest.py", "__init__.py") or path.startswith("tests/")


def units(tree: ast.Module) -> dict[str, FunctionNode]:
    """Functions and methods by qualified name, asynchronous ones too."""
    found: dict[str, FunctionNode] = {}
    for node in tree.body:
        inner = [(f"{node.name}.", each) for each in node.body] if isinstance(node, ast.ClassDef) else [("", node)]
        found |= {prefix + each.name: each for prefix, each in inner if isinstance(each, FunctionNode)}
    return found


def with_wrongs(text: str, wrongs: Sequence[Wrong]) -> str:
    """The file with some of its functions wrong; without any it stays as its author wrote it."""
    tree, changed = ast.parse(text), {wrong.unit: wrong.text for wrong in wrongs}
    if not changed:
        return text
    owners: list[tuple[str, ast.Module | ast.ClassDef]] = [("", tree)]
    owners += [(f"{node.name}.", node) for node in tree.body if isinstance(node, ast.ClassDef)]
    for prefix, owner in owners:
        owner.body = [
            ast.parse(changed[prefix + node.name]).body[0]
            if isinstance(node, FunctionNode) and prefix + node.name in changed
            else node
            for node in owner.body
        ]
    return ast.unparse(tree) + "\n"


def _wrongs(text: str) -> list[Wrong]:
    found = [wrong for name, node in units(ast.parse(text)).items() for wrong in _slips(name, node)]
    return [wrong for wrong in found if _compiles(wrong.text)]


def _slips(name: str, node: FunctionNode) -> list[Wrong]:
    """Those of an asynchronous function are found in it as if it were none: the parser does not mind."""
    if isinstance(node, ast.FunctionDef):
        return [Wrong(name, slip.text, slip.kind) for slip in slips(node)]
    plain = ast.parse(ast.unparse(node).replace("async def", "def", 1)).body[0]
    assert isinstance(plain, ast.FunctionDef)
    return [Wrong(name, slip.text.replace("def ", "async def ", 1), slip.kind) for slip in slips(plain)]


def _compiles(text: str) -> bool:
    """An emptied body of some statements is no Python, and some slips only the compiler refuses."""
    try:
        compile(text, "candidate", "exec")
    except (SyntaxError, ValueError):
        return False
    return True
