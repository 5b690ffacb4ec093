"""The interface of a parsed module: signatures, classes with their fields, constants, imports and `__all__`.

Public names only. What no reader can tell without running the module (decorators that change a signature, classes
made by a call, an `__all__` that is computed) stands as it is written or is left out.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import TypeVar

from nightshift.source.shapes import Class, Function, Import, Interface, Kind, Parameter, Variable
from nightshift.source.syntax import DefNode, bound_name, dotted, is_literal, parse_or_none, statements, target_names

MAX_VALUE = 200
"""Longer values of constants and fields are left out."""

_PLAIN = (str, int, bool, type(None))
_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef)

_Named = TypeVar("_Named", Function, Class, Variable)


def read_interface(tree: ast.Module) -> Interface:
    nodes = [*statements(tree.body)]
    functions = _by_name(_functions(nodes))
    classes = _by_name(_class(node) for node in nodes if isinstance(node, ast.ClassDef) and _is_public(node.name))
    taken = {f.name for f in functions} | {c.name for c in classes}
    constants = _by_name(v for v in _variables(nodes) if v.name not in taken)
    imports = tuple(dict.fromkeys(item for node in nodes for item in _imports(node)))
    return Interface(functions, classes, constants, imports, _exports(nodes))


def _by_name(items: Iterable[_Named]) -> tuple[_Named, ...]:
    """The last one of each name, as at run time, in the place of the first."""
    return tuple({item.name: item for item in items}.values())


def _is_public(name: str) -> bool:
    return not name.startswith("_") or (name.startswith("__") and name.endswith("__"))


def _text(node: ast.expr) -> str:
    """`ast.unparse`, without its cost for what most annotations and defaults are; `...` for what is nested absurdly."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Constant) and type(node.value) in _PLAIN and node.kind is None:
        return repr(node.value)
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        return f"{node.value.id}.{node.attr}"
    try:
        return ast.unparse(node)
    except RecursionError:
        return "..."


# Functions


def _functions(nodes: Sequence[ast.stmt]) -> Iterator[Function]:
    for node in nodes:
        if isinstance(node, _DEFINITIONS) and _is_public(node.name):
            function = _function(node)
            if not (function.decorators and function.decorated("overload", "setter", "deleter")):
                yield function


def _function(node: DefNode) -> Function:
    return Function(
        node.name,
        tuple(_parameters(node.args)),
        _annotation(node.returns),
        tuple(map(_text, node.decorator_list)),
        isinstance(node, ast.AsyncFunctionDef),
    )


def _parameters(arguments: ast.arguments) -> Iterator[Parameter]:
    positional = [*arguments.posonlyargs, *arguments.args]
    defaults: list[ast.expr | None] = [*arguments.defaults]
    padded = [None] * (len(positional) - len(defaults)) + defaults
    for i, (arg, default) in enumerate(zip(positional, padded, strict=True)):
        kind: Kind = "positional-only" if i < len(arguments.posonlyargs) else "standard"
        yield _parameter(arg, kind, default)
    if arguments.vararg:
        yield _parameter(arguments.vararg, "var-positional", None)
    for arg, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True):
        yield _parameter(arg, "keyword-only", default)
    if arguments.kwarg:
        yield _parameter(arguments.kwarg, "var-keyword", None)


def _parameter(arg: ast.arg, kind: Kind, default: ast.expr | None) -> Parameter:
    return _shared(arg.arg, kind, _annotation(arg.annotation), _text(default) if default else None)


@lru_cache(maxsize=1024)
def _shared(name: str, kind: Kind, annotation: str | None, default: str | None) -> Parameter:
    """One `self` for all methods."""
    return Parameter(name, kind, annotation, default)


