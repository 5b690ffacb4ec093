"""Preferences: two replies to one prompt, of which one is in the proved result and the other one failed.

Candidates for one file are asked for with one prompt that differs in its last section, the approach; the pair's
prompt is the one without it, which is the first candidate's. Of a reply that failed and was put right later, in
answer to another question, the pair's prompt is the first question. A pair whose prompt was never sent is no pair.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import islice

from nightshift.dataset.example import Example, Messages
from nightshift.dataset.origins import Learner, chosen, is_trusted, prompt_of
from nightshift.dataset.replies import Wanted, a_file, a_plan
from nightshift.dataset.streaming import digest_of
from nightshift.records import Record, of_kind
from nightshift.source.blocks import after_thinking

SAME_PROMPT, FAIL_FIX = "same prompt", "fail -> fix"
PER_FILE = 4
"""Pairs with one winner; more would only say the same again."""

_APPROACH = re.compile(r"^# Approach\n[^\n]*\n\n(?=# Now\nWrite [^\n]+\.\n\Z)", re.M)


def pairs(learner: Learner) -> Iterator[Example]:
    for origin in _ORIGINS:
        yield from origin(learner)


def _files(learner: Learner) -> Iterator[Example]:
    sent = {_key(prompt_of(call)) for call in _builders(learner)}
    for winner in chosen(learner):
        if not winner.whole:
            continue  # edits answer no question but their own
        asked = ((_plain(prompt_of(loser)), answer) for loser, answer in _losers(winner.evaluation, learner))
        for prompt, answer in islice(((prompt, answer) for prompt, answer in asked if _key(prompt) in sent), PER_FILE):
            tag = SAME_PROMPT if prompt == _plain(winner.example.prompt) else FAIL_FIX
            yield _pair(prompt, winner.example, answer, tag)


def _losers(winner: Record, learner: Learner) -> Iterator[tuple[Record, str]]:
    """Calls whose file failed a check which the winner came past, with their replies."""
    worst: dict[bytes, tuple[bool, int]] = {}
    own = [e for e in learner.evaluations.values() if e.fields["path"] == winner.fields["path"]]
    for evaluation in own:
        digest = evaluation.fields["digest"]
        worst[digest] = min(worst.get(digest, (True, 99)), evaluation.fields["rank"])
    for evaluation in own:
        digest = evaluation.fields["digest"]
        if digest != winner.fields["digest"] and worst[digest] < winner.fields["rank"]:
            call = learner.call_of(evaluation)
            answer = after_thinking(str(call.fields["text"]))[0].lstrip("\n") if call else ""
            # A reply that holds the whole file as it was tried; edits do not.
            if call and learner.run.text_of(evaluation).strip() in answer:
                yield call, answer


def _builders(learner: Learner) -> Iterator[Record]:
    for span in learner.run.spans():
        call = learner.run.reply(span) if "/build/" in span else None
        if call:
            yield call


def _tests(learner: Learner) -> Iterator[Example]:
    """A sample that the verdict rests on, and one with tests in doubt."""
    by_prompt: dict[bytes, tuple[list[Example], list[str]]] = {}
    for call, where in learner.samples():
        good, bad = by_prompt.setdefault(_key(prompt_of(call)), ([], []))
        wanted = Wanted(a_file(where["path"]))
        example = learner.example(call, wanted, tag=SAME_PROMPT, domain="testing")
        if example is None:
            continue
        code = str(wanted.read(example.reply))
        if is_trusted(code, where, learner):
            good.append(example)
        else:
            bad.append(example.reply)
    for winners, losers in by_prompt.values():
        for winner, loser in zip(winners, losers, strict=False):
            yield _pair(winner.prompt, winner, loser, SAME_PROMPT)


def _plans(learner: Learner) -> Iterator[Example]:
    """The plan that was accepted, for the question that an earlier, refused one was the answer to."""
    plan = learner.story.plan
    winner = learner.run.reply(f"{plan.span}/ask-{plan.fields.get('ask')}") if plan else None
    accepted = learner.example(winner, Wanted(a_plan), tag=FAIL_FIX) if winner else None
    for record in of_kind(learner.story.told, "planned"):
        refused = plan and not record.fields.get("accepted") and record.span == plan.span
        loser = learner.run.reply(f"{record.span}/ask-{record.fields.get('ask')}") if refused else None
        if accepted and loser:
            yield _pair(prompt_of(loser), accepted, str(loser.fields["text"]), FAIL_FIX)


_ORIGINS: tuple[Callable[[Learner], Iterator[Example]], ...] = (_plans, _tests, _files)


def _pair(prompt: Messages, winner: Example, rejected: str, tag: str) -> Example:
    return Example(prompt, winner.reply, rejected, replace(winner.source, tag=tag))


def _plain(prompt: Messages) -> Messages:
    """Without the section that tells one candidate another approach, just as if it had not been asked for."""
    *first, last = prompt
    return (*first, {**last, "content": _APPROACH.sub("", last["content"])})


def _key(prompt: Messages) -> bytes:
    return digest_of("\0".join(f"{message['role']}\0{message['content']}" for message in prompt))
