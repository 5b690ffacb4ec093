"""What must come along when units move from one module to another, and what makes that unclean."""

from __future__ import annotations

import ast
import builtins
from collections import deque
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from nightshift.errors import NightshiftError
from nightshift.source.mentions import is_main_guard
from nightshift.source.needs import binding, members_set, members_used, needs
from nightshift.source.normal import fingerprint
from nightshift.source.syntax import DefNode, bound_name, dotted, parse, too_deep
from nightshift.source.units import (
    Definition,
    Unit,
    first_line,
    indent_of,
    is_private,
    lines_of,
    moved,
    split_lines,
    units_of,
)

_CALLED_OTHERWISE = {"property", "cached_property", "staticmethod", "classmethod", "contextmanager"}
_ACTS = ast.Expr | ast.For | ast.While | ast.With | ast.Delete


class SpliceRefused(NightshiftError):
    """`also` names units of the donor that, taken too, may make the splice clean."""

    def __init__(self, reason: str, also: Collection[str] = ()) -> None:
        super().__init__(reason)
        self.also = tuple(also)


@dataclass(frozen=True, slots=True)
class Module:
    lines: Sequence[str]
    tree: ast.Module
    units: Mapping[str, Unit]
    scopes: Mapping[str, Mapping[str, tuple[ast.stmt, ...]]]
    """Class ("" for the module) -> name -> the statements that bind it there."""
    state: Mapping[str, Mapping[str, tuple[str, ...]]]
    """Class -> attribute -> the methods that set it, `__init__` first."""

    @staticmethod
    @lru_cache(maxsize=16)  # a search splices the same few candidates again and again
    def of(text: str, whose: str) -> Module:
        try:
            tree = parse(text)
        except SyntaxError as error:
            raise SpliceRefused(f"The {whose} does not parse: {error.msg} at line {error.lineno}.") from error
        if too_deep(tree):
            raise SpliceRefused(f"The {whose} is nested far too deeply.")
        units = units_of(tree)
        classes = {unit.name: unit.nodes[0] for unit in units.values()}
        bodies = {"": tree.body} | {name: node.body for name, node in classes.items() if isinstance(node, ast.ClassDef)}
        state = {owner: _state(owner, units) for owner in bodies}
        return Module(split_lines(text), tree, units, {owner: binding(body) for owner, body in bodies.items()}, state)

    def code(self, unit: Unit) -> str:
        return "".join(lines_of(self.lines, unit, ""))

    def statement(self, node: ast.stmt, indent: str = "") -> list[str]:
        """Its lines, moved; written anew where it shares them with another statement."""
        own = self.lines[first_line(node) - 1 : node.end_lineno]
        rest = own[-1].encode()[node.end_col_offset or 0 :].strip()
        alone = isinstance(node, Definition) or len(indent_of(own[0])) == node.col_offset
        if not alone or (rest and not rest.startswith(b"#")):
            return [f"{indent}{line}\n" for line in ast.unparse(node).split("\n")]
        return moved(own, [node], first_line(node), indent)

    def item(self, item: Item, indent: str) -> list[str]:
        return lines_of(self.lines, item.unit, indent) if item.unit else self.statement(item.nodes[0], indent)

    def statements(self, nodes: Sequence[ast.stmt]) -> str:
        return "".join(line for node in nodes for line in self.statement(node))


@dataclass(frozen=True, slots=True)
class Item:
    """Something of the donor's that the base lacks: a unit, or else a statement."""

    owner: str
    nodes: tuple[ast.stmt, ...]
    unit: Unit | None = None


@dataclass(slots=True)
class Luggage:
    """All that comes along."""

    items: list[Item] = field(default_factory=list)
    imports: dict[str, None] = field(default_factory=dict)
    """Statements, in the order they were found."""
    late_annotations: bool = False


@lru_cache(maxsize=1024)
def same_meaning(one: str, two: str) -> bool:
    return one == two or fingerprint(one) == fingerprint(two)


def luggage(base: Module, donor: Module, taken: Mapping[str, Unit]) -> Luggage:
    """What `taken` needs, and those of it that the base has no place for yet. Raises SpliceRefused."""
    return _Packing(base, donor, taken).packed()


