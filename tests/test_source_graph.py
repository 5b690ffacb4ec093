"""The import graph: who loads whom, who uses which name, and in what order to build."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nightshift.source.graph import (
    affected,
    import_graph,
    module_name,
    project_imports_missing,
    shadows_stdlib,
    third_party,
    topological,
)

PACKAGE = {
    "pkg/__init__.py": "from .models import Task\n__version__ = '1'\n",
    "pkg/models.py": "from dataclasses import dataclass\nLIMIT = 3\n@dataclass\nclass Task:\n    id: int\n",
    "pkg/storage.py": "from .models import Task, LIMIT as MAX\ndef load(): ...\n",
    "pkg/sub/__init__.py": "",
    "pkg/sub/deep.py": "from ..models import Task\nfrom .. import storage\nstorage.load()\n",
    "app.py": "import pkg.storage as s\nfrom pkg import Task\n\ndef main():\n    from pkg.sub import deep\n    s.load()\n",
    "tests/test_app.py": "import app\nimport helpers\n",
    "tests/helpers.py": "try:\n    from pkg.models import *\nexcept ImportError:\n    pass\n",
    "broken.py": "import app\ndef (\n",
    "notes.md": "import app\n",
}


def test_direct_imports_include_the_packages_on_the_way() -> None:
    graph = import_graph(PACKAGE)
    assert {path: set(graph.imports(path)) for path in PACKAGE} == {
        "pkg/__init__.py": {"pkg/models.py"},
        "pkg/models.py": set(),
        "pkg/storage.py": {"pkg/__init__.py", "pkg/models.py"},
        "pkg/sub/__init__.py": set(),
        "pkg/sub/deep.py": {"pkg/__init__.py", "pkg/models.py", "pkg/storage.py"},
        "app.py": {"pkg/__init__.py", "pkg/storage.py", "pkg/sub/__init__.py", "pkg/sub/deep.py"},
        "tests/test_app.py": {"app.py", "tests/helpers.py"},
        "tests/helpers.py": {"pkg/__init__.py", "pkg/models.py"},
        "broken.py": set(),
        "notes.md": set(),
    }
    assert graph.dependents("pkg/storage.py") == {"pkg/sub/deep.py", "app.py"}
    assert "pkg/models.py" in graph.reach("tests/test_app.py")
    assert graph.all_dependents("pkg/storage.py") == {"pkg/sub/deep.py", "app.py", "tests/test_app.py"}
    assert graph.imports("unknown.py") == graph.dependents("unknown.py") == frozenset()


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("from m import f", {"f"}),
        ("from m import f as g, h", {"f", "h"}),
        ("import m\nm.f()\nprint(m.g.x)", {"f", "g"}),
        ("import m as n\nn.f", {"f"}),
        ("import m", set()),
        ("def go():\n    import m\n    m.f()", {"f"}),
        ("import m\nprint(m)", None),
        ("import m\nsetattr(m, 'f', 1)", None),
        ("import m\nx = m\nx.f()", None),
        ("from m import *", None),
        ("import importlib\nx = importlib.import_module('m')", None),
        ("if TYPE_CHECKING:\n    from m import f", {"f"}),
        ("try:\n    from m import f\nexcept ImportError:\n    f = None", {"f"}),
        ("from . import m\nm.f", {"f"}),
        ("from .m import f", {"f"}),
        ("from re import m", set()),
        ("m = 1\nm.f", set()),
        ("'import m'", set()),
        ("from hub import f", {"f"}),
        ("from hub import h", {"g"}),
        ("import hub\nhub.f", {"f"}),
        ("import hub\nhub.m.f", set()),
        ("from star import f", {"f"}),
    ],
)  # fmt: skip
def test_names_used_of_a_module(text: str, names: set[str] | None) -> None:
    texts = {
        "m.py": "def f(): ...\ndef g(): ...\n",
        "hub.py": "from m import f\nfrom m import g as h\n",
        "star.py": "from m import *\n",
        "user.py": text,
    }
    assert import_graph(texts).names_used("user.py", of="m.py") == names


def test_src_layout_is_imported_by_either_name() -> None:
    texts = {
        "src/pkg/__init__.py": "",
        "src/pkg/a.py": "",
        "tests/test_a.py": "import pkg.a\n",
        "b.py": "from src.pkg import a",
    }
    graph = import_graph(texts)
    assert graph.imports("tests/test_a.py") == graph.imports("b.py") == {"src/pkg/__init__.py", "src/pkg/a.py"}


def test_foreign_modules_with_the_same_last_name_are_not_the_projects() -> None:
    texts = {"models.py": "class User: ...\n", "app.py": "from django.db import models\nmodels.User\n"}
    assert import_graph(texts).imports("app.py") == frozenset()
    assert project_imports_missing(texts, "app.py") == ()


def test_a_neighbour_does_not_hide_the_standard_library() -> None:
    texts = {"tools/json.py": "", "tools/app.py": "import json\nimport near\n", "tools/near.py": ""}
    assert import_graph(texts).imports("tools/app.py") == {"tools/near.py"}


def test_circles_are_allowed() -> None:
    graph = import_graph({"a.py": "import b", "b.py": "import c", "c.py": "import a"})
    assert graph.reach("a.py") == {"a.py", "b.py", "c.py"}
    assert affected({"a.py": "from b import x", "b.py": "from a import y\nx = 1"}, {"a.py": {"y"}}) == ("b.py",)


def test_what_is_needed_through_a_file_that_is_not_affected_comes_first_too() -> None:
    texts = {
        "a.py": "from m import f\nimport b, between",
        "between.py": "import c",
        "b.py": "from m import f",
        "c.py": "from m import f",
        "m.py": "f = 1",
    }
    assert affected(texts, {"m.py": {"f"}}) == ("b.py", "c.py", "a.py")


@pytest.mark.parametrize(
    ("changed", "hit"),
    [
        ({"pkg/models.py": {"LIMIT"}}, ("pkg/storage.py", "tests/helpers.py")),
        ({"pkg/models.py": {"Task"}}, ("pkg/__init__.py", "pkg/storage.py", "pkg/sub/deep.py", "app.py", "tests/helpers.py")),
        ({"pkg/storage.py": {"load"}}, ("pkg/sub/deep.py", "app.py")),
        ({"pkg/storage.py": {"other"}}, ()),
        ({"pkg/models.py": set()}, ()),
        ({"unknown.py": {"x"}}, ()),
    ],
)  # fmt: skip
def test_only_users_of_a_changed_name_are_affected_what_they_need_first(changed: dict, hit: tuple) -> None:
    assert affected(PACKAGE, changed) == hit


def test_topological_layers_hold_what_can_be_built_at_once() -> None:
    edges = {"app": ["storage", "models"], "storage": ["models", "elsewhere"], "cli": ["models"]}
    assert topological(["app", "cli", "storage", "models"], edges) == [["models"], ["cli", "storage"], ["app"]]
    assert topological([], {}) == []


def test_a_circle_among_steps_is_named() -> None:
    with pytest.raises(ValueError, match=r"a -> b -> c -> a|b -> c -> a -> b|c -> a -> b -> c"):
        topological(["a", "b", "c"], {"a": ["b"], "b": ["c"], "c": ["a"]})


@pytest.mark.parametrize(
    ("text", "missing"),
    [
        ("from m import f, C, X, Y, loop, w, T", ()),
        ("from m import g", ("m.g",)),
        ("from m import *", ()),
        ("import m.sub", ("m.sub",)),
        ("from pkg import mod, name", ()),
        ("from pkg import nothing", ("pkg.nothing",)),
        ("from pkg.nowhere import x", ("pkg.nowhere",)),
        ("from .m import g", ("m.g",)),
        ("from . import nowhere", ("nowhere",)),
        ("try:\n    from m import g\nexcept ImportError:\n    g = None", ()),
        ("try:\n    from m import g\nexcept ValueError:\n    g = None", ("m.g",)),
        ("def late():\n    from m import g", ("m.g",)),
        ("from broken import x", ()),
        ("from dynamic import x", ()),
        ("from starry import x", ()),
        ("from flask import x", ()),
        ("from m import __name__", ()),
    ],
)
def test_imports_of_names_the_project_does_not_have(text: str, missing: tuple[str, ...]) -> None:
    texts = {
        "m.py": "def f(): ...\nclass C: ...\nX: int = 1\ntry:\n    Y = 1\nfinally:\n    pass\n"
        "for loop in []:\n    pass\nwith open('x') as w:\n    pass\ndef setup():\n    global T\n    T = 1\n    inner = 2\n",
        "pkg/__init__.py": "name = 1\n",
        "pkg/mod.py": "",
        "broken.py": "def (",
        "dynamic.py": "def __getattr__(name): ...\n",
        "starry.py": "from m import *\n",
        "user.py": text,
    }
    assert project_imports_missing(texts, "user.py") == missing


def test_third_party_imports_are_those_that_must_be_installed() -> None:
    texts = {
        "app.py": "import os, sys\nimport flask.views\nfrom yaml import load\nfrom pkg import a\nfrom . import b\nimport __future__",
        "pkg/a.py": "import requests as r\ntry:\n    import ujson\nexcept ImportError:\n    pass\n",
        "tests/test_a.py": "import helpers, pytest\n",
        "tests/helpers.py": "'import numpy'",
    }
    assert third_party(texts) == {"flask", "yaml", "requests", "pytest"}


@pytest.mark.parametrize(
    ("path", "shadows"),
    [
        ("queue.py", True), ("src/queue.py", True), ("json/__init__.py", True), ("logging/app.py", True),
        ("src/types/x.py", True), ("pytest.py", True), ("_pytest/x.py", True),
        ("py.py", True), ("pluggy/x.py", True), ("iniconfig.py", True), ("src/packaging/version.py", True),
        ("pygments/lexer.py", True), ("pkg/packaging.py", False), ("pyx.py", False), ("packaging/logo.svg", False),
        ("conftest.py", False), ("pkg/queue.py", False), ("queues.py", False), ("src/pkg/json.py", False),
        ("html/index.html", False), ("test_queue.py", False),
    ],
)  # fmt: skip
def test_modules_that_would_hide_pythons_own_or_what_pytest_needs(path: str, shadows: bool) -> None:
    assert shadows_stdlib(path) is shadows


@pytest.mark.parametrize(
    ("path", "name"),
    [("a.py", "a"), ("pkg/a.py", "pkg.a"), ("pkg/__init__.py", "pkg"), ("src/pkg/a.py", "pkg.a"), ("src.py", "src")],
)
def test_module_names(path: str, name: str) -> None:
    assert module_name(path) == name


# Any project


@st.composite
def projects(draw: st.DrawFn) -> tuple[dict[str, str], dict[str, set[str]]]:
    """Files of a generated project, and what each imports, told by the generator itself."""
    folders = {"": [], "pkg": ["pkg/__init__.py"], "pkg/sub": ["pkg/__init__.py", "pkg/sub/__init__.py"]}
    paths = draw(st.lists(st.sampled_from(
        [f"{folder}/{name}.py".lstrip("/") for folder in folders for name in ("one", "two", "three")]
    ), min_size=1, max_size=7, unique=True))  # fmt: skip
    inits = {init for path in paths for init in folders[path.rpartition("/")[0]]}
    texts, expected = dict.fromkeys(inits, ""), {init: set() for init in inits}
    for path in paths:
        lines, wanted = [], set()
        for target in draw(st.lists(st.sampled_from(paths), max_size=4)):
            lines.append(draw(st.sampled_from(import_lines(path, target))))
            wanted |= {target, *folders[target.rpartition("/")[0]]}
        texts[path], expected[path] = "\n".join(lines), wanted - {path}
    return texts, expected


def import_lines(path: str, target: str) -> list[str]:
    module = target.removesuffix(".py").replace("/", ".")
    parent, _, last = module.rpartition(".")
    lines = [f"import {module}", f"import {module} as x", f"from {module} import y", f"from {module} import *",
             f"def f():\n    import {module}", f"if TYPE_CHECKING:\n    import {module}"]  # fmt: skip
    if parent:
        lines += [f"from {parent} import {last}", f"from {parent} import ({last} as z)"]
    if path.startswith("pkg/") and target.startswith("pkg/"):
        up = "." * len(path.split("/")[:-1])
        below = module.removeprefix("pkg.")
        lines += [f"from {up}{below} import y"]
        if "." not in below:
            lines += [f"from {up} import {below}"]
    return lines


@settings(deadline=None, max_examples=150)
@given(projects())
def test_the_graph_agrees_with_brute_force(project: tuple[dict[str, str], dict[str, set[str]]]) -> None:
    texts, expected = project
    graph = import_graph(texts)
    assert {path: set(graph.imports(path)) for path in texts} == expected
    for path in texts:
        reach = set(expected[path])
        for _ in texts:
            reach |= {far for near in reach for far in expected[near]}
        assert graph.reach(path) == reach
        assert graph.dependents(path) == {other for other in texts if path in expected[other]}
        assert graph.all_dependents(path) == {other for other in texts if path in graph.reach(other)}


USES = st.lists(
    st.sampled_from(
        [
            "import {m}", "import {m} as x", "from {m} import f", "from {m} import g as f", "from {m} import *",
            "from {p} import {l}", "from {p} import {l} as f", "{m}.f", "{m}.g", "x.f", "{l}.f.h", "x", "f = 1", "pkg.f = 1",
        ]
    ),
    max_size=4,
)  # fmt: skip
MODULES = ("pkg", "pkg.one", "pkg.sub.two", "three", "four")
PATHS = ("pkg/__init__.py", "pkg/one.py", "pkg/sub/two.py", "three.py", "four.py")


@st.composite
def tangles(draw: st.DrawFn) -> dict[str, str]:
    """Files that pass names on to each other in every way, round in circles too."""
    texts = {}
    for path in PATHS:
        lines = []
        for line in draw(USES):
            module = draw(st.sampled_from(MODULES))
            package, _, last = module.rpartition(".")
            lines.append(line.format(m=module, p=package or "pkg", l=last))
        texts[path] = "\n".join(lines)
    return texts


@settings(deadline=None, max_examples=120)
@given(tangles(), st.sampled_from(PATHS), st.sampled_from("fg"))
def test_affected_are_those_that_use_the_name_each_after_what_it_needs(texts: dict, changed: str, name: str) -> None:
    """By brute force: whoever uses it; first by name among those that need none of the others left, circles aside."""
    graph = import_graph(texts)
    used = {path: graph.names_used(path, of=changed) for path in texts if path != changed}
    left = sorted(path for path, names in used.items() if names is None or name in names)
    expected = []
    while left:
        needs = {path: [o for o in left if o in graph.reach(path) and path not in graph.reach(o)] for path in left}
        expected.append(next(path for path in left if not needs[path]))
        left.remove(expected[-1])
    assert affected(texts, {changed: {name}}) == tuple(expected)
