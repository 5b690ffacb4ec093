"""The tasks of the laboratory: each states its rules, is solved by its reference, and is not solved by anything less."""

from __future__ import annotations

import ast
from contextlib import closing
from pathlib import Path

import pytest

from benchmarks.simulated.behaviour import behaviours
from benchmarks.simulated.errors import errors_of
from benchmarks.simulated.knowledge import Knowledge, names, parse, read
from nightshift.sandbox.box import open_sandbox
from nightshift.sandbox.interpreter.environment import prepare
from nightshift.source.interfaces import interface_of, missing_from, parse_interface

TASKS = [read(name) for name in names()]


def test_there_are_enough_tasks_and_a_third_of_them_have_several_functions() -> None:
    assert len(TASKS) >= 40
    assert sum(len(task.units) >= 2 for task in TASKS) * 3 >= len(TASKS)


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
def test_a_task_names_its_file_and_states_an_interface_that_its_reference_has(task: Knowledge) -> None:
    assert task.path in task.prompt
    assert not missing_from(interface_of(task.reference), parse_interface(task.statement.interface))
    assert len(task.calls) >= 18
    assert task.hidden


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
def test_a_misreading_is_a_program_that_differs_in_a_function(task: Knowledge) -> None:
    assert task.misreadings
    for text in task.misreadings.values():
        assert ast.dump(ast.parse(text)) != ast.dump(ast.parse(task.reference))
        assert "#~" not in text + task.reference


def test_a_task_file_is_read_in_parts() -> None:
    text = "Say x.\n--- reference\ndef f():\n    return 1  #~a return 2\n--- calls\nf()\n--- hidden\nassert f() == 1\n"
    task = parse("one", text)
    assert (task.prompt, task.calls, task.hidden) == ("Say x.", ("f()",), ("assert f() == 1",))
    assert task.reference == "def f():\n    return 1\n"
    assert task.misreadings == {"a": "def f():\n    return 2\n"}
    assert task.statement.interface == "def f(): ...\n"


@pytest.mark.slow
def test_references_pass_and_nothing_less_does(tmp_path: Path) -> None:
    """An empty file, stubs and every misreading fail; so do nearly all slips, or they would be no errors."""
    with closing(open_sandbox(prepare((), cache=tmp_path, allow=()))) as box:
        for task in TASKS:
            stub = task.statement.interface.replace(": ...", ": return None")
            (reference, *others), _ = behaviours(task, ["", stub, *task.misreadings.values()], box)
            assert reference.right, task.name
            assert not any(other.right for other in others), task.name


@pytest.mark.slow
def test_every_function_with_a_body_worth_it_can_go_wrong(tmp_path: Path) -> None:
    with closing(open_sandbox(prepare((), cache=tmp_path, allow=()))) as box:
        for task in TASKS[::7]:
            errors = errors_of(task, box)
            assert len(errors.misreadings) == len(task.misreadings)
            assert sum(map(len, errors.slips.values())) >= 10
            assert all(error.altered for error in errors.misreadings)
