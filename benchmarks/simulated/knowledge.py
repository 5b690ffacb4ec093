"""What the simulated model knows of a task, and the scorer too: the solution, its misreadings, the hidden tests.

Nothing that chooses between candidates may import this module: a `Statement` is all that an arm is told. A task is one
text file: the prompt, then the sections `--- reference`, `--- calls` (expressions; statements before them after
semicolons) and `--- hidden` (paragraphs of asserts). A comment `#~a line` in the reference is what misreading `a` has
in the place of that line; equal letters belong together.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from benchmarks.statement import Statement

TASKS = Path(__file__).resolve().parent.parent / "selection" / "tasks"

_MISREADING = re.compile(r"^(?P<indent> *)(?P<line>.*?)  #~(?P<letter>[a-z]) ?(?P<instead>.*)$")


@dataclass(frozen=True)
class Knowledge:
    name: str
    prompt: str
    reference: str
    misreadings: Mapping[str, str]
    """Letter -> whole file as one who misread the task would write it."""
    calls: tuple[str, ...]
    hidden: tuple[str, ...]
    """Bodies of test functions."""

    @property
    def module(self) -> str:
        return self.name

    @property
    def path(self) -> str:
        return f"{self.name}.py"

    @cached_property
    def statement(self) -> Statement:
        return Statement(self.name, self.prompt, self.path, stub(self.reference))

    @cached_property
    def units(self) -> Mapping[str, ast.FunctionDef]:
        return units(ast.parse(self.reference))


def names() -> tuple[str, ...]:
    return tuple(sorted(path.stem for path in TASKS.glob("*.task")))


def read(name: str) -> Knowledge:
    return parse(name, (TASKS / f"{name}.task").read_text(encoding="utf-8"))


def parse(name: str, text: str) -> Knowledge:
    prompt, *sections = re.split(r"(?m)^--- (\w+)\n", text)
    found = dict(zip(sections[::2], sections[1::2], strict=True))
    lines = found["reference"].splitlines()
    letters = sorted({match["letter"] for line in lines if (match := _MISREADING.match(line))})
    return Knowledge(
        name,
        prompt.strip(),
        _version(lines, ""),
        {letter: _version(lines, letter) for letter in letters},
        tuple(line for line in found["calls"].splitlines() if line.strip()),
        tuple(body.strip("\n") for body in re.split(r"\n\s*\n", found["hidden"]) if body.strip()),
    )


def _version(lines: Iterable[str], letter: str) -> str:
    def shown(line: str) -> str:
        match = _MISREADING.match(line)
        if not match:
            return line
        return match["indent"] + (match["instead"] if match["letter"] == letter else match["line"])

    return "\n".join(map(shown, lines)) + "\n"


def units(tree: ast.Module) -> dict[str, ast.FunctionDef]:
    """Functions and methods by qualified name, in order."""
    found: dict[str, ast.FunctionDef] = {}
    for node in tree.body:
        inner = [(f"{node.name}.", each) for each in node.body] if isinstance(node, ast.ClassDef) else [("", node)]
        found |= {prefix + each.name: each for prefix, each in inner if isinstance(each, ast.FunctionDef)}
    return found


def stub(reference: str) -> str:
    """The public names of a file with their signatures, without bodies, and the imports that these need."""
    body = ast.parse(reference).body
    shown = "\n".join(line for node in body for line in _shown(node))
    imports = [node for node in body if isinstance(node, (ast.Import, ast.ImportFrom))]
    needed = [n for n in imports if any(re.search(rf"\b{alias.name}\b", shown) for alias in n.names)]
    return "\n".join([*map(ast.unparse, needed), shown, ""])


def _shown(node: ast.stmt) -> list[str]:
    if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
        return [_signature(node)]
    if isinstance(node, ast.ClassDef):
        methods = [each for each in node.body if isinstance(each, ast.FunctionDef)]
        public = [each for each in methods if not each.name.startswith("_") or each.name.startswith("__")]
        return [f"class {node.name}:", *(f"    {_signature(each)}" for each in public)]
    return [ast.unparse(node)] if _is_alias(node) else []


def _is_alias(node: ast.stmt) -> bool:
    generic = isinstance(node, ast.Assign) and isinstance(node.value, ast.Subscript)
    return generic and ast.unparse(node)[0].isupper() and "[" in ast.unparse(node)


def _signature(function: ast.FunctionDef) -> str:
    returns = f" -> {ast.unparse(function.returns)}" if function.returns else ""
    return f"def {function.name}({ast.unparse(function.args)}){returns}: ..."
