"""What was built is written as the project's formatter writes it, when there is one; its linters are asked, not obeyed."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from types import MappingProxyType

import pytest

from nightshift.acceptance import Accepted
from nightshift.domain import CommandCheck, Criterion, Environment, ExecLimits, Plan, Sandbox, Step, Task, Tree
from nightshift.sandbox.box import open_sandbox
from nightshift.search.brief import Effort
from nightshift.search.styling import styled
from nightshift.search.work import Work, Workshop
from trace_collector import Trace

UGLY = "def price( cents ):\n    return  {'cents':cents}\n"
RUFF = "[tool.ruff]\nline-length = 100\n[tool.ruff.format]\nquote-style = 'single'\n"


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    with closing(open_sandbox(Environment(sys.executable), warm=False)) as sandbox:
        yield sandbox


def after(
    tmp_path: Path, box: Sandbox, texts: Mapping[str, str], found: Mapping[str, str] = MappingProxyType({})
) -> tuple[str, dict[str, str], list[str]]:
    """The file, what was saved, and what the trace says of the tools."""
    saved: dict[str, str] = {}
    plan = Plan("p", (Step("shop.py", "source", "", ""),), (Criterion("c", "c", CommandCheck(("true",))),))
    work = Work(Task("t"), plan, Tree({"shop.py": UGLY, **texts}), Accepted({}, frozenset(), found=found))
    with closing(Trace.create(tmp_path / "run", "run")) as trace:
        limits = ExecLimits(seconds=20)
        save = lambda made, message: saved.update(made)  # noqa: E731
        shop = Workshop(None, box, trace, Effort(1, (0.0,), 1, 0), limits, limits, False, (), save)  # type: ignore[arg-type]
        text = styled(work, shop, "attempt-1/style", ("shop.py",)).tree.texts["shop.py"]
        told = [str(r.fields["action"]) for r in trace.records() if r.fields.get("rule") == "style"]
    return text, saved, told


def test_a_configured_formatter_is_obeyed(tmp_path: Path, box: Sandbox) -> None:
    text, saved, told = after(tmp_path, box, {"pyproject.toml": RUFF})
    assert text == "def price(cents):\n    return {'cents': cents}\n"
    assert saved == {"shop.py": text}
    assert "ruff format: passed" in told


def test_a_file_that_its_people_never_formatted_is_left_as_it_is(tmp_path: Path, box: Sandbox) -> None:
    text, saved, told = after(tmp_path, box, {"pyproject.toml": RUFF}, {"shop.py": "def price( c ):\n    return  c\n"})
    assert (text, saved) == (UGLY, {})
    assert "ruff format: failed" in told


def test_line_ends_stay_as_they_are(tmp_path: Path, box: Sandbox) -> None:
    text, _, _ = after(tmp_path, box, {"pyproject.toml": RUFF, "shop.py": UGLY.replace("\n", "\r\n")})
    assert text == "def price(cents):\r\n    return {'cents': cents}\r\n"


def test_without_configuration_nothing_is_touched(tmp_path: Path, box: Sandbox) -> None:
    assert after(tmp_path, box, {}) == (UGLY, {}, [])


def test_a_tool_that_is_not_installed_is_unavailable_and_no_pass(tmp_path: Path, box: Sandbox) -> None:
    text, saved, told = after(tmp_path, box, {"pyproject.toml": "[tool.black]\n"})
    assert (text, saved) == (UGLY, {})
    assert told == ["black: unavailable"]


def test_a_formatter_that_makes_another_program_of_it_is_not_believed(tmp_path: Path, box: Sandbox) -> None:
    evil = {"pyproject.toml": "[tool.black]\n", "black.py": "print('import os')\n"}
    text, saved, _ = after(tmp_path, box, evil)
    assert (text, saved) == (UGLY, {})
