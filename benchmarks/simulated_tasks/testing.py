"""Test files as the simulated tester writes them, and which claims a piece of evidence is about."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping, Sequence

from benchmarks.simulated_tasks.calls import HELPERS, Call
from benchmarks.simulated_tasks.knowledge import Knowledge
from benchmarks.simulated_tasks.world import Claim
from nightshift.source.graph import module_name

_NAME = re.compile(r"test_c\d+_\w+?_n(\d+)(r|w[0-9a-f]{4})(?![0-9a-z])")

HEAD = """import os
import subprocess
import sys

import pytest

{imports}

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
{helpers}

@pytest.fixture(autouse=True)
def own_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
"""


def as_tests(knowledge: Knowledge, claims: Sequence[Claim], criterion: str) -> str:
    """A test function for each claim; its name tells the simulation, and nobody else, which claim it makes."""
    calls = [knowledge.calls[claim.call] for claim in claims]
    helpers = HELPERS if any(re.search(r"\b(?:cli|page)\(", call.text) for call in calls) else ""
    tests = [_test(claim, call, criterion) for claim, call in zip(claims, calls, strict=True)]
    head = HEAD.format(imports=_imports(knowledge, calls), helpers=helpers)
    if not helpers:
        head = re.sub(r"(?s)^import os.*?\n\nimport pytest", "import pytest", head)
        head = re.sub(r"(?m)^ROOT = .*\n\n", "", head)
    return head + "\n\n" + "\n\n".join(tests)


def _imports(knowledge: Knowledge, calls: Sequence[Call]) -> str:
    text = "\n".join(f"{call.text} {call.value[1:] if call.value.startswith('!') else ''}" for call in calls)
    lines = []
    for path in knowledge.sources:
        names = [name for name in _public(knowledge.text(path)) if re.search(rf"(?<![\w.]){name}\b", text)]
        lines += [f"from {module_name(path)} import {', '.join(names)}"] if names else []
    modules = [name for name in ("datetime", "pathlib", "decimal", "collections") if f"{name}." in text]
    return "\n".join([*(f"import {name}" for name in modules), *lines])


def _public(text: str) -> list[str]:
    return re.findall(r"(?m)^(?:async def|def|class) ([A-Za-z]\w*)", text)


def _test(claim: Claim, call: Call, criterion: str) -> str:
    mark = "r" if claim.right else f"w{abs(hash_of(claim.value)) % 65536:04x}"
    name = f"test_{criterion}_{call.words}_n{claim.call}{mark}"
    *before, last = call.text.split("; ")
    if claim.value.startswith("!"):
        inner = [f"        {line}" for line in (*before, last)]  # any of them may raise it
        return "\n".join([f"def {name}():", f"    with pytest.raises({claim.value[1:]}):", *inner, ""])
    body = [f"    {line}" for line in before]
    asked = last if isinstance(ast.parse(last, mode="eval").body, _SIMPLE) else f"({last})"
    return "\n".join([f"def {name}():", *body, f"    assert {asked} == {claim.value}", ""])


_SIMPLE = ast.Call | ast.Attribute | ast.Name | ast.Subscript


def hash_of(text: str) -> int:
    """The same in every process."""
    return sum((place + 1) * ord(char) for place, char in enumerate(text))


def claims_in(evidence: str, knowledge: Knowledge, made: Mapping[str, Claim]) -> list[Claim]:
    """The claims of the tests that the evidence names; `made` are the wrong ones that are remembered."""
    matches = {match[0]: match for match in _NAME.finditer(evidence)}
    known = {name: match for name, match in matches.items() if int(match[1]) < len(knowledge.calls)}
    return [made.get(name) or _claim(int(match[1]), match[2], knowledge) for name, match in known.items()]


def _claim(number: int, mark: str, knowledge: Knowledge) -> Claim:
    right = mark == "r"
    return Claim(number, knowledge.calls[number].value if right else "", right)


def names_in(tests: str, claims: Sequence[Claim]) -> dict[str, Claim]:
    """Each test of a file written by `as_tests`, and its claim."""
    return dict(zip((match[0] for match in _NAME.finditer(tests)), claims, strict=True))
