"""Which replies of a passed run may teach: those whose output is part of what passed.

A file that was mended or put together without a model, a `fix` or a `splice`, was written by no model: nothing is
learned from it, unless some reply happens to hold that very text. What a reply stands for is read again by the parser
of the runtime and held against what the run did with it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import islice
from typing import Any

from nightshift.checks import base_node
from nightshift.dataset.domains import domain_of_all
from nightshift.dataset.example import Example, Messages, Source
from nightshift.dataset.replies import Wanted, a_diagnosis, a_file, a_plan, edits_of, spoken
from nightshift.dataset.split import group_of
from nightshift.dataset.story import Story
from nightshift.dataset.streaming import RunFile, digest_of
from nightshift.domain import Diagnosis, Plan
from nightshift.records import Record, attempt_number, doubted_tests, of_kind, value_of
from nightshift.source.tests_pool import test_names, unsafe_test_reason

_SAMPLE = re.compile(r"(?:(?P<before>.*?)/)??tests/(?P<path>.+)/(?P<label>sample|again|rewrite)-\d+")
_MADE = re.compile(r"repair-\d+ made from (?P<base>.+)")


@dataclass(frozen=True, slots=True)
class Written:
    """A file of a model."""

    evaluation: Record
    example: Example
    whole: bool
    """Not edits of another candidate."""


@dataclass
class Learner:
    """One passed run, asked for what it teaches."""

    run: RunFile
    story: Story

    def turns(self) -> Iterator[Example]:
        """Plan, tests, files with their repairs, diagnoses; each as it was asked and answered."""
        for origin in _ORIGINS:
            yield from origin(self)

    @cached_property
    def evaluations(self) -> dict[str, Record]:
        return {record.span: record for record in of_kind(self.story.told, "evaluation")}

    @cached_property
    def domain(self) -> str:
        spans = [f"{record.span}/{record.fields['chosen']}" for record in self.story.choices.values()]
        return domain_of_all(str(self.evaluations[span].fields["domain"]) for span in spans if span in self.evaluations)

    @cached_property
    def group(self) -> str:
        return group_of(self.story.task)

    @cached_property
    def plan(self) -> Plan | None:
        return value_of(Plan, self.story.plan, "plan") if self.story.plan else None

    def example(self, call: Record, wanted: Wanted, *, tag: str, domain: str = "") -> Example | None:
        """None when the runtime would not take the reply for what it was."""
        reply = spoken(str(call.fields["text"]), wanted)
        return None if reply is None else Example(prompt_of(call), reply, source=self.source(call, tag, domain))

    def source(self, call: Record, tag: str, domain: str = "") -> Source:
        fields = call.fields
        model = str(fields.get("model_served") or fields.get("model_requested") or "")
        role = str(fields.get("role"))
        return Source(call.run, call.seq, call.span, role, domain or self.domain, self.group, tag, model)

    def written(self, evaluation: Record) -> Written | None:
        """The reply that is the file of an evaluation, if a model wrote it."""
        fields = evaluation.fields
        call = self.call_of(evaluation)
        reads = [a_file(fields["path"]), *self._edits(evaluation)] if call else []
        for number, read in enumerate(reads):
            wanted = Wanted(read, lambda text: digest_of(text) == fields["digest"])
            if call and (example := self.example(call, wanted, tag=_tag(evaluation), domain=str(fields["domain"]))):
                return Written(evaluation, example, whole=number == 0)
        return None

    def call_of(self, evaluation: Record) -> Record | None:
        """None for a file that no model wrote."""
        by_model = evaluation.fields["origin"] in ("sample", "repair")
        return self.run.reply(evaluation.span) if by_model else None

    def _edits(self, evaluation: Record) -> list[Callable[[str], str]]:
        """How a repair is read that came as edits of another candidate."""
        path, step = str(evaluation.fields["path"]), evaluation.span.rpartition("/")[0]
        made = [r for r in of_kind(self.story.told, "repair") if r.span == evaluation.span]
        found = _MADE.fullmatch(str(made[-1].fields.get("outcome"))) if made else None
        base = self.evaluations.get(f"{step}/{found['base']}") if found else None
        return [edits_of(path, self.run.text_of(base))] if base else []

    @cached_property
    def doubts(self) -> tuple[set[str], set[str]]:
        """Tests with something against them: of any version of a file, and of its first version only."""
        guards = [r for r in of_kind(self.story.told, "guard") if r.fields.get("rule") in ("quarantine", "flaky-test")]
        named = [str(record.fields.get("action")) for record in guards]
        named += [str(test["node"]) for test in doubted_tests(self.story.told)]
        named += [quarantined.node for quarantined in self.story.verdict.quarantined] if self.story.verdict else []
        first = {_stem(node) for node in named if node.endswith(" (first version)")}
        return {_stem(node) for node in named if not node.endswith(" (first version)")}, first

    @cached_property
    def passing(self) -> set[str]:
        report = self.story.verdict.report if self.story.verdict else None
        return {_stem(r.node) for r in report.results if r.outcome == "passed"} if report else set()

    def samples(self) -> Iterator[tuple[Record, re.Match[str]]]:
        """Calls that asked for tests of the plan in force."""
        for span in self.run.spans():
            found = _SAMPLE.fullmatch(span)
            if found and self._of_plan(found["before"] or "") and (call := self.run.reply(span)):
                yield call, found

    def _of_plan(self, before: str) -> bool:
        """Tests are first asked for once a plan, and again in an attempt that finds them to blame."""
        attempt = re.fullmatch(r"attempt-(\d+)", before)
        plan = self.story.plan.span.removesuffix("plan").rstrip("/") if self.story.plan else ""
        return int(attempt[1]) in self.story.attempts if attempt else before == plan


def prompt_of(call: Record) -> Messages:
    """As it was sent: one function wrote the messages for the server and for the trace."""
    return tuple({"role": str(m["role"]), "content": str(m["content"])} for m in call.fields["messages"])


def is_trusted(code: str, where: re.Match[str], learner: Learner) -> bool:
    """None of the tests is in doubt, and the verdict that passed rests on some of them."""
    try:
        stems = {_stem(f"{where['path']}::{name}") for name in test_names(code)}
    except SyntaxError:
        return False
    doubted, first = learner.doubts
    against = doubted if where["label"] == "rewrite" else doubted | first
    return not unsafe_test_reason(code) and bool(stems & learner.passing) and not stems & against


def _plan(learner: Learner) -> Iterator[Example]:
    record = learner.story.plan
    call = learner.run.reply(f"{record.span}/ask-{record.fields.get('ask')}") if record else None
    if record and call:
        tag = "first try" if record.fields.get("ask") == 1 else "after refusals"
        example = learner.example(call, Wanted(a_plan), tag=tag)
        yield from [example] if example else []


def _tests(learner: Learner) -> Iterator[Example]:
    for call, where in learner.samples():
        wanted = Wanted(a_file(where["path"]), partial(is_trusted, where=where, learner=learner))
        example = learner.example(call, wanted, tag=where["label"], domain="testing")
        yield from [example] if example else []


def chosen(learner: Learner) -> Iterator[Written]:
    """The evaluation and the reply behind the final text of each file, in whatever attempt it was written."""
    by_text: dict[tuple[Any, Any], list[Record]] = {}
    for evaluation in learner.evaluations.values():
        by_text.setdefault((evaluation.fields["path"], evaluation.fields["digest"]), []).append(evaluation)
    for record in learner.story.choices.values():
        final = learner.evaluations.get(f"{record.span}/{record.fields['chosen']}")
        twins = by_text[final.fields["path"], final.fields["digest"]] if final else []
        found = map(learner.written, reversed(twins))
        yield from islice(filter(None, found), 1)


def _files(learner: Learner) -> Iterator[Example]:
    yield from (written.example for written in chosen(learner))


def _diagnoses(learner: Learner) -> Iterator[Example]:
    """Those after which the next attempt passed; one that was changed or made without the analyst has no reply."""
    last = max(learner.story.attempts, default=0)
    for record in of_kind(learner.story.told, "diagnosis"):
        call = learner.run.reply(record.span)
        if attempt_number(record) + 1 == last and last in learner.story.attempts and call:
            wanted = Wanted(a_diagnosis(_suspects(learner.plan)), _same(record.fields["diagnosis"]))
            example = learner.example(call, wanted, tag="before a pass")
            yield from [example] if example else []


_ORIGINS: tuple[Callable[[Learner], Iterator[Example]], ...] = (_plan, _tests, _files, _diagnoses)


def _suspects(plan: Plan | None) -> dict[str, str]:
    files = {step.path: step.kind for step in plan.steps} if plan else {}
    return {**files, **({f"criterion {c.id}": "criterion" for c in plan.criteria} if plan else {})}


def _same(recorded: Mapping[str, Any]) -> Callable[[Diagnosis], bool]:
    return lambda diagnosis: diagnosis.advice == recorded.get("advice")


def _tag(evaluation: Record) -> str:
    if evaluation.fields["origin"] == "repair":
        return "repaired"
    if attempt_number(evaluation) > 1:
        return "after a diagnosis"
    return "first try" if evaluation.fields["label"] == "candidate-1" else "sampled"


def _stem(node: str) -> str:
    """Of tests that pooling told apart by a number at the end, what they have in common."""
    return re.sub(r"_\d+$", "", base_node(node.split(" (")[0]))
