"""Fixers change only what Python calls undefined, only where it is so, and never a program that works."""

import ast
import importlib
import sysconfig
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nightshift.source.fixes import FIXERS, MAX_PROPOSALS, Clues, Fix, missing_packages, proposals
from nightshift.source.fixes.closeness import close_match
from nightshift.source.fixes.faults import Fault, faults
from nightshift.source.fixes.reading import keeps_strings_and_comments
from nightshift.source.fixes.stdlib import _LISTED, MODULES, home_of, names_of

ROOT = Path(__file__).resolve().parent.parent
STDLIB = Path(sysconfig.get_paths()["stdlib"])
OWN = sorted((ROOT / "nightshift").rglob("*.py"))
TASK = "class Task:\n    def __init__(self, title):\n        self.title = title\n"


def fixes(text: str, failure: str = "", texts: dict[str, str] | None = None, path: str = "shop.py", interface: str = "") -> tuple[Fix, ...]:  # fmt: skip
    return proposals(text, Clues(path, failure, texts or {}, interface))


def at(line: int, error: str) -> str:
    return f'Traceback (most recent call last):\n  File "/tmp/run/shop.py", line {line}, in f\n    x\n{error}\n'


def names(found: tuple[Fix, ...]) -> list[str]:
    return [fix.name for fix in found]


# What the fixers of an older program did to good code.


def test_a_working_import_of_a_foreign_package_stays() -> None:
    """Corruption 1: `from django.db import models` became `from models import models`."""
    text = "from django.db import models\n\n\nclass A(models.Model):\n    pass\n"
    texts = {"models.py": "models = 1\n" + TASK, "db.py": "X = 1\n"}
    assert not fixes(text, "", texts)
    assert not fixes(text, at(1, "ModuleNotFoundError: No module named 'django'"), texts)


def test_a_name_inside_of_another_name_stays() -> None:
    """Corruption 2: `def parse_datetime(` became `def parse_datetime.datetime(`."""
    text = "import datetime\n\n\ndef parse_datetime(text):\n    return datetime.strptime(text, '%Y')\n"
    found = fixes(text, at(5, "AttributeError: module 'datetime' has no attribute 'strptime'"))
    assert [fix.text for fix in found] == [text.replace("datetime.strptime", "datetime.datetime.strptime")]


def test_a_wrong_keyword_changes_one_call_and_no_attribute() -> None:
    """Corruption 3: every `.id` in the file was renamed because one call had a wrong keyword."""
    text = (
        "def box(identifier, width):\n    return identifier\n\n\ndef other(identifer):\n    return identifer\n\n\n"
        "def f(o):\n    o.identifer = other(identifer=1)\n    return box(identifer=1, width=2)\n"
    )
    failure = at(11, "TypeError: box() got an unexpected keyword argument 'identifer'")
    found = fixes(text, failure)
    assert [fix.text for fix in found] == [text.replace("box(identifer=", "box(identifier=")]
    assert not fixes(text.replace("identifer", "id").replace("identifier, ", ""), failure.replace("identifer", "id"))


@pytest.mark.parametrize(
    "text", ["def f(:\n    return datetime.now()\n", "import datetime\nx = (datetime.now()\n", "'''\n"]
)
def test_nothing_is_proposed_that_does_not_parse(text: str) -> None:
    """Corruption 4: text was written back whether or not it was still Python."""
    assert not fixes(text, at(1, "AttributeError: module 'datetime' has no attribute 'now'"))


def test_packages_are_completed_only_where_the_plan_has_modules() -> None:
    """Corruption 5: `__init__.py` appeared in environments, hidden folders and folders of backups."""
    foreign = [
        "venv/lib/site-packages/a/b.py",
        ".agents/backups/a.py",
        "node_modules/a/b.py",
        ".venv/x/y.py",
        "env/a/b.py",
    ]
    assert not missing_packages(foreign, {})
    assert missing_packages(["app/core/models.py"], dict.fromkeys(foreign, "")) == (
        "app/__init__.py",
        "app/core/__init__.py",
    )


