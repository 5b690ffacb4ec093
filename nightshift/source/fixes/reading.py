"""A module read for fixing: its tree, its errors, its names without a meaning; and edits to its text.

Names are resolved by Python's own compiler, so scopes are right by construction. Nothing is executed.
"""

from __future__ import annotations

import ast
import builtins
import dis
import inspect
import io
import re
import tokenize
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import CodeType

from nightshift.source.fixes.faults import Clues, Fault, faults
from nightshift.source.syntax import DefNode, dotted, parse, too_deep

_SET_BY_PYTHON = {"__file__", "__path__", "__builtins__", "__annotations__", "__cached__", "WindowsError"}
_ALWAYS_THERE = {*dir(builtins), *_SET_BY_PYTHON}
_GUARDS = {"NameError", "ImportError"}
_BROAD = {"", "Exception", "BaseException"}
"""Around an import these expect it to fail; inside a function they hide a mistake."""
_DYNAMIC = {"globals", "exec", "vars", "locals", "eval"}
_F_STRING = re.compile(r"""(?i)(?:f|rf|fr)["']""")


@dataclass(frozen=True, slots=True)
class Edit:
    """Bytes [start, end) of the UTF-8 text, and what takes their place."""

    start: int
    end: int
    new: str
    old: str | None = None
    """What must stand there: positions inside of f-strings are not reliable in Python 3.11."""


@dataclass(frozen=True, slots=True)
class Change:
    name: str
    what: str
    about: str
    """The name at fault: of two changes about the same one at most one is made."""
    edits: tuple[Edit, ...]


@dataclass(frozen=True, slots=True)
class Load:
    """A use of a name that nothing binds."""

    node: ast.Name
    visible: frozenset[str]
    """Local names that could be meant instead."""


@dataclass(frozen=True, slots=True)
class Source:
    text: str
    tree: ast.Module
    nodes: Sequence[ast.AST]
    """All of the tree."""
    clues: Clues
    faults: tuple[Fault, ...]
    unresolved: Mapping[str, Sequence[Load]]
    bound: frozenset[str]
    """Names bound in the module's own scope."""
    parents: Mapping[ast.AST, ast.AST]
    starts: Sequence[int]
    """Offset of each line in bytes."""

    def offset(self, line: int, column: int) -> int:
        return self.starts[line - 1] + column

    def start(self, node: ast.expr | ast.stmt | ast.keyword | ast.arg) -> int:
        return self.offset(node.lineno, node.col_offset)

    def end(self, node: ast.expr | ast.stmt) -> int:
        return self.offset(node.end_lineno or node.lineno, node.end_col_offset or 0)

    def renamed(self, node: ast.Name | ast.Attribute | ast.arg | ast.keyword, old: str, new: str) -> Edit:
        """The name at the start of the node, of an attribute at its end."""
        length = len(old.encode())
        at = self.end(node) - length if isinstance(node, ast.Attribute) else self.start(node)
        return Edit(at, at + length, new, old)

    def above(self, node: ast.AST) -> Iterator[ast.AST]:
        while node in self.parents:
            node = self.parents[node]
            yield node

    def said(self, pattern: str) -> Iterator[tuple[re.Match[str], int | None]]:
        """Error messages that match from their start, with their lines in this file."""
        for fault in self.faults:
            if found := re.match(pattern, fault.message):
                yield found, fault.line

    def mentions(self, name: str) -> bool:
        return any(re.search(rf"['. ]{re.escape(name)}\b|^{re.escape(name)}$", fault.message) for fault in self.faults)


def read_source(text: str, clues: Clues) -> Source:
    """Raises SyntaxError where the compiler does."""
    tree = parse(text)
    if too_deep(tree) or re.search(r"\r(?!\n)", text):
        raise SyntaxError("nested too deeply, or with line ends that tools count differently")
    found = faults(clues)
    nodes = [*ast.walk(tree)]
    parents = {child: node for node in nodes for child in ast.iter_child_nodes(node)}
    code = _compiled(text)
    bound = frozenset(_bound(code))
    missing = {m[1] for fault in found if (m := re.match(r"name '(\w+)' is not defined", fault.message))}
    unresolved: dict[str, list[Load]] = {}
    dynamic = any(map(_binds_anything, nodes))
    for load in _loads(code, nodes, bound):
        known = load.node.id in missing
        if known or not (dynamic or _is_guarded(load.node, parents)):
            unresolved.setdefault(load.node.id, []).append(load)
    starts = [0, *(match.end() for match in re.finditer(b"\n", text.encode()))]
    return Source(text, tree, nodes, clues, found, unresolved, bound, parents, starts)


