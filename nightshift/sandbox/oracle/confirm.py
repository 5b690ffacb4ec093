"""The out-of-process oracle: a pass is confirmed with the tests in one jail and the code in another.

The code never shares a process with pytest, so it cannot see it, patch it or speak for it; all it can do is answer.
Whether a file is judged so is read from its text (see `fit.py`): a test that fails here has failed, it is
never tried again where it might pass. What remains is what any test leaves: wrong answers that nobody asks for.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from nightshift.domain import TestReport, TestResult, Tree
from nightshift.sandbox.files.trees import kept
from nightshift.sandbox.oracle.fit import needs_scratch, unsuited

APART = "it passes only in one process with the code"
"""How evidence of a disagreement begins: the ordinary run passed, the oracle did not."""
TEST_FOLDERS = ("tests", "test")


@dataclass(frozen=True, slots=True)
class Trial:
    """What the two jails hold. A file that belongs to the other one is there, and empty."""

    nodes: tuple[str, ...]
    tests: Tree
    code: Tree
    modules: Mapping[str, bool]
    """The project's modules -> whether it is a package."""
    scratch: bool
    """Both need to see the same temporary files."""


@dataclass(frozen=True, slots=True)
class Answer:
    report: TestReport
    unsupported: Mapping[str, str]
    """Test file -> what it does that cannot be done across two processes."""
    notes: tuple[str, ...] = ()
    """What objects of the code claimed."""


def confirmed(
    ordinary: TestReport,
    tree: Tree,
    nodes: Sequence[str],
    by_oracle: Callable[[Trial], Answer],
    cold: Callable[[Sequence[str]], TestReport],
    *,
    scratch: bool = True,
) -> TestReport:
    """A report that passed, as the oracle has it for the files that suit it, and as a cold run has it for the rest.

    `scratch`: the two jails can share a directory for temporary files.
    """
    reasons = why_not(tree, nodes, scratch=scratch)
    served = [node for node in nodes if not reasons.get(file_of(node))]
    answer = Answer(TestReport((), 0), {})
    while served:
        answer = by_oracle(trial(tree, served))
        fit = [node for node in served if file_of(node) not in answer.unsupported]
        if fit == served:
            break
        served = fit
    rest = [node for node in nodes if node not in served]
    report = cold(rest) if rest else None
    return merged(ordinary, answer if served else None, report)


def merged(ordinary: TestReport, answer: Answer | None, rest: TestReport | None) -> TestReport:
    """In the order of the ordinary run; each result names its channel."""
    if answer is None:
        return rest or ordinary
    report = answer.report
    own = judged(ordinary, answer, {r.node for r in rest.results} if rest else set())
    others = rest.results if rest else ()
    return TestReport(
        results=(*own, *others),
        collected=ordinary.collected,
        collection_errors=(*apart(report.collection_errors), *(rest.collection_errors if rest else ())),
        exec=ordinary.exec,
        complete=report.complete and (rest is None or rest.complete),
    )


def judged(ordinary: TestReport, answer: Answer, elsewhere: set[str]) -> list[TestResult]:
    """The oracle's results under the names of the ordinary run: parameters may print differently there."""
    mine = [result for result in ordinary.results if result.node not in elsewhere]
    heard: dict[str, list[TestResult]] = {}
    for result in answer.report.results:
        heard.setdefault(base_of(result.node), []).append(result)
    if Counter(base_of(r.node) for r in mine) != Counter(base_of(r.node) for r in answer.report.results):
        why = f"{APART}: the oracle saw other tests"
        return [replace(result, outcome="failed", channel="oracle", detail=why) for result in mine]
    said = "".join(f"\n{note}" for note in answer.notes[:3])
    return [confirmed_result(result, heard[base_of(result.node)].pop(0), said) for result in mine]


def confirmed_result(result: TestResult, heard: TestResult, said: str) -> TestResult:
    if heard.outcome == result.outcome:
        return replace(result, channel="oracle")
    return replace(heard, node=result.node, channel="oracle", detail=f"{APART}:{said}\n{heard.detail}")


