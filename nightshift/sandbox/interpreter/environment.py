"""The interpreter that generated code runs with: a cached virtual environment with what a task needs.

Only wheels are taken: no code of theirs runs while they are installed. Which index they come from is the user's own
pip configuration. An allowed package (see `requirements.py`) is not checked further, nor are those it depends on.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path

from nightshift.domain import Environment
from nightshift.sandbox.interpreter.installed import judge_distributions, site_packages
from nightshift.sandbox.interpreter.requirements import DEFAULT_ALLOWED, checked, normal

INSTALL_SECONDS = 900.0
READY = ".ready"

PASSED_TO_PIP = re.compile(
    r"PIP_\w+|(https?|no|all)_proxy|PATH|HOME|TMPDIR|XDG_C\w+|SSL_CERT_\w+|REQUESTS_CA_BUNDLE", re.IGNORECASE
)

Installer = Callable[[str, Sequence[str]], None]
"""Installs requirements for an interpreter; raises EnvironmentUnavailable."""


class EnvironmentUnavailable(RuntimeError):
    """The environment cannot be built here and now."""


def prepare(
    requires: Sequence[str],
    *,
    cache: Path,
    python: str = sys.executable,
    allow: Collection[str] = DEFAULT_ALLOWED,
    installer: Installer | None = None,
) -> Environment:
    """The cached environment for these requirements, built the first time. With none it holds pytest alone.

    Raises RequirementRefused before anything is done, EnvironmentUnavailable when it cannot be built.
    """
    allowed = {normal(name) for name in allow}
    wanted = tuple(sorted({checked(requirement, allowed) for requirement in requires}))
    place = cache.resolve() / fingerprint(wanted, python)
    environment = Environment(str(place / "bin" / "python"), (str(place),), wanted)
    try:
        with lock(place):
            if not ((place / READY).exists() and (place / "bin" / "python").exists()):
                build(place, wanted, python, installer or pip_install)
    except (EnvironmentUnavailable, OSError) as error:
        if not wanted and judge_distributions():
            return Environment(python)
        raise EnvironmentUnavailable(
            f"The environment for {', '.join(wanted) or 'pytest'} cannot be prepared in {place}: {error}. "
            "Check the network and your pip configuration, or plan without these packages."
        ) from error
    return environment


def importable(environment: Environment) -> tuple[str, ...]:
    """The distributions that code in this environment can import, found without running any of it."""
    found = metadata.distributions(path=[str(path) for path in site_packages(environment.python)])
    return tuple(sorted({normal(distribution.metadata["Name"]) for distribution in found}))


def build(place: Path, wanted: Sequence[str], python: str, installer: Installer) -> None:
    """In place, since scripts carry the path of their interpreter: the mark written last makes it whole."""
    if place.exists():
        shutil.rmtree(place)
    trusted([python, "-I", "-m", "venv", "--without-pip", str(place)], seconds=60)
    inner = str(place / "bin" / "python")
    site = site_packages(inner)[0]
    missing = [] if copy_judge(site) else ["pytest"]
    if wanted or missing:
        installer(inner, [*wanted, *missing])
    write_script(place / "bin" / "pytest", inner)
    make_readable(place)
    (place / READY).touch()


def pip_install(python: str, requirements: Sequence[str]) -> None:
    options = [
        "--only-binary",
        ":all:",
        "--no-input",
        "--quiet",
        "--disable-pip-version-check",
        "--retries",
        "1",
    ]
    pip = [sys.executable, "-m", "pip", "--python", python, "install", *options]
    trusted([*pip, "--", *requirements], seconds=INSTALL_SECONDS)


def trusted(argv: Sequence[str], *, seconds: float) -> None:
    """Tools of the interpreter itself: not sandboxed, but with no more of our environment than they need."""
    env = {name: value for name, value in os.environ.items() if PASSED_TO_PIP.fullmatch(name)}
    try:
        done = subprocess.run(
            argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            env={**env, "LANG": "C.UTF-8"}, cwd="/", timeout=seconds, umask=0o022, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise EnvironmentUnavailable(f"{argv[0]} was not done after {seconds:g} s") from error
    if done.returncode:
        said = done.stdout.decode(errors="backslashreplace").strip().splitlines()
        raise EnvironmentUnavailable(" ".join(said[-3:]) or f"{argv[0]} ended with {done.returncode}")


def copy_judge(site: Path) -> bool:
    """Our own pytest and what it needs: no network is asked for what is here. Our version only."""
    distributions = judge_distributions()
    if f"python{sys.version_info.major}.{sys.version_info.minor}" not in site.parts:
        return False
    for distribution in distributions:
        for file in distribution.files or []:
            if ".." not in file.parts and not file.is_absolute():
                copy_installed(Path(str(file.locate())), site / file)
    return bool(distributions)


def copy_installed(source: Path, target: Path) -> None:
    if source.is_file():
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source, target)


def write_script(path: Path, python: str) -> None:
    """Through sh, because a #! line can hold neither spaces nor a long path."""
    path.write_text(
        f"#!/bin/sh\n'''exec' \"{python}\" \"$0\" \"$@\"\n' '''\nimport sys\nimport pytest\nsys.exit(pytest.main())\n"
    )
    path.chmod(0o755)


def make_readable(place: Path) -> None:
    """For the spare id that root becomes in a jail, whatever umask there was."""
    for path in (place, *place.rglob("*")):
        if not path.is_symlink():
            mode = path.stat().st_mode
            execute = 0o111 if path.is_dir() or mode & stat.S_IXUSR else 0
            path.chmod(stat.S_IMODE(mode) | 0o444 | execute)


def fingerprint(wanted: Sequence[str], python: str) -> str:
    version = sys.version
    if os.path.realpath(python) != os.path.realpath(sys.executable):
        ask = [python, "-I", "-S", "-c", "import sys; print(sys.version)"]
        version = subprocess.run(ask, capture_output=True, text=True, check=False, timeout=60).stdout
    facts = "\n".join([*wanted, os.path.realpath(python), version])
    return hashlib.sha256(facts.encode()).hexdigest()[:20]


@contextmanager
def lock(place: Path) -> Iterator[None]:
    place.parent.mkdir(parents=True, exist_ok=True)
    with open(place.with_suffix(".lock"), "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