def applied(text: str, edits: Iterable[Edit]) -> str | None:
    """None when two edits touch the same place, or one finds another text than it expects."""
    data, parts, done = text.encode(), [], 0
    for edit in sorted(dict.fromkeys(edits), key=lambda edit: (edit.start, edit.end)):
        if edit.start < done or edit.old not in (None, data[edit.start : edit.end].decode(errors="replace")):
            return None
        parts += [data[done : edit.start], edit.new.encode()]
        done = edit.end
    return b"".join([*parts, data[done:]]).decode()


def keeps_strings_and_comments(old: str, new: str) -> bool:
    """The names inside an f-string are code; the rest of it is a string."""
    try:
        return _strings_and_comments(old) == _strings_and_comments(new)
    except (tokenize.TokenError, SyntaxError):
        return False


def _strings_and_comments(text: str) -> list[object]:
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    written = [token.string for token in tokens if token.type in (tokenize.STRING, tokenize.COMMENT)]
    constants = [node.value for node in ast.walk(parse(text)) if isinstance(node, ast.Constant)]
    return [
        *(word for word in written if not _F_STRING.match(word)),
        *(c for c in constants if isinstance(c, str | bytes)),
    ]


def _compiled(text: str) -> CodeType:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return compile(text, "<fixed>", "exec", dont_inherit=True, optimize=0)
    except (ValueError, RecursionError, MemoryError, OverflowError) as error:
        raise SyntaxError(f"not Python source: {error}") from error


def _bound(code: CodeType) -> Iterator[str]:
    for inner in _with_inner(code):
        stores = {"STORE_GLOBAL", "STORE_NAME"} if inner is code else {"STORE_GLOBAL"}
        yield from (step.argval for step in dis.get_instructions(inner) if step.opname in stores)


def _with_inner(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _with_inner(constant)


def _loads(code: CodeType, nodes: Sequence[ast.AST], bound: frozenset[str]) -> Iterator[Load]:
    names = {(n.lineno, n.col_offset, n.id): n for n in nodes if isinstance(n, ast.Name)}
    seen = set()
    for inner, visible in _scopes(code, frozenset()):
        for step in dis.get_instructions(inner):
            if step.opname not in ("LOAD_GLOBAL", "LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS") or not step.positions:
                continue
            node = names.get((step.positions.lineno or 0, step.positions.col_offset or 0, step.argval))
            if node and node not in seen and step.argval not in bound | visible | _ALWAYS_THERE:
                seen.add(node)
                yield Load(node, visible)


def _scopes(code: CodeType, outer: frozenset[str]) -> Iterator[tuple[CodeType, frozenset[str]]]:
    """Code with the local names it sees; those of a class are hidden from what is inside it."""
    is_function = bool(code.co_flags & inspect.CO_OPTIMIZED)
    local = {*code.co_varnames, *code.co_cellvars, *code.co_freevars}
    stored = {step.argval for step in dis.get_instructions(code) if step.opname == "STORE_NAME"}
    seen = {name for name in local | stored if name.isidentifier()}
    yield code, outer | seen
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _scopes(constant, outer | seen if is_function else outer)


def _binds_anything(node: ast.AST) -> bool:
    """A star import or code that writes into the module's names: only a traceback knows what is undefined."""
    return (isinstance(node, ast.ImportFrom) and node.names[0].name == "*") or (
        isinstance(node, ast.Name) and node.id in _DYNAMIC
    )


def _is_guarded(node: ast.AST, parents: Mapping[ast.AST, ast.AST]) -> bool:
    """In a try that expects the name to be undefined."""
    tries, inner = [], node
    while inner in parents:
        outer = parents[inner]
        tries += [outer] if isinstance(outer, ast.Try) and inner in outer.body else []
        inner = outer
    in_function = any(isinstance(outer, DefNode) for outer in _chain(node, parents))
    guards = _GUARDS if in_function else _GUARDS | _BROAD
    return any(_caught(handler) & guards for outer in tries for handler in outer.handlers)


def _chain(node: ast.AST, parents: Mapping[ast.AST, ast.AST]) -> Iterator[ast.AST]:
    while node in parents:
        node = parents[node]
        yield node


def _caught(handler: ast.ExceptHandler) -> set[str]:
    kinds = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return {"" if kind is None else dotted(kind) for kind in kinds}
