"""The commands that `make test`, tox and nox would run, read and not run.

Recipes that compute (make variables, Python in a noxfile) are taken by their literal words; what is left open
makes a command that is not understood, and such a one only counts by its exit code, on the tree as it was first.
"""

from __future__ import annotations

import ast
import configparser
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from nightshift.project.settings import read_toml, split, table

TARGETS = ("test", "tests", "check", "unittest")
MAKEFILES = ("GNUmakefile", "makefile", "Makefile")
_PREFIXES = frozenset({"poetry", "uv", "pdm", "pipenv", "hatch", "run", "env", "exec", "time", "coverage"})
_NOT_TESTS = frozenset({
    "pip", "uv", "ruff", "mypy", "black", "flake8", "isort", "pylint", "pyright", "coverage", "pre-commit", "twine",
    "build", "sphinx-build", "codespell", "bandit", "echo", "mkdir", "rm", "cp", "cd", "true", "codecov", "towncrier",
    "npm", "yarn", "docker", "docker-compose", "go", "cargo", "git", "check-manifest", "doc8",
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class Command:
    """One line that tests the project. With a `runner` it is pytest's or unittest's, and we can do it ourselves."""

    text: str
    runner: str = ""
    paths: tuple[str, ...] = ()


def test_commands(texts: Mapping[str, str]) -> tuple[Command, ...]:
    """Of the top of the repository, the nearest to what its people type first."""
    lines = [*_of_make(texts), *_of_tox(texts), *_of_nox(texts)]
    found = [command for line in dict.fromkeys(lines) if (command := understood(line))]
    return tuple(found)


def doctest_command(options: Sequence[str]) -> tuple[Command, ...]:
    """The doctests that pytest's own options ask for: no test files hold them, so they count by their exit code."""
    wanted = [word for word in options if word.startswith(("--doctest-", "--ignore", "--import-mode"))]
    if not any(word.startswith(("--doctest-modules", "--doctest-glob")) for word in wanted):
        return ()
    alone = ("python3", "-m", "pytest", "-q", "-p", "no:cacheprovider", "-o", "addopts=", "-o", "python_files=")
    return (Command(shlex.join((*alone, *wanted))),)


def understood(line: str) -> Command | None:
    """None for what tests nothing: installing, linting, printing."""
    words = split(line)
    while words and (words[0].rpartition("/")[2] in _PREFIXES or "=" in words[0] or words[0].startswith("-")):
        words = words[1:]
    if not words:
        return None
    name = words[0].rpartition("/")[2]
    if re.fullmatch(r"python[\d.]*", name) and words[1:2] == ["-m"]:
        words, name = words[2:], (words[2:3] or [""])[0]
    if name in ("pytest", "py.test", "unittest"):
        return Command(line, "unittest" if name == "unittest" else "pytest", _paths(words[1:]))
    linting = name in _NOT_TESTS or (name == "make" and not {*words[1:]} & {*TARGETS})
    return None if linting or not name else Command(line)


def _paths(words: Sequence[str]) -> tuple[str, ...]:
    """The words that name files or folders; what stands behind an option may be its value or the first of them."""
    sure, perhaps = list[str](), list[str]()
    for before, word in zip(["", *words], words, strict=False):
        named = word.split("::")[0].removeprefix("./").rstrip("/")
        if not named or word.startswith("-") or not re.fullmatch(r"[\w./*-]+", named) or named == "discover":
            continue
        # A dotted name is a module of unittest's.
        place = named if "/" in named or named.endswith(".py") else named.partition(".")[0]
        plain = before in ("-s", "--start-directory", "") or not before.startswith("-")
        (sure if plain else perhaps).append(place)
    return (*sure, *perhaps) if sure else ()


def _of_make(texts: Mapping[str, str]) -> list[str]:
    text = next((texts[name] for name in MAKEFILES if name in texts), "")
    for target in TARGETS:
        if recipe := _recipe(text, target):
            needs, own = recipe
            # Tests may hang on what a target needs: `test: unit api`.
            first = [line for need in needs if (found := _recipe(text, need)) for line in found[1]]
            known = [*filter(understood_runner, first), *own]
            # A variable that stays unknown is make's to say.
            open_ = any("$" in line and not understood_runner(line) for line in known)
            return [f"make {target}"] if open_ or not any(map(understood, known)) else known
    return []


def _recipe(text: str, target: str) -> tuple[list[str], list[str]] | None:
    """What a target needs, and its lines."""
    rule = rf"^{re.escape(target)}\s*:(?!=)([^\n#]*)[^\n]*\n((?:\t[^\n]*\n?|\s*\n)*)"
    found = re.search(rule, text + "\n\n", re.M)
    if not found:
        return None
    lines = [line.strip().lstrip("@-+ ") for line in found[2].replace("\\\n", " ").splitlines()]
    named = [re.sub(r"\$[({]\w*PY(?:THON)?\w*[)}]", "python3", line) for line in lines if line]
    return found[1].split(), named


def understood_runner(line: str) -> bool:
    command = understood(re.sub(r"\$[({]\w+[)}]/?", "", line))
    return bool(command and command.runner)


def _of_tox(texts: Mapping[str, str]) -> list[str]:
    legacy = table(read_toml(texts.get("pyproject.toml", "")), "tool", "tox")
    parser = _ini(str(legacy.get("legacy_tox_ini") or texts.get("tox.ini", "")))
    sections = [name for name in parser.sections() if name.startswith("testenv")]
    first = [name for name in ("testenv", "testenv:py", "testenv:test", "testenv:tests") if name in sections]
    named = [line for name in first[:1] for line in parser.get(name, "commands", fallback="").splitlines()]
    native = table(legacy, "env_run_base").get("commands", [])
    named += [" ".join(map(str, words)) for words in native if isinstance(words, list)]
    return [known for line in named if (known := _without_braces(line))]


def tox_deps(texts: Mapping[str, str]) -> list[str]:
    legacy = table(read_toml(texts.get("pyproject.toml", "")), "tool", "tox")
    parser = _ini(str(legacy.get("legacy_tox_ini") or texts.get("tox.ini", "")))
    found = parser.get("testenv", "deps", fallback="").splitlines() if parser.has_section("testenv") else []
    found += [str(each) for each in table(legacy, "env_run_base").get("deps", []) if isinstance(each, str)]
    return [line.split(": ", 1)[-1].strip() for line in found if line.strip() and "{" not in line]


def _without_braces(line: str) -> str:
    """With tox's own substitutions in place: defaults of posargs, the interpreter, its folders."""
    line = re.sub(r"\{posargs:([^{}]*)\}", r"\1", line.strip())
    known = {"{posargs}": "", "{envpython}": "python3", "{toxinidir}/": "", "{tox_root}/": "", "[]": ""}
    for what, instead in known.items():
        line = line.replace(what, instead)
    return re.sub(r"\{[^{}]*\}", "", line).lstrip("-! ").strip()


def _ini(text: str) -> configparser.RawConfigParser:
    parser = configparser.RawConfigParser(strict=False, allow_no_value=True)
    try:
        parser.read_string(text)
    except configparser.Error:
        parser.clear()
    return parser


def _of_nox(texts: Mapping[str, str]) -> list[str]:
    return [" ".join(words) for words in _session_calls(texts, "run", "run_always")]


def nox_installs(texts: Mapping[str, str]) -> list[str]:
    return [word for words in _session_calls(texts, "install") for word in words if not word.startswith(("-", "."))]


def _session_calls(texts: Mapping[str, str], *methods: str) -> Iterator[list[str]]:
    """The literal arguments of `session.run(...)` in the sessions whose name speaks of tests."""
    try:
        module = ast.parse(texts.get("noxfile.py", ""))
    except SyntaxError:
        return
    for session in module.body:
        if not (isinstance(session, ast.FunctionDef) and "test" in session.name):
            continue
        for call in ast.walk(session):
            if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr in methods:
                words = [str(a.value) for a in call.args if isinstance(a, ast.Constant)]
                if words:
                    yield words
