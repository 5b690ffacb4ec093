"""Repositories that people already have: nothing that worked may stop working, and their checkout is not touched."""

from __future__ import annotations

from pathlib import Path

import pytest
from repositories import NEW_TESTS, REGRESSING, RIGHT, SHAPES, TASK, Maintainer, git, repository, state
from runs import Done, run, serving
from scenario import Scenario

pytestmark = pytest.mark.slow


def maintained(tmp_path: Path, name: str, *proposals: str, new_tests: str = NEW_TESTS) -> tuple[Done, Scenario]:
    """The task in a repository of that shape, done by a model with these proposals; the checkout is as it was."""
    shape = SHAPES[name]
    folder = repository(shape, tmp_path / "work")
    before = state(folder)
    model = Maintainer.of(shape.source, shape.module, shape.test, *proposals, new_tests=new_tests)
    with serving(model) as server:
        done = run(
            "--endpoint", server.url, "--attempts", "2", TASK, workspace=folder, home=tmp_path / "home", timeout=300
        )
    assert state(folder) == before, "the user's checkout has changed"
    return done, model


@pytest.mark.parametrize("name", SHAPES)
def test_a_regression_is_never_delivered_and_the_right_change_is(tmp_path: Path, name: str) -> None:
    """The first proposals do what was asked and break what was not; only the last one is taken."""
    shape = SHAPES[name]
    done, _ = maintained(tmp_path, name, REGRESSING, REGRESSING, RIGHT)
    assert done.code == 0, done.stderr
    result, branch = done.result, done.result["branch"]
    delivered = git(done.workspace, "show", f"{branch}:{shape.source}")
    assert "sum(prices)" in delivered
    assert "max(0, price" in delivered
    assert result["tests"]["regressed"] == []
    assert result["baseline"]["passed"] == shape.passed
    assert tuple(result["baseline"]["failing"]) == shape.failed


@pytest.mark.parametrize(
    "name", ["src layout", "monorepo", "unittest only", "make and a script", "flaky test", "failing baseline"]
)
def test_a_model_that_only_breaks_things_delivers_nothing(tmp_path: Path, name: str) -> None:
    done, _ = maintained(tmp_path, name, REGRESSING)
    assert done.code == 1, done.stderr
    assert done.result["status"] == "failed"
    if SHAPES[name].passed:
        assert any("total" in node or "bill" in node for node in done.result["tests"]["regressed"])


def test_a_resumed_run_goes_by_the_baseline_of_its_first_part(tmp_path: Path) -> None:
    """What is flaky stays so: measuring again could show another project."""
    shape = SHAPES["flaky test"]
    folder = repository(shape, tmp_path / "work")
    model = Maintainer.of(shape.source, shape.module, shape.test, REGRESSING, REGRESSING, RIGHT)
    with serving(model) as server:
        where = {"workspace": folder, "home": tmp_path / "home"}
        first = run("--endpoint", server.url, "--max-calls", "6", TASK, **where)
        assert first.code == 4, first.stderr
        again = run("--endpoint", server.url, "--max-calls", "60", "--resume", **where)
    assert again.code == 0, again.stderr
    baselines = [record["baseline"] for record in again.kinds("baseline")]
    assert len(baselines) == 2
    assert baselines[0] == baselines[1]
