"""Programs broken as small models break them are run, fixed and run again: what a proposal is worth is what it makes pass."""

import subprocess
import sys
from pathlib import Path

import pytest
from broken_programs import BROKEN, Broken

from nightshift.source.fixes import Clues, proposals

RUNNER = """
import os, runpy, sys, traceback
import collections.abc, concurrent.futures, dataclasses, datetime, enum, json, math, pathlib, re, time, typing
def ended(folder):
    os.chdir(folder)
    sys.path.insert(0, folder)
    try:
        runpy.run_path("check.py")
    except BaseException:
        os.write(2, traceback.format_exc().encode())
for folder in sys.argv[1:]:
    child = os.fork()
    if not child:
        os.dup2(os.open(os.path.join(folder, "stderr"), os.O_WRONLY | os.O_CREAT), 2)
        ended(folder)
        os._exit(0)
    os.waitpid(child, 0)
"""


def failures(programs: list[tuple[Broken, str]], folder: Path) -> list[str]:
    """What each program with that text writes when it fails; each runs in a process of its own."""
    folders = [folder / str(number) for number in range(len(programs))]
    for place, (broken, text) in zip(folders, programs, strict=True):
        for path, content in {**broken.others, broken.path: text, "check.py": broken.check}.items():
            (place / path).parent.mkdir(parents=True, exist_ok=True)
            (place / path).write_text(content)
    subprocess.run([sys.executable, "-c", RUNNER, *map(str, folders)], check=True, timeout=60)
    return [(place / "stderr").read_text() for place in folders]


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[tuple[str, str]]]:
    """Program -> (name of the fix, failure that is left) of each proposal, in order."""
    before = failures([(broken, broken.text) for broken in BROKEN], tmp_path_factory.mktemp("before"))
    assert all(before), [broken.name for broken, failure in zip(BROKEN, before, strict=True) if not failure]
    tried = [
        (broken, fix)
        for broken, failure in zip(BROKEN, before, strict=True)
        for fix in proposals(broken.text, Clues(broken.path, failure, broken.others, broken.interface))
    ]
    after = failures([(broken, fix.text) for broken, fix in tried], tmp_path_factory.mktemp("after"))
    found: dict[str, list[tuple[str, str]]] = {broken.name: [] for broken in BROKEN}
    for (broken, fix), failure in zip(tried, after, strict=True):
        found[broken.name].append((fix.name, failure))
    return found


@pytest.mark.parametrize("broken", BROKEN, ids=lambda broken: broken.name)
def test_the_first_proposal_makes_the_program_pass(broken: Broken, table: dict[str, list[tuple[str, str]]]) -> None:
    assert table[broken.name], "no proposal"
    name, failure = table[broken.name][0]
    assert not failure
    assert name == broken.fixer


def test_what_is_proposed_beside_the_right_one_is_a_part_of_it(table: dict[str, list[tuple[str, str]]]) -> None:
    """Where two places are wrong, mending each alone is offered too; anything else wrong would waste a run of the tests."""
    outcomes = [not failure for tried in table.values() for _, failure in tried]
    stray = [(program, name) for program, tried in table.items() for name, failure in tried[1:] if failure]
    stray = [
        (program, name) for program, name in stray if not set(name.split("+")) <= set(table[program][0][0].split("+"))
    ]
    print(sum(outcomes), "of", len(outcomes), "proposals right,", len(table), "programs; stray:", stray)
    assert len(stray) <= len(BROKEN) // 20
