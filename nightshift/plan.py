"""The plan as the planner writes it: its JSON schema, its reading, and the checks that refuse a bad one.

A plan that passes these checks is well formed; whether its criteria prove anything is found out by running
them on a stub tree (see acceptance.py).
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, get_args

from nightshift.codec import as_json, from_json
from nightshift.domain import (
    Check,
    CommandCheck,
    Criterion,
    Plan,
    ScriptCheck,
    ShellCheck,
    Step,
    StepKind,
    Task,
    TestsCheck,
    Tree,
)
from nightshift.errors import ReplyRejected
from nightshift.policy import BUILT_IN, Command, Policy, deny_command, deny_path
from nightshift.source.graph import shadows_stdlib, topological
from nightshift.source.interfaces import parse_interface

MAX_STEPS = 40
MAX_CRITERIA = 20


def _text(limit: int) -> dict[str, Any]:
    return {"type": "string", "maxLength": limit}


def _texts(items: int, limit: int) -> dict[str, Any]:
    return {"type": "array", "maxItems": items, "items": _text(limit)}


def _object(required: Iterable[str], **properties: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(required),
        "additionalProperties": False,
    }


SCHEMA: dict[str, Any] = _object(
    ("summary", "requires", "steps", "criteria"),
    summary=_text(400),
    requires=_texts(12, 60),
    steps={
        "type": "array",
        "minItems": 1,
        "maxItems": MAX_STEPS,
        "items": _object(
            ("path", "kind", "purpose", "interface", "depends_on"),
            path=_text(120),
            kind={"type": "string", "enum": ["source", "test", "other"]},
            purpose=_text(800),
            interface=_text(4000),
            depends_on=_texts(20, 120),
            approaches=_texts(3, 160),
        ),
    },
    criteria={
        "type": "array",
        "minItems": 1,
        "maxItems": MAX_CRITERIA,
        "items": _object(
            ("id", "description", "check"),
            id=_text(12),
            description=_text(400),
            check=_object(
                ("type",),
                type={"type": "string", "enum": ["tests", "script", "command"]},
                path=_text(120),
                code=_text(1500),
                argv=_texts(20, 300),
                exit_code={"type": "integer", "minimum": 0, "maximum": 255},
                output=_texts(10, 300),
            ),
        ),
    },
)


def read_plan(data: Any) -> Plan:
    """The planner's JSON as a Plan; raises ReplyRejected when it does not even have the shape."""
    try:
        return Plan(
            summary=str(data["summary"]),
            steps=tuple(_read_step(step) for step in data["steps"]),
            criteria=tuple(_read_criterion(criterion) for criterion in data["criteria"]),
            requires=tuple(str(name) for name in data.get("requires", ())),
        )
    except (KeyError, TypeError, AttributeError, ValueError, OverflowError) as error:
        raise ReplyRejected("unparsable", f"the plan lacks a part or has one of the wrong type: {error}") from error


def given_plan(data: Any) -> Plan:
    """A plan as --dry-run prints it and a user edits it; ValueError names the part that is wrong, or not known."""
    plan = from_json(Plan, data)
    if unknown := next(_unknown(data, as_json(plan), "Plan"), None):
        raise ValueError(unknown)
    return plan


def _unknown(given: Any, known: Any, where: str) -> Iterator[str]:
    if isinstance(given, Mapping):
        for key, value in given.items():
            if key not in known:
                yield f"{where}: unknown key {key!r}; known ones: {', '.join(known)}"
            else:
                yield from _unknown(value, known[key], f"{where}.{key}")
    elif isinstance(given, list):
        for number, (one, other) in enumerate(zip(given, known, strict=True)):
            yield from _unknown(one, other, f"{where}[{number}]")


def _read_step(data: Mapping[str, Any]) -> Step:
    return Step(
        path=str(data["path"]).strip().removeprefix("./"),
        kind=data["kind"],
        purpose=str(data["purpose"]).strip(),
        interface=str(data.get("interface") or "").strip("\n"),
        depends_on=tuple(str(path).strip().removeprefix("./") for path in data.get("depends_on") or ()),
        approaches=tuple(" ".join(str(text).split()) for text in data.get("approaches") or ()),
    )


