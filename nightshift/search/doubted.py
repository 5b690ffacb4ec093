"""When nothing fails but tests of the model's own that nothing speaks for, they are set aside, with the reason.

The last resort between right code and wrong tests, of which a small model writes many: their file was sampled anew
already or cannot be any more, no candidate ever passed them, they fail by another value and not by an accident of the
code, and what remains of each criterion has earned trust and uses every name of the project that they use: nothing
goes unproved because all that proved it was set aside. In the laboratory, where the best of three candidates was
wrong, a test that no other passed was right in 6 % of cases (docs/log.md).
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable

from nightshift.checks import base_node
from nightshift.domain import TestsCheck, Verdict
from nightshift.search.blame import failing_generated, others_fail
from nightshift.search.trials import trust_of, without_test
from nightshift.search.trust import DOUBTED, Trust
from nightshift.search.work import Work, Workshop
from nightshift.source.syntax import parse_or_none
from nightshift.source.tests_units import source_of

CANDIDATES = 2
"""So many different programs must have failed a test before that says something about it."""
ACCIDENT = re.compile(r"^E\s+(?:Attribute|Name|UnboundLocal|Import|ModuleNotFound|Recursion|Type)Error\b", re.MULTILINE)
"""The code breaks down: no opinion of a value. Other exceptions may be what right code answers to a wrong test."""


def set_aside(work: Work, verdict: Verdict, shop: Workshop, span: str, *, last: bool = False) -> Work | None:
    """The work without them; None when something else fails, or when a criterion would lose its trusted test.

    `last`: there is no other attempt, in which their file could be sampled anew.
    """
    failing = failing_generated(work, verdict)
    if (
        not failing
        or verdict.report is None
        or others_fail(verdict, failing)
        or 2 * len(failing) > len(work.accepted.nodes)
    ):
        return None
    trust = trust_of(work)
    if not all(_unfounded(trust[node]) and (last or work.reopened.get(node.split("::")[0])) for node in failing):
        return None
    if any(ACCIDENT.search(r.detail) for r in verdict.report.failures if base_node(r.node) in failing):
        return None
    left: Work | None = work
    for node in sorted(failing):
        left = without_test(left, node, "; ".join(trust[node].doubts)) if left else None
    if left is None or not _proved(left, work) or not _used(work, failing) <= _used(left, _trusted(left)):
        return None
    for node in sorted(failing):
        reason = "nothing else fails, and nothing speaks for it: " + "; ".join(trust[node].doubts)
        shop.recorder.record("guard", span, rule="doubted-test", action=f"{node} is set aside", reason=reason)
    changed = {path: text for path, text in left.accepted.texts.items() if work.accepted.texts[path] != text}
    shop.save(changed, "Without tests that nothing speaks for")
    return left


def _unfounded(trust: Trust) -> bool:
    return trust.score < DOUBTED and not trust.trusted and not trust.passed and trust.tried >= CANDIDATES


def _proved(left: Work, before: Work) -> bool:
    """By tests that proved the criterion before: one that loses all it had is bound to the others of its file."""
    trust = trust_of(left)
    had = {c.id: c.check.nodes for c in before.plan.criteria if isinstance(c.check, TestsCheck) and not c.trusted}
    return all(any(trust[node].trusted for node in nodes if node in trust) for nodes in had.values())


def _trusted(work: Work) -> list[str]:
    return [node for node, trust in trust_of(work).items() if trust.trusted]


def _used(work: Work, nodes: Iterable[str]) -> frozenset[str]:
    """The project's own functions and classes that these tests name."""
    texts = "\n".join(f"{step.interface}\n{work.tree.texts.get(step.path, '')}" for step in work.plan.steps)
    own = frozenset(re.findall(r"\b(?:def|class) +(\w+)", texts))
    named: set[str] = set()
    for node in nodes:
        path, _, name = node.partition("::")
        tree = parse_or_none(source_of(work.accepted.texts.get(path, ""), name))
        parts = ast.walk(tree) if tree else ()
        named |= {p.id if isinstance(p, ast.Name) else p.attr for p in parts if isinstance(p, ast.Name | ast.Attribute)}
    return own & named
