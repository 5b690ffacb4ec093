#!/usr/bin/env python3
"""What is here to work with, and what is wrong with it: model servers, Python, git, make, the sandbox.

    python3 doctor.py                                   look for servers at the usual places
    python3 doctor.py --endpoint http://10.0.0.5:8080   look at this one
    python3 doctor.py --json | jq '.findings[]'

Only looks: nothing is changed, installed or downloaded, and no model is asked to write anything.
"""

from __future__ import annotations

from nightshift.bootstrap import ensure_venv, run_program

ensure_venv()

import argparse
import asyncio
import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Literal

import config
from nightshift.domain import Environment
from nightshift.errors import ConfigError, ModelMissing, ModelServerError, SandboxUnavailable, ServerLoading
from nightshift.llm.discover import DEFAULT_URLS, survey
from nightshift.llm.endpoint import Endpoint
from nightshift.llm.routing import routes
from nightshift.sandbox.box import open_sandbox

Level = Literal["ok", "warning", "problem"]
OK, NO_SERVER, REFUSED = 0, 3, 5
SMALL_CONTEXT = 16_384
EXAMPLES = """examples:
  python3 doctor.py
  python3 doctor.py --endpoint http://127.0.0.1:8080
  python3 doctor.py --json
"""


@dataclass(frozen=True, slots=True)
class Finding:
    level: Level
    what: str
    way_out: str = ""


@dataclass(frozen=True, slots=True)
class Scene:
    """What the checks look at."""

    settings: config.Config
    servers: dict[str, Endpoint | ModelServerError]
    """By URL: what answers there, or why nothing does."""

    @property
    def endpoints(self) -> list[Endpoint]:
        return [found for found in self.servers.values() if isinstance(found, Endpoint)]

    @property
    def usable(self) -> bool:
        return not any(finding.level == "problem" for finding in check_roles(self))


def main(argv: Sequence[str]) -> int:
    arguments = parser().parse_args(argv)
    if arguments.calibrate:
        raise ConfigError("--calibrate is not available yet; without it doctor.py checks what is here")
    flags = {"endpoints": arguments.endpoint, "allow_remote": arguments.allow_remote}
    settings = config.load(flags, os.environ)
    urls = settings.endpoints or DEFAULT_URLS
    scene = Scene(settings, asyncio.run(survey(urls, api_key=settings.api_key)))
    findings = [finding for check in CHECKS for finding in check(scene)]
    sys.stdout.write(as_json(scene, findings) if arguments.json else as_text(findings))
    if not scene.usable:
        return NO_SERVER
    return REFUSED if any(finding.level == "problem" for finding in findings) else OK


