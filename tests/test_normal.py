"""Which texts are one program: what the fingerprint sees and what it does not."""

from __future__ import annotations

import ast
import dis
import doctest
import symtable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nightshift.source import normal
from nightshift.source.normal import fingerprint

SAME = {
    "comments and layout": ("x = (1 +  2)  # three\n", "\n\nx = 1 + 2\n"),
    "docstrings": ('def f():\n    """Says."""\n    return 1', "def f(): return 1"),
    "a docstring for a body": ('class A:\n    """Empty."""', "class A: pass"),
    "annotations": ("def f(a: int, *b: str) -> int:\n    c: int = a\n    return c", "def f(a, *b):\n    c = a\n    return c"),
    "typing imports that only annotations need": (
        "from __future__ import annotations\nfrom typing import Optional\ndef f(a: Optional[int]): return a",
        "def f(a: int | None): return a",
    ),
    "blocks for type checkers": (
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import os\nx = 1",
        "x = 1",
    ),
    "types of fields": ("class A:\n    x: int = 0", "class A:\n    x: float = 0"),
    "local variables": ("def f(a):\n    b = a\n    return b", "def f(a):\n    c = a\n    return c"),
    "targets of loops and comprehensions": (
        "def f(a):\n    for i in a:\n        yield [x for x in i if x]",
        "def f(a):\n    for row in a:\n        yield [cell for cell in row if cell]",
    ),
    "a comprehension of a module": ("x = {k: v for k, v in y}", "x = {a: b for a, b in y}"),
    "parameters of a lambda": ("f(key=lambda pair: pair[0])", "f(key=lambda x: x[0])"),
    "names of handlers, with and match": (
        "def f(a):\n    try:\n        with a as b: g(b)\n    except E as e:\n        match e:\n            case [x, *y, {'k': z, **r}] as w: return x, y, z, r, w",
        "def f(a):\n    try:\n        with a as h: g(h)\n    except E as oh:\n        match oh:\n            case [p, *q, {'k': s, **t}] as u: return p, q, s, t, u",
    ),
    "what closures share": (
        "def f():\n    n = 0\n    def g():\n        nonlocal n\n        n += 1\n        return n\n    return g",
        "def f():\n    count = 0\n    def g():\n        nonlocal count\n        count += 1\n        return count\n    return g",
    ),
    "walrus": ("def f(a): return [y for x in a if (y := g(x))], y", "def f(a): return [n for m in a if (n := g(m))], n"),
}  # fmt: skip
OTHER = {
    "values": ("x = 1", "x = 2"),
    "1 and 1.0": ("x = 1", "x = 1.0"),
    "parameters, which callers name": ("def f(a): return a", "def f(b): return b"),
    "names of a module": ("x = 1", "y = 1"),
    "attributes": ("def f(a): return a.x", "def f(a): return a.y"),
    "names of functions": ("def f(): pass", "def g(): pass"),
    "which parameter is bound again": ("def f(a, b):\n    a = 1\n    return a", "def f(a, b):\n    b = 1\n    return b"),
    "swapped locals": ("def f(a):\n    b, c = a\n    return b", "def f(a):\n    b, c = a\n    return c"),
    "a local and a global": ("def f(a):\n    b = a\n    return b", "def f(a):\n    b = a\n    return c"),
    "a declared global": ("def f():\n    global n\n    n = 1", "def f():\n    global m\n    m = 1"),
    "where locals can be seen": ("def f():\n    a = 1\n    return locals()", "def f():\n    b = 1\n    return locals()"),
    "a field and a constant of a class": ("class A:\n    x: int = 0", "class A:\n    x = 0"),
    "a field and a variable of the class": (
        "class A:\n    x: int = 0",
        "class A:\n    x: ClassVar[int] = 0",
    ),
    "annotations that dispatch": (
        "@f.register\ndef _(a: int): pass",
        "@f.register\ndef _(a: str): pass",
    ),
    "a name of the class and one of the function": (
        "def f():\n    x = 1\n    class A:\n        x = 2\n        def g(self): return x",
        "def f():\n    x = 1\n    class A:\n        y = 2\n        def g(self): return x",
    ),
    "the iterable of a comprehension": ("def f(x): return [x for x in x]", "def f(x): return [y for y in y]"),
}  # fmt: skip


