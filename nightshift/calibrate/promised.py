"""The model servers that a run will start, seen before there is one: what doctor.py can say of a `[[server]]` table.

Looks at files and settings alone; whether the model fits into the machine's memory is found out by starting it.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence

from nightshift.calibrate.findings import Finding
from nightshift.domain import ROLES, Role
from nightshift.errors import ConfigError
from nightshift.llm.endpoint import Endpoint, Model, billions
from nightshift.llm.managed.flags import ServerSettings, check
from nightshift.llm.routing import RoleTarget


def of_managed(server: ServerSettings, environ: Mapping[str, str]) -> Finding:
    """Whether it could be started."""
    try:
        check((server,))
    except ConfigError as error:
        return Finding("problem", str(error))
    command = shutil.which(os.path.expanduser(server.command), path=environ.get("PATH"))
    if command is None:
        way_out = 'install llama.cpp, or set command = "/path/to/llama-server" in its [[server]] table'
        return Finding("problem", f"{server.command} is not found, so {server.file} cannot be served", way_out)
    roles = ", ".join(server.roles) or "every role that no other server names"
    return Finding("ok", f"[[server]] {server.name}: a run starts {command} on {server.file} for {roles}")


def promised(server: ServerSettings, context: int) -> Endpoint:
    """The server as it will be found; where it chooses its port itself, its name stands for the address."""
    url = f"http://127.0.0.1:{server.port}" if server.port else f"[[server]] {server.name}"
    model = Model(server.name, billions(server.name), size=os.path.getsize(server.file))
    return Endpoint(url, "openai", "llama.cpp", (model,), server.parallel, server.context or context)


def roles_of(servers: Sequence[tuple[ServerSettings, Endpoint]], *, alone: bool) -> dict[Role, tuple[RoleTarget, ...]]:
    """As ManagedServers.roles has it, in the order of the tables."""
    named = {role: [there for server, there in servers if role in server.roles] for role in ROLES}
    common = [there for server, there in servers if alone and not server.roles]
    serving = {role: own or common for role, own in named.items()}
    return {role: tuple(RoleTarget(one.names[0], one.url) for one in ones) for role, ones in serving.items() if ones}
