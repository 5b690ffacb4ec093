"""Whether a generated source file may run beside its tests: code that reaches for the test runner is refused.

This catches what a model writes by habit or to look finished. It is no jail: the sandbox is.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from pathlib import PurePosixPath

from nightshift.source.mentions import mentions, origins_of, real_name, run_at_import
from nightshift.source.syntax import (
    DefNode,
    dotted,
    is_literal,
    parse_or_none,
    statements,
    target_names,
    too_deep,
    without_docstring,
)

_RUNNER = {"pytest", "_pytest", "pluggy", "xdist", "pytest_asyncio"}
_EVER_EQUAL = {"__eq__", "__ne__"}
_REACHES = {
    "sys.meta_path": "changes how Python imports",
    "sys.path_hooks": "changes how Python imports",
    "sys.settrace": "watches other code run",
    "sys.setprofile": "watches other code run",
    "sys._getframe": "reads its caller's frames",
    "sys._current_frames": "reads its caller's frames",
    "inspect.stack": "reads its caller's frames",
    "inspect.currentframe": "reads its caller's frames",
    "inspect.getouterframes": "reads its caller's frames",
    "gc.get_objects": "looks through all objects of the process",
    "gc.get_referrers": "looks through all objects of the process",
    "atexit.register": "acts after the tests have ended",
    "os._exit": "ends the process at once",
    "unittest.mock.ANY": "uses a value that equals everything",
    "builtins.__dict__": "changes Python's own names",
}
_FRAME_ATTRIBUTES = {"f_back", "tb_frame"}
_EXITS = {"sys.exit", "os.kill", "os.killpg", "os.abort", "exit", "quit"}
_IMPORTERS = {"__import__", "importlib.import_module", "importlib.__import__", "importlib.util.find_spec"}


def unsafe_source_reason(text: str, path: str) -> str | None:
    """One sentence on why a generated source file must not be used, or None.

    What does not parse cannot run and is left to the check that says so better.
    """
    tree = parse_or_none(text) if path.endswith(".py") else None
    if tree is None:
        return None
    if too_deep(tree):
        return "It is nested far too deeply."
    is_conftest = PurePosixPath(path).name == "conftest.py"
    names = origins_of(tree)
    found = (reason for rule in _RULES for reason in rule(tree, names))
    hooks = _hooks(tree) if is_conftest else iter(())
    allowed = {"pytest"} if is_conftest else set[str]()
    return next((reason for source in (_runner_imports(tree, names, allowed), found, hooks) for reason in source), None)


def _runner_imports(tree: ast.Module, names: dict[str, str], allowed: set[str]) -> Iterator[str]:
    for node in ast.walk(tree):
        for module in _imported(node, names):
            if module.partition(".")[0] in _RUNNER - allowed:
                yield f"It imports {module}, which belongs to the test runner, at line {getattr(node, 'lineno', 0)}."


def _imported(node: ast.AST, names: dict[str, str]) -> list[str]:
    match node:
        case ast.Import(names=aliases):
            return [alias.name for alias in aliases]
        case ast.ImportFrom(module=str(module), level=0):
            return [module]
        case ast.Call(func=func, args=[ast.Constant(value=str(module)), *_]) if real_name(func, names) in _IMPORTERS:
            return [module]
    return []


def _hooks(tree: ast.Module) -> Iterator[str]:
    """In conftest.py, where pytest takes every such name for an order."""
    for node in statements(tree.body):
        bound = [getattr(node, "name", "")] if not isinstance(node, ast.Import | ast.ImportFrom) else []
        bound += [alias.asname or alias.name for alias in getattr(node, "names", []) if isinstance(alias, ast.alias)]
        stored = [] if isinstance(node, DefNode | ast.ClassDef) else target_names(node)
        for name in (*bound, *stored):
            if name.startswith("pytest_"):
                yield f"It defines {name}, which changes how tests are run, at line {node.lineno}."


def _equals_everything(tree: ast.Module, names: dict[str, str]) -> Iterator[str]:
    constant = {node.name for node in ast.walk(tree) if isinstance(node, DefNode) and _answers_constant(node)}
    for node in ast.walk(tree):
        for name, value in _bindings(node):
            if name in _EVER_EQUAL and (_answers_constant(value) or dotted(value) in constant - _EVER_EQUAL):
                line = getattr(value, "lineno", 0)
                yield f"It defines {name} as a constant at line {line}: comparisons would prove nothing."


def _bindings(node: ast.AST) -> Iterator[tuple[str, ast.AST]]:
    match node:
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
            yield name, node
        case ast.Assign(targets=targets, value=value):
            yield from ((getattr(t, "attr", getattr(t, "id", "")), value) for t in targets)
        case ast.Dict(keys=keys, values=values):
            pairs = zip(keys, values, strict=True)
            yield from ((str(key.value), value) for key, value in pairs if isinstance(key, ast.Constant))
        case ast.Call(args=[_, ast.Constant(value=str(name)), value]) if dotted(node.func) == "setattr":
            yield name, value


def _answers_constant(node: ast.AST) -> bool:
    if isinstance(node, ast.Lambda):
        return is_literal(node.body)
    if not isinstance(node, DefNode):
        return False
    returned = [n.value for n in ast.walk(node) if isinstance(n, ast.Return)]
    last = without_docstring(node.body)[-1:]
    literals = {ast.unparse(value) for value in returned if value is not None and is_literal(value)}
    only = len(literals) == 1 and all(value is not None and is_literal(value) for value in returned)
    return only and bool(last) and isinstance(last[0], ast.Return)


def _exits_when_imported(tree: ast.Module, names: dict[str, str]) -> Iterator[str]:
    own = {getattr(node, "name", "") for node in tree.body}
    for node in run_at_import(tree):
        name = ""
        if isinstance(node, ast.Call):
            name = _imported_name(node.func, names)
        elif isinstance(node, ast.Raise) and node.exc:
            name = dotted(node.exc)
        ends = name in _EXITS - own or name.startswith("signal.") or (name == "SystemExit" and type(node) is ast.Raise)
        if ends:
            yield f"It calls {name} when imported, at line {node.lineno}; put that into a function."


def _reaches_out(tree: ast.Module, names: dict[str, str]) -> Iterator[str]:
    for node in ast.walk(tree):
        line = getattr(node, "lineno", 0)
        name = _reached(node, names)
        if name in _REACHES:
            yield f"It uses {name} at line {line}: it {_REACHES[name]}."
        if isinstance(node, ast.Attribute) and node.attr in _FRAME_ATTRIBUTES:
            yield f"It uses {node.attr} at line {line}: it reads the frames of other code."


def _reached(node: ast.AST, names: dict[str, str]) -> str:
    """The full name of a mention, also of one made with `getattr(module, "name")`."""
    match node:
        case ast.Name() | ast.Attribute():
            return _imported_name(node, names)
        case ast.Call(func=ast.Name(id="getattr"), args=[owner, ast.Constant(value=str(attribute)), *_]):
            return f"{_imported_name(owner, names)}.{attribute}"
    return ""


def _imported_name(node: ast.AST, names: dict[str, str]) -> str:
    """Like `real_name`, but empty for attributes of what was not imported: such names are the module's own."""
    name = dotted(node)
    return real_name(node, names) if "." not in name or name.partition(".")[0] in names else ""


