"""The roles: a value goes in, becomes a prompt, is answered, and comes out as a value.

Each role is one method. None keeps a conversation: a prompt is assembled anew from what is known, laid out
constant, run, file, candidate. A reply that cannot be used is asked for again, at most `format_retries`
times, with one line that says why and without the bad text, which a small model would only imitate.
"""

from __future__ import annotations

import dataclasses
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from nightshift.diagnosis import NEEDING_SCHEMA, read_diagnosis
from nightshift.diagnosis import SCHEMA as DIAGNOSIS_SCHEMA
from nightshift.domain import (
    Candidate,
    ChatModel,
    Completion,
    Diagnosis,
    Message,
    Plan,
    Recorder,
    Request,
    Role,
    SamplingParams,
    Step,
    Task,
)
from nightshift.errors import ContextExceeded, ReplyRejected
from nightshift.knowledge.proposals import SCHEMA as PROPOSALS_SCHEMA
from nightshift.knowledge.proposals import Proposal, read_proposals
from nightshift.packing import packings
from nightshift.plan import SCHEMA as PLAN_SCHEMA
from nightshift.plan import read_plan
from nightshift.policy import BUILT_IN, Policy
from nightshift.prompting import bullets, fenced, head, render
from nightshift.search.brief import Brief
from nightshift.search.drafts import Laws, code_of, edited, shown
from nightshift.search.objection import SCHEMA as OBJECTION_SCHEMA
from nightshift.search.objection import Objection, read_objection
from nightshift.search.voting import UNDECIDED, Ballot, ballot_schema, letter, read_vote
from nightshift.search.wording import (
    criteria_text,
    fence_of,
    file_variables,
    interfaces_text,
    packages_text,
    task_text,
)
from nightshift.source.asked import ANALYST_OFFER, OFFER, asked_by, asked_in, opened
from nightshift.source.blocks import after_thinking
from nightshift.source.replies import extract_json

Value = TypeVar("Value")

EDIT_LINES = 150
"""Above this many lines a change is asked for as edits: weak models rewrite short files better than they patch."""
NO_TEXTS: Mapping[str, str] = {}


@dataclass(frozen=True, slots=True)
class Settings:
    """How each role samples, and how often an unusable reply is asked for again."""

    sampling: dict[Role, SamplingParams]
    format_retries: int = 3
    thinkers: frozenset[Role] = frozenset()
    """Roles whose models can think before they answer."""
    think_tokens: int = 0
    """For a planner whose plan was refused and an analyst whose advice did not help; 0: never."""
    reviewer: bool = False
    """The reviewer is another model than the builder: one that reads its own work finds nothing."""
    policy: Policy = BUILT_IN
    secrets: frozenset[str] = field(default=frozenset(), repr=False)
    """The user's own values, which no reply may hold."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """A template of prompts/ and what fills it."""

    name: str
    variables: dict[str, str]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a reply asks to see before it answers."""

    names: tuple[str, ...]