def apart(errors: Iterable[tuple[str, str]]) -> Iterable[tuple[str, str]]:
    return ((path, f"{APART}: {text}") for path, text in errors)


# What suits, and what each side gets.


def why_not(tree: Tree, nodes: Sequence[str], *, scratch: bool = True) -> dict[str, str]:
    """Test file -> why the oracle cannot judge it."""
    names = python_files(tree)
    files = list(dict.fromkeys(map(file_of, nodes)))
    modules = modules_of(names, files)
    reasons = {file: unfit(tree, file, names, modules) for file in files}
    if not scratch:
        reason = "it writes temporary files, and these walls share none"
        reasons |= {file: reason for file in files if needs_scratch(text_of(tree, file))}
    return {file: reason for file, reason in reasons.items() if reason}


def unfit(tree: Tree, file: str, names: Sequence[str], modules: Mapping[str, bool]) -> str:
    if not file.endswith(".py"):
        return "it is no Python file"
    folders = [str(folder) for folder in PurePosixPath(file).parents]
    for name in names:
        folder, base = os.path.split(name)
        # A package that the tests stand in is the code's: its text must not decide how it is judged.
        own = base == "conftest.py" or (base == "__init__.py" and os.path.basename(folder) in TEST_FOLDERS)
        if own and (folder or ".") in folders and text_of(tree, name).strip():
            return f"{name} takes part in it"
    package = f"{os.path.dirname(file)}/__init__.py" in names
    if package and os.path.basename(os.path.dirname(file)) not in TEST_FOLDERS:
        return "it belongs to a package of the project"
    return unsuited(text_of(tree, file), modules)


def trial(tree: Tree, nodes: Sequence[str]) -> Trial:
    names = python_files(tree)
    files = list(dict.fromkeys(map(file_of, nodes)))
    hidden = {name: "" for name in names if name not in files}
    tests = {name: "" for name in names if name in files or is_test(name)}
    scratch = any(needs_scratch(text_of(tree, file)) for file in files)
    return Trial(
        tuple(nodes),
        Tree({**tree.texts, **hidden}, tree.base),
        Tree({**tree.texts, **tests}, tree.base),
        modules_of(names, files),
        scratch,
    )


def control() -> Trial:
    """An honest program with a test that suits it."""
    texts = {
        "right.py": "class Right:\n    def __len__(self): return 2\ndef answer(given): return [*given, 4]\n",
        "test_right.py": "from right import Right, answer\ndef test_it(): assert answer([len(Right())]) == [2, 4]\n",
    }
    return trial(Tree(texts), ["test_right.py"])


def python_files(tree: Tree) -> list[str]:
    below = (name for entry, name in kept(tree.base) if entry.is_file()) if tree.base else ()
    return sorted({str(PurePosixPath(name)) for name in (*tree.texts, *below) if name.endswith(".py")})


def text_of(tree: Tree, name: str) -> str:
    if name in tree.texts or tree.base is None:
        return tree.texts.get(name, "")
    return (tree.base / name).read_text(encoding="utf-8", errors="replace")


def modules_of(names: Iterable[str], files: Sequence[str]) -> dict[str, bool]:
    """What can be imported from the tree, from its top and from `src`, without the tests and their packages."""
    found: dict[str, bool] = {}
    for name in names:
        if name in files or is_test(name):
            continue
        for path in (PurePosixPath(name), PurePosixPath(name.removeprefix("src/"))):
            package = path.stem == "__init__"
            parts = path.parts[:-1] if package else (*path.parts[:-1], path.stem)
            found.update((".".join(parts[:depth]), True) for depth in range(1, len(parts)))
            found.setdefault(".".join(parts), package)
    taken = {".".join(folder.parts) for file in files for folder in PurePosixPath(file).parents}
    return {module: package for module, package in found.items() if module and module not in taken}


def is_test(name: str) -> bool:
    base = os.path.basename(name)
    return base == "conftest.py" or base.startswith("test_") or base.endswith("_test.py")


def file_of(node: str) -> str:
    return node.partition("::")[0]


def base_of(node: str) -> str:
    return node.split("[")[0]