def _touches_modules(tree: ast.Module, names: dict[str, str]) -> Iterator[str]:
    """`"x" in sys.modules` and `sys.modules[__name__]` are how ordinary code asks about itself."""
    harmless = {id(part) for node in ast.walk(tree) for part in _asked(node)}
    for node in ast.walk(tree):
        if _reached(node, names) == "sys.modules" and id(node) not in harmless:
            yield f"It touches sys.modules at line {getattr(node, 'lineno', 0)}."


def _asked(node: ast.AST) -> list[ast.expr]:
    match node:
        case ast.Compare(comparators=[right], ops=[ast.In() | ast.NotIn()]):
            return [right]
        case ast.Subscript(value=value, slice=ast.Name(id="__name__"), ctx=ast.Load()):
            return [value]
    return []


def _changes_builtins(tree: ast.Module, names: dict[str, str]) -> Iterator[str]:
    for mention, name in mentions(tree, names):
        changes = isinstance(getattr(mention, "ctx", None), ast.Store | ast.Del)
        if name.partition(".")[0] == "__builtins__" or (changes and name.startswith("builtins.")):
            yield f"It changes Python's own names with {name} at line {mention.lineno}."
    calls = (node for node in ast.walk(tree) if isinstance(node, ast.Call) and node.args)
    for call in calls:
        changer, target = dotted(call.func), _imported_name(call.args[0], names)
        if changer in ("setattr", "delattr", "vars") and target == "builtins" and "builtins" in names.values():
            yield f"It changes Python's own names with {changer} at line {call.lineno}."


_RULES: tuple[Callable[[ast.Module, dict[str, str]], Iterator[str]], ...] = (
    _equals_everything,
    _exits_when_imported,
    _reaches_out,
    _touches_modules,
    _changes_builtins,
)
