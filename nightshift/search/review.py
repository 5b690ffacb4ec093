"""The reviewer: another model's objections to a program that passed, as far as running them bears them out.

An objection is a check in Python. It counts only when it fails on the program by what the program does, never by a
fault of its own, and when neither the tests that hold nor, where there is voting, the task speak against it. Then it
is one more criterion, and its file is made again. Words alone change nothing, and the result never gets worse: what
was made again is taken only when everything holds, the objection too.
"""

from __future__ import annotations

import ast
import asyncio
import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace

from nightshift.acceptance import prove_criteria
from nightshift.checks import SCRIPT, run_command_check
from nightshift.domain import Criterion, CriterionResult, Culprit, Diagnosis, ScriptCheck, Verdict
from nightshift.errors import BudgetExceeded, ModelServerError, ReplyRejected
from nightshift.prompting import bullets, fenced, head
from nightshift.search.blame import SOURCES_CHARS
from nightshift.search.disputes import demanded
from nightshift.search.making import rebuild
from nightshift.search.objection import Objection
from nightshift.search.work import Work, Workshop
from nightshift.source.graph import import_graph
from nightshift.source.syntax import parse_or_none
from nightshift.source.tests_facts import Fact, facts_by_test, is_outvoted

CHECK_SECONDS = 30.0
"""For one run of a reviewer's check."""
NOTE_CHARS = 600

Judge = Callable[[Work], Awaitable[Verdict]]


@dataclass(frozen=True, slots=True)
class Reviewed:
    """The best there is after the review: what passed before, or better."""

    work: Work
    verdict: Verdict
    standing: str = ""
    """The objection that holds and could not be met; empty when there is none."""


async def reviewed(
    work: Work, shop: Workshop, verdict: Verdict, judge: Judge, span: str, rounds: int, *, votes: bool = True
) -> Reviewed:
    """`verdict` passed for `work`. Running out of anything ends the review, and never the run."""
    best, notes = Reviewed(work, verdict), list[str]()
    for number in range(1, rounds + 1):
        where = f"{span}/review-{number}"
        try:
            objection = await _raised(best.work, shop, where, notes)
            if objection is None:
                return replace(best, standing="")
            criterion = Criterion(f"review-{number}", objection.why, ScriptCheck(objection.check))
            failed, refusal = await asyncio.to_thread(_tried, objection, criterion, best.work, shop)
            if failed and votes and not await demanded(objection, work.task, shop.crew, where, shop.recorder):
                failed, refusal = None, "the voters do not find it in the task"
            if failed:
                best, outcome = await _met(objection, failed, best, shop, judge, where)
            else:
                outcome = f"does not count: {refusal}"
        except (BudgetExceeded, ModelServerError) as error:
            _record(shop, where, "review ended early", str(error))
            return replace(best, standing="")
        _record(shop, where, f"objection to {objection.path}: {outcome}", objection.why)
        notes.append(f"{objection.path}: {head(objection.why, NOTE_CHARS)} This objection {outcome}")
    return best


