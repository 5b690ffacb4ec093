"""The tiers: which one a machine gets, what it says of itself, and what each promises beyond holding back."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hostile.arena import CHECKOUT, python_for_anybody, short_folder, skip_where_impossible

from nightshift.domain import Environment, ExecLimits, Sandbox, Tree
from nightshift.errors import SandboxUnavailable
from nightshift.sandbox.box import Box, open_sandbox
from nightshift.sandbox.isolation import bubblewrap, macos
from nightshift.sandbox.isolation.layout import Place, entries, readable
from nightshift.sandbox.isolation.tiers import TIERS, Fence, Tier, TierName
from nightshift.sandbox.processes.job import FILTER
from nightshift.sandbox.processes.usage import written

ALL = ["A", *(pytest.param(tier, marks=pytest.mark.slow) for tier in ("A-copied", "B"))]


@pytest.fixture
def scratch() -> Iterator[Path]:
    with short_folder() as folder:
        yield folder


def opened(tier: TierName, scratch: Path) -> Box:
    skip_where_impossible(tier)
    python = python_for_anybody() if tier == "B" else sys.executable
    return open_sandbox(Environment(python), scratch=scratch, tier=tier)


def python(sandbox: Sandbox, code: str, limits: ExecLimits | None = None) -> str:
    result = sandbox.run(Tree({"a.py": code}), ["python3", "a.py"], limits=limits)
    return result.stdout + result.stderr


@pytest.mark.parametrize(
    ("tier", "phrase"),
    [
        ("A", "namespaces + Landlock + seccomp"),
        ("A-copied", "namespaces + Landlock + seccomp"),
        ("bubblewrap", "bubblewrap + seccomp"),
        ("B", "weaker isolation: Landlock + seccomp, no namespaces"),
        ("macos", "weaker isolation: sandbox-exec"),
        ("none", "none (unsafe)"),
    ],
)
def test_each_tier_says_what_it_is(tier: TierName, phrase: str) -> None:
    assert Tier(tier).isolation == phrase
    assert tier in TIERS


def test_the_self_test_tells_a_sandbox_from_none(scratch: Path) -> None:
    with closing(opened("none", scratch)) as nothing:
        assert nothing.weakness()


class WithoutLandlock(Tier):
    def fence(self, *args: Any, **more: Any) -> Fence:
        return replace(Tier("B").fence(*args, **more), landlock=None)


class WithoutFilter(Tier):
    def fence(self, *args: Any, **more: Any) -> Fence:
        return replace(Tier("B").fence(*args, **more), filter=b"")


@pytest.mark.slow
@pytest.mark.parametrize("holey", [WithoutLandlock, WithoutFilter])
def test_the_self_test_notices_a_wall_that_is_missing(holey: type[Tier], scratch: Path) -> None:
    """Both walls of the weaker tier are needed, so a machine that lacks one gets no sandbox."""
    skip_where_impossible("B")
    with closing(Box(Environment(python_for_anybody()), holey("B"), scratch, 1)) as sandbox:
        assert re.match("it could", sandbox.weakness())


# What a machine gets.

REFUSING = """
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from nightshift.domain import Environment, Tree
from nightshift.errors import SandboxUnavailable
from nightshift.sandbox.isolation import seccomp
from nightshift.sandbox.box import open_sandbox
from nightshift.sandbox.inside.launch.kernel import PR_SET_NO_NEW_PRIVS, install_filter, prctl
python, scratch, *calls = sys.argv[1:]
prctl(PR_SET_NO_NEW_PRIVS, 1, "")
numbers = {"unshare": (272, 97), "landlock_create_ruleset": (444, 444)}
own = seccomp.step(seccomp.LOAD, seccomp.NUMBER), *(
    line for call in calls for line in seccomp.refuse(numbers[call][seccomp.platform.machine() != "x86_64"], 1)
), seccomp.step(seccomp.RETURN, seccomp.ALLOW)
install_filter(b"".join(own))
try:
    with closing(open_sandbox(Environment(python), scratch=Path(scratch))) as sandbox:
        print(sandbox.isolation, "|", sandbox.run(Tree({}), ["echo", "ran"]).stdout)
except SandboxUnavailable as error:
    print(error)
