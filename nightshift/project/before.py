"""Looking at a project's tests before anything is touched, once in a run: a resumed one is told what was seen."""

from __future__ import annotations

from collections.abc import Iterable

from nightshift.domain import ExecLimits, Plan, Recorder, Sandbox, Tree
from nightshift.project.baseline import Baseline, measure
from nightshift.project.reading import read_project, test_files
from nightshift.project.retest import by_distance
from nightshift.project.standing import UserTests, standing_tests
from nightshift.recorded import unrecorded
from nightshift.records import Record, as_json, from_json, value_of

KIND, SPAN = "baseline", "explore"
TELLING = 20
"""Failing tests that are told to a planner."""


def look_before(
    task: str, tree: Tree, box: Sandbox, recorder: Recorder, limits: ExecLimits, command: ExecLimits
) -> UserTests:
    """The tests of a tree with their baseline, and the project's own commands that succeed on it."""
    project = read_project(tree)
    files = test_files(tree, project)
    if not files and not project.unknown_commands:
        return UserTests()
    known = recorder.recall(KIND, SPAN, KIND)
    if known is None:
        held = [c for c in project.unknown_commands if box.run(tree, ("sh", "-c", c), limits=command).ok]
        known = {"baseline": as_json(measure(tree, files, unrecorded(box), limits)), "commands": held}
    fields = {"baseline": known["baseline"], "commands": known["commands"]}
    recorder.record(KIND, SPAN, key=KIND, files=len(files), tried=project.unknown_commands, **fields)
    baseline = from_json(Baseline, known["baseline"])
    commands = tuple(str(command) for command in known["commands"])
    return standing_tests(files, tree, box, limits, known=baseline, task=task, commands=commands)


def look_again(
    before: UserTests, plan: Plan, tree: Tree, box: Sandbox, recorder: Recorder, limits: ExecLimits, span: str
) -> UserTests:
    """With those that the time box did not reach and that use what the plan changes."""
    late, _ = by_distance(before.baseline.unknown, plan, tree) if before.baseline.unknown else ([], [])
    if not late:
        return before
    known = recorder.recall(KIND, span, KIND)
    told = known["baseline"] if known else as_json(measure(tree, late, unrecorded(box), limits))
    recorder.record(KIND, span, key=KIND, files=len(late), commands=before.commands, baseline=told)
    found = before.baseline.joined(from_json(Baseline, told))
    files = tuple(sorted({*before.files, *late}))
    return standing_tests(files, tree, box, limits, known=found, task=before.task, commands=before.commands)


def failing_text(before: UserTests) -> str:
    """What fails before the work begins, for whoever plans it."""
    told = before.baseline
    return "\n".join(f"{node}: {told.reasons.get(node, '')}" for node in told.broken[:TELLING])


def baseline_of(records: Iterable[Record]) -> Baseline:
    """What a run saw before it began; nothing when there were no tests."""
    found = Baseline()
    for record in records:
        if record.kind == KIND:
            found = found.joined(value_of(Baseline, record, "baseline"))
    return found
