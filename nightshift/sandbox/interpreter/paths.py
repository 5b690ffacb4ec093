"""The paths by which Python runs: a chain of links, a virtual environment perhaps, an installation, and pytest."""

from __future__ import annotations

import glob
import os
from importlib.util import find_spec
from pathlib import Path

from nightshift.domain import Environment
from nightshift.sandbox.interpreter.installed import judge_distributions


def interpreter_paths(python: str) -> list[str]:
    """Every path an interpreter needs: links on the way to it, its virtual environment, its installation.

    Only directories that are an installation are taken whole: a link in ~/.local/bin must not open ~/.local.
    """
    chain = link_chain(os.path.abspath(python))
    settings = venv_settings(python)
    if "home" in settings:
        names = {os.path.basename(link) for link in chain} | {"python3"}
        for name in sorted(names):
            chain += link_chain(os.path.join(settings["home"], name))
    prefixes = [os.path.dirname(os.path.dirname(path)) for path in chain]
    return [path for path in chain if os.path.islink(path)] + [path for path in prefixes if is_prefix(path)]


def link_chain(path: str) -> list[str]:
    chain = [path]
    while os.path.islink(chain[-1]) and len(chain) < 20:
        chain.append(os.path.normpath(os.path.join(os.path.dirname(chain[-1]), os.readlink(chain[-1]))))
    return [*chain, os.path.realpath(path)] if os.path.exists(path) else []


def is_prefix(path: str) -> bool:
    library = glob.glob(os.path.join(glob.escape(path), "lib*", "python3*", "os.py"))
    return bool(library) or os.path.exists(os.path.join(path, "pyvenv.cfg"))


def venv_settings(python: str) -> dict[str, str]:
    file = Path(os.path.abspath(python)).parents[1] / "pyvenv.cfg"
    if not file.is_file():
        return {}
    pairs = (line.partition("=") for line in file.read_text(errors="replace").splitlines())
    return {key.strip(): value.strip() for key, _, value in pairs}


def judge_packages(environment: Environment) -> list[str]:
    """pytest's own packages of this process, one by one: the rest of our site-packages stays outside."""
    site = judge_site()
    if site.startswith(os.path.dirname(os.path.dirname(os.path.abspath(environment.python))) + os.sep):
        return []  # the environment's own
    files = [file for each in judge_distributions() for file in each.files or []]
    names = {file.parts[0] for file in files} - {"..", "/", "__pycache__"}
    return [path for name in sorted(names) if os.path.exists(path := os.path.join(site, name))]


def judge_site() -> str:
    """The directory this process would import pytest from; found without importing it."""
    spec = find_spec("pytest")
    return os.path.dirname(os.path.dirname(spec.origin)) if spec and spec.origin else ""
