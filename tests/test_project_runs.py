"""A project's tests run in a real sandbox: with its settings, from its own folders, and proof against what was there."""

from __future__ import annotations

import sys
import venv
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from nightshift.acceptance import Accepted, accept_tests, bind, planned_files, prove_criteria
from nightshift.domain import Criterion, Environment, ExecLimits, Plan, Sandbox, ScriptCheck, Step, TestsCheck, Tree
from nightshift.judge import judge, standing_criteria, standing_tests
from nightshift.project.box import ProjectBox
from nightshift.project.environment import own_environments, project_environment
from nightshift.sandbox.box import open_sandbox
from nightshift.sandbox.interpreter.installed import site_packages

LIMITS = ExecLimits(seconds=30, test_seconds=5)
SHOP = {
    "src/shop/__init__.py": "from shop.prices import total\n",
    "src/shop/prices.py": "def total(prices):\n    return sum(prices)\n\n\ndef tax(price):\n    return price\n",
}


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    box = ProjectBox(open_sandbox(Environment(sys.executable)))
    yield box
    box.close()


def plan_with(interface: str) -> Plan:
    steps = (
        Step("src/shop/prices.py", "source", "prices", interface),
        Step("tests/test_new.py", "test", "proof", "", ("src/shop/prices.py",)),
    )
    return Plan("prices", steps, (Criterion("c1", "taxes", TestsCheck("tests/test_new.py")),))


def test_a_new_test_must_fail_on_the_file_as_it_was(sandbox: Sandbox) -> None:
    """Not on a stub of it, which would break whatever else uses the file; what is new there is stubbed."""
    tree = Tree(SHOP)
    plan = plan_with("def tax(price): ...\ndef tip(price): ...")
    text = (
        "from shop import total\nfrom shop.prices import tax, tip\n\n\ndef test_c1_tax():\n    assert tax(100) == 119\n\n\n"
        "def test_c1_tip():\n    assert tip(100) == 110\n\n\ndef test_c1_total():\n    assert total([1, 2]) == 3\n"
    )
    accepted = accept_tests(plan, {"tests/test_new.py": [text]}, tree, sandbox, LIMITS, found=planned_files(plan, tree))
    assert accepted.nodes == {"tests/test_new.py::test_c1_tax", "tests/test_new.py::test_c1_tip"}
    assert [q.reason for q in accepted.quarantined] == ["passes before anything is changed, so it shows nothing new"]
    assert accepted.found == {"src/shop/prices.py": SHOP["src/shop/prices.py"]}
    assert not accept_tests(
        plan_with("def total(prices): ..."),
        {"tests/test_new.py": ["from shop import total\n\n\ndef test_c1_x():\n    assert total([1, 2]) == 3\n"]},
        tree,
        sandbox,
        LIMITS,
        found=SHOP,
    ).texts, "a test of what works already proves nothing"


def test_a_criterion_that_holds_before_anything_is_changed_is_a_guard(sandbox: Sandbox) -> None:
    held = Criterion("c1", "x", ScriptCheck("from shop.prices import total\nassert total([1, 2]) == 3"))
    open_ = Criterion("c2", "x", ScriptCheck("from shop.prices import tax\nassert tax(100) == 119"))
    plan, reasons = prove_criteria(
        Plan("x", (Step("src/shop/prices.py", "source", "x", "def tax(price): ..."),), (held, open_)),
        Tree(SHOP), sandbox, LIMITS,
    )  # fmt: skip
    assert [criterion.guard for criterion in plan.criteria] == [True, False]
    assert not reasons