@pytest.mark.parametrize(
    "text,texts",
    [
        ("def f():\n    return Task(1)\n", {"a.py": TASK, "b.py": TASK}),
        ("def f():\n    return Task(1)\n", {"tests/helpers.py": TASK, "test_a.py": TASK, ".venv/a.py": TASK}),
        ("def f():\n    return Task(1)\n", {"a.py": "import shop\n" + TASK}),
        ("def f(Task):\n    return Task(1)\n", {"a.py": TASK}),
        ("def f():\n    Task = int\n    return Task(1)\n", {"a.py": TASK}),
        ("from a import *\n\n\ndef f():\n    return Task(1)\n", {"a.py": "from b import Task\n", "b.py": TASK}),
        (
            "from datetime import datetime\n\ntimedelta = 3\n\n\ndef f():\n    return datetime.timedelta(days=timedelta)\n",
            {},
        ),
    ],
    ids=["two homes", "tests and environments", "a circle", "a parameter", "a local", "a star import", "a name in use"],
)
def test_an_import_never_collides(text: str, texts: dict[str, str]) -> None:
    """Corruption 6: imports were added beside names that meant something, from tests, and twice."""
    assert not fixes(text, "", texts)


# Where a fixer must not act.


@pytest.mark.parametrize(
    "text",
    [
        "x = 'json.loads(y)'  # json.dumps\n",
        "try:\n    text = unicode\nexcept NameError:\n    text = str\n",
        "try:\n    import ujson as json\nexcept ImportError:\n    json = None\n\n\ndef f():\n    return json.loads('1')\n",
        "from typing import TYPE_CHECKING\n\nif TYPE_CHECKING:\n    import json\n\n\ndef f(x: 'json.JSONDecoder'):\n    return x\n",
        "from __future__ import annotations\n\n\ndef f(x: Optional[int]):\n    return x\n",
        "def f():\n    global counter\n    counter = 1\n\n\ndef g():\n    return counter\n",
        "class A:\n    x = 1\n    y = [x]\n\n    def f(self):\n        return __class__\n",
        "globals()['late'] = 1\n\n\ndef f():\n    return late\n",
        "def f():\n    return [y for x in [1] if (y := x)]\n",
        "class A:\n    __hidden = 1\n\n    def f(self):\n        return self.__hidden\n",
        "def f(x):\n    match x:\n        case {'a': a, **rest}:\n            return a, rest\n",
        "try:\n    raise ValueError\nexcept ValueError as error:\n    print(error)\n",
    ],
)  # fmt: skip
def test_what_is_defined_guarded_or_only_text_is_left_alone(text: str) -> None:
    assert not fixes(text)


@pytest.mark.parametrize(
    "text,failure",
    [
        ("def f(item1, item2):\n    return item3\n", at(2, "NameError: name 'item3' is not defined")),
        ("class A:\n    aa_x = 1\n    aa_y = 2\n\n\ndef f(a):\n    return a.aa_z\n", at(7, "AttributeError: 'A' object has no attribute 'aa_z'")),
        ("def g(first, fist):\n    return first\n\n\ndef f():\n    return g(firt=1)\n", at(6, "TypeError: g() got an unexpected keyword argument 'firt'")),
        ("def f(o):\n    return o.titel\n", at(2, "AttributeError: 'NoneType' object has no attribute 'titel'")),
    ],
    ids=["names", "attributes", "keywords", "none"],
)  # fmt: skip
def test_a_tie_refuses(text: str, failure: str) -> None:
    assert not fixes(text, failure)


def test_an_attribute_that_no_traceback_names_is_left_alone() -> None:
    assert not fixes(TASK + "\n\ndef f(task):\n    return task.titel\n")


def test_an_attribute_is_changed_only_where_the_traceback_points_and_on_self() -> None:
    text = (
        TASK
        + "\n    def a(self):\n        return self.titel\n\n\ndef f(task, page):\n    return page.titel\n\n\ndef g(task):\n    return task.titel\n"
    )
    found = fixes(text, at(14, "AttributeError: 'Task' object has no attribute 'titel'"))
    assert [fix.text for fix in found] == [text.replace("self.titel", "self.title").replace("task.titel", "task.title")]


def test_a_fault_of_another_file_changes_nothing_here() -> None:
    text = TASK + "\n\ndef f(task):\n    return task.titel, task.titel\n"
    failure = "File \"/tmp/other.py\", line 7, in f\nAttributeError: 'Task' object has no attribute 'titel'"
    assert not fixes(text, failure)


@pytest.mark.parametrize(
    "text",
    [
        "class A:\n    @staticmethod\n    def f(a):\n        return a\n",
        "class A:\n    @classmethod\n    def f(cls, a):\n        return a\n",
        "class A:\n    @wrapped\n    def f(a):\n        return a\n",
        "class A:\n    def f(self, a):\n        return a\n",
    ],
)
def test_self_is_added_only_to_plain_methods(text: str) -> None:
    assert not fixes(
        "wrapped = staticmethod\n\n\n" + text, "TypeError: A.f() takes 1 positional argument but 2 were given"
    )