"""


@pytest.mark.parametrize(
    ("refused", "said"),
    [
        (["unshare"], r"weaker isolation: Landlock \+ seccomp, no namespaces \| ran"),
        (["unshare", "landlock_create_ruleset"], r"No sandbox can be had .*A: .*unshare.*B: .*--unsafe-no-sandbox"),
        pytest.param(["landlock_create_ruleset"], r"namespaces \+ seccomp \| ran", marks=pytest.mark.slow),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_machine_that_refuses_a_wall_gets_the_next_best_and_is_told(
    refused: list[str], said: str, scratch: Path
) -> None:
    """As in a container, whose own filter answers EPERM."""
    skip_where_impossible("B")
    if shutil.which("bwrap"):
        pytest.skip("bubblewrap stands between the tiers on this machine")
    argv = [sys.executable, "-c", REFUSING, python_for_anybody(), str(scratch), *refused]
    done = subprocess.run(argv, cwd=CHECKOUT, capture_output=True, text=True, check=False)
    assert re.search(said, done.stdout), done


def test_an_asked_for_tier_is_had_or_refused_but_never_replaced(scratch: Path) -> None:
    unavailable: TierName = "macos" if sys.platform == "linux" else "B"
    with pytest.raises(SandboxUnavailable):
        open_sandbox(Environment(sys.executable), scratch=scratch, tier=unavailable)


def test_no_variable_chooses_a_tier() -> None:
    sources = [path for path in (CHECKOUT / "nightshift" / "sandbox").rglob("*.py") if path.name != "environment.py"]
    assert not [path.name for path in sources if re.search(r"environ\b.*(TIER|SANDBOX)|getenv", path.read_text())]


# What each promises.


@pytest.mark.slow
def test_a_server_on_loopback_works_inside_and_is_nobody_elses(scratch: Path) -> None:
    code = (
        "import socket, threading\ns = socket.create_server(('127.0.0.1', 0))\n"
        "threading.Thread(target=lambda: s.accept()[0].sendall(b'hello')).start()\n"
        "print(socket.create_connection(s.getsockname()).recv(9).decode())"
    )
    with closing(opened("A", scratch)) as sandbox:
        assert python(sandbox, code) == "hello\n"
    with closing(opened("B", scratch)) as sandbox:
        assert "Address family not supported" in python(sandbox, code), "there is no private loopback"


@pytest.mark.parametrize("tier", ["A", pytest.param("B", marks=pytest.mark.slow)])
def test_the_network_is_there_when_a_trusted_caller_asks(tier: TierName, scratch: Path) -> None:
    with closing(opened(tier, scratch)) as sandbox, socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        code = f"import socket; socket.create_connection(('127.0.0.1', {server.getsockname()[1]}))"
        result = sandbox.run(Tree({}), ["python3", "-c", code], network=True)
        assert result.ok, result
        server.accept()[0].close()


@pytest.mark.parametrize("tier", ALL)
def test_tests_are_run_in_every_tier(tier: TierName, scratch: Path) -> None:
    with closing(opened(tier, scratch)) as sandbox:
        tree = Tree({"test_a.py": "import a\ndef test_a(tmp_path): assert a.ONE == 1", "a.py": "ONE = 1"})
        assert sandbox.test(tree, ["test_a.py"]).passed


@pytest.mark.parametrize("tier", ALL)
def test_the_files_of_a_base_and_texts_make_one_tree(tier: TierName, scratch: Path) -> None:
    base = scratch / "base"
    (base / "pkg").mkdir(parents=True)
    (base / "pkg" / "old.py").write_text("old")
    (base / "pkg" / "both.py").write_text("old")
    (base / "link").symlink_to("pkg")
    with closing(opened(tier, scratch)) as sandbox:
        tree = Tree({"pkg/both.py": "new", "link/through.py": "x", "pkg/sub/deep.py": "y"}, base)
        listed = sandbox.run(tree, ["sh", "-c", "find . | sort; cat pkg/both.py; echo z > pkg/old.py; cat link/old.py"])
    assert listed.stdout.splitlines() == [
        ".", "./link", "./pkg", "./pkg/both.py", "./pkg/old.py", "./pkg/sub", "./pkg/sub/deep.py", "./pkg/through.py",
        "newz",
    ]  # fmt: skip
    assert (base / "pkg" / "old.py").read_text() == "old"


@pytest.mark.slow
def test_what_is_written_in_tier_a_never_touches_the_disk(scratch: Path) -> None:
    for tier in ("A", "A-copied"):
        with closing(opened(tier, scratch)) as sandbox:  # type: ignore[arg-type]
            before = written(scratch)[0]
            code = "import os, time\nopen('big', 'wb').write(b'x' * (30 << 20)); print(os.path.getsize('big'))"
            assert python(sandbox, code) == f"{30 << 20}\n"
            assert written(scratch)[0] <= before + (1 << 20)


# Tiers that this machine may not have: their words.


def test_bubblewrap_gets_the_same_root_and_our_filter(scratch: Path) -> None:
    place = Place(scratch, True, scratch / "tools")
    (scratch / "tools").mkdir()
    known = readable(Environment(sys.executable), scratch / "tools")
    seen = entries(known, (place.tree,), ExecLimits(), uid=1000, overlay=False, network=False)
    words = bubblewrap.command("/usr/bin/bwrap", seen, place, network=False)
    pairs = list(zip(words, words[1:], words[2:], strict=False))
    assert words[0] == "/usr/bin/bwrap"
    assert words[-3:] == ("--chdir", "/tree", "--")
    assert {"--unshare-user", "--unshare-pid", "--unshare-net", "--die-with-parent", "--new-session"} <= set(words)
    assert ("--bind", str(place.tree), "/tree") in pairs
    assert ("--ro-bind", str(scratch / "tools"), "/judge") in pairs
    assert ("--seccomp", FILTER) in [pair[:2] for pair in pairs]
    assert ("--size", str(256 << 20), "--tmpfs") in pairs
    assert (scratch / "files" / "passwd").read_text().endswith(":/bin/sh\n")
    assert not [word for word in words if str(Path.home()) == word]
    assert "--unshare-net" not in bubblewrap.command("bwrap", seen, place, network=True)


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("bwrap"), reason="bubblewrap is not installed")
def test_bubblewrap_holds(scratch: Path) -> None:
    with closing(opened("bubblewrap", scratch)) as sandbox:
        assert python(sandbox, "print('ran')") == "ran\n"


def test_the_profile_for_macos_denies_what_it_does_not_name(tmp_path: Path) -> None:
    odd = tmp_path / 'a "quoted" \\ name'
    odd.mkdir()
    text = macos.profile(["/opt/python"], [str(odd)], network=False)
    lines = text.splitlines()
    assert lines[:2] == ["(version 1)", "(deny default)"]
    assert "network" not in text
    assert text.count("(") == text.count(")")
    writable = [line for line in lines if "file-write*" in line]
    assert len(writable) == 1
    assert f'{os.path.realpath(tmp_path)}/a \\"quoted\\" \\\\ name")' in writable[0]
    assert '(subpath "/opt/python")' in text
    assert "(allow network*)" in macos.profile([], [], network=True)
