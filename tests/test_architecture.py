"""The house's rules about itself: imports point down, six doors to the world, no name that hides the standard library."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SCRIPTS = sorted(path for path in ROOT.glob("*.py"))
PACKAGE = sorted((ROOT / "nightshift").rglob("*.py"))

LEVELS = (
    ("domain", "errors"),
    (
        "prompting",
        "packing",
        "codec",
        "disk",
        "ownership",
        "tables",
        "source",
        "policy",
        "limits",
        "bootstrap",
        "switches",
    ),
    ("evidence", "records", "explore"),
    (
        "llm",
        "sandbox",
        "workspace",
        "report",
        "dataset",
        "selfplay",
        "recorded",
        "checks",
        "project",
        "plan",
        "diagnosis",
        "knowledge",
    ),
    ("acceptance",),
    ("judge",),
    ("search", "calibrate", "nightly"),
)
"""Rooms from the ground up: a room imports its own level's or a lower one's."""

LLM_LEVELS = (
    ("addresses", "calls", "deadlines", "endpoint"),
    ("profiles", "tape", "wire"),
    ("discovery", "routing"),
    ("client",),
    ("managed", "scheduling"),
    ("connect",),
)
"""The same inside the room of the model servers."""

SANDBOX_LEVELS = (
    ("files", "inside", "interpreter"),
    ("processes",),
    ("isolation",),
    ("cells", "jails"),
    ("testing",),
    ("oracle",),
    ("box",),
)
"""The same inside the sandbox."""

DOORS = {
    "httpx": ("nightshift/llm/", "nightshift/bootstrap.py"),
    "subprocess": (
        "nightshift/sandbox/",
        "nightshift/workspace",
        "nightshift/llm/managed/process.py",
        "nightshift/llm/managed/keeper.py",
        "nightshift/nightly/notify.py",
        "nightshift/nightly/processes.py",
        "nightshift/nightly/schedule.py",
        "nightshift/report/dashboard/processes.py",
        "doctor.py",
        "benchmark.py",
    ),
    "sqlite3": ("memory.py", "nightshift/calibrate/trials.py"),
    "argparse": (*(path.name for path in SCRIPTS), "nightshift/report/dashboard/__main__.py"),
    "pytest": ("nightshift/sandbox/",),
}


def imports(path: Path) -> set[str]:
    """What a file imports: modules, and the names in them, which may be modules too."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    plain = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    froms = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module and not node.level]
    names = {f"{node.module}.{alias.name}" for node in froms for alias in node.names}
    return plain | {str(node.module) for node in froms} | names


def rooms(path: Path) -> set[str]:
    """The rooms of the package that a file imports."""
    return {name.split(".")[1] for name in imports(path) if name.startswith("nightshift.")}


def room_of(path: Path, house: str = "nightshift") -> str:
    return path.relative_to(ROOT / house).parts[0].removesuffix(".py")


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def level(room: str, levels: tuple[tuple[str, ...], ...] = LEVELS) -> int:
    return next(number for number, names in enumerate(levels) if room in names)


@pytest.mark.parametrize("path", PACKAGE, ids=name_of)
def test_the_package_never_imports_a_script(path: Path) -> None:
    scripts = {script.stem for script in SCRIPTS}
    assert not {name.split(".")[0] for name in imports(path)} & scripts


@pytest.mark.parametrize(
    "path", [p for p in PACKAGE if p.name != "__init__.py" or room_of(p) != "__init__"], ids=name_of
)
def test_imports_inside_the_package_point_down(path: Path) -> None:
    if room_of(path) == "__init__":
        return
    above = {room for room in rooms(path) if level(room) > level(room_of(path))}
    assert not above, f"{name_of(path)} imports {above}, which stand above it"


@pytest.mark.parametrize(
    ("path", "house", "levels"),
    [
        (path, house, levels)
        for house, levels in (("nightshift/llm", LLM_LEVELS), ("nightshift/sandbox", SANDBOX_LEVELS))
        for path in sorted((ROOT / house).rglob("[!_]*.py"))
    ],
    ids=lambda value: name_of(value) if isinstance(value, Path) else "",
)
def test_imports_inside_a_large_room_point_down(path: Path, house: str, levels: tuple[tuple[str, ...], ...]) -> None:
    prefix = house.replace("/", ".") + "."
    inside = {name.removeprefix(prefix).split(".")[0] for name in imports(path) if name.startswith(prefix)}
    above = {room for room in inside if level(room, levels) > level(room_of(path, house), levels)}
    assert not above, f"{name_of(path)} imports {above}, which stand above it"


@pytest.mark.parametrize("path", sorted((ROOT / "nightshift/sandbox/inside").rglob("*.py")), ids=name_of)
def test_what_runs_in_a_jail_imports_nothing_else_of_ours(path: Path) -> None:
    """There is nothing else of ours in there."""
    depth = len(path.relative_to(ROOT / "nightshift/sandbox/inside").parts)
    tree = ast.parse(path.read_text(encoding="utf-8"))
    up = max((node.level for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)), default=0)
    assert not rooms(path)
    assert up <= depth


def test_no_import_cycle() -> None:
    edges = {
        name_of(p).removesuffix(".py").removesuffix("/__init__").replace("/", "."): imports(p)
        for p in (*PACKAGE, *SCRIPTS)
    }
    done: set[str] = set()

    def visit(module: str, above: tuple[str, ...]) -> None:
        assert module not in above, f"cycle: {' -> '.join((*above, module))}"
        if module in done:
            return
        for other in edges[module] & edges.keys():
            visit(other, (*above, module))
        done.add(module)

    for module in edges:
        visit(module, ())


@pytest.mark.parametrize("path", [*PACKAGE, *SCRIPTS], ids=name_of)
def test_only_the_doors_touch_the_world(path: Path) -> None:
    for module, allowed in DOORS.items():
        if any(name.split(".")[0] == module for name in imports(path)):
            assert name_of(path).startswith(allowed), f"{name_of(path)} imports {module}"


def test_no_module_hides_the_standard_library() -> None:
    """In a flat layout a top-level queue.py or types.py breaks the standard library itself."""
    names = {path.stem for path in SCRIPTS} | {"nightshift"}
    assert not names & sys.stdlib_module_names


def test_nothing_depends_on_what_is_not_declared() -> None:
    own = {path.stem for path in SCRIPTS} | {"nightshift"}
    allowed = own | set(sys.stdlib_module_names) | {"httpx", "pytest", "_pytest", "benchmarks"}
    for path in (*PACKAGE, *SCRIPTS):
        foreign = {name.split(".")[0] for name in imports(path)} - allowed
        assert not foreign, f"{name_of(path)} imports {foreign}"


def test_every_prompt_is_used_and_every_used_prompt_exists() -> None:
    """A dead template misleads; a missing one crashes at night."""
    used = set(re.findall(r'Prompt\(\s*"(\w+)"', (ROOT / "agents.py").read_text()))
    used |= set(re.findall(r'"(repairer\w*)" if long else "(repairer\w*)"', (ROOT / "agents.py").read_text())[0])
    assert used == {path.stem for path in (ROOT / "prompts").glob("*.md")}


@pytest.mark.parametrize("path", SCRIPTS, ids=name_of)
def test_every_program_explains_itself(path: Path) -> None:
    """--help works from anywhere and shows an example; a module that is no program has no main."""
    if "run_program(" not in path.read_text(encoding="utf-8"):
        return
    done = subprocess.run(
        [sys.executable, str(path), "--help"],
        capture_output=True,
        text=True,
        cwd="/",
        timeout=30,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert f"python3 {path.name}" in done.stdout