def _read_criterion(data: Mapping[str, Any]) -> Criterion:
    return Criterion(str(data["id"]).strip(), str(data["description"]).strip(), _read_check(data["check"]))


def _read_check(data: Mapping[str, Any]) -> Check:
    kind = data["type"]
    if kind == "tests":
        return TestsCheck(str(data.get("path", "")).split("::")[0].removeprefix("./"))
    if kind == "script":
        return ScriptCheck(str(data.get("code", "")))
    argv = tuple(str(word) for word in data.get("argv") or ())
    output = data.get("output") or ()
    # A small model writes one string where a list of one is asked for.
    texts = (output,) if isinstance(output, str) else tuple(str(text) for text in output)
    return CommandCheck(argv, int(data.get("exit_code") or 0), texts)


def degraded_plan(task: Task) -> Plan:
    """What is left when no valid plan could be had: the whole task as one file and its tests."""
    source = Step("solution.py", "source", task.prompt)
    test = Step("tests/test_solution.py", "test", "Prove that solution.py does the task.", "", ("solution.py",))
    criterion = Criterion("c1", "The tests of the whole task pass.", TestsCheck(test.path))
    return Plan(task.prompt[:200], (source, test), (criterion,), degraded=True)


def user_criteria(task: Task) -> tuple[Criterion, ...]:
    """The `--verify` commands as criteria: trusted, and never rewritten."""
    return tuple(
        Criterion(f"verify-{number}", command, ShellCheck(command), trusted=True)
        for number, command in enumerate(task.verify, 1)
    )


RUNNERS = frozenset({"Makefile", "makefile", "GNUmakefile", "tox.ini", "noxfile.py", "justfile"})


def proof_words(task: Task) -> frozenset[str]:
    """The words of the user's `--verify` commands, some of which name files."""
    found = (word for command in task.verify for word in re.split(r"[\s;|&<>()'\"=]+", command))
    return frozenset(word.removeprefix("./") for word in found if word)


def locked_files(task: Task, tree: Tree) -> frozenset[str]:
    """The user's files that the user's proof runs: named in a `--verify` command, or steering such a run."""
    words = proof_words(task)
    runners = RUNNERS if task.verify else frozenset[str]()
    return frozenset(path for path in tree.texts if path in words or path in runners)


Problem = Callable[[Plan, frozenset[str]], Iterable[str]]


def problems(plan: Plan, protected: frozenset[str] = frozenset()) -> tuple[str, ...]:
    """Every reason to refuse the plan, each a sentence the planner can act on; `protected` may not be written."""
    return tuple(reason for check in _CHECKS for reason in check(plan, protected))


def denials(plan: Plan, policy: Policy = BUILT_IN) -> tuple[str, ...]:
    """What the user's policy has against the plan's files, and any against its commands, in words for the planner."""
    usable = [step.path for step in plan.steps if not deny_path(step.path)]
    paths = [f"step {reason}" for path in usable if (reason := deny_path(path, policy))]
    asked = [(c.id, argv) for c in plan.criteria if not c.trusted and (argv := _argv(c.check))]
    commands = [(id, deny_command(Command(argv, policy=policy))) for id, argv in asked]
    return (*paths, *(f"criterion {id}: {reason}" for id, reason in commands if reason))


def _argv(check: Check) -> tuple[str, ...]:
    match check:
        case ScriptCheck(code=code):
            return ("python3", "-c", code)
        case CommandCheck(argv=argv):
            return argv
    return ()


def _size(plan: Plan, _: frozenset[str]) -> Iterable[str]:
    if not 1 <= len(plan.steps) <= MAX_STEPS:
        yield f"the plan has {len(plan.steps)} steps; 1 to {MAX_STEPS} are allowed"
    if not plan.criteria:
        yield "the plan has no criteria"
    if not any(step.kind == "test" for step in plan.steps):
        yield 'the plan has no step of kind "test"'


def _kinds(plan: Plan, _: frozenset[str]) -> Iterable[str]:
    for step in plan.steps:
        if step.kind not in get_args(StepKind):
            yield f"step {step.path!r}: kind {step.kind!r} is not one of source, test, other"


