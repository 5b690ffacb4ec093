"""What a careless plan would take from people: files that judge, that nobody was shown, that are not theirs to change."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from repositories import NEW_TESTS, OLD, PACKAGE, RIGHT, SHAPES, TASK, Maintainer, Shape, git, plan_for, repository
from runs import Done, run, serving
from scenario import fence

pytestmark = pytest.mark.slow

HELPER = "def same(a, b):\n    assert a == b\n"
JUDGED = {
    **PACKAGE,
    "tests/helpers.py": HELPER,
    "tests/test_prices.py": OLD.replace("assert total([]) == 0", "same(total([]), 0)")
    + "\n\nfrom helpers import same\n",
    "CHANGELOG.md": "# Changes\n" + "- something that somebody did\n" * 3000,
}


def maintained(tmp_path: Path, shape: Shape, *, path: str = "", built: str = RIGHT) -> Done:
    """The task by a model whose first plan also names `path`, and whose next one does not."""
    folder = repository(shape, tmp_path / "work")
    good, bad = plan_for(shape.source, shape.test), plan_for(shape.source, shape.test)
    kind, interface = ("source", "def same(a, b): ...") if path.endswith(".py") else ("other", "")
    extra = {"path": path, "kind": kind, "purpose": "It helps.", "interface": interface, "depends_on": []}
    bad["steps"] = [extra, *good["steps"]] if path else good["steps"]  # type: ignore[misc]

    def planner(prompt: str) -> str:
        return json.dumps(good if f"{path}'" in prompt else bad)

    def builder(prompt: str) -> str:
        return fence(
            "def same(a, b):\n    return a or b\n" if "It helps." in prompt.rpartition("Purpose")[2] else built
        )

    tests = NEW_TESTS.format(module=shape.module)
    model = Maintainer.of(
        shape.source, shape.module, shape.test, built, new_tests=tests, planner=planner, builder=builder
    )
    with serving(model) as server:
        asked = ("--endpoint", server.url, "--attempts", "2", TASK)
        return run(*asked, workspace=folder, home=tmp_path / "home", timeout=300)


@pytest.mark.parametrize(
    ("shape", "path"),
    [
        pytest.param(Shape(JUDGED), "tests/helpers.py", id="a helper of the user's tests"),
        pytest.param(Shape(JUDGED), "CHANGELOG.md", id="too long to be shown"),
        pytest.param(SHAPES["submodule"], "vendored/extra.py", id="inside a submodule"),
    ],
)
def test_a_plan_that_takes_what_is_not_its_own_is_made_anew(tmp_path: Path, shape: Shape, path: str) -> None:
    done = maintained(tmp_path, shape, path=path)
    assert done.code == 0, done.stderr
    assert [path in str(record["refusals"]) for record in done.kinds("planned")][:2] == [True, False]
    changed = git(done.workspace, "diff", "--name-only", "main", done.result["branch"]).split()
    assert changed == [shape.source, shape.test]


def test_doctests_that_the_project_runs_are_tests_that_were_there(tmp_path: Path) -> None:
    told = RIGHT.replace("rounded to cents.", "rounded to cents.\n\n    >>> total([1.5, 2.25])\n    3.75\n    ")
    before = told.replace("max(0, price * (100 - percent) / 100)", "price * (100 - percent) / 100")
    settings = "[pytest]\naddopts = --doctest-modules\n"
    done = maintained(
        tmp_path,
        Shape({**PACKAGE, "shop/prices.py": before, "pytest.ini": settings}),
        built=told.replace("sum(prices)", "max(0, *prices)"),
    )
    assert done.code == 1, done.stderr
    assert [c["id"] for c in done.result["criteria"] if not c["passed"]] == ["user-tests-1"]


def test_a_file_keeps_its_line_ends(tmp_path: Path) -> None:
    shape = Shape({**PACKAGE, "tests/test_prices.py": OLD}, prepare=_with_other_line_ends)
    done = maintained(tmp_path, shape)
    assert done.code == 0, done.stderr
    assert git(done.workspace, "diff", "--shortstat", "main", done.result["branch"], "--", shape.source).split()[3:] == [
        "1", "insertion(+),", "1", "deletion(-)",
    ]  # fmt: skip


def _with_other_line_ends(folder: Path) -> None:
    file = folder / "shop" / "prices.py"
    file.write_bytes(file.read_bytes().replace(b"\n", b"\r\n"))
    git(folder, "commit", "--quiet", "--all", "-m", "line ends")
