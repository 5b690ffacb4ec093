"""pytest's configuration as a project keeps it, and the part of it that can hold in a sandbox.

Options that start processes, measure, report or leave tests out are dropped: each test is run, and counted, by us.
"""

from __future__ import annotations

import configparser
import shlex
import tomllib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

INI = "pytest.ini"
PLACES = (INI, ".pytest.ini", "pyproject.toml", "tox.ini", "setup.cfg")
"""In the order in which pytest takes the first one that speaks to it."""

OWN = frozenset({
    "addopts", "minversion", "testpaths", "python_files", "python_classes", "python_functions", "pythonpath",
    "filterwarnings", "markers", "norecursedirs", "usefixtures", "xfail_strict", "empty_parameter_set_mark",
    "console_output_style", "doctest_optionflags", "doctest_encoding", "consider_namespace_packages",
    "tmp_path_retention_count", "tmp_path_retention_policy", "log_level", "log_format", "log_date_format",
    "enable_assertion_pass_hook", "disable_test_id_escaping_and_forfeit_all_rights_to_community_support",
})  # fmt: skip
"""Settings of pytest itself that may stay; others belong to plugins and stay only when there are plugins."""
DROPPED = frozenset({"addopts", "minversion", "required_plugins", "pythonpath", "cache_dir", "log_file", "timeout"})
WITH_VALUE = ("--import-mode", "-W", "--pythonwarnings", "-p", "-o", "--override-ini")
OF_PLUGINS = ("--asyncio-mode", "--ds", "--anyio-mode")
QUIET = tuple(f"ignore::pytest.Pytest{what}Warning" for what in ("UnknownMark", "Config", "Deprecation"))
"""A plugin that is left out takes its marks and settings with it, and our pytest is newer than theirs may be."""
ASIDE = frozenset({"example", "examples", "docs", "doc", "vendor", "third_party", "test", "tests", "templates"})
"""Folders whose projects are no part of this one."""


@dataclass(frozen=True, slots=True)
class Settings:
    """`place` is the file they stand in; empty when there are none."""

    place: str = ""
    values: Mapping[str, str] | None = None

    def get(self, name: str) -> str:
        return (self.values or {}).get(name, "")

    def words(self, name: str) -> list[str]:
        return self.get(name).split()

    @property
    def options(self) -> list[str]:
        return split(self.get("addopts"))


def settings_in(texts: Mapping[str, str], folder: str) -> Settings:
    """What pytest would read in this folder."""
    for place in PLACES:
        values = _READERS[place](texts[path]) if (path := inside(folder, place)) in texts else None
        if values is not None:
            return Settings(path, values)
    return Settings()


def inside(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder else name


def split(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError:
        return text.split()


def ini_text(settings: Settings, roots: Sequence[str], plugins: Sequence[str]) -> str:
    """The configuration to run with: theirs without what cannot hold, and the folders that imports start from."""
    values = {
        name: value
        for name, value in (settings.values or {}).items()
        if name not in DROPPED and (name in OWN or plugins)
    }
    options = [*safe(settings.options, plugins), *(word for name in plugins for word in ("-p", name))]
    values["filterwarnings"] = "\n".join([values.get("filterwarnings", ""), *QUIET])
    lines = {**values, "pythonpath": "\n".join(roots), "addopts": shlex.join(options)}
    return "[pytest]\n" + "".join(_line(name, value) for name, value in lines.items() if value)


def _line(name: str, value: str) -> str:
    return f"{name} =\n" + "".join(f"    {line.strip()}\n" for line in value.splitlines() if line.strip())


def safe(options: Sequence[str], plugins: Collection[str]) -> list[str]:
    """Those that say how a test runs. Marks are not made strict: the plugins that know them may be missing."""
    return [word for group in _grouped(options) if _holds(group, plugins) for word in group]


def _holds(group: Sequence[str], plugins: Collection[str]) -> bool:
    name = group[0].partition("=")[0]
    if name == "-p":
        return len(group) == 2 and (group[1].startswith("no:") or group[1] in plugins or "." in group[1])
    return name in WITH_VALUE or name.startswith("-W") or (name in OF_PLUGINS and bool(plugins))


def _grouped(options: Sequence[str]) -> Iterator[list[str]]:
    """Each option, with the word behind it where that is its value."""
    for word, after in zip(options, [*options[1:], ""], strict=False):
        if word.startswith("-"):
            valued = word in (*WITH_VALUE, *OF_PLUGINS) and bool(after)
            yield [word, after] if valued else [word]


def _of_ini(section: str, *, always: bool = False) -> Any:
    def read(text: str) -> dict[str, str] | None:
        parser = configparser.RawConfigParser(strict=False, allow_no_value=True)
        parser.optionxform = str  # type: ignore[assignment,method-assign]
        try:
            parser.read_string(text)
        except configparser.Error:
            return {} if always else None
        if not parser.has_section(section):
            return {} if always else None
        return {name: value or "" for name, value in parser.items(section)}

    return read


def _of_toml(text: str) -> dict[str, str] | None:
    tool = table(read_toml(text), "tool", "pytest")
    found = tool.get("ini_options", tool if tool else None)
    return {name: _flat(value) for name, value in found.items()} if isinstance(found, dict) else None


def _flat(value: Any) -> str:
    return "\n".join(map(str, value)) if isinstance(value, list) else str(value)


def read_toml(text: str) -> dict[str, Any]:
    """Empty when it is no TOML: then no tool could read it either."""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return {}


def table(data: Any, *names: str) -> dict[str, Any]:
    """The table below these names; empty where there is none."""
    for name in names:
        data = data.get(name) if isinstance(data, dict) else None
    return data if isinstance(data, dict) else {}


_READERS = {
    INI: _of_ini("pytest", always=True),
    ".pytest.ini": _of_ini("pytest"),
    "pyproject.toml": _of_toml,
    "tox.ini": _of_ini("pytest"),
    "setup.cfg": _of_ini("tool:pytest"),
}
