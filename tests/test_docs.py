"""The documentation is true: what is made from the code is up to date, links lead somewhere, commands run."""

from __future__ import annotations

import re
import runpy
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from config import load

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")])
COMMAND = re.compile(r"python3 (?:-m )?[\w./]+(?: [^`\n]*)?")
PROGRAMS = {path.name for path in ROOT.glob("*.py")}
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def fenced_or_quoted(text: str) -> list[str]:
    """The code of a page: blocks and what stands between backticks."""
    blocks = re.findall(r"^(?: {4}|```[a-z]*\n)(.*?)(?=\n```|\n\S|\Z)", text, re.MULTILINE | re.DOTALL)
    return [line.strip() for block in (*blocks, *re.findall(r"`([^`\n]+)`", text)) for line in block.splitlines()]


def commands() -> list[str]:
    found = (line for page in PAGES for line in fenced_or_quoted(page.read_text()))
    return sorted({line.split("  #")[0].strip().rstrip(";") for line in found if line.startswith("python3 ")})


def test_the_pages_made_from_the_code_are_up_to_date() -> None:
    pages = runpy.run_path(str(ROOT / "docs" / "generate.py"))["pages"]()
    stale = [name for name, text in pages.items() if (ROOT / "docs" / name).read_text() != text]
    assert not stale, "run: make docs"


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_link_leads_to_a_file_and_a_heading(page: Path) -> None:
    for target, _, anchor in re.findall(r"\]\((?!https?:)([^)#\s]*)(#?)([^)\s]*)\)", page.read_text()):
        place = page.parent / target if target else page
        assert place.exists(), f"{name_of(page)}: {target}"
        if anchor:
            headings = re.findall(r"^#+ (.*)$", place.read_text(), re.MULTILINE)
            slugs = [re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings]
            assert anchor in slugs, f"{name_of(page)}: {target}#{anchor}"


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_make_target_named_exists(page: Path) -> None:
    named = set(re.findall(r"`make ([a-z-]+)", page.read_text()))
    assert named <= TARGETS, named - TARGETS


@pytest.mark.parametrize("command", commands())
def test_every_program_and_option_named_exists(command: str) -> None:
    """Each command is asked for the options it uses; what only reads is really run by the test below."""
    program, *words = shlex.split(command.split(" | ")[0].split(" > ")[0])[1:]
    if program == "-m" or program not in PROGRAMS:
        return
    verbs = [word for word in words if word in VERBS.get(program, ())][:1]
    told = help_of(program, *verbs)
    options = [word.partition("=")[0] for word in words if word.startswith("--") and word != "--"]
    missing = [option for option in options if not re.search(rf"(?<![\w-]){option}(?![\w-])", told)]
    assert not missing, f"{command}: no such option {missing}"


VERBS = {
    "trace_collector.py": {
        "list",
        "show",
        "stats",
        "grep",
        "diff",
        "tail",
        "export",
        "validate",
        "merge",
        "filter",
        "prune",
        "train",
    },
    "librarian.py": {"curate", "watch", "search", "list", "add", "forget", "export", "import"},
    "benchmark.py": {"check", "report", "import"},
}
_HELP: dict[tuple[str, ...], str] = {}


def help_of(program: str, *verbs: str) -> str:
    """With what every run of the orchestrator takes, for the programs that hand options on to it."""
    key = (program, *verbs)
    if key not in _HELP:
        done = subprocess.run(
            [sys.executable, str(ROOT / program), *verbs, "--help"], capture_output=True, text=True, check=False
        )
        _HELP[key] = done.stdout
    more = help_of("orchestrator.py") if program == "nightly.py" else ""
    return _HELP[key] + more


SETTINGS = [
    pytest.param(text, id=f"{page.name}-{number}")
    for page in PAGES
    for number, text in enumerate(re.findall(r"^```toml\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL))
]


@pytest.mark.parametrize("text", SETTINGS)
def test_every_example_of_settings_is_accepted(text: str, tmp_path: Path) -> None:
    """As the user's own file, or as the head of a task in a queue."""
    file = tmp_path / "nightshift.toml"
    file.write_text(text)
    assert load({}, {"HOME": str(tmp_path)}, explicit_file=file)


READING = (
    "orchestrator.py --demo", "trace_collector.py list", "trace_collector.py show", "trace_collector.py show --prompts",
    "trace_collector.py stats", "trace_collector.py grep discount", "trace_collector.py prune", "librarian.py list",
)  # fmt: skip


@pytest.mark.slow
def test_the_commands_of_the_tutorial_work_on_the_demo(tmp_path: Path) -> None:
    env = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "NO_COLOR": "1"}
    for command in READING:
        program, *words = shlex.split(command)
        done = subprocess.run(
            [sys.executable, str(ROOT / program), *words, *(("--workspace", str(tmp_path / "work")) if program != "librarian.py" else ())],
            env=env, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        assert done.returncode == 0, (command, done.stderr[-2000:])