@pytest.mark.parametrize("one, other", SAME.values(), ids=SAME)
def test_one_program_has_one_fingerprint(one: str, other: str) -> None:
    assert fingerprint(one) == fingerprint(other) != one


@pytest.mark.parametrize("one, other", OTHER.values(), ids=OTHER)
def test_what_others_can_see_or_running_can_tell_counts(one: str, other: str) -> None:
    assert fingerprint(one) != fingerprint(other)


@pytest.mark.parametrize(
    "text",
    ["def f(:", "x = \0", "x = " + "(" * 400 + ")" * 400, "x = " + "-" * 500 + "1", f"x = {1 << 20_000:#x}"],
    ids=str.__len__,
)
def test_what_does_not_parse_or_nests_absurdly_is_its_own_fingerprint(text: str) -> None:
    assert fingerprint(text) == text


def test_the_example_holds() -> None:
    assert doctest.testmod(normal).failed == 0


NAMES = st.sampled_from(["a", "b", "c", "d", "e"])


@st.composite
def bodies(draw: st.DrawFn, depth: int = 0) -> str:
    """Statements of a function over a handful of names, indented by four."""
    one, two, three = draw(NAMES), draw(NAMES), draw(NAMES)
    forms = [
        f"{one} = {two} + p",
        f"for {one} in {two}: {three} = [{one} for {one} in {two} if {three}]",
        f"{one} = lambda {two}: {two} + {three}",
        f"with g({one}) as {two}: print({three}, q.{one})",
        f"try: {one} = 1\nexcept E as {two}: {three} = {two}",
        f"{one} = {{{two}: p for {two}, {three} in {one}.items()}}",
        f"def g({one}):\n    {two} = {three} = {one}\n    return {two}",
        f"class K:\n    {one} = {two}\n    def m(self): return {three}",
        f"return {one}, {two}",
    ]
    lines = draw(st.lists(st.sampled_from(forms), min_size=1, max_size=4))
    return "\n".join(lines)


def locals_of(text: str) -> set[str]:
    """As the compiler sees them: local names of f that no scope inside means anything else by."""
    function = symtable.symtable(text, "t", "exec").get_children()[0]
    inside = [symbol.get_name() for table in function.get_children() for symbol in table.get_symbols()]
    own = {
        s.get_name() for s in function.get_symbols() if s.is_local() and not s.is_parameter() and not s.is_imported()
    }
    return {name for name in own if name not in inside and name not in ("g", "K")}


@settings(deadline=None, max_examples=40)
@given(bodies())
def test_renaming_locals_as_the_compiler_knows_them_changes_nothing(body: str) -> None:
    text = "def f(p, q):\n" + "\n".join("    " + line for line in body.split("\n"))
    tree = ast.parse(text)
    names = locals_of(text)
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and node.id in names:
            node.id += "_new"
        elif isinstance(node, ast.ExceptHandler) and node.name in names:
            node.name = f"{node.name}_new"
    renamed = ast.unparse(tree)
    assert fingerprint(renamed) == fingerprint(text)


@settings(deadline=None, max_examples=40)
@given(bodies(), NAMES, NAMES)
def test_texts_of_one_fingerprint_have_the_same_bytecode(body: str, one: str, other: str) -> None:
    """Swapping two names everywhere keeps the fingerprint only where both are the function's own."""
    text = "def f(p, q):\n" + "\n".join("    " + line for line in body.split("\n"))
    tree = ast.parse(text)
    swap = {one: other, other: one}
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            node.id = swap.get(node.id, node.id)
    changed = ast.unparse(tree)
    if fingerprint(changed) == fingerprint(text):
        assert code_of(changed) == code_of(text)


def code_of(text: str) -> object:
    """What is run: variables by the order in which they occur, globals and attributes by name."""
    code = compile(ast.unparse(ast.parse(text)), "t", "exec").co_consts[0]
    order: dict[object, int] = {}
    # Cells are made in the order of their names, which says nothing.
    run = [i for i in dis.get_instructions(code) if i.opname not in ("MAKE_CELL", "LOAD_CLOSURE")]
    return [
        (i.opname, order.setdefault(i.argval, len(order)) if i.opname.endswith(("_FAST", "_DEREF")) else None)
        for i in run
    ], code.co_names
