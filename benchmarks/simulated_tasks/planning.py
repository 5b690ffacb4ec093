"""The simulated plan of a benchmark task: the files of its reference, their interfaces, a test file for each."""

from __future__ import annotations

import ast
import re
from typing import Any

from benchmarks.simulated_tasks.knowledge import Knowledge
from nightshift.plan import MAX_CRITERIA
from nightshift.source.graph import import_graph
from nightshift.source.interfaces import signatures


def plan(knowledge: Knowledge) -> dict[str, Any]:
    tested = _tested(knowledge)
    steps = [_step(knowledge, path) for path in knowledge.sources]
    tests = [
        {"path": test_path(path), "kind": "test", "purpose": f"Tests of what the task says of {path}.", "interface": "",
         "depends_on": [path], "approaches": []}
        for path in tested
    ]  # fmt: skip
    criteria = [
        {"id": f"c{number}", "description": f"What the task says of {path} holds.",
         "check": {"type": "tests", "path": test_path(path)}}
        for number, path in enumerate(tested, 1)
    ]  # fmt: skip
    summary = knowledge.task.title or knowledge.task.name
    return {"summary": summary, "steps": [*steps, *tests], "criteria": criteria, "requires": [*knowledge.task.requires]}


def test_path(source: str) -> str:
    return f"tests/test_{re.sub(r'[^A-Za-z0-9]+', '_', source.removesuffix('.py'))}_made.py"


def _tested(knowledge: Knowledge) -> list[str]:
    """The files of which a call is known, the most telling first."""
    count = {path: sum(call.path == path for call in knowledge.calls) for path in knowledge.sources}
    ranked = sorted((path for path in count if count[path]), key=lambda path: -count[path])
    return ranked[: min(4, MAX_CRITERIA)] or [path for path in knowledge.sources if path.endswith(".py")][:1]


def _step(knowledge: Knowledge, path: str) -> dict[str, Any]:
    python = path.endswith(".py")
    graph = import_graph(knowledge.task.solution)
    reached = graph.reach(path) - {path} if python else frozenset[str]()
    return {
        "path": path, "kind": "source" if python else "other",
        "purpose": f"{path}, with all that the task says of it."[:800],
        "interface": _interface(knowledge.text(path)) if python else "",
        "depends_on": sorted(reached & set(knowledge.sources)), "approaches": [],
    }  # fmt: skip


def _interface(text: str) -> str:
    """Public signatures, and the imports that they need."""
    shown = signatures(text)
    nodes = [node for node in ast.parse(text).body if isinstance(node, ast.Import | ast.ImportFrom)]
    needed = [n for n in nodes if any(re.search(rf"\b{alias.asname or alias.name}\b", shown) for alias in n.names)]
    return "\n".join([*map(ast.unparse, needed), shown]).strip() or "VERSION: str"
