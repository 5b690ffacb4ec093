"""What the records of a run say to a person, one record a line or a few, free of control characters."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from nightshift.domain import Diagnosis, Plan, Verdict
from nightshift.records import Record, attempt_number, proof_of, value_of
from nightshift.report.text import asker, counted, duration, one_line, printable

Fields = Mapping[str, Any]

OWN_CHECKS = "passed its own checks only: no user check took part"
NOTHING_BUILT = "nothing was built: every --verify command succeeded at the start; give one that fails before the work"


def describe(record: Record) -> list[str]:
    """The lines that tell a record, free of control characters; none when there is nothing to say."""
    teller = _TELLERS.get(record.kind)
    return [tame(line)[:1000] for line in teller(record)] if teller else []


def final_line(fields: Fields, verdict: Verdict | None) -> str:
    """How the run ended, in one line, with the grade of its proof."""
    seconds = duration(fields.get("seconds") or 0.0)
    if fields.get("status") == "passed":
        own = verdict is not None and proof_of(verdict.results) == "self"
        where = f", in {one_line(str(fields['workspace']))}" if fields.get("workspace") else ""
        apart = f"; {counted(len(verdict.quarantined), 'test')} took no part" if verdict and verdict.quarantined else ""
        if fields.get("exit_reason") == "already_green":
            return f"✓ passed in {seconds}{where}: {NOTHING_BUILT}"
        return f"✓ passed in {seconds}{where}" + (f" ({OWN_CHECKS})" if own else "") + apart
    message = one_line(str(fields.get("message") or ""))
    if fields.get("status") == "planned":
        return tame(f"✓ planned in {seconds}: {message}; save it, edit it and run it with --plan FILE")
    ending = f"✗ {fields.get('status')} after {seconds} ({fields.get('exit_reason')})"
    return tame(f"{ending}: {message}" if message else ending)


def tame(line: str) -> str:
    """The last door to the terminal: whatever a teller forgot to escape."""
    return printable(line.replace("\n", " ").replace("\t", " "))


def _run_started(record: Record) -> Iterator[str]:
    yield f"run {record.run}: {_get(record, 'task', 'prompt')}"
    yield f"  in {_get(record, 'workspace')}, isolation: {_get(record, 'isolation')}"
    if "unsafe" in str(record.fields.get("isolation")):
        yield "! generated code runs with all your rights: --unsafe-no-sandbox"
    for note in record.fields.get("notes") or ():
        yield f"  ! {one_line(str(note))}"
    models = record.fields.get("models") or {}
    if models:
        names = dict.fromkeys(str(name) for name in models.values())
        yield f"  models: {one_line(', '.join(names))}"
    if record.fields.get("remote"):
        yield "  ! a model server outside this machine's networks is used, as allowed"


def _resumed(record: Record) -> Iterator[str]:
    yield "resumed: what is on record answers first"
    if record.fields.get("dropped_bytes"):
        yield f"  ! the last line was cut off and is dropped ({record.fields['dropped_bytes']} bytes)"
    if record.fields.get("begun_by"):
        yield f"  ! begun by version {_get(record, 'begun_by')}: what is asked otherwise now is asked anew"


def _explored(record: Record) -> Iterator[str]:
    files = record.fields.get("files")
    number = files if isinstance(files, int) else len(files or ())
    yield f"explored  {counted(number, 'file')}"


def _planned(record: Record) -> Iterator[str]:
    for reason in record.fields.get("refusals") or ():
        yield f"  ! plan refused: {one_line(str(reason))}"
    if not record.fields.get("accepted") or record.span == "proved":
        return
    plan = value_of(Plan, record, "plan")
    yield f"planned  {counted(len(plan.steps), 'file')}: {one_line(plan.summary)}"
    if plan.degraded:
        yield "  ! no valid plan could be had; one step stands for the whole task"
    for criterion in plan.criteria:
        by = " (yours)" if criterion.trusted else ""
        by += " (held before: a guard, no proof)" if criterion.guard else ""
        yield f"  - {one_line(criterion.id)}{by}: {one_line(criterion.description)}"


def _accepted(record: Record) -> Iterator[str]:
    tests, samples = record.fields.get("tests") or 0, record.fields.get("samples") or 0
    made = f"{counted(tests, 'test')} accepted from {counted(samples, 'sample')}"
    yield f"tests  {_get(record, 'path')}: {made}; each was seen to fail on stubs"


def _call(record: Record) -> Iterator[str]:
    fields = record.fields
    tokens = f"{fields.get('prompt_tokens') or 0} -> {fields.get('completion_tokens') or 0} tokens"
    model = one_line(str(fields.get("model_served") or fields.get("model_requested")))
    yield f"  asked  {_get(record, 'role')} ({model}), {tokens}, {duration(fields.get('seconds') or 0.0)}"


def _evaluation(record: Record) -> Iterator[str]:
    rungs = record.fields.get("rungs") or ()
    outcomes = record.fields.get("outcomes") or {}
    failed = next((rung for rung in rungs if not rung.get("passed")), None)
    tests = f", {sum(outcomes.values())} of {counted(len(outcomes), 'test')}" if outcomes else ""
    said = f"fails: {one_line(failed['name'])}" if failed else "passes every check"
    name = f"{_get(record, 'path')}  {_get(record, 'candidate', 'label')}"
    yield f"  {'✗' if failed else '✓'} {name} {said}{tests}"


def _effort(record: Record) -> Iterator[str]:
    if not record.fields.get("taken"):
        yield f"  not asked  {_get(record, 'path')}: {_get(record, 'move')}: {_get(record, 'reason')}"


def _splice(record: Record) -> Iterator[str]:
    if record.fields.get("kept"):
        taken = one_line(", ".join(map(str, record.fields.get("names") or ())))
        yield f"  splice  {_get(record, 'path')}: {_get(record, 'base')} with {taken} of {_get(record, 'donor')}"


def _trust(record: Record) -> Iterator[str]:
    doubted = [test for test in record.fields.get("tests") or () if test.get("doubts")]
    if doubted:
        yield f"  ! {counted(len(doubted), 'test')} in doubt; the report says why"


def _selected(record: Record) -> Iterator[str]:
    if record.fields.get("key") == "race":
        return
    chosen = record.fields.get("chosen")
    of = len(record.fields.get("considered") or ())
    what = f"{one_line(str(chosen))} of {of}" if chosen else f"none of {of}"
    yield f"chose  {_get(record, 'path')}: {what}: {_get(record, 'reason')}"


def _verdict(record: Record) -> Iterator[str]:
    verdict = value_of(Verdict, record, "verdict")
    held = sum(result.passed for result in verdict.results)
    yield f"verdict  attempt {attempt_number(record)}: {held} of {len(verdict.results)} criteria hold"
    for result in verdict.results:
        evidence = "" if result.passed else f": {one_line(result.evidence)[:200]}"
        yield f"  {'✓' if result.passed else '✗'} {one_line(result.criterion.description)}{evidence}"
    for problem in verdict.problems:
        yield f"  ✗ {one_line(problem)}"
    if verdict.quarantined:
        yield f"  ! {counted(len(verdict.quarantined), 'test')} quarantined, no part of the verdict"


def _diagnosis(record: Record) -> Iterator[str]:
    diagnosis = value_of(Diagnosis, record, "diagnosis")
    yield f"diagnosis  attempt {attempt_number(record)}"
    for number, why in enumerate(diagnosis.whys, 1):
        yield f"  {number}. {one_line(why)}"
    for culprit in diagnosis.culprits:
        yield f"  blamed: {one_line(culprit.path)} ({culprit.blame}): {one_line(culprit.why)}"
    yield f"  advice: {one_line(diagnosis.advice)}"


def _cascade(record: Record) -> Iterator[str]:
    for item in record.fields.get("rebuild") or ():
        yield f"rebuild  {one_line(item['path'])}: {one_line(item['reason'])}"
    retest = record.fields.get("retest") or ()
    if retest:
        yield f"re-test  {one_line(', '.join(retest))}"


def _repair(record: Record) -> Iterator[str]:
    yield f"  repair  {_get(record, 'path')}: {_get(record, 'outcome')}"


def _guard(record: Record) -> Iterator[str]:
    reply = record.fields.get("rule") == "reply"
    what = f"reply of {asker(record.span)}" if reply else _get(record, "rule")
    yield f"  ! {what}: {_get(record, 'action')}: {_get(record, 'reason')}"


def _policy(record: Record) -> Iterator[str]:
    if not record.fields.get("allowed"):
        yield f"  ! refused to touch {_get(record, 'path')}: {_get(record, 'reason')}"


def _fault(record: Record) -> Iterator[str]:
    where = f"{record.fields.get('role') or 'server'} at {_get(record, 'endpoint')}"
    attempt = f", try {_get(record, 'attempt')}" if record.fields.get("attempt") else ""
    yield f"  ! {where}{attempt}: {_get(record, 'fault')}: {_get(record, 'message')}"


def _delivered(record: Record) -> Iterator[str]:
    files = record.fields.get("files") or ()
    branch = f" on branch {_get(record, 'branch')}" if record.fields.get("branch") else ""
    merged = ", merged" if record.fields.get("merged") else ""
    yield f"delivered  {counted(len(files), 'file')}{branch}{merged}"
    for file in files:
        yield f"  {one_line(str(file.get('action')))} {one_line(str(file.get('path')))}"


def _kept(record: Record) -> Iterator[str]:
    where = f"on branch {_get(record, 'branch')}" if record.fields.get("branch") else f"in {_get(record, 'folder')}"
    yield f"kept  the best tree {where}; handoff: {_get(record, 'handoff')}"


def _learned(record: Record) -> Iterator[str]:
    lessons = record.fields.get("lessons") or ()
    if lessons:
        yield f"learned  {counted(len(lessons), 'lesson')}"


def _run_finished(record: Record) -> Iterator[str]:
    yield final_line(record.fields, None)


def _get(record: Record, *names: str) -> str:
    value: Any = record.fields
    for name in names:
        value = value.get(name, "") if isinstance(value, Mapping) else ""
    return one_line(str(value))


_TELLERS: dict[str, Callable[[Record], Iterator[str]]] = {
    "run_started": _run_started,
    "resumed": _resumed,
    "explored": _explored,
    "planned": _planned,
    "accepted": _accepted,
    "call": _call,
    "evaluation": _evaluation,
    "selected": _selected,
    "verdict": _verdict,
    "diagnosis": _diagnosis,
    "cascade": _cascade,
    "effort": _effort,
    "repair": _repair,
    "splice": _splice,
    "trust": _trust,
    "guard": _guard,
    "policy": _policy,
    "fault": _fault,
    "delivered": _delivered,
    "kept": _kept,
    "learned": _learned,
    "run_finished": _run_finished,
}
