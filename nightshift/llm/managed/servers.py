"""The user's own llama-server, started for a run and gone with it; a server that already runs is used, never touched.

    servers = ManagedServers(config.server, logs=run_dir, context=32_768, environ=os.environ)
    await servers.start()
    ...                                     # servers.urls, servers.roles(), servers.endpoints
    servers.stop()

Each server hangs on a leash (keeper.py) that ends it when this process ends, however it ends. One that crashes is
started again, three times at most; meanwhile requests find it unreachable, then loading. Does not foresee what
fits into the machine's memory: the server tries, and its log is quoted.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import socket
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from nightshift.domain import ROLES, Recorder, Role
from nightshift.errors import ServerLoading, Unreachable
from nightshift.llm.endpoint import Endpoint
from nightshift.llm.managed.flags import (
    ServerSettings,
    check,
    command_line,
    device,
    environment_of,
    named,
    without_secrets,
)
from nightshift.llm.managed.identity import identified, is_well
from nightshift.llm.managed.process import Ending, ServerProcess
from nightshift.llm.routing import LARGEST, SMALLEST, RoleTarget

RESTARTS = (0.5, 1.0, 2.0)
"""Seconds before each."""
GRACE = 3.0
"""Seconds to end in when asked: an idle server takes 0.1, one that still streams would take 30."""
POLL = 0.1
PORTS = 3
"""Free ports tried for one server: another process may take a port between our look and the server's start."""
PORT_TAKEN = re.compile(r"address already in use|couldn't bind", re.IGNORECASE)
OUT_OF_MEMORY = re.compile(r"out of memory|\boom\b|alloc\w*.*fail|fail\w*.*alloc", re.IGNORECASE)


@dataclass(slots=True)
class _Served:
    server: ServerSettings
    url: str
    log: Path
    argv: Sequence[str] = ()
    process: ServerProcess | None = None
    """None when it is not ours."""
    endpoint: Endpoint | None = None
    """None until it is ready."""
    model: str = ""
    restarts: int = 0