@pytest.mark.slow
def test_each_project_of_a_repository_is_tested_from_its_own_folder(sandbox: Sandbox) -> None:
    """Two test files of one name, and a file that is read by a path relative to its project."""
    texts = {
        f"packages/{name}/{path}": text
        for name in ("a", "b")
        for path, text in {
            "pyproject.toml": f'[project]\nname = "{name}"\n',
            f"src/{name}/__init__.py": f"NAME = '{name}'\n",
            "data.txt": name,
            "tests/test_it.py": f"import subprocess, sys\n\nfrom {name} import NAME\n\n\ndef test_it():\n"
            "    assert open('data.txt').read() == NAME\n\n\ndef test_b_sees_a():\n    import a\n\n\n"
            f"def test_program():\n    assert not subprocess.run([sys.executable, '-c', 'import {name}']).returncode\n",
        }.items()
    }
    files = ["packages/a/tests/test_it.py", "packages/b/tests/test_it.py"]
    for _ in range(3):  # cold, then warm: a session that was started already must read their settings all the same
        report = sandbox.test(Tree(texts), files, limits=LIMITS, confirm=True)
        assert report.passed, (report.failures, report.collection_errors)
        assert report.collected == 6


@pytest.mark.slow
def test_a_regression_keeps_a_verdict_from_passing_though_every_criterion_holds(sandbox: Sandbox) -> None:
    old = "from shop import total\n\n\ndef test_total():\n    assert total([1, 2]) == 3\n"
    tree = Tree({**SHOP, "tests/test_old.py": old})
    user_tests = standing_tests(("tests/test_old.py",), tree, sandbox, LIMITS)
    plan = plan_with("def tax(price): ...")
    text = "from shop.prices import tax\n\n\ndef test_c1_tax():\n    assert tax(100) == 119\n"
    accepted = accept_tests(plan, {"tests/test_new.py": [text]}, tree, sandbox, LIMITS, found=planned_files(plan, tree))
    plan = bind(plan, accepted)
    right = SHOP["src/shop/prices.py"].replace("return price\n", "return round(price * 1.19)\n")
    for body, passed in ((right, True), (right.replace("sum(prices)", "len(prices)"), False)):
        made = Tree({**tree.texts, "src/shop/prices.py": body})
        verdict = judge(plan, accepted, user_tests, made, sandbox, LIMITS)
        assert [result.passed for result in verdict.results] == [True], "the one criterion holds for both"
        assert verdict.passed is passed
    assert [c.id for c in standing_criteria(user_tests, plan, tree)] == ["user-tests"]


@pytest.mark.slow
def test_the_projects_own_environment_is_used_with_what_is_installed_in_it(tmp_path: Path) -> None:
    venv.create(tmp_path / ".venv", with_pip=False, symlinks=True)
    (own,) = own_environments(tmp_path, {})
    (site_packages(own.python)[0] / "theirs.py").write_text("VALUE = 42\n")
    tree = Tree({"test_x.py": "from theirs import VALUE\n\n\ndef test_x():\n    assert VALUE == 42\n"})

    def works(environment: Environment) -> bool:
        with closing(open_sandbox(environment)) as box:
            return ProjectBox(box).test(tree, ["test_x.py"], limits=LIMITS).passed

    found = project_environment(tree.texts, [own], works, cache=tmp_path / "cache", requires=())
    assert found is not None
    assert found.environment == own
    assert not found.notes
    assert not (tmp_path / "cache").exists(), "nothing had to be prepared"


@pytest.mark.parametrize(("names", "holds"), [("['a', 'b']", True), ("['a', 'c', 'd']", True), ("['a']", False)])
def test_code_that_says_how_many_cases_a_test_has_cannot_leave_some_out(
    sandbox: Sandbox, names: str, holds: bool
) -> None:
    test = "import pytest\nfrom shop import NAMES\n\n\n@pytest.mark.parametrize('name', NAMES)\n"
    test += "def test_name(name):\n    assert len(name) == 1\n"
    tree = Tree({"shop.py": "NAMES = ['a', 'b']\n", "tests/test_shop.py": test})
    user_tests = standing_tests(("tests/test_shop.py",), tree, sandbox, LIMITS)
    plan = Plan("x", (Step("shop.py", "source", "x", ""),), ())
    plan = replace(plan, criteria=standing_criteria(user_tests, plan, tree))
    verdict = judge(
        plan, Accepted({}, frozenset()), user_tests, tree.with_text("shop.py", f"NAMES = {names}\n"), sandbox, LIMITS
    )
    said = [problem for problem in verdict.problems if "cases" in problem]
    assert bool(said) is not holds
    if said:
        assert said == ["of the 2 cases of tests/test_shop.py::test_name that passed before, only 1 are left"]
