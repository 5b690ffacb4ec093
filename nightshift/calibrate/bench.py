"""Measures one cell with real requests: loads the model, fills the context once, then times a few replicates.

A cell that fails is a value, a valid trial with its reasons. Only an empty budget ends the measuring.
Says nothing of quality beyond the canary, and nothing of speed on another machine or with other prompts.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import Protocol

from nightshift.calibrate.climb import Axes
from nightshift.calibrate.gate import Answer, canary, code_fault, faults, is_transient, noted, ran_out, truncated
from nightshift.calibrate.trials import Knobs, Stage, Trial
from nightshift.domain import Completion, Request, Sandbox
from nightshift.errors import BudgetExceeded, ModelServerError, Unreachable
from nightshift.limits import Budget
from nightshift.llm.client.ask import ask
from nightshift.llm.client.learning import writing_seconds
from nightshift.llm.client.tokens import CALIBRATED
from nightshift.llm.deadlines import Deadlines
from nightshift.llm.discovery.ollama import preload
from nightshift.llm.endpoint import Model, Target
from nightshift.llm.profiles import Profiles

WARM_UP_CHARACTERS = 2_000
FILLED = 0.8
"""Share of the context that the filling prompt takes."""
READ_ONLY_TOKENS = 16
"""Of a reply that is asked for only because a prompt cannot be read without one."""
USUAL_CHARACTERS = 3.0
"""In a token of our filler, when the server does not count them."""
SHORTEST_SPAN = 1e-6


class Restartable(Protocol):
    """A server of ours: only such a one can be started again with other flags."""

    async def restart(self, knobs: Knobs) -> Target:
        """Raises ModelServerError when it does not come up."""

    async def drafts(self) -> tuple[int, int]:
        """Tokens drafted and accepted since it was started; zeros without speculation."""

    async def close(self) -> None:
        """Ends it."""


@dataclass(frozen=True, slots=True)
class Subject:
    """A model to calibrate, where its climb starts, and how far the knobs can be turned."""

    target: Target
    start: Knobs
    axes: Axes
    server: Restartable | None = None

    @property
    def model(self) -> Model:
        return self.target.facts


@dataclass(frozen=True, slots=True)
class Effort:
    replicates: int = 3
    first_token: float = 60.0
    """Seconds; a cell in which any first token comes later is not feasible."""
    prompt_tokens: int = 4_000
    """Of a timed request: as long as a builder's usual prompt."""

    def calls(self, parallel: int) -> int:
        """Requests that one cell takes at most."""
        return 1 + parallel + self.replicates * parallel


@dataclass(frozen=True, slots=True)
class Wave:
    """Requests sent at once, and what came of them."""

    replies: tuple[Completion, ...]
    errors: tuple[ModelServerError, ...]
    faults: tuple[str, ...]
    """Of the replies."""
    seconds: float

    @property
    def problems(self) -> list[str]:
        return [f"{error.fault}: {error}" for error in self.errors] + list(self.faults)


