"""One fingerprint for Python texts that are the same program written differently.

Comments, docstrings, layout, annotations and names of local variables do not count. Names that others can see
do: parameters, attributes, functions, classes. It never runs anything and knows no deeper equivalence; where an
annotation may act at run time (a field of a class, a function under a foreign decorator) it counts.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Collection, Iterator, Mapping
from functools import lru_cache

from nightshift.source.syntax import DefNode, bound_name, dotted, is_docstring, parse_or_none, target_names, too_deep

_READS_LOCALS = {"locals", "vars", "dir", "eval", "exec"}
"""What is called so may see the names of locals."""
_INERT_DECORATORS = {
    "property", "setter", "deleter", "getter", "cached_property", "staticmethod", "classmethod", "abstractmethod",
    "override", "final", "cache", "lru_cache", "contextmanager", "asynccontextmanager", "wraps", "fixture",
}  # fmt: skip
"""They do not look at annotations, as `singledispatch` and web frameworks do."""
_TYPING = ("__future__", "typing", "typing_extensions", "collections.abc")
_SPECIAL_FIELDS = ("ClassVar", "InitVar", "KW_ONLY")


@lru_cache(maxsize=4096)
def fingerprint(text: str) -> str:
    """Equal for two texts of the same program; the text itself when it does not parse.

    >>> fingerprint("def f(n: int):  # twice\\n    m = n * 2\\n    return m") == fingerprint(
    ...     "def f(n):\\n    double = (n * 2)\\n    return double"
    ... )
    True
    """
    tree = parse_or_none(text)
    if tree is None or is_absurd(tree):
        return text
    bare = _without_unused_types(_Bare().visit(tree))
    return hashlib.sha256(ast.dump(_Renamed({}).visit(bare)).encode("utf-8", "surrogatepass")).hexdigest()


def is_absurd(tree: ast.AST) -> bool:
    """Nested too deeply, or with an integer of more digits than Python writes: the tools of `ast` fail on both."""
    values = (node.value for node in ast.walk(tree) if isinstance(node, ast.Constant))
    return too_deep(tree) or any(isinstance(value, int) and value.bit_length() > 10_000 for value in values)


def checks_types_only(test: ast.expr) -> bool:
    """The condition of a block that only type checkers read."""
    return dotted(test).rpartition(".")[2] == "TYPE_CHECKING"


class _Bare(ast.NodeTransformer):
    """Leaves out what never acts; bodies may end up empty, so the tree is for dumping only."""

    def visit_Expr(self, node: ast.Expr) -> ast.AST | None:
        return None if is_docstring(node) else self.generic_visit(node)

    def visit_Pass(self, node: ast.Pass) -> None:
        return None

    def visit_If(self, node: ast.If) -> ast.AST | None:
        return None if checks_types_only(node.test) and not node.orelse else self.generic_visit(node)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        return self._function(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST:
        return self._function(node)

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        fields = [statement for statement in node.body if isinstance(statement, ast.AnnAssign)]
        for field in fields:
            text = ast.unparse(field.annotation)
            kind = next((name for name in _SPECIAL_FIELDS if name in text), "")
            field.annotation = ast.Constant(kind)
        visited = [child if child in fields else self.visit(child) for child in node.body]
        node.body = [child for child in visited if child is not None]
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST | None:
        return ast.Assign([node.target], self.visit(node.value)) if node.value else None

    def _function(self, node: DefNode) -> ast.AST:
        decorators = {dotted(decorator).rpartition(".")[2] for decorator in node.decorator_list}
        if decorators <= _INERT_DECORATORS:
            node.returns = None
            for inner in ast.walk(node.args):
                if isinstance(inner, ast.arg):
                    inner.annotation = None
        return self.generic_visit(node)


def _without_unused_types(tree: ast.Module) -> ast.Module:
    """What only annotations needed is not imported: `Optional[int]` is `int | None`."""
    used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    typing = [node for node in tree.body if isinstance(node, ast.ImportFrom) and node.module in _TYPING]
    for node in typing:
        node.names = [alias for alias in node.names if bound_name(alias) in used or alias.name == "*"]
    tree.body = [node for node in tree.body if node not in typing or node.names]
    return tree


class _Renamed(ast.NodeTransformer):
    """Local variables are numbered in the order in which they are bound; no name of Python's begins with `$`."""

    def __init__(self, names: Mapping[str, str], *, around: Mapping[str, str] | None = None, depth: int = 0) -> None:
        self.names = names
        self._around = names if around is None else around
        """What functions inside see: they look past the names of a class."""
        self._depth = depth

    def visit_Name(self, node: ast.Name) -> ast.AST:
        node.id = self.names.get(node.id, node.id)
        return node

    def visit_Nonlocal(self, node: ast.Nonlocal) -> ast.AST:
        node.names = sorted(self.names.get(name, name) for name in node.names)
        return node

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> ast.AST:
        return self._capture(node)

    def visit_MatchAs(self, node: ast.MatchAs) -> ast.AST:
        return self._capture(node)

    def visit_MatchStar(self, node: ast.MatchStar) -> ast.AST:
        return self._capture(node)

    def visit_MatchMapping(self, node: ast.MatchMapping) -> ast.AST:
        node.rest = self.names.get(node.rest, node.rest) if node.rest else None
        return self.generic_visit(node)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        return self._function(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST:
        return self._function(node)

    def visit_Lambda(self, node: ast.Lambda) -> ast.AST:
        """Its positional parameters are local variables: nobody names them in a call."""
        node.args = self.visit(node.args)
        parameters = [*node.args.posonlyargs, *node.args.args]
        inner = self._inside([p.arg for p in parameters] + [*_stored(node.body)], hidden=_parameters(node))
        for parameter in parameters:
            parameter.arg = inner.names[parameter.arg]
        node.body = inner.visit(node.body)
        return node

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        own = {name for statement in node.body for name in (*_stored(statement), *_defined(statement))}
        visible = {old: new for old, new in self.names.items() if old not in own}
        inside = _Renamed(visible, around=self._around, depth=self._depth)
        outside = [*node.bases, *node.keywords, *node.decorator_list]
        for child in outside:
            self.visit(child)
        node.body = [inside.visit(statement) for statement in node.body]
        return node

    def visit_ListComp(self, node: ast.ListComp) -> ast.AST:
        return self._comprehension(node)

    def visit_SetComp(self, node: ast.SetComp) -> ast.AST:
        return self._comprehension(node)

    def visit_DictComp(self, node: ast.DictComp) -> ast.AST:
        return self._comprehension(node)

    def visit_GeneratorExp(self, node: ast.GeneratorExp) -> ast.AST:
        return self._comprehension(node)

    def _capture(self, node: ast.ExceptHandler | ast.MatchAs | ast.MatchStar) -> ast.AST:
        node.name = self.names.get(node.name, node.name) if node.name else None
        return self.generic_visit(node)

    def _function(self, node: DefNode) -> ast.AST:
        node.decorator_list = [self.visit(decorator) for decorator in node.decorator_list]
        node.args = self.visit(node.args)
        inside = [inner for statement in node.body for inner in _scope(statement)]
        outer = {n for inner in inside if isinstance(inner, ast.Nonlocal) for n in inner.names}
        shown = {name for statement in node.body for name in _defined(statement)} | _parameters(node)
        stored = [name for statement in node.body for name in _stored(statement) if name not in outer]
        local = [] if _reads_locals(node) else [name for name in stored if name not in shown]
        inner_scope = self._inside(local, hidden={*shown, *stored} - outer)
        node.body = [inner_scope.visit(statement) for statement in node.body]
        return node

    def _comprehension(self, node: ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp) -> ast.AST:
        """The first iterable belongs to the scope around it."""
        targets = [name for generator in node.generators for name in target_names(generator.target)]
        first = node.generators[0]
        source, first.iter = self.visit(first.iter), ast.Constant(None)
        self._inside(targets).generic_visit(node)
        first.iter = source
        return node

    def _inside(self, local: Collection[str], hidden: Collection[str] = ()) -> _Renamed:
        """For a scope that binds these names; `hidden` ones are not those of the scopes around."""
        seen = {old: new for old, new in self._around.items() if old not in hidden}
        own = {name: f"${self._depth}.{i}" for i, name in enumerate(dict.fromkeys(local))}
        return _Renamed({**seen, **own}, depth=self._depth + 1)


def _parameters(node: DefNode | ast.Lambda) -> set[str]:
    arguments = node.args
    plain = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    return {arg.arg for arg in (*plain, arguments.vararg, arguments.kwarg) if arg}


def _scope(node: ast.AST) -> Iterator[ast.AST]:
    """Nodes of the scope a node lies in, in the order of the text; what it defines stands for its inside."""
    yield node
    if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda):
        for child in ast.iter_child_nodes(node):
            yield from _scope(child)


