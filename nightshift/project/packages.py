"""Which packages a project and its tests need, as its own files say it: nothing of it is run to find out.

Requirements by address, path or version control are left out, and so is what lints, builds, measures or documents.
"""

from __future__ import annotations

import ast
import configparser
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from nightshift.project.commands import nox_installs, tox_deps
from nightshift.project.markers import holds
from nightshift.project.settings import ASIDE, read_toml, table
from nightshift.sandbox.interpreter.requirements import REQUIREMENT, normal

TESTING = (
    frozenset({"test", "tests", "testing", "pytest", "unittest", "test-requires"}),
    frozenset({"dev", "development", "all"}),
)
"""Names of extras and groups: those of the first row that has one of them are taken, for the second holds far more."""
ALWAYS = ("requirements.txt", "requirements/base.txt", "requirements/requirements.txt", "requirements/base.in")
FILES = (
    ("requirements-test.txt", "requirements-tests.txt", "requirements_test.txt", "test-requirements.txt",
     "test_requirements.txt", "requirements/*test*.txt", "tests/requirements.txt", "requirements/*test*.in"),
    ("requirements-dev.txt", "dev-requirements.txt", "requirements_dev.txt", "requirements/dev*.txt"),
)  # fmt: skip
PROJECTS = frozenset({"pyproject.toml", "setup.cfg", "setup.py", "Pipfile"})
NOT_LOADED = frozenset({
    "pytest-xdist", "pytest-cov", "pytest-randomly", "pytest-random-order", "pytest-rerunfailures", "pytest-timeout",
    "pytest-sugar", "pytest-html", "pytest-benchmark", "pytest-forked", "pytest-parallel", "pytest-mypy", "pytest-ruff",
    "pytest-github-actions-annotate-failures", "pytest-pretty", "pytest-codspeed", "pytest-flake8", "pytest-black",
    "pytest-metadata", "pytest-icdiff", "pytest-instafail", "pytest-watch", "pytest-picked", "pytest-testmon",
})  # fmt: skip
"""Plugins that start processes, reorder, repeat or report: what a test does is the same without them."""
LEFT_OUT = frozenset({
    "pytest", "pluggy", "iniconfig", "packaging", "pygments",
    "tox", "nox", "pre-commit", "ruff", "black", "flake8", "isort", "mypy", "pyright", "pylint", "bandit",
    "coverage", "codecov", "build", "twine", "wheel", "setuptools", "pip", "pip-tools", "hatch", "hatchling", "flit",
    "poetry", "uv", "sphinx", "furo", "mkdocs", "mkdocs-material", "towncrier", "bump2version", "bumpversion",
    "commitizen",
    "ipython", "ipdb", "jupyter", "notebook", "autoflake", "pyupgrade", "interrogate", "codespell", "doc8",
    "check-manifest", "readme-renderer", "python", "tomli-w", "trio-typing", "pydocstyle", "vulture", "tox-uv",
})  # fmt: skip
OLDEST_PYTEST = 8
_LINE = re.compile(
    r"^(?P<plain>[A-Za-z0-9][\w.-]*\s*(?:\[[^\]]*\])?[^;#@]*?)\s*(?:;\s*(?P<marker>[^#]+?))?\s*(?:#.*)?$"
)


@dataclass(frozen=True, slots=True)
class Needs:
    wanted: tuple[str, ...] = ()
    """Plain requirements, sorted: names, extras, versions."""
    pinned: tuple[str, ...] = ()
    """The same with the versions of the lock file; equal when there is none."""
    left_out: tuple[str, ...] = ()
    """Lines that are no plain requirement."""


def needs_of(texts: Mapping[str, str]) -> Needs:
    """What the projects of a repository need together, its own distributions left out."""
    own = {normal(name) for path, text in texts.items() if (name := _name_in(path, text))}
    found: dict[str, str] = {}
    odd: dict[str, None] = {}
    for line in _lines(texts):
        plain, name = _plain(line)
        if not plain:
            odd |= {line: None} if name else {}
        elif name not in own | LEFT_OUT or _judging(plain):
            found.setdefault(name, plain)
    locked = _locked(texts)
    pinned = tuple(_pin(found[name], locked.get(name, "")) for name in sorted(found))
    return Needs(tuple(found[name] for name in sorted(found)), pinned, tuple(odd))


def _judging(plain: str) -> bool:
    """A pytest that the project insists on and that our reporters know; any other one is ours."""
    pinned = re.fullmatch(r"pytest==(\d+)\.[\d.]+", plain)
    return bool(pinned and int(pinned[1]) >= OLDEST_PYTEST)


