"""A sandbox that runs each test the way its project does: its settings, its import roots, one run for each project.

Wraps the real one and changes no verdict: reports of several runs are put together as they are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from nightshift.domain import ExecLimits, ExecResult, Sandbox, TestReport, Tree
from nightshift.project.distribution import known_distribution
from nightshift.project.reading import Project, Suite, read_project
from nightshift.sandbox.interpreter.requirements import normal


class ProjectBox:
    """Implements `domain.Sandbox` around another one."""

    def __init__(self, inner: Sandbox, plugins: Sequence[str] = (), installed: Sequence[str] = ()) -> None:
        """`plugins` of pytest to load; distributions that are `installed` speak for themselves."""
        self._inner = inner
        self._plugins = tuple(plugins)
        self._installed = frozenset(installed)
        self.isolation = inner.isolation

    def run(
        self, tree: Tree, argv: Sequence[str], *, limits: ExecLimits | None = None, network: bool = False
    ) -> ExecResult:
        project = self._read(tree)
        roots = [*(["src"] if _has_src(tree) else []), *project.suites[-1].roots]
        if not roots:
            return self._inner.run(tree, argv, limits=limits, network=network)
        wrapped = ("env", f"PYTHONPATH={':'.join(roots)}", *argv)
        result = self._inner.run(self._told(tree), wrapped, limits=limits, network=network)
        return replace(result, argv=tuple(argv))

    def test(
        self,
        tree: Tree,
        nodes: Sequence[str],
        *,
        limits: ExecLimits | None = None,
        stop_early: bool = False,
        confirm: bool = False,
        lines_of: Sequence[str] = (),
        hash_seed: int = 0,
    ) -> TestReport:
        reports: list[TestReport] = []
        project, told = self._read(tree), self._told(tree)
        for suite, own in _by_suite(project, nodes):
            # The oracle knows two roots of imports, the top and `src`: what lies elsewhere is judged cold.
            report = self._inner.test(
                Tree({**told.texts, **dict(suite.overlay)}, tree.base), own, limits=limits, stop_early=stop_early,
                confirm=confirm and not suite.roots, lines_of=lines_of, hash_seed=hash_seed,
            )  # fmt: skip
            reports.append(report)
            if stop_early and not report.passed:
                break
        return united(reports) if len(reports) > 1 else reports[0]

    def close(self) -> None:
        self._inner.close()

    def _read(self, tree: Tree) -> Project:
        return read_project(tree, self._plugins)

    def _told(self, tree: Tree) -> Tree:
        """With what the project would tell of itself, were it installed."""
        described = known_distribution(tree.texts, "")
        name = next(iter(described), "").partition("-")[0]
        if not name or normal(name) in self._installed or not _asks(tree.texts):
            return tree
        return Tree({**described, **tree.texts}, tree.base)


def _asks(texts: Mapping[str, str]) -> bool:
    """Whether some file looks at what is installed."""
    return any("metadata" in text or "pkg_resources" in text for path, text in texts.items() if path.endswith(".py"))


def _has_src(tree: Tree) -> bool:
    return any(path.startswith("src/") and path.endswith(".py") for path in tree.texts)


def _by_suite(project: Project, nodes: Sequence[str]) -> list[tuple[Suite, list[str]]]:
    """In the order in which their first node is asked for; without nodes there is one run all the same."""
    found: dict[str, tuple[Suite, list[str]]] = {}
    for node in nodes:
        suite = project.suite_of(node.partition("::")[0])
        found.setdefault(suite.folder, (suite, []))[1].append(node)
    return [*found.values()] or [(project.suites[-1], [])]


def united(reports: Sequence[TestReport]) -> TestReport:
    """Several runs as one; the first process stands for all."""
    return TestReport(
        tuple(result for report in reports for result in report.results),
        sum(report.collected for report in reports),
        tuple(error for report in reports for error in report.collection_errors),
        reports[0].exec,
        all(report.complete for report in reports),
        {node: lines for report in reports for node, lines in report.lines.items()},
    )
