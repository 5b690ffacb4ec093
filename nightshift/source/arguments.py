"""Arguments worth trying: literals by type, those met in texts and their neighbours first, then the usual edges.

All values are texts of expressions. A type that is not understood gets the values of several simple ones.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice, zip_longest

from nightshift.source.shapes import Class, Interface, Parameter
from nightshift.source.syntax import dotted, is_docstring, is_literal, parse_or_none

MAX_DEPTH = 2
"""Of objects made from objects."""
MAX_MET = 12
"""Literals of one type taken from texts."""

_EDGES: Mapping[str, tuple[str, ...]] = {
    "int": ("3", "0", "1", "-1", "2", "10", "7", "100"),
    "float": ("2.5", "0.0", "1.0", "-1.5", "0.125", "100.0", "2.675"),
    "complex": ("1j", "0j"),
    "bool": ("True", "False"),
    "str": (
        "'hello world'", "''", "'a'", "'Hello, World!'", "'  two  spaces '", "'abcba'", "'Abba'", "'42'", "'a-b_c.d'",
        "'line\\nline'", "'É ß'", "'aaBB'",
    ),
    "bytes": ("b'abc'", "b''", "b'\\x00\\xff'"),
    "None": ("None",),
    "Path": ("pathlib.Path('a/b.txt')", "pathlib.Path('.')"),
    "date": ("datetime.date(2024, 2, 29)", "datetime.date(2023, 12, 31)", "datetime.date(2024, 1, 1)"),
    "datetime": ("datetime.datetime(2024, 2, 29, 23, 59, 59)", "datetime.datetime(2023, 1, 1)"),
    "timedelta": ("datetime.timedelta(days=1)", "datetime.timedelta(seconds=-30)", "datetime.timedelta(0)"),
    "Decimal": ("decimal.Decimal('2.50')", "decimal.Decimal('0')", "decimal.Decimal('-1.005')"),
    "Fraction": ("fractions.Fraction(1, 3)", "fractions.Fraction(0)"),
    "Callable": ("str", "len", "lambda *given: given", "lambda *given: 1 / 0"),
}  # fmt: skip
_ANY = ("int", "str", "list", "None", "float", "dict", "bool")
_LISTS = ("list", "List", "Sequence", "MutableSequence", "Iterable", "Collection", "Reversible")
_SETS = ("set", "Set", "AbstractSet", "MutableSet", "frozenset", "FrozenSet")
_DICTS = ("dict", "Dict", "Mapping", "MutableMapping", "defaultdict", "OrderedDict")
_UNIONS = ("Optional", "Union")
_WRAPPERS = ("Annotated", "Final", "ClassVar", "Required", "NotRequired", "InitVar")


class Arguments:
    """Values for parameters of one module's functions."""

    def __init__(self, interface: Interface, trees: Iterable[ast.AST]) -> None:
        self._classes = {cls.name: cls for cls in interface.classes}
        self._met = _literals(trees)

    def of(self, parameter: Parameter, depth: int = 0) -> tuple[str, ...]:
        """At least one value; the first is an ordinary one."""
        default = [parameter.default] if parameter.default and _is_plain(parameter.default) else []
        values = self._annotated(parameter.annotation or "", depth)
        if not values:
            kinds = [_kind(default[0])] if default and default != ["None"] else _ANY
            values = [*_by_turns([self._simple(kind, depth) for kind in kinds])]
        first = [] if default == ["None"] else default
        return tuple(dict.fromkeys([*first, *values, *default]))

    def constructed(self, cls: Class, depth: int = 0) -> tuple[str, ...]:
        """Calls of the constructor; members of an enumeration."""
        if any("Enum" in base or base.endswith("Flag") for base in cls.bases):
            return tuple(f"{cls.name}.{field.name}" for field in cls.fields)
        return tuple(f"{cls.name}({given})" for given in self.calls(constructor(cls), depth + 1, count=3))

    def calls(self, parameters: Sequence[Parameter], depth: int = 0, *, count: int = 12) -> tuple[str, ...]:
        """Argument lists: the ordinary one, then each value in its turn, then all of them moving."""
        wanted = [p for p in parameters if p.kind != "var-keyword"]
        values = [self.of(parameter, depth) for parameter in wanted]
        lists = dict.fromkeys(_argument_list(wanted, chosen) for chosen in _choices(values))
        return tuple(islice(lists, count))

    def _annotated(self, annotation: str, depth: int) -> list[str]:
        tree = parse_or_none(annotation)
        node = tree.body[0] if tree and len(tree.body) == 1 else None
        return self._typed(node.value, depth) if isinstance(node, ast.Expr) else []

    def _typed(self, node: ast.expr, depth: int) -> list[str]:
        match node:
            case ast.BinOp(left=left, op=ast.BitOr(), right=right):
                return [*_by_turns([self._typed(left, depth), self._typed(right, depth)])]
            case ast.Constant(value=None):
                return ["None"]
            case ast.Constant(value=str(text)):
                return self._annotated(text, depth)
            case ast.Subscript(value=value, slice=inner):
                return self._generic(_last(value), inner.elts if isinstance(inner, ast.Tuple) else [inner], depth)
        return self._simple(_last(node), depth)

    def _simple(self, name: str, depth: int) -> list[str]:
        if name in self._classes:
            return [*self.constructed(self._classes[name], depth)] if depth < MAX_DEPTH else []
        if name in (*_LISTS, *_SETS, *_DICTS, "tuple", "Tuple"):
            return self._generic(name, [], depth)
        name = {"Iterator": "list", "LiteralString": "str", "PurePath": "Path"}.get(name, name)
        met = [value for value in self._met if _kind(value) == name]
        return [*_by_turns([met[:MAX_MET], _EDGES.get(name, ())])]

    def _generic(self, name: str, inner: Sequence[ast.expr], depth: int) -> list[str]:
        types = [node for node in inner if not (isinstance(node, ast.Constant) and node.value is Ellipsis)]
        if name == "Literal":
            return [ast.unparse(node) for node in types]
        if name in (*_UNIONS, *_WRAPPERS):
            wanted = types if name == "Union" else types[:1]
            groups = [self._typed(node, depth) for node in wanted] + ([["None"]] if name == "Optional" else [])
            return [*_by_turns(groups)]
        if name in ("Iterator", "Generator"):
            return [f"iter({value})" for value in self._generic("list", inner, depth)]
        items = [self._typed(node, depth + 1) for node in types] or [[*_EDGES["int"]]]
        if name in ("tuple", "Tuple") and len(inner) == len(types) > 0:
            return [f"({', '.join(chosen)},)" for chosen in islice(_choices(items), 6) if all(items)]
        if name in _DICTS:
            return self._met_of("{") + _dicts(items if types else [["'a'", "'b'", "''"], *items])
        if name in (*_LISTS, *_SETS, "tuple", "Tuple"):
            return self._collections(name, items[0])
        return self._simple(name, depth)

    def _collections(self, name: str, items: Sequence[str]) -> list[str]:
        form = "({},)" if name in ("tuple", "Tuple") else "[{}]"
        lists = [form.format(", ".join(items[i] for i in chosen)) for chosen in _shapes(len(items))]
        plain = [*_by_turns([self._met_of(form[0]), [lists[0], "()" if form[0] == "(" else "[]", *lists[1:]]])]
        wrap = "frozenset" if name.lower() == "frozenset" else "set"
        return [f"{wrap}({value})" for value in plain] if name in _SETS else plain

    def _met_of(self, bracket: str) -> list[str]:
        return [value for value in self._met if value.startswith(bracket)][:MAX_MET]


