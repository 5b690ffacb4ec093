"""From addresses to a pool: finds the servers, decides who answers for which role, and says so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from nightshift.domain import Role
from nightshift.errors import Unreachable
from nightshift.llm.client import Deadlines
from nightshift.llm.discover import DEFAULT_URLS, find_servers, probe
from nightshift.llm.endpoint import Endpoint, Target
from nightshift.llm.pool import Gate, Pool
from nightshift.llm.routing import RoleTarget, routes


@dataclass(frozen=True, slots=True)
class Connection:
    endpoints: tuple[Endpoint, ...]
    targets: Mapping[Role, tuple[Target, ...]]

    def models(self) -> dict[str, str]:
        """Role -> the model it prefers, for reports."""
        return {role: str(targets[0]) for role, targets in self.targets.items()}

    def pool(self, gate: Gate, *, context: int, deadlines: Deadlines) -> Pool:
        return Pool(self.targets, gate=gate, context=context, deadlines=deadlines)


async def connect(
    urls: Sequence[str],
    roles: Mapping[Role, Sequence[RoleTarget]],
    *,
    model: str = "",
    api_key: str = "",
    usual: Sequence[str] = DEFAULT_URLS,
) -> Connection:
    """Probes the addresses given, or the usual ones when none is. Raises Unreachable, ModelMissing."""
    named = list(dict.fromkeys([*urls, *(t.url for targets in roles.values() for t in targets if t.url)]))
    endpoints = [await probe(url, api_key=api_key) for url in named] if named else await find_servers(usual)
    if not endpoints:
        looked = ", ".join(usual)
        raise Unreachable(
            f"no model server answers at {looked}. Start Ollama or llama-server, or name one with --endpoint URL; "
            "`python3 orchestrator.py --demo` needs none",
            fault="none_found",
        )
    return Connection(tuple(endpoints), routes(endpoints, roles, model))
