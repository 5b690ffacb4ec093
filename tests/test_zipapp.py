"""nightshift.pyz: one file that runs on any Python with pytest, and leaves nothing half-made in the cache."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from concurrent.futures import ThreadPoolExecutor
from importlib import metadata
from pathlib import Path

import pytest
from runs import ROOT

BUILD = ROOT / "tools" / "zipapp_build.py"
JUDGE = ("pytest", "pluggy", "iniconfig", "packaging", "pygments")


@pytest.fixture(scope="module")
def pyz(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("pyz") / "nightshift.pyz"
    subprocess.run([sys.executable, str(BUILD), str(target)], check=True, capture_output=True, timeout=60)
    return target


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An interpreter with nothing installed but pytest, and nothing of this environment."""
    place = tmp_path_factory.mktemp("bare")
    base = Path(sys.base_prefix) / "bin" / "python3"
    subprocess.run([str(base), "-I", "-m", "venv", "--without-pip", str(place)], check=True, timeout=60)
    site = next((place / "lib").glob("python3*/site-packages"))
    for name in JUDGE:
        for file in metadata.distribution(name).files or ():
            if ".." not in file.parts and "__pycache__" not in file.parts:
                (site / file).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(str(file.locate()), site / file)
    return place / "bin" / "python3"


def run(python: Path | str, pyz: Path, home: Path, *args: str, **extra: str) -> subprocess.CompletedProcess[str]:
    home.mkdir(exist_ok=True)
    env = {"HOME": str(home), "PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", **extra}
    return subprocess.run(
        [str(python), str(pyz), *args], capture_output=True, text=True, env=env, cwd=home, timeout=180, check=False
    )


def cached(home: Path) -> list[str]:
    return sorted(path.name for path in (home / ".cache" / "nightshift").iterdir())


def test_the_same_sources_make_the_same_file(pyz: Path, tmp_path: Path) -> None:
    again = tmp_path / "again.pyz"
    subprocess.run([sys.executable, str(BUILD), str(again)], check=True, capture_output=True, timeout=60)
    assert again.read_bytes() == pyz.read_bytes()


def test_it_holds_the_program_and_httpx_and_nothing_of_the_workshop(pyz: Path) -> None:
    names = zipfile.ZipFile(pyz).namelist()
    for name in (
        "orchestrator.py",
        "nightshift/domain.py",
        "prompts/planner.md",
        "demo/tape.jsonl",
        "httpx/__init__.py",
        "certifi/cacert.pem",
    ):
        assert f"app/{name}" in names
    assert not [
        name for name in names if name.startswith(("app/tests/", "app/.", "app/pytest/")) or "__pycache__" in name
    ]


@pytest.mark.parametrize(
    ("args", "usage"),
    [
        (["--help"], "usage: orchestrator.py"),
        (["nightly", "--help"], "usage: nightly.py"),
        (["doctor", "--help"], "usage: doctor.py"),
        (["trace_collector", "list", "--help"], "usage: trace_collector.py list"),
        (["dashboard", "--help"], "usage: python3 -m nightshift.report.dashboard"),
    ],
)
def test_every_program_is_in_it(pyz: Path, bare: Path, tmp_path: Path, args: list[str], usage: str) -> None:
    for name in ("nightshift.py", "runpy.py", "argparse.py"):
        (tmp_path / name).write_text("raise SystemExit('the file of the user was imported')")
    done = run(bare, pyz, tmp_path, *args)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(usage)


def test_a_misspelt_program_is_no_task(pyz: Path, bare: Path, tmp_path: Path) -> None:
    done = run(bare, pyz, tmp_path, "dashbord")
    assert done.returncode == 2
    assert "did you mean 'dashboard'?" in done.stderr


