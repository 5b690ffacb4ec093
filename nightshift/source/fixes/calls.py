"""Calls that do not fit what they call: a keyword nobody has, a method that forgot its `self`."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from nightshift.source.fixes.classes import PLAIN_DECORATORS, class_named, enclosing_method, lineage, methods
from nightshift.source.fixes.closeness import close_match
from nightshift.source.fixes.reading import Change, Edit, Source
from nightshift.source.syntax import DefNode, dotted, is_literal, parse_or_none

_KEYWORD = r"(?:[\w.]+\.<locals>\.)?(?:(\w+)\.)?(\w+)\(\) got an unexpected keyword argument '(\w+)'"
_TOO_MANY = r"(?:[\w.]+\.<locals>\.)?(\w+)\.(\w+)\(\) takes (?:from \d+ to )?(\d+) positional arguments? but (\d+) w"


def wrong_keyword(source: Source) -> Iterator[Change]:
    """The failing call, and only that one, gets the one close name of the callee's signature."""
    for found, line in source.said(_KEYWORD):
        owner, function, wrong = found.groups()
        parameters = _parameters(owner, function, source)
        for node in _calls(owner, function, wrong, line, source) if parameters else []:
            taken = {*parameters[: len(node.args)], *(keyword.arg for keyword in node.keywords)}
            meant = close_match(wrong, {*parameters} - taken, short_forms=True)
            keyword = next(keyword for keyword in node.keywords if keyword.arg == wrong)
            if meant:
                what = f"{wrong} is {meant} of {owner or function}"
                yield Change("wrong-keyword", what, wrong, (source.renamed(keyword, wrong, meant),))


def missing_self_parameter(source: Source) -> Iterator[Change]:
    """A method that uses `self` without having one, or is called with one argument more than it takes."""
    loads = source.unresolved.get("self", ())
    wanted = [found for load in loads if (found := enclosing_method(source, load.node))]
    for said, _ in source.said(_TOO_MANY):
        cls = class_named(said[1], source) if int(said[4]) == int(said[3]) + 1 else None
        wanted += [(cls, method) for method in methods(cls) if method.name == said[2]] if cls else []
    for owner, method in dict.fromkeys(wanted):
        at = _after_bracket(method, source) if _lacks_self(owner, method, source) else None
        if at is not None:
            what = f"{owner.name}.{method.name}(self)"
            edit = Edit(at, at, "self, " if _has_parameters(method) else "self")
            yield Change("missing-self-parameter", what, what, (edit,))


# Keywords


def _parameters(owner: str | None, function: str, source: Source) -> list[str]:
    """Names that may be given as keywords, in order; none when the callee is not found in the project or takes any."""
    cls = class_named(owner, source) if owner else None
    if owner and cls is None:
        return []
    found = _methods_named(cls, function, source) if cls else _functions(function, source)
    if not found and cls and function == "__init__":
        return _fields(cls, source)
    if len(found) != 1 or found[0].args.kwarg:
        return []
    arguments = [argument.arg for argument in [*found[0].args.posonlyargs, *found[0].args.args]]
    bound = cls is not None and not any(dotted(d) == "staticmethod" for d in found[0].decorator_list)
    return arguments[1 if bound else 0 :] + [argument.arg for argument in found[0].args.kwonlyargs]


def _methods_named(cls: ast.ClassDef, name: str, source: Source) -> list[DefNode]:
    """The nearest in the line of inheritance."""
    found = (method for one in lineage(cls, source) for method in methods(one) if method.name == name)
    return [*found][:1]


def _functions(name: str, source: Source) -> list[DefNode]:
    own = _defined(source.tree, name)
    trees = [] if own else [parse_or_none(text) for text in source.clues.texts.values() if f"def {name}" in text]
    return own or [node for tree in trees if tree for node in _defined(tree, name)]


def _defined(tree: ast.Module, name: str) -> list[DefNode]:
    return [node for node in ast.walk(tree) if isinstance(node, DefNode) and node.name == name]


def _fields(cls: ast.ClassDef, source: Source) -> list[str]:
    """Of a dataclass or named tuple, inherited ones first."""
    nodes = [node for one in reversed(lineage(cls, source)) for node in one.body if isinstance(node, ast.AnnAssign)]
    fields = [(node.target.id, node) for node in nodes if isinstance(node.target, ast.Name)]
    return list(dict.fromkeys(name for name, node in fields if not _is_left_out(node)))


def _is_left_out(node: ast.AnnAssign) -> bool:
    """Not a parameter: a class variable, or `field(init=False)`."""
    keywords = node.value.keywords if isinstance(node.value, ast.Call) else []
    literals = {keyword.arg: ast.literal_eval(keyword.value) for keyword in keywords if is_literal(keyword.value)}
    return "ClassVar" in ast.unparse(node.annotation) or literals.get("init") is False


def _calls(owner: str | None, function: str, keyword: str, line: int | None, source: Source) -> list[ast.Call]:
    """The calls on that line that give the keyword to such a callee; without a line, the only one in the file."""
    name = owner if owner and function in ("__init__", "__new__") else function
    found = [
        node
        for node in source.nodes
        if isinstance(node, ast.Call) and any(given.arg == keyword for given in node.keywords)
        if _last_name(node.func) in (name, "__init__" if name == owner else name, "cls" if name == owner else name)
    ]
    if line is None:
        return found if len(found) == 1 else []
    found = [node for node in found if node.lineno <= line <= (node.end_lineno or node.lineno)]
    return found if len(found) == 1 else []


def _last_name(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


# Methods without self


def _lacks_self(cls: ast.ClassDef, method: DefNode, source: Source) -> bool:
    arguments = [*method.args.posonlyargs, *method.args.args]
    plain = all(dotted(decorator).rpartition(".")[2] in PLAIN_DECORATORS for decorator in method.decorator_list)
    names = {argument.arg for argument in ast.walk(method.args) if isinstance(argument, ast.arg)}
    misspelt = arguments and close_match("self", [arguments[0].arg])
    return plain and not {"self", "cls"} & names and not misspelt and cls in source.nodes


def _has_parameters(method: DefNode) -> bool:
    arguments = method.args
    return bool(arguments.posonlyargs or arguments.args or arguments.vararg or arguments.kwonlyargs or arguments.kwarg)


def _after_bracket(method: DefNode, source: Source) -> int | None:
    """Behind `def name(`; None for generic functions, where another bracket comes first."""
    data = source.text.encode()
    start = source.start(method)
    opening = data.find(b"(", start)
    head = data[start:opening].decode().split()
    return opening + 1 if head[-2:] == ["def", method.name] or head[-1:] == [method.name] else None
