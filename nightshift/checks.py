"""Running one criterion's check on a tree. A verdict is an exit code and an output, never a word of a model."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence

from nightshift.domain import (
    Channel,
    Check,
    CommandCheck,
    Criterion,
    CriterionResult,
    ExecLimits,
    ExecResult,
    Sandbox,
    ScriptCheck,
    ShellCheck,
    TestReport,
    TestResult,
    TestsCheck,
    Tree,
)
from nightshift.errors import ConfigError
from nightshift.evidence import of_exec, of_report, of_test
from nightshift.policy import Command, deny_command
from nightshift.policy.watch import watched

NOT_RUN = (126, 127)
"""What `sh` ends with when a command cannot be executed or found (POSIX)."""
CRASH = "Traceback (most recent call last)"
SCRIPT = "nightshift_criterion.py"
"""Where a script stands while it is run; a name that no plan can take (see policy.py)."""


def run_command_check(
    criterion: Criterion, tree: Tree, sandbox: Sandbox, limits: ExecLimits, *, network: bool = False
) -> CriterionResult:
    """Runs a script, command or shell check in a fresh copy of the tree; network is for the user's commands only."""
    if reason := deny_command(_as_command(criterion.check, network)):
        return CriterionResult(criterion, False, "cold", f"not run: {reason}")
    match criterion.check:
        case ScriptCheck(code=code):
            return _by_script(criterion, code, tree, sandbox, limits)
        case CommandCheck(argv=argv, exit_code=exit_code, output=output):
            result = sandbox.run(tree, argv, limits=limits)
            passed = result.exit_code == exit_code and not result.timed_out and _printed(output, result)
            return CriterionResult(criterion, passed, "cold", of_exec(result))
        case ShellCheck(command=command):
            result = sandbox.run(tree, watched(command), limits=limits, network=network)
            return CriterionResult(criterion, result.ok, "user-command", of_exec(result))
        case TestsCheck():
            raise AssertionError("a check by tests is judged from the test report")


def _as_command(check: Check, network: bool) -> Command:
    match check:
        case ShellCheck(command=command):
            return Command(("sh", "-c", command), trusted=True, network=network)
        case CommandCheck(argv=argv):
            return Command(argv)
        case ScriptCheck(code=code):
            return Command(("python3", "-c", code))
        case TestsCheck():
            raise AssertionError("a check by tests is judged from the test report")


def refuse_unrunnable(command: str, tree: Tree, sandbox: Sandbox, limits: ExecLimits, *, network: bool) -> bool:
    """Runs a user's command on the tree as it was found; whether it already succeeds.

    Raises ConfigError when the command cannot be run at all, which says nothing about the code. A program named by
    a path may still be made, so its absence is no error yet.
    """
    result = sandbox.run(tree, ("sh", "-c", command), limits=limits, network=network)
    program = next((word for word in command.split() if "=" not in word), "")
    if result.exit_code in NOT_RUN and "/" not in program:
        known = sandbox.run(tree, ("sh", "-c", f"command -v {shlex.quote(program)}"), limits=limits)
        if not known.ok:
            raise ConfigError(f"--verify {command!r} cannot be run, {program} is not there: {of_exec(result)}")
    return result.ok


def _printed(wanted: Sequence[str], result: ExecResult) -> bool:
    """Each text was printed, as words and not inside other words; a crash is no way to print anything."""
    crashed = CRASH in result.stderr and not any(CRASH in text for text in wanted)
    return not crashed and all(_as_words(text).search(f"{result.stdout}\n{result.stderr}") for text in wanted)


def _as_words(text: str) -> re.Pattern[str]:
    start = r"(?<!\w)" if text[:1].isalnum() else ""
    end = r"(?!\w)" if text[-1:].isalnum() else ""
    return re.compile(start + re.escape(text) + end)


def _by_script(criterion: Criterion, code: str, tree: Tree, sandbox: Sandbox, limits: ExecLimits) -> CriterionResult:
    # Through the channel of tests, not by exit code: code under test that ends the process would look like success.
    text = f"{code}\n\n\ndef test_the_script_reached_its_end():\n    pass\n"
    report = sandbox.test(tree.with_text(SCRIPT, text), (SCRIPT,), limits=limits, confirm=True)
    evidence = "it ran to its end" if report.passed else of_report(report)
    return CriterionResult(criterion, report.passed, channel_of(report.results), evidence)


def judge_by_tests(criterion: Criterion, check: TestsCheck, report: TestReport | None) -> CriterionResult:
    """A criterion proved by tests holds when tests are bound to it and each of them ran and passed.

    A bound path stands for every test of that file.
    """
    wanted = {base_node(node) for node in check.nodes}
    results = report.results if report else ()
    found = [r for r in results if {base_node(r.node), r.node.split("::")[0]} & wanted]
    ran = {base_node(r.node) for r in found} | {r.node.split("::")[0] for r in found}
    missing, failed = wanted - ran, [r for r in found if r.outcome != "passed"]
    if not check.nodes:
        evidence = "no trusted test is bound to this criterion"
    elif report is not None and report.collection_errors and missing:
        evidence = of_report(report)
    elif missing:
        evidence = f"these tests did not run: {', '.join(sorted(missing))}"
    else:
        evidence = "\n\n".join(map(of_test, failed[:5])) or f"{len(found)} tests passed"
    return CriterionResult(criterion, bool(wanted) and not missing and not failed, channel_of(found), evidence)


def channel_of(results: Sequence[TestResult]) -> Channel:
    """As strong as the weakest of them."""
    return "oracle" if results and all(result.channel == "oracle" for result in results) else "cold"


def base_node(node: str) -> str:
    """A test's id without its parameters, which may come from the code under test."""
    return node.split("[")[0]
