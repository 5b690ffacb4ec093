"""Reading stub text that is almost Python: the signatures a small model writes into a plan."""

from __future__ import annotations

import ast
import re
import textwrap
from collections.abc import Iterator, Sequence

from nightshift.source.blocks import clean, is_fence
from nightshift.source.syntax import is_docstring, parse, parses, too_deep

_ADVICE = (
    "Write one definition per line, such as `def add(a: int, b: int) -> int: ...`, "
    "`class Task:` with its fields and methods indented below, or `LIMIT: int = 3`."
)
_NOT_CODE = re.compile(r"""(?P<quote>\"{3}|'{3}).*?(?P=quote)|"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|\#[^\n]*""", re.S)
_HEADER = re.compile(r"\s*(?:async\s+def|def|class)\b")


def repaired_stub(text: str) -> ast.Module:
    """The tree of stub text whose definitions may lack colons and bodies. Raises ValueError with advice."""
    lines = [line for line in clean(text).split("\n") if not is_fence(line)]
    text = textwrap.dedent("\n".join(lines)).strip("\n")
    if not parses(text):
        logical = [*_logical_lines(text)]
        text = "\n".join(_completed(line, logical[i + 1 :]) for i, line in enumerate(logical))
    try:
        tree = parse(text)
    except SyntaxError as error:
        line = (error.text or "").strip()
        raise ValueError(f"Line {error.lineno} of the interface is not a signature: {line!r}. {_ADVICE}") from error
    if too_deep(tree):
        raise ValueError(f"The interface is nested far too deeply. {_ADVICE}")
    _refuse_expressions(tree.body, "")
    return tree


def _logical_lines(text: str) -> Iterator[str]:
    """Lines, those joined that a bracket or a triple quote holds together."""
    held = ""
    for line in text.split("\n"):
        held = f"{held}\n{line}" if held else line
        code = _NOT_CODE.sub("", held)
        if any(quote in code for quote in ('"""', "'''")) or _depth(code) > 0:
            continue
        yield held
        held = ""
    if held:
        yield from held.split("\n")


def _depth(code: str) -> int:
    return sum(map(code.count, "([{")) - sum(map(code.count, ")]}"))


def _completed(line: str, following: Sequence[str]) -> str:
    """The line with the colon and the body it lacks."""
    if not _HEADER.match(line):
        return line
    indent = line[: len(line) - len(line.lstrip())]
    has_body = _has_body(len(indent), following)
    header = line.strip()
    if parses(header):
        return indent + re.sub(r":\s*\.\.\.\s*$", ":", header) if has_body else line
    bare = _NOT_CODE.sub(lambda part: "" if part[0].startswith("#") else part[0], header).rstrip(" ;,:\\")
    if parses(bare + ": ..."):
        return f"{indent}{bare}:" if has_body else f"{indent}{bare}: ..."
    return line


def _has_body(indent: int, following: Sequence[str]) -> bool:
    texts = (line for line in following if line.strip() and not line.lstrip().startswith("#"))
    after = next(texts, "")
    return len(after) - len(after.lstrip()) > indent


def _refuse_expressions(body: Sequence[ast.stmt], owner: str) -> None:
    """`class X: add(self, a), sub(self, a)` parses as Python and says nothing."""
    for node in body:
        if isinstance(node, ast.ClassDef):
            _refuse_expressions(node.body, node.name)
        elif isinstance(node, ast.Expr) and not is_docstring(node) and not _is_ellipsis(node.value):
            where = f" in class {owner}" if owner else ""
            raise ValueError(f"`{ast.unparse(node)[:80]}`{where} is not a signature. {_ADVICE}")


def _is_ellipsis(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is Ellipsis
