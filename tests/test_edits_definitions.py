"""Whole functions and methods in a reply take the place of their namesakes, or nothing changes."""

from __future__ import annotations

from textwrap import dedent

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nightshift.errors import EditRejected
from nightshift.source.edits import Definitions, apply_edits, parse_edits

TEXT = '''"""Orders."""

import os

LIMIT = 3


def total(rows):
    # the sum
    return sum(row.price for row in rows)


class Base:
    """What all have."""


class Order(Base):
    """An order."""

    kind = "order"

    def __init__(self, rows):
        self.rows = rows

    @property
    def size(self):
        return len(self.rows)

    def first(self):
        return self.rows[1]

    def close(self):
        """End."""
        return "order"


class Cart:
    def close(self):
        return "cart"


print(os.sep, LIMIT)
'''


def edited(reply: str, text: str = TEXT) -> str:
    return apply_edits(text, parse_edits(reply))


def fence(code: str) -> str:
    return f"The cause is the index.\n\n```python\n{dedent(code)}```\nThat mends it.\n"


FIRST = ("        return self.rows[1]\n", "        return self.rows[0]\n")


@pytest.mark.parametrize(
    ("reply", "old", "new"),
    [
        (fence("class Order:\n    def first(self):\n        return self.rows[0]\n"), *FIRST),
        (fence("class Order(Base):\n    kind = 'order'\n\n    # ... the others stay\n    def first(self):\n        return self.rows[0]\n"), *FIRST),
        (fence("def first(self):\n    return self.rows[0]\n"), *FIRST),
        ("```python\n    def first(self):\n        return self.rows[0]\n```", *FIRST),
        ("class Order:\n    def first(self):\n        return self.rows[0]\n", *FIRST),
        ("<think>\n```python\ndef total(rows):\n    return 9\n```\n</think>\n" + fence("def first(self):\n    return self.rows[0]\n"), *FIRST),
        (
            fence("@property\ndef size(self):\n    text = '''\nx'''\n    return len(self.rows) + len(text)\n"),
            "        return len(self.rows)\n", "        text = '''\nx'''\n        return len(self.rows) + len(text)\n",
        ),
        (
            fence("def total(rows):\n    return sum(row.price * row.count for row in rows)\n"),
            "    # the sum\n    return sum(row.price for row in rows)\n", "    return sum(row.price * row.count for row in rows)\n",
        ),
        (
            fence("import os\nimport math\n\ndef total(rows):\n    return math.fsum(rows)\n"),
            "import os\n\nLIMIT = 3\n\n\ndef total(rows):\n    # the sum\n    return sum(row.price for row in rows)\n",
            "import os\nimport math\n\nLIMIT = 3\n\n\ndef total(rows):\n    return math.fsum(rows)\n",
        ),
        (
            fence("_ONE = 1\n\ndef _price(row):\n    return row.price or _ONE\n\ndef total(rows):\n    return sum(map(_price, rows))\n"),
            "def total(rows):\n    # the sum\n    return sum(row.price for row in rows)\n",
            "_ONE = 1\n\n\ndef _price(row):\n    return row.price or _ONE\n\n\ndef total(rows):\n    return sum(map(_price, rows))\n",
        ),
        (
            fence("class Order:\n    def first(self):\n        return self._at(0)\n\n    def _at(self, i):\n        return self.rows[i]\n"),
            "    def first(self):\n        return self.rows[1]\n",
            "    def _at(self, i):\n        return self.rows[i]\n\n    def first(self):\n        return self._at(0)\n",
        ),
        (
            fence("class Order:\n    def __len__(self):\n        return 1\n\n    def first(self):\n        return self.rows[0]\n"),
            "    def first(self):\n        return self.rows[1]\n",
            "    def __len__(self):\n        return 1\n\n    def first(self):\n        return self.rows[0]\n",
        ),
        (
            fence("class Cart:\n    x = 1\n\n    def close(self):\n        return self.x\n"),
            'class Cart:\n    def close(self):\n        return "cart"\n',
            "class Cart:\n    x = 1\n\n    def close(self):\n        return self.x\n",
        ),
        (
            "It was:\n" + fence("class Order:\n    def first(self):\n        return self.rows[1]\n")
            + "It should be:\n" + fence("class Order:\n    def first(self):\n        return self.rows[0]\n"),
            *FIRST,
        ),
        (fence(TEXT.replace(*FIRST)), *FIRST),
        ("Run it:\n```bash\npython x.py\n```\n" + fence("def first(self):\n    return self.rows[0]\n"), *FIRST),
    ],
    ids=["a method in its class", "a class with some of its lines", "a method alone", "an indented method", "no fence",
         "after thinking", "a property with a string", "a function", "with an import", "with a helper and a constant",
         "with a private method", "with a special method", "a whole class", "the old one quoted", "the whole file", "other blocks"],
)  # fmt: skip
def test_a_definition_takes_the_place_of_its_namesake_and_the_rest_stays(reply: str, old: str, new: str) -> None:
    assert TEXT.count(old) == 1
    assert edited(reply) == TEXT.replace(old, new)


