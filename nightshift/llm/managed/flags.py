"""One `[[server]]` table: what it may say, what is wrong with it, and the llama-server command it stands for.

The names of the flags are the current ones: older ones, such as --draft-max, make the server refuse to start. Does not
promise that the user's llama-server knows them all; one that does not says so in its log, and ends.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from nightshift.domain import Role
from nightshift.errors import ConfigError
from nightshift.tables import Layer, Reader

KvType = Literal["f32", "f16", "bf16", "q8_0", "q5_1", "q5_0", "q4_1", "q4_0", "iq4_nl"]
Speculation = Literal[
    "none", "draft-simple", "draft-eagle3", "draft-mtp", "draft-dflash", "draft-dspark",
    "ngram-simple", "ngram-map-k", "ngram-map-k4v", "ngram-mod", "ngram-cache",
]  # fmt: skip
WITH_DRAFT_FILE: tuple[Speculation, ...] = ("draft-simple", "draft-eagle3", "draft-dflash", "draft-dspark")


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """A llama-server of the user's own, to be started for a run."""

    file: str = ""
    """The GGUF model; of a split one its first part."""
    name: str = ""
    """What the model is called in roles and reports; empty: the file's name."""
    port: int = 0
    """0: a free one. A server that serves this file there already is used as it is."""
    roles: tuple[Role, ...] = ()
    """Empty: all."""
    environment: Mapping[str, str] = field(default_factory=dict)
    context: int | None = None
    """Tokens of each slot; None: what `generation.context` asks."""
    parallel: int = 2
    """Slots."""
    kv: KvType | None = None
    """Type of the KV cache; None: the server's own default."""
    draft: str = ""
    """GGUF of a small model that drafts for this one."""
    speculation: Speculation | None = None
    """None: draft-simple when there is a draft model, else none."""
    draft_tokens: int | None = None
    """Tokens drafted at a time; None: the server's own default."""
    extra_args: tuple[str, ...] = ()
    """Passed as they are, after the computed flags."""
    command: str = "llama-server"
    load_seconds: float = 600.0
    """How long it may take until it answers."""


DEVICES = ("CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES", "GGML_VK_VISIBLE_DEVICES")
DANGEROUS = re.compile(r"\b(tools|agent|mcp)\b|^path$")
"""Flags with which whoever reaches the port may read files and run commands."""
OURS = {
    "m": "use the key file instead",
    "model": "use the key file instead",
    "port": "use the key port instead",
    "host": "it listens on 127.0.0.1 alone",
}
"""Flags that decide which server this is, and what to do instead."""
DOWNLOADS = {"mu", "model-url", "hf", "hfr", "hf-repo", "hff", "hf-file", "dr", "docker-repo"}
SECRETS = {"api-key", "hf-token", "hft"}
SPLIT = re.compile(r"-\d{5}-of-\d{5}$")


def named(servers: Sequence[ServerSettings]) -> tuple[ServerSettings, ...]:
    """Each with a name that no other of them has; it is the server's alias and part of its log's file name."""
    names: list[str] = []
    for server in servers:
        stem = SPLIT.sub("", Path(server.file).stem)
        name = re.sub(r"[^A-Za-z0-9._-]", "-", server.name or stem) or "model"
        taken = sum(name == other or other.startswith(f"{name}~") for other in names)
        names.append(f"{name}~{taken + 1}" if taken else name)
    return tuple(replace(server, name=name) for server, name in zip(servers, names, strict=True))


def check(servers: Sequence[ServerSettings]) -> None:
    """Raises ConfigError for what no llama-server could serve, or should."""
    for server in servers:
        _check_model(server.file, "file")
        if server.draft:
            _check_model(server.draft, "draft")
        if server.speculation in WITH_DRAFT_FILE and not server.draft:
            raise ConfigError(f"[[server]] speculation {server.speculation} needs a draft model: set draft = FILE")
        for flag in [*(word for word in server.extra_args if word.startswith("-")), *server.environment]:
            _check_flag(flag)
    ports = [server.port for server in servers if server.port]
    for port in ports:
        if ports.count(port) > 1:
            raise ConfigError(f"[[server]] port {port} is given to more than one server; port = 0 takes a free one")


def command_line(server: ServerSettings, *, command: str, port: int, context: int) -> list[str]:
    """llama-server divides -c among its slots, so each has `context` when -c is that times the slots."""
    return [
        command, "-m", server.file, "--alias", server.name, "--host", "127.0.0.1", "--port", str(port),
        "-c", str(context * server.parallel), "-np", str(server.parallel), "--offline",
        *(("-ctk", server.kv, "-ctv", server.kv) if server.kv else ()),
        *_speculation(server),
        *server.extra_args,
    ]  # fmt: skip