def constructor(cls: Class) -> tuple[Parameter, ...]:
    """What its call takes."""
    init = cls.method("__init__")
    if init:
        return init.parameters[1:]
    shaped = cls.is_dataclass or any(base.endswith("NamedTuple") for base in cls.bases)
    fields = [field for field in cls.fields if field.annotation and "ClassVar" not in field.annotation]
    return tuple(Parameter(f.name, "standard", f.annotation, f.value) for f in fields) if shaped else ()


def _literals(trees: Iterable[ast.AST]) -> list[str]:
    """Texts of literals, in order, each with its neighbours after all that were met."""
    met: dict[str, None] = {}
    for tree in trees:
        for node in _worth(tree):
            if isinstance(node, ast.expr) and _kind(ast.unparse(node)) in _TRIED and is_literal(node):
                met[ast.unparse(node)] = None
    near = [other for text in met for other in neighbours(text)]
    return [*dict.fromkeys([*met, *near])]


_TRIED = ("int", "float", "str", "bytes", "list", "tuple", "dict")


def _worth(node: ast.AST) -> Iterator[ast.AST]:
    """Nodes of the tree, less documentation and what only people read."""
    if isinstance(node, ast.JoinedStr | ast.Raise) or (isinstance(node, ast.stmt) and is_docstring(node)):
        return
    yield node
    for field, value in ast.iter_fields(node):
        if field not in ("annotation", "returns", "decorator_list", "msg"):
            for child in value if isinstance(value, list) else [value]:
                if isinstance(child, ast.AST):
                    yield from _worth(child)


