"""What may be called done. The first table replays the false passes of an earlier orchestrator: each must fail here."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace

import pytest

from nightshift.acceptance import Accepted, accept_tests, bind, prove_criteria
from nightshift.checks import refuse_unrunnable, run_command_check
from nightshift.domain import (
    CommandCheck,
    Criterion,
    Environment,
    ExecLimits,
    Plan,
    Quarantined,
    Sandbox,
    ScriptCheck,
    ShellCheck,
    Step,
    TestsCheck,
    Tree,
    Verdict,
)
from nightshift.errors import ConfigError
from nightshift.judge import UserTests, judge, standing_criteria, standing_tests
from nightshift.sandbox.box import open_sandbox

LIMITS = ExecLimits(seconds=20, test_seconds=2)

ADD = "def add(a, b):\n    return a + b\n"
ADD_INTERFACE = "def add(a: int, b: int) -> int: ..."
TEST_ADD = "from calc import add\n\n\ndef test_c1_adds():\n    assert add(2, 2) == 4\n"


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    box = open_sandbox(Environment(sys.executable))
    yield box
    box.close()


def plan(*criteria: Criterion, tests: str = "tests/test_calc.py") -> Plan:
    steps = (Step("calc.py", "source", "adds", ADD_INTERFACE), Step(tests, "test", "tests", "", ("calc.py",)))
    return Plan("adds", steps, criteria or (Criterion("c1", "adds", TestsCheck(tests)),))


def judged(sandbox: Sandbox, texts: Mapping[str, str], tests: Mapping[str, str], *criteria: Criterion) -> Verdict:
    """The verdict on a tree, with tests accepted the way a run accepts them."""
    wanted = plan(*criteria)
    accepted = accept_tests(wanted, {path: [text] for path, text in tests.items()}, Tree({}), sandbox, LIMITS)
    return judge(bind(wanted, accepted), accepted, UserTests(), Tree(texts), sandbox, LIMITS)


def test_right_code_with_right_tests_passes(sandbox: Sandbox) -> None:
    assert judged(sandbox, {"calc.py": ADD}, {"tests/test_calc.py": TEST_ADD}).passed


FALSE_PASSES = {
    "every operation wrong, no test passing": (
        {"calc.py": "def add(a, b):\n    return a - b\n"}, {"tests/test_calc.py": TEST_ADD}, ()),
    "a test file that cannot be imported, and the module missing": (
        {}, {"tests/test_calc.py": "from app import create_app\n\n\ndef test_c1_app():\n    assert create_app()\n"},
        (Criterion("c1", "test_calc.py passes", TestsCheck("tests/test_calc.py")),)),
    "no tests at all": ({"calc.py": ADD}, {}, (Criterion("c1", "JWT login works", TestsCheck("tests/test_calc.py")),)),
    "four of five tests": (
        {"calc.py": ADD},
        {"tests/test_calc.py": TEST_ADD + "".join(f"\n\ndef test_c1_n{i}():\n    assert add({i}, 1) == {i + 1}\n" for i in range(3))
         + "\n\ndef test_c1_strings():\n    assert add('1', 1) == 2\n"}, ()),
    "a criterion that only shares words with a passing test": (
        {"calc.py": ADD}, {"tests/test_calc.py": TEST_ADD},
        (Criterion("c1", "adds", TestsCheck("tests/test_calc.py")),
         Criterion("c9", "a user can only add a bookmark of their own", TestsCheck("tests/test_bookmarks.py")))),
}  # fmt: skip


@pytest.mark.parametrize("case", FALSE_PASSES)
def test_the_false_passes_of_the_predecessor_fail(sandbox: Sandbox, case: str) -> None:
    texts, tests, criteria = FALSE_PASSES[case]
    assert not judged(sandbox, texts, tests, *criteria).passed


CHEATS = {
    "skips the frozen test": {
        "conftest.py": "import pytest\n\ndef pytest_collection_modifyitems(items):\n    for item in items:\n        item.add_marker(pytest.mark.skip)\n"
    },
    "drops the frozen test": {"conftest.py": "def pytest_collection_modifyitems(items):\n    items.clear()\n"},
    "ends the process on import": {"calc.py": "import os\nos._exit(0)\n"},
    "exits on import": {"calc.py": "import sys\nsys.exit(0)\n"},
    "rewrites the test file": {"tests/test_calc.py": "def test_c1_adds():\n    assert True\n"},
}


@pytest.mark.slow
@pytest.mark.parametrize("case", CHEATS)
def test_wrong_code_that_meddles_with_its_tests_does_not_pass(sandbox: Sandbox, case: str) -> None:
    texts = {"calc.py": "def add(a, b):\n    return 5\n", **CHEATS[case]}
    assert not judged(sandbox, texts, {"tests/test_calc.py": TEST_ADD}).passed


def test_a_script_that_never_reaches_its_end_is_no_success(sandbox: Sandbox) -> None:
    criterion = Criterion("c1", "adds", ScriptCheck("from calc import add\nassert add(2, 2) == 4"))
    forged = "import os, sys; print(*sys.orig_argv); sys.stdout.flush(); os._exit(0)"
    for ending in ("import os; os._exit(0)", "import sys; sys.exit(0)", "raise SystemExit", forged):
        assert not run_command_check(criterion, Tree({"calc.py": ending}), sandbox, LIMITS).passed
    assert run_command_check(criterion, Tree({"calc.py": ADD}), sandbox, LIMITS).passed


@pytest.mark.parametrize(
    "check, passed",
    [
        (CommandCheck(("python3", "-c", "print('total 3')"), 0, ("total 3",)), True),
        (CommandCheck(("python3", "-c", "print('total 4')"), 0, ("total 3",)), False),
        (CommandCheck(("python3", "-c", "raise SystemExit(2)"), 2), True),
        (CommandCheck(("python3", "-c", "raise SystemExit(2)")), False),
        (CommandCheck(("no-such-program",)), False),
        (ShellCheck("test -f calc.py && python3 -c 'import calc'"), True),
        (ShellCheck("test -f nothing.py"), False),
    ],
)
def test_a_command_passes_by_its_exit_code_and_output(
    sandbox: Sandbox, check: CommandCheck | ShellCheck, passed: bool
) -> None:
    assert run_command_check(Criterion("c1", "x", check), Tree({"calc.py": ADD}), sandbox, LIMITS).passed is passed


def test_a_user_command_that_cannot_run_is_a_configuration_error_before_anything_is_built(sandbox: Sandbox) -> None:
    """A program named by a path may be what the task asks for; one that is not installed is the user's mistake."""
    with pytest.raises(ConfigError, match="cannot be run"):
        refuse_unrunnable("no-such-program --check", Tree({}), sandbox, LIMITS, network=False)
    assert not refuse_unrunnable("./to-be-built --help", Tree({}), sandbox, LIMITS, network=False)
    assert refuse_unrunnable("test -f calc.py", Tree({"calc.py": ADD}), sandbox, LIMITS, network=False)