def _stored(node: ast.AST) -> Iterator[str]:
    """Names that a scope binds as variables, in order; those of comprehensions are their own."""
    match node:
        case ast.ListComp() | ast.SetComp() | ast.DictComp() | ast.GeneratorExp():
            walrus = (inner for inner in _scope(node) if isinstance(inner, ast.NamedExpr))
            yield from (inner.target.id for inner in walrus)
            return
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef() | ast.Lambda():
            return
        case ast.Name(id=name, ctx=ast.Store() | ast.Del()):
            yield name
        case ast.ExceptHandler(name=str(name)) | ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
            yield name
        case ast.MatchMapping(rest=str(name)):
            yield name
    for child in ast.iter_child_nodes(node):
        yield from _stored(child)


def _defined(node: ast.AST) -> Iterator[str]:
    """Names that a scope binds by import, definition or a `global` statement: they say more than a variable's."""
    for inner in _scope(node):
        match inner:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                yield name
            case ast.Import(names=aliases) | ast.ImportFrom(names=aliases):
                yield from map(bound_name, aliases)
            case ast.Global(names=names):
                yield from names


def _reads_locals(node: DefNode) -> bool:
    return any(isinstance(inner, ast.Name) and inner.id in _READS_LOCALS for inner in ast.walk(node))
