"""Whether a test file suits the oracle: read from its text alone, so that the code under test has no say in it.

A file suits when all that it does with the project can be done from another process. What is not known to work
is a reason not to try: then the file is judged cold, which is weaker and is reported as such.
"""

from __future__ import annotations

import ast
import builtins
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from pathlib import PurePosixPath

LIBRARY = frozenset({
    "__future__", "abc", "base64", "bisect", "calendar", "collections", "contextlib", "copy", "csv", "dataclasses",
    "datetime", "decimal", "enum", "fractions", "functools", "hashlib", "heapq", "io", "itertools", "json", "math",
    "numbers", "operator", "os", "pathlib", "pprint", "pytest", "random", "re", "shutil", "statistics",
    "string", "sys", "tempfile", "textwrap", "time", "types", "typing", "unittest", "uuid", "zoneinfo",
})  # fmt: skip
"""What a test may import besides the project: nothing here looks into another module or starts a process."""
OF_MODULE = {
    "sys": {"path", "maxsize", "float_info", "version_info", "platform"},
    "dataclasses": {"dataclass", "field", "FrozenInstanceError"},
    "unittest.mock": {"Mock", "MagicMock", "ANY", "call", "sentinel"},
    "random": {"Random", "randint", "choice", "random", "sample", "uniform", "shuffle", "randrange", "choices",
               "seed"},
    "types": {"SimpleNamespace", "MappingProxyType", "GeneratorType"},
    "pytest": {"raises", "mark", "fixture", "approx", "param", "fail", "importorskip", "main", "skip", "xfail"},
}  # fmt: skip
"""Modules of which only a part works from outside."""
FIXTURES = frozenset({
    "caplog", "capfd", "capfdbinary", "capsysbinary", "recwarn", "pytester", "testdir", "doctest_namespace", "mocker",
    "record_property", "pytestconfig", "cache",
})  # fmt: skip
NAMES = frozenset({
    "eval", "exec", "compile", "__import__", "globals", "locals", "breakpoint", "input", "vars", "dir",
    "patch", "create_autospec", "pytest_plugins",
})  # fmt: skip
ATTRIBUTES = frozenset({
    "__mro__", "__bases__", "__subclasses__", "__context__", "__code__", "__globals__", "__closure__", "__func__",
    "__self__", "__wrapped__", "__traceback__", "__dict__", "tb", "traceback", "patch", "assertWarns", "assertLogs",
    "system", "popen", "fork", "environ",
})  # fmt: skip
MONKEYPATCH = frozenset({"setenv", "delenv", "chdir"})
KINDS = frozenset({
    "int", "float", "str", "bool", "bytes", "bytearray", "list", "tuple", "dict", "set", "frozenset", "complex",
    "object", "type", "date", "datetime", "timedelta", "time", "Decimal", "Fraction", "UUID", "Path", "PurePath",
    "PosixPath", "Mapping", "Sequence", "Iterable", "Iterator", "Callable", "Generator", "GeneratorType", "Hashable",
    "Sized", "Container", "Collection", "deque", "OrderedDict", "Counter", "defaultdict", "range", "NoneType", "Number",
    "Real",
})  # fmt: skip
"""What `isinstance` may ask for, besides the project's classes and exceptions."""
SCRATCH = ("tmp_path", "tmpdir", "tempfile")
FILE_CALLS = frozenset({"open", "exists", "isfile", "remove", "unlink", "listdir", "makedirs", "rmtree"})
PATH_METHODS = frozenset({
    "exists", "is_file", "is_dir", "read_text", "write_text", "read_bytes", "write_bytes", "unlink", "open", "iterdir",
    "mkdir", "rmdir", "touch", "glob", "rglob", "stat", "resolve", "absolute",
})  # fmt: skip


MANY = 5000