class ManagedServers:
    """All servers of a run that its settings name; started once, one after the other, and stopped once."""

    def __init__(
        self,
        wanted: Sequence[ServerSettings],
        *,
        logs: Path,
        context: int,
        environ: Mapping[str, str],
        api_key: str = "",
        grace: float = GRACE,
        restarts: Sequence[float] = RESTARTS,
    ) -> None:
        self._wanted = named(wanted)
        self._logs = logs
        self._context = context
        self._environ = environ
        self._api_key = api_key
        self._grace = grace
        self._restarts = restarts
        self._served: list[_Served] = []
        self._watches: list[asyncio.Task[None]] = []
        self._notes: deque[tuple[str, str, dict[str, Any]]] = deque()
        self._recorder: Recorder | None = None

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(server.name for server in self._wanted)

    @property
    def endpoints(self) -> tuple[Endpoint, ...]:
        """Each with the `device` it computes on."""
        return tuple(one.endpoint for one in self._served if one.endpoint)

    @property
    def urls(self) -> tuple[str, ...]:
        """Of the servers that have no roles of their own."""
        return tuple(one.url for one in self._served if not one.server.roles)

    @property
    def devices(self) -> dict[str, str]:
        """URL -> what it computes on; servers with the same text compete for it."""
        return {endpoint.url: endpoint.device for endpoint in self.endpoints}

    def roles(self, *, alone: bool = True) -> dict[Role, tuple[RoleTarget, ...]]:
        """Who answers for which role: the servers that name it, else those that name none.

        The latter are not `alone` where other servers, or a model for all roles, are asked for too: then nothing is
        said of the roles that no server names.
        """
        routed = {role: [one for one in self._served if role in one.server.roles] for role in ROLES}
        common = [one for one in self._served if alone and not one.server.roles]
        return {role: _targets(role, own or common) for role, own in routed.items() if own or common}

    async def start(self) -> None:
        """Raises ConfigError, Unreachable, ServerLoading; what was started until then is for `stop` to end.

        One after the other: a server that loads looks at the free memory, and must not see what the next one takes.
        """
        check(self._wanted)
        for server in self._wanted:
            await self._bring_up(server)

    def record_to(self, recorder: Recorder) -> None:
        """What has happened so far and what happens from now on is written there as `server` and `fault` records."""
        self._recorder = recorder
        self._tell()

    def stop(self) -> None:
        """Ends what was started, and nothing else. Close your streams first: a busy server takes its time."""
        for watch in self._watches:
            watch.cancel()
        ours = [(one, one.process) for one in self._served if one.process]
        for _, process in ours:
            process.let_go()
        for _, process in ours:
            process.wait()
        for one, _ in ours:
            one.process = None
            self._note(one, "stopped")

    async def _bring_up(self, server: ServerSettings) -> None:
        started = time.monotonic()
        if server.port and await _listens(server.port):
            one = await self._attach(server)
        else:
            one = await self._launch(server)
            self._watches.append(asyncio.create_task(self._restart_when_it_ends(one)))
        assert one.endpoint, "it is ready"
        self._note(
            one,
            "started" if one.process else "attached",
            file=server.file,
            model=one.model,
            slots=one.endpoint.slots,
            context=one.endpoint.context,
            device=one.endpoint.device,
            seconds=round(time.monotonic() - started, 3),
        )

    async def _launch(self, server: ServerSettings) -> _Served:
        tries = 1 if server.port else PORTS
        for left in reversed(range(tries)):
            one = self._at(server, server.port or _free_port())
            try:
                await self._start(one)
                return one
            except Unreachable as error:
                if error.fault != "port_taken" or not left:
                    raise
                self._drop(one)
        raise AssertionError("the last try returns or raises")

    def _drop(self, one: _Served) -> None:
        assert one.process, "it was spawned"
        one.process.wait()
        self._served.remove(one)

    async def _start(self, one: _Served) -> None:
        context, port = one.server.context or self._context, urlsplit(one.url).port
        assert port, "its address was made with one"
        one.argv = command_line(one.server, command=self._command(one.server), port=port, context=context)
        self._spawn(one)
        await self._wait_until_ready(one)

    def _at(self, server: ServerSettings, port: int) -> _Served:
        return _Served(server, f"http://127.0.0.1:{port}", self._logs / f"server-{server.name}.log")

    async def _attach(self, server: ServerSettings) -> _Served:
        one = self._at(server, server.port)
        try:
            await self._identify(one, patience=one.server.load_seconds)
        except Unreachable as error:
            raise Unreachable(
                f"port {urlsplit(one.url).port} is taken by something that does not serve {one.server.file} ({error}); "
                "give its [[server]] table another port, or port = 0 for a free one",
                fault="wrong_server",
            ) from error
        self._served.append(one)
        return one

    def _command(self, server: ServerSettings) -> str:
        found = shutil.which(os.path.expanduser(server.command), path=self._environ.get("PATH"))
        if found is None:
            raise Unreachable(
                f"{server.command} is not found, so {server.file} cannot be served: install llama.cpp and put its "
                'llama-server into PATH, or name it with command = "/path/to/llama-server" in a [[server]] table',
                fault="no_llama_server",
            )
        return found

    def _spawn(self, one: _Served) -> None:
        one.process = ServerProcess(one.argv, environment_of(one.server, self._environ), one.log, self._grace)
        if one not in self._served:
            self._served.append(one)

    async def _wait_until_ready(self, one: _Served) -> None:
        give_up = time.monotonic() + one.server.load_seconds
        while not await is_well(one.url, api_key=self._api_key):
            _refuse_ended(one)
            if time.monotonic() >= give_up:
                raise ServerLoading(
                    f"{one.server.command} has not loaded {one.server.file} within {one.server.load_seconds:g} s; "
                    f"its log is {one.log}. Set load_seconds in its [[server]] table, or take a smaller model",
                    fault="loading",
                )
            await asyncio.sleep(POLL)
        await self._identify(one)
        _refuse_ended(one)

    async def _identify(self, one: _Served, patience: float = 0.0) -> None:
        """Raises Unreachable when it serves another file."""
        target = await identified(one.url, one.server, api_key=self._api_key, patience=patience)
        one.endpoint = replace(target.endpoint, device=device(one.server, self._environ))
        one.model = target.model

    async def _restart_when_it_ends(self, one: _Served) -> None:
        for pause in self._restarts:
            await self._end_of(one, f"restart {one.restarts + 1} of {len(self._restarts)}")
            await asyncio.sleep(pause)
            one.restarts += 1
            self._spawn(one)
            while one.process and not (one.process.pid or one.process.ending()):
                await asyncio.sleep(POLL)
            self._note(one, "restarted")
        await self._end_of(one, "given up after so many restarts")

    async def _end_of(self, one: _Served, then: str) -> None:
        process = one.process
        assert process, "a server that is watched was started"
        while not (ending := process.ending()):
            await asyncio.sleep(POLL)
        process.wait()
        message = f"{one.server.command} {ending} ({then}); its log is {one.log}"
        fault = {"endpoint": one.url, "fault": "server_exited", "message": message}
        self._add_note("fault", one, role="", attempt=one.restarts + 1, **fault)

    def _note(self, one: _Served, event: str, **fields: Any) -> None:
        told = {"event": event, "url": one.url, "restarts": one.restarts}
        if one.process:
            told |= {"pid": one.process.pid, "command": without_secrets(one.argv), "log": one.log.name}
        self._add_note("server", one, **told, **fields)

    def _add_note(self, kind: str, one: _Served, **fields: Any) -> None:
        self._notes.append((kind, f"server/{one.server.name}", fields))
        self._tell()

    def _tell(self) -> None:
        while self._recorder and self._notes:
            kind, span, fields = self._notes.popleft()
            self._recorder.record(kind, span, **fields)


def _targets(role: Role, having: Sequence[_Served]) -> tuple[RoleTarget, ...]:
    """In the order given, except that some roles prefer the largest or the smallest file."""
    if role in (*LARGEST, *SMALLEST):
        having = sorted(having, key=lambda one: os.path.getsize(one.server.file), reverse=role in LARGEST)
    return tuple(RoleTarget(one.model, one.url) for one in having)


def _refuse_ended(one: _Served) -> None:
    ending: Ending | None = one.process.ending() if one.process else None
    if ending is None:
        return
    way_out = f"its log is {one.log}"
    if OUT_OF_MEMORY.search(ending.said):
        way_out += '. Set a smaller context, parallel = 1 or kv = "q8_0" in a [[server]] table, or take a smaller model'
    fault = "port_taken" if PORT_TAKEN.search(ending.said) else "server_exited"
    raise Unreachable(f"{one.server.command} cannot serve {one.server.file}: it {ending}; {way_out}", fault=fault)


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


async def _listens(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True