def without_pytest(requirements: Iterable[str]) -> tuple[str, ...]:
    return tuple(each for each in requirements if not _judging(each))


def _lines(texts: Mapping[str, str]) -> Iterator[str]:
    files = [*ALWAYS, *next((row for row in FILES if any(_named(path, row) for path in texts)), ())]
    for path in sorted(texts, key=lambda path: (path.count("/"), path)):
        folder, _, base = path.rpartition("/")
        if base in PROJECTS and not ASIDE.isdisjoint(folder.split("/")):
            continue
        if base == "pyproject.toml":
            yield from _of_pyproject(read_toml(texts[path]))
        elif base == "setup.cfg":
            yield from _of_setup_cfg(texts[path])
        elif base == "setup.py":
            yield from _of_setup_py(texts[path])
        elif base == "Pipfile":
            yield from _of_pipfile(read_toml(texts[path]))
        elif _named(path, files):
            yield from _of_requirements(texts[path], folder, texts, {path})
    yield from tox_deps(texts)
    yield from nox_installs(texts)


def _named(path: str, patterns: Iterable[str]) -> bool:
    return any(fnmatchcase(path, pattern) for pattern in patterns)


def _testing(names: Iterable[str]) -> list[str]:
    """Those that are for testing; those for developing only where there are none."""
    known = [*names]
    rows = ([name for name in known if normal(name) in row] for row in TESTING)
    return next((row for row in rows if row), [])


def _plain(line: str) -> tuple[str, str]:
    """The requirement and its name; a name alone for one that cannot be taken, two empty texts for one not meant."""
    match = _LINE.match(line.strip())
    if not match:
        return "", "" if line.strip().startswith(("-", "#")) else line.strip()
    if match["marker"] and not holds(match["marker"]):
        return "", ""
    plain = re.sub(r"\s+|[()]", "", match["plain"]).split("--")[0]
    named = re.match(r"[A-Za-z0-9][\w.-]*?(?=[^\w.-]|$)", plain)
    name = normal(named[0]) if named else line
    return (plain if REQUIREMENT.fullmatch(plain) else ""), name


def _of_pyproject(data: dict[str, Any]) -> Iterator[str]:
    project = table(data, "project")
    yield from _texts(project.get("dependencies"))
    extras = table(project, "optional-dependencies")
    groups = table(data, "dependency-groups")
    for lines in (*(extras[name] for name in _testing(extras)), *(groups[name] for name in _testing(groups))):
        yield from _expanded(lines, extras, groups)
    poetry = table(data, "tool", "poetry")
    tables = [table(poetry, "dependencies"), table(poetry, "dev-dependencies")]
    tables += [table(poetry, "group", name, "dependencies") for name in _testing(table(poetry, "group"))]
    for each in tables:
        yield from (f"{name}{_poetry(wanted)}" for name, wanted in each.items() if _is_plain(wanted))
    yield from _texts(table(data, "tool", "uv").get("dev-dependencies"))
    pdm = table(data, "tool", "pdm", "dev-dependencies")
    yield from (line for name in _testing(pdm) for line in _texts(pdm[name]))


def _texts(lines: Any) -> list[str]:
    return [line for line in lines if isinstance(line, str)] if isinstance(lines, list) else []


def _expanded(lines: Any, extras: Mapping[str, Any], groups: Mapping[str, Any], depth: int = 5) -> Iterator[str]:
    """With the groups that a group includes, and the extras of the project itself in place of `name[extra]`."""
    for line in lines if isinstance(lines, list) and depth else ():
        if isinstance(line, dict):
            yield from _expanded(groups.get(str(line.get("include-group"))), extras, groups, depth - 1)
        elif isinstance(line, str):
            yield line
            for extra in re.findall(r"^[\w.-]+\s*\[([\w\s,.-]+)\]", line):
                for name in re.split(r"[\s,]+", extra):
                    yield from _expanded(extras.get(name), extras, groups, depth - 1)


def _is_plain(wanted: Any) -> bool:
    elsewhere = isinstance(wanted, dict) and wanted.keys() & {"git", "path", "url", "optional"}
    return isinstance(wanted, (str, dict)) and not elsewhere