@dataclass(slots=True)
class File:
    """A test file as the rules see it."""

    tree: ast.Module
    modules: Collection[str]
    """Names of the project's modules."""
    project: set[str] = field(default_factory=set)
    """Local names that come from the project."""
    others: set[str] = field(default_factory=lambda: {*vars(builtins)})
    """Names that are known not to."""

    def __post_init__(self) -> None:
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                own = [alias for alias in node.names if self.owns(alias.name)]
                self.project |= {alias.asname or alias.name.partition(".")[0] for alias in own}
            if isinstance(node, ast.ImportFrom) and (node.level or self.owns(node.module or "")):
                self.project |= {alias.asname or alias.name for alias in node.names}
            elif isinstance(node, (ast.Import, ast.ImportFrom)):
                self.others |= {alias.asname or alias.name.partition(".")[0] for alias in node.names}
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
                self.others.add(node.name)
            if isinstance(node, ast.arg):
                self.others.add(node.arg)
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                self.others.add(node.id)

    def owns(self, module: str) -> bool:
        return module in self.modules

    def defines(self, node: ast.expr) -> bool:
        classes = {each.name for each in ast.walk(self.tree) if isinstance(each, ast.ClassDef)}
        return isinstance(node, ast.Name) and node.id in classes

    def of_project(self, node: ast.expr) -> bool:
        while isinstance(node, (ast.Attribute, ast.Subscript, ast.Call)):
            node = node.func if isinstance(node, ast.Call) else node.value
        starred = "*" in self.project and "*" not in self.others  # all that is not known otherwise
        return isinstance(node, ast.Name) and (node.id in self.project or (starred and node.id not in self.others))


Rule = Callable[[ast.AST, File], str]


def unsuited(text: str, modules: Collection[str]) -> str:
    """Why the file cannot be judged by the oracle; empty when it can."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError):
        return "it does not parse"
    file = File(tree, modules)
    reasons = (reason for node in ast.walk(tree) for rule in RULES if (reason := rule(node, file)))
    return next(reasons, "")


def needs_scratch(text: str) -> bool:
    """Whether it writes temporary files, which the code must see as well."""
    return any(word in text for word in SCRATCH)


def imports(node: ast.AST, file: File) -> str:
    for module, names in imported(node):
        known = file.owns(module) or (module.partition(".")[0] in LIBRARY and not file.owns(module.partition(".")[0]))
        if not known:
            return f"it imports {module}"
        unknown = set(names) - OF_MODULE[module] if module in OF_MODULE else set()
        if unknown:
            return f"it uses {module}.{min(unknown)}"
    return ""


def imported(node: ast.AST) -> Iterator[tuple[str, list[str]]]:
    if isinstance(node, ast.Import):
        yield from ((alias.name, []) for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        yield ("." * node.level + (node.module or ""), [alias.name for alias in node.names])


def parts_of_modules(node: ast.AST, file: File) -> str:
    """`module.part`, for the modules of which only a part works."""
    if not isinstance(node, ast.Attribute) or not isinstance(node.value, ast.Name) or node.value.id in file.project:
        return ""
    known = OF_MODULE.get(node.value.id) or (OF_MODULE["unittest.mock"] if node.value.id == "mock" else None)
    return f"it uses {node.value.id}.{node.attr}" if known and node.attr not in known else ""


def names(node: ast.AST, file: File) -> str:
    if isinstance(node, ast.Name) and node.id in NAMES and node.id not in file.project:
        return f"it uses {node.id}"
    return ""


def attributes(node: ast.AST, file: File) -> str:
    if not isinstance(node, ast.Attribute) or node.attr not in ATTRIBUTES:
        return ""
    own = not node.attr.startswith("__") and file.of_project(node.value)
    return "" if own else f"it uses .{node.attr}"


def fixtures(node: ast.AST, _: File) -> str:
    if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
        return ""
    used = {argument.arg for argument in (*node.args.args, *node.args.kwonlyargs)} & FIXTURES
    return f"it uses the fixture {min(used)}" if used else ""


def monkeypatching(node: ast.AST, _: File) -> str:
    patches = isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "monkeypatch"
    return f"it uses monkeypatch.{node.attr}" if patches and node.attr not in MONKEYPATCH else ""  # type: ignore[attr-defined]


def subclassing(node: ast.AST, file: File) -> str:
    if isinstance(node, ast.ClassDef) and any(file.of_project(base) for base in node.bases):
        return f"{node.name} is a subclass of a class of the project"
    return ""


def concurrency(node: ast.AST, _: File) -> str:
    asynchronous = (ast.AsyncFunctionDef, ast.Await, ast.AsyncFor, ast.AsyncWith)
    return "it is asynchronous" if isinstance(node, asynchronous) else ""


def kinds(node: ast.AST, file: File) -> str:
    if not isinstance(node, ast.Call) or not isinstance(node.func, (ast.Name, ast.Attribute)):
        return ""
    function = node.func.id if isinstance(node.func, ast.Name) else node.func.attr
    position = {"isinstance": 1, "assertIsInstance": 1, "issubclass": 1}.get(function)
    if position is None or len(node.args) <= position:
        return ""
    wanted = node.args[position]
    asked = wanted.elts if isinstance(wanted, ast.Tuple) else [wanted]
    strange = [kind for kind in asked if not (file.of_project(kind) or known_kind(kind) or file.defines(kind))]
    if strange or (function == "issubclass" and not all(map(file.of_project, asked))):
        return f"it asks {function} for {ast.unparse(wanted)}"
    return ""


def known_kind(node: ast.expr) -> bool:
    name = node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
    if isinstance(node, ast.Call):  # type(None), type(x)
        return True
    return name in KINDS or name.endswith(("Error", "Exception", "Exit", "Warning"))


def files(node: ast.AST, _: File) -> str:
    """A relative path means one file here and another one there; source is not there at all."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.endswith((".py", ".pyc")):
        return f"it names the file {node.value[:80]}"
    if not isinstance(node, ast.Call) or not node.args or not isinstance(node.args[0], ast.Constant):
        return ""
    path = node.args[0].value
    if isinstance(path, str) and not PurePosixPath(path).is_absolute() and touches_files(node.func):
        return f"it uses the file {path[:80]}"
    return ""


