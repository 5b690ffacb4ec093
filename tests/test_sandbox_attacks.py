"""Hostile programs against the tiers. Each is first seen to succeed against a plain subprocess, so that it can fail."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest
from hostile.arena import (
    CHECKOUT,
    Arena,
    Seen,
    batch,
    plainly,
    python_for_anybody,
    short_folder,
    skip_where_impossible,
    told,
)
from hostile.programs import EXCEPTIONS, PROGRAMS, Program

from nightshift.domain import Environment, ExecLimits, Tree
from nightshift.sandbox.box import Box, open_sandbox
from nightshift.sandbox.isolation.tiers import SPARE_ID, TierName

TIGHT = ExecLimits(seconds=4.0, memory_bytes=400 << 20, file_bytes=8 << 20, output_bytes=16 << 10, processes=24)
MANY = ExecLimits(seconds=120.0, memory_bytes=1 << 30, file_bytes=8 << 20, output_bytes=1 << 20, processes=120)
TIERS = ["A", pytest.param("B", marks=pytest.mark.slow)]
TOGETHER = [program for program in PROGRAMS if not program.alone]
ALONE = [program for program in PROGRAMS if program.alone]


@pytest.fixture(scope="module", params=TIERS)
def walled(request: pytest.FixtureRequest) -> Iterator[tuple[TierName, Box]]:
    skip_where_impossible(request.param)
    with short_folder() as scratch:
        environment = Environment(sys.executable if request.param == "A" else python_for_anybody())
        with closing(open_sandbox(environment, scratch=scratch, parallel=2, tier=request.param)) as sandbox:
            yield request.param, sandbox


@contextmanager
def arena_for(programs: list[Program]) -> Iterator[Arena]:
    with short_folder() as folder, closing(Arena(folder, programs)) as arena:
        yield arena


def expected(program: Program) -> bool:
    """That it succeeds without walls."""
    return not program.may_be_immune and not (program.root and os.getuid())


@pytest.fixture(scope="module")
def worked() -> frozenset[str]:
    """The programs that succeed against a plain subprocess on this machine."""
    with arena_for(TOGETHER) as arena:
        output, _, _ = plainly(arena, batch(arena, TOGETHER), "driver.py", 120)
        said = told(output)
        time.sleep(0.05)
        arena.look()
        seen = {each.name: arena.seen(each.name, said.get(each.name, "")) for each in TOGETHER}
        harmless = {each.name: seen[each.name].said for each in TOGETHER if not each.succeeded(seen[each.name])}
    surprising = {each.name: harmless[each.name] for each in TOGETHER if each.name in harmless and expected(each)}
    assert not surprising, "attacks that do not even work without a sandbox prove nothing"
    return frozenset(each.name for each in TOGETHER) - frozenset(harmless)


@pytest.mark.slow
def test_what_works_without_walls_fails_within_them(walled: tuple[TierName, Box], worked: frozenset[str]) -> None:
    tier, sandbox = walled
    with arena_for(TOGETHER) as arena:
        os.environ.update(arena.secrets())
        result = sandbox.run(Tree(batch(arena, TOGETHER), arena.base), ["python3", "driver.py"], limits=MANY)
        for name in arena.secrets():
            del os.environ[name]
        said = told(result.stdout)
        assert said.keys() == {each.name for each in TOGETHER}, result
        arena.look()
        escaped = {each.name for each in TOGETHER if each.succeeded(arena.seen(each.name, said[each.name]))}
    assert escaped & worked == EXCEPTIONS[tier].keys() & worked
    assert escaped <= worked | EXCEPTIONS[tier].keys()
    assert len(worked) >= (75 if os.getuid() else 100)


@pytest.mark.slow
@pytest.mark.parametrize("program", ALONE, ids=lambda program: program.name)
def test_a_program_that_needs_a_sandbox_to_itself_fails_within_walls(
    program: Program, walled: tuple[TierName, Box]
) -> None:
    plain = alone_and_plain(program)
    assert program.succeeded(plain), f"the attack is harmless: {plain.said[-500:]}"
    tier, sandbox = walled
    seen = alone_in(sandbox, program)
    assert program.succeeded(seen) == (program.name in EXCEPTIONS[tier]), seen


PARENT = "import subprocess, sys; subprocess.run([sys.executable, 'attack.py']); print('parent alive')"


def alone_and_plain(program: Program) -> Seen:
    with arena_for([program]) as arena, arena.visiting():
        texts = {"attack.py": arena.aimed(program), "parent.py": PARENT}
        seconds = program.seconds if program.seconds < 1 else 30.0
        said, ended, _ = plainly(arena, texts, "parent.py", seconds)
        arena.look()
        return arena.seen(program.name, said, ended=ended, parent_died="parent alive" not in said, left_trees=True)


def alone_in(sandbox: Box, program: Program) -> Seen:
    limits = ExecLimits(program.seconds, *(getattr(TIGHT, name) for name in TIGHT.__slots__[1:]))
    nest = sandbox.nests[0]
    before = sorted(os.listdir(nest))
    with arena_for([program]) as arena, arena.visiting():
        started = time.monotonic()
        result = sandbox.run(Tree({"attack.py": arena.aimed(program)}), ["python3", "attack.py"], limits=limits)
        arena.look()
        return arena.seen(
            program.name,
            result.stdout + result.stderr,
            ended=time.monotonic() < started + limits.seconds + 2,
            parent_died=result.exit_code == 137 and not result.timed_out,
            left_trees=sorted(os.listdir(nest)) != before,
        )


KILL_ALL = "import os; os.kill(-1, 9)"


@pytest.mark.skipif(os.getuid() != 0, reason="it would end all processes of this user, if it worked")
def test_a_signal_to_everybody_reaches_nobody_outside(walled: tuple[TierName, Box]) -> None:
    """Against one of the very id that root becomes in a sandbox; seen to work on an id that nobody else has."""
    with neighbour_of(64999) as victim:
        subprocess.run([python_for_anybody(), "-c", KILL_ALL], user=64999, group=64999, extra_groups=[], check=False)
        assert victim.wait(5) == -9
    _, sandbox = walled
    with neighbour_of(SPARE_ID) as victim:
        sandbox.run(Tree({"attack.py": KILL_ALL}), ["python3", "attack.py"], limits=TIGHT)
        assert victim.poll() is None


@contextmanager
def neighbour_of(uid: int) -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(["sleep", "30"], user=uid, group=uid, extra_groups=[]) as victim:
        try:
            yield victim
        finally:
            victim.kill()


def test_there_are_enough_programs_and_no_two_of_a_name() -> None:
    assert len(PROGRAMS) == len({program.name for program in PROGRAMS}) >= 120
    assert set(EXCEPTIONS["A"]) | set(EXCEPTIONS["B"]) <= {program.name for program in PROGRAMS}


def test_the_exceptions_are_documented() -> None:
    text = re.sub(r"\s+", " ", (CHECKOUT / "docs" / "sandbox.md").read_text())
    for exceptions in EXCEPTIONS.values():
        for name, reason in exceptions.items():
            assert name in text
            assert reason in text
