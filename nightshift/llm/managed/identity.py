"""What a server says of itself: whether it is well, and whether it serves the file that it should."""

from __future__ import annotations

from pathlib import Path

import httpx

from nightshift.errors import Unreachable
from nightshift.llm.discovery.probe import probe
from nightshift.llm.endpoint import Target
from nightshift.llm.managed.flags import ServerSettings
from nightshift.llm.wire.fields import as_dict, as_text
from nightshift.llm.wire.http import open_client


async def is_well(url: str, *, api_key: str) -> bool:
    async with open_client(api_key=api_key) as client:
        try:
            return (await client.get(f"{url}/health", timeout=5.0)).status_code == 200
        except httpx.HTTPError:
            return False


async def identified(url: str, server: ServerSettings, *, api_key: str, patience: float = 0.0) -> Target:
    """The endpoint there, and the name by which it serves the file. Raises Unreachable when it serves another one."""
    endpoint = await probe(url, api_key=api_key, patience=patience)
    path = await _model_path(url, api_key)
    names = [name for name in endpoint.names if _names(name, server)]
    if not (_is_file(path, server.file) if path else names):
        served = path or ", ".join(endpoint.names) or "nothing it names"
        raise Unreachable(f"{url} serves {served}, not {server.file}", fault="wrong_server")
    return Target(endpoint, (names or endpoint.names or (server.name,))[0])


async def _model_path(url: str, api_key: str) -> str:
    """Empty when the server does not say."""
    async with open_client(api_key=api_key) as client:
        try:
            props = await client.get(f"{url}/props", timeout=10.0)
            return as_text(as_dict(props.json()).get("model_path"))
        except (httpx.HTTPError, ValueError):
            return ""


def _names(name: str, server: ServerSettings) -> bool:
    return name == server.name or Path(name).name in (Path(server.file).name, Path(server.file).stem)


def _is_file(path: str, file: str) -> bool:
    """The very file; where a path is of another file system or relative to who knows what, one of its name."""
    if Path(path).is_absolute() and Path(path).exists():
        return Path(path).samefile(file)
    return Path(path).name == Path(file).name
