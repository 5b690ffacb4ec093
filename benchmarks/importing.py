"""Task folders from exercises that others have published; no data set comes with Nightshift.

    benchmark.py import HumanEval.jsonl --to my-tasks      one JSON object a line: task_id, prompt, entry_point, test
    benchmark.py import mbpp.jsonl --to my-tasks           task_id, text or prompt, test_list (or assertions)
    benchmark.py import exercism/python/exercises/practice --to my-tasks     folders: instructions, stub, *_test.py

What was published may have been in a model's training data; such a result shows less than one on tasks of your own.
A solution that comes along becomes the reference, so that `benchmark.py check --tasks DIR` can prove the task.
"""

from __future__ import annotations

import argparse
import ast
import builtins
import json
import re
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nightshift.errors import ConfigError
from nightshift.report.text import counted


@dataclass(frozen=True, slots=True)
class Imported:
    name: str
    title: str
    files: Mapping[str, str]
    """Path in the task folder -> text."""
    facts: Mapping[str, Any] = field(default_factory=dict)
    """For task.toml."""


def import_tasks(argv: Sequence[str]) -> int:
    """Raises ConfigError, naming the line or folder, for what cannot be read; then nothing is written."""
    options = _parser().parse_args(argv)
    found = list(from_folder(options.source) if options.source.is_dir() else from_lines(options.source))
    if not found:
        raise ConfigError(f"{options.source}: no exercise was found there")
    for task in found:
        _write(task, options.to / task.name)
    print(f"{counted(len(found), 'task')} in {options.to}", file=sys.stderr)
    return 0


def from_lines(file: Path) -> Iterator[Imported]:
    """HumanEval's and MBPP's form: one JSON object a line."""
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file}: {error}") from error
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                yield _exercise(json.loads(line))
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                raise ConfigError(
                    f"{file}, line {number}: no exercise: {error!r}; wanted are task_id, prompt (or text) and test or "
                    "test_list"
                ) from error


def from_folder(folder: Path) -> Iterator[Imported]:
    """Exercism's form: a folder of exercises, or one exercise."""
    places = [folder] if _tests_of(folder) else sorted(path for path in folder.iterdir() if path.is_dir())
    for place in places:
        if tests := _tests_of(place):
            yield _folder(place, tests)


def _exercise(told: Mapping[str, Any]) -> Imported:
    prompt = str(told.get("prompt") or told["text"])
    code, tests = told.get("canonical_solution") or told.get("code") or "", told.get("test")
    listed = [str(each) for each in told.get("test_list") or told.get("assertions") or ()]
    name = f"01-{_slug(str(told['task_id']))}"
    if tests:
        entry = str(told["entry_point"])
        imports = f"from solution import *\nfrom solution import {entry}\n"
        hidden = f"{imports}\n{tests}\n\n\ndef test_all():\n    check({entry})\n"
        asked = f"Write the file `solution.py` with this function, complete:\n\n```python\n{prompt.rstrip()}\n```\n"
        solution = prompt + code if code else ""
        return _of(name, str(told["task_id"]), asked, {"test_acceptance.py": hidden}, solution)
    if not listed:
        raise KeyError("test_list")
    setup = str(told.get("test_setup_code") or "")
    bodies = "\n\n\n".join(f"def test_{n}():\n{_indented(text)}" for n, text in enumerate(listed, 1))
    function = _called(listed)
    hidden = f"from solution import *\nfrom solution import {function}\n{setup}\n\n\n{bodies}\n"
    asked = f"{prompt.rstrip()}\n\nWrite it in the file `solution.py`; the function is called `{function}`. "
    asked += f"For example: `{listed[0].removeprefix('assert ').strip()}`.\n"
    return _of(name, str(told["task_id"]), asked, {"test_acceptance.py": hidden}, str(code))


def _of(name: str, title: str, prompt: str, hidden: Mapping[str, str], solution: str) -> Imported:
    files = {"prompt.md": prompt, **{f"acceptance/{path}": text for path, text in hidden.items()}}
    return Imported(name, title, files | ({"reference/solution.py": solution} if solution else {}))


def _called(tests: Sequence[str]) -> str:
    """The function that most of the asserts call."""
    called = [node.func for text in tests for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call)]
    names = [function.id for function in called if isinstance(function, ast.Name) and function.id not in _BUILTIN]
    if not names:
        raise ValueError("its tests call no function by its name")
    return max(dict.fromkeys(names), key=names.count)


_BUILTIN = frozenset(dir(builtins))


def _tests_of(place: Path) -> list[Path]:
    return sorted([*place.glob("*_test.py"), *place.glob("test_*.py")])


def _folder(place: Path, tests: Sequence[Path]) -> Imported:
    docs = [place / ".docs" / name for name in ("introduction.md", "instructions.md", "instructions.append.md")]
    told = "\n\n".join(path.read_text(encoding="utf-8").strip() for path in docs if path.is_file())
    if not told:
        raise ConfigError(f"{place}: no .docs/instructions.md")
    solutions = {path.relative_to(place) for path in tests} | {Path(".meta")}
    stubs = [path for path in sorted(place.glob("*.py")) if path.relative_to(place) not in solutions]
    names = ", ".join(f"`{path.name}`" for path in stubs)
    prompt = f"{told}\n\nWrite it in {names}, in place of what stands there; keep the names and parameters.\n"
    hidden = {f"acceptance/{_test_name(path)}": path.read_text(encoding="utf-8") for path in tests}
    started = {f"start/{path.name}": path.read_text(encoding="utf-8") for path in stubs}
    example = place / ".meta" / "example.py"
    solved = {f"reference/{stubs[0].name}": example.read_text(encoding="utf-8")} if stubs and example.is_file() else {}
    return Imported(f"02-{_slug(place.name)}", place.name, {"prompt.md": prompt, **hidden, **started, **solved})


def _test_name(path: Path) -> str:
    return path.name if path.name.startswith("test_") else f"test_{path.name.removesuffix('_test.py')}.py"


def _write(task: Imported, place: Path) -> None:
    if place.exists() and not (place / "task.toml").is_file():
        raise ConfigError(f"{place} is there already and is no task: choose another --to")
    shutil.rmtree(place, ignore_errors=True)
    level = int(task.name.partition("-")[0])
    facts = {"title": task.title, "level": level, "minutes": 10, "calls": 60, "domain": "imported", **task.facts}
    told = "".join(f"{key} = {json.dumps(value)}\n" for key, value in facts.items())
    for path, text in {**task.files, "task.toml": told}.items():
        (place / path).parent.mkdir(parents=True, exist_ok=True)
        (place / path).write_text(text, encoding="utf-8")


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-") or "task"


def _indented(text: str) -> str:
    return "\n".join(f"    {line}" for line in text.splitlines())


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="benchmark.py import", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("source", type=Path, help="a JSONL file, or a folder of exercises")
    parser.add_argument("--to", type=Path, required=True, metavar="DIR", help="where the task folders are made")
    return parser