@pytest.mark.parametrize(
    "text,interface",
    [
        ("def add_item(a):\n    return a\n", "def additem(a): ...\ndef add_item(a): ..."),
        ("__all__ = ['add_item']\n\n\ndef add_item(a):\n    return a\n", "def additem(a): ..."),
        ("def add_item(a):\n    return a\n\n\ndef addItem(a):\n    return a\n", "def additem(a): ..."),
        ("def add_item(a):\n    return a\n", "def remove(a): ..."),
        ("def add_item(additem):\n    return additem\n", "def additem(a): ..."),
        ("class C:\n    def add_item(self):\n        return 1\n\n\ndef f(c):\n    return c.add_item()\n", "class C:\n    def additem(self): ..."),
        ("def add_item(a):\n    return a\n", "what the plan says is no stub ("),
    ],
    ids=["planned itself", "exported by text", "two alike", "not alike", "in use", "objects of unknown class", "unreadable"],
)  # fmt: skip
def test_a_planned_name_is_not_forced(text: str, interface: str) -> None:
    assert not fixes(text, "", {}, interface=interface)


def test_a_rename_knows_scopes() -> None:
    text = (
        "def add_item(a):\n    return a\n\n\ndef f(add_item, o):\n    return add_item(o.add_item)\n\n\n"
        "def g():\n    return add_item(1)  # add_item\n"
    )
    (fix,) = fixes(text, interface="def additem(a): ...")
    assert fix.text == text.replace("def add_item", "def additem").replace("return add_item(1)", "return additem(1)")


def test_a_tab_in_a_string_stays() -> None:
    text = "def f(x):\n    if x:\n\treturn '''a\n\tb\t'''\n    return 'a\tb'\n"
    (fix, *_) = fixes(text, "TabError")
    assert fix.text == text.replace("\n\treturn", "\n        return") or fix.text == text.replace(
        "\n\treturn", "\n    return"
    )


def test_a_fence_in_a_docstring_stays() -> None:
    text = 'def f():\n    """Call it.\n\n```\nf()\n```\n    """\n    return 1\n```\n'
    assert fixes(text)[0].text == text.removesuffix("```\n")


@pytest.mark.parametrize(
    "text", ["def f():\n", "x = (1\n", "def f():\n    return [1,\n", "for x in y\n    pass\n", "", "Sure!\n```\n"]
)
def test_what_was_cut_short_is_not_completed(text: str) -> None:
    assert not fixes(text)


# Where an import goes.


@pytest.mark.parametrize(
    "before,after",
    [
        ("def f():\n    return json.loads('1')\n", "import json\ndef f():\n    return json.loads('1')\n"),
        ('"""Doc."""\nimport os  # x\nX = json.loads', '"""Doc."""\nimport os  # x\nimport json\nX = json.loads'),
        ("#!/bin/sh\n# c\n@json.f\ndef f(): ...", "#!/bin/sh\n# c\nimport json\n@json.f\ndef f(): ..."),
        ("from __future__ import annotations\r\nx = json.load\r\n", "from __future__ import annotations\r\nimport json\r\nx = json.load\r\n"),
        ("import os; x = json.load\n", "import os; import json; x = json.load\n"),
        ("try:\n    import x\nexcept ImportError:\n    x = json.load\n", "import json\ntry:\n    import x\nexcept ImportError:\n    x = json.load\n"),
        ("from a import (\n    b,\n)\nx = json.load\n", "from a import (\n    b,\n)\nimport json\nx = json.load\n"),
        ("'é'; x = json.load", "'é'; import json; x = json.load"),
    ],
)  # fmt: skip
def test_an_import_goes_below_the_first_imports(before: str, after: str) -> None:
    after = after.replace("@json.f", "@json.loads")
    (fix,) = fixes(before.replace("@json.f", "@json.loads"), "NameError: name 'json' is not defined")
    assert fix.text == after


def test_other_names_of_a_wrong_import_stay_and_its_comment_refuses() -> None:
    text = "def f():\n    from typing import dataclass, List as L\n    return dataclass, L\n"
    (fix,) = fixes(text)
    assert fix.text == text.replace(
        "from typing import dataclass, List as L", "from typing import List as L\n    from dataclasses import dataclass"
    )
    assert not fixes("from typing import (\n    dataclass,  # why\n    List,\n)\n")


