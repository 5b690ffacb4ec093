#!/usr/bin/env python3
"""What is here to work with, and what is wrong with it: model servers, memory, Python, git, make, the sandbox.

    python3 doctor.py                                   look for servers at the usual places
    python3 doctor.py --endpoint http://10.0.0.5:8080   look at this one
    python3 doctor.py --calibrate --apply               measure the models, write a profile

Without --probe and --calibrate it only looks: no model is asked to write anything. It never downloads a model.
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
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import calibrating
import config
from nightshift.calibrate.findings import PROBE, Finding, of_memory, of_probe, of_server, of_target
from nightshift.calibrate.machine import GB, Memory, ram_of_meminfo, vram_of_nvidia
from nightshift.calibrate.promised import of_managed, promised, roles_of
from nightshift.domain import Environment, Role
from nightshift.errors import ConfigError, ModelMissing, ModelServerError, SandboxUnavailable, ServerLoading
from nightshift.llm.client.ask import ask
from nightshift.llm.discovery.expiry import minutes_left
from nightshift.llm.discovery.probe import DEFAULT_URLS, survey
from nightshift.llm.endpoint import Endpoint, Target
from nightshift.llm.managed.flags import ServerSettings, named
from nightshift.llm.profiles import Profiles
from nightshift.llm.routing import routes
from nightshift.sandbox.box import open_sandbox

OK, NO_SERVER, REFUSED = 0, 3, 5
ROOMY = 2 << 30
"""Bytes free for working trees."""
IDLE: tuple[Role, ...] = ("librarian",)
"""Roles that nobody asks anything yet."""
ONLY_CALIBRATING = ("models", "apply", "dry_run", "fresh", "max_minutes", "max_calls", "first_token")
EXAMPLES = """examples:
  python3 doctor.py
  python3 doctor.py --endpoint http://127.0.0.1:8080 --json
  python3 doctor.py --calibrate --dry-run
  python3 doctor.py --calibrate --models qwen3-coder:30b,qwen2.5-coder:7b --max-minutes 60 --apply
