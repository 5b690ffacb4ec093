"""How a repository's tests are run: which files, in which project of it, with which settings.

Read from the texts alone and for any tree, so that a changed configuration is followed where it may be changed.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from functools import lru_cache
from pathlib import PurePosixPath

from nightshift.domain import Tree
from nightshift.project.commands import Command, doctest_command, test_commands
from nightshift.project.settings import ASIDE, INI, Settings, ini_text, inside, safe, settings_in, split

MARKERS = ("pyproject.toml", "setup.py", "setup.cfg")
"""What makes a folder a project of its own."""
STEERING = frozenset({*MARKERS, "pytest.ini", ".pytest.ini", "tox.ini", "noxfile.py", "Makefile", "makefile",
                      "GNUmakefile"})  # fmt: skip
PLUGIN = "nightshift_project"
PLUGIN_TEXT = """import os

os.environ["PYTHONPATH"] = os.pathsep.join(map(os.path.abspath, {roots!r}))
os.chdir({folder!r})
"""
"""Lets programs that tests start find the project as if it were installed, and tests start in its own folder."""
NAMES = ("test_*.py", "*_test.py")
SKIPPED = ("*.egg", ".*", "_darcs", "build", "CVS", "dist", "node_modules", "venv", "{arch}", "site-packages")
_UNITTEST = re.compile(r"^\s*class\s+\w+\(.*TestCase\b|^\s*(?:import|from)\s+unittest\b", re.M)


@dataclass(frozen=True, slots=True)
class Suite:
    """Tests that run together: those of one project of the repository."""

    folder: str
    """Of the project; empty for the top."""
    settings: Settings
    overlay: tuple[tuple[str, str], ...]
    """Files to lay over the tree while these tests run; with none their own settings do."""
    roots: tuple[str, ...]
    """Folders of the repository that imports start from, besides its top and `src`."""

    def holds(self, path: str) -> bool:
        return not self.folder or path.startswith(self.folder + "/")


@dataclass(frozen=True, slots=True)
class Project:
    suites: tuple[Suite, ...]
    """The innermost folder first."""
    commands: tuple[Command, ...] = ()

    def suite_of(self, node: str) -> Suite:
        return next(suite for suite in self.suites if suite.holds(node))

    @property
    def places(self) -> list[str]:
        """Where the commands look; empty when one of them does not say: tests that are left out notice nothing."""
        said = [command.paths for command in self.commands]
        return [path for paths in said for path in paths] if all(said) else []

    @property
    def unknown_commands(self) -> tuple[str, ...]:
        """Those that are neither pytest nor unittest: they count by their exit code."""
        return tuple(command.text for command in self.commands if not command.runner)


def read_project(tree: Tree, plugins: Sequence[str] = ()) -> Project:
    """How the tests of this tree are run with these plugins of pytest at hand."""
    steering = tuple((path, tree.texts[path]) for path in sorted(tree.texts) if _steers(path))
    sources = frozenset(f for path in tree.texts if path.endswith(".py") for f in _src_folders(path))
    return _read(steering, sources, tuple(plugins))


def _steers(path: str) -> bool:
    return path.rpartition("/")[2] in STEERING


def _src_folders(path: str) -> list[str]:
    parts = path.split("/")
    return ["/".join(parts[: index + 1]) for index, part in enumerate(parts[:-1]) if part == "src"]


@lru_cache(maxsize=8)
def _read(steering: tuple[tuple[str, str], ...], sources: frozenset[str], plugins: tuple[str, ...]) -> Project:
    texts = dict(steering)
    projects = sorted({path.rpartition("/")[0] for path in texts if path.rpartition("/")[2] in MARKERS})
    configured = {folder for folder in _folders(texts) if settings_in(texts, folder).place}
    # Where the top says how to run tests, it does so for all that do not say it themselves.
    apart = configured if "" in configured else {*configured, *projects}
    folders = {"", *(folder for folder in apart if ASIDE.isdisjoint(folder.split("/")))}
    nested = [folder for folder in projects if folder and ASIDE.isdisjoint(folder.split("/"))]
    suites = [_suite(texts, folder, nested, sources, plugins) for folder in folders]
    commands = (*test_commands(texts), *doctest_command(settings_in(texts, "").options))
    return Project(tuple(sorted(suites, key=lambda s: (-len(s.folder), s.folder))), commands)


def _folders(texts: Mapping[str, str]) -> set[str]:
    return {path.rpartition("/")[0] for path in texts}


def _suite(
    texts: Mapping[str, str], folder: str, nested: Sequence[str], sources: Collection[str], plugins: Sequence[str]
) -> Suite:
    settings = settings_in(texts, folder)
    own = [inside(folder, path) for path in settings.words("pythonpath")]
    projects = sorted(nested, key=lambda other: (not (folder and f"{other}/".startswith(f"{folder}/")), other))
    imports = [root for project in ("", *projects) for root in _import_roots(texts, project, sources)]
    roots = tuple(dict.fromkeys(_tidy(root) for root in (*own, *imports)))
    foreign = [root for root in roots if root not in ("", "src")]
    overlay = {}
    installed = [*(["src"] if "src" in sources else []), *foreign]
    if folder or installed or plugins or _bent(settings, plugins):
        below = [_from(folder, root) for root in (*([folder] if folder else []), *installed)]
        paths = dict.fromkeys([*settings.words("pythonpath"), *below])
        overlay[INI] = "[pytest]\n"  # seen at the top, it keeps a session from being started before this one is read
        overlay[inside(folder, INI)] = ini_text(settings, tuple(paths), [PLUGIN, *plugins])
        overlay[f"{PLUGIN}.py"] = PLUGIN_TEXT.format(folder=folder or ".", roots=installed)
    return Suite(folder, settings, tuple(overlay.items()), tuple(foreign))


def _tidy(path: str) -> str:
    parts: list[str] = []
    for part in path.split("/"):
        if part == "..":
            parts = parts[:-1]
        elif part not in ("", "."):
            parts.append(part)
    return "/".join(parts)


def _from(folder: str, path: str) -> str:
    """A path of the repository as seen from one of its folders: pytest reads it from where its settings stand."""
    up = "../" * len(PurePosixPath(folder).parts) if folder else ""
    return f"{up}{path}" if path else up or "."


def _bent(settings: Settings, plugins: Sequence[str]) -> bool:
    return safe(settings.options, plugins) != settings.options or bool(
        settings.get("required_plugins") or settings.get("minversion")
    )


def _import_roots(texts: Mapping[str, str], project: str, sources: Collection[str]) -> list[str]:
    """Where the packages of one project lie: as it says itself, or in `src`, or beside its settings."""
    said = _package_folders(texts, project)
    usual = [inside(project, "src")] if inside(project, "src") in sources else []
    return [*(inside(project, folder) for folder in said), *usual, *([project] if project else [])]


def _package_folders(texts: Mapping[str, str], project: str) -> list[str]:
    """`where` of setuptools, `from` of poetry, `package_dir`: the literal ones."""
    text = "\n".join(texts.get(inside(project, name), "") for name in MARKERS)
    patterns = (
        r"^where\s*=\s*\[?\s*['\"]?([\w./-]+)",
        r"package[_-]dir\s*=\s*\n?\s*\{?\s*['\"]{0,2}\s*[=:]\s*['\"]?([\w./-]+)",
        r"\bfrom\s*=\s*['\"]([\w./-]+)['\"]", r"find(?:_namespace)?_packages\(\s*(?:where\s*=\s*)?['\"]([\w./-]+)",
    )  # fmt: skip
    return [_tidy(found) for pattern in patterns for found in re.findall(pattern, text, re.M)]


# Which files hold tests.


def test_files(tree: Tree, project: Project) -> tuple[str, ...]:
    """The files that the project's own way of testing would collect, and unittest's where it is used."""
    found = [path for path in sorted(tree.texts) if path.endswith(".py") and not _skipped(path)]
    tests = tuple(path for path in found if _is_tested(path, tree.texts[path], project))
    # Commands that name no place where tests are have been misread.
    return tests if tests or not project.places else test_files(tree, replace(project, commands=()))


def support_files(tree: Tree, tests: Sequence[str], task: str) -> frozenset[str]:
    """What the user's tests judge with: helpers and data in their folders, but for what the task names."""
    homes = {home for test in tests if (home := _home_of_tests(test))}
    found = (path for path in tree.texts if any(path.startswith(f"{home}/") for home in homes))
    return frozenset(path for path in found if path not in task and path.rpartition("/")[2] not in task)


