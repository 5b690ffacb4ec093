"""Replies of models: what is code in them comes out unchanged, what is not is refused by name."""

import ast
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nightshift.errors import ReplyRejected
from nightshift.source.replies import extract_code, extract_json

CODE = "import os\n\n\ndef add(a, b):\n    return a + b\n"
DOCSTRING = '''"""Module.

```python
example()
```
"""


def f():
    """Call it.

```
f()
```
    """
    return "<<<END>>>", "</think>"
'''
THINKING = '''import re


def strip(text):
    """Drops <think> blocks.

    <think>
    like this
    </think>
    """
    return re.sub(r"<think>.*?</think>", "", text)
'''
MARKED = '''PROMPT = """
<<<CONTENT>>>
print("hi")
<<<END>>>
"""
'''


def rejected(text: str, **options: object) -> str:
    with pytest.raises(ReplyRejected) as caught:
        extract_code(text, **options)
    return caught.value.reason


@pytest.mark.parametrize("code", [CODE, DOCSTRING, THINKING, MARKED], ids=["code", "fences", "think", "markers"])
@pytest.mark.parametrize(
    "wrapped",
    [
        "{code}",
        "```python\n{code}```",
        "```py\n{code}```\n",
        "```\n{code}\n```",
        "~~~\n{code}~~~",
        "````python\n{code}````",
        "```python path=pkg/mod.py\n{code}```",
        "```pkg/mod.py\n{code}```",
        "```python:mod.py\n{code}```",
        "Sure! Here is the file:\n\n```python\n{code}```\n\nHope this helps.",
        "```python\n{code}",
        "<think>\nLet me see.\n```python\ndraft()\n```\nNo.\n</think>\n\n```python\n{code}```",
        "I should write it.\n```python\ndraft()\nlonger_draft()\n"
        + "more()\n" * 90
        + "```\n</think>\n```python\n{code}```",
        "</think>\n```python\n{code}```",
        "<THINK>hmm</THINK><think>so</think>\n```python\n{code}```",
        "<|START_THINKING|>\n```python\nx = 0\n```<|END_THINKING|>\n```python\n{code}```",
        "<seed:think>\n```python\nx = 0\n```\n</seed:think>```python\n{code}```",
        "<|channel|>analysis<|message|>x = 0<|end|><|start|>assistant<|channel|>final<|message|>```python\n{code}```<|return|>",
        "```python\n{code}```\n</think>\n",
        "<thinking>short</thinking>```python\n{code}```",
        "<<<CONTENT>>>\n{code}<<<END>>>",
        "<<<CONTENT>>>\n```python\n{code}```\n<<<END>>>\nDone.",
        "```python\n<<<CONTENT>>>\n{code}<<<END>>>\n```",
        "Here it is.\n<<<CONTENT>>>\n{code}<<<END>>>\nIt adds numbers.",
        "{code}<<<END>>>",
        "<<<CONTENT>>>\n{code}",
        "<<<FILE: mod.py>>>\n{code}<<<END FILE>>>",
        "{code}```\nThat is all.",
        "Here is the code:\n\n{code}",
        "Here is the code:\n\n{code}\nThis module adds numbers.\n- It is short.\n",
        "Run it with:\n```bash\npython mod.py --help\n```\n\n```python\n{code}```\n\nOutput:\n```\n3\n```",
        "```json\n{{}}\n```\n```python\n{code}```",
        "\ufeff```python\r\n{code}```",
        "```python\n\ufeff{code}```",
        "\n\n\n```python\n\n\n{code}\n\n\n```",
    ],
)
def test_code_comes_out_of_every_wrapping_unchanged(wrapped: str, code: str) -> None:
    assert extract_code(wrapped.format(code=code)) == code