"""


@dataclass(frozen=True, slots=True)
class Scene:
    """What the checks look at."""

    settings: config.Config
    servers: dict[str, Endpoint | ModelServerError]
    """By URL: what answers there, or why nothing does."""
    memory: Memory = Memory()
    unloaded_in: Mapping[str, Mapping[str, float]] | None = None
    """URL -> loaded model -> minutes."""
    probed: Sequence[Finding] = ()

    @property
    def endpoints(self) -> list[Endpoint]:
        return [found for found in self.servers.values() if isinstance(found, Endpoint)]

    @property
    def ours(self) -> list[tuple[ServerSettings, Endpoint]]:
        """The `[[server]]` tables that a run could start, and what would answer then."""
        fine = [one for one in named(self.settings.server) if of_managed(one, os.environ).level == "ok"]
        return [(one, promised(one, self.settings.generation.context)) for one in fine]

    @property
    def usable(self) -> bool:
        return not any(finding.level == "problem" for finding in check_roles(self))

    @property
    def targets(self) -> list[Target]:
        """The models that roles use and that answer now, each once."""
        try:
            chosen = self.chosen()
        except ModelServerError:
            return []
        used = dict.fromkeys(target for targets in chosen.values() for target in targets)
        return [target for target in used if target.endpoint in self.endpoints]

    def chosen(self) -> dict[Role, tuple[Target, ...]]:
        """Role -> who answers for it, now or once a run has started its servers. Raises ModelServerError."""
        settings, ours = self.settings, self.ours
        managed = roles_of(ours, alone=not (settings.model or settings.endpoints))
        there = [*self.endpoints, *(endpoint for _, endpoint in ours)]
        return routes(there, {**managed, **settings.roles}, settings.model)


def main(argv: Sequence[str]) -> int:
    arguments = parser().parse_args(argv)
    surplus = [name for name in ONLY_CALIBRATING if getattr(arguments, name) is not None]
    if surplus and not arguments.calibrate:
        raise ConfigError(f"--{surplus[0].replace('_', '-')} goes with --calibrate: add it")
    flags = {
        "endpoints": arguments.endpoint,
        "allow_remote": arguments.allow_remote,
        "limits.minutes": arguments.max_minutes,
        "limits.calls": arguments.max_calls,
    }
    # A calibration starts from the user's own settings: from its own last result it would wander off.
    settings = config.load(flags, os.environ, profile=not arguments.calibrate)
    if arguments.calibrate:
        return calibrating.run(arguments, settings, machine_facts())
    scene = asyncio.run(look(settings, probe=arguments.probe))
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
    add("--json", action="store_true", help="print what is found as JSON")
    add("--probe", action="store_true", help="ask each model one tiny question: does it keep to a schema, think or not")
    add("--calibrate", action="store_true", help="measure the models, choose one, propose a profile")
    group = made.add_argument_group("with --calibrate")
    add = group.add_argument
    add("--models", metavar="A,B,C", help="models to try, in this order (default: what servers have, largest first)")
    add("--max-minutes", type=float, metavar="M", help="stop after so long (default 120)")
    add("--max-calls", type=int, metavar="N", help="stop after so many requests (default 200)")
    add("--first-token", type=float, metavar="S", help="a model must begin its reply within this time (default 60)")
    add("--fresh", action="store_true", default=None, help="measure again what was measured before")
    add("--dry-run", action="store_true", default=None, help="print what would be measured and ask nobody")
    add("--apply", action="store_true", default=None, help="write the profile: ~/.config/nightshift/profile.toml")
    return made


async def look(settings: config.Config, *, probe: bool) -> Scene:
    serves_all = any(not server.roles for server in settings.server)
    urls = settings.endpoints or (() if serves_all else DEFAULT_URLS)
    servers = await survey(urls, api_key=settings.api_key)
    scene = Scene(settings, servers, memory_here())
    unloaded_in = {endpoint.url: await minutes_left(endpoint) for endpoint in scene.endpoints}
    probed = [finding for target in scene.targets for finding in await probed_by(target, settings)] if probe else []
    return replace(scene, unloaded_in=unloaded_in, probed=probed)


async def probed_by(target: Target, settings: config.Config) -> list[Finding]:
    profiles, context = Profiles(), target.window(settings.generation.context)
    try:
        reply = await ask(target, PROBE, context=context, deadlines=settings.deadlines, profiles=profiles)
    except ModelServerError as error:
        return [Finding("warning", f"{target} does not answer the probe: {error}", "see the server's own log")]
    return list(of_probe(target, reply, profiles.of(target)))


def as_text(findings: Iterable[Finding]) -> str:
    lines = (f"{f.level:8} {f.what}" + (f"\n         -> {f.way_out}" if f.way_out else "") for f in findings)
    return "\n".join(lines) + "\n"


def as_json(scene: Scene, findings: Iterable[Finding]) -> str:
    servers = [
        {
            "url": endpoint.url,
            "protocol": endpoint.protocol,
            "flavour": endpoint.flavour,
            "build": endpoint.build,
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


# What is checked.


def check_servers(scene: Scene) -> Iterator[Finding]:
    given = bool(scene.settings.endpoints)
    for found in scene.servers.values():
        if isinstance(found, Endpoint):
            yield from of_server(found, scene.settings.generation.context)
        elif given or isinstance(found, ServerLoading):
            yield Finding("warning" if scene.endpoints or scene.ours else "problem", str(found))
    if not scene.endpoints and not given and not scene.settings.server:
        yield Finding(
            "problem",
            f"no model server answers at {', '.join(scene.servers)}",
            "start `ollama serve` or `llama-server -m FILE.gguf`, or name one with --endpoint URL",
        )


def check_managed(scene: Scene) -> Iterator[Finding]:
    """The servers that a run starts itself."""
    yield from (of_managed(server, os.environ) for server in named(scene.settings.server))


def check_models(scene: Scene) -> Iterator[Finding]:
    unloaded_in = scene.unloaded_in or {}
    for target in scene.targets:
        yield from of_target(target, scene.settings.generation.context, unloaded_in.get(target.endpoint.url, {}))
    yield from scene.probed


def check_roles(scene: Scene) -> Iterator[Finding]:
    """Whether every role has a model, and which."""
    if not scene.endpoints and not scene.ours:
        yield Finding("problem", "no role has a model", "see the servers above")
        return
    try:
        chosen = scene.chosen()
    except ModelServerError as error:
        profile = config.paths(os.environ).profile
        settings = f", or change what {profile} says" if profile.exists() else ""
        way_out = f"pull or load a model first{settings}" if isinstance(error, ModelMissing) else "start that server"
        yield Finding("problem", str(error), way_out)
        return
    by_model: dict[str, list[str]] = {}
    for role, targets in chosen.items():
        if role not in IDLE:
            by_model.setdefault(" or ".join(map(str, targets)), []).append(role)
    for model, roles in by_model.items():
        yield Finding("ok", f"{model}: {', '.join(roles)}")


def check_memory(scene: Scene) -> Iterator[Finding]:
    """With what to download for it, where there is no model yet."""
    if not scene.ours and not any(endpoint.names for endpoint in scene.endpoints):
        yield from of_memory(scene.memory, scene.settings.generation.context)
    elif scene.memory.usable:
        yield Finding("ok", f"{scene.memory} here")


def check_profile(scene: Scene) -> Iterator[Finding]:
    file = config.paths(os.environ).profile
    if file.exists():
        yield Finding("ok", f"the profile of a calibration is in use: {file}", "remove that file to be rid of it")


def check_python(scene: Scene) -> Iterator[Finding]:
    """ensure_venv has already refused one that is too old."""
    yield Finding("ok", f"Python {platform.python_version()} ({sys.executable})")


def check_git(scene: Scene) -> Iterator[Finding]:
    yield of_program("git", without="work happens in a copy, without branches")


def check_make(scene: Scene) -> Iterator[Finding]:
    yield of_program("make", without="`make setup` and `make demo` are not available")


def of_program(name: str, *, without: str) -> Finding:
    version = first_line_of(name, "--version")
    return Finding("ok", version) if version else Finding("warning", f"no {name}: {without}", f"install {name}")


def check_disk(scene: Scene) -> Iterator[Finding]:
    trees = config.paths(os.environ).trees
    folder = next(path for path in (trees, *trees.parents) if path.exists())
    free = shutil.disk_usage(folder).free
    if free > ROOMY:
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
    if box.isolation.startswith("weaker"):
        yield Finding("warning", f"sandbox: {box.isolation}", "docs/sandbox.md says what this tier lets happen")
    else:
        yield Finding("ok", f"sandbox: {box.isolation}")
    box.close()


CHECKS: tuple[Callable[[Scene], Iterable[Finding]], ...] = (
    check_servers,
    check_managed,
    check_models,
    check_roles,
    check_memory,
    check_profile,
    check_python,
    check_git,
    check_make,
    check_disk,
    check_sandbox,
)


# What this machine is.


def memory_here() -> Memory:
    meminfo = Path("/proc/meminfo")
    told = meminfo.read_text() if meminfo.exists() else ""
    ram = ram_of_meminfo(told) if told else int(first_line_of("sysctl", "-n", "hw.memsize") or 0)
    gpus = lines_of("nvidia-smi", "--query-gpu=memory.total", "--format=csv,noheader,nounits")
    return Memory(ram, vram_of_nvidia(gpus))


def machine_facts() -> dict[str, str]:
    """What a recipe names; memory in GB, because its last megabytes differ from one start to the next."""
    memory = memory_here()
    return {
        "system": platform.system(),
        "processor": platform.machine(),
        "cores": str(os.cpu_count()),
        "main memory": f"{memory.ram / GB:.0f} GB",
        "GPU memory": f"{memory.vram / GB:.0f} GB",
    }


def first_line_of(*command: str) -> str:
    return next(iter(lines_of(*command)), "").strip()


def lines_of(*command: str) -> list[str]:
    """What the command prints; nothing when there is no such command or it fails."""
    if not shutil.which(command[0]):
        return []
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except subprocess.TimeoutExpired:
        return []
    return done.stdout.splitlines() if done.returncode == 0 else []


if __name__ == "__main__":
    run_program(main)
