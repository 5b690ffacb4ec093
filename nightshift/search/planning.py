"""Asking for a plan until one holds: well formed, its packages to be had, its criteria seen to fail on stubs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

from nightshift.acceptance import prove_criteria
from nightshift.domain import Criterion, ExecLimits, Plan, Recorder, Sandbox, Step, Task, Tree
from nightshift.errors import ConfigError, ReplyRejected
from nightshift.judge import UserTests, standing_criteria
from nightshift.plan import degraded_plan, denials, problems, user_criteria
from nightshift.policy import BUILT_IN, Policy, collision
from nightshift.records import as_json

ASKS = 4
"""A plan is asked for once, and again at most three times, before one step stands for the whole task."""


class Planner(Protocol):
    async def plan(
        self, task: Task, span: str, *, context: str, importable: str, lessons: str, refusals: tuple[str, ...]
    ) -> Plan: ...


@dataclass(frozen=True, slots=True)
class Ground:
    """What planning stands on."""

    tree: Tree
    context: str
    lessons: str
    importable: str
    user_tests: UserTests
    protected: frozenset[str]
    """Files that judge the result and may not be written."""
    policy: Policy = BUILT_IN


class PlanRefused(Exception):
    """Each argument is a reason that goes back to the planner."""


OpenBox = Callable[[tuple[str, ...]], Sandbox]
"""Prepares an environment with these packages and a sandbox on it; raises PlanRefused when they cannot be had."""


async def make_plan(
    task: Task,
    ground: Ground,
    planner: Planner,
    recorder: Recorder,
    open_box: OpenBox,
    limits: ExecLimits,
    *,
    given: Plan | None = None,
    span: str = "plan",
    refusals: tuple[str, ...] = (),
) -> tuple[Plan, Sandbox]:
    """The accepted plan with the user's criteria in it, and a sandbox that holds its packages.

    A plan given by the user is not asked for, only checked; raises ConfigError with the reasons against it.
    `refusals` say what was wrong with the plans before.
    """
    if given is not None:
        return await asyncio.to_thread(_checked, given, task, ground, recorder, open_box, limits)
    for ask in range(1, ASKS + 1):
        plan: Plan | None = None
        try:
            plan = await planner.plan(
                task,
                f"{span}/ask-{ask}",
                context=ground.context,
                importable=ground.importable,
                lessons=ground.lessons,
                refusals=refusals,
            )
            proved, sandbox = await asyncio.to_thread(_proved, plan, task, ground, open_box, limits)
        except (ReplyRejected, PlanRefused) as error:
            refusals = error.args
            recorder.record(
                "planned",
                span,
                ask=ask,
                plan=as_json(plan) if plan else None,
                refusals=list(refusals),
                accepted=False,
            )
            continue
        recorder.record("planned", span, ask=ask, plan=as_json(proved), refusals=[], accepted=True)
        return proved, sandbox
    return await asyncio.to_thread(_degraded, task, ground, recorder, open_box, limits, span)


def _checked(
    given: Plan, task: Task, ground: Ground, recorder: Recorder, open_box: OpenBox, limits: ExecLimits
) -> tuple[Plan, Sandbox]:
    own = replace(given, criteria=tuple(c for c in given.criteria if not c.trusted))
    try:
        plan, sandbox = _proved(own, task, ground, open_box, limits)
    except PlanRefused as error:
        raise ConfigError("the plan given with --plan cannot be used: " + "; ".join(error.args)) from error
    recorder.record("planned", "plan", ask=0, plan=as_json(plan), refusals=[], accepted=True)
    return plan, sandbox


def _proved(plan: Plan, task: Task, ground: Ground, open_box: OpenBox, limits: ExecLimits) -> tuple[Plan, Sandbox]:
    collisions = [reason for step in plan.steps if (reason := collision(step.path, _others(plan, step, ground)))]
    if found := (*problems(plan, ground.protected), *denials(plan, ground.policy), *collisions):
        raise PlanRefused(*found)
    sandbox = open_box(plan.requires)
    plan = replace(plan, criteria=(*_trusted(task, ground, plan), *plan.criteria))
    plan, found = prove_criteria(plan, ground.tree, sandbox, limits)
    if found:
        raise PlanRefused(*found)
    return plan, sandbox


def _others(plan: Plan, step: Step, ground: Ground) -> set[str]:
    # What may not be written is there too: a file of the user's, or a submodule, in which nothing can be made.
    there = {*ground.tree.texts, *ground.protected} - {step.path}
    return {other.path for other in plan.steps if other is not step} | there


def _degraded(
    task: Task, ground: Ground, recorder: Recorder, open_box: OpenBox, limits: ExecLimits, span: str
) -> tuple[Plan, Sandbox]:
    """No valid plan came: the whole task as one file. With user commands it can still be proved by them."""
    sandbox = open_box(())
    plan = degraded_plan(task)
    if task.verify:
        plan, _ = prove_criteria(replace(plan, criteria=_trusted(task, ground, plan)), ground.tree, sandbox, limits)
    recorder.record("planned", span, ask=ASKS + 1, plan=as_json(plan), refusals=[], accepted=True)
    return plan, sandbox


def _trusted(task: Task, ground: Ground, plan: Plan) -> tuple[Criterion, ...]:
    return (*user_criteria(task), *standing_criteria(ground.user_tests, plan, ground.tree))
