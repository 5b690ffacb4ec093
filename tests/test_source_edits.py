"""Search/replace edits: found whole or refused with the place shown, and never half applied."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nightshift.errors import EditRejected
from nightshift.source.edits import Edit, apply_edits, parse_edits

TEXT = """import os


class Store:
    def load(self, path):
        with open(path) as file:
            return file.read()

    def save(self, path, text):
        with open(path, "w") as file:
            file.write(text)
        return len(text)


def total(rows):
    result = 0
    for row in rows:
        result += row.price * row.count
    return result
"""


def block(search: str, replace: str) -> str:
    return f"<<<<<<< SEARCH\n{search}=======\n{replace}>>>>>>> REPLACE\n"


A, B = "a\n", "b\n"
SEARCH, REPLACE = "    result = 0\n    for row in rows:\n", "    result = 1\n\n    for row in rows:\n"


@pytest.mark.parametrize(
    "reply",
    [
        block(SEARCH, REPLACE),
        f"Here is the fix:\n\n```python\n{block(SEARCH, REPLACE)}```\nDone.",
        f"<think>\n{block('x', 'y')}\n</think>\n{block(SEARCH, REPLACE)}",
        f"thoughts\n</think>\n{block(SEARCH, REPLACE)}",
        block(f"```python\n{SEARCH}```\n", f"```python\n{REPLACE}```\n"),
        block(SEARCH, REPLACE).replace("\n", "\r\n"),
        block(SEARCH, REPLACE).replace("<<<<<<< SEARCH", "<<<<<<<SEARCH").replace("=======", "======"),
        block("  16|     result = 0\n  17|     for row in rows:\n", "  16|     result = 1\n\n  17|     for row in rows:\n"),
        block("16:ab|     result = 0\n17:0f|     for row in rows:\n", REPLACE),
        block("    16\t    result = 0\n    17\t    for row in rows:\n", REPLACE),
        block(SEARCH, REPLACE) * 2,
        f"total.py\n```python\n{block(SEARCH, REPLACE)}```\n",
        block(SEARCH, REPLACE).replace("<<<<<<<", "-------").replace(">>>>>>>", "+++++++"),
    ],
)  # fmt: skip
def test_edits_are_read_through_debris(reply: str) -> None:
    assert parse_edits(reply) == (Edit(SEARCH, REPLACE),)


def test_several_edits_keep_their_order_and_may_delete() -> None:
    assert parse_edits(block("a\n", "b\n") + "and\n" + block("c\n", "")) == (Edit("a\n", "b\n"), Edit("c\n", ""))


def test_numbered_keys_of_a_dict_are_code() -> None:
    lines = '    1: "one",\n    2: "two",\n'
    assert parse_edits(block(lines, lines.upper())) == (Edit(lines, lines.upper()),)


@pytest.mark.parametrize(
    ("reply", "says"),
    [
        ("", "holds no edit"),
        ("```python\nx = 1\n```", "holds no edit"),
        ("<<<<<<< SEARCH\na\n=======\nb\n", "not complete"),
        ("<<<<<<< SEARCH\na\n>>>>>>> REPLACE\n", "not complete"),
        ("<<<<<<< SEARCH\na\n<<<<<<< SEARCH\na\n=======\nb\n>>>>>>> REPLACE\n", "not complete"),
        ("<<<<<<< SEARCH\na\n=======\nb\n=======\nc\n>>>>>>> REPLACE\n", "2 lines of `=======`"),
        (block("a\n", "b\n>>>>>>> REPLACE\nc\n"), "Edit 1 is not complete"),
        (block("a\n", "<<<<<<< SEARCH\nc\n"), "Edit 1 is not complete"),
        (f"a.py\n{block(A, B)}lib/b.py\n```\n{block(B, A)}```\n", "several files: a.py, lib/b.py"),
    ],
)
def test_malformed_edits_are_refused_with_the_format(reply: str, says: str) -> None:
    with pytest.raises(EditRejected, match=says):
        parse_edits(reply)


@pytest.mark.parametrize(
    ("path", "fits"), [("src/app.py", True), ("app.py", True), ("other.py", False), ("happ.py", False)]
)
def test_an_edit_for_another_file_is_refused(path: str, fits: bool) -> None:
    reply = f"**app.py**\n```python\n{block(A, B)}```\n"
    if fits:
        assert parse_edits(reply, path) == parse_edits(reply)
        return
    with pytest.raises(EditRejected, match=f"An edit is for app.py; only {path} can be edited"):
        parse_edits(reply, path)


def test_a_heading_underlined_like_the_divider_is_text() -> None:
    title = '    """Title\n    =====\n    """\n'
    assert parse_edits(block(title, title.upper())) == (Edit(title, title.upper()),)


def test_a_fence_around_one_side_alone_belongs_to_the_file() -> None:
    text = "Run\n```\nold\n```\n"
    assert apply_edits(text, parse_edits(block("```\nold\n```\n", "new\n")), language="text") == "Run\nnew\n"


@pytest.mark.parametrize(
    ("search", "replace", "old", "new"),
    [
        ("    return result\n", "    return -result\n", "    return result\n", "    return -result\n"),
        ("    return result   \n", "    return -result\n", "    return result\n", "    return -result\n"),
        ("\n    return result\n\n", "\n    return -result\n\n", "    return result\n", "    return -result\n"),
        ("return result\n", "return -result\n", "    return result\n", "    return -result\n"),
        ("        return result\n", "        return -result\n", "    return result\n", "    return -result\n"),
        (
            "with open(path) as file:\n    return file.read()\n", "if path:\n    return 1\nreturn 0\n",
            "        with open(path) as file:\n            return file.read()\n", "        if path:\n            return 1\n        return 0\n",
        ),
        (
            "            with open(path) as file:\n                return file.read()\n", "            x = 1\n\n            return x\n",
            "        with open(path) as file:\n            return file.read()\n", "        x = 1\n\n        return x\n",
        ),
        (
            "    for row in rows:\n        result += row.price * row.amount\n    return result\n", "    return sum(rows)\n",
            "    for row in rows:\n        result += row.price * row.count\n    return result\n", "    return sum(rows)\n",
        ),
        ("    result = 0\n", "", "    result = 0\n", ""),
        ("import os\n", "import os\nimport sys\n", "import os\n", "import os\nimport sys\n"),
    ],
    ids=["exact", "trailing space", "blank edges", "less indented", "more indented", "block less indented",
         "block more indented", "similar", "deletion", "first line"],
)  # fmt: skip
def test_each_rung_finds_its_lines(search: str, replace: str, old: str, new: str) -> None:
    assert TEXT.count(old) == 1
    assert apply_edits(TEXT, [Edit(search, replace)]) == TEXT.replace(old, new)


TWICE = "def f(a):\n    x = a\n    y = x\n    return y\n\n\ndef g(a):\n    x = a\n    y = x\n    return y\n"


@pytest.mark.parametrize(
    "search",
    [
        "    x = a\n",
        "    x = a  \n    y = x\n",
        "x = a\ny = x\n",
        "    x = a\n    y =  x\n    return y\n",
        "x = a\ny = xx\nreturn y\n",
    ],
    ids=["exact", "trailing space", "shifted", "similar", "similar and shifted"],
)
def test_a_search_that_fits_two_places_is_refused_on_every_rung(search: str) -> None:
    with pytest.raises(EditRejected, match=r"fits 2 places \(lines 2, 8\); add neighbouring lines"):
        apply_edits(TWICE, [Edit(search, "    pass\n")])


def test_an_exact_place_wins_over_one_that_is_merely_similar() -> None:
    text = "if a:\n    x = 1\nx = 1\n"
    assert apply_edits(text, [Edit("x = 1\n", "x = 2\n")]) == "if a:\n    x = 1\nx = 2\n"


def test_a_miss_shows_the_nearest_lines_with_their_numbers() -> None:
    with pytest.raises(EditRejected) as caught:
        apply_edits(TEXT, [Edit("    for r in the_rows:\n        result -= r.price\n", "    pass\n")])
    message = str(caught.value)
    assert "Edit 1 fits nowhere" in message
    assert "    for r in the_rows:" in message
    assert "\n  17|     for row in rows:\n  18|         result += row.price * row.count\n" in message


def test_a_miss_that_resembles_nothing_says_so() -> None:
    with pytest.raises(EditRejected, match="Nothing in the file is like it"):
        apply_edits("x = 1\n", [Edit("zzzzzzzzzzzzzzzzzzzzz\n", "y\n")])


@pytest.mark.parametrize(
    ("edits", "says"),
    [
        ([Edit("import os\n", "import sys\n"), Edit("import re\n", "")], "Edit 2 fits nowhere"),
        ([Edit(SEARCH, REPLACE), Edit("    result = 0\n", "    result = 2\n")], "Two edits change line 16"),
        ([Edit("", "x\n")], "searches for nothing"),
        ([Edit("\n\n", "x\n")], "searches for nothing"),
        ([Edit("import os\n", "import os\n")], "change nothing"),
        ([Edit("    return result\n", "return (\n")], r"does not parse: .*\n"),
        ([], "change nothing"),
    ],
)
def test_one_bad_edit_refuses_them_all(edits: list[Edit], says: str) -> None:
    with pytest.raises(EditRejected, match=says):
        apply_edits(TEXT, edits)


def test_other_files_are_not_parsed() -> None:
    assert apply_edits("<p>\n", [Edit("<p>\n", "<b>\n")], language="text") == "<b>\n"


def test_an_edit_may_mend_a_file_that_does_not_parse() -> None:
    assert apply_edits("def f(:\n    pass\n", [Edit("def f(:\n", "def f():\n")]) == "def f():\n    pass\n"


@pytest.mark.parametrize("text", ["x = 1\ny = 2", "x = 1\r\ny = 2\r\n", "x = 1\ny = 2\r\n", "x = 1\ny = 2\n\n\n"])
def test_line_ends_of_the_file_survive(text: str) -> None:
    assert apply_edits(text, [Edit("x = 1\n", "x = 3\n")]) == text.replace("x = 1", "x = 3")


def test_an_empty_file_is_filled() -> None:
    assert apply_edits("", [Edit("", "x = 1\n")]) == "x = 1\n"


def test_tabs_are_kept() -> None:
    text = "if a:\n\tif b:\n\t\tx = 1\n"
    assert apply_edits(text, [Edit("    x = 1\n", "    x = 2\n")]) == "if a:\n\tif b:\n\t\tx = 2\n"


def test_spaces_for_tabs_become_tabs() -> None:
    text = "class A:\n\tdef m(self):\n\t\tif self:\n\t\t\treturn 1\n\t\treturn 2\n"
    search = "    def m(self):\n        if self:\n"
    replace = "    def m(self):\n        for i in self:\n            print(i)\n        if self:\n"
    assert apply_edits(text, [Edit(search, replace)]) == text.replace(
        "\t\tif self:\n", "\t\tfor i in self:\n\t\t\tprint(i)\n\t\tif self:\n"
    )


LONG = "def f(a, b):\n    # first, the naïve sum — as ever\n    x = a + b\n    log(x)\n    y = x * 2\n    z = y - 1\n    return z\n"


@pytest.mark.parametrize(
    ("search", "replace", "expected"),
    [
        (LONG.replace("ïve sum — as", "ive sum - as"), LONG.replace("ïve sum — as", "ive sum - as").replace("- 1", "- 2"), LONG.replace("- 1", "- 2")),
        (LONG.replace("    log(x)\n", ""), LONG.replace("    log(x)\n", "").replace("- 1", "- 2"), LONG.replace("- 1", "- 2")),
        (LONG.replace("y = x * 2", "y = 2 * x"), LONG.replace("y = x * 2", "y = 3 * x"), LONG.replace("x * 2", "3 * x").replace("y = 3 * x", "y = 3 * x")),
        (LONG.replace(" — as ever", " as ever"), LONG.replace(" — as ever", " as ever").replace("    return z", "    if z:\n        return z"), LONG.replace("    return z", "    if z:\n        return z")),
        (LONG.replace("log(x)", "log( x )"), LONG.replace("log(x)", "log( x )").replace("x * 2", "x * 3"), LONG.replace("x * 2", "x * 3")),
    ],
    ids=["a misquoted comment", "a line left out", "the changed line misquoted", "an indentation changed", "a misquoted neighbour"],
)  # fmt: skip
def test_a_similar_block_keeps_what_the_edit_does_not_change(search: str, replace: str, expected: str) -> None:
    assert apply_edits(LONG, [Edit(search, replace)]) == expected


def test_a_similar_block_never_loses_a_line_that_the_edit_did_not_show() -> None:
    search = LONG.replace("    log(x)\n", "")
    with pytest.raises(EditRejected, match="fits nowhere"):
        apply_edits(LONG, [Edit(search, search.replace("x = a + b\n    y = x * 2", "y = 2 * (a + b)"))])


@pytest.mark.parametrize(
    ("searches", "says"),
    [
        (["x = a\n    y = x\n"], "fits nowhere|fits 2 places"),
        (["def f(a):\n    x = a\n", "    x = a\n    y = x\n    return y\n\n\ndef g(a):\n"], "Two edits change line 2"),
        (["    x = a\n", "    x = a\n"], "fits 2 places"),
    ],
    ids=["shifted by hand", "overlapping", "once for each"],
)
def test_repeated_and_overlapping_blocks_are_refused(searches: list[str], says: str) -> None:
    with pytest.raises(EditRejected, match=says):
        apply_edits(TWICE, [Edit(search, "    pass\n") for search in searches])


def test_the_second_of_two_edits_sees_the_file_and_not_the_first() -> None:
    with pytest.raises(EditRejected, match="Edit 2 fits nowhere"):
        apply_edits(TEXT, [Edit("import os\n", "import sys\n"), Edit("import sys\n", "import re\n")])


LINES = st.sampled_from(["a = 1", "b = 2", "if a:", "    c = 3", "    d = 4", "", "print(a)", "e = '='"])


@settings(deadline=None, max_examples=150)
@given(st.lists(LINES, min_size=1, max_size=12), st.data())
def test_all_or_nothing(lines: list[str], data: st.DataObject) -> None:
    """Edits of different places all land, each in its place; with one impossible edit none does."""
    numbered = [f"{line}  # {i}" if line else "" for i, line in enumerate(lines)]
    text = "\n".join(numbered) + "\n"
    places = [i for i, line in enumerate(numbered) if line]
    chosen = data.draw(st.lists(st.sampled_from(places), unique=True)) if places else []
    edits = [Edit(f"{numbered[i]}\n", f"{numbered[i]} changed\n") for i in chosen]
    expected = "".join(f"{line} changed\n" if i in chosen else f"{line}\n" for i, line in enumerate(numbered))
    if edits:
        assert apply_edits(text, edits, language="text") == expected
        assert parse_edits("".join(block(e.search, e.replace) for e in edits)) == tuple(edits)
    with pytest.raises(EditRejected):
        apply_edits(text, [*edits, Edit("no such line\n", "x\n")], language="text")


@settings(deadline=None, max_examples=100)
@given(st.text(alphabet="ab \n\t=", max_size=60), st.text(alphabet="ab \n\t=", max_size=20), st.text(max_size=10))
def test_whatever_is_searched_the_answer_is_a_text_or_a_refusal(text: str, search: str, replace: str) -> None:
    try:
        apply_edits(text, [Edit(search, replace)])
    except EditRejected as rejection:
        assert str(rejection)
