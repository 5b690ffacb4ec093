"""Whether extracted code is real: neither a skeleton, nor a rewrite that lost what the file had.

It looks at shape only. Wrong code of the right shape is for the tests to find.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from nightshift.errors import ReplyRejected
from nightshift.source.syntax import DefNode, dotted, parse_or_none, without_docstring

MAX_CHARS = 200_000
"""Longer files are not looked at."""

_PLACEHOLDER = re.compile(
    r"""^\W*(?:todo|fixme|xxx)\b\W*(?:implement|complete|finish|fill)
    |^\W*(?:todo|fixme|xxx)\b\W*(?:add|write)\ (?:the\ |your\ )?(?:code|logic|implementation|body|me|this)\b
    |\byour\ (?:code|implementation|logic)\ (?:goes\ )?here\b
    |\b(?:implementation|code|logic|body)\ goes\ here\b
    |^\W*implement(?:ation)?\ (?:this|me|here|later)\W*$
    |^\W*(?:the\ )?(?:rest|remainder)\ of\ (?:the\ |your\ |this\ )?(?:\w+\ )?
        (?:code|file|implementation|class|module|method|function|test)(?:s|es)?
        (?:\ (?:is|are|remains?|stays?|goes))?
        (?:\ (?:the\ )?(?:unchanged|same|here|as\ before|omitted|as\ is))?\W*$
    |^\W*(?:\w+\ ){0,3}(?:existing|remaining|other|previous)\ (?:code|method|function|test|import)s?\b
        .*\b(?:here|unchanged|same|remains?|omitted|as\ before)\W*$
    |^\W*(?:same|unchanged)\ as\ (?:before|above|original)\W*$
    |^\#?\ ?(?:\.\.\.|…)\s*$
    |^\W*(?:\.\.\.|…).*\b(?:existing|rest\ of|remaining|unchanged|same\ as|other\ methods|omitted)\b""",
    re.I | re.X,
)
_FOREIGN_COMMENT = re.compile(r"<!--(.*?)-->|/\*(.*?)\*/|^\s*(?://|\#)(.*)$", re.S | re.M)
_STUB_MARKER = re.compile(r"\b(?:stub|skeleton|todo|placeholder|not implemented|unimplemented)\b", re.I)
_ABSTRACT_BASES = {"Protocol", "ABC", "TypedDict", "NamedTuple"}
_EXEMPT_DECORATORS = {"abstractmethod", "abstractproperty", "overload"}
_DELIBERATE = re.compile(r"Null|No[Oo]p|Dummy|Fake|Abstract|Interface")


@dataclass(frozen=True, slots=True)
class _Unit:
    """A function, method or class without bases."""

    empty: bool
    trivial: bool
    """Nothing goes in and nothing is promised to come out, so an empty body may be right."""


def check_substance(text: str, *, previous: str = "") -> None:
    """Raises ReplyRejected: `stubbed` for a skeleton, `gutted` when most of `previous` is lost."""
    if len(text) > MAX_CHARS:
        return
    _check_placeholders(text, previous)
    new, old = parse_or_none(text), parse_or_none(previous)
    if new is not None:
        _check_skeleton(text, _units(new), _units(old) if old and previous.strip() else [])
    _check_losses(text, new, previous, old)


def _check_placeholders(text: str, previous: str) -> None:
    known = set(_comments(previous))
    for comment in _comments(text):
        if comment not in known and _PLACEHOLDER.search(comment):
            raise ReplyRejected(
                "stubbed",
                f"A comment stands where code should be: {comment.strip()[:80]!r}. Write the whole file.",
            )


def _comments(text: str) -> list[str]:
    if parse_or_none(text) is None:
        return [next(filter(None, groups), "") for groups in _FOREIGN_COMMENT.findall(text)]
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    return [token.string for token in tokens if token.type == tokenize.COMMENT]


def _check_skeleton(text: str, units: Sequence[_Unit], before: Sequence[_Unit]) -> None:
    empty, had = (sum(unit.empty for unit in found) for found in (units, before))
    if empty < had or (empty == had < len(before)):  # progress, or the author's own empty methods
        return
    marked = bool(_STUB_MARKER.search("\n".join(text.split("\n")[:12])))
    rules = (
        len(units) >= 6 and empty >= 0.6 * len(units),
        3 <= len(units) <= 12 and empty >= 3 and empty >= 0.45 * len(units) and marked,
        bool(units) and empty == len(units) and not all(unit.trivial for unit in units),
    )
    if any(rules):
        raise ReplyRejected(
            "stubbed", f"{empty} of {len(units)} functions have no body. Write the complete code of each."
        )


def _units(tree: ast.Module) -> list[_Unit]:
    return [*_units_of(tree.body, {base for node in ast.walk(tree) for base in _bases(node)})]


def _units_of(body: Sequence[ast.stmt], parents: set[str], inside: bool = False) -> Iterator[_Unit]:
    for node in body:
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() if not _is_abstract(node):
                yield _Unit(_is_empty(node, hook=inside), _is_trivial(node))
            case ast.ClassDef(name=name) if name not in parents and not _is_deliberate(node):
                if not _bases(node) and not node.decorator_list and not _real(node.body):
                    yield _Unit(empty=True, trivial=False)
                yield from _units_of(node.body, parents, inside=True)
            case ast.If(body=inner) | ast.Try(body=inner):
                yield from _units_of(inner, parents, inside)


def _bases(node: ast.AST) -> list[str]:
    return [dotted(base).rpartition(".")[2] for base in node.bases] if isinstance(node, ast.ClassDef) else []


def _is_abstract(node: DefNode) -> bool:
    return any(dotted(d).rpartition(".")[2] in _EXEMPT_DECORATORS for d in node.decorator_list)


def _is_deliberate(node: ast.ClassDef) -> bool:
    """A class whose methods are empty on purpose."""
    bases = {dotted(base.value if isinstance(base, ast.Subscript) else base).rpartition(".")[2] for base in node.bases}
    metaclass = any(keyword.arg == "metaclass" for keyword in node.keywords)
    return metaclass or bool(bases & _ABSTRACT_BASES) or bool(_DELIBERATE.match(node.name))


def _is_empty(node: DefNode, *, hook: bool) -> bool:
    """A method that raises NotImplementedError may be a base class at work; a function is a stub."""
    body = _real(node.body)
    raises = len(body) == 1 and isinstance(body[0], ast.Raise) and body[0].exc is not None
    if raises and not hook:
        return dotted(body[0].exc) == "NotImplementedError"  # type: ignore[attr-defined]
    return not body


def _real(body: Sequence[ast.stmt]) -> list[ast.stmt]:
    """The statements that do something."""
    return [node for node in without_docstring(body) if not _does_nothing(node)]


def _does_nothing(node: ast.stmt) -> bool:
    match node:
        case ast.Pass() | ast.Return(value=None) | ast.Return(value=ast.Constant(value=None)):
            return True
        case ast.Expr(value=ast.Constant()):
            return True
    return False


def _is_trivial(node: DefNode) -> bool:
    arguments = node.args
    names = [a.arg for a in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)]
    taken = [name for name in names if name not in ("self", "cls")]
    returns = node.returns is None or (isinstance(node.returns, ast.Constant) and node.returns.value is None)
    return returns and not taken


def _check_losses(text: str, new: ast.Module | None, previous: str, old: ast.Module | None) -> None:
    if not previous.strip():
        return
    if new is None or old is None:
        before, after, lost, had = len(previous.split("\n")), len(text.split("\n")), 1, 1
    else:
        names = _definitions(old)
        missing = names - _definitions(new)
        before, after, lost, had = _size(old), _size(new), len(missing), len(names)
        if had >= 2 and lost > had / 2:
            raise ReplyRejected(
                "gutted",
                f"The rewrite drops {', '.join(sorted(missing)[:6])}. Keep every definition the file had.",
            )
    small = before < (40 if new is None or old is None else 150)
    if not small and after < before * (0.5 if lost else 0.3):
        raise ReplyRejected(
            "gutted",
            "The rewrite loses more than half of the file. Write all of it, unchanged parts too.",
        )


def _definitions(tree: ast.Module) -> set[str]:
    """Public functions, classes and methods by qualified name."""
    return set(_defined_in(tree.body, ""))


def _defined_in(body: Sequence[ast.stmt], prefix: str) -> Iterator[str]:
    for node in body:
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) if not name.startswith("_"):
                yield prefix + name
            case ast.ClassDef(name=name, body=inner) if not name.startswith("_"):
                yield prefix + name
                yield from _defined_in(inner, f"{prefix}{name}.")
            case ast.If(body=inner, orelse=other) | ast.Try(body=inner, orelse=other):
                yield from _defined_in([*inner, *other], prefix)


def _size(tree: ast.Module) -> int:
    """Nodes of the tree: unlike lines, indifferent to layout, comments and docstrings."""
    return sum(not isinstance(node, ast.expr_context | ast.Constant | ast.Expr) for node in ast.walk(tree))
