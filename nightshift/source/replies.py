"""A model's reply in, the file or the JSON value it carries out.

What cannot be used is refused with a one-word reason and never half applied: a reply cut short is not code,
however well its first half parses. Legal code is never judged by its looks.
"""

from __future__ import annotations

import ast
import codeop
import re
import textwrap
from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache
from pathlib import PurePosixPath
from typing import Literal

from nightshift.domain import StopReason
from nightshift.errors import ReplyRejected
from nightshift.source.blocks import (
    MAX_CLOSERS,
    Block,
    after_thinking,
    clean,
    fenced,
    holds_thinking_tag,
    is_fence,
    marked,
    paragraphs_from_end,
    split_inline_fences,
)
from nightshift.source.json_replies import extract_json
from nightshift.source.redflags import (
    declines,
    refuse_cut_short,
    refuse_unencodable,
    repeats_inside,
    runs_away,
)
from nightshift.source.substance import check_substance
from nightshift.source.syntax import is_docstring, parse, parse_or_none, too_deep

__all__ = ["check_substance", "extract_code", "extract_json"]

Language = Literal["python", "text"]

_PYTHON_TAGS = {"", "python", "python3", "py", "python-3", "py3", "pyi"}
_FILE_NAME = re.compile(r"[\w./-]*\w\.\w{1,5}")
_FILE_LINE = re.compile(
    r"^[\s#*`'\">_:-]*(?:\d+[.)]\s*)?(?:(?:file(?:name)?|path)\s*:?\s*)?[`*'\"]*([\w./-]*\w\.\w{1,5})[`*'\":\s]*$",
    re.I,
)
_PREAMBLE = re.compile(r"\A\s*(?:sure|certainly|of course|okay|ok|here|below|this is)\b[^\n]*:[ \t]*\n", re.I)
_STARTS_CODE = re.compile(
    r"""from\s+\S+\s+import\b|import\s+[\w.]+\s*(?:,|as\b|\#|;|$)|(?:async\s+)?def\s+\w+|class\s+\w+\s*[:(]|@\w
    |(?:if|for|while|with|try|match)\b.*:\s*(?:\#.*)?$|[rRbBuUfF]{0,2}(?:\"{3}|'{3})
    |[A-Za-z_][\w.\[\]'"]*\s*(?::[^=]+)?=(?!=)|[\w.]+\(""",
    re.X,
)
_LOOKS_LIKE_CODE = re.compile(
    rf"(?:{_STARTS_CODE.pattern})|class\s|[)\]}}]|(?:return|raise|assert|pass|else|elif|except|finally)\b"
    r"|(?:\t|[ ]{4,})(?![-*•\d])",
    re.X,
)


def extract_code(text: str, *, stop_reason: StopReason = "stop", language: Language = "python", path: str = "") -> str:
    """The file a reply carries, ending in one line feed. Raises ReplyRejected.

    `path`, when known, prefers the block that names it where a reply holds several files.
    """
    refuse_cut_short(stop_reason)
    text = clean(text)
    if not text.strip():
        raise ReplyRejected("empty", "The reply is empty; answer with the complete file in one fenced block.")
    code = _python_file(text, path) if language == "python" else _text_file(text, path)
    code = _tidy(code)
    refuse_unencodable(code)
    if runs_away(code, times=30, words=True):
        raise ReplyRejected("degenerate", "The reply repeats itself without end; answer with the file once.")
    return code


def _tidy(code: str) -> str:
    """Blank lines around the code go; the first line keeps its indentation."""
    return re.sub(r"\A(?:[ \t\ufeff]*\n)+", "", code).rstrip() + "\n"


# Python


def _python_file(text: str, path: str) -> str:
    if _is_module(text):
        return text
    whole = _best(text, path)
    if whole and holds_thinking_tag(whole):  # the code is about such tags
        return whole
    bodies = after_thinking(text)
    if not bodies[0].strip():
        raise ReplyRejected("empty", "The reply ends after its thinking; answer with the complete file.")
    code = next((code for body in bodies if (code := _best(body, path))), None)
    if code is None:
        raise _python_fault(bodies[0])
    return code


def _best(text: str, path: str) -> str | None:
    """The likeliest file in the text, unless a larger one was meant and does not parse."""
    for attempt in (text, split_inline_fences(text)):
        found = [(_rank(block, path, code), code) for block in _candidates(attempt) if (code := _module_in(block))]
        code = max(found, default=((), ""))[1]
        if code and len(code) >= _longest_broken(attempt):
            return code
    return None


def _longest_broken(text: str) -> int:
    blocks = [block for block in fenced(text, _is_parsable) if _tag(block) in _PYTHON_TAGS - {""} or not block.closed]
    return max((len(block.text) for block in blocks if not _module_in(block)), default=0)


def _candidates(text: str) -> Iterator[Block]:
    for region in [*marked(text, _is_parsable), Block(text)]:
        for block in fenced(region.text, _is_parsable):
            yield replace(block, before=region.info or block.before)
        for code in (region.text, *_unfenced(region.text)):
            yield Block(code, "", region.info or region.before)


def _unfenced(text: str) -> Iterator[str]:
    """Code without fences: from its first line of code, less the paragraphs of prose that follow it.

    A paragraph with code in it is never left out: that would turn a broken file into the half of one.
    """
    lines = text.split("\n")
    start = next((i for i, line in enumerate(lines) if _STARTS_CODE.match(line)), None)
    if start is None:
        return
    while start and (not lines[start - 1].strip() or lines[start - 1].startswith("#")):
        start -= 1
    lines = lines[start:]
    yield "\n".join(lines)
    for end in [end for end, line in enumerate(lines) if is_fence(line)][:MAX_CLOSERS]:
        yield "\n".join(lines[:end])
    for end, paragraph in paragraphs_from_end(lines):
        if any(_LOOKS_LIKE_CODE.match(line) or is_fence(line) for line in paragraph):
            return
        yield "\n".join(lines[:end])