def test_generated_code_that_exits_with_127_is_a_failed_check(sandbox: Sandbox) -> None:
    criterion = Criterion("verify-1", "x", ShellCheck("python3 calc.py"))
    assert not run_command_check(criterion, Tree({"calc.py": "raise SystemExit(127)"}), sandbox, LIMITS).passed


@pytest.mark.parametrize(
    "code, wanted, passed",
    [
        ("print('total 13')", "3", False),
        ("print('total 3')", "3", True),
        ("print('total 3.')", "3", True),
        ("import sys; print('unknown command', file=sys.stderr); raise SystemExit(1)", "unknown command", True),
        ("raise KeyError('x')  # unknown command", "unknown command", False),
        ("raise KeyError('unknown command')", "unknown command", False),
    ],
)
def test_output_is_words_that_were_printed_and_not_part_of_a_crash(
    sandbox: Sandbox, code: str, wanted: str, passed: bool
) -> None:
    check = CommandCheck(("python3", "main.py"), 1 if "raise" in code else 0, (wanted,))
    assert run_command_check(Criterion("c1", "x", check), Tree({"main.py": code}), sandbox, LIMITS).passed is passed


def test_a_test_that_passes_on_a_stub_is_quarantined(sandbox: Sandbox) -> None:
    vacuous = TEST_ADD + "\n\ndef test_c1_exists():\n    assert callable(add)\n"
    accepted = accept_tests(plan(), {"tests/test_calc.py": [vacuous]}, Tree({}), sandbox, LIMITS)
    assert accepted.nodes == {"tests/test_calc.py::test_c1_adds"}
    assert accepted.quarantined == (
        Quarantined("tests/test_calc.py::test_c1_exists", "passes on a stub, so it cannot fail"),
    )
    assert "callable" not in accepted.texts["tests/test_calc.py"]


def test_a_test_of_nothing_but_a_type_or_truth_is_quarantined(sandbox: Sandbox) -> None:
    typed = (
        TEST_ADD
        + "\n\ndef test_c1_type():\n    assert isinstance(add(1, 1), int)\n\n\ndef test_c1_truth():\n    assert add(1, 1)\n"
    )
    accepted = accept_tests(plan(), {"tests/test_calc.py": [typed]}, Tree({}), sandbox, LIMITS)
    assert accepted.nodes == {"tests/test_calc.py::test_c1_adds"}
    assert {q.node.rpartition("::")[2] for q in accepted.quarantined} == {"test_c1_type", "test_c1_truth"}


