"""Names the plan asks for and the module has in another spelling: `additem` for `add_item`."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence

from nightshift.source.fixes.classes import class_named, enclosing_method
from nightshift.source.fixes.closeness import close_match
from nightshift.source.fixes.reading import Change, Edit, Source
from nightshift.source.interfaces import Class, Function, Interface, interface_of, parse_interface
from nightshift.source.renaming import renamed
from nightshift.source.syntax import DefNode


def planned_name(source: Source) -> Iterator[Change]:
    """A module-level name: its definition and every use in the file."""
    plan = _plan(source)
    have = interface_of(source.text) if plan.definitions else plan
    surplus = {name for name in have.definitions if name not in plan.definitions}
    for name, kind in _missing(plan.definitions, source.bound).items():
        alike = [other for other in surplus if type(have.definitions[other]) is kind]
        old = close_match(name, alike)
        edits = _renamed_everywhere(old, name, source) if old else None
        if old and edits:
            yield Change("planned-name", f"{old} is {name} in the plan", name, edits)


def planned_method(source: Source) -> Iterator[Change]:
    """A method: its definition and its uses on `self` and on fresh objects; refused where others use the old name."""
    planned = {cls.name: cls for cls in _plan(source).classes}
    for own in interface_of(source.text).classes if planned else ():
        plan, node = planned.get(own.name), class_named(own.name, source)
        for new in _methods_missing(own, plan) if plan and node else ():
            alike = [method.name for method in own.methods if plan and not plan.method(method.name)]
            old = close_match(new, alike)
            edits = _renamed_method(node, old, new, source) if old and node else None
            if old and edits:
                yield Change("planned-name", f"{own.name}.{old} is {new} in the plan", new, edits)


def planned_parameter(source: Source) -> Iterator[Change]:
    """A parameter: in the signature and in the body, where nothing of the file gives it by keyword."""
    plan = _plan(source).definitions
    for node in source.tree.body:
        planned = plan.get(node.name) if isinstance(node, DefNode) else None
        if not isinstance(planned, Function) or not isinstance(node, DefNode):
            continue
        for old, new in _parameters_apart(node, planned):
            edits = _renamed_parameter(node, old, new, source)
            if edits and close_match(new, [old], short_forms=True):
                yield Change("planned-parameter", f"{old} of {node.name} is {new} in the plan", new, edits)


def _plan(source: Source) -> Interface:
    try:
        return parse_interface(source.clues.interface)
    except ValueError:  # a plan that cannot be read asks for nothing
        return Interface()


def _missing(planned: Mapping[str, object], bound: frozenset[str]) -> dict[str, type]:
    return {name: type(item) for name, item in planned.items() if name not in bound}


def _methods_missing(own: Class, planned: Class) -> list[str]:
    names = [method.name for method in planned.methods]
    return [name for name in names if not own.method(name) and not own.field(name)]


def _parameters_apart(node: DefNode, planned: Function) -> list[tuple[str, str]]:
    """Names in the same place of both signatures, each unknown to the other."""
    own = [argument.arg for argument in [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]]
    wanted = [parameter.name for parameter in planned.parameters if not parameter.kind.startswith("var-")]
    pairs = zip(own, wanted, strict=True) if len(own) == len(wanted) else []
    return [(old, new) for old, new in pairs if old not in wanted and new not in own]


def _renamed_everywhere(old: str, new: str, source: Source) -> tuple[Edit, ...] | None:
    """None where the old name is also a string, an attribute of a class, or the new name already means something."""
    nodes = source.nodes
    if any(_clashes(node, old, new) for node in nodes) or _is_class_attribute(old, nodes):
        return None
    edits: list[Edit] = []
    for statement in source.tree.body:
        changed = ast.walk(renamed(statement, {old: new}))
        for before, after in zip(ast.walk(statement), changed, strict=True):
            edits += _edits(before, after, old, new, source)
    return tuple(edits)


def _clashes(node: ast.AST, old: str, new: str) -> bool:
    match node:
        case ast.Constant(value=value):
            return value == old
        case ast.Name(id=name) | ast.arg(arg=name):
            return name == new
        case ast.Global(names=names):
            return old in names
        case ast.alias(name=name, asname=asname):
            return old in (name, asname) or new in (name, asname)
    return False


def _is_class_attribute(name: str, nodes: Sequence[ast.AST]) -> bool:
    bodies = [inner for node in nodes if isinstance(node, ast.ClassDef) for inner in node.body]
    stores = (inner for node in bodies if not isinstance(node, DefNode | ast.ClassDef) for inner in ast.walk(node))
    return any(isinstance(node, ast.Name) and node.id == name and isinstance(node.ctx, ast.Store) for node in stores)


def _edits(before: ast.AST, after: ast.AST, old: str, new: str, source: Source) -> list[Edit]:
    match before, after:
        case ast.Name(id=was), ast.Name(id=now) if was != now:
            return [source.renamed(before, was, now)]
    if isinstance(before, DefNode | ast.ClassDef) and isinstance(after, DefNode | ast.ClassDef):
        return [_name_edit(before, old, new, source)] if before.name != after.name else []
    return []


def _name_edit(node: DefNode | ast.ClassDef, old: str, new: str, source: Source) -> Edit:
    at = source.text.encode().index(b" " + old.encode(), source.start(node)) + 1
    return Edit(at, at + len(old.encode()), new)


def _renamed_method(cls: ast.ClassDef, old: str, new: str, source: Source) -> tuple[Edit, ...] | None:
    definitions = [node for node in cls.body if isinstance(node, DefNode) and node.name == old]
    uses = [node for node in source.nodes if isinstance(node, ast.Attribute) and node.attr == old]
    own = _objects_of(cls, source.nodes)
    if len(definitions) != 1 or not all(_is_on(node, cls, own, source) for node in uses):
        return None
    edits = [source.renamed(node, old, new) for node in uses]
    return (_name_edit(definitions[0], old, new, source), *edits)


def _objects_of(cls: ast.ClassDef, nodes: Sequence[ast.AST]) -> set[str]:
    """Names that only ever stand for an object of the class, or for the class."""
    values: dict[str, set[str]] = {}
    for node in nodes:
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Call(func=ast.Name(id=function))):
                values.setdefault(name, set()).add(function)
            case ast.Name(id=name, ctx=ast.Store()) | ast.arg(arg=name):
                values.setdefault(name, set())
    stores = [node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)]
    return {name for name, kinds in values.items() if kinds == {cls.name} and stores.count(name) == 1} | {cls.name}


def _is_on(node: ast.Attribute, cls: ast.ClassDef, own: set[str], source: Source) -> bool:
    if not isinstance(node.value, ast.Name):
        return False
    method = enclosing_method(source, node)
    is_own = method is not None and method[0] is cls and node.value.id in ("self", "cls")
    return is_own or node.value.id in own


def _renamed_parameter(function: DefNode, old: str, new: str, source: Source) -> tuple[Edit, ...] | None:
    inside = [*ast.walk(function)]
    names = [node for node in inside if isinstance(node, ast.Name) and node.id == old]
    arguments = [node for node in inside if isinstance(node, ast.arg) and node.arg == old]
    by_keyword = any(isinstance(node, ast.keyword) and node.arg == old for node in source.nodes)
    if len(arguments) != 1 or by_keyword or any(_clashes(node, "", new) for node in inside):
        return None
    places: list[ast.arg | ast.Name] = [*arguments, *names]
    return tuple(source.renamed(node, old, new) for node in places)