def _paths(plan: Plan, protected: frozenset[str]) -> Iterable[str]:
    for step in plan.steps:
        if reason := deny_path(step.path):
            yield f"step {step.path!r}: {reason}"
        elif step.path in protected:
            yield f"step {step.path!r}: it judges the result or cannot be shown, is the user's and must stay as it is"
        elif step.kind == "source" and not step.path.endswith(".py"):
            yield f'step {step.path!r}: a file that is not Python has kind "other"'
        elif step.path.endswith(".py") and shadows_stdlib(step.path):
            yield f"step {step.path!r}: shadows a module of the standard library; choose another name"
        elif step.kind == "test" and not re.fullmatch(r"(?:.*/)?test_\w+\.py", step.path):
            yield f"step {step.path!r}: a test file is named test_<something>.py"


def _duplicates(plan: Plan, _: frozenset[str]) -> Iterable[str]:
    # Compared without case: a checkout on macOS would lose one of the two.
    for what, names in (
        ("step path", [s.path.lower() for s in plan.steps]),
        ("criterion id", [c.id.lower() for c in plan.criteria]),
    ):
        for name in sorted({name for name in names if names.count(name) > 1}):
            yield f"{what} {name!r} stands twice"


def _dependencies(plan: Plan, _: frozenset[str]) -> Iterable[str]:
    paths = {step.path for step in plan.steps}
    for step in plan.steps:
        for path in step.depends_on:
            if path not in paths:
                yield f"step {step.path!r} depends on {path!r}, which is not a step"
    edges = {step.path: [p for p in step.depends_on if p in paths] for step in plan.steps}
    try:
        topological(list(edges), edges)
    except ValueError as error:
        yield str(error)


def _interfaces(plan: Plan, _: frozenset[str]) -> Iterable[str]:
    for step in plan.steps:
        if step.kind != "source" or step.path.endswith("__init__.py"):
            continue
        if not step.interface.strip():
            yield f"step {step.path!r} has no interface"
            continue
        try:
            parse_interface(step.interface)
        except ValueError as error:
            yield f"the interface of {step.path!r} cannot be read: {error}"


def _checks(plan: Plan, _: frozenset[str]) -> Iterable[str]:
    tests = {step.path for step in plan.steps if step.kind == "test"}
    for criterion in plan.criteria:
        if not re.fullmatch(r"[A-Za-z][\w-]{0,11}", criterion.id):
            yield f"criterion id {criterion.id!r} is not a short word such as c1"
        if re.match("verify-|user-tests", criterion.id):
            yield f"criterion id {criterion.id!r} is kept for the user's own checks; use c1, c2, ..."
        for reason in _check_problems(criterion.check, tests):
            yield f"criterion {criterion.id}: {reason}"


def _check_problems(check: Check, tests: set[str]) -> Iterable[str]:
    match check:
        case TestsCheck(path=path) if path not in tests:
            yield f"its tests {path!r} are not a planned test file; planned are {', '.join(sorted(tests)) or 'none'}"
        case ScriptCheck(code=code):
            yield from _script_problems(code)
        case CommandCheck(argv=()):
            yield "its command is empty"


def _script_problems(code: str) -> Iterable[str]:
    try:
        tree = ast.parse(code)
    except (SyntaxError, ValueError) as error:
        yield f"its script is not Python: {error}"
        return
    if any(_ends_process(node) for node in tree.body):
        yield "its script ends the process itself; leave exit out, running to the end is success"
    if not any(_can_fail(node) for node in ast.walk(tree)):
        yield "its script asserts nothing about the project, so it cannot fail"


def _ends_process(node: ast.stmt) -> bool:
    call = node.value if isinstance(node, ast.Expr) else getattr(node, "exc", None)
    name = ast.unparse(call.func) if isinstance(call, ast.Call) else ast.unparse(call) if call else ""
    return name in ("exit", "quit", "sys.exit", "os._exit", "SystemExit")


def _can_fail(node: ast.AST) -> bool:
    """An explicit raise, or an assert about something that is computed: `assert True` says nothing."""
    if isinstance(node, ast.Assert):
        return any(isinstance(part, ast.Call | ast.Name | ast.Attribute) for part in ast.walk(node.test))
    return isinstance(node, ast.Raise)


_CHECKS: tuple[Problem, ...] = (_size, _kinds, _paths, _duplicates, _dependencies, _interfaces, _checks)