def test_a_test_of_a_truth_value_is_kept_both_ways(sandbox: Sandbox) -> None:
    tests = "from calc import even\n\n\ndef test_c1_even():\n    assert even(2)\n\n\ndef test_c1_odd():\n    assert not even(3)\n"
    wanted = Plan(
        "x", (Step("calc.py", "source", "x", "def even(n: int) -> bool: ..."), *plan().steps[1:]), plan().criteria
    )
    accepted = accept_tests(wanted, {"tests/test_calc.py": [tests]}, Tree({}), sandbox, LIMITS)
    assert len(accepted.nodes) == 2


def test_a_test_that_wants_none_is_seen_to_fail_on_the_other_stub(sandbox: Sandbox) -> None:
    wants_none = "from calc import add\n\n\ndef test_c1_nothing():\n    assert add(None, None) is None\n"
    accepted = accept_tests(plan(), {"tests/test_calc.py": [wants_none]}, Tree({}), sandbox, LIMITS)
    assert accepted.nodes


def test_a_test_of_a_name_outside_the_interface_proves_nothing(sandbox: Sandbox) -> None:
    for body in (
        "import calc\n\n\ndef test_c1_x():\n    assert calc.power(2, 2) == 4\n",
        "from calc import power\n\n\ndef test_c1_x():\n    assert power(2, 2) == 4\n",
    ):
        accepted = accept_tests(plan(), {"tests/test_calc.py": [body]}, Tree({}), sandbox, LIMITS)
        assert not accepted.texts
        assert accepted.quarantined


def test_samples_that_are_skipped_or_assert_nothing_are_refused(sandbox: Sandbox) -> None:
    skipped = "import pytest\n\n\n@pytest.mark.skip\ndef test_c1_x():\n    assert 0\n"
    accepted = accept_tests(plan(), {"tests/test_calc.py": [skipped, TEST_ADD]}, Tree({}), sandbox, LIMITS)
    assert accepted.nodes == {"tests/test_calc.py::test_c1_adds"}
    assert accepted.quarantined[0].node == "tests/test_calc.py (sample 1)"


@pytest.mark.slow
def test_criteria_bind_to_the_tests_that_name_them(sandbox: Sandbox) -> None:
    tests = TEST_ADD + "\n\ndef test_c2_negative():\n    assert add(-1, -1) == -2\n"
    criteria = [Criterion(f"c{i}", "adds", TestsCheck("tests/test_calc.py")) for i in (1, 2, 3)]
    wanted = plan(*criteria)
    bound = bind(wanted, accept_tests(wanted, {"tests/test_calc.py": [tests]}, Tree({}), sandbox, LIMITS))
    nodes = [c.check.nodes for c in bound.criteria if isinstance(c.check, TestsCheck)]
    one, two = "tests/test_calc.py::test_c1_adds", "tests/test_calc.py::test_c2_negative"
    assert nodes == [(one,), (two,), ()], "a criterion that no test names is not proved by the tests of others"
    alone = plan(Criterion("c3", "adds", TestsCheck("tests/test_calc.py")))
    (only,) = bind(alone, accept_tests(alone, {"tests/test_calc.py": [tests]}, Tree({}), sandbox, LIMITS)).criteria
    assert isinstance(only.check, TestsCheck)
    assert only.check.nodes == (one, two), "the only criterion of a file need not be named"


@pytest.mark.slow
@pytest.mark.parametrize(
    "check, guard, words",
    [
        (ScriptCheck("from calc import add\nassert add(1, 1) == 2"), False, ""),
        (ScriptCheck("from calc import add\nassert add is not None"), True, "every criterion already holds"),
        (ScriptCheck("from calc import add\nassert isinstance(add(1, 1), int)"), True, "every criterion already holds"),
        (
            ScriptCheck("from calc import power\nassert power(1, 1) == 2"),
            False,
            "cannot be run on the plan's own interfaces",
        ),
        (ScriptCheck("assert ad(1, 1) == 2"), False, "cannot be run on the plan's own interfaces"),
        (ScriptCheck("from calc import add\nassert add(0, 0) == 0"), True, "every criterion already holds"),
    ],
)
def test_a_criterion_is_seen_to_fail_on_stubs_before_it_counts(
    sandbox: Sandbox, check: ScriptCheck, guard: bool, words: str
) -> None:
    proved, reasons = prove_criteria(plan(Criterion("c1", "x", check)), Tree({}), sandbox, LIMITS)
    assert proved.criteria[0].guard is guard
    assert words in " ".join(reasons)
    assert bool(reasons) is bool(words)