def _module_in(block: Block) -> str | None:
    """The block's text, or its least repaired variant that is a module."""
    accept = _is_parsable if _tag(block) in _PYTHON_TAGS - {""} else _is_module
    variants = (
        block.text,
        *(region.text for region in marked(block.text, accept)),
        _plain_spaces(block.text),
        textwrap.dedent(block.text),
    )
    return next((text for text in variants if text.strip() and accept(text)), None)


def _plain_spaces(text: str) -> str:
    return re.sub("[\u200b\u200c\u200d\u2060\ufeff]", "", re.sub("[\u00a0\u2000-\u200a\u202f\u3000]", " ", text))


def _rank(block: Block, path: str, code: str) -> tuple[int, bool, int]:
    return _named(block, path), _tag(block) in _PYTHON_TAGS, len(code)


def _tag(block: Block) -> str:
    word = re.split(r"[\s:{,]", block.info.strip().lower(), maxsplit=1)[0]
    return "python" if word.endswith(".py") else word


def _named(block: Block, path: str) -> int:
    """How well the block is said to be the file: 2 by its path, -1 when it is said to be another one."""
    named = _FILE_NAME.search(block.info) or _FILE_LINE.match(block.before) or _FILE_LINE.match(_first(block.text))
    if not named:
        return 0
    name = PurePosixPath(named[named.lastindex or 0])
    if not path:
        return int(name.suffix == ".py")
    return 2 if PurePosixPath(path).parts[-len(name.parts) :] == name.parts else -1


def _first(text: str) -> str:
    line = text.lstrip().partition("\n")[0]
    return line if line.startswith("#") else ""


@lru_cache(maxsize=64)
def _is_parsable(text: str) -> bool:
    tree = parse_or_none(text)
    return tree is not None and not too_deep(tree)


@lru_cache(maxsize=64)
def _is_module(text: str) -> bool:
    """Parses and does something: prose such as `Sure` parses as Python too."""
    tree = parse_or_none(text)
    return tree is not None and any(map(_does_something, tree.body)) and not too_deep(tree)


def _does_something(node: ast.stmt) -> bool:
    return not isinstance(node, ast.Expr) or isinstance(node.value, ast.Call | ast.Await) or is_docstring(node)


def _python_fault(text: str) -> ReplyRejected:
    blocks = [block for block in fenced(text, _is_parsable) if _tag(block) in _PYTHON_TAGS]
    code = max((block.text for block in blocks), key=len, default="\n".join([*_unfenced(text)][:1]))
    if runs_away(text, times=20, words=False) or repeats_inside(text):
        return ReplyRejected("degenerate", "The reply repeats itself without end; answer with the file once.")
    if blocks and not code.strip():
        return ReplyRejected("empty", "The fenced block is empty; answer with the complete file in it.")
    if not code.strip():
        return _prose_fault(text)
    if _is_incomplete(code) or not all(block.closed for block in blocks):
        return ReplyRejected("truncated", "The code ends in the middle; answer with the complete file.")
    try:
        parse(textwrap.dedent(code))
    except SyntaxError as error:
        where = f"line {error.lineno}: {(error.text or '').strip()!r}" if error.lineno else "the file"
        return ReplyRejected("unparsable", f"The code does not parse: {error.msg} at {where}.")
    return _prose_fault(text)


def _prose_fault(text: str) -> ReplyRejected:
    if declines(text):
        return ReplyRejected("refused", "The reply declines the task; answer with the complete file.")
    return ReplyRejected("no_code", "The reply holds no code; answer with the file in one fenced block.")


def _is_incomplete(code: str) -> bool:
    """More input could still make this a program, as at a `>>>` prompt that goes on asking."""
    try:
        return codeop.compile_command(code.rstrip(), symbol="exec") is None
    except (SyntaxError, ValueError, OverflowError, RecursionError, MemoryError):
        return False


# Other files


def _text_file(text: str, path: str) -> str:
    body = after_thinking(text)[0]
    if not body.strip():
        raise ReplyRejected("empty", "The reply ends after its thinking; answer with the complete file.")
    regions = marked(body, lambda _: True)
    region = max(regions, key=lambda r: (_named(r, path), len(r.text))) if regions else Block(body)
    markdown = path.endswith((".md", ".markdown"))
    blocks = [_nested(region.text, markdown)] if markdown else fenced(region.text, lambda _: True)
    whole = Block(region.text if regions else _PREAMBLE.sub("", region.text))
    best = max((b for b in blocks if b), key=lambda b: (_named(b, path), len(b.text)), default=whole)
    if not best.closed:
        raise ReplyRejected("truncated", "The fenced block is never closed; answer with the complete file.")
    if not best.text.strip():
        raise ReplyRejected("empty", "The file in the reply is empty; answer with the complete file.")
    if best is whole and not regions and declines(whole.text) and len(whole.text) < 600:
        raise _prose_fault(whole.text)
    return best.text


def _nested(text: str, markdown: bool) -> Block | None:
    """A Markdown file sent as one fenced block with blocks of its own: from the first fence to the last."""
    lines = text.strip().split("\n")
    opening = next((i for i, line in enumerate(lines) if is_fence(line)), None)
    if opening is None or (opening and not re.match(r"\s*[`~]{3,}\s*(?:md|markdown)\b", lines[opening])):
        return None
    closing = max(i for i, line in enumerate(lines) if is_fence(line))
    return Block("\n".join(lines[opening + 1 : closing]), closed=closing > opening)
