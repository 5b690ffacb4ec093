"""A value of an annotated type that is surely not the right one, as the text of an expression.

What a test asks of a type or of truth alone, it holds for; what it asks of a value, it does not.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence

from nightshift.source.shapes import Interface
from nightshift.source.syntax import dotted, parse_or_none

HELPER = '''
def _instance(cls):
    """One made without arguments, or one that was never initialised."""
    for make in (lambda: cls(), lambda: cls.__new__(cls), lambda: object.__new__(cls)):
        try:
            return make()
        except Exception:  # whatever a constructor of the project's own may raise
            pass
    return -7919


class _Refused(Exception):
    """Not one that a test may ask for."""


def _refuse():
    raise _Refused
'''
UNKNOWN = "-7919"

_SIMPLE = {
    "int": "-7919", "float": "-7919.25", "complex": "(-7919+1j)", "str": "'nonsense-7919'",
    "bytes": "b'nonsense-7919'", "None": "None", "LiteralString": "'nonsense-7919'",
}  # fmt: skip
_ONE_ITEM = {
    **dict.fromkeys(("list", "List", "Sequence", "MutableSequence", "Iterable", "Collection"), "[{}]"),
    **dict.fromkeys(("Iterator", "Generator"), "iter([{}])"),
    **dict.fromkeys(("set", "Set", "AbstractSet", "MutableSet"), "{{{}}}"),
    **dict.fromkeys(("frozenset", "FrozenSet"), "frozenset({{{}}})"),
}
_DICTS = ("dict", "Dict", "Mapping", "MutableMapping")
_SAME_AS_ARGUMENT = ("Optional", "Union", "Annotated", "Final", "Required", "NotRequired", "ClassVar")
_PLACES = ("", "typing", "t", "collections.abc", "builtins")
"""Modules a type may be written with in front of its name."""


def nonsense(annotation: str | None, interface: Interface, *, true: bool = True, owner: str = "") -> str:
    """An expression for the annotated type; `true` is what a bool is, `owner` the class that `Self` means."""
    tree = parse_or_none(annotation) if annotation else None
    if tree is None or len(tree.body) != 1 or not isinstance(tree.body[0], ast.Expr):
        return UNKNOWN
    return _Nonsense(interface, str(true), owner).of(tree.body[0].value)


def empty(annotation: str | None) -> str:
    """The empty value of an annotated type; 0 where none is known."""
    name = (annotation or "").partition("[")[0].rpartition(".")[2].strip(" '\"")
    return _EMPTY.get(name, "0")


_EMPTY = {
    **dict.fromkeys(("list", "List", "Sequence", "MutableSequence", "Iterable", "Collection"), "[]"),
    **dict.fromkeys(("Iterator", "Generator"), "iter(())"),
    **dict.fromkeys(("set", "Set", "AbstractSet", "MutableSet"), "set()"),
    **dict.fromkeys(("dict", "Dict", "Mapping", "MutableMapping"), "{}"),
    "frozenset": "frozenset()", "tuple": "()", "Tuple": "()", "str": "''", "bytes": "b''",
    "float": "0.0", "bool": "False",    "None": "None", "Optional": "None",
}  # fmt: skip


def first_argument(annotation: str | None) -> str | None:
    """`Store` of `Iterator[Store]`, which is what a context manager yields."""
    tree = parse_or_none(annotation) if annotation else None
    for node in ast.walk(tree) if tree else ():
        if isinstance(node, ast.Subscript):
            return ast.unparse(_arguments(node.slice)[0])
    return None


class _Nonsense:
    def __init__(self, interface: Interface, truth: str, owner: str) -> None:
        self._simple = {**_SIMPLE, "bool": truth}
        self._records = {cls.name for cls in interface.classes if any("TypedDict" in base for base in cls.bases)}
        self._classes = {cls.name for cls in interface.classes} | {item.name for item in interface.reexports}
        self._owner = owner

    def of(self, node: ast.expr) -> str:
        match node:
            case ast.Constant(value=None):
                return "None"
            case ast.Constant(value=str(text)):
                tree = parse_or_none(text)
                inner = tree.body[0] if tree and len(tree.body) == 1 else None
                return self.of(inner.value) if isinstance(inner, ast.Expr) else UNKNOWN
            case ast.BinOp(left=left, op=ast.BitOr(), right=right):
                return self._first([left, right])
            case ast.Subscript(value=value, slice=inner):
                return self._generic(value, _arguments(inner))
        return self._generic(node, [])

    def _generic(self, node: ast.expr, arguments: Sequence[ast.expr]) -> str:
        place, _, name = dotted(node).rpartition(".")
        own = not place and (name in self._classes or (name == "Self" and self._owner))
        if own:
            cls = self._owner if name == "Self" else name
            return "{'nonsense-7919': -7919}" if cls in self._records else f"_instance({cls})"
        if place not in _PLACES:
            return UNKNOWN
        if name in ("tuple", "Tuple"):
            return self._tuple(arguments)
        return self._builtin(name, arguments)

    def _builtin(self, name: str, arguments: Sequence[ast.expr]) -> str:
        if name in self._simple:
            return self._simple[name]
        if name in _ONE_ITEM:
            item = self.of(arguments[0]) if arguments else UNKNOWN
            return _ONE_ITEM[name].format(_hashable(item) if "{{" in _ONE_ITEM[name] else item)
        if name in _DICTS:
            key, value = (self.of(argument) for argument in arguments) if len(arguments) == 2 else (UNKNOWN, UNKNOWN)
            return f"{{{_hashable(key)}: {value}}}"
        if name == "Literal" and arguments and isinstance(arguments[0], ast.Constant):
            return self._simple.get(type(arguments[0].value).__name__, UNKNOWN)
        return self._first(arguments) if name in _SAME_AS_ARGUMENT and arguments else UNKNOWN

    def _tuple(self, arguments: Sequence[ast.expr]) -> str:
        items = [argument for argument in arguments if not _is_ellipsis(argument)]
        return "(" + "".join(f"{self.of(item)}, " for item in items) + ")" if items else f"({UNKNOWN},)"

    def _first(self, nodes: Sequence[ast.expr]) -> str:
        """Of several types the first that is not None."""
        return next((text for text in map(self.of, nodes) if text != "None"), "None")


def _arguments(node: ast.expr) -> list[ast.expr]:
    return node.elts if isinstance(node, ast.Tuple) and node.elts else [node]


def _is_ellipsis(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is Ellipsis


def _hashable(text: str) -> str:
    try:
        hash(ast.literal_eval(text))
    except (ValueError, TypeError):
        return UNKNOWN
    return text