@pytest.mark.parametrize(
    "reply",
    [
        CODE.replace("\n", "\r\n"),
        "Here: ```python\n" + CODE + "```",
        "```python\n" + CODE.rstrip() + "```",
        "1. The file:\n\n   ```python\n" + "".join(f"   {line}\n" for line in CODE.split("\n")) + "   ```",
        "```python\n" + "".join(f"    {line}\n" for line in CODE.split("\n")) + "```",
        "```python\n" + CODE.replace("    ", "\u00a0\u00a0\u00a0\u00a0") + "```",
        "```python\n" + CODE.replace("def", "\u200bdef") + "```",
    ],
    ids=[
        "crlf",
        "fence after text",
        "closing fence after code",
        "list item",
        "indented",
        "nbsp",
        "zero width",
    ],
)
def test_debris_around_code_is_removed(reply: str) -> None:
    assert extract_code(reply).rstrip() == CODE.rstrip()


def test_a_no_break_space_inside_a_string_is_the_authors_own() -> None:
    code = 'SPACE = "\u00a0"\n'
    assert extract_code(f"```python\n{code}```") == code


def test_the_first_line_keeps_its_indentation_in_files_that_are_not_python() -> None:
    assert extract_code("```\n    indented: 1\nplain: 2\n```", language="text") == "    indented: 1\nplain: 2\n"


@pytest.mark.parametrize(
    "code",
    [
        "x = {1: {2: {3: {4: 5}}}}\n",
        "N = 100000000000000000000\nZ = '" + "0" * 400 + "'\n",
        "ROWS = [\n" + "    [0, 0, 0, 0],\n" * 200 + "]\n",
        "f = '}}}}'\ng = f'{{{{{f}}}}}'\n",
        "# " + "=" * 900 + "\nx = 1\n# " + "-" * 900 + "\n",
        "".join(f"def test_{i}():\n    assert add({i}, 0) == {i}\n\n\n" for i in range(200)).rstrip() + "\n",
        '"""Only a docstring."""\n',
    ],
)
def test_legal_code_that_looks_odd_is_taken(code: str) -> None:
    assert extract_code(f"```python\n{code}```") == code
    assert extract_code(code) == code


def test_of_several_python_blocks_the_longest_is_the_file() -> None:
    assert extract_code(f"```python\nprint(1)\n```\ntext\n```python\n{CODE}```\n```python\nadd(1, 2)\n```") == CODE


@pytest.mark.parametrize(
    "head",
    [
        "```python pkg/small.py\n",
        "**small.py**\n```python\n",
        "### `pkg/small.py`:\n\n```python\n",
        "```python\n# pkg/small.py\n",
    ],
)
def test_a_block_that_names_the_file_wins_over_a_longer_one(head: str) -> None:
    reply = f"```python other.py\n{CODE}```\n\n{head}x = 1\n```"
    assert extract_code(reply, path="pkg/small.py").endswith("x = 1\n")
    assert extract_code(reply, path="other.py") == CODE


def test_a_fence_ends_where_its_code_does_though_a_docstring_holds_fences_too() -> None:
    reply = f"```python a.py\n{CODE}```\n\n```python b.py\n{DOCSTRING}```\n\n```python c.py\nx = 1\n```"
    assert extract_code(reply, path="b.py") == DOCSTRING
    assert extract_code(reply, path="c.py") == "x = 1\n"


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        ("", "empty"),
        (" \n\t\n", "empty"),
        ("```python\n```", "empty"),
        ("<think>All of it was thought.</think>", "empty"),
        ("<think>\nhmm, so\n```python\nx = 1\n```", "empty"),
        ("<|channel|>analysis<|message|>```python\nx = 1\n```", "empty"),
        ("<think>\n```python\nx = 1\n```\n</think>\n", "empty"),
        ("I'm sorry, I can't help with that.", "refused"),
        ("As an AI language model I cannot write this file.", "refused"),
        ("The file should add two numbers and return the result.", "no_code"),
        ("Sure", "no_code"),
        ('{"path": "a.py"}', "no_code"),
        ("# Calculator\n\nThis module calculates.", "no_code"),
        ("```bash\npython -m pytest -q\n```", "no_code"),
        ("```python\ndef f():\n    return (1,\n", "truncated"),
        ("```python\ndef f():\n    return (1,\n```", "truncated"),
        ('```python\ndef f():\n    """Starts\n```', "truncated"),
        ("import os\n\n\ndef f(x):\n    if x:\n", "truncated"),
        ("Here it is:\n\nimport os\n\n\ndef f(x):\n    return [x,\n", "truncated"),
        ("```python\ndef f(:\n    pass\n```", "unparsable"),
        ("```python\nimport os\n\ndef f()\n    return 1\n\nx = 1\n```", "unparsable"),
        ("<think>```python\nx = 1\n```</think>\n```python\ndef f(:\n    pass\n```", "unparsable"),
        ("```python\nx = '\ud800'\n```", "unparsable"),
        ("```python\nx = 1\x00\n```", "unparsable"),
        (
            "x = " + "".join(f"[{i}, " for i in range(300)) + "".join(f"{i}]," for i in range(300)),
            "unparsable",
        ),
        ("I will now write the file. " * 60, "degenerate"),
        ("```python\nx = [" + "1, " * 600, "degenerate"),
        ("```python\nimport os\n" + "x = os.getcwd()\n" * 100 + "```", "degenerate"),
        ("```python\nx = {" + "}" * 500 + "\n```", "degenerate"),
    ],
)
def test_what_cannot_be_used_is_refused_by_name(reply: str, reason: str) -> None:
    assert rejected(reply) == reason