def _home_of_tests(path: str) -> str:
    """The outermost folder that by its name is one of tests; empty where tests lie among other files."""
    folders = path.split("/")[:-1]
    depth = next((depth for depth, name in enumerate(folders, 1) if name in ("test", "tests")), 0)
    return "/".join(folders[:depth])


def _skipped(path: str) -> bool:
    return any(fnmatchcase(part, pattern) for part in path.split("/")[:-1] for pattern in SKIPPED)


def _is_tested(path: str, text: str, project: Project) -> bool:
    suite = project.suite_of(path)
    name = path.rpartition("/")[2]
    patterns = suite.settings.words("python_files") or NAMES
    own = path.removeprefix(suite.folder + "/") if suite.folder else path
    named = any(fnmatchcase(own if "/" in p else name, p) for p in patterns)
    by_unittest = fnmatchcase(name, "test*.py") and bool(_UNITTEST.search(text)) and "TestCase" in text
    if not (named or by_unittest) or any(_below(own, ignored) for ignored in _ignored(suite.settings)):
        return False
    places = suite.settings.words("testpaths") or ([] if suite.folder else project.places)
    return not places or any(_below(own, place) for place in places)


def _below(path: str, place: str) -> bool:
    place = _tidy(place)
    folders = [path, *map(str, PurePosixPath(path).parents)]
    return not place or any(fnmatchcase(folder, place) for folder in folders)


def _ignored(settings: Settings) -> list[str]:
    joined = " ".join(settings.options)
    return [path for found in re.findall(r"--ignore(?:-glob)?[= ](\S+)", joined) if (path := _tidy(found))]


def words_of(commands: Sequence[str]) -> frozenset[str]:
    return frozenset(word.removeprefix("./") for command in commands for word in split(command))
