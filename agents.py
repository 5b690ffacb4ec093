"""The roles: a value goes in, becomes a prompt, is answered, and comes out as a value.

Each role is one method. None keeps a conversation: a prompt is assembled anew from what is known, laid out
constant, run, file, candidate. A reply that cannot be used is asked for again, at most `format_retries`
times, with one line that says why and without the bad text, which a small model would only imitate.
"""

from __future__ import annotations

import dataclasses
import re
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from nightshift.domain import (
    Candidate,
    ChatModel,
    Completion,
    Criterion,
    Culprit,
    Diagnosis,
    Message,
    Plan,
    Recorder,
    Request,
    Role,
    SamplingParams,
    Step,
    Task,
    TestsCheck,
)
from nightshift.errors import EditRejected, ReplyRejected
from nightshift.evidence import describe_check
from nightshift.plan import SCHEMA as PLAN_SCHEMA
from nightshift.plan import read_plan
from nightshift.policy import is_protected
from nightshift.prompting import bullets, fenced, head, render
from nightshift.search.build import Brief
from nightshift.source.blocks import after_thinking
from nightshift.source.edits import apply_edits, parse_edits
from nightshift.source.replies import check_substance, extract_code, extract_json
from nightshift.source.source_safety import unsafe_source_reason

Value = TypeVar("Value")

DIAGNOSIS_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "whys": {
            "type": "array",
            "minItems": 1,
            "maxItems": 5,
            "items": {"type": "string", "maxLength": 400},
        },
        "culprits": {
            "type": "array",
            "minItems": 1,
            "maxItems": 6,
            "items": {
                "type": "object",
                "properties": {
                    "path": {"type": "string", "maxLength": 120},
                    "why": {"type": "string", "maxLength": 400},
                },
                "required": ["path", "why"],
                "additionalProperties": False,
            },
        },
        "advice": {"type": "string", "maxLength": 1200},
    },
    "required": ["whys", "culprits", "advice"],
    "additionalProperties": False,
}

EDIT_LINES = 150
"""Above this many lines a repair is asked for as edits: weak models rewrite short files better than they patch."""


@dataclass(frozen=True, slots=True)
class Settings:
    """How each role samples, and how often an unusable reply is asked for again."""

    sampling: dict[Role, SamplingParams]
    format_retries: int = 3