@pytest.mark.parametrize("reply", [CODE, f"```python\n{CODE}```", "", "{}"])
def test_a_reply_cut_at_the_token_limit_is_refused_however_complete_it_looks(reply: str) -> None:
    assert rejected(reply, stop_reason="length") == "truncated"
    assert rejected(reply, stop_reason="length", language="text") == "truncated"
    with pytest.raises(ReplyRejected, match="cut off"):
        extract_json(reply, stop_reason="length")


def test_a_broken_last_function_is_not_left_out_to_make_the_rest_parse() -> None:
    broken = CODE + "\n\ndef sub(a, b)\n    return a - b\n"
    assert rejected(broken) == "unparsable"
    assert rejected(f"Here:\n\n{broken}\nIt subtracts.") == "unparsable"


def test_a_broken_file_is_not_replaced_by_the_example_in_its_docstring() -> None:
    assert rejected(f"```python\n{DOCSTRING}\n\ndef g(:\n```") in ("unparsable", "truncated")


HTML = "<!doctype html>\n<p>Hi</p>\n"
README = "# Title\n\nInstall:\n\n```bash\npip install x\n```\n\nUse:\n\n```python\nimport x\n```\n\nEnd.\n"


@pytest.mark.parametrize(
    ("reply", "path", "expected"),
    [
        (f"```html\n{HTML}```", "a.html", HTML),
        (f"Here is the page:\n\n{HTML}", "a.html", HTML),
        (HTML, "a.html", HTML),
        (f"<think>x</think>\n```\n{HTML}```", "", HTML),
        (f"<<<CONTENT>>>\n{HTML}<<<END>>>", "a.html", HTML),
        ('```json\n{"a": 1}\n```', "a.json", '{"a": 1}\n'),
        ("[a]\nb = 1", "a.toml", "[a]\nb = 1\n"),
        (f"```markdown\n{README}```", "README.md", README),
        (f"Here it is:\n\n```markdown\n{README}```\nEnjoy.", "README.md", README),
        (README, "README.md", README),
    ],
)
def test_other_files_are_extracted_without_being_read_as_python(reply: str, path: str, expected: str) -> None:
    assert extract_code(reply, language="text", path=path) == expected


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        ("", "empty"),
        ("```html\n```", "empty"),
        ("```html\n<p>", "truncated"),
        ("I'm sorry, I can't do that.", "refused"),
    ],
)
def test_other_files_are_refused_by_name_too(reply: str, reason: str) -> None:
    assert rejected(reply, language="text") == reason


# Any module, any wrapping


