"""The packages a project's code runs with: its own virtual environment where that works, else one prepared once.

Only wheels are installed, from the user's own index; a project that must be compiled first is not built here. What
could not be had is said, and the work goes on with what is importable.
"""

from __future__ import annotations

import configparser
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from nightshift.domain import Environment
from nightshift.project.packages import NOT_LOADED, Needs, needs_of, without_pytest
from nightshift.sandbox.interpreter.environment import EnvironmentUnavailable, Installer, importable, prepare
from nightshift.sandbox.interpreter.installed import site_packages
from nightshift.sandbox.interpreter.requirements import RequirementRefused, normal

FOLDERS = (".venv", "venv", "env", ".env")
NAMED = 5


@dataclass(frozen=True, slots=True)
class Found:
    environment: Environment
    plugins: tuple[str, ...] = ()
    """pytest's, by the names it loads them under."""
    notes: tuple[str, ...] = ()


def own_environments(workspace: Path, environ: Mapping[str, str]) -> Iterator[Environment]:
    """The virtual environments that are the project's: the active one when it is not ours, those that lie in it."""
    active = environ.get("VIRTUAL_ENV", "")
    places = [*([Path(active)] if active else []), *(workspace / name for name in FOLDERS)]
    for place in dict.fromkeys(path.resolve() for path in places):
        python = place / "bin" / "python"
        if (place / "pyvenv.cfg").is_file() and os.access(python, os.X_OK) and place != Path(sys.prefix).resolve():
            yield Environment(str(python), (str(place),))


def project_environment(
    texts: Mapping[str, str],
    own: Sequence[Environment],
    works: Callable[[Environment], bool],
    *,
    cache: Path,
    requires: Sequence[str],
    installer: Installer | None = None,
) -> Found | None:
    """None when the project asks for nothing beyond `requires`, which are checked already."""
    needs, notes = needs_of(texts), list[str]()
    for environment in own:
        if not works(environment):
            notes.append(f"{environment.python} cannot run tests here, so it is not used")
        elif lacking := _lacking(requires, environment):
            notes.append(f"{environment.python} lacks {', '.join(lacking)}, so it is not used")
        else:
            return Found(environment, plugins_of(environment, None), tuple(notes))
    if not (needs.wanted or notes):
        return None
    return _prepared(needs, requires, works, notes, cache, installer)


def _prepared(
    needs: Needs,
    requires: Sequence[str],
    works: Callable[[Environment], bool],
    notes: list[str],
    cache: Path,
    installer: Installer | None,
) -> Found:
    """With the versions of the lock where they can be had, else with any, else without."""
    if needs.left_out:
        notes.append(f"not a plain requirement, so left out: {_named(needs.left_out)}")
    why = ""
    for wanted in dict.fromkeys((needs.pinned, without_pytest(needs.pinned), without_pytest(needs.wanted))):
        both = [*requires, *(each for each in wanted if _name(each) not in _names(requires))]
        try:
            environment = prepare(both, cache=cache, allow=_names(both), installer=installer)
        except (EnvironmentUnavailable, RequirementRefused) as error:
            why = str(error)
            continue
        if wanted != without_pytest(wanted) and not works(environment):
            continue
        return Found(environment, plugins_of(environment, _names(both)), tuple(notes))
    notes.append(f"the packages the project asks for cannot be had, so tests that need them cannot run: {why}")
    plain = prepare(requires, cache=cache, allow=_names(requires), installer=installer)
    return Found(plain, (), tuple(notes))


def _lacking(requires: Sequence[str], environment: Environment) -> list[str]:
    there = {*importable(environment)} if requires else set()
    return [each for each in requires if _name(each) not in there]


def _names(requirements: Sequence[str]) -> frozenset[str]:
    return frozenset(map(_name, requirements))


def _name(requirement: str) -> str:
    end = next((i for i, char in enumerate(requirement) if not (char.isalnum() or char in "-_.")), len(requirement))
    return normal(requirement[:end])


def _named(lines: Sequence[str]) -> str:
    more = f" and {len(lines) - NAMED} more" if len(lines) > NAMED else ""
    return ", ".join(lines[:NAMED]) + more


def plugins_of(environment: Environment, wanted: frozenset[str] | None) -> tuple[str, ...]:
    """pytest's plugins that are installed there, of the wanted distributions; read, not imported."""
    found: list[str] = []
    for distribution in metadata.distributions(path=[str(path) for path in site_packages(environment.python)]):
        name = normal(distribution.metadata["Name"] or "")
        if name not in NOT_LOADED and (wanted is None or name in wanted):
            found += _points(distribution.read_text("entry_points.txt") or "")
    return tuple(sorted(set(found)))


def _points(text: str) -> list[str]:
    parser = configparser.RawConfigParser(delimiters=("=",), strict=False)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    try:
        parser.read_string(text)
    except configparser.Error:
        return []
    return [name for name, _ in parser.items("pytest11")] if parser.has_section("pytest11") else []
