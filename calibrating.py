"""doctor.py --calibrate: options become an order, and the decision becomes a profile, text and JSON.

Measuring and deciding are in nightshift/calibrate; here is only what concerns the user.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from config import Config, paths
from nightshift.calibrate.bench import Effort, Subject
from nightshift.calibrate.desk import Order, Result, calibrate, plan
from nightshift.calibrate.managed import managed_subject, table_of
from nightshift.calibrate.plan import Cell, subjects_of
from nightshift.calibrate.profile import advice, apply, as_toml, proposed
from nightshift.calibrate.trials import Ending, Run, Trial
from nightshift.domain import Environment
from nightshift.errors import ConfigError, Unreachable
from nightshift.llm.addresses import is_private
from nightshift.llm.discovery.probe import DEFAULT_URLS, survey
from nightshift.llm.endpoint import Endpoint
from nightshift.llm.managed.flags import named
from nightshift.sandbox.box import open_sandbox

EXIT_CODES = {Ending.CHOSEN: 0, Ending.NO_FEASIBLE: 3, Ending.PARTIAL: 4, Ending.NOTHING_YET: 4}


def run(arguments: argparse.Namespace, settings: Config, machine: Mapping[str, str]) -> int:
    order = order_of(arguments, settings, machine)
    if arguments.dry_run:
        planned = plan(order, say)
        sys.stdout.write(json_text([asdict(cell) for cell in planned]) if arguments.json else plan_text(planned))
        return 0
    urls = [url for url in arguments.endpoint or () if is_private(url)]

    def profile(run: Run, trial: Trial) -> str:
        return profile_of(order, urls, run, trial)

    box = open_sandbox(Environment(sys.executable))
    try:
        result = calibrate(order, box, profile, say)
    finally:
        box.close()
    text = profile(result.run, result.chosen) if result.chosen else ""
    applied = paths(os.environ).profile if text and arguments.apply else None
    backup = apply(applied, text) if applied else None
    sys.stdout.write(result_json(result, text, applied, backup) if arguments.json else text)
    tell_result(result, text, applied, backup)
    return EXIT_CODES[result.run.ending]


def order_of(arguments: argparse.Namespace, settings: Config, machine: Mapping[str, str]) -> Order:
    """Raises ModelServerError when there is nothing to calibrate."""
    first_token = Effort().first_token if arguments.first_token is None else arguments.first_token
    if first_token <= 0:
        raise ConfigError(f"--first-token must be more than 0 seconds, not {first_token:g}")
    folder = paths(os.environ).profiles
    folder.mkdir(parents=True, exist_ok=True)
    return Order(
        subjects=subjects(arguments, settings, folder),
        temperatures=settings.candidates.temperatures,
        folder=folder,
        machine=machine,
        limits=settings.limits,
        deadlines=settings.deadlines,
        effort=Effort(first_token=first_token),
        fresh=bool(arguments.fresh),
    )


def subjects(arguments: argparse.Namespace, settings: Config, logs: Path) -> list[Subject]:
    context, coolest = settings.generation.context, min(settings.candidates.temperatures)
    own = [
        managed_subject(server, context, coolest, logs=logs, environ=os.environ, api_key=settings.api_key)
        for server in named(settings.server)
    ]
    urls = settings.endpoints or DEFAULT_URLS
    answers = asyncio.run(survey(urls, api_key=settings.api_key))
    endpoints = [answer for answer in answers.values() if isinstance(answer, Endpoint)]
    if not endpoints and not own:
        reasons = "; ".join(map(str, answers.values()))
        raise Unreachable(f"there is nothing to calibrate: {reasons}", fault="none_found")
    names = [name.strip() for name in (arguments.models or "").split(",") if name.strip()]
    return subjects_of(endpoints, names, context=context, temperature=coolest, own=own)


def profile_of(order: Order, urls: Sequence[str], run: Run, trial: Trial) -> str:
    """A server of ours is set up by its own table, which outranks a profile: that is told, not written."""
    managed = any(s.server and s.target.endpoint.url == trial.url for s in order.subjects)
    settings = proposed(run, trial, order.temperatures, urls, managed=managed)
    notes = [f"{trial.model} at {trial.url}, calibration {run.id} of {run.started}", *advice(trial, managed=managed)]
    if run.hottest < max(order.temperatures):
        notes.append(f"its code was right up to temperature {run.hottest:g}, so candidates are sampled below that")
    if managed:
        table = ", ".join(f"{key} = {json.dumps(value)}" for key, value in table_of(trial.knobs).items())
        notes.append(f"in the [[server]] table of {trial.url} set: {table}")
    return as_toml(settings, notes)


def plan_text(planned: Sequence[Cell]) -> str:
    def line(cell: Cell) -> str:
        known = "known" if cell.known else f"up to {cell.calls} calls"
        return f"  {cell.stage:5} {cell.model}: {cell.knobs} ({known})"

    gates = [line(cell) for cell in planned if cell.stage == "gate"]
    steps = [line(cell) for cell in planned if cell.stage != "gate"]
    head = "The gate, in this order, until a model passes:"
    then = "Then in that model, from the best cell so far, these steps and those they lead to:"
    return "\n".join([head, *gates, then, *steps]) + "\n"


def tell_result(result: Result, text: str, applied: Path | None, backup: Path | None) -> None:
    run = result.run
    say(f"{run.ending.replace('_', ' ')}{f': {run.message}' if run.message else ''}")
    if applied:
        say(f"written to {applied}" + (f"; the one before is kept as {backup}" if backup else ""))
    elif text:
        say("the profile above is only proposed: --apply writes it")
    if run.ending in (Ending.PARTIAL, Ending.NOTHING_YET):
        say("the same command goes on where this one stopped")
    say(f"report: {result.report}")


def result_json(result: Result, text: str, applied: Path | None, backup: Path | None) -> str:
    run = result.run
    found: dict[str, Any] = {
        "ending": run.ending,
        "message": run.message,
        "run": run.id,
        "chosen": asdict(result.chosen) if result.chosen else None,
        "profile": text,
        "applied": str(applied) if applied else None,
        "backup": str(backup) if backup else None,
        "report": str(result.report),
        "trials": [asdict(trial) for trial in result.trials],
    }
    return json_text(found)


def json_text(value: object) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def say(line: str) -> None:
    sys.stderr.write(line + "\n")