def touches_files(function: ast.expr) -> bool:
    if isinstance(function, ast.Name):
        return function.id in FILE_CALLS
    return isinstance(function, ast.Attribute) and ast.unparse(function.value) in ("os", "os.path", "shutil", "path")


def chained_files(node: ast.AST, _: File) -> str:
    """`Path("relative").read_text()`"""
    if not isinstance(node, ast.Attribute) or node.attr not in PATH_METHODS or not isinstance(node.value, ast.Call):
        return ""
    made = node.value
    named = isinstance(made.func, ast.Name) and made.func.id == "Path" and made.args
    constant = bool(named) and isinstance(made.args[0], ast.Constant)
    return f"it uses the file {ast.unparse(made.args[0])[:80]}" if constant else ""


def long_loops(node: ast.AST, _: File) -> str:
    """Each step of a loop is a question to another process; so many take longer than a test may."""
    loops = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "range"
    numbers = [n.value for n in ast.walk(node) if isinstance(n, ast.Constant)] if loops else []
    large = [n for n in numbers if isinstance(n, int) and n >= MANY]
    powers = [n for n in ast.walk(node) if isinstance(n, ast.BinOp) and isinstance(n.op, ast.Pow)] if loops else []
    return "it asks too often" if large or powers else ""


def specs(node: ast.AST, file: File) -> str:
    """A mock in the likeness of a class looks into it."""
    if not isinstance(node, ast.keyword) or node.arg not in ("spec", "spec_set", "autospec", "wraps"):
        return ""
    return "it makes a mock in the likeness of the project" if file.of_project(node.value) else ""


RULES: tuple[Rule, ...] = (
    imports, parts_of_modules, names, attributes, fixtures, monkeypatching, subclassing, concurrency, kinds, files,
    chained_files, long_loops, specs,
)  # fmt: skip