SNIPPETS = [
    "import os",
    "x = {'a': [1, 2]}",
    "# a comment",
    "def f(a, *, b=1):\n    return a + b",
    "class A:\n    x: int = 0\n\n    def m(self):\n        return '}}}}'",
    "async def g():\n    async with a() as b:\n        yield b",
    'S = """\n```python\ninner()\n```\n"""',
    'T = """\n~~~\n<<<CONTENT>>>\nfoo()\n<<<END>>>\n"""',
    "U = '</think>'",
    "V = '''Here is the code:\n\n```\nx = 1\n'''",
    "W = 'I am sorry, I cannot'",
    "if __name__ == '__main__':\n    f(1)",
    "@decorator\ndef h():\n    '''Doc.\n\n    ```\n    h()\n    ```\n    '''",
    "Y = \\\n    1",
]
PREAMBLES = [
    "",
    "Sure!\n\n",
    "Here is the complete file `mod.py`:\n\n",
    "<think>a\nb</think>\n",
    "thoughts...\n</think>\n\n",
]
EPILOGUES = ["", "\n", "\n\nThis adds two numbers.\n", "\n\n- Note: `f` is new.\n"]
FENCES = [("```python\n", "\n```"), ("```\n", "\n```"), ("~~~py\n", "\n~~~"), ("<<<CONTENT>>>\n", "\n<<<END>>>"),
          ("<<<CONTENT>>>\n```python\n", "\n```\n<<<END>>>"), ("`````python\n", "\n`````")]  # fmt: skip


@settings(deadline=None, max_examples=150)
@given(
    st.lists(st.sampled_from(SNIPPETS), min_size=1, max_size=6).map(
        lambda parts: "\n\n\n".join(["import sys", *parts])
    ),
    st.sampled_from(PREAMBLES),
    st.sampled_from(FENCES),
    st.sampled_from(EPILOGUES),
)
def test_round_trip(code: str, before: str, fence: tuple[str, str], after: str) -> None:
    """Any module that parses comes back equal from any wrapping."""
    assert extract_code(before + fence[0] + code + fence[1] + after) == code + "\n"


@settings(deadline=None, max_examples=200)
@given(st.text(alphabet=st.sampled_from("`~<>/ \n\tab=():'\"#thinkENDpyf{}[]"), max_size=120))
def test_whatever_a_model_says_the_answer_is_code_or_a_refusal(reply: str) -> None:
    try:
        code = extract_code(reply)
    except ReplyRejected as rejection:
        assert rejection.reason in {"truncated", "empty", "refused", "no_code", "unparsable", "degenerate"}
    else:
        ast.parse(code)


# JSON

PLAN = {"steps": [{"path": "a.py", "note": "use ``` and {braces} and </think>"}], "n": 1}


@pytest.mark.parametrize(
    "wrapped",
    ["{0}", "```json\n{0}\n```", "Here is the plan:\n{0}\nDone.", "<think>{{\"draft\": 1}}</think>{0}",
     "so {{x}} it is\n</think>\n{0}", "```\n{0}\n```\nThat has {{3}} steps.", "\ufeff{0}", "use {{name}} here: {0} ok",
     "```json\n[1]\n```\n```json\n{0}\n```"],
)  # fmt: skip
@pytest.mark.parametrize("indent", [None, 2])
def test_json_comes_out_of_every_wrapping(wrapped: str, indent: int | None) -> None:
    assert extract_json(wrapped.format(json.dumps(PLAN, indent=indent))) == PLAN


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        ("", "empty"),
        ("No plan is needed.", "no_code"),
        ("I'm sorry, I cannot plan that.", "refused"),
        ('{"steps": [{"path": "a.py"}, {"path": "b', "truncated"),
        ('{"steps": [{"path": "a.py"}', "truncated"),
        ('```json\n{"steps": [{"path": "a.py"}], "n": 1,}\n```', "unparsable"),
        ('{"a": NaN}', "unparsable"),
        ('{"a": "\\ud800"}', "unparsable"),
        ("[" * 5000, "degenerate"),
        ('{"a": ' + "[" * 3000 + "1" + "]" * 3000 + "}", "unparsable"),
        ('{"a": "' + "very " * 300, "degenerate"),
        ('"just text"', "no_code"),
        ("42", "no_code"),
    ],
)
def test_json_that_cannot_be_used_is_refused_by_name(reply: str, reason: str) -> None:
    with pytest.raises(ReplyRejected) as caught:
        extract_json(reply)
    assert caught.value.reason == reason


def test_a_part_of_a_broken_object_is_never_taken_for_the_answer() -> None:
    whole = json.dumps(PLAN)
    for end in range(1, len(whole)):
        with pytest.raises(ReplyRejected):
            extract_json(whole[:end])
