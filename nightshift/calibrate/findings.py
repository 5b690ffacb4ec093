"""What doctor.py says of servers and their models: values in, lines with a level and a way out."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from nightshift.calibrate.machine import GB, SOURCE, Memory, fitting
from nightshift.domain import Completion, Message, Request, SamplingParams
from nightshift.llm.endpoint import Endpoint, Model, Target
from nightshift.llm.profiles import Profile

Level = Literal["ok", "warning", "problem"]
SMALL_CONTEXT = 16_384
SHORT_KEEP = 15.0
"""Minutes: tests and repairs between two questions may take longer than Ollama's usual five."""
SCHEMA = {
    "type": "object",
    "properties": {"ready": {"type": "boolean"}},
    "required": ["ready"],
    "additionalProperties": False,
}
PROBE = Request(
    "builder",
    "doctor/probe",
    (Message("user", 'Answer with the JSON object {"ready": true} and nothing else.'),),
    SamplingParams(max_tokens=64),
    schema=SCHEMA,
)
"""One tiny question that shows whether a schema is taken and kept, and thinking left out."""


@dataclass(frozen=True, slots=True)
class Finding:
    level: Level
    what: str
    way_out: str = ""


def of_server(endpoint: Endpoint, asked: int) -> Iterator[Finding]:
    size = f"{endpoint.context} tokens per slot" if endpoint.context else "context set by each request"
    slots = f"{endpoint.slots} slot{'s' if endpoint.slots > 1 else ''}"
    models = ", ".join(endpoint.names) or "no models"
    protocol = f"{endpoint.flavour}, {endpoint.protocol} protocol"
    yield Finding("ok", f"{endpoint.url}: {protocol}, {slots}, {size}; {models}")
    window = endpoint.window(asked)
    if window < SMALL_CONTEXT:
        way_out = f"give each slot at least {SMALL_CONTEXT} tokens; the slots of llama-server share what -c says"
        yield Finding("warning", f"{endpoint.url}: a context of {window} tokens is small for whole files", way_out)


def of_target(target: Target, asked: int, minutes: Mapping[str, float]) -> Iterator[Finding]:
    """A model that is used; `minutes` until Ollama unloads the ones it has loaded."""
    model = target.facts
    yield Finding("ok", f"{target}: {', '.join(_facts(target, model, asked))}")
    if model.allocated and model.allocated < target.window(asked):
        yield Finding(
            "warning",
            f"{target} is loaded with {model.allocated} tokens of context, {target.window(asked)} are asked for",
            f"the first request loads it anew; for other programs too: OLLAMA_CONTEXT_LENGTH={target.window(asked)}",
        )
    if model.loaded > model.vram:
        yield _on_cpu(target, model)
    if minutes.get(target.model, SHORT_KEEP) < SHORT_KEEP:
        yield Finding(
            "warning",
            f"{target} is unloaded in {minutes[target.model]:.0f} min if nobody asks it anything",
            "start the server with OLLAMA_KEEP_ALIVE=2h, so that it is still loaded after long tests",
        )


def _facts(target: Target, model: Model, asked: int) -> Iterator[str]:
    yield f"context asked {asked}"
    allocated = target.endpoint.context or model.allocated
    yield f"allocated {allocated}" if allocated else "allocated when it is loaded"
    yield f"trained {model.trained}" if model.trained else "trained for a length not told"
    thinks = target.endpoint.thinks(model.name)
    yield "may think or not: not told" if thinks is None else "can think" if thinks else "does not think"
    yield "schemas: not told, --probe asks" if target.endpoint.flavour == "generic" else "takes schemas"


def _on_cpu(target: Target, model: Model) -> Finding:
    share = 100 * (model.loaded - model.vram) / model.loaded
    where = "on the CPU alone" if not model.vram else f"{share:.0f} % on the CPU"
    return Finding(
        "warning",
        f"{target} runs {where}: {model.vram / GB:.1f} of {model.loaded / GB:.1f} GB are in GPU memory",
        "a smaller context, model or KV cache (OLLAMA_FLASH_ATTENTION=1 OLLAMA_KV_CACHE_TYPE=q8_0) fits more of it",
    )


def of_memory(memory: Memory, context: int) -> Iterator[Finding]:
    """The two largest well-known coding models that fit, and how to get them."""
    if not memory.usable:
        return
    models = fitting(memory.usable, context)[:2]
    if not models:
        yield Finding("warning", f"{memory} here: no well-known coding model fits with {context} tokens of context")
        return
    names = " or ".join(f"{model.ollama} ({model.gigabytes:g} GB)" for model in models)
    way_out = f"{'; '.join(model.commands for model in models)} ({SOURCE})"
    yield Finding("ok", f"{memory} here: {names} fits with {context} tokens of context", way_out)


def of_probe(target: Target, completion: Completion, profile: Profile) -> Iterator[Finding]:
    """What the answer to PROBE shows."""
    try:
        value: Any = json.loads(completion.text)
    except ValueError:
        value = None
    kept = isinstance(value, dict) and list(value) == ["ready"] and isinstance(value["ready"], bool)
    if profile.schemas and kept:
        yield Finding("ok", f"{target} kept to a JSON schema when probed")
    else:
        why = "answered the probe with something else" if profile.schemas else "refuses JSON schemas"
        yield Finding("warning", f"{target} {why}", "plans then rest on the prompt alone; expect more format retries")
    if completion.reasoning:
        yield Finding("warning", f"{target} thinks although it is told not to", "choose a model that can be told")