BEFORE = {
    "calc.py": ADD,
    "other.py": "X = 1\n",
    "conftest.py": "import pytest\n\n\n@pytest.fixture\ndef two():\n    return 2\n",
    "test_old.py": "import pytest\nfrom calc import add\n\n\ndef test_adds(two):\n    assert add(1, 1) == two\n\n\n"
    "@pytest.mark.parametrize('n', [1, 2])\ndef test_n(n):\n    assert add(n, 0) == 1\n",
    "test_legacy.py": "import other\n\n\ndef test_broken():\n    assert other.X == 2\n",
    "test_new.py": "from calc import subtract\n\n\ndef test_subtracts():\n    assert subtract(3, 1) == 2\n",
}
SUBTRACT = "\n\ndef subtract(a, b):\n    return a - b\n"


def judged_with_users_tests(sandbox: Sandbox, **changed: str) -> Verdict:
    files = ("test_legacy.py", "test_new.py", "test_old.py")
    user = standing_tests(files, Tree(BEFORE), sandbox, LIMITS)
    own = Criterion("c1", "x", ScriptCheck("from calc import add\nassert add(2, 2) == 4"))
    wanted = Plan("x", (Step("calc.py", "source", "adds", ADD_INTERFACE),), (own,))
    wanted = replace(wanted, criteria=(*standing_criteria(user, wanted, Tree(BEFORE)), own))
    texts = {**BEFORE, **{name.replace("_py", ".py"): text for name, text in changed.items()}}
    return judge(wanted, Accepted({}, frozenset()), user, Tree(texts), sandbox, LIMITS)


@pytest.mark.slow
def test_a_users_test_that_passed_must_go_on_passing(sandbox: Sandbox) -> None:
    verdict = judged_with_users_tests(sandbox, calc_py="def add(a, b):\n    return 4\n" + SUBTRACT)
    assert not verdict.passed
    assert [r.passed for r in verdict.results if r.criterion.id == "user-tests"] == [False]


@pytest.mark.slow
def test_a_users_test_that_failed_and_uses_a_planned_file_is_what_has_to_be_done(sandbox: Sandbox) -> None:
    """Test-driven: neither a failing test nor a file that could not be imported yet is excused."""
    undone = judged_with_users_tests(sandbox)
    assert [r.passed for r in undone.results if r.criterion.id == "user-tests-due"] == [False]
    half = judged_with_users_tests(sandbox, calc_py=ADD + SUBTRACT)
    assert not half.passed, "one parameter of test_n still fails, and it uses the planned file"
    assert not any("frozen" in problem for problem in half.problems)


def test_a_users_test_that_failed_and_does_not_concern_the_plan_is_listed(sandbox: Sandbox) -> None:
    verdict = judged_with_users_tests(sandbox, calc_py=ADD + SUBTRACT)
    assert [q.node for q in verdict.quarantined] == ["test_legacy.py::test_broken"]


@pytest.mark.parametrize(
    "test",
    [
        "import subprocess, sys\n\n\ndef test_x():\n    assert subprocess.run([sys.executable, '-c', 'import calc; calc.power']).returncode == 0\n",
        "import pytest\n\n\ndef test_x():\n    assert pytest.importorskip('calc').power(2, 2) == 4\n",
        "def test_x(calculator):\n    assert calculator.power(2, 2) == 4\n",
    ],
    ids=["in a subprocess", "importorskip", "through a fixture"],
)
def test_a_users_failing_test_is_due_however_it_loads_the_planned_file(sandbox: Sandbox, test: str) -> None:
    conftest = "import pytest\n\n\n@pytest.fixture\ndef calculator():\n    import calc\n    return calc\n"
    tree = Tree({"calc.py": ADD, "tests/test_x.py": test, "tests/conftest.py": conftest})
    user = standing_tests(("tests/test_x.py",), tree, sandbox, LIMITS)
    assert user.due(Plan("x", (Step("calc.py", "source", "x", ADD_INTERFACE),), ()), tree) == (
        "tests/test_x.py::test_x",
    )


def test_the_users_tests_are_judged_with_their_own_configuration(sandbox: Sandbox) -> None:
    bent = BEFORE["conftest.py"].replace("return 2", "return 4")
    verdict = judged_with_users_tests(sandbox, conftest_py=bent, calc_py="def add(a, b):\n    return 4\n" + SUBTRACT)
    assert [r.passed for r in verdict.results if r.criterion.id == "user-tests"] == [False]


def test_a_verdict_without_criteria_or_tests_is_no_pass(sandbox: Sandbox) -> None:
    nothing = judge(Plan("x", (), ()), Accepted({}, frozenset()), UserTests(), Tree({}), sandbox, LIMITS)
    assert not nothing.passed