class Agents:
    def __init__(self, model: ChatModel, recorder: Recorder, settings: Settings) -> None:
        self._model = model
        self._recorder = recorder
        self._settings = settings
        self._laws = Laws(settings.policy, settings.secrets)

    async def explore(self, task: Task, overview: str) -> str:
        prompt = Prompt("explorer", {"task": task.prompt, "overview": overview})
        return await self._ask("explorer", "explore", prompt, _prose)

    async def plan(
        self, task: Task, span: str, *, context: str, importable: str, lessons: str, refusals: tuple[str, ...]
    ) -> Plan:
        """Raises ReplyRejected when no reply even had the shape of a plan."""
        variables = {
            "task": task_text(task),
            "context": context,
            "importable": importable,
            "lessons": lessons,
            "refusals": bullets(refusals) if refusals else "",
        }
        return await self._ask(
            "planner",
            span,
            Prompt("planner", variables),
            lambda reply: read_plan(_json(reply)),
            schema=PLAN_SCHEMA,
            think=bool(refusals),
        )

    async def write_tests(
        self, task: Task, plan: Plan, step: Step, span: str, *, temperature: float, notes: str = ""
    ) -> str:
        """One sampled test file, written from the specification alone: no source is ever shown."""
        variables = {
            "task": task_text(task),
            "criteria": criteria_text(plan),
            "interfaces": interfaces_text(plan),
            "packages": packages_text(plan),
            "path": step.path,
            "purpose": step.purpose,
            "notes": notes,
        }
        return await self._ask(
            "tester", span, Prompt("tester", variables), code_of(step, self._laws), temperature=temperature
        )

    async def build(self, brief: Brief, label: str, *, temperature: float, hint: str = "") -> Candidate:
        """A short or new file is written whole; one that is there and long is changed through edits."""
        present = brief.current or brief.found
        long = present.count("\n") > EDIT_LINES
        variables = file_variables(brief) | {
            "criteria": criteria_text(brief.plan),
            "packages": packages_text(brief.plan),
            "current": shown(brief, present, brief.evidence),
            "evidence": brief.evidence,
            "advice": brief.advice,
            "approach": hint,
        }
        prompt = Prompt("builder_edit", variables) if long else Prompt("builder", variables)
        read = (edited if long else code_of)(brief.step, self._laws, present)
        text = await self._opening(
            "builder", f"{brief.span}/{label}", prompt, read, brief.texts, temperature=temperature
        )
        return Candidate(brief.step.path, text, "sample", label, temperature)

    async def repair(
        self, brief: Brief, current: Candidate, evidence: str, label: str, *, temperature: float
    ) -> Candidate:
        """The candidate mended: as a whole file when short, through edits when long."""
        long = current.text.count("\n") > EDIT_LINES
        variables = file_variables(brief) | {
            "current": shown(brief, current.text, evidence),
            "evidence": evidence,
            "advice": brief.advice,
        }
        prompt = Prompt("repairer_edit" if long else "repairer", variables)
        read = (edited if long else code_of)(brief.step, self._laws, current.text)
        text = await self._opening(
            "repairer", f"{brief.span}/{label}", prompt, read, brief.texts, temperature=temperature
        )
        return Candidate(brief.step.path, text, "repair", label)

    async def diagnose(
        self,
        task: Task,
        span: str,
        *,
        evidence: str,
        sources: str,
        paths: dict[str, str],
        lessons: str = "",
        again: bool = False,
        texts: Mapping[str, str] = NO_TEXTS,
    ) -> Diagnosis:
        """`paths` maps each file that may be blamed to its kind; other culprits are refused.

        Of `texts` the analyst may ask once to see some.
        """
        variables = {
            "task": task_text(task),
            "paths": bullets([f"{path} ({kind})" for path, kind in paths.items()]),
            "evidence": evidence,
            "lessons": lessons,
            "sources": sources,
        }
        return await self._opening(
            "analyst",
            span,
            Prompt("analyst", variables),
            lambda reply: read_diagnosis(_json(reply), paths),
            texts,
            schema=DIAGNOSIS_SCHEMA,
            think=again,
        )

    async def review(self, task: Task, plan: Plan, span: str, *, sources: str, notes: str) -> Objection | None:
        """The one thing the reviewer objects to, if any; nobody is asked where it would be the builder's model."""
        if not self._settings.reviewer:
            return None
        paths = [step.path for step in plan.steps if step.kind != "test"]
        variables = {
            "task": task_text(task),
            "criteria": criteria_text(plan),
            "interfaces": interfaces_text(plan),
            "paths": bullets(paths),
            "sources": sources,
            "notes": notes,
        }
        return await self._ask(
            "reviewer",
            span,
            Prompt("reviewer", variables),
            lambda reply: read_objection(_json(reply), paths),
            schema=OBJECTION_SCHEMA,
        )

    async def vote(
        self, task: Task, ballot: Ballot, order: Sequence[str], span: str, *, temperature: float
    ) -> str | None:
        """One voter's choice; an unusable reply is not asked for again, the next voter is."""
        shown = [f"{letter(number)}: {ballot.options[option]}" for number, option in enumerate(order)]
        variables = {
            "task": task_text(task),
            "known": ballot.known,
            "question": ballot.question,
            "options": "\n\n".join([*shown, f"{UNDECIDED}: the task does not decide it"]),
        }
        return await self._ask(
            "voter",
            span,
            Prompt("voter", variables),
            lambda reply: read_vote(_json(reply), order),
            schema=ballot_schema(len(order)),
            temperature=temperature,
            retries=0,
        )

    async def curate(self, task: Task, span: str, *, story: str) -> tuple[Proposal, ...]:
        """Lessons for other tasks; whether they are kept is not decided here."""
        return await self._ask(
            "librarian",
            span,
            Prompt("librarian", {"task": task_text(task), "story": story}),
            lambda reply: read_proposals(_json(reply)),
            schema=PROPOSALS_SCHEMA,
        )

    async def _opening(
        self,
        role: Role,
        span: str,
        prompt: Prompt,
        read: Callable[[Completion], Value],
        texts: Mapping[str, str],
        *,
        schema: dict[str, Any] | None = None,
        temperature: float | None = None,
        think: bool = False,
    ) -> Value:
        """As `_ask`; a reply that asks to see some of `texts` is answered with them, once."""
        offer = (ANALYST_OFFER if schema else OFFER) if texts else ""
        first = await self._ask(
            role,
            span,
            _with(prompt, opened="", offer=offer),
            lambda reply: (_wanted(reply, schema) if offer else None) or read(reply),
            schema=NEEDING_SCHEMA if schema and offer else schema,
            temperature=temperature,
            think=think,
        )
        if not isinstance(first, Wanted):
            return first
        found = opened(texts, first.names)
        self._recorder.record("guard", span, rule="need", action="opened", reason="; ".join(name for name, _ in found))
        shown = "\n\n".join(
            f"{name}\n{fenced(text, fence_of(name.split(':')[0]))}" if text else name for name, text in found
        )
        return await self._ask(
            role,
            span,
            _with(prompt, opened=shown, offer=""),
            lambda reply: read(_not_again(reply)),
            schema=schema,
            temperature=temperature,
            think=think,
        )

    async def _ask(
        self,
        role: Role,
        span: str,
        prompt: Prompt,
        read: Callable[[Completion], Value],
        *,
        schema: dict[str, Any] | None = None,
        temperature: float | None = None,
        think: bool = False,
        retries: int | None = None,
    ) -> Value:
        sampling = self._settings.sampling[role]
        if temperature is not None:
            sampling = dataclasses.replace(sampling, temperature=temperature)
        thinking = self._settings.think_tokens if think and role in self._settings.thinkers else 0
        rejected: ReplyRejected | None = None
        for retry in range((self._settings.format_retries if retries is None else retries) + 1):
            where = f"{span}/retry-{retry}" if retry else span
            # A model that thinks is not held to a schema; the retry after a useless reply is.
            think_tokens = 0 if rejected else thinking
            shape = None if think_tokens else schema
            asked = Request(role, where, (), _varied(sampling, where, retry), shape, think_tokens)
            completion = await self._fitting(asked, prompt, rejected)
            try:
                return read(completion)
            except ReplyRejected as error:
                rejected = error
                self._recorder.record("guard", where, rule="reply", action=error.reason, reason=str(error))
                if error.reason == "policy":
                    self._recorder.record("policy", where, path=where, allowed=False, reason=str(error))
        assert rejected is not None, "every turn returns or is rejected"
        raise rejected

    async def _fitting(self, asked: Request, prompt: Prompt, rejected: ReplyRejected | None) -> Completion:
        """The reply to the longest packing of the prompt that fits; a resumed run starts from the same one."""
        rendered = [render(prompt.name, **variables) for variables in packings(prompt.variables)]
        versions = [dataclasses.replace(asked, messages=_with_reminder(messages, rejected)) for messages in rendered]
        span, last = asked.span, len(versions) - 1
        known = self._recorder.recall("guard", span, "packed")
        for level in range(min(known["level"], last) if known else 0, last + 1):
            try:
                completion = await self._model.complete(versions[level])
            except ContextExceeded as error:
                if level == last:
                    raise
                reason = str(error)
                continue
            if level and not known:
                self._recorder.record(
                    "guard", span, key="packed", rule="context", action="packed", level=level, reason=reason
                )
            return completion
        raise AssertionError("the last version returns or raises")