async def _raised(work: Work, shop: Workshop, span: str, notes: Sequence[str]) -> Objection | None:
    sources = [step.path for step in work.plan.steps if step.kind != "test" and step.path in work.tree.texts]
    share = max(SOURCES_CHARS // max(1, len(sources)), 4000)
    shown = "\n\n".join(f"{path}\n{fenced(head(work.tree.texts[path], share))}" for path in sources)
    told = bullets([*notes]) if notes else ""
    try:
        return await shop.crew.review(work.task, work.plan, span, sources=shown, notes=told)
    except ReplyRejected:
        return None  # what cannot be read is no objection, and no praise either: execution has spoken


async def _met(
    objection: Objection, failed: CriterionResult, best: Reviewed, shop: Workshop, judge: Judge, span: str
) -> tuple[Reviewed, str]:
    """The program with the file at fault made again, where all holds then; else as it was, with the objection."""
    before = best.work
    plan = replace(before.plan, criteria=(*before.plan.criteria, failed.criterion))
    diagnosis = Diagnosis((objection.why,), (Culprit(objection.path, objection.why, "source"),), "Mend just this.")
    verdict = replace(best.verdict, results=(*best.verdict.results, failed))
    # The rounds of the review are its own bound: what was made again before does not count here.
    made, _ = await rebuild(replace(before, plan=plan, reopened={}), shop, span, diagnosis, verdict)
    changed = {p: text for p, text in before.tree.texts.items() if made.tree.texts.get(p) != text}
    if not changed:
        return replace(best, standing=objection.why), "holds; nothing better came"
    judged = await judge(made)
    if judged.passed:
        return Reviewed(replace(made, reopened=before.reopened), judged), "was upheld and is met"
    shop.save(changed, "Back to the tree that passed")
    return replace(best, standing=objection.why), "holds; what was made to meet it did not pass"


def _tried(
    objection: Objection, criterion: Criterion, work: Work, shop: Workshop
) -> tuple[CriterionResult | None, str]:
    """How the check fails on the program; or None, and why it does not count."""
    if refusal := next((reason for doubt in _DOUBTS if (reason := doubt(objection.check, work))), ""):
        return None, refusal
    limits = replace(shop.limits, seconds=CHECK_SECONDS)
    alone, faults = prove_criteria(
        replace(work.plan, criteria=(criterion,)), work.tree, shop.sandbox, limits, found=work.accepted.found
    )
    # A check that holds on some stub may still find a fault here; what it lacks in the interfaces is its own fault.
    if faults and not alone.criteria[0].guard:
        return None, faults[0]
    results = [run_command_check(criterion, work.tested_tree, shop.sandbox, limits) for _ in range(2)]
    if any(result.passed for result in results):
        return None, "the program passes its check"
    refusal = _own_fault(results[0].evidence, work)
    return (None, refusal) if refusal else (results[0], "")


def _unreadable(check: str, _: Work) -> str:
    return "" if parse_or_none(check) else "its check is no Python"


def _beside_the_point(check: str, work: Work) -> str:
    planned = {step.path for step in work.plan.steps}
    used = import_graph({**work.tree.texts, SCRIPT: check}).imports(SCRIPT)
    return "" if planned & set(used) else "its check imports nothing of the program"


def _against_tests(check: str, work: Work) -> str:
    """The tests that hold say another value of a call that it makes."""
    user_tests = [text for path, text in work.user_tests.originals.items() if path in work.user_tests.files]
    trees = [parse_or_none(text) for text in (*work.accepted.texts.values(), *user_tests)]
    facts = [fact for tree in trees if tree for facts in facts_by_test(tree).values() for fact in facts]
    return "the tests that hold expect another value" if any(is_outvoted(f, [facts]) for f in _claims(check)) else ""


_DOUBTS: tuple[Callable[[str, Work], str], ...] = (_unreadable, _beside_the_point, _against_tests)


def _claims(check: str) -> list[Fact]:
    """What a script claims of single calls, as if it were a test."""
    tree, test = ast.parse(check), ast.parse("def test_check():\n    pass")
    imports = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
    function = test.body[0]
    assert isinstance(function, ast.FunctionDef)
    function.body += [node for node in tree.body if node not in imports]
    test.body = [*imports, function]
    return [fact for facts in facts_by_test(test).values() for fact in facts]


_FRAME = re.compile(r"^([\w./-]+\.py):\d+: in ", re.M)
_ASSERTION = re.compile(r"^E +(?:assert |AssertionError\b)", re.M)


def _own_fault(evidence: str, work: Work) -> str:
    """Why the failure says nothing of the program: it is no assertion of the check, and no exception of the program."""
    frames = [frame for frame in _FRAME.finditer(evidence) if frame[1] == SCRIPT or frame[1] in work.tree.texts]
    if not frames:
        return "its check could not be run to an answer"
    last = frames[-1]
    if last[1] == SCRIPT and not _ASSERTION.search(evidence, last.end()):
        return f"its check is at fault itself: {evidence.strip().splitlines()[-1].removeprefix('E').strip()}"
    return ""


def _record(shop: Workshop, span: str, action: str, reason: str) -> None:
    shop.recorder.record("guard", span, rule="review", action=action, reason=reason)
