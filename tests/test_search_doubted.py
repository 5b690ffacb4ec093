"""A failing test of the model's own is set aside only when all evidence is against it and nothing else fails."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from nightshift.acceptance import Accepted
from nightshift.domain import (
    CommandCheck,
    Criterion,
    CriterionResult,
    ExecLimits,
    Plan,
    Step,
    Task,
    TestReport,
    TestResult,
    TestsCheck,
    Tree,
    Verdict,
)
from nightshift.project.standing import UserTests
from nightshift.search.brief import Effort
from nightshift.search.doubted import set_aside
from nightshift.search.work import Work, Workshop
from trace_collector import Trace

FILE = "tests/test_shop.py"
NAMES = ("test_c1_a", "test_c1_b", "test_c1_c", "test_c9_odd")
NODES = tuple(f"{FILE}::{name}" for name in NAMES)
ODD = NODES[-1]
TEXT = "from shop import total\n\n\n" + "\n\n".join(f"def {name}():\n    assert total([42]) == 42\n" for name in NAMES)
CRITERION = Criterion("c1", "the total of 42 is 42", TestsCheck(FILE, NODES))
OTHER = Criterion("c2", "it runs", CommandCheck(("true",)))


def work_with(heard: tuple[dict[str, bool], ...], *more: Criterion, reopened: int = 1) -> Work:
    steps = (Step("shop.py", "source", "", ""), Step(FILE, "test", "", ""))
    accepted = Accepted(
        {FILE: TEXT}, frozenset(NODES), support=dict.fromkeys(NODES[:3], 3) | {ODD: 1}, samples={FILE: 3}
    )
    plan, task = Plan("p", steps, (CRITERION, OTHER, *more)), Task("the total of 42 is 42")
    work = Work(task, plan, Tree({"shop.py": ""}), accepted, UserTests(), frozenset())
    return replace(work, heard=heard, reopened={FILE: reopened} if reopened else {})


def with_another_function(work: Work) -> Work:
    text = TEXT.replace("def test_c9_odd():\n    assert total(", "def test_c9_odd():\n    assert rest(")
    tree = work.tree.with_text("shop.py", "def total(prices): ...\n\n\ndef rest(prices): ...\n")
    return replace(work, accepted=replace(work.accepted, texts={FILE: text}), tree=tree)


def verdict_with(*failed: str, command: bool = True, detail: str = "E   assert 41 == 42") -> Verdict:
    results = tuple(
        TestResult(node, "failed", detail=detail) if node in failed else TestResult(node, "passed") for node in NODES
    )
    criteria = (CriterionResult(CRITERION, not failed, "oracle", ""), CriterionResult(OTHER, command, "cold", ""))
    return Verdict(criteria, TestReport(results, len(NODES)))


def left(tmp_path: Path, work: Work, verdict: Verdict) -> Work | None:
    limits = ExecLimits(seconds=1)
    with closing(Trace.create(tmp_path / "run", "run")) as trace:
        shop = Workshop(
            None, None, trace, Effort(1, (0.0,), 1, 0), limits, limits, False, (), lambda texts, message: None  # type: ignore[arg-type]
        )  # fmt: skip
        return set_aside(work, verdict, shop, "attempt-2/judge")


GOOD = dict.fromkeys(NODES[:3], True)
NOBODY = ({**GOOD, ODD: False}, {**GOOD, ODD: False}, {**GOOD, ODD: False})


def test_a_test_that_nobody_passes_and_few_samples_hold_is_set_aside_by_name(tmp_path: Path) -> None:
    made = left(tmp_path, work_with(NOBODY), verdict_with(ODD))
    assert made is not None
    assert made.accepted.nodes == frozenset(NODES[:3])
    assert "test_c9_odd" not in made.accepted.texts[FILE]
    assert [q.node for q in made.accepted.quarantined] == [ODD]
    check = made.plan.criteria[0].check
    assert isinstance(check, TestsCheck)
    assert set(check.nodes) == set(NODES[:3])


@pytest.mark.parametrize(
    ("work", "verdict"),
    [
        pytest.param(work_with(NOBODY, reopened=0), verdict_with(ODD), id="its file was not sampled anew yet"),
        pytest.param(work_with((*NOBODY, {**GOOD, ODD: True})), verdict_with(ODD), id="a candidate passes it"),
        pytest.param(work_with(NOBODY[:1]), verdict_with(ODD), id="only one program was tried"),
        pytest.param(work_with(NOBODY), verdict_with(ODD, command=False), id="a command fails too"),
        pytest.param(work_with(NOBODY), verdict_with(ODD, NODES[0]), id="a trusted test fails too"),
        pytest.param(work_with(NOBODY), verdict_with(), id="nothing fails"),
        pytest.param(
            work_with(NOBODY), verdict_with(ODD, detail="E   AttributeError: 'bytes' object has no attribute 'feed'"),
            id="the code breaks down in it",
        ),
        pytest.param(
            with_another_function(work_with(NOBODY)), verdict_with(ODD), id="it alone uses a function of the project"
        ),
        pytest.param(
            work_with(NOBODY, Criterion("c9", "odd", TestsCheck(FILE, (ODD,)))), verdict_with(ODD),
            id="it is all that proves a criterion",
        ),
        pytest.param(
            replace(work_with(NOBODY), plan=Plan("p", (), (Criterion("c9", "odd", TestsCheck(FILE, (ODD,))), OTHER))),
            verdict_with(ODD), id="only tests that do not name the criterion would be left",
        ),
        pytest.param(
            replace(work_with(NOBODY), trials={}, accepted=replace(work_with(NOBODY).accepted, support=dict.fromkeys(NODES, 3))),
            verdict_with(ODD), id="most samples hold it",
        ),
    ],
)  # fmt: skip
def test_it_stays_when(tmp_path: Path, work: Work, verdict: Verdict) -> None:
    assert left(tmp_path, work, verdict) is None