def _varied(sampling: SamplingParams, span: str, retry: int) -> SamplingParams:
    """A seed of its own for every place in the run; a retry leaves the groove that the bad reply came from."""
    temperature = sampling.temperature if retry < 1 else max(sampling.temperature, 0.5)
    return dataclasses.replace(sampling, temperature=temperature, seed=zlib.crc32(span.encode()) & 0x7FFFFFFF)


def _with_reminder(messages: tuple[Message, ...], rejected: ReplyRejected | None) -> tuple[Message, ...]:
    if rejected is None:
        return messages
    *first, last = messages
    reminder = f"\nAn earlier reply could not be used: {head(str(rejected), 1200)}\n"
    return (*first, dataclasses.replace(last, content=last.content + reminder))


def _prose(reply: Completion) -> str:
    """The reply without its thinking. Raises ReplyRejected for one that is empty or cut off."""
    text = after_thinking(reply.text)[0].strip()
    if not text or reply.stop_reason != "stop":
        raise ReplyRejected("empty" if not text else "truncated", "answer in at most 300 words")
    return text


def _json(reply: Completion) -> Any:
    return extract_json(reply.text, stop_reason=reply.stop_reason)


def _with(prompt: Prompt, **more: str) -> Prompt:
    return Prompt(prompt.name, prompt.variables | more)


def _wanted(reply: Completion, schema: object) -> Wanted | None:
    names = asked_by(_json(reply)) if schema else asked_in(reply.text)
    return Wanted(names) if names else None


def _not_again(reply: Completion) -> Completion:
    if asked_in(reply.text):
        raise ReplyRejected("need", "the texts asked for were shown; answer now, without asking for more")
    return reply
