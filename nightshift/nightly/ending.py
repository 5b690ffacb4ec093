"""How a night and its tasks end: what an outcome means, what still waits and why, and the exit code. Decides only."""

from __future__ import annotations

import json
from collections.abc import Mapping
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path

from nightshift.domain import EXIT_CODES
from nightshift.errors import NightshiftError
from nightshift.nightly.budget import Amount, stopped_by_the_night
from nightshift.nightly.folder import Folder
from nightshift.nightly.memory import Decision, Ending, Memory, Night
from nightshift.nightly.order import Standing, held_back_by
from nightshift.nightly.running import STOP_CODES, Outcome
from nightshift.nightly.tasks import Queued

WORST_FIRST = (143, 130, 70, 5, 3, 2, 4, 1, 0)
"""A night ends with its worst code."""


def decide(outcome: Outcome, totals: Amount, own: Amount, *, may_retry: bool) -> Decision:
    """What is no fault of the task is tried again, and then left for another night."""
    if outcome.code == 0:
        return "done"
    if outcome.code in STOP_CODES and not outcome.killed:
        return "kept"
    if outcome.killed or outcome.code == 3 or outcome.reason == "workspace_locked":
        return "retry" if may_retry else "kept"
    return "aside" if stopped_by_the_night(outcome.reason, totals, own) else "failed"


def standings(folder: Folder, memory: Memory, queued: Queued) -> dict[str, Standing]:
    """How far each task is that another may wait for."""
    found: dict[str, Standing] = dict.fromkeys(folder.names_in("failed"), "failed")
    found |= dict.fromkeys(folder.names_in("done"), "done")
    found |= dict.fromkeys([*queued.tasks, *queued.refused], "waiting")
    for name, task in queued.tasks.items():
        over = memory.known(name).over
        if task.settings.repeat and over in ("done", "failed"):
            found[name] = "done" if over == "done" else "failed"
    endings = memory.night.endings.values() if memory.night else ()
    return found | {e.name: "failed" for e in endings if e.decision == "failed" and found.get(e.name) != "waiting"}


def waiting_reasons(queued: Queued, states: Mapping[str, Standing], memory: Memory, *, stopped: bool) -> dict[str, str]:
    """Why each task that is still in the queue, and had no turn, had none."""
    reasons = {}
    for task in queued.tasks.values():
        held = held_back_by(task, states)
        if memory.known(task.name).over:
            continue
        if held:
            reasons[task.name] = f"waits for {', '.join(held)}, which is not done"
        else:
            reasons[task.name] = "the night was stopped before its turn" if stopped else "no budget was left for it"
    return reasons


def code_of(night: Night, waiting: Mapping[str, str], stopped: int) -> int:
    codes = [stopped, *(ending.outcome.code for ending in night.endings.values())]
    codes += [2 for _ in night.refused]
    codes += [4 for reason in waiting.values() if reason.startswith("no budget")]
    return min(codes, key=lambda code: WORST_FIRST.index(code) if code in WORST_FIRST else 2)


def outcome_of(future: Future[Outcome], lost: tuple[type[BaseException], ...]) -> Outcome:
    """What one task's folders and traces refuse is that task's failure and no other's; a defect of ours is raised."""
    try:
        return future.result()
    except lost as error:
        return Outcome(130, "interrupted", message=f"the machine that worked on it was lost: {error}", killed=True)
    except NightshiftError as error:
        return Outcome(error.exit_code, error.exit_reason, message=str(error))
    except OSError as error:
        return Outcome(EXIT_CODES["workspace_unsafe"], "workspace_unsafe", message=str(error))


def result_of(ending: Ending) -> dict[str, object]:
    outcome = ending.outcome
    with suppress(OSError, ValueError):
        result = json.loads((Path(outcome.run_dir) / "result.json").read_text(encoding="utf-8"))
        if outcome.run_dir and isinstance(result, dict):
            return result
    return {"run": outcome.run, "status": "error", "exit_reason": outcome.reason, "exit_code": outcome.code}
