"""Results as text for a prompt or a report: short, taken from the tail, and the same for the same failure.

Whatever differs between two identical runs (temporary paths, durations, addresses) is replaced, so that a
resumed run asks the very same question and the recorded answer is found.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Mapping
from types import MappingProxyType

from nightshift.domain import (
    Check,
    CommandCheck,
    CriterionResult,
    ExecResult,
    ScriptCheck,
    ShellCheck,
    TestReport,
    TestResult,
    TestsCheck,
    Verdict,
)
from nightshift.prompting import fenced, tail
from nightshift.source.tests_units import source_of

DETAIL_CHARS = 1500
"""For one failing test or command."""
EVIDENCE_CHARS = 10_000
"""For all failures shown in one prompt."""

_VOLATILE = (
    (re.compile(r"(?:/[\w.+-]+)*/(?:tmp|T|scratch)/[\w.+-]*(?:/[\w.+-]*nightshift[\w.+-]*)*"), "<tmp>"),
    (re.compile(r"0x[0-9a-f]{6,16}"), "0x..."),
    (re.compile(r"\b\d+\.\d+ ?(?:s|ms|seconds)\b"), "<time>"),
)


def normalised(text: str) -> str:
    for pattern, replacement in _VOLATILE:
        text = pattern.sub(replacement, text)
    return text


def describe_check(check: Check) -> str:
    match check:
        case TestsCheck(path=path):
            return f"the tests in {path}"
        case ScriptCheck(code=code):
            return f"python3, running\n{code}"
        case CommandCheck(argv=argv, exit_code=code, output=output):
            shown = f" and prints {', '.join(map(repr, output))}" if output else ""
            return f"`{shlex.join(argv)}` ends with exit code {code}{shown}"
        case ShellCheck(command=command):
            return f"`{command}` succeeds"


def of_exec(result: ExecResult) -> str:
    """How a command ended, and the tail of what it printed."""
    end = "timed out" if result.timed_out else f"exit code {result.exit_code}"
    parts = [end]
    for name, text in (("stdout", result.stdout), ("stderr", result.stderr)):
        if text.strip():
            # Normalised before it is cut: where the cut falls must not depend on the length of a temporary path.
            parts.append(f"{name}:\n{tail(normalised(text.rstrip()), DETAIL_CHARS)}")
    return "\n".join(parts)


def of_test(result: TestResult, texts: Mapping[str, str] = MappingProxyType({})) -> str:
    """How one test ended; with its own code when `texts` holds its file."""
    path, _, name = result.node.partition("::")
    code = source_of(texts.get(path, ""), name.partition("[")[0])
    shown = f"\n{fenced(code)}" if code and len(code) <= DETAIL_CHARS else ""
    return f"{result.node}: {result.outcome}{shown}\n{tail(normalised(result.detail.rstrip()), DETAIL_CHARS)}"


def of_report(report: TestReport, texts: Mapping[str, str] = MappingProxyType({})) -> str:
    """The failures of one test run, as many as fit."""
    items = [
        normalised(f"{path} cannot be collected:\n{tail(text, DETAIL_CHARS)}")
        for path, text in report.collection_errors
    ]
    items += [of_test(result, texts) for result in report.failures]
    if not items and not report.complete and report.exec:
        items.append(f"the test run did not come to its end: {of_exec(report.exec)}")
    return fitted(items)


def of_verdict(verdict: Verdict, texts: Mapping[str, str] = MappingProxyType({})) -> str:
    """Everything that keeps a verdict from being a pass; each failing test is told once."""
    items = [f"Problem: {problem}" for problem in verdict.problems]
    failed = [result for result in verdict.results if not result.passed]
    items += [of_criterion(r) for r in failed if not isinstance(r.criterion.check, TestsCheck)]
    items += [_by_tests(r, r.criterion.check) for r in failed if isinstance(r.criterion.check, TestsCheck)]
    if verdict.report and not verdict.report.passed:
        items.append(of_report(verdict.report, texts))
    return fitted(items)


def _by_tests(result: CriterionResult, check: TestsCheck) -> str:
    bound = ", ".join(check.nodes) or "no test"
    return f"Criterion {result.criterion.id} fails: {result.criterion.description}\nproved by: {bound}"


def of_criterion(result: CriterionResult) -> str:
    criterion = result.criterion
    return (
        f"Criterion {criterion.id} fails: {criterion.description}\n"
        f"check: {describe_check(criterion.check)}\n{result.evidence}"
    )


def fitted(items: Iterable[str], limit: int = EVIDENCE_CHARS) -> str:
    """As many items as fit, whole; at least the first, cut; and how many are left out."""
    kept: list[str] = []
    rest = 0
    for item in items:
        if not kept:
            kept.append(tail(item, limit))
        elif sum(map(len, kept)) + len(item) <= limit:
            kept.append(item)
        else:
            rest += 1
    if rest:
        kept.append(f"({rest} more failures are not shown)")
    return "\n\n".join(kept) or "(nothing failed)"
