"""What one text says by itself, whatever project it stands in: its interface and its imports.

A text is parsed once: the facts are kept by content, the tree is not. So the graph of a project in which one file
changed costs one file; what `packed` gives a later process costs it nothing but a hash. Not promised for more than
`KEPT` files: beyond that every pass reads all of them again.
"""

from __future__ import annotations

import ast
import gc
import hashlib
import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import astuple, dataclass
from functools import cached_property, lru_cache

from nightshift.source.shapes import Interface
from nightshift.source.signatures import read_interface
from nightshift.source.syntax import dotted, parse

KEPT = 8192
_FORMAT = f"nightshift facts 1 python {sys.version_info[0]}.{sys.version_info[1]}"
_remembered: dict[str, tuple[tuple[Statement, ...], tuple[str, ...]]] = {}
"""By the hash of the text, of this process and of earlier ones."""
_GUARDS = {"ImportError", "ModuleNotFoundError", "Exception", "BaseException"}
_BLOCKS = ("body", "handlers", "orelse", "finalbody", "cases")

Chain = tuple[str, ...]
"""("a", "b", "c") for `a.b.c`; an empty last name where it is bound, as in `a.b.c = 1`: nobody reads that c."""


@dataclass(frozen=True, slots=True)
class Statement:
    """`from module import names`, or one module of an `import`."""

    module: str
    level: int
    names: tuple[tuple[str, str | None], ...]
    """(name, name after `as`)."""
    is_from: bool
    guarded: bool
    """In a try that goes on without the module."""


@dataclass(frozen=True, eq=False)
class Facts:
    text: str
    statements: tuple[Statement, ...] = ()
    """At any depth, the outermost first."""
    calls: tuple[str, ...] = ()
    """Names imported by a call with a literal."""
    seen: Interface | None = None
    """The interface, when the text was parsed anyway."""

    @cached_property
    def interface(self) -> Interface:
        if self.seen is not None:
            return self.seen
        with _collector_paused():
            return _interface(parse(self.text))

    @cached_property
    def chains(self) -> frozenset[Chain]:
        """Whole attribute chains that start at a name some import binds. Costs another reading: few need it."""
        names = {local or name.partition(".")[0] for each in self.statements for name, local in each.names}
        with _collector_paused():
            return _chains(self.text, names) if names else frozenset()


NO_FACTS = Facts("", seen=Interface())


@lru_cache(maxsize=KEPT)
def facts(text: str) -> Facts:
    """Raises SyntaxError."""
    digest = _digest(text)
    if known := _remembered.get(digest):
        return Facts(text, *known)
    with _collector_paused():
        read = _read(text)
    _remembered[digest] = read.statements, read.calls
    return read


def facts_or_nothing(text: str) -> Facts:
    """Nothing at all for what does not parse."""
    try:
        return facts(text)
    except SyntaxError:
        return NO_FACTS


# What an earlier process read


def packed(texts: Iterable[str]) -> bytes:
    """The imports of those of the texts that were read, for a later process to `remember`."""
    found = ((digest, _remembered[digest]) for digest in map(_digest, texts) if digest in _remembered)
    known = {digest: [[*map(astuple, statements)], calls] for digest, (statements, calls) in found}
    body = json.dumps(known).encode()
    return f"{_FORMAT} {hashlib.sha256(body).hexdigest()}\n".encode() + body


def remember(data: bytes) -> bool:
    """Takes up what `packed` made: these texts need no parsing. False, and nothing else, for anything damaged."""
    head, _, body = data.partition(b"\n")
    if head != f"{_FORMAT} {hashlib.sha256(body).hexdigest()}".encode():
        return False
    for digest, (statements, calls) in json.loads(body).items():
        read = (Statement(m, level, tuple(map(tuple, names)), *rest) for m, level, names, *rest in statements)
        _remembered[digest] = (tuple(read), tuple(calls))
    return True


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


@contextmanager
def _collector_paused() -> Iterator[None]:
    """Trees have no cycles; looking for them among a hundred thousand new nodes costs more than parsing.

    What is done meanwhile is a function of its own, so that its tree is gone when the collector comes back.
    """
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _read(text: str) -> Facts:
    tree = parse(text)
    nodes = _nested(tree.body)
    return Facts(text, tuple(_statements(nodes)), tuple(_calls(tree, text)), _interface(tree))


def _interface(tree: ast.Module) -> Interface:
    """Empty where branches are nested too deeply to be followed, as in an `elif` of a thousand; imports count there."""
    try:
        return read_interface(tree)
    except RecursionError:
        return Interface()


def _nested(body: Iterable[ast.stmt]) -> list[ast.AST]:
    """Statements, handlers and cases at any depth, breadth first. Expressions hold none."""
    nodes: list[ast.AST] = [*body]
    for node in nodes:
        for block in _BLOCKS_OF.get(type(node), ()):
            nodes += getattr(node, block)
    return nodes


_BLOCKS_OF: Mapping[type[ast.AST], tuple[str, ...]] = {
    kind: tuple(field for field in kind._fields if field in _BLOCKS)
    for kind in (
        ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.If, ast.For, ast.AsyncFor, ast.While, ast.With,
        ast.AsyncWith, ast.Try, ast.TryStar, ast.ExceptHandler, ast.Match, ast.match_case,
    )
}  # fmt: skip


def _statements(nodes: list[ast.AST]) -> Iterator[Statement]:
    guards = (node for node in nodes if isinstance(node, ast.Try) and any(map(_catches_import_errors, node.handlers)))
    guarded = {id(inner) for node in guards for inner in _nested(node.body)}
    for node in nodes:
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Statement(alias.name, 0, ((alias.name, alias.asname),), False, id(node) in guarded)
        elif isinstance(node, ast.ImportFrom):
            names = tuple((alias.name, alias.asname) for alias in node.names)
            yield Statement(node.module or "", node.level, names, True, id(node) in guarded)


def _catches_import_errors(handler: ast.ExceptHandler) -> bool:
    caught = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return any(node is None or dotted(node) in _GUARDS for node in caught)


def _calls(tree: ast.Module, text: str) -> Iterator[str]:
    if "import_module" not in text and "__import__" not in text:
        return
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=func, args=[ast.Constant(value=str(name)), *_]):
                if dotted(func).rpartition(".")[2] in ("import_module", "__import__"):
                    yield name


def _chains(text: str, names: set[str]) -> frozenset[Chain]:
    found: set[Chain] = set()
    nodes: list[ast.AST] = [parse(text)]
    for node in nodes:
        if isinstance(node, ast.Name | ast.Attribute):
            chain, rest = _chain(node)
            nodes += rest
            found |= {chain} if chain and chain[0] in names else set()
        else:
            nodes += ast.iter_child_nodes(node)
    return frozenset(found)


def _chain(node: ast.Name | ast.Attribute) -> tuple[Chain, list[ast.AST]]:
    """The chain, or the expression that the attributes are taken of."""
    read, attributes = isinstance(node.ctx, ast.Load), []
    inner: ast.expr = node
    while isinstance(inner, ast.Attribute):
        attributes.append(inner.attr)
        inner = inner.value
    if not isinstance(inner, ast.Name):
        return (), [inner]
    chain = (inner.id, *reversed(attributes))
    return (chain if read else (*chain[:-1], "")), []