class _Packing:
    def __init__(self, base: Module, donor: Module, taken: Mapping[str, Unit]) -> None:
        self.base, self.donor = base, donor
        self.come = {*taken}
        self.found = Luggage()
        items = {name: Item(unit.owner, unit.nodes, unit) for name, unit in taken.items()}
        self.queue = deque(item for name, item in items.items() if name in base.units)
        for name, item in items.items():
            if name not in base.units:
                self._add(item)

    def packed(self) -> Luggage:
        while self.queue:
            self._follow(self.queue.popleft())
        self.found.items.sort(key=lambda item: first_line(item.nodes[0]))
        return self.found

    def _follow(self, piece: Item) -> None:
        code = "".join(self.donor.item(piece, ""))
        try:
            wanted = needs(code)
        except SyntaxError as error:
            raise SpliceRefused(f"{code.partition(chr(10))[0]!r} cannot be compiled: {error.msg}.") from error
        owner = piece.owner
        own = {name for name in wanted.early if owner and name in self.donor.scopes[owner]}
        for name in sorted((wanted.early - own) | wanted.late):
            self._need_name(name)
        used = {name for node in piece.nodes for name in members_used(node, owner)} if owner else set()
        for name in sorted(own | used):
            self._need_member(owner, name)
        bases = _bases(self.donor, owner) if owner and "super" in wanted.late else []
        if bases and bases != _bases(self.base, owner):
            raise SpliceRefused(f"It calls super(), and {owner} has other bases in the base.", [owner])
        annotated = any(_is_annotated(inner) for node in piece.nodes for inner in ast.walk(node))
        self.found.late_annotations |= annotated and _late(self.donor) and not _late(self.base)

    def _need_name(self, name: str) -> None:
        theirs, mine = self.donor.scopes[""].get(name), self.base.scopes[""].get(name)
        if name in self.come or name == "__class__":
            return
        if theirs is None:
            self._check_star(name)
        elif mine is None:
            self._bring("", name, theirs)
        else:
            self._check_same(name, mine, theirs)

    def _need_member(self, owner: str, name: str) -> None:
        qualified = f"{owner}.{name}"
        theirs, mine = self.donor.scopes[owner].get(name), self.base.scopes[owner].get(name)
        setters = self.donor.state[owner].get(name, ())
        if qualified in self.come or (not mine and name in self.base.state[owner]):
            return
        if theirs and mine:
            self._check_same(qualified, mine, theirs)
        elif theirs:
            self._bring(owner, name, theirs)
        elif setters and not mine and not self.come & {*setters}:
            raise SpliceRefused(
                f"Nothing in the base sets {name} of {owner}, as {setters[0]} of the donor does.", setters[:1]
            )

    def _check_star(self, name: str) -> None:
        stars = [{ast.unparse(s) for s in module.scopes[""].get("*", ())} for module in (self.donor, self.base)]
        if stars[0] - stars[1] and not hasattr(builtins, name):
            raise SpliceRefused(f"{name} may come from a star import that the base lacks.")

    def _check_same(self, name: str, mine: tuple[ast.stmt, ...], theirs: tuple[ast.stmt, ...]) -> None:
        one, two = self.base.units.get(name), self.donor.units.get(name)
        if one and two:
            self._check_unit(one, two)
        elif all(isinstance(node, ast.Import | ast.ImportFrom) for node in (*mine, *theirs)):
            self._check_imports(name, _imports(mine, name), _imports(theirs, name))
        elif not same_meaning(self.base.statements(mine), self.donor.statements(theirs)):
            raise SpliceRefused(f"Base and donor define {name} differently.")

    def _check_unit(self, one: Unit, two: Unit) -> None:
        if one.is_class != two.is_class:
            raise SpliceRefused(f"{one.name} is a class in one file and a function in the other.")
        if is_private(one.name) and not same_meaning(self.base.code(one), self.donor.code(two)):
            raise SpliceRefused(f"The helper {one.name} has another body in the base.", [one.name])
        if _way_to_call(one) != _way_to_call(two):
            raise SpliceRefused(f"{one.name} is called otherwise in the base.", [one.name])

    def _check_imports(self, name: str, mine: set[str], theirs: set[str]) -> None:
        if theirs <= mine:
            return
        if any(line.startswith("from ") or " as " in line for line in mine | theirs):
            raise SpliceRefused(f"{name} is another import in the base: {min(mine)}, not {min(theirs)}.")
        self.found.imports |= dict.fromkeys(sorted(theirs - mine))

    def _bring(self, owner: str, name: str, statements: tuple[ast.stmt, ...]) -> None:
        if not owner and hasattr(builtins, name):
            raise SpliceRefused(f"The donor's own {name} would hide the built-in one from the base.")
        unit = self.donor.units.get(f"{owner}.{name}".lstrip("."))
        if unit:
            self._add(Item(owner, unit.nodes, unit))
        elif not owner and all(isinstance(node, ast.Import | ast.ImportFrom) for node in statements):
            self.found.imports |= dict.fromkeys(sorted(_imports(statements, name)))
            self.come.add(name)
        else:
            self._check_movable(owner, name, statements)
            for node in statements:
                self._add(Item(owner, (node,)))

    def _check_movable(self, owner: str, name: str, statements: tuple[ast.stmt, ...]) -> None:
        """A statement comes whole or not at all, and what fills a table at import does not come with it."""
        if any(_is_unmovable(node, owner) for node in statements):
            raise SpliceRefused(f"{name} comes from code of the donor that cannot be moved alone.")
        others = {other for node in statements for other in binding([node])} - {name}
        if clash := sorted(others & {*self.base.scopes[owner]}):
            raise SpliceRefused(f"{name} comes in one statement with {clash[0]}, which the base has already.")
        if not owner and any(_acts_on(node, name) for node in self.donor.tree.body):
            raise SpliceRefused(f"Code that runs at import changes {name}.")

    def _add(self, item: Item) -> None:
        if item not in self.found.items:
            self.come.update(f"{item.owner}.{name}".lstrip(".") for name in binding(item.nodes))
            self.found.items.append(item)
            self.queue.append(item)


