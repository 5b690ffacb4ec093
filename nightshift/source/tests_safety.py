"""Whether a generated test file may run at all: tests that bend pytest, hide or prove nothing are refused.

This catches what a model writes by habit. It is no jail: the sandbox is.
"""

from __future__ import annotations

import ast
from collections.abc import Callable

from nightshift.source.mentions import mentions, origins_of, real_name, run_at_import
from nightshift.source.syntax import dotted, parse, statements, too_deep
from nightshift.source.tests_units import units_of

_SKIPS = {
    "pytest.skip", "pytest.xfail", "pytest.importorskip", "pytest.exit",
    "pytest.mark.skip", "pytest.mark.skipif", "pytest.mark.xfail",
    "unittest.skip", "unittest.skipIf", "unittest.skipUnless", "unittest.SkipTest",
    "unittest.expectedFailure",
}  # fmt: skip
_HIDING = {"__test__", "collect_ignore", "collect_ignore_glob"}
_KILLS = {"os._exit", "os.abort", "os.kill", "os.killpg", "signal.raise_signal"}
_EXITS = {"sys.exit", "exit", "quit", "SystemExit"}
_PROTECTED = {"pytest", "_pytest", "unittest", "builtins"}
_ASSERTING = {"raises", "warns", "deprecated_call", "fail"}


def unsafe_test_reason(text: str) -> str | None:
    """One sentence on why a generated test file must not be used, or None."""
    try:
        tree = parse(text)
    except SyntaxError as error:
        return f"It does not parse: {error.msg} at line {error.lineno}."
    if too_deep(tree):
        return "It is nested far too deeply."
    names = origins_of(tree)
    return next((reason for rule in _RULES if (reason := rule(tree, names))), None)


def _no_tests(tree: ast.Module, names: dict[str, str]) -> str | None:
    return None if units_of(tree) else "It contains no test."


def _asserts_nothing(tree: ast.Module, names: dict[str, str]) -> str | None:
    for node in ast.walk(tree):
        called = dotted(node.func).rpartition(".")[2] if isinstance(node, ast.Call) else ""
        if isinstance(node, ast.Assert) or called in _ASSERTING or called.startswith(("assert", "fail")):
            return None
    return "It asserts nothing."


def _skips(tree: ast.Module, names: dict[str, str]) -> str | None:
    for node, name in mentions(tree, names):
        if name in _SKIPS or name.endswith(".skipTest"):
            return f"It skips or excuses tests with {name} at line {node.lineno}."
    for node, name in mentions(tree, names):
        if name.rpartition(".")[2] in _HIDING and isinstance(getattr(node, "ctx", None), ast.Store):
            return f"It hides tests with {name} at line {node.lineno}."
    return None


def _ends_the_process(tree: ast.Module, names: dict[str, str]) -> str | None:
    for node, name in mentions(tree, names):
        if name in _KILLS:
            return f"It ends the test process with {name} at line {node.lineno}."
    for part in run_at_import(tree):
        name = real_name(part, names) if isinstance(part, ast.Name | ast.Attribute) else ""
        if name in _EXITS:
            return f"It ends the test process with {name} when imported, at line {part.lineno}."
    return None


def _touches_modules(tree: ast.Module, names: dict[str, str]) -> str | None:
    """Looking into sys.modules with `in` is harmless; everything else may change it."""
    asked = {
        id(right)
        for node in ast.walk(tree)
        if isinstance(node, ast.Compare)
        for right, operator in zip(node.comparators, node.ops, strict=True)
        if isinstance(operator, ast.In | ast.NotIn)
    }
    for node, name in mentions(tree, names):
        if name == "sys.modules" and id(node) not in asked:
            return f"It modifies sys.modules at line {node.lineno}."
    texts = (node for node in ast.walk(tree) if isinstance(node, ast.Constant) and node.value == "sys.modules")
    return next((f"It modifies sys.modules at line {text.lineno}." for text in texts), None)


def _bends_pytest(tree: ast.Module, names: dict[str, str]) -> str | None:
    for node, name in mentions(tree, names):
        changes = isinstance(getattr(node, "ctx", None), ast.Store | ast.Del) and "." in name
        if name.startswith("_pytest") or (changes and name.partition(".")[0] in _PROTECTED):
            return f"It changes {name} at line {node.lineno}."
    for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
        setter = dotted(call.func).rpartition(".")[2] in ("setattr", "delattr", "patch", "object")
        target = real_name(call.args[0], names) if call.args else ""
        text = call.args[0].value if call.args and isinstance(call.args[0], ast.Constant) else ""
        owner = (target or str(text)).partition(".")[0]
        if setter and owner in {"pytest", "_pytest", "unittest"}:
            return f"It changes {owner} at line {call.lineno}."
    return None


def _defines_hooks(tree: ast.Module, names: dict[str, str]) -> str | None:
    for node in statements(tree.body):
        name = getattr(node, "name", "")
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and name.startswith("pytest_"):
            return f"It defines the pytest hook {name} at line {node.lineno}."
    for mention, name in mentions(tree, names):
        if name.startswith("pytest_") and isinstance(getattr(mention, "ctx", None), ast.Store):
            return f"It sets {name} at line {mention.lineno}."
    return None


_RULES: tuple[Callable[[ast.Module, dict[str, str]], str | None], ...] = (
    _no_tests,
    _asserts_nothing,
    _skips,
    _ends_the_process,
    _touches_modules,
    _bends_pytest,
    _defines_hooks,
)