class Agents:
    def __init__(self, model: ChatModel, recorder: Recorder, settings: Settings) -> None:
        self._model = model
        self._recorder = recorder
        self._settings = settings

    async def explore(self, task: Task, overview: str) -> str:
        messages = render("explorer", task=task.prompt, overview=overview)
        return await self._ask("explorer", "explore", messages, _prose)

    async def plan(
        self, task: Task, span: str, *, context: str, importable: str, lessons: str, refusals: tuple[str, ...]
    ) -> Plan:
        """Raises ReplyRejected when no reply even had the shape of a plan."""
        messages = render(
            "planner",
            task=_task_text(task),
            context=context,
            importable=importable,
            lessons=lessons,
            refusals=bullets(refusals),
        )
        return await self._ask("planner", span, messages, lambda reply: read_plan(_json(reply)), schema=PLAN_SCHEMA)

    async def write_tests(
        self, task: Task, plan: Plan, step: Step, span: str, *, temperature: float, notes: str = ""
    ) -> str:
        """One sampled test file, written from the specification alone: no source is ever shown."""
        messages = render(
            "tester",
            task=_task_text(task),
            criteria=_criteria_text(plan),
            interfaces=_interfaces_text(plan),
            packages=_packages_text(plan),
            path=step.path,
            purpose=step.purpose,
            notes=notes or "Write the file now.",
        )
        return await self._ask("tester", span, messages, _code_of(step), temperature=temperature)

    async def build(self, brief: Brief, label: str, *, temperature: float, hint: str = "") -> Candidate:
        messages = render(
            "builder",
            task=_task_text(brief.task),
            criteria=_criteria_text(brief.plan),
            packages=_packages_text(brief.plan),
            modules=brief.modules,
            path=brief.step.path,
            purpose=brief.step.purpose,
            interface=fenced(brief.step.interface) if brief.step.interface else "(free)",
            notes=_builder_notes(brief, hint),
        )
        text = await self._ask(
            "builder",
            f"{brief.span}/{label}",
            messages,
            _code_of(brief.step, brief.current),
            temperature=temperature,
        )
        return Candidate(brief.step.path, text, "sample", label, temperature)

    async def repair(
        self, brief: Brief, current: Candidate, evidence: str, label: str, *, temperature: float
    ) -> Candidate:
        """The candidate mended: as a whole file when short, through edits when long."""
        long = current.text.count("\n") > EDIT_LINES
        messages = render(
            "repairer_edit" if long else "repairer",
            task=_task_text(brief.task),
            modules=brief.modules,
            path=brief.step.path,
            purpose=brief.step.purpose,
            interface=fenced(brief.step.interface) if brief.step.interface else "(free)",
            current=fenced(current.text, _fence_of(current.path)),
            evidence=evidence,
            advice=brief.advice or "(not known)",
        )
        read = _edited(current) if long else _code_of(brief.step, current.text)
        text = await self._ask("repairer", f"{brief.span}/{label}", messages, read, temperature=temperature)
        return Candidate(brief.step.path, text, "repair", label)

    async def diagnose(self, task: Task, span: str, *, evidence: str, sources: str, paths: dict[str, str]) -> Diagnosis:
        """`paths` maps each file that may be blamed to its kind; other culprits are refused."""
        messages = render(
            "analyst",
            task=_task_text(task),
            paths=bullets([f"{path} ({kind})" for path, kind in paths.items()]),
            evidence=evidence,
            sources=sources,
        )
        return await self._ask(
            "analyst",
            span,
            messages,
            lambda reply: _read_diagnosis(_json(reply), paths),
            schema=DIAGNOSIS_SCHEMA,
        )

    async def _ask(
        self,
        role: Role,
        span: str,
        messages: tuple[Message, ...],
        read: Callable[[Completion], Value],
        *,
        schema: dict[str, Any] | None = None,
        temperature: float | None = None,
    ) -> Value:
        sampling = self._settings.sampling[role]
        if temperature is not None:
            sampling = dataclasses.replace(sampling, temperature=temperature)
        rejected: ReplyRejected | None = None
        for retry in range(self._settings.format_retries + 1):
            where = f"{span}/retry-{retry}" if retry else span
            request = Request(
                role,
                where,
                messages if rejected is None else _with_reminder(messages, rejected),
                _varied(sampling, where, retry),
                schema,
            )
            completion = await self._model.complete(request)
            try:
                return read(completion)
            except ReplyRejected as error:
                rejected = error
                self._recorder.record("guard", where, rule="reply", action=error.reason, reason=str(error))
        assert rejected is not None, "every turn returns or is rejected"
        raise rejected


def _varied(sampling: SamplingParams, span: str, retry: int) -> SamplingParams:
    """A seed of its own for every place in the run; a retry leaves the groove that the bad reply came from."""
    temperature = sampling.temperature if retry < 1 else max(sampling.temperature, 0.5)
    return dataclasses.replace(sampling, temperature=temperature, seed=zlib.crc32(span.encode()) & 0x7FFFFFFF)


def _with_reminder(messages: tuple[Message, ...], rejected: Exception) -> tuple[Message, ...]:
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


def _code_of(step: Step, previous: str = "") -> Callable[[Completion], str]:
    language = _language(step.path)

    def read(reply: Completion) -> str:
        text = extract_code(reply.text, stop_reason=reply.stop_reason, language=language, path=step.path)
        if language == "python" and step.kind == "source":
            check_substance(text, previous=previous)
        if step.kind != "test" and (reason := _unsafe(text, step.path, previous)):
            raise ReplyRejected("unsafe", reason)
        return text

    return read