def test_it_is_unpacked_once_and_for_nobody_else(pyz: Path, tmp_path: Path) -> None:
    run(sys.executable, pyz, tmp_path, "--version")
    (name,) = cached(tmp_path)
    folder = tmp_path / ".cache" / "nightshift"
    before = (folder / name / "orchestrator.py").stat().st_ino
    assert folder.stat().st_mode & 0o777 == 0o700
    assert not [path for path in folder.rglob("*") if path.stat().st_mode & 0o022]
    assert run(sys.executable, pyz, tmp_path, "--version").stdout.startswith("nightshift ")
    assert (folder / name / "orchestrator.py").stat().st_ino == before


def test_several_that_start_at_once_find_one_whole_folder(pyz: Path, tmp_path: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        codes = [
            done.returncode for done in pool.map(lambda _: run(sys.executable, pyz, tmp_path, "--version"), range(4))
        ]
    assert (codes, len(cached(tmp_path))) == ([0] * 4, 1)


@pytest.mark.parametrize("damage", ["gone", "cut", "a file in its place", "a link in its place"])
def test_a_damaged_folder_is_made_anew(pyz: Path, tmp_path: Path, damage: str) -> None:
    run(sys.executable, pyz, tmp_path, "--version")
    name = cached(tmp_path)[0]
    file = tmp_path / ".cache" / "nightshift" / name / "options.py"
    if damage in ("gone", "cut"):
        file.unlink() if damage == "gone" else file.write_text("")
    else:
        shutil.rmtree(file.parent)
        file.parent.write_text("") if "file" in damage else file.parent.symlink_to(tmp_path / "nowhere")
    assert run(sys.executable, pyz, tmp_path, "--version").returncode == 0
    assert file.stat().st_size > 1000


@pytest.mark.parametrize(
    "kind", ["writable by others", "replaceable by others", "a link", "a file", "no folder can be made"]
)
def test_a_cache_that_others_could_fill_is_refused(pyz: Path, tmp_path: Path, kind: str) -> None:
    base = tmp_path / "cache" / "nightshift"
    base.parent.mkdir()
    if kind == "writable by others":
        base.mkdir()
        base.chmod(0o777)
    elif kind == "replaceable by others":
        base.parent.chmod(0o777)
    elif kind == "a link":
        (tmp_path / "theirs").mkdir()
        base.symlink_to(tmp_path / "theirs")
    elif kind == "a file":
        base.write_text("")
    else:
        base.parent.rmdir()
        base.parent.write_text("")
    done = run(sys.executable, pyz, tmp_path, "--version", XDG_CACHE_HOME=str(base.parent))
    assert done.returncode == 2
    assert "XDG_CACHE_HOME" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_older_python_is_told_what_it_lacks() -> None:
    """The start has to parse there: the syntax of 3.8, which is what it was written in."""
    import ast

    ast.parse((ROOT / "tools" / "zipapp_main.py").read_text(), feature_version=(3, 8))


@pytest.mark.slow
def test_the_demo_runs_on_a_bare_python_in_an_empty_home(pyz: Path, bare: Path, tmp_path: Path) -> None:
    assert subprocess.run([str(bare), "-c", "import httpx"], capture_output=True, check=False).returncode != 0
    done = run(bare, pyz, tmp_path / "home", "--demo")
    assert done.returncode == 0, done.stderr
    assert "verdict  attempt 2: 5 of 5" in done.stderr
    assert "✓ passed" in done.stderr


@pytest.mark.slow
def test_a_night_in_the_file_starts_its_runs_from_the_file(pyz: Path, bare: Path, tmp_path: Path) -> None:
    """A run that nightly.py starts finds httpx too: with nobody to ask, it says so and not that something is missing."""
    queue = tmp_path / "queue"
    queue.mkdir()
    (queue / "one.md").write_text("Build a calculator.")
    done = run(
        bare, pyz, tmp_path / "home", "nightly", str(queue), "--retries", "0", "--endpoint", "http://127.0.0.1:9"
    )
    assert done.returncode == 3, done.stderr
    assert os.listdir(queue / "nights")
    assert "httpx" not in done.stderr