def _state(owner: str, units: Mapping[str, Unit]) -> Mapping[str, tuple[str, ...]]:
    methods = [unit for unit in units.values() if owner and unit.owner == owner]
    methods.sort(key=lambda unit: unit.short != "__init__")
    pairs = dict.fromkeys((attr, unit.name) for unit in methods for node in unit.nodes for attr in members_set(node))
    return {attr: tuple(name for a, name in pairs if a == attr) for attr, _ in pairs}


def _bases(module: Module, owner: str) -> list[str]:
    node = module.units[owner].nodes[0]
    return [ast.dump(base) for base in node.bases] if isinstance(node, ast.ClassDef) else []


def _late(module: Module) -> bool:
    return any(isinstance(node, ast.ImportFrom) and node.module == "__future__" for node in module.tree.body)


def _is_annotated(node: ast.AST) -> bool:
    match node:
        case ast.arg(annotation=found) | ast.FunctionDef(returns=found) | ast.AsyncFunctionDef(returns=found):
            return found is not None
    return isinstance(node, ast.AnnAssign)


def _imports(statements: Sequence[ast.stmt], name: str) -> set[str]:
    """Each import of one name as a statement of its own."""
    return {line for node in statements for line in _single_imports(node, name)}


def _single_imports(node: ast.stmt, name: str) -> Iterator[str]:
    match node:
        case ast.Import(names=names):
            yield from (ast.unparse(ast.Import([alias])) for alias in names if bound_name(alias) == name)
        case ast.ImportFrom(module, names, level):
            yield from (
                ast.unparse(ast.ImportFrom(module, [alias], level)) for alias in names if bound_name(alias) == name
            )


def _way_to_call(unit: Unit) -> object:
    """Class, coroutine or function; the parameters; what decorators make of it."""
    node = unit.nodes[-1]
    if not isinstance(node, DefNode):
        return "class"
    args = node.args
    parameters = [[a.arg for a in group] for group in (args.posonlyargs, args.args, args.kwonlyargs)]
    stars = [star is not None for star in (args.vararg, args.kwarg)]
    decorators = {dotted(d).rpartition(".")[2] for n in unit.nodes if isinstance(n, DefNode) for d in n.decorator_list}
    return type(node), parameters, stars, decorators & _CALLED_OTHERWISE


def _is_unmovable(node: ast.stmt, owner: str) -> bool:
    """Fields of a class make its constructor; a loop or a main guard is no definition."""
    if owner:
        return not isinstance(node, ast.Assign | Definition) and "ClassVar" not in ast.dump(node)
    movable = ast.Assign | ast.AnnAssign | ast.AugAssign | ast.If | ast.Try | ast.Import | ast.ImportFrom | Definition
    return not isinstance(node, movable) or (isinstance(node, ast.If) and is_main_guard(node.test))


def _acts_on(node: ast.stmt, name: str) -> bool:
    targets = node.targets if isinstance(node, ast.Assign) else []
    acts = isinstance(node, _ACTS) or any(isinstance(target, ast.Subscript | ast.Attribute) for target in targets)
    return acts and any(isinstance(inner, ast.Name) and inner.id == name for inner in ast.walk(node))
