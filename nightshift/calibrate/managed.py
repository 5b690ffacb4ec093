"""A llama-server of the user's own under calibration: started again for each cell, with that cell's flags.

Always on a port of its own, so that a server that runs already is neither used nor touched.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import cast

from nightshift.calibrate.bench import Subject
from nightshift.calibrate.climb import Axes
from nightshift.calibrate.plan import context_steps
from nightshift.calibrate.trials import Knobs
from nightshift.llm.discovery.drafts import drafts
from nightshift.llm.endpoint import Endpoint, Model, Target, billions
from nightshift.llm.managed.flags import KvType, ServerSettings, Speculation
from nightshift.llm.managed.servers import ManagedServers

SMALL_KV = "q8_0"
WITHOUT_DRAFT_FILE = ("ngram-mod", "ngram-map-k")
SLOTS = (1, 2, 4)


class Restarted:
    """Implements `bench.Restartable`."""

    def __init__(self, settings: ServerSettings, logs: Path, environ: Mapping[str, str], api_key: str = "") -> None:
        self._settings, self._logs, self._environ, self._api_key = settings, logs, environ, api_key
        self._running: ManagedServers | None = None
        self._endpoint: Endpoint | None = None

    async def restart(self, knobs: Knobs) -> Target:
        await self.close()
        wanted = with_knobs(self._settings, knobs)
        self._running = ManagedServers(
            [wanted], logs=self._logs, context=knobs.context, environ=self._environ, api_key=self._api_key
        )
        await self._running.start()
        self._endpoint = self._running.endpoints[0]
        return Target(self._endpoint, self._endpoint.names[0])

    async def drafts(self) -> tuple[int, int]:
        return await drafts(self._endpoint) if self._endpoint else (0, 0)

    async def close(self) -> None:
        if self._running:
            self._running.stop()
        self._running = self._endpoint = None


def managed_subject(
    settings: ServerSettings,
    asked: int,
    temperature: float,
    *,
    logs: Path,
    environ: Mapping[str, str],
    api_key: str = "",
) -> Subject:
    """Its file stands for its address, which is another one at each start."""
    file = Path(settings.file)
    name = settings.name or file.stem
    size = file.stat().st_size if file.exists() else 0
    endpoint = Endpoint(settings.file, "openai", "llama.cpp", (Model(name, billions(name), size=size),))
    spoken = settings.speculation or ("draft-simple" if settings.draft else "none")
    speculation = "" if spoken == "none" else spoken
    start = Knobs(settings.context or asked, 1, temperature, settings.kv or "", speculation)
    axes = Axes(
        context_steps(start.context, start.context * 4),
        SLOTS,
        _with(start.kv_type, ("", SMALL_KV)),
        _with(start.speculation, ("", *WITHOUT_DRAFT_FILE, *(("draft-simple",) if settings.draft else ()))),
    )
    return Subject(Target(endpoint, name), start, axes, Restarted(settings, logs, environ, api_key))


def with_knobs(settings: ServerSettings, knobs: Knobs) -> ServerSettings:
    return replace(
        settings,
        port=0,
        context=knobs.context,
        parallel=knobs.parallel,
        kv=cast(KvType, knobs.kv_type) if knobs.kv_type else None,
        speculation=cast(Speculation, knobs.speculation or "none"),
        extra_args=(*settings.extra_args, "--metrics"),
    )


def table_of(knobs: Knobs) -> dict[str, object]:
    """The keys of a [[server]] table that stand for the knobs."""
    chosen = {"kv": knobs.kv_type, "speculation": knobs.speculation}
    return {"context": knobs.context, "parallel": knobs.parallel} | {k: v for k, v in chosen.items() if v}


def _with(value: str, values: tuple[str, ...]) -> tuple[str, ...]:
    return values if value in values else (value, *values)