def _poetry(wanted: Any) -> str:
    """`^1.2` and `~1.2` as plain versions."""
    text = str(wanted.get("version", "*") if isinstance(wanted, dict) else wanted).strip()
    numbers = re.fullmatch(r"([\^~])?(\d+(?:\.\d+)*)", text)
    if text in ("*", ""):
        return ""
    if not numbers:
        return text if text[0] in "<>=!" else ""
    parts = [int(part) for part in numbers[2].split(".")]
    if not numbers[1]:
        return f"=={numbers[2]}"
    first = next((i for i, part in enumerate(parts) if part), 0) if numbers[1] == "^" else min(1, len(parts) - 1)
    above = [*parts[:first], parts[first] + 1]
    return f">={numbers[2]},<{'.'.join(map(str, above))}"


def _of_setup_cfg(text: str) -> Iterator[str]:
    parser = configparser.RawConfigParser(strict=False)
    try:
        parser.read_string(text)
    except configparser.Error:
        return
    for name in ("install_requires", "tests_require"):
        yield from parser.get("options", name, fallback="").splitlines()
    extras = dict(parser.items("options.extras_require")) if parser.has_section("options.extras_require") else {}
    for name in _testing(extras):
        yield from extras[name].splitlines()


def _of_setup_py(text: str) -> Iterator[str]:
    """The literal lists of its call, and those of names that are bound to one list alone."""
    try:
        module = ast.parse(text)
    except SyntaxError:
        return
    assigns = [node for node in ast.walk(module) if isinstance(node, ast.Assign)]
    bound = {target.id: node.value for node in assigns for target in node.targets if isinstance(target, ast.Name)}
    for node in ast.walk(module):
        if not isinstance(node, ast.keyword):
            continue
        value = bound.get(node.value.id, node.value) if isinstance(node.value, ast.Name) else node.value
        if node.arg in ("install_requires", "tests_require"):
            yield from _strings(value)
        if node.arg == "extras_require" and isinstance(value, ast.Dict):
            extras = {str(ast.literal_eval(k)): v for k, v in zip(value.keys, value.values, strict=True)
                      if isinstance(k, ast.Constant)}  # fmt: skip
            for name in _testing(extras):
                yield from _strings(extras[name])


def _strings(node: ast.expr) -> list[str]:
    elements = node.elts if isinstance(node, (ast.List, ast.Tuple)) else []
    return [str(e.value) for e in elements if isinstance(e, ast.Constant)]


def _of_pipfile(data: dict[str, Any]) -> Iterator[str]:
    for name in ("packages", "dev-packages"):
        for package, wanted in table(data, name).items():
            if _is_plain(wanted):
                yield f"{package}{_poetry(wanted)}"


def _of_requirements(text: str, folder: str, texts: Mapping[str, str], seen: set[str]) -> Iterator[str]:
    for line in text.replace("\\\n", " ").splitlines():
        if other := re.match(r"\s*(?:-r|--requirement)[=\s]+(\S+)", line):
            path = "/".join(filter(None, [folder, other[1].removeprefix("./")]))
            if path in texts and path not in seen:
                yield from _of_requirements(texts[path], path.rpartition("/")[0], texts, seen | {path})
        elif line.strip() and not line.lstrip().startswith(("#", "-")):
            yield line.split(" #")[0].strip()


def _name_in(path: str, text: str) -> str:
    base = path.rpartition("/")[2]
    if base == "pyproject.toml":
        data = read_toml(text)
        return str(table(data, "project").get("name") or table(data, "tool", "poetry").get("name") or "")
    if base in ("setup.py", "setup.cfg"):
        found = re.search(r"^\s*name\s*=\s*['\"]?([\w.-]+)", text, re.M)
        return found[1] if found else ""
    return ""


# What a lock file settled.


def _locked(texts: Mapping[str, str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for name in ("uv.lock", "poetry.lock", "pdm.lock", "pylock.toml"):
        data = read_toml(texts.get(name, ""))
        found |= _versions(data.get("package") or data.get("packages") or ())
    try:
        pipfile = json.loads(texts.get("Pipfile.lock", "{}"))
    except ValueError:
        pipfile = {}
    for section in ("default", "develop"):
        known = {n: v for n, v in table(pipfile, section).items() if isinstance(v, dict) and "version" in v}
        found |= {normal(name): str(settled["version"]).lstrip("=") for name, settled in known.items()}
    return found


def _versions(packages: Iterable[Any]) -> dict[str, str]:
    known = [p for p in packages if isinstance(p, dict) and isinstance(p.get("name"), str) and p.get("version")]
    return {normal(p["name"]): str(p["version"]) for p in known}


def _pin(requirement: str, version: str) -> str:
    named = re.match(r"[\w.-]+?(?:\[[^\]]*\])?(?=[<>=!~]|$)", requirement)
    return f"{named[0]}=={version}" if named and re.fullmatch(r"[\w.+!]+", version) else requirement
