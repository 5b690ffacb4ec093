"""The doors that remember: a model and a sandbox whose answers are written to the trace and found there on resume.

A recorded answer is used only when the question is the very same (strict hash); a changed question goes live.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Collection, Sequence
from dataclasses import asdict, replace

from nightshift.domain import (
    ChatModel,
    Completion,
    ExecLimits,
    ExecResult,
    Recorder,
    Request,
    Sandbox,
    TestReport,
    Tree,
)
from nightshift.errors import ModelServerError
from nightshift.limits import Budget
from nightshift.llm.calls import call_fields, completion_from_fields, request_key
from nightshift.records import as_json, from_json
from nightshift.source.credentials import hidden


class Meter:
    """Told of each request just before it is sent: charges the budget, then notes the question on disk."""

    tries: dict[str, int]
    """Span -> how often its question was sent, in this part of the run."""

    def __init__(self, recorder: Recorder, budget: Budget) -> None:
        self._recorder = recorder
        self.tries = {}
        self._budget = budget

    def before_send(self, request: Request, endpoint: str, model: str, attempt: int) -> None:
        self._budget.charge_call()
        self.tries[request.span] = attempt
        self._recorder.record(
            "asked",
            request.span,
            role=request.role,
            endpoint=endpoint,
            model=model,
            attempt=attempt,
            key=request_key(request),
        )

    def replied(self, completion: Completion) -> None:
        self._budget.add_tokens(completion.usage.prompt_tokens + completion.usage.completion_tokens)

    def fault(self, request: Request, endpoint: str, model: str, attempt: int, error: ModelServerError) -> None:
        self._recorder.record(
            "fault",
            request.span,
            role=request.role,
            endpoint=endpoint,
            model=model,
            attempt=attempt,
            fault=error.fault,
            message=str(error),
        )


class RecordedModel:
    """Every reply is on disk before it is used; a reply already paid for is not asked for again."""

    def __init__(self, inner: ChatModel, recorder: Recorder, meter: Meter) -> None:
        self._inner = inner
        self._recorder = recorder
        self._meter = meter

    async def complete(self, request: Request) -> Completion:
        key = request_key(request)
        if fields := self._recorder.recall("call", request.span, key):
            return completion_from_fields(fields)
        started = time.monotonic()
        completion = await self._inner.complete(request)
        seconds = round(time.monotonic() - started, 3)
        attempt = self._meter.tries.get(request.span, 1)
        fields = {**call_fields(request, completion, attempt=attempt), "seconds": seconds}
        self._recorder.record("call", request.span, **fields)
        self._meter.replied(completion)
        return completion


class RecordedSandbox:
    """Results of processes, kept like replies: which tests passed may depend on time, so resume does not ask twice."""

    def __init__(self, inner: Sandbox, recorder: Recorder, secrets: Collection[str] = ()) -> None:
        """`secrets` are the user's own values: what a program printed of them is neither kept nor shown."""
        self._inner = inner
        self._recorder = recorder
        self._secrets = secrets
        self.isolation = inner.isolation

    def run(
        self, tree: Tree, argv: Sequence[str], *, limits: ExecLimits | None = None, network: bool = False
    ) -> ExecResult:
        key = _key("run", tree, argv, limits, network)
        if fields := self._recorder.recall("executed", "sandbox", key):
            return from_json(ExecResult, fields["result"])
        result = self._hidden(self._inner.run(tree, argv, limits=limits, network=network))
        self._recorder.record("executed", "sandbox", key=key, what="run", result=as_json(result))
        return result

    def test(
        self,
        tree: Tree,
        nodes: Sequence[str],
        *,
        limits: ExecLimits | None = None,
        stop_early: bool = False,
        confirm: bool = False,
        lines_of: Sequence[str] = (),
        hash_seed: int = 0,
    ) -> TestReport:
        key = _key("test", tree, [*nodes, "lines of", *lines_of, str(hash_seed)], limits, stop_early, confirm)
        if fields := self._recorder.recall("executed", "sandbox", key):
            return from_json(TestReport, fields["result"])
        report = self._inner.test(
            tree,
            nodes,
            limits=limits,
            stop_early=stop_early,
            confirm=confirm,
            lines_of=lines_of,
            hash_seed=hash_seed,
        )
        if self._secrets:
            report = self._without_secrets(report)
        self._recorder.record("executed", "sandbox", key=key, what="test", result=as_json(report))
        return report

    def close(self) -> None:
        self._inner.close()

    def _hidden(self, result: ExecResult) -> ExecResult:
        return replace(result, stdout=hidden(result.stdout, self._secrets), stderr=hidden(result.stderr, self._secrets))

    def _without_secrets(self, report: TestReport) -> TestReport:
        return replace(
            report,
            results=tuple(replace(r, detail=hidden(r.detail, self._secrets)) for r in report.results),
            collection_errors=tuple((path, hidden(text, self._secrets)) for path, text in report.collection_errors),
            exec=self._hidden(report.exec) if report.exec else None,
        )

    @property
    def unrecorded(self) -> Sandbox:
        """For many runs of which only a summary is worth keeping; the caller records that."""
        return self._inner


def unrecorded(sandbox: Sandbox) -> Sandbox:
    return sandbox.unrecorded if isinstance(sandbox, RecordedSandbox) else sandbox


def _key(what: str, tree: Tree, words: Sequence[str], limits: ExecLimits | None, *flags: bool) -> str:
    question = [what, sorted(tree.texts.items()), list(words), asdict(limits) if limits else None, *flags]
    return hashlib.sha256(json.dumps(question, ensure_ascii=True).encode()).hexdigest()