class Bench:
    """Measures within a budget of minutes and calls."""

    def __init__(self, box: Sandbox, budget: Budget, deadlines: Deadlines, effort: Effort) -> None:
        self._box, self._budget, self._deadlines, self._effort = box, budget, deadlines, effort
        self._profiles = Profiles()

    async def measure(self, subject: Subject, knobs: Knobs, stage: Stage, recipe: str) -> Trial:
        """Raises BudgetExceeded; what was measured of the cell until then is dropped."""
        self._budget.check()
        target = subject.target
        blank = Trial(recipe, stage, target.model, target.endpoint.url, knobs, ok=True)
        try:
            async with asyncio.timeout(self._budget.remaining().minutes * 60):
                waves = await self._waves(subject, knobs)
                drafted, accepted = await subject.server.drafts() if subject.server else (0, 0)
        except TimeoutError as error:
            self._budget.check()
            raise BudgetExceeded("The minutes ran out in the middle of a cell.", "budget_minutes") from error
        except ModelServerError as error:
            return judged(blank, [Wave((), (error,), (), 0.0)], loaded=False)
        return replace(judged(blank, waves), drafted=drafted, accepted=accepted)

    async def _waves(self, subject: Subject, knobs: Knobs) -> list[Wave]:
        """Timed ones, or the one that failed: one failure is enough, so no more are sent then."""
        self._profiles = Profiles()  # what was learned of another cell's context is not true of this one's
        target = await subject.server.restart(knobs) if subject.server else subject.target
        if too_small := await self._load(target, knobs):
            return [Wave((), (), (too_small,), 0.0)]
        characters = await self._warm_up(target, knobs)
        filling = await self._fill(target, knobs, characters)
        if filling.problems:
            return [replace(filling, replies=())]  # its times are not those of a usual prompt
        waves: list[Wave] = []
        while len(waves) < self._effort.replicates and not any(wave.problems for wave in waves):
            waves.append(await self._wave(target, knobs, len(waves), characters))
        return waves

    async def _load(self, target: Target, knobs: Knobs) -> str:
        """What is wrong with the context that the server gives; empty when it is what was asked for."""
        given = target.window(knobs.context)
        if target.endpoint.protocol == "ollama":
            model = await preload(target, context=knobs.context, seconds=self._deadlines.first_token)
            given = model.allocated or given
        return "" if given >= knobs.context else f"the server gives {given} tokens of context, not {knobs.context}"

    async def _warm_up(self, target: Target, knobs: Knobs) -> float:
        """Untimed; returns characters per token of prompts like ours, 0 when it is not told."""
        request = _canary(WARM_UP_CHARACTERS, max_tokens=READ_ONLY_TOKENS)
        completion = await self._ask(target, request, knobs, self._deadlines)
        if not completion.usage.prompt_tokens:
            return 0.0
        characters = _length(request) / completion.usage.prompt_tokens
        # Without this the client would guess, and might refuse to send a prompt that nearly fills the context.
        self._profiles.learn(target, bytes_per_token=characters, replies=CALIBRATED)
        return characters

    async def _fill(self, target: Target, knobs: Knobs, characters: float) -> Wave:
        """Whether so many prompts of nearly the whole context really fit at once."""
        size = int(FILLED * knobs.context * (characters or USUAL_CHARACTERS))
        requests = [_canary(size, max_tokens=READ_ONLY_TOKENS) for _ in range(knobs.parallel)]
        return await self._at_once(target, requests, knobs, self._deadlines, characters, truncated)

    async def _wave(self, target: Target, knobs: Knobs, number: int, characters: float) -> Wave:
        tokens = min(self._effort.prompt_tokens, knobs.context // 2)
        size = int(tokens * (characters or USUAL_CHARACTERS))
        seeds = range(number * knobs.parallel, (number + 1) * knobs.parallel)
        requests = [_canary(size, temperature=knobs.temperature, seed=seed) for seed in seeds]
        limit = min(self._effort.first_token, self._deadlines.first_token)
        deadlines = replace(self._deadlines, first_token=limit)
        wave = await self._at_once(target, requests, knobs, deadlines, characters, faults)
        codes = [await asyncio.to_thread(code_fault, reply, self._box) for reply in wave.replies]
        return replace(wave, faults=(*wave.faults, *filter(None, codes)))

    async def _at_once(
        self,
        target: Target,
        requests: Sequence[Request],
        knobs: Knobs,
        deadlines: Deadlines,
        characters: float,
        check: Callable[[Answer], Iterable[str]],
    ) -> Wave:
        started = time.monotonic()
        questions = (self._ask(target, request, knobs, deadlines) for request in requests)
        answers = await asyncio.gather(*questions, return_exceptions=True)
        seconds = time.monotonic() - started
        replies, errors, found = list[Completion](), list[ModelServerError](), list[str]()
        for request, answer in zip(requests, answers, strict=True):
            if isinstance(answer, Completion):
                replies.append(answer)
                intended = int(_length(request) / characters) if characters else 0
                found += check(Answer(answer, intended, deadlines.first_token))
            elif isinstance(answer, ModelServerError):
                errors.append(answer)
            else:
                raise answer
        return Wave(tuple(replies), tuple(errors), tuple(found), seconds)

    async def _ask(self, target: Target, request: Request, knobs: Knobs, deadlines: Deadlines) -> Completion:
        self._budget.charge_call()
        return await ask(target, request, context=knobs.context, deadlines=deadlines, profiles=self._profiles)


def judged(blank: Trial, waves: Sequence[Wave], *, loaded: bool = True) -> Trial:
    """Medians over the waves when all is well with every one of them, else the reasons.

    A server that can no longer be reached once it had `loaded` the model has most likely died of the cell.
    """
    problems = [problem for wave in waves for problem in wave.problems]
    errors = [error for wave in waves for error in wave.errors]
    exhausted = any(ran_out(error) or (loaded and isinstance(error, Unreachable)) for error in errors)
    trial = replace(
        blank,
        ok=not problems,
        notes=noted(problems),
        replies=sum(len(wave.replies) for wave in waves),
        exhausted=exhausted,
        final=exhausted or not any(map(is_transient, errors)),
    )
    timed = [wave for wave in waves if wave.replies]
    return _with_figures(trial, timed) if timed else trial


def _with_figures(trial: Trial, waves: Sequence[Wave]) -> Trial:
    throughputs = [_throughput(wave) for wave in waves]
    middle = median(throughputs)
    return replace(
        trial,
        first_token=median(max(reply.first_token_seconds for reply in wave.replies) for wave in waves),
        decode=median(median(map(_decode, wave.replies)) for wave in waves),
        seconds=median(max(reply.usage.model_seconds for reply in wave.replies) for wave in waves),
        throughput=middle,
        spread=(max(throughputs) - min(throughputs)) / middle if middle else 0.0,
    )


def _throughput(wave: Wave) -> float:
    """Tokens a second from the first one of any reply to the last one of all: queueing counts, reading does not."""
    tokens = sum(reply.usage.completion_tokens for reply in wave.replies)
    return tokens / max(SHORTEST_SPAN, wave.seconds - min(reply.first_token_seconds for reply in wave.replies))


def _decode(reply: Completion) -> float:
    return reply.usage.completion_tokens / max(SHORTEST_SPAN, writing_seconds(reply))


def _canary(size: int, *, temperature: float = 0.0, seed: int = 0, max_tokens: int = 0) -> Request:
    """On a sheet never seen before: a prompt that the server still has in its cache would time nothing."""
    request = canary(secrets.token_hex(4), size, temperature=temperature, seed=seed)
    return replace(request, sampling=replace(request.sampling, max_tokens=max_tokens)) if max_tokens else request


def _length(request: Request) -> int:
    return sum(len(message.content) for message in request.messages)