def neighbours(text: str) -> tuple[str, ...]:
    """Values close to a literal: where code that is right for it may be wrong."""
    value = ast.literal_eval(text)
    match value:
        case bool() | None:
            return ()
        case int():
            return tuple(str(near) for near in (value + 1, value - 1, -value) if near != value)
        case float():
            return tuple(repr(near) for near in (value + 0.5, -value, value / 2) if near != value)
        case str():
            near_texts = (value + value, value.upper(), f" {value} ", value[1:], value[::-1], value.lower())
            return tuple(repr(near) for near in near_texts if near != value and len(near) < 200)
        case list() | tuple():
            near_lists = ((*value, *value[:1]), value[::-1], value[1:], value[:1], (*value, *value))
            return tuple(
                repr(type(value)(near)) for near in near_lists if tuple(near) != tuple(value) and len(near) < 50
            )
        case dict():
            return (repr(dict([*value.items()][1:])),) if value else ()
    return ()


def _kind(text: str) -> str:
    try:
        return type(ast.literal_eval(text)).__name__
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return ""


def _choices(values: Sequence[Sequence[str]]) -> Iterator[tuple[str, ...]]:
    """One value a parameter: all ordinary; then each other value of one parameter or of all, by turns."""
    if not all(values):
        return
    ordinary = tuple(options[0] for options in values)
    yield ordinary
    for i in range(1, max((len(options) for options in values), default=1)):
        for place, options in enumerate(values):
            if i < len(options):
                yield (*ordinary[:place], options[i], *ordinary[place + 1 :])
        yield tuple(options[(i + place) % len(options)] for place, options in enumerate(values))
        yield tuple(options[i % len(options)] for options in values)


def _argument_list(parameters: Sequence[Parameter], chosen: Sequence[str]) -> str:
    """Arguments as written in a call."""
    forms = {"keyword-only": "{name}={value}", "var-positional": "{value}"}
    pairs = zip(parameters, chosen, strict=True)
    return ", ".join(forms.get(p.kind, "{value}").format(name=p.name, value=value) for p, value in pairs)


def _dicts(items: Sequence[Sequence[str]]) -> list[str]:
    keys, values = items[0], items[-1]
    if not keys or not values:
        return ["{}"]
    rows = [f"{key}: {values[i % len(values)]}" for i, key in enumerate(keys[:4])]
    return [f"{{{', '.join(rows[:2])}}}", "{}", f"{{{rows[0]}}}", f"{{{', '.join(reversed(rows))}}}"]


def _shapes(count: int) -> list[list[int]]:
    """Which of so many items a list holds: unsorted, single, doubled, sorted otherwise, long."""
    if not count:
        return [[]]
    wanted = [0, 2, 1], [0], [0, 0], [2, 3, 2, 0, 1, 0], [1, 0], [*range(8)], [5, 4, 3], [1, 1, 2, 2, 0]
    return [[i % count for i in chosen] for chosen in wanted]


def _by_turns(groups: Iterable[Iterable[str]]) -> Iterator[str]:
    return (value for values in zip_longest(*groups) for value in values if value is not None)


def _is_plain(default: str) -> bool:
    tree = parse_or_none(default)
    return tree is not None and isinstance(tree.body[0], ast.Expr) and is_literal(tree.body[0].value)


def _last(node: ast.AST) -> str:
    return dotted(node).rpartition(".")[2]