def parser() -> argparse.ArgumentParser:
    summary = "Check model servers and everything else Nightshift needs."
    made = argparse.ArgumentParser(
        prog="doctor.py",
        description=summary,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = made.add_argument
    add("--endpoint", action="append", metavar="URL", help="look at this server only (repeatable)")
    add("--allow-remote", action="store_true", default=None, help="allow a server outside the own network")
    add("--json", action="store_true", help="print the findings as JSON")
    add("--calibrate", action="store_true", help="measure the models and write a profile (not available yet)")
    return made


def as_text(findings: Iterable[Finding]) -> str:
    lines = (f"{f.level:8} {f.what}" + (f"\n         -> {f.way_out}" if f.way_out else "") for f in findings)
    return "\n".join(lines) + "\n"


def as_json(scene: Scene, findings: Iterable[Finding]) -> str:
    servers = [
        {
            "url": endpoint.url,
            "protocol": endpoint.protocol,
            "flavour": endpoint.flavour,
            "models": list(endpoint.names),
            "slots": endpoint.slots,
            "context": endpoint.context,
        }
        for endpoint in scene.endpoints
    ]
    found = {
        "usable": scene.usable,
        "servers": servers,
        "findings": [asdict(finding) for finding in findings],
    }
    return json.dumps(found, indent=2) + "\n"


def check_servers(scene: Scene) -> Iterator[Finding]:
    named = bool(scene.settings.endpoints)
    for found in scene.servers.values():
        if isinstance(found, Endpoint):
            yield _server(found)
            yield from _context(found, scene.settings.generation.context)
        elif named or isinstance(found, ServerLoading):
            yield Finding("warning" if scene.endpoints else "problem", str(found))
    if not scene.endpoints and not named:
        yield Finding(
            "problem",
            f"no model server answers at {', '.join(scene.servers)}",
            "start `ollama serve` or `llama-server -m FILE.gguf`, or name one with --endpoint URL",
        )


def _server(endpoint: Endpoint) -> Finding:
    size = f"{endpoint.context} tokens per slot" if endpoint.context else "context set by each request"
    slots = f"{endpoint.slots} slot{'s' if endpoint.slots > 1 else ''}"
    models = ", ".join(endpoint.names) or "no models"
    protocol = f"{endpoint.flavour}, {endpoint.protocol} protocol"
    return Finding("ok", f"{endpoint.url}: {protocol}, {slots}, {size}; {models}")


def _context(endpoint: Endpoint, asked: int) -> Iterator[Finding]:
    window = endpoint.window(asked)
    if window < SMALL_CONTEXT:
        way_out = f"give each slot at least {SMALL_CONTEXT} tokens; the slots of llama-server share what -c says"
        yield Finding("warning", f"{endpoint.url}: a context of {window} tokens is small for whole files", way_out)


def check_roles(scene: Scene) -> Iterator[Finding]:
    """Whether every role has a model, and which."""
    if not scene.endpoints:
        yield Finding("problem", "no role has a model", "see the servers above")
        return
    try:
        chosen = routes(scene.endpoints, scene.settings.roles, scene.settings.model)
    except ModelServerError as error:
        way_out = "pull or load a model first" if isinstance(error, ModelMissing) else "start that server"
        yield Finding("problem", str(error), way_out)
        return
    by_model: dict[str, list[str]] = {}
    for role, targets in chosen.items():
        by_model.setdefault(" or ".join(map(str, targets)), []).append(role)
    for model, roles in by_model.items():
        yield Finding("ok", f"{model}: {', '.join(roles)}")


def check_python(scene: Scene) -> Iterator[Finding]:
    """ensure_venv has already refused one that is too old."""
    yield Finding("ok", f"Python {platform.python_version()} ({sys.executable})")


def check_git(scene: Scene) -> Iterator[Finding]:
    version = _version_of("git")
    if version:
        yield Finding("ok", version)
    else:
        yield Finding("warning", "no git: work happens in a copy, without branches", "install git")


def check_make(scene: Scene) -> Iterator[Finding]:
    version = _version_of("make")
    if version:
        yield Finding("ok", version)
    else:
        yield Finding("warning", "no make: `make setup` and `make demo` are not available", "install make")


def check_disk(scene: Scene) -> Iterator[Finding]:
    trees = config.paths(os.environ).trees
    folder = next(path for path in (trees, *trees.parents) if path.exists())
    free = shutil.disk_usage(folder).free
    if free > 2 << 30:
        yield Finding("ok", f"{free / 2**30:.0f} GiB free for working trees at {folder}")
    else:
        yield Finding("warning", f"only {free / 2**20:.0f} MiB free at {folder}", "make room, or set XDG_STATE_HOME")


def check_sandbox(_: Scene) -> Iterator[Finding]:
    """Opens one, which proves itself: no way out to the network, to the home folder or to other files."""
    try:
        box = open_sandbox(Environment(sys.executable))
    except SandboxUnavailable as error:
        yield Finding("problem", "no sandbox can be had here, so no generated code would be run", str(error))
        return
    yield Finding("ok", f"sandbox: {box.isolation}")
    box.close()


def _version_of(program: str) -> str:
    if not shutil.which(program):
        return ""
    done = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=10, check=False)
    return done.stdout.partition("\n")[0].strip()


CHECKS: tuple[Callable[[Scene], Iterable[Finding]], ...] = (
    check_servers,
    check_roles,
    check_python,
    check_git,
    check_make,
    check_disk,
    check_sandbox,
)

if __name__ == "__main__":
    run_program(main)