@pytest.mark.parametrize(
    ("reply", "says"),
    [
        (fence("def close(self):\n    return 1\n"), "Which close is meant"),
        (fence("def frist(self):\n    return 1\n"), "Which frist is meant"),
        (fence("def totl(rows):\n    return 1\n"), "no totl to replace. It has total"),
        (fence("class Order:\n    def firts(self):\n        return 1\n"), r"no Order.firts to replace. It has Order.first"),
        (fence("class Odrer:\n    def first(self):\n        return 1\n"), "no Odrer to replace. It has Order"),
        (fence("def total(rows):\n    return 1\n\ndef total(rows):\n    return 2\n\nx = 1\n\ndef total(rows):\n    return 3\n"), "defined twice"),
        (fence("def total(rows):\n    return 1\n") + fence("def total(rows):\n    return 2\n"), "total is given twice"),
        (fence("class Order:\n    kind = 'x'\n    def first(self):\n        return 1\n"), "class Order differs in more than its methods"),
        (fence("class Order(dict):\n    def first(self):\n        return 1\n"), "class Order differs in more than its methods"),
        (fence("class Order:\n    def first(self): ...\n"), "Order.first has no body"),
        (fence("def total(rows):\n    '''Sum.'''\n    pass\n"), "total has no body"),
        (fence("LIMIT = 4\n\ndef total(rows):\n    return LIMIT\n"), "define LIMIT differently"),
        (fence("LIMIT = 4\n\ndef total(rows):\n    return 1\n"), "`LIMIT = 4` is no function"),
        (fence("def total(rows):\n    return 1\n\nprint(total([]))\n"), r"`print\(total\(\[\]\)\)` is no function"),
        (fence("SPARE = 4\n\ndef total(rows):\n    return 1\n"), "`SPARE = 4` is no function"),
        (fence("from sys import path as os\n\ndef total(rows):\n    return os\n"), "os is another import"),
        (fence("def total(rows):\n    # the sum\n    return sum(row.price for row in rows)\n"), "change nothing"),
        ("```python\ndef total(rows):\n    return (1\n```\n", "does not parse"),
        ("```python\ndef total(rows):\n    x = '''cut", "does not parse"),
        (fence("def total(rows):\n    return 1\n").replace("python\n", "python a.py\n") + "```b.py\ndef first(self):\n    return 1\n```\n", "several files: a.py, b.py"),
        ("a.py\n" + "```python\ndef total(rows):\n    return 1\n```\nb.py\n```python\ndef first(self):\n    return 1\n```\n", "several files: a.py, b.py"),
        (fence("def total(rows):\n    return self.x\n\nclass Cart:\n    def close(self):\n        return 1\n    def close(self, x):\n        return 2\n    y = 1\n    def close(self):\n        return 3\n"), "differs in more than its methods"),
    ],
)  # fmt: skip
def test_what_may_mean_two_things_or_would_be_lost_is_refused(reply: str, says: str) -> None:
    with pytest.raises(EditRejected, match=says):
        edited(reply)


def test_search_and_replace_comes_first_and_the_rest_of_such_a_reply_illustrates() -> None:
    block = "<<<<<<< SEARCH\n        return self.rows[1]\n=======\n        return self.rows[0]\n>>>>>>> REPLACE\n"
    assert edited(fence("def total(rows):\n    return 9\n") + block) == TEXT.replace(*FIRST)


def test_a_file_that_is_not_python_or_does_not_parse_takes_no_definitions() -> None:
    with pytest.raises(EditRejected, match="not Python"):
        apply_edits("<p>\n", [Definitions("def f():\n    pass\n")], language="text")
    with pytest.raises(EditRejected, match="use SEARCH and REPLACE"):
        apply_edits("def f(:\n", [Definitions("def f():\n    pass\n")])


def test_the_only_class_takes_a_new_method_that_is_used() -> None:
    text = "class A:\n    def a(self):\n        return 1\n"
    reply = fence("def a(self):\n    return self._b()\n\ndef _b(self):\n    return 2\n")
    assert (
        edited(reply, text)
        == "class A:\n    def _b(self):\n        return 2\n\n    def a(self):\n        return self._b()\n"
    )


def test_windows_line_ends_and_tabs_of_the_file_survive() -> None:
    text = "class A:\r\n\tdef a(self):\r\n\t\treturn 1\r\n"
    assert edited(fence("def a(self):\n    return 2\n"), text) == "class A:\r\n\tdef a(self):\r\n\t    return 2\r\n"


def test_a_method_calling_super_needs_no_bases_in_the_reply() -> None:
    assert "super().__init__()" in edited(
        fence("class Order:\n    def __init__(self, rows):\n        super().__init__()\n        self.rows = rows\n")
    )


NAMES = st.sampled_from(["total", "first", "close", "size", "new", "Order", "__init__"])
BODIES = st.sampled_from(
    ["return 1", "...", "return self.rows", "return new(total)", "return super().close()", "x = '''\na'''"]
)
DEFINITIONS = st.builds(
    lambda name, body, method, owner: (f"class {owner}:\n    def {name}(self):\n        {body}\n" if owner else f"def {name}({'self' * method}):\n    {body}\n"),
    NAMES, BODIES, st.booleans(), st.sampled_from(["", "Order", "Cart", "Other"]),
)  # fmt: skip


@settings(deadline=None, max_examples=150)
@given(st.lists(DEFINITIONS, max_size=4), st.booleans())
def test_whatever_is_given_the_answer_is_a_text_that_parses_or_a_refusal(definitions: list[str], apart: bool) -> None:
    reply = "".join(map(fence, definitions)) if apart else fence("\n\n".join(definitions))
    try:
        result = edited(reply)
    except EditRejected as rejection:
        assert str(rejection)
        return
    compile(result, "result", "exec", dont_inherit=True)
    assert "# the sum" in result or "def total" in reply
    assert 'kind = "order"' in result
