import pytest
from ini import IniError, dumps, loads

SAMPLE = """\
; a comment
Name = Nightly
  # another
[ Server One ]
Host: example.org
PORT=80 ; not a comment
path = a=b:c
empty =

[paths]
list = first
   second
; in between

\t third
[Server One]
port = 8080
[bare]
"""


def test_a_whole_text():
    assert loads(SAMPLE) == {
        "": {"name": "Nightly"},
        "Server One": {"host": "example.org", "port": "8080", "path": "a=b:c", "empty": ""},
        "paths": {"list": "first\nsecond\nthird"},
        "bare": {},
    }


def test_order_is_of_first_appearance():
    data = loads(SAMPLE)
    assert list(data) == ["", "Server One", "paths", "bare"]
    assert list(data["Server One"]) == ["host", "port", "path", "empty"]


@pytest.mark.parametrize("text", ["", "\n\n", "# only\n;comments"])
def test_nothing(text):
    assert loads(text) == {}


def test_no_newline_at_the_end():
    assert loads("[a]\nb=1") == {"a": {"b": "1"}}


@pytest.mark.parametrize(
    "value, wanted",
    [
        ('"  x "', "  x "), ('""', ""), ('"', '"'), ('"a" b', '"a" b'), ('a "b"', 'a "b"'), ('""a""', '"a"'),
        ('"say "hi""', 'say "hi"'), ("'a'", "'a'"), ("a # b", "a # b"), ("[x]", "[x]"),
    ],
)  # fmt: skip
def test_values(value, wanted):
    assert loads(f"k = {value}") == {"": {"k": wanted}}


def test_quotes_around_a_continued_value():
    assert loads('k = " a\n  b "') == {"": {"k": " a\nb "}}


def test_a_colon_before_an_equals_sign_separates():
    assert loads("a:b=c\nd=e:f") == {"": {"a": "b=c", "d": "e:f"}}


def test_keys_are_lower_case_and_sections_are_not():
    assert loads("[A]\nKey Two = V") == {"A": {"key two": "V"}}


def test_a_continuation_of_an_empty_value():
    assert loads("k =\n  a") == {"": {"k": "\na"}}


@pytest.mark.parametrize(
    "text, line",
    [
        ("nonsense", 1), ("[a]\n\nb=1\nc\n", 4), ("= 1", 1), ("a=1\n: 2", 2), ("[a", 1), ("x=1\n[a] b", 2), ("[]", 1),
        ("#\n[  ]", 2), ("  a = 1", 1), ("a=1\n[b]\n  c", 3),
    ],
)  # fmt: skip
def test_mistakes_are_told_with_their_line(text, line):
    with pytest.raises(IniError) as caught:
        loads(text)
    assert caught.value.line == line
    assert isinstance(caught.value, ValueError)


def test_writing():
    data = {"b": {"one": "1", "two": ""}, "": {"top": "x y"}, "a": {}}
    assert dumps(data) == "top = x y\n\n[b]\none = 1\ntwo =\n\n[a]\n"


@pytest.mark.parametrize("data", [{}, {"": {}}])
def test_writing_nothing(data):
    assert dumps(data) == ""


@pytest.mark.parametrize(
    "value, line",
    [(" x", 'k = " x"'), ("x ", 'k = "x "'), ('"x"', 'k = ""x""'), ('"x', 'k = "x'), ("# x", "k = # x"), ('""', 'k = """"')],
)  # fmt: skip
def test_quotes_only_where_needed(value, line):
    assert dumps({"s": {"k": value}}) == f"[s]\n{line}\n"
    assert loads(dumps({"s": {"k": value}})) == {"s": {"k": value}}


def test_what_was_written_is_read():
    data = {"": {"a": "1"}, "S t": {"x": "=:;", "y": '"', "z": "\t"}, "T": {"a_1": "[u]"}}
    assert loads(dumps(data)) == data
