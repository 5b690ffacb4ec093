"""How a run ends: whatever happens, the trace is closed, processes are gone and a result is left behind.

Delivers what was proved, keeps the best of what was not, and turns every ending into an exit code.
"""

from __future__ import annotations

import asyncio
import json
import signal
import traceback
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

from agents import Agents
from nightshift.domain import (
    ExitReason,
    RunResult,
    Tree,
)
from nightshift.errors import (
    BudgetExceeded,
    ModelServerError,
    NightshiftError,
    Refused,
    ReplyRejected,
)
from nightshift.knowledge.stories import stories, stories_text
from nightshift.limits import used_up
from nightshift.records import Record, as_json, as_line
from nightshift.report.ending import write_ending
from nightshift.report.handoff import can_go_on, continue_command
from nightshift.search.planning import PlanRefused
from nightshift.workspace.unused import is_unused, remove_unused
from options import DEMO
from session import Session

SPOILING: tuple[ExitReason, ...] = (
    "tampered", "disk_full", "workspace_unsafe", "workspace_locked", "internal_error"
)  # fmt: skip
"""After these not even what was proved before is delivered."""
LIBRARIAN_SECONDS = 180.0
"""For proposing lessons: what was proved waits for it."""


async def supervise(session: Session, work: Callable[[], Awaitable[RunResult]]) -> int:
    """Runs the work; however it ends, the trace is closed, processes are gone and a result is written."""
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, session.terminate, task)
    try:
        with session.workspace:
            result = await _result(session, work)
            return _finish(session, result)
    finally:
        session.console.close()
        session.trace.close()
        if session.unused:
            remove_unused(session.workspace.path, session.paths.trees / session.id)
            (session.paths.runs / session.id).unlink(missing_ok=True)
            session.console.say(f"removed  {session.workspace.path}, where nothing was begun")


async def reflect(session: Session, agents: Agents, result: RunResult) -> None:
    """Asks the librarian what turned a failure into a pass; curating finds its reply in the trace."""
    told = [story for story in stories(session.trace.records()) if story.turned] if session.assistant else []
    if not told or result.status != "passed":
        return
    try:
        async with asyncio.timeout(LIBRARIAN_SECONDS):
            await agents.curate(session.order.task, "librarian", story=stories_text(told))
    except (TimeoutError, BudgetExceeded, ModelServerError, ReplyRejected, asyncio.CancelledError) as error:
        # Who stops the run here stops the librarian alone: the result is proved already.
        reason = str(error) or "no time left, or stopped"
        session.trace.record("guard", "librarian", rule="librarian", action="nothing proposed", reason=reason)


async def _result(session: Session, work: Callable[[], Awaitable[RunResult]]) -> RunResult:
    """How the work ended; what was proved stays so, even when a review or another plan for it came to no end."""
    result, best = await _ended(session, work), session.best()
    if result.status in ("passed", "interrupted") or result.exit_reason in SPOILING or not (best and best[0].passed):
        return result
    return RunResult("passed", "passed", f"every criterion holds; then: {result.message}")


async def _ended(session: Session, work: Callable[[], Awaitable[RunResult]]) -> RunResult:
    seconds = session.order.config.limits.minutes * 60 - session.trace.elapsed_seconds
    try:
        async with asyncio.timeout(max(1.0, seconds)):
            return await work()
    except TimeoutError:
        message = used_up("budget_minutes", session.order.config.limits.minutes, session.seconds / 60)
        return RunResult("limit", "budget_minutes", message)
    except asyncio.CancelledError:
        reason: ExitReason = "terminated" if session.terminated else "interrupted"
        return RunResult("interrupted", reason, f"{reason}; everything so far is saved")
    except BudgetExceeded as error:
        return RunResult("limit", error.exit_reason, str(error))
    except PlanRefused as error:
        theirs = bool(session.order.config.environment.requires)
        reason = "invalid_config" if theirs else "sandbox_unavailable"
        return RunResult("refused", reason, "; ".join(map(str, error.args)))
    except NightshiftError as error:
        return RunResult("refused" if isinstance(error, Refused) else "error", error.exit_reason, str(error))
    except Exception:
        saved = session.trace.run_dir / "traceback.txt"
        saved.write_text(traceback.format_exc(), encoding="utf-8")
        _finish(session, RunResult("error", "internal_error", f"a defect in Nightshift itself; see {saved}"))
        raise
    finally:
        for box in session.boxes.values():
            box.close()
        session.servers.stop()


def _finish(session: Session, result: RunResult) -> int:
    """Delivers what was proved, learns from it, and writes the ending; the result file comes last."""
    if result.exit_reason == "passed":
        result = _delivered(session, result)
    if session.assistant:
        session.assistant.keep(session.trace.records(), result.status)
    if result.status != "passed" and (best := session.best()):
        _keep_best(session, best[1], result)
    session.trace.record(
        "run_finished",
        "",
        status=result.status,
        exit_reason=result.exit_reason,
        exit_code=result.exit_code,
        message=result.message,
        workspace=str(session.workspace.path),
        seconds=round(session.seconds, 1),
        counters={"replayed": session.trace.replayed, **session.figures()},
    )
    session.profiles.save(session.learned)
    records = session.trace.records()
    told = write_ending(session.trace.run_dir, records, selfplay=session.order.config.selfplay)
    kinds = [record.kind for record in records]
    session.unused = session.order.fresh and is_unused(session.workspace.path, session.trace.run_dir, kinds)
    if not session.unused:
        session.console.say(f"report  {session.trace.run_dir / 'report.html'}")
        if can_go_on(records):
            session.console.say(f"continue  {continue_command(records)}")
    if session.order.as_json:
        print(json.dumps(told, indent=2, ensure_ascii=False))
    return result.exit_code


def _delivered(session: Session, result: RunResult) -> RunResult:
    best = session.best()
    assert best is not None, "a run that passed has a judged tree"
    try:
        session.settle(best[1], "The judged tree")
        with session.told_denials():
            delivery = session.workspace.deliver(merge=session.order.merge)
    except Refused as error:
        return RunResult("refused", error.exit_reason, f"proved, but not delivered: {error}")
    session.trace.record("delivered", "", **as_json(delivery))
    if session.order.record_tape:
        write_tape(session.trace.records())
    return result


def _keep_best(session: Session, tree: Tree, result: RunResult) -> None:
    if result.status != "refused":
        try:
            session.settle(tree, "The best tree of the run")
        except Refused as error:
            session.trace.record("policy", "keep", path=str(session.workspace.root), allowed=False, reason=str(error))
    originals = session.workspace.originals
    session.trace.record(
        "kept",
        "",
        branch=session.workspace.branch,
        folder=str(session.workspace.root),
        originals=str(originals) if originals else None,
        handoff=str(session.trace.run_dir / "handoff.md"),
    )


def write_tape(records: Sequence[Record]) -> None:
    """The calls of a run as the demo's tape."""
    lines = [as_line(replace(r, fields={**r.fields, "key": ""})) for r in records if r.kind == "call"]
    (DEMO / "tape.jsonl").write_bytes(b"".join(lines))