def _annotation(node: ast.expr | None) -> str | None:
    """As text, a quoted annotation without its quotes."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        inner = parse_or_none(node.value.strip())
        if inner and len(inner.body) == 1 and isinstance(inner.body[0], ast.Expr):
            return _text(inner.body[0].value)
    return _text(node) if node else None


# Classes and what they are made of


def _class(node: ast.ClassDef) -> Class:
    body = [*statements(node.body)]
    methods = _by_name(_functions(body))
    keywords = [f"{keyword.arg}={_text(keyword.value)}" for keyword in node.keywords if keyword.arg]
    decorators = tuple(map(_text, node.decorator_list))
    plain = Class(node.name, (*map(_text, node.bases), *keywords), decorators)
    taken = {method.name for method in methods}
    marker = next((at for at, statement in enumerate(body) if _is_keyword_marker(statement)), len(body))
    fields = [*_variables(body[:marker]), *map(_by_keyword, _variables(body[marker:]))]
    known = taken | {field.name for field in fields}
    fields += [v for v in _attributes(body, annotated=not plain.is_dataclass) if v.name not in known]
    return Class(plain.name, plain.bases, decorators, _by_name(f for f in fields if f.name not in taken), methods)


def _is_keyword_marker(node: ast.stmt) -> bool:
    """`_: KW_ONLY`, after which a dataclass takes its fields by keyword."""
    return isinstance(node, ast.AnnAssign) and dotted(node.annotation).rpartition(".")[2] == "KW_ONLY"


def _by_keyword(variable: Variable) -> Variable:
    if variable.annotation is None or "kw_only=" in (variable.value or ""):
        return variable
    given = variable.value or ""
    start, call, rest = given.partition("field(")
    if call:
        return replace(variable, value=f"{start}field(kw_only=True{', ' if rest != ')' else ''}{rest}")
    return replace(variable, value=f"field({f'default={given}, ' if given else ''}kw_only=True)")


def _variables(nodes: Sequence[ast.stmt]) -> Iterator[Variable]:
    for node in nodes:
        match node:
            case ast.AnnAssign(target=ast.Name(id=name), annotation=annotation, value=value):
                found = [Variable(name, _annotation(annotation), _value(value))]
            case ast.Assign(targets=targets, value=value):
                alone = all(isinstance(target, ast.Name) for target in targets)
                names = [name for target in targets for name in target_names(target)]
                found = [Variable(name, None, _value(value) if alone else "...") for name in names]
            case ast.ClassDef(name=name):
                found = [Variable(name, None, "...")]
            case _:
                found = []
        yield from (variable for variable in found if not variable.name.startswith("_"))


def _value(node: ast.expr | None) -> str | None:
    if node is None:
        return None
    keep = is_literal(node) or dotted(node).endswith("field")  # dataclasses.field says what a constructor takes
    text = _text(node) if keep else "..."
    return text if len(text) <= MAX_VALUE else "..."


def _attributes(body: Sequence[ast.stmt], *, annotated: bool) -> Iterator[Variable]:
    """What `__init__` sets on self; a parameter stored as it came keeps its annotation."""
    for method in body:
        if not isinstance(method, ast.FunctionDef) or method.name not in ("__init__", "__post_init__"):
            continue
        types = {parameter.name: parameter.annotation for parameter in _parameters(method.args)}
        for node in statements(method.body):
            for name, annotation in _set_on_self(node, types):
                yield Variable(name, annotation if annotated else None, "...")


def _set_on_self(node: ast.stmt, types: dict[str, str | None]) -> Iterator[tuple[str, str | None]]:
    targets: list[ast.expr] = []
    annotation = None
    if isinstance(node, ast.Assign):
        targets = node.targets
        annotation = types.get(node.value.id) if isinstance(node.value, ast.Name) else None
    elif isinstance(node, ast.AnnAssign):
        targets, annotation = [node.target], _annotation(node.annotation)
    for target in targets:
        elements = target.elts if isinstance(target, ast.Tuple) else [target]
        for element in elements:
            name = dotted(element)
            if name.startswith("self.") and name.count(".") == 1 and not name.startswith("self._"):
                yield name.removeprefix("self."), annotation if elements == [target] else None


# Imports


def _imports(node: ast.stmt) -> Iterator[Import]:
    match node:
        case ast.Import(names=names):
            for alias in names:
                yield Import(bound_name(alias), alias.name if alias.asname else alias.name.partition(".")[0])
        case ast.ImportFrom(names=names, module=module, level=level) if module != "__future__":
            for alias in names:
                yield Import(alias.asname or alias.name, "." * level + (module or ""), alias.name)


def _exports(nodes: Sequence[ast.stmt]) -> tuple[str, ...] | None:
    """`__all__` as far as it is written down; None when nothing of it is."""
    exports: list[str] | None = None
    for node in nodes:
        match node:
            case ast.Assign(targets=[ast.Name("__all__")], value=value):
                exports = _names_in(value)
            case ast.AnnAssign(target=ast.Name("__all__"), value=ast.expr() as value):
                exports = _names_in(value)
            case ast.AugAssign(target=ast.Name("__all__"), value=value):
                exports = _joined(exports, value)
            case ast.Expr(ast.Call(ast.Attribute(ast.Name("__all__"), "extend" | "append"), [value])):
                exports = _joined(exports, value)
    return tuple(exports) if exports is not None else None


def _joined(exports: list[str] | None, more: ast.expr) -> list[str] | None:
    found = _names_in(more)
    return exports if found is None else [*(exports or []), *found]


def _names_in(node: ast.expr) -> list[str] | None:
    """Of a list, a tuple or one name written out."""
    value = ast.literal_eval(node) if is_literal(node) else None
    if isinstance(value, str):
        return [value]
    return [*map(str, value)] if isinstance(value, list | tuple | set) else None
