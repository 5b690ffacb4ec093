"""Which model on which server answers for which role. Decides from values; asks nobody."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from nightshift.domain import ROLES, Role
from nightshift.errors import ModelMissing, Unreachable
from nightshift.llm.addresses import is_same_server
from nightshift.llm.endpoint import Endpoint, Target
from nightshift.llm.wire.refusals import model_missing

LARGEST: tuple[Role, ...] = ("planner", "analyst")
SMALLEST: tuple[Role, ...] = ("voter", "librarian")
FOR_CODE = re.compile(r"code|devstral", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class RoleTarget:
    """What a user asks for: a model, and the server when it matters."""

    model: str
    url: str | None = None


def routes(
    endpoints: Sequence[Endpoint],
    config_roles: Mapping[Role, Sequence[RoleTarget]],
    default_model: str = "",
) -> dict[Role, tuple[Target, ...]]:
    """Targets for every role, the preferred one first. Raises ModelMissing naming the models there are.

    A `default_model` goes to every role that is not set. Without one, some roles get the largest or the
    smallest model and the others share the builder's.
    """
    chosen = {role: _wanted(endpoints, targets) for role, targets in config_roles.items() if targets}
    if default_model:
        default = _everywhere(endpoints, default_model)
        return {role: chosen.get(role, default) for role in ROLES}
    builder = chosen.get("builder") or _default(endpoints)
    by_size = _by_size(endpoints) or builder
    smallest, largest = (_everywhere(endpoints, target.model) for target in (by_size[0], by_size[-1]))
    preferred = dict.fromkeys(LARGEST, largest) | dict.fromkeys(SMALLEST, smallest)
    return dict.fromkeys(ROLES, builder) | preferred | chosen


def in_order(models: Sequence[str], span: str) -> tuple[str, ...]:
    """The first model first, except that the candidates of one step are spread over all of them.

    >>> in_order("ab", "build/a.py/candidate-2")
    ('b', 'a')
    """
    candidate = re.search(r"candidate-(\d+)", span)
    first = (int(candidate[1]) - 1) % len(models) if candidate else 0
    return (*models[first:], *models[:first])


def _wanted(endpoints: Sequence[Endpoint], targets: Sequence[RoleTarget]) -> tuple[Target, ...]:
    """A model named without a server may use every server that has it."""
    everywhere = [there for target in targets for there in _everywhere(_at(endpoints, target.url), target.model)]
    return tuple(dict.fromkeys(everywhere))


def _at(endpoints: Sequence[Endpoint], url: str | None) -> Sequence[Endpoint]:
    if url is None:
        return endpoints
    there = [endpoint for endpoint in endpoints if is_same_server(endpoint.url, url)]
    if not there:
        known = ", ".join(endpoint.url for endpoint in endpoints) or "none"
        raise Unreachable(f"no model server was found at {url}; servers found: {known}", fault="unreachable")
    return there


def _everywhere(endpoints: Sequence[Endpoint], name: str) -> tuple[Target, ...]:
    """That model on every server that has it."""
    found = tuple(
        Target(endpoint, model.name) for endpoint in endpoints for model in endpoint.models if model.is_called(name)
    )
    if not found:
        urls = " or ".join(endpoint.url for endpoint in endpoints) or "any server"
        raise model_missing(name, urls, [name for endpoint in endpoints for name in endpoint.names])
    return found


def _default(endpoints: Sequence[Endpoint]) -> tuple[Target, ...]:
    """The largest model made for code, else the largest."""
    by_size = _by_size(endpoints)
    if not by_size:
        urls = ", ".join(endpoint.url for endpoint in endpoints) or "none"
        raise ModelMissing(
            f"no server has a model that writes text (servers: {urls}); pull or load one",
            fault="model_missing",
        )
    coders = [target for target in by_size if FOR_CODE.search(target.model)]
    return _everywhere(endpoints, (coders or by_size)[-1].model)


def _by_size(endpoints: Sequence[Endpoint]) -> list[Target]:
    """Smallest first. Equals are ordered by their names, so that the order of a listing never decides."""
    sized = [
        (model.billions, model.size, model.name, number)
        for number, endpoint in enumerate(endpoints)
        for model in endpoint.models
        if model.writes_text
    ]
    return [Target(endpoints[number], name) for _, _, name, number in sorted(sized)]