def test_the_convention_of_other_files_is_followed() -> None:
    texts = {"a.py": "import numpy as np\n", "b.py": "import numpy as np\nX = np.zeros(1)\n"}
    assert fixes("def f():\n    return np.zeros(2)\n", "", texts)[0].text.startswith("import numpy as np\n")
    assert not fixes("def f():\n    return np.zeros(2)\n", "", {**texts, "c.py": "import other as np\n"})
    assert not fixes("def f():\n    return Task(2)\n", "", {"c.py": "from shop import Task\n"}), (
        "no module imports itself"
    )


def test_a_test_file_gets_its_test_runner() -> None:
    text = "def test_f():\n    with pytest.raises(ValueError):\n        int('x')\n"
    assert fixes(text, path="tests/test_f.py")[0].text == "import pytest\n" + text
    assert not fixes(text, path="shop.py")


def test_a_failure_of_any_length_is_read_in_time_linear_in_it() -> None:
    """Evidence is cut elsewhere, but a line of a hundred thousand blanks must not stop the night."""
    for line in ("E" + " " * 100_000, "a" * 100_000, "a." * 50_000, "XError: x" + " " * 100_000 + "y", "x.py" * 30_000):
        faults(Clues("shop.py", line, {}))


# Reading failures.


@pytest.mark.parametrize(
    "failure,expected",
    [
        (at(3, "NameError: name 'x' is not defined"), ("NameError", 3)),
        ("shop.py:7: in f\n    return x\nE   NameError: name 'x' is not defined", ("NameError", 7)),
        ("tests/test_a.py:2: in test\n    f()\nshop.py:7: in f\n    x\nE       NameError: name 'x'", ("NameError", 7)),
        ("shop.py:7: in f\n    g()\nother.py:1: in g\n    x\nE   NameError: name 'x'", ("NameError", None)),
        (">       x\nE       NameError: name 'x' is not defined\n\nshop.py:9: NameError", ("NameError", 9)),
        ("FAILED tests/test_a.py::test - NameError: name 'x' is not defined", ("NameError", None)),
        (
            'E     File "/a/b/shop.py", line 4\nE       x\nE   IndentationError: unexpected indent',
            ("IndentationError", 4),
        ),
        ("<tmp>/shop.py:7: in f\nE   json.decoder.JSONDecodeError: Expecting value", ("JSONDecodeError", 7)),
        ('File "/app/workshop.py", line 4, in f\nKeyError: 1', ("KeyError", None)),
    ],
)
def test_a_fault_has_the_line_of_the_fixed_file_when_it_was_raised_there(
    failure: str, expected: tuple[str, int | None]
) -> None:
    (fault,) = faults(Clues("shop.py", failure, {}))
    assert (fault.kind, fault.line) == expected


def test_several_faults_are_told_apart() -> None:
    failure = at(3, "NameError: name 'x'") + at(5, "TypeError: y") + at(3, "NameError: name 'x'")
    assert faults(Clues("shop.py", failure, {})) == (Fault("NameError", "name 'x'", 3), Fault("TypeError", "y", 5))


@given(st.text(max_size=300))
def test_any_failure_text_can_be_read(failure: str) -> None:
    faults(Clues("shop.py", failure, {}))
    fixes("x = 1\n", failure)


# Closeness.


@pytest.mark.parametrize(
    "name,known,meant",
    [
        ("itmes", ["items", "item"], "items"),
        ("maxSize", ["max_size", "maxsiz"], "max_size"),
        ("i", ["j"], None),
        ("idx", ["id", "ids"], None),
        ("value", ["values", "valued"], None),
        ("add", ["__add__", "odd"], "odd"),
        ("desc", ["description", "title"], None),
        ("x", [], None),
    ],
)
def test_one_close_name_or_none(name: str, known: list[str], meant: str | None) -> None:
    assert close_match(name, known) == meant


def test_short_forms_are_taken_only_when_asked_for() -> None:
    assert close_match("desc", ["description", "title"], short_forms=True) == "description"
    assert close_match("title", ["task_title", "page"], short_forms=True) == "task_title"
    assert close_match("desc", ["description", "descent"], short_forms=True) is None
    assert close_match("id", ["width"], short_forms=True) is None


# The table of the standard library.


@pytest.mark.parametrize("module", sorted(MODULES))
def test_every_listed_module_and_name_exists(module: str) -> None:
    found = importlib.import_module(module)
    listed = [name for name in _LISTED.get(module, []) if name != "*"]
    assert not [name for name in listed if not hasattr(found, name)]
    assert names_of(module)


def test_a_name_of_two_modules_has_the_usual_home() -> None:
    homes = {
        "Path": "pathlib",
        "Iterable": "collections.abc",
        "Optional": "typing",
        "count": "itertools",
        "Enum": "enum",
    }
    assert {name: home_of(name) for name in homes} == homes
    assert home_of("*") is None


