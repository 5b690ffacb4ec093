"""How a project's tests are run, what it needs, and what its tests said before: read and measured, nothing assumed."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nightshift.domain import (
    Environment,
    ExecLimits,
    ExecResult,
    Outcome,
    Plan,
    Quarantined,
    Step,
    TestReport,
    TestResult,
    Tree,
)
from nightshift.project.baseline import Baseline, measure
from nightshift.project.box import ProjectBox
from nightshift.project.commands import test_commands as commands_in
from nightshift.project.distribution import known_distribution
from nightshift.project.environment import own_environments, project_environment
from nightshift.project.markers import holds
from nightshift.project.packages import needs_of
from nightshift.project.reading import read_project, support_files
from nightshift.project.reading import test_files as files_in
from nightshift.project.retest import by_distance, regressed, retest
from nightshift.project.settings import safe, settings_in
from nightshift.project.standing import UserTests, standing_criteria, standing_tests
from nightshift.records import as_json, from_json
from nightshift.sandbox.interpreter.environment import EnvironmentUnavailable

LIMITS = ExecLimits(seconds=60, test_seconds=5)
TEST = "def test_it():\n    pass\n"


def files_of(**texts: str) -> tuple[str, ...]:
    tree = Tree({name.replace("__", "/") if "/" not in name else name: text for name, text in texts.items()})
    return files_in(tree, read_project(tree))


# Which tests there are.


@pytest.mark.parametrize(
    "settings, expected",
    [
        ({}, ("tests/test_a.py", "tests/unit/b_test.py")),
        ({"pytest.ini": "[pytest]\npython_files = check_*.py\n"}, ("tests/check_c.py",)),
        ({"pyproject.toml": '[tool.pytest.ini_options]\ntestpaths = ["tests/unit"]\n'}, ("tests/unit/b_test.py",)),
        ({"tox.ini": "[pytest]\naddopts = --ignore=tests/unit\n"}, ("tests/test_a.py",)),
        ({"setup.cfg": "[tool:pytest]\ntestpaths =\n    tests/unit\n"}, ("tests/unit/b_test.py",)),
        ({"Makefile": "test: build\n\t@$(PYTHON) -m pytest tests/unit -q\n"}, ("tests/unit/b_test.py",)),
        ({"tox.ini": "[testenv]\ncommands = pytest {posargs:tests/unit}\n"}, ("tests/unit/b_test.py",)),
        ({"Makefile": "test:\n\tpytest -q tests/test_a.py tests/unit\n"}, ("tests/test_a.py", "tests/unit/b_test.py")),
        ({"Makefile": "test:\n\tpytest tests/test_a.py\n\tpytest tests/unit\n"}, ("tests/test_a.py", "tests/unit/b_test.py")),
        ({"Makefile": "test: unit\n\tpytest tests/test_a.py\nunit:\n\tpytest tests/unit\n"}, ("tests/test_a.py", "tests/unit/b_test.py")),
        ({"Makefile": "test:\n\tpython3 -m unittest tests.unit.b_test\n"}, ("tests/test_a.py", "tests/unit/b_test.py")),
        ({"Makefile": "test:\n\tpytest nowhere\n"}, ("tests/test_a.py", "tests/unit/b_test.py")),
        ({"pytest.ini": "", "pyproject.toml": '[tool.pytest.ini_options]\ntestpaths = ["no"]\n'}, ("tests/test_a.py", "tests/unit/b_test.py")),
    ],
)  # fmt: skip
def test_the_tests_are_those_that_the_project_would_collect(
    settings: Mapping[str, str], expected: tuple[str, ...]
) -> None:
    texts = {"tests/test_a.py": TEST, "tests/unit/b_test.py": TEST, "tests/check_c.py": TEST, "build/test_d.py": TEST}
    tree = Tree({**texts, **settings})
    assert files_in(tree, read_project(tree)) == expected


def test_unittest_files_are_found_by_its_own_pattern_where_they_hold_a_test_case() -> None:
    case = "import unittest\n\n\nclass X(unittest.TestCase):\n    def test_x(self): pass\n"
    tree = Tree({"tests/testx.py": case, "tests/testdata.py": "X = 1\n", "test.py": case})
    assert files_in(tree, read_project(tree)) == ("test.py", "tests/testx.py")


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        ("-n auto", []),
        ("--doctest-glob=*.rst -x", ["--doctest-glob=*.rst"]),
        ("--doctest-modules --cov=shop --ignore=docs", ["--doctest-modules", "--ignore=docs"]),
    ],
)
def test_doctests_that_the_options_ask_for_are_run_by_a_command_of_their_own(options: str, wanted: list[str]) -> None:
    commands = read_project(Tree({"pytest.ini": f"[pytest]\naddopts = {options}\n"})).unknown_commands
    assert [shlex.split(command)[10:] for command in commands] == ([wanted] if wanted else [])


def test_helpers_and_data_in_the_folders_of_tests_judge_too_unless_the_task_names_them() -> None:
    judges = ("tests/helpers.py", "tests/data/total.txt", "lib/shop/tests/__init__.py", "tests/unit/test_a.py")
    tree = Tree(dict.fromkeys((*judges, "shop/tests.py", "test_top.py", "lib/shop/prices.py"), ""))
    tests = ("tests/unit/test_a.py", "lib/shop/tests/test_b.py", "test_top.py")
    assert support_files(tree, tests, "mend the prices") == frozenset(judges)
    assert support_files(tree, tests, "let same() in helpers.py say more") == frozenset(judges) - {"tests/helpers.py"}


# With which settings.


@pytest.mark.parametrize(
    "options, plugins, kept",
    [
        ("-ra -q --cov=x --cov-report term", (), ""),
        ("-n auto --dist loadfile --import-mode=importlib tests", (), "--import-mode=importlib"),
        ("--import-mode importlib -x -m 'not slow' -k fast", (), "--import-mode importlib"),
        ("-p no:cacheprovider -p asyncio -p tests.plugin", (), "-p no:cacheprovider -p tests.plugin"),
        ("-p asyncio --asyncio-mode=auto", ("asyncio",), "-p asyncio --asyncio-mode=auto"),
        ("-W error::DeprecationWarning -Wignore", (), "-W error::DeprecationWarning -Wignore"),
    ],
)
def test_options_that_say_how_a_test_runs_stay_and_those_that_choose_or_measure_go(
    options: str, plugins: Sequence[str], kept: str
) -> None:
    settings = settings_in({"pytest.ini": f"[pytest]\naddopts = {options}\n"}, "")
    assert safe(settings.options, plugins) == safe(kept.split(), plugins) == kept.split()


@given(st.lists(st.text(max_size=12), max_size=8))
def test_safe_options_are_a_part_of_what_was_there_and_stay_safe(options: list[str]) -> None:
    kept = safe(options, ())
    assert safe(kept, ()) == kept
    assert all(word in options for word in kept)


def test_settings_that_hold_are_left_as_they_are_and_others_are_laid_over() -> None:
    plain = read_project(Tree({"pytest.ini": "[pytest]\naddopts = -W error\n"})).suites
    assert [suite.overlay for suite in plain] == [()]
    (bent,) = read_project(Tree({"pytest.ini": "[pytest]\naddopts = -n 4\nmarkers =\n    slow: it is\n"})).suites
    text = dict(bent.overlay)["pytest.ini"]
    assert "slow: it is" in text
    assert "-n" not in text.split()


def test_a_repository_of_several_projects_has_a_suite_for_each_unless_its_top_speaks_for_all() -> None:
    texts = {"a/pyproject.toml": '[project]\nname = "a"\n', "a/src/a/__init__.py": "", "b/setup.py": "", "b/b.py": ""}
    several = read_project(Tree(texts)).suites
    assert [suite.folder for suite in several] == ["a", "b", ""]
    assert several[0].roots[0] == "a/src"
    one = read_project(Tree({**texts, "pytest.ini": "[pytest]\n"})).suites
    assert [suite.folder for suite in one] == [""]
    assert {"a/src", "a", "b"} == {*one[0].roots}


@given(
    st.dictionaries(
        st.sampled_from(["pytest.ini", "tox.ini", "setup.cfg", "pyproject.toml", "Makefile", "noxfile.py", "setup.py"]),
        st.text(max_size=60),
    )
)
def test_any_text_can_stand_in_a_settings_file(texts: dict[str, str]) -> None:
    read_project(Tree(texts))
    needs_of(texts)
    known_distribution(texts, "")


# With which commands and packages.


@pytest.mark.parametrize(
    "texts, texts_of_commands, unknown",
    [
        ({"Makefile": "check:\n\truff check .\n\tpytest\n"}, ["pytest"], []),
        ({"Makefile": "test:\n\t./run.sh all\n"}, ["./run.sh all"], ["./run.sh all"]),
        ({"Makefile": "test: $(DEPS)\n\t$(RUN) $(ARGS)\n"}, ["make test"], ["make test"]),
        ({"Makefile": "tests := 1\nbuild:\n\tpytest\n"}, [], []),
        ({"tox.ini": "[testenv]\ncommands =\n    pip list\n    coverage run -m unittest discover -s checks\n"}, ["coverage run -m unittest discover -s checks"], []),
        ({"noxfile.py": "@nox.session\ndef tests(session):\n    session.install('.')\n    session.run('python', 'all.py')\n"}, ["python all.py"], ["python all.py"]),
        ({"pyproject.toml": '[tool.tox.env_run_base]\ncommands = [["pytest", "checks"]]\n'}, ["pytest checks"], []),
    ],
)  # fmt: skip
def test_the_commands_of_make_tox_and_nox_are_read(
    texts: Mapping[str, str], texts_of_commands: list[str], unknown: list[str]
) -> None:
    found = commands_in(texts)
    assert [command.text for command in found] == texts_of_commands
    assert [command.text for command in found if not command.runner] == unknown


@pytest.mark.parametrize(
    "texts, wanted",
    [
        ({"requirements.txt": "flask>=3  # web\n-r more.txt\n-e .\n\n# no\n", "more.txt": "rich==13.0 ; python_version < '3'\nclick\n"}, ("click", "flask>=3")),
        ({"pyproject.toml": '[project]\nname = "me"\ndependencies = ["attrs", "me-not"]\noptional-dependencies.test = ["me[fast]", "pytest-asyncio", "pytest<8"]\noptional-dependencies.fast = ["orjson"]\noptional-dependencies.dev = ["httpx"]\n'}, ("attrs", "me-not", "orjson", "pytest-asyncio")),
        ({"pyproject.toml": '[dependency-groups]\ndev = [{include-group = "more"}, "ruff"]\nmore = ["rich"]\n'}, ("rich",)),
        ({"pyproject.toml": '[tool.poetry.dependencies]\npython = "^3.11"\nflask = "^2.1"\nrich = {version = "~13.1"}\nmine = {path = "../mine"}\n'}, ("flask>=2.1,<3", "rich>=13.1,<13.2")),
        ({"setup.py": "NEEDED = ['attrs>=20']\nsetup(name='x', install_requires=NEEDED, extras_require={'test': ['six'], 'docs': ['furo']})\n"}, ("attrs>=20", "six")),
        ({"setup.cfg": "[options]\ninstall_requires =\n    attrs\n    foo @ https://example.org/foo.whl\n"}, ("attrs",)),
        ({"tox.ini": "[testenv]\ndeps =\n    -r{toxinidir}/x.txt\n    freezegun\n    py311: six\n"}, ("freezegun", "six")),
        ({"requirements.txt": "flask\n", "uv.lock": '[[package]]\nname = "flask"\nversion = "3.0.1"\n'}, ("flask",)),
        ({"docs/pyproject.toml": '[project]\nname = "d"\ndependencies = ["celery"]\n'}, ()),
    ],
)  # fmt: skip
def test_what_a_project_needs_is_read_from_its_own_files(texts: Mapping[str, str], wanted: tuple[str, ...]) -> None:
    assert needs_of(texts).wanted == wanted


def test_the_lock_file_says_which_version_and_what_is_no_plain_requirement_is_named() -> None:
    lock = '[[package]]\nname = "flask"\nversion = "3.0.1"\n'
    needs = needs_of({"requirements.txt": "Flask[async]>=2\ngit+https://example.org/x.git\n", "uv.lock": lock})
    assert needs.pinned == ("Flask[async]==3.0.1",)
    assert needs.left_out == ("git+https://example.org/x.git",)


@pytest.mark.parametrize(
    "marker, meant",
    [
        ("python_version >= '3.11'", True), ("python_version < '3.11'", False), ("'linux' in sys_platform or os_name == 'nt'", True),
        ("sys_platform == 'win32'", False), ("extra == 'test'", False), ("(python_version > '3' and os_name != 'nt')", True),
        ("python_version >= '3' and python_full_version < '3.2.0'", False), ("nonsense ~ 3", True), ("", True), ("(", True),
    ],
)  # fmt: skip
def test_a_marker_says_for_whom_a_requirement_is_meant(marker: str, meant: bool) -> None:
    assert holds(marker) is meant


@given(st.text(alphabet="()'\"<>=! abcdeno rpythv_3.", max_size=30))
def test_any_marker_is_answered(marker: str) -> None:
    assert holds(marker) in (True, False)


# In which environment.


def refuse(python: str, requirements: Sequence[str]) -> None:
    raise EnvironmentUnavailable("the index cannot be reached")


def test_an_own_environment_is_used_only_where_it_works(tmp_path: Path) -> None:
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    python = tmp_path / ".venv" / "bin" / "python"
    python.touch(0o755)
    assert not [*own_environments(tmp_path, {})], "it has no pyvenv.cfg"
    (tmp_path / ".venv" / "pyvenv.cfg").touch()
    (own,) = own_environments(tmp_path, {})
    assert own == Environment(str(python), (str(tmp_path / ".venv"),))
    found = project_environment({}, [own], lambda environment: True, cache=tmp_path / "cache", requires=())
    assert found is not None
    assert found.environment == own
    lost = project_environment(
        {}, [own], lambda environment: False, cache=tmp_path / "cache", requires=(), installer=refuse
    )
    assert lost is not None
    assert "cannot run tests here" in lost.notes[0]
    assert lost.environment != own


def test_without_an_index_the_work_goes_on_and_says_so(tmp_path: Path) -> None:
    texts = {"requirements.txt": "flask\n"}
    found = project_environment(texts, (), lambda environment: True, cache=tmp_path, requires=(), installer=refuse)
    assert found is not None
    assert "the index cannot be reached" in found.notes[-1]


def test_what_an_installed_project_would_tell_of_itself_is_told() -> None:
    text = '[project]\nname = "My.Shop"\nversion = "1.2"\nscripts.till = "shop:main"\n'
    found = known_distribution({"pyproject.toml": text}, "")
    assert found["My_Shop-1.2.dist-info/entry_points.txt"] == "[console_scripts]\ntill = shop:main\n"
    assert "Version: 1.2" in found["My_Shop-1.2.dist-info/METADATA"]
    assert known_distribution({"setup.py": "setup(name='x', version=find())"}, "")["x-0.0.0.dist-info/METADATA"]
    assert known_distribution({"setup.py": ""}, "") == {}


# What the tests said before. The sandbox here is a table: what a test does is said, not run.


class Table:
    """A sandbox in which each test ends as its column says, one row a run; the last row for ever."""

    isolation = "none"

    def __init__(self, *rows: Mapping[str, Outcome], seconds: float = 0.0, broken: Iterable[str] = ()) -> None:
        self.rows, self.seconds, self.broken = [*rows], seconds, frozenset(broken)
        self.asked: list[tuple[list[str], bool, int]] = []
        self.now = 0.0

    def run(self, tree: Tree, argv: Sequence[str], **_: object) -> ExecResult:
        self.argv = tuple(argv)
        return ExecResult(tuple(argv), 0, "", "", 0.0)

    def test(
        self, tree: Tree, nodes: Sequence[str], *, confirm: bool = False, hash_seed: int = 0, **_: object
    ) -> TestReport:
        self.asked.append(([*nodes], confirm, hash_seed))
        self.now += self.seconds
        row = self.rows.pop(0) if len(self.rows) > 1 else self.rows[0]
        found = {n: o for n, o in row.items() if any(n == node or n.startswith(f"{node}::") for node in nodes)}
        results = tuple(TestResult(node, outcome, detail=f"E   {outcome}") for node, outcome in found.items())
        return TestReport(results, len(results), complete=not self.broken & {*nodes})

    def close(self) -> None:
        pass


P, F = "passed", "failed"
TREE = Tree({"a.py": "", "b.py": "import a\n", "test_a.py": "import a\n", "test_b.py": "import b\n", "test_c.py": ""})
FILES = ("test_a.py", "test_b.py", "test_c.py")
GOOD: dict[str, Outcome] = {"test_a.py::test_1": "passed", "test_b.py::test_2": "passed", "test_c.py::test_3": "passed"}
PLAN = Plan("x", (Step("a.py", "source", "x", "def f(): ..."),), ())


def changed(node: str, outcome: Outcome) -> dict[str, Outcome]:
    return {**GOOD, node: outcome}


def test_a_cheap_suite_runs_twice_the_second_time_backwards_with_another_seed() -> None:
    box = Table(GOOD)
    baseline = measure(TREE, FILES, box, LIMITS)
    assert baseline.passed == tuple(GOOD)
    assert box.asked == [([*FILES], False, 0), ([*reversed(GOOD)], False, 1)]


def test_what_ends_differently_on_the_same_tree_is_flaky_and_neither_passed_nor_failed() -> None:
    baseline = measure(
        TREE,
        FILES,
        Table(GOOD, changed("test_b.py::test_2", "failed"), GOOD, changed("test_b.py::test_2", "failed")),
        LIMITS,
    )
    assert baseline.flaky == ("test_b.py::test_2",)
    assert baseline.passed == ("test_a.py::test_1", "test_c.py::test_3")
    assert not baseline.failed


def test_a_test_that_only_leans_on_the_order_is_not_flaky() -> None:
    """In the order of the project it gives the same answer each time, and there it is judged."""
    baseline = measure(TREE, FILES, Table(GOOD, changed("test_b.py::test_2", "failed"), GOOD), LIMITS)
    assert not baseline.flaky
    assert len(baseline.passed) == 3


def test_an_expensive_suite_runs_once_and_only_its_failures_again() -> None:
    box = Table(changed("test_a.py::test_1", "failed"), seconds=30)
    baseline = measure(TREE, FILES, box, LIMITS, clock=lambda: box.now)
    assert box.asked[1:] == [(["test_a.py::test_1"], False, 1)]
    assert baseline.failed == {"test_a.py::test_1": "failed"}
    assert baseline.reasons == {"test_a.py::test_1": "failed"}


def test_what_the_time_box_does_not_reach_is_unknown() -> None:
    files = tuple(f"test_{number}.py" for number in range(250))
    row: dict[str, Outcome] = {f"{file}::test_x": "passed" for file in files}
    box = Table(row, seconds=25)
    baseline = measure(Tree({}), files, box, LIMITS, seconds=40, clock=lambda: box.now)
    assert len(baseline.passed) == 200
    assert baseline.unknown == files[200:]


def test_a_file_that_ends_the_run_is_found_and_left_out() -> None:
    baseline = measure(TREE, FILES, Table(GOOD, broken=["test_b.py"]), LIMITS)
    assert baseline.unusable == ("test_b.py",)
    assert baseline.passed == ("test_a.py::test_1", "test_c.py::test_3")


def test_a_baseline_is_recorded_and_read_back() -> None:
    baseline = Baseline(
        ("a::b",), {"a::c": "error"}, ("a::d",), {"a::b": 2.5}, ("x",), ("y",), {"a::c": "why"}, 3.0, 2.5
    )
    assert from_json(Baseline, as_json(baseline)) == baseline


# And what they say now.


def standing(box: Table, baseline: Baseline) -> UserTests:
    return standing_tests(FILES, TREE, box, LIMITS, known=baseline)


BASELINE = Baseline(tuple(GOOD))


def test_the_tests_nearest_to_the_change_run_first() -> None:
    assert by_distance(FILES, PLAN, TREE) == (["test_a.py", "test_b.py"], ["test_c.py"])


def test_where_all_cost_much_those_near_the_change_are_confirmed_and_the_others_wait_for_them() -> None:
    dear = Baseline(tuple(GOOD), seconds=100)
    box = Table(GOOD)
    assert retest(standing(box, dear), FILES, PLAN, TREE, box, LIMITS).report is not None
    assert box.asked == [(["test_a.py", "test_b.py"], True, 0), (["test_c.py"], False, 0)]
    box = Table(changed("test_a.py::test_1", "failed"))
    found = retest(standing(box, dear), FILES, PLAN, TREE, box, LIMITS)
    assert found.not_run == ("test_c.py",)


@pytest.mark.parametrize(
    "rows, outcome, named",
    [
        ([F, F, F], "failed", False),
        ([F, P, F, P, P, P], "failed", False),
        ([F, P, F, P, F, P], "passed", True),
    ],
    ids=["broken", "wavers since the change", "wavered before too"],
)
def test_a_test_that_passed_before_is_forgiven_only_where_the_old_tree_wavers_too(
    rows: list[Outcome], outcome: str, named: bool
) -> None:
    """Two reruns; and where one passes, three runs on the tree as it was."""
    box = Table(*(changed("test_a.py::test_1", row) for row in rows))
    found = retest(standing(box, BASELINE), FILES, PLAN, TREE, box, LIMITS)
    assert found.report is not None
    assert [r.outcome for r in found.report.results if r.node == "test_a.py::test_1"] == [outcome]
    assert bool(found.wavering) is named
    assert bool(regressed(BASELINE, found.report.results)) is (outcome == "failed")


def test_a_test_that_wavered_at_the_start_never_decides_alone() -> None:
    flaky = Baseline(tuple(GOOD)[1:], flaky=("test_a.py::test_1",))
    box = Table(changed("test_a.py::test_1", "failed"))
    found = retest(standing(box, flaky), FILES, PLAN, TREE, box, LIMITS)
    assert found.report is not None
    assert found.report.passed
    assert [q.node for q in found.wavering] == ["test_a.py::test_1"]


@pytest.mark.parametrize(
    "test, reason, task, due",
    [
        ("import a\n\n\ndef test_x():\n    assert a.f() == 1\n", "assert 0 == 1", "", True),
        ("import a\n\n\ndef test_x():\n    assert a.g() == 1\n", "assert 0 == 1", "", False),
        ("import a\n\n\ndef test_x():\n    assert a.g() == 1\n", "assert 0 == 1", "make test_x pass", True),
        ("import a\n\n\ndef test_x():\n    assert a.g() == 1\n", "assert 0 == 1", "fix the failing tests", True),
        ("import a\n\n\ndef test_x():\n    assert a.new() == 1\n", "AttributeError", "", True),
        ("import a\n\n\ndef test_x():\n    assert a.f() == 1\n", "ConnectionRefusedError: [Errno 111]", "", False),
        ("import b\n\n\ndef test_x():\n    assert b.h() == 1\n", "assert 0 == 1", "", False),
        ("import c\n\n\ndef test_x():\n    assert c.f() == 1\n", "assert 0 == 1", "fix the failing tests", False),
    ],
    ids=["what changes", "what stays", "named", "all asked for", "what is missing", "the network", "far away", "elsewhere"],
)  # fmt: skip
def test_of_what_failed_only_that_is_demanded_which_tests_what_the_plan_changes(
    test: str, reason: str, task: str, due: bool
) -> None:
    node = "test_x.py::test_x"
    tree = Tree(
        {
            "a.py": "def f():\n    return 0\n\n\ndef g():\n    return 0\n",
            "b.py": "import a\n\n\ndef h():\n    return a.g()\n",
            "c.py": "",
            "test_x.py": test,
        }
    )
    baseline = Baseline(failed={node: "failed"}, reasons={node: reason})
    user_tests = standing_tests(("test_x.py",), tree, Table(GOOD), LIMITS, known=baseline, task=task)
    assert user_tests.due(PLAN, tree) == ((node,) if due else ())


def test_what_was_skipped_is_never_demanded() -> None:
    tests = UserTests(("test_a.py",), failing=(Quarantined("test_a.py::test_1", "was skipped before this run began"),))
    assert tests.due(PLAN, TREE) == ()


def test_a_large_suite_is_bound_by_its_files_but_for_those_that_hold_failures() -> None:
    many = tuple(f"test_{n % 4}.py::test_{n}" for n in range(400))
    found = standing_tests(FILES, TREE, Table(GOOD), LIMITS, known=Baseline(many, {"test_1.py::test_x": "failed"}))
    (criterion,) = standing_criteria(found, PLAN, TREE)
    nodes = criterion.check.nodes  # type: ignore[union-attr]
    assert {"test_0.py", "test_2.py", "test_3.py"} < {*nodes}
    assert "test_1.py" not in nodes
    assert "test_1.py::test_1" in nodes


def test_programs_find_the_packages_of_a_src_layout() -> None:
    box = Table(GOOD)
    ProjectBox(box).run(Tree({"src/x/__init__.py": ""}), ("python3", "-c", "import x"))
    assert box.argv == ("env", "PYTHONPATH=src", "python3", "-c", "import x")
    ProjectBox(box).run(Tree({"x/__init__.py": ""}), ("python3", "-c", "import x"))
    assert box.argv == ("python3", "-c", "import x")
