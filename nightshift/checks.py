"""Running one criterion's check on a tree. A verdict is an exit code and an output, never a word of a model."""

from __future__ import annotations

import secrets
from dataclasses import replace

from nightshift.domain import (
    Channel,
    CommandCheck,
    Criterion,
    CriterionResult,
    ExecLimits,
    ExecResult,
    Sandbox,
    ScriptCheck,
    ShellCheck,
    TestReport,
    TestsCheck,
    Tree,
)
from nightshift.errors import ConfigError
from nightshift.evidence import of_exec, of_report, of_test

NOT_RUN = (126, 127)
"""What `sh` ends with when a command cannot be executed or found (POSIX)."""


def run_command_check(
    criterion: Criterion, tree: Tree, sandbox: Sandbox, limits: ExecLimits, *, network: bool = False
) -> CriterionResult:
    """Runs a script, command or shell check in a fresh copy of the tree.

    Raises ConfigError when a user's command cannot be run at all: that says nothing about the code.
    """
    match criterion.check:
        case ScriptCheck(code=code):
            passed, result = _script(code, tree, sandbox, limits)
        case CommandCheck(argv=argv, exit_code=exit_code, output=output):
            result = sandbox.run(tree, argv, limits=limits)
            printed = result.stdout + result.stderr
            passed = not result.timed_out and result.exit_code == exit_code and all(o in printed for o in output)
        case ShellCheck(command=command):
            result = sandbox.run(tree, ("sh", "-c", command), limits=limits, network=network)
            passed = result.ok
            if result.exit_code in NOT_RUN:
                raise ConfigError(f"--verify {command!r} cannot be run: {of_exec(result)}")
        case TestsCheck():
            raise AssertionError("a check by tests is judged from the test report")
    channel: Channel = "user-command" if isinstance(criterion.check, ShellCheck) else "cold"
    return CriterionResult(criterion, passed, channel, of_exec(result))


def _script(code: str, tree: Tree, sandbox: Sandbox, limits: ExecLimits) -> tuple[bool, ExecResult]:
    # Code under test that ends the process early would look like success, so the end of the script must be seen.
    reached = f"end-{secrets.token_hex(8)}"
    result = sandbox.run(tree, ("python3", "-c", f"{code}\nprint({reached!r})"), limits=limits)
    return result.ok and reached in result.stdout, _without(result, reached)


def _without(result: ExecResult, mark: str) -> ExecResult:
    return replace(result, stdout=result.stdout.replace(mark + "\n", ""), argv=result.argv[:2])


def judge_by_tests(criterion: Criterion, check: TestsCheck, report: TestReport | None) -> CriterionResult:
    """A criterion proved by tests holds when tests are bound to it and each of them ran and passed."""
    found = [r for r in report.results if base_node(r.node) in check.nodes] if report else []
    missing = set(check.nodes) - {base_node(r.node) for r in found}
    failed = [r for r in found if r.outcome != "passed"]
    if not check.nodes:
        evidence = "no trusted test is bound to this criterion"
    elif report is not None and report.collection_errors and missing:
        evidence = of_report(report)
    elif missing:
        evidence = f"these tests did not run: {', '.join(sorted(missing))}"
    else:
        evidence = "\n\n".join(map(of_test, failed[:5])) or f"{len(found)} tests passed"
    return CriterionResult(criterion, bool(check.nodes) and not missing and not failed, "cold", evidence)


def base_node(node: str) -> str:
    """A test's id without its parameters, which may come from the code under test."""
    return node.split("[")[0]
