"""What is there before the work begins, seen without a model: files, signatures, how tests are run, house rules.

A small project is shown whole. Of a large one a map is drawn within a budget: its folders, and the signatures of the
files that the task is most likely about (see `nightshift.source.ranking`). Nothing is promised about the rest, which a
model may ask for by name.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from nightshift.domain import Tree
from nightshift.prompting import fenced, head
from nightshift.source.facts import facts_or_nothing
from nightshift.source.ranking import ranked, words_of
from nightshift.source.shapes import Class, Function, Interface, Variable, render
from nightshift.source.style import style_of

GUIDE = "AGENTS.md"
GUIDE_CHARS = 4000
"""A human-written guide helps when short; measured: +4 % for human ones, -0.5 to -3 % for generated ones."""
TREE_FILES = 200
FOLDERS = 60
SIGNATURE_CHARS = 10_000
SMALL_CHARS = 400_000
"""Python of a project whose signatures are all read."""
SHOWN_FILES = 40
_TESTING = frozenset({"test", "tests", "testing", "tests.py", "conftest.py"})
"""Folders and files whose signatures say nothing of the program."""
SHARE = 5
"""No file gets more than one of so many parts of the map."""


@dataclass(frozen=True, slots=True)
class Overview:
    text: str
    python_files: tuple[str, ...]
    test_files: tuple[str, ...]


def overview(tree: Tree, git: str, task: str = "", *, recent: Sequence[str] = (), evidence: str = "") -> Overview:
    """`recent` are the files of the newest commits, the newest first; `evidence` holds tracebacks of what fails."""
    python = tuple(sorted(path for path in tree.texts if path.endswith(".py")))
    tests = tuple(path for path in python if is_test(path))
    if not tree.texts:
        return Overview(f"An empty directory. {git}", (), ())
    tested = frozenset(tests)
    sources = [path for path in python if path not in tested and not _TESTING.intersection(path.split("/"))] or [
        *python
    ]
    small = _whole(tree, sources)
    order = {} if small is not None else ranked(tree.texts, task, recent=recent, evidence=evidence)
    sections = [
        f"{git}\n\n{_files(tree, [*order])}",
        _how_tests_run(tree, tests),
        _guide(tree),
        style_of(tree.texts).sentence,
        small if small is not None else _map(tree, sources, order, words_of(f"{task}\n{evidence}")),
    ]
    return Overview("\n\n".join(section for section in sections if section), python, tests)


def is_test(path: str) -> bool:
    name = PurePosixPath(path).name
    return name.endswith(".py") and (name.startswith("test_") or name.endswith("_test.py"))


def _files(tree: Tree, order: Sequence[str]) -> str:
    """All paths; of many the folders, and the files the task is about, tests and documents too."""
    paths = sorted(tree.texts)
    if len(paths) <= TREE_FILES:
        return "Files:\n" + "\n".join(paths)
    near = "\n".join(order[:SHOWN_FILES])
    told = f"{len(paths)} files, in these folders:\n{_folders(paths)}"
    return f"{told}\n\nNearest to the task:\n{near}" if near else told


def _folders(paths: Sequence[str]) -> str:
    """The folders with their numbers of files, as deep as fits on `FOLDERS` lines."""
    levels = [Counter(_top(path, depth) for path in paths) for depth in (1, 2, 3)]
    fitting = [level for level in levels if len(level) <= FOLDERS] or levels[:1]
    rest = len(fitting[-1]) - FOLDERS
    lines = [f"{folder} ({number})" for folder, number in sorted(fitting[-1].items())[:FOLDERS]]
    return "\n".join(lines) + (f"\n(and {rest} more)" if rest > 0 else "")


def _top(path: str, depth: int) -> str:
    folders = path.split("/")[:-1][:depth]
    return "/".join(folders) + "/" if folders else "./"


def _how_tests_run(tree: Tree, tests: tuple[str, ...]) -> str:
    configs = [
        path for path in ("pytest.ini", "pyproject.toml", "setup.cfg", "tox.ini", "Makefile") if path in tree.texts
    ]
    if not tests:
        return "There are no tests yet; they will be run with pytest from the root directory."
    named = f"; configuration in {', '.join(configs)}" if configs else ""
    return f"{len(tests)} test files, run with pytest from the root directory{named}."


def _guide(tree: Tree) -> str:
    text = tree.texts.get(GUIDE, "")
    return f"{GUIDE}, written by the project's people:\n{head(text, GUIDE_CHARS)}" if text else ""


def _whole(tree: Tree, sources: Sequence[str]) -> str | None:
    """Every signature; None when that would be too much. A file that does not parse has none."""
    if sum(len(tree.texts[path]) for path in sources) > SMALL_CHARS:
        return None
    found = ((path, render(facts_or_nothing(tree.texts[path]).interface)) for path in sources)
    text = "\n\n".join(f"{path}\n{fenced(shown)}" for path, shown in found if shown)
    return text if len(text) <= SIGNATURE_CHARS else None


def _map(tree: Tree, sources: Sequence[str], order: dict[str, float], words: Sequence[str]) -> str:
    """Signatures of the files nearest to the task, as many as fit."""
    own, room = frozenset(sources), SIGNATURE_CHARS
    parts: list[str] = []
    for path in [*(path for path in order if path in own), *(path for path in sources if path not in order)]:
        shown = _nearest(facts_or_nothing(tree.texts[path]).interface, words, min(room, SIGNATURE_CHARS // SHARE))
        part = f"{path}\n{fenced(shown)}" if shown else ""
        if len(part) > room or len(parts) >= SHOWN_FILES:
            break
        parts += [part] if part else []
        room -= len(part)
    rest = len(own) - len(parts)
    return "\n\n".join(parts) + (f"\n\n({rest} more Python files are not shown)" if rest > 0 else "")


def _nearest(interface: Interface, words: Sequence[str], limit: int) -> str:
    """The whole interface, or of a long one what the task's words speak of, in its order, and the names of the rest."""
    whole = render(interface)
    if len(whole) <= limit:
        return whole
    items = [*interface.definitions.values()]
    kept: set[str] = set()
    for item in sorted(items, key=lambda item: -_spoken_of(item, words)):
        shown = render(_only(interface, {*kept, item.name}))
        if len(shown) > limit * 3 // 4:
            break
        kept.add(item.name)
    left = ", ".join(item.name for item in items if item.name not in kept)
    named = left if len(left) <= limit // 4 else left[: limit // 4].rpartition(",")[0] + " ..."
    return f"{render(_only(interface, kept))}# and {named}\n"


def _spoken_of(item: Function | Class | Variable, words: Sequence[str]) -> int:
    names = [item.name, *(method.name for method in item.methods)] if isinstance(item, Class) else [item.name]
    return 3 * sum(word in item.name.lower() for word in words) + sum(word in " ".join(names).lower() for word in words)


def _only(interface: Interface, names: set[str]) -> Interface:
    return Interface(
        tuple(f for f in interface.functions if f.name in names),
        tuple(c for c in interface.classes if c.name in names),
        tuple(v for v in interface.constants if v.name in names),
    )