def _unsafe(text: str, path: str, previous: str) -> str | None:
    """Why a file may not be used: it reaches for what judges it, in a way that the present one does not."""
    if not path.endswith(".py"):
        return CHOOSES_TESTS if is_protected(path) and _TEST_CHOICE.search(text) else None
    reason, known = unsafe_source_reason(text, path), unsafe_source_reason(previous, path)
    same = reason and known and re.sub(r"\d+", "", reason) == re.sub(r"\d+", "", known)
    return None if same else reason


CHOOSES_TESTS = "configuration that chooses which tests are run is not for this file; leave it out"
_TEST_CHOICE = re.compile(
    r"\b(?:addopts|python_files|python_functions|python_classes|testpaths|norecursedirs|collect_ignore|PYTEST_\w+)\b"
)


def _language(path: str) -> Literal["python", "text"]:
    return "python" if path.endswith(".py") else "text"


def _edited(current: Candidate) -> Callable[[Completion], str]:
    def read(reply: Completion) -> str:
        if reply.stop_reason != "stop":
            raise ReplyRejected("truncated", "the reply ended before its last edit; make fewer and shorter edits")
        try:
            return apply_edits(current.text, parse_edits(reply.text), language=_language(current.path))
        except EditRejected as error:
            raise ReplyRejected("edit", str(error)) from error

    return read


def _read_diagnosis(data: Any, paths: dict[str, str]) -> Diagnosis:
    try:
        found = [(str(c["path"]).removeprefix("./"), str(c["why"])) for c in data["culprits"]]
        whys, advice = tuple(str(why) for why in data["whys"]), str(data["advice"]).strip()
    except (KeyError, TypeError, AttributeError) as error:
        raise ReplyRejected("unparsable", f"the diagnosis lacks a part: {error}") from error
    # Blame follows from the kind of the file: a model that calls a test "source" still means that file.
    culprits = tuple(Culprit(path, why, _BLAME.get(paths[path], "source")) for path, why in found if path in paths)
    if not culprits:
        names = ", ".join(paths)
        raise ReplyRejected("unparsable", f"no culprit is one of the files that may be blamed: {names}")
    return Diagnosis(whys, tuple(dict.fromkeys(culprits)), advice)


_BLAME: dict[str, Literal["source", "test", "criterion"]] = {"test": "test", "criterion": "criterion"}


def _task_text(task: Task) -> str:
    if not task.verify:
        return task.prompt
    return f"{task.prompt}\n\nThese commands will be run as proof:\n{bullets(task.verify)}"


def _criteria_text(plan: Plan) -> str:
    return "\n".join(f"- {c.id}: {c.description}{_shown(c)}" for c in plan.criteria)


def _shown(criterion: Criterion) -> str:
    if isinstance(criterion.check, TestsCheck):
        return ""
    return f"\n  check: {describe_check(criterion.check)}".replace("\n", "\n  ")


def _packages_text(plan: Plan) -> str:
    return ", ".join(plan.requires) or "(only the standard library)"


def _fence_of(path: str) -> str:
    """The language named on a fence: none for what is not Python."""
    return "python" if path.endswith(".py") else ""


def _interfaces_text(plan: Plan) -> str:
    return _sections((step.path, step.interface) for step in plan.steps if step.kind == "source")


def _sections(texts: Iterable[tuple[str, str]]) -> str:
    return "\n\n".join(f"{path}\n{fenced(text)}" for path, text in texts) or "(none)"


def _builder_notes(brief: Brief, hint: str) -> str:
    parts = [
        brief.current
        and f"The present content, which must be improved:\n{fenced(brief.current, _fence_of(brief.step.path))}",
        brief.evidence and f"What failed:\n{brief.evidence}",
        brief.advice and f"Root cause, to be mended now:\n{brief.advice}",
        hint and f"Approach: {hint}",
    ]
    return "\n\n".join(part for part in parts if part) or "Write the file now."
