"""From addresses to a pool: finds the servers, decides who answers for which role, and says so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from nightshift.domain import Listener, Role
from nightshift.errors import ModelServerError, ServerLoading, Unreachable
from nightshift.llm.addresses import base_url, is_same_server
from nightshift.llm.deadlines import Deadlines
from nightshift.llm.discovery.probe import DEFAULT_URLS, find_servers, survey
from nightshift.llm.endpoint import Endpoint, Target
from nightshift.llm.profiles import Profiles
from nightshift.llm.routing import RoleTarget, routes
from nightshift.llm.scheduling.pool import Pool
from nightshift.llm.scheduling.sending import Gate
from nightshift.switches import Switches


@dataclass(frozen=True, slots=True)
class Connection:
    endpoints: tuple[Endpoint, ...]
    targets: Mapping[Role, tuple[Target, ...]]
    dead: Mapping[str, ModelServerError]
    """Addresses given that do not answer, and why."""

    def models(self) -> dict[str, str]:
        """Role -> the model it prefers, for reports."""
        return {role: str(targets[0]) for role, targets in self.targets.items()}

    def thinkers(self) -> frozenset[Role]:
        """The roles that no model answers for but such as can think."""
        return frozenset(
            role for role, targets in self.targets.items() if all(t.endpoint.thinks(t.model) for t in targets)
        )

    def pool(
        self,
        gate: Gate,
        *,
        context: int,
        deadlines: Deadlines,
        profiles: Profiles | None = None,
        switches: Switches | None = None,
        listener: Listener = lambda _: None,
    ) -> Pool:
        return Pool(
            self.targets,
            gate=gate,
            context=context,
            deadlines=deadlines,
            profiles=profiles,
            switches=switches,
            listener=listener,
        )


async def connect(
    urls: Sequence[str],
    roles: Mapping[Role, Sequence[RoleTarget]],
    *,
    model: str = "",
    api_key: str = "",
    patience: float = 0.0,
    usual: Sequence[str] = DEFAULT_URLS,
    devices: Mapping[str, str] | None = None,
) -> Connection:
    """Probes the addresses given, and the usual ones when no server is; the dead are left out and told of.

    `devices` names the GPU of each address that shares one with others. A server that is loading its model is
    waited for with `patience` (seconds) when a role names it or no other answers. Raises Unreachable, ServerLoading,
    ModelMissing.
    """
    by_role = [target.url for targets in roles.values() for target in targets if target.url]
    found = await survey(list(dict.fromkeys([*urls, *by_role])), api_key=api_key)
    answers = any(isinstance(one, Endpoint) for one in found.values())
    loading = [url for url, one in found.items() if isinstance(one, ServerLoading) and (url in by_role or not answers)]
    found |= await survey(loading, api_key=api_key, patience=patience)
    endpoints = [one for one in found.values() if isinstance(one, Endpoint)]
    dead = {url: one for url, one in found.items() if isinstance(one, ModelServerError)}
    if not urls:
        endpoints += await _usual_servers(usual, None if endpoints else patience)
    if not endpoints:
        raise next(iter(dead.values()), _nobody(usual))
    endpoints = _each_once(endpoints, devices or {})
    return Connection(tuple(endpoints), routes(endpoints, roles, model), dead)


async def _usual_servers(urls: Sequence[str], patience: float | None) -> list[Endpoint]:
    """Those that answer; where all of them load their models, they are waited for, or passed over without patience."""
    try:
        return await find_servers(urls)
    except ServerLoading:
        return [] if patience is None else await find_servers(urls, patience=patience)


def _each_once(endpoints: Sequence[Endpoint], devices: Mapping[str, str]) -> list[Endpoint]:
    """With their devices; of two descriptions of one server the first counts."""
    shared = {base_url(url): device for url, device in devices.items()}
    once: list[Endpoint] = []
    for one in endpoints:
        if not any(is_same_server(one.url, other.url) for other in once):
            once.append(replace(one, device=shared.get(one.url, "")))
    return once


def _nobody(usual: Sequence[str]) -> Unreachable:
    return Unreachable(
        f"no model server answers at {', '.join(usual)}. Start Ollama or llama-server, or name one with "
        "--endpoint URL; `python3 orchestrator.py --demo` needs none",
        fault="none_found",
    )
