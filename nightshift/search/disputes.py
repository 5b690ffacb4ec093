"""What is put to the vote: which of equal candidates is right, who is to blame, whether the task demands something.

Each only after execution has had its say. Candidates are voted on when the best by the tests fall into equally large
groups of behaviour; the blame, when nothing fails but tests that are doubted and the analyst holds the source to
blame. Tests that have earned trust are never voted down. Without a decision all stays as it was.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from nightshift.checks import base_node
from nightshift.domain import Candidate, Diagnosis, Recorder, Task, Verdict
from nightshift.evidence import fitted, of_test
from nightshift.prompting import fenced, head
from nightshift.search.brief import Brief
from nightshift.search.objection import Objection
from nightshift.search.voting import Ballot, Voter, decide, first_to_ahead_by_k, first_to_k
from nightshift.search.work import Work
from nightshift.source.splice import differing
from nightshift.source.units import units

SHOWN_INPUTS = 3
"""That tell the candidates apart; more only where they are needed to tell all apart."""
OPTION_CHARS = 1500
EVIDENCE_CHARS = 4000


@dataclass(frozen=True, slots=True)
class Rival:
    """One candidate for each group of equal behaviour."""

    candidate: Candidate
    behaviour: tuple[str, ...]
    """For each of the inputs; empty when it could not be had."""


async def elected(
    rivals: Sequence[Rival], inputs: Sequence[str], brief: Brief, voter: Voter, recorder: Recorder
) -> Candidate | None:
    """The candidate that does right where they differ, as the voters read the task; None without a decision.

    What they are asked is which output is right for an input; programs are only shown where no input tells them apart.
    """
    by_label = {rival.candidate.label: rival.candidate for rival in rivals}
    interface = f"\n{fenced(brief.step.interface)}" if brief.step.interface else ""
    known = head(f"{brief.step.path}: {brief.step.purpose}{interface}", EVIDENCE_CHARS)
    telling = distinguishing([rival.behaviour for rival in rivals], inputs)
    if telling:
        question = f"Which results are right, calling what {brief.step.path} defines?"
        options = {r.candidate.label: _results(r.behaviour, inputs, telling) for r in rivals}
    else:
        question = f"Which of these versions of parts of {brief.step.path} does what the task says?"
        options = {r.candidate.label: _own_parts(r, rivals) for r in rivals}
    ballot = Ballot(question, known, options)
    winner = await decide(ballot, first_to_k, voter, brief.task, f"{brief.span}/tie", recorder)
    return by_label[winner] if winner else None


def distinguishing(behaviours: Sequence[tuple[str, ...]], inputs: Sequence[str]) -> list[int]:
    """Indices of a few inputs that tell all behaviours apart, the most telling first; none when no inputs do."""
    if not inputs or any(len(behaviour) != len(inputs) for behaviour in behaviours):
        return []
    chosen: list[int] = []
    left = [i for i in range(len(inputs)) if len({behaviour[i] for behaviour in behaviours}) > 1]
    while left and (len(chosen) < SHOWN_INPUTS or _groups(behaviours, chosen) < len(behaviours)):
        best = max(left, key=lambda i: (_groups(behaviours, [*chosen, i]), -_oddness(behaviours, i), -len(inputs[i])))
        chosen.append(best)
        left.remove(best)
    return chosen if _groups(behaviours, chosen) == len(behaviours) else []


def _groups(behaviours: Sequence[tuple[str, ...]], chosen: Sequence[int]) -> int:
    return len({tuple(behaviour[i] for i in chosen) for behaviour in behaviours})


def _oddness(behaviours: Sequence[tuple[str, ...]], i: int) -> int:
    """How many of them raise, hang or die: the task says less of such inputs."""
    return sum(behaviour[i].startswith(("raises", "hangs", "dies", "not tried")) for behaviour in behaviours)


def _results(behaviour: Sequence[str], inputs: Sequence[str], telling: Sequence[int]) -> str:
    return "\n" + "\n".join(f"   {inputs[i]}  ->  {behaviour[i]}" for i in telling)


def _own_parts(rival: Rival, rivals: Sequence[Rival]) -> str:
    """The functions and classes in which it differs from the others; the whole file where they differ elsewhere."""
    text = rival.candidate.text
    others = [other.candidate.text for other in rivals if other is not rival]
    found, lines = units(text), text.splitlines()
    names = dict.fromkeys(name for other in others for name in differing(other, text) if name in found)
    parts = ["\n".join(lines[found[name].first - 1 : found[name].last]) for name in names]
    return "\n" + fenced(head("\n\n".join(parts) or text, OPTION_CHARS))


async def blame_by_vote(
    analyst: Diagnosis, doubting: Diagnosis, work: Work, verdict: Verdict, voter: Voter, span: str, recorder: Recorder
) -> tuple[Diagnosis, str]:
    """Where `blame.weighed` moved the blame from the source to doubted tests: the diagnosis that the voters share.

    The other way round is no question: tests that have earned trust by running are not voted on.
    """
    if not _moved_to_tests(analyst, doubting):
        return doubting, ""
    files = {culprit.path for culprit in doubting.culprits}
    ballot = Ballot(
        "These tests fail. What is wrong: the program, or the tests?",
        _failing_tests(files, work, verdict),
        {
            "source": "The program: the tests ask for what the task says.",
            "test": "The tests: they ask for what the task does not say, or says otherwise.",
        },
    )
    winner = await decide(ballot, first_to_ahead_by_k, voter, work.task, f"{span}/blame", recorder)
    blames: dict[str | None, tuple[Diagnosis, str]] = {
        "source": (analyst, "the voters agree with the analyst: the task asks for what the doubted tests ask for"),
        "test": (doubting, "the voters find the doubted tests wrong, too"),
    }
    return blames.get(winner, (doubting, ""))


def _moved_to_tests(analyst: Diagnosis, doubting: Diagnosis) -> bool:
    blames: tuple[set[Literal["source", "test", "criterion"]], ...] = tuple(
        {culprit.blame for culprit in diagnosis.culprits} for diagnosis in (analyst, doubting)
    )
    return blames == ({"source"}, {"test"})


def _failing_tests(files: set[str], work: Work, verdict: Verdict) -> str:
    failures = verdict.report.failures if verdict.report else ()
    own = [result for result in failures if base_node(result.node).partition("::")[0] in files]
    return fitted([of_test(result, work.tested_tree.texts) for result in own], EVIDENCE_CHARS)


async def demanded(objection: Objection, task: Task, voter: Voter, span: str, recorder: Recorder) -> bool:
    """Whether the voters find in the task what a failing check of the reviewer asks for; in doubt it is not."""
    known = f"A reviewer says of {objection.path}: {objection.why}\nThe program fails this check:"
    ballot = Ballot(
        "Does the task demand what this check asserts?",
        f"{known}\n{fenced(head(objection.check, EVIDENCE_CHARS))}",
        {
            "demanded": "Yes: the task says so, or it follows from what the task says.",
            "not demanded": "No: the task leaves it open, or says otherwise.",
        },
    )
    return await decide(ballot, first_to_ahead_by_k, voter, task, f"{span}/demanded", recorder) == "demanded"