# Packages.


@pytest.mark.parametrize(
    "paths,texts,expected",
    [
        (["app/a.py"], {}, ("app/__init__.py",)),
        (["app/a.py", "app/__init__.py"], {}, ()),
        (["app/a.py"], {"app/__init__.py": ""}, ()),
        (["app/new.py"], {"app/old.py": ""}, ()),
        (["src/app/a.py"], {}, ("src/app/__init__.py",)),
        (["src/a.py", "a.py"], {}, ()),
        (["tests/unit/test_a.py", "docs/conf.py", "scripts/run.py"], {}, ()),
        (["my-app/a.py", "app/data.json"], {}, ()),
    ],
)
def test_the_packages_a_plan_implies(paths: list[str], texts: dict[str, str], expected: tuple[str, ...]) -> None:
    assert missing_packages(paths, texts) == expected


# Properties.


def test_every_fixer_says_what_it_is_for() -> None:
    assert all(fixer.__doc__ for fixer in FIXERS)
    assert len({fixer.__name__ for fixer in FIXERS}) == len(FIXERS)


@pytest.mark.parametrize("path", OWN[::16], ids=lambda path: path.stem)
def test_a_module_that_works_gets_no_proposal(path: Path) -> None:
    texts = {other.relative_to(ROOT).as_posix(): other.read_text() for other in OWN if other != path}
    assert not fixes(path.read_text(), "", texts, path.relative_to(ROOT).as_posix())


@pytest.mark.slow
@pytest.mark.parametrize("path", sorted(STDLIB.glob("[a-z]*.py"))[:170], ids=lambda path: path.stem)
def test_no_module_of_the_standard_library_gets_a_proposal(path: Path) -> None:
    assert not fixes(path.read_text(encoding="utf-8", errors="ignore"))


SMALL = [path.read_text() for path in OWN if 500 < path.stat().st_size < 2500 and "def " in path.read_text()]


@settings(max_examples=20, deadline=None)
@given(st.data())
def test_a_proposal_parses_keeps_strings_and_comments_and_is_final(data: st.DataObject) -> None:
    """A working module with one name or attribute misspelt."""
    text = data.draw(st.sampled_from(SMALL))
    nodes = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Name | ast.Attribute)]
    node = data.draw(st.sampled_from(nodes))
    word = node.id if isinstance(node, ast.Name) else node.attr
    wrong = data.draw(
        st.sampled_from([word[1:], word + word[-1], word[:-2] + word[-1:] + word[-2:-1], "json", "x" + word])
    )
    lines = text.split("\n")
    row = node.end_lineno - 1
    lines[row] = lines[row][: node.end_col_offset - len(word)] + wrong + lines[row][node.end_col_offset :]
    broken = "\n".join(lines)
    failure = at(row + 1, f"NameError: name '{wrong}' is not defined") + at(
        row + 1, f"AttributeError: 'str' object has no attribute '{wrong}'"
    )
    for fix in fixes(broken, failure) if wrong.isidentifier() else ():
        ast.parse(fix.text)
        assert fix.text != broken
        assert not wrong.isidentifier() or keeps_strings_and_comments(broken, fix.text)
        assert fix.text not in [again.text for again in fixes(fix.text)]


@settings(max_examples=40, deadline=None)
@given(st.text(alphabet="ab \t\n:=()'\"#`def\\\r\x0cé", max_size=80), st.text(max_size=40))
def test_any_text_is_answered(text: str, failure: str) -> None:
    found = fixes(text, failure)
    assert len(found) <= MAX_PROPOSALS
    for fix in found:
        ast.parse(fix.text)


@settings(max_examples=30, deadline=None)
@given(st.sampled_from(SMALL), st.integers(0, 60), st.sampled_from(["    ", " ", "\t", "```\n", ""]), st.booleans())
def test_layout_is_mended_without_a_change_of_meaning(text: str, row: int, debris: str, whole: bool) -> None:
    """Debris in front of a line, or in front of every line: what comes out has the lines of what went in."""
    lines = text.split("\n")
    broken = (
        "\n".join(debris + line for line in lines)
        if whole
        else "\n".join([*lines[:row], debris + "\n".join(lines[row:])])
    )
    for fix in fixes(broken):
        kept = [line.strip() for line in fix.text.split("\n") if line.strip() and "```" not in line]
        assert kept == [line.strip() for line in text.split("\n") if line.strip() and "```" not in line]