def environment_of(server: ServerSettings, environ: Mapping[str, str]) -> dict[str, str]:
    """LLAMA_ARG_* of the user's shell are meant for servers started there; here they could change a flag unseen."""
    return {name: text for name, text in environ.items() if not name.startswith("LLAMA_ARG_")} | dict(
        server.environment
    )


def device(server: ServerSettings, environ: Mapping[str, str]) -> str:
    """What it computes on, as text: servers with the same text compete for it."""
    seen = {**environ, **server.environment}
    return " ".join(f"{name}={seen[name]}" for name in DEVICES if name in seen) or "all devices"


def shown(server: ServerSettings) -> ServerSettings:
    """The settings fit for the trace."""
    environment = {name: text if name in DEVICES else "***" for name, text in server.environment.items()}
    return replace(server, environment=environment, extra_args=tuple(without_secrets(server.extra_args)))


def without_secrets(argv: Sequence[str]) -> list[str]:
    """
    >>> without_secrets(["--api-key", "sk-1", "--hf-token=abc", "-np", "2"])
    ['--api-key', '***', '--hf-token=***', '-np', '2']
    """
    told = []
    for before, word in zip(["", *argv], argv, strict=False):
        flag, joined, _ = word.partition("=")
        secret = joined and _bare(flag) in SECRETS
        told.append("***" if _bare(before) in SECRETS else f"{flag}=***" if secret else word)
    return told


def servers_from(raw: Any, layer: Layer, reader: Reader) -> tuple[ServerSettings, ...]:
    """The `[[server]]` tables of a layer of the configuration. Raises ConfigError."""
    if not isinstance(raw, list) or not all(isinstance(table, Mapping) for table in raw):
        raise ConfigError(f"{layer.locate(('server',))}: server must be tables, each begun by a line [[server]]")
    return tuple(_server(table, layer, reader, number) for number, table in enumerate(raw))


def _server(table: Mapping[str, Any], layer: Layer, reader: Reader, number: int) -> ServerSettings:
    rest = {key: value for key, value in table.items() if key != "environment"}
    server = reader.fill(ServerSettings(), Layer(rest, lambda key: layer.locate(("server", number, *key))))
    environment = table.get("environment", {})
    if not isinstance(environment, Mapping) or not all(type(text) in (str, int) for text in environment.values()):
        where = layer.locate(("server", number, "environment"))
        raise ConfigError(f'{where}: environment must be a table of texts, as in {{ CUDA_VISIBLE_DEVICES = "0" }}')
    return replace(server, environment={name: str(text) for name, text in environment.items()})


def _check_model(file: str, key: str) -> None:
    path = Path(file)
    if not path.is_absolute():
        raise ConfigError(f"[[server]] {key} must be the whole path of a GGUF file, not {file!r}")
    try:
        with path.open("rb") as opened:
            start = opened.read(4)
    except OSError as error:
        raise ConfigError(f"the model file {path} cannot be read: {error.strerror}; check the path") from error
    if start != b"GGUF":
        raise ConfigError(
            f"{path} is no GGUF model: it begins with {start!r}. A download may have failed or left a pointer in "
            "its place; fetch it again, or convert the model with llama.cpp's convert_hf_to_gguf.py"
        )


def _check_flag(flag: str) -> None:
    name = _bare(flag.partition("=")[0])
    if DANGEROUS.search(name):
        raise ConfigError(
            f"[[server]] {flag} lets whoever reaches the server's port read files and run commands; leave it out"
        )
    if name in DOWNLOADS:
        raise ConfigError(f"[[server]] {flag} would download; fetch the model yourself and use the key file")
    if name in OURS:
        raise ConfigError(f"[[server]] {flag} is set by Nightshift itself; {OURS[name]}")


def _bare(flag: str) -> str:
    """
    >>> _bare("--api-key"), _bare("LLAMA_ARG_API_KEY"), _bare("text")
    ('api-key', 'api-key', '')
    """
    if flag.startswith("LLAMA_ARG_"):
        return flag.removeprefix("LLAMA_ARG_").lower().replace("_", "-")
    return flag.lstrip("-") if flag.startswith("-") else ""


def _speculation(server: ServerSettings) -> list[str]:
    kind = server.speculation or ("draft-simple" if server.draft else None)
    if kind is None:
        return []
    flags = ["--spec-type", kind]
    if server.draft and kind.startswith("draft-"):
        flags += ["--spec-draft-model", server.draft]
    if server.draft_tokens is not None and kind.startswith("draft-"):
        flags += ["--spec-draft-n-max", str(server.draft_tokens)]
    return flags
