"""Test files as the simulated tester writes them, and what a piece of evidence says of a task's calls."""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence

from benchmarks.simulated.errors import Errors
from benchmarks.simulated.worlds import Assert


def as_tests(errors: Errors, claims: Sequence[Assert], criterion: str) -> str:
    """One test function for each claim, named after its criterion and its call."""
    knowledge = errors.knowledge
    public = [n for n in _top_names(knowledge.reference) if not n.startswith("_")]
    used: dict[str, int] = {}
    parts = [f"import pytest\n\nfrom {knowledge.module} import {', '.join(public)}\n"]
    for claim in claims:
        call = knowledge.calls[claim.call]
        name = f"test_{criterion}_{_words(call)}"
        used[name] = used.get(name, 0) + 1
        suffix = "" if used[name] == 1 else "_" + "abcdefghijkl"[used[name] - 2]
        parts.append(f"def {name}{suffix}():\n{_body(call, errors.shown.get(claim.value, claim.value))}")
    return "\n\n".join(parts)


def _top_names(reference: str) -> list[str]:
    return [n.name for n in ast.parse(reference).body if isinstance(n, (ast.FunctionDef, ast.ClassDef))]


def _words(call: str) -> str:
    words = re.findall(r"[a-z0-9]+", re.sub(r"\b[a-z] = [A-Z]\w+\([^;]*\); ", "", call).lower())
    return "_".join(words)[:40].strip("_") + ("" if words and not words[-1].isdigit() else "_given")


def _body(call: str, value: str) -> str:
    *before, last = call.split("; ")
    lines = [f"    {line}" for line in before]
    if value.startswith("!"):
        return "\n".join([*lines, f"    with pytest.raises({value[1:]}):", f"        {last}\n"])
    return "\n".join([*lines, f"    assert {last} == {value}\n"])


def claims_in(evidence: str, errors: Errors) -> list[Assert]:
    """The claims of failing tests that a piece of evidence shows, as far as they are about calls of the task."""
    text = _flat(evidence)
    found = []
    for number, call in enumerate(errors.knowledge.calls):
        *before, last = call.split("; ")
        setup = re.escape(_flat(" ".join(before)) + " ") if before else r"(?<!; )"
        plain = re.search(rf"\(\): {setup}assert {re.escape(_flat(last))} == (.+?)(?= ```| def |$)", text)
        raised = re.search(rf"\(\): {setup}with pytest\.raises\((\w+)\): {re.escape(_flat(last))}", text)
        if raised:
            found.append(Assert(number, "!" + raised[1]))
        elif plain:
            found.append(Assert(number, _canonical(plain[1], errors)))
    return found


def _canonical(written: str, errors: Errors) -> str:
    """As behaviours tell a value: the longest known one that the text begins with."""
    known = [short for short, long in errors.shown.items() if _flat(long) and written.startswith(_flat(long))]
    return max(known, key=len, default=written)


def _flat(text: str) -> str:
    return " ".join(text.split())
