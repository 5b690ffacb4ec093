"""Every setting, frozen once loaded. Defaults < profile < user's file < workspace's < --config < environment < flags.

The dataclasses are the schema: a TOML table for each section, a key for each field, a NIGHTSHIFT_ variable
for each setting that fits on a line. A new setting is one line here and, when it is a number, its bounds.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, is_dataclass, replace
from pathlib import Path
from typing import Any, Literal, NewType, get_args, get_origin, get_type_hints
from urllib.parse import urlsplit

from nightshift.domain import Limits, Role, SamplingParams
from nightshift.errors import ConfigError
from nightshift.llm.addresses import base_url, host_of, is_private
from nightshift.llm.deadlines import Deadlines
from nightshift.llm.managed.flags import ServerSettings, servers_from, shown
from nightshift.llm.routing import RoleTarget
from nightshift.policy import Policy
from nightshift.switches import Switches
from nightshift.tables import Key, Layer, Reader, Secret, file_layer

Url = NewType("Url", str)


@dataclass(frozen=True, slots=True)
class Candidates:
    count: int = 3
    temperatures: tuple[float, ...] = (0.0, 0.4, 0.8)
    """Of the first, second, ... candidate for a source file."""
    widened: int = 5
    """Candidates when `count` of them stop helping."""
    tester_temperatures: tuple[float, ...] = (0.3, 0.6, 0.8)
    repairs: int = 2
    format_retries: int = 3
    reviewer_rounds: int = 3
    replans: int = 2


@dataclass(frozen=True, slots=True)
class SandboxSettings:
    """Seconds."""

    test_seconds: float = 10.0
    test_run_seconds: float = 120.0
    command_seconds: float = 300.0


@dataclass(frozen=True, slots=True)
class Generation:
    """What every request asks of a server."""

    context: int = 32_768
    top_p: float = 0.95
    repeat_penalty: float = 1.0
    max_tokens: int = 8192
    think_tokens: int = 2048
    """For a planner whose plan was refused and an analyst whose advice did not help; 0: none."""


@dataclass(frozen=True, slots=True)
class RoleSampling:
    """What one role does differently; None leaves it as it is."""

    temperature: float | None = None
    top_p: float | None = None
    repeat_penalty: float | None = None
    max_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class WorkspaceSettings:
    carry: tuple[str, ...] = ()
    """Globs of untracked or ignored files that the isolated tree needs too."""
    base: str = "snapshot"
    """The user's files as they are, or a revision to start from."""
    in_place: bool = False
    hooks: bool = False
    """The repository's pre-commit hook is asked before delivery; it runs outside of the sandbox."""


@dataclass(frozen=True, slots=True)
class VerifySettings:
    network: bool = False
    commands: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class EnvironmentSettings:
    allow: tuple[str, ...] = ()
    """Distributions a plan may require beyond the built-in list."""
    requires: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class MemorySettings:
    enabled: bool = True


@dataclass(frozen=True, slots=True)
class TrainSettings:
    command: str = ""
    """Your trainer, for `sh -c`; {data} stands for the folder of the exported files, {manifest} for their manifest."""


@dataclass(frozen=True, slots=True)
class Config:
    attempts: int = 3
    model: str = ""
    """For every role that `roles` does not name; empty: choose."""
    endpoints: tuple[Url, ...] = ()
    """Empty: look for servers on this machine."""
    api_key: Secret = field(default=Secret())
    allow_remote: bool = False
    remote_hosts: tuple[str, ...] = ()
    """Public hosts that code may be sent to."""
    selfplay: bool = True
    colour: Literal["auto", "always", "never"] = "auto"
    candidates: Candidates = Candidates()
    limits: Limits = field(default_factory=Limits)
    deadlines: Deadlines = field(default_factory=Deadlines)
    generation: Generation = Generation()
    switches: Switches = Switches()
    sandbox: SandboxSettings = SandboxSettings()
    workspace: WorkspaceSettings = WorkspaceSettings()
    verify: VerifySettings = VerifySettings()
    environment: EnvironmentSettings = EnvironmentSettings()
    memory: MemorySettings = MemorySettings()
    train: TrainSettings = TrainSettings()
    policy: Policy = Policy()
    """Each layer adds to the ones below it and takes nothing away."""
    roles: Mapping[Role, tuple[RoleTarget, ...]] = field(default_factory=dict)
    """MODEL or MODEL@URL for a role, or a list of them."""
    sampling: Mapping[Role, RoleSampling] = field(default_factory=dict)
    server: tuple[ServerSettings, ...] = ()
    """Model servers to be started for the run; a higher layer's replace a lower layer's."""

    def sampling_for(self, role: Role, temperature: float = 0.0, seed: int = 0) -> SamplingParams:
        """The role's own values where it has some, else the arguments and `generation`."""
        common = self.generation
        usual = SamplingParams(
            temperature, common.top_p, common.repeat_penalty, seed, min(common.max_tokens, common.context)
        )
        own = asdict(self.sampling.get(role, RoleSampling()))
        return replace(usual, **{name: value for name, value in own.items() if value is not None})


BOUNDS: Mapping[str, tuple[float, float]] = {
    "attempts": (1, 50), "count": (1, 32), "temperatures": (0, 2), "widened": (1, 32),
    "tester_temperatures": (0, 2), "repairs": (0, 20), "format_retries": (0, 20), "reviewer_rounds": (0, 20),
    "replans": (0, 20),
    "minutes": (0.01, 20_160), "calls": (1, 1_000_000), "tokens": (1, 10_000_000_000),
    "connect": (0.01, 3600), "first_token": (0.01, 86_400), "stall": (0.01, 86_400), "total": (0.01, 86_400),
    "context": (1024, 16_777_216), "think_tokens": (0, 1_048_576),
    "max_tokens": (16, 1_048_576), "temperature": (0, 2), "top_p": (0.001, 1),
    "repeat_penalty": (0.1, 2),
    "port": (0, 65_535), "parallel": (1, 64), "draft_tokens": (1, 64), "load_seconds": (1, 86_400),
    "test_seconds": (0.1, 3600), "test_run_seconds": (0.1, 86_400), "command_seconds": (0.1, 86_400),
}  # fmt: skip
"""Smallest and largest possible value of each number, by the last part of its key."""

FLAGS: Mapping[str, str] = {
    "model": "--model", "endpoints": "--endpoint", "roles": "--role", "attempts": "--attempts",
    "candidates.count": "--candidates", "limits.minutes": "--max-minutes", "limits.calls": "--max-calls",
    "limits.tokens": "--max-tokens", "allow_remote": "--allow-remote", "workspace.in_place": "--in-place",
    "workspace.base": "--base", "memory.enabled": "--no-memory", "server": "--serve-gguf",
}  # fmt: skip
"""Where an override's value comes from, for messages."""
USERS_OWN: tuple[tuple[str, ...], ...] = (
    ("allow_remote",), ("remote_hosts",), ("api_key",), ("verify", "network"), ("environment", "allow"), ("server",),
    ("train", "command"), ("workspace", "hooks"),
)  # fmt: skip
SHORT_NAMES = {
    "NIGHTSHIFT_ENDPOINT": "endpoints", "NIGHTSHIFT_CANDIDATES": "candidates.count",
    "NIGHTSHIFT_MAX_MINUTES": "limits.minutes", "NIGHTSHIFT_MAX_CALLS": "limits.calls",
    "NIGHTSHIFT_MAX_TOKENS": "limits.tokens",
}  # fmt: skip


def load(
    overrides: Mapping[str, Any],
    environ: Mapping[str, str],
    workspace: Path | None = None,
    explicit_file: Path | None = None,
    *,
    profile: bool = True,
) -> Config:
    """Overrides are flags by dotted key, e.g. {"limits.minutes": 10, "roles.builder": "qwen@localhost:8080"}.

    A value of None means that the flag was not given. The profile of a calibration is the lowest layer, unless it
    is left out. Raises ConfigError.
    """
    config, sources = Config(), dict[Url, str]()
    calibrated = paths(environ).profile
    layers = [file_layer(calibrated)] if profile and calibrated.is_file() else []
    for layer in (*layers, *_layers(overrides, environ, workspace, explicit_file)):
        config = _with_layer(config, layer)
        sources |= {url: layer.locate(key) for key, url in _urls(config) if url not in sources}
    for _, url in _urls(config):
        _refuse_remote(config, url, sources[url])
    return config


def public(config: Config) -> dict[str, Any]:
    """The configuration as plain data for the trace, without its secrets."""
    config = replace(config, server=tuple(map(shown, config.server)))
    return {name: value for name, value in asdict(config).items() if name != "api_key"}


@dataclass(frozen=True, slots=True)
class Paths:
    """Where Nightshift keeps things outside the workspace."""

    config_file: Path
    trees: Path
    environments: Path
    profiles: Path
    memory: Path
    profile: Path
    """What `doctor.py --calibrate --apply` writes."""
    runs: Path
    """A mark of each run that was started here."""


def paths(environ: Mapping[str, str]) -> Paths:
    config = _home(environ, "XDG_CONFIG_HOME", ".config")
    state = _home(environ, "XDG_STATE_HOME", ".local/state")
    data = _home(environ, "XDG_DATA_HOME", ".local/share")
    return Paths(
        config / "config.toml",
        state / "trees",
        state / "environments",
        state / "profiles",
        data / "memory.db",
        config / "profile.toml",
        state / "runs",
    )


def _home(environ: Mapping[str, str], variable: str, usual: str) -> Path:
    named = environ.get(variable, "")
    # The XDG specification: a relative path is invalid and to be ignored.
    base = Path(named) if named.startswith("/") else Path(environ.get("HOME") or Path.home()) / usual
    return base / "nightshift"


# The layers: tables of values, each knowing where its values were written.


def _layers(
    overrides: Mapping[str, Any], environ: Mapping[str, str], workspace: Path | None, explicit: Path | None
) -> Iterator[Layer]:
    usual = [paths(environ).config_file, *([workspace / "nightshift.toml"] if workspace else [])]
    if explicit and not explicit.is_file():
        raise ConfigError(f"--config {explicit}: there is no such file")
    for file in (*filter(Path.is_file, usual), *filter(None, [explicit])):
        layer = file_layer(file)
        if workspace and file.parent == workspace and file != explicit:
            _refuse_users_own(layer)
        yield layer
    yield from _environment_layers(environ)
    given = {key: value for key, value in overrides.items() if value is not None}
    for key in sorted(given, key=lambda key: (key != "server", key.startswith("roles."))):
        yield _line_layer(key, given[key], FLAGS.get(key) or FLAGS.get(key.split(".")[0], "command line"))


def _refuse_users_own(layer: Layer) -> None:
    """A checkout may be a stranger's: its file cannot open doors that lead out of this machine, or start programs."""
    for key in USERS_OWN:
        value: Any = layer.table
        for part in key:
            value = value.get(part, {}) if isinstance(value, Mapping) else {}
        if value not in ({}, None):
            raise ConfigError(
                f"{layer.locate(key)}: {'.'.join(key)} is not for a project's own file, which may be a stranger's; "
                "set it in ~/.config/nightshift/config.toml or with --config"
            )


def _line_layer(dotted: str, value: Any, source: str) -> Layer:
    for name in reversed(dotted.split(".")):
        value = {name: value}
    return Layer(value, lambda key: source)


def _environment_layers(environ: Mapping[str, str]) -> Iterator[Layer]:
    """The ecosystem's names, then ours, which win. A variable that is set but empty counts as unset."""
    servers = {name: url for name, read in SERVERS.items() if (url := read(environ))}
    names = list(servers)
    if servers:
        yield Layer({"endpoints": list(servers.values())}, lambda key: names[int(key[1])])
    if environ.get("OPENAI_API_KEY"):
        yield _line_layer("api_key", environ["OPENAI_API_KEY"], "OPENAI_API_KEY")
    if environ.get("NO_COLOR"):
        yield _line_layer("colour", "never", "NO_COLOR")
    hints = dict(_settings(Config()))
    known = {f"NIGHTSHIFT_{key.replace('.', '_').upper()}": key for key in hints} | SHORT_NAMES
    for name in sorted(name for name in environ if name.startswith("NIGHTSHIFT_") and environ[name]):
        if name not in known:
            raise ConfigError(f"{name}: unknown setting; known ones: {', '.join(sorted(known))}")
        yield _line_layer(known[name], _from_text(hints[known[name]], environ[name]), name)


def _settings(section: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """The dotted key and the type of each setting that a line of text can hold."""
    for name, hint in get_type_hints(type(section)).items():
        if is_dataclass(hint):
            yield from _settings(getattr(section, name), f"{prefix}{name}.")
        elif get_origin(hint) is not Mapping and not any(map(is_dataclass, get_args(hint))):
            yield prefix + name, hint


def _from_text(hint: Any, text: str) -> Any:
    """The TOML value that a variable's text stands for; text that stands for none is left to be refused."""
    if get_origin(hint) is tuple:
        return [_from_text(get_args(hint)[0], part.strip()) for part in text.split(",")]
    if hint is bool:
        return TRUTH.get(text.strip().lower(), text)
    try:
        return hint(text) if hint in (int, float) else text
    except ValueError:
        return text


TRUTH = dict.fromkeys(("1", "true", "yes", "on"), True) | dict.fromkeys(("0", "false", "no", "off"), False)


def _server(text: str, usual_port: int) -> str | None:
    """The URL that host, host:port, :port, an IPv6 address or a URL stands for."""
    text = text.strip().strip("\"'")
    if "://" in text:
        return text
    if text.count(":") > 1 and not text.startswith("["):
        text = f"[{text}]"
    parts = re.fullmatch(r"(\[[^\]]*\]|[^:/]*)(?::([0-9]*))?(/.*)?", text)
    if not text or parts is None:
        return text or None
    host, port, path = parts.groups()
    return f"http://{host or '127.0.0.1'}:{port or usual_port}{path or ''}"


def _llama_server(environ: Mapping[str, str]) -> str | None:
    host, port = environ.get("LLAMA_ARG_HOST", ""), environ.get("LLAMA_ARG_PORT", "")
    return _server(f"[{host}]:{port}" if ":" in host else f"{host}:{port}", 8080) if host or port else None


SERVERS: Mapping[str, Callable[[Mapping[str, str]], str | None]] = {
    "OLLAMA_HOST": lambda environ: _server(environ.get("OLLAMA_HOST", ""), 11434),
    "OPENAI_BASE_URL": lambda environ: environ.get("OPENAI_BASE_URL", "").strip() or None,
    "LLAMA_ARG_HOST/LLAMA_ARG_PORT": _llama_server,
}


def _with_layer(config: Config, layer: Layer) -> Config:
    """A layer that names what answers for all roles outranks what lower layers said of the builder too.

    That is a model, or a server to be started, which also outranks servers of lower layers that run already.
    """
    reader, table = Reader(BOUNDS, PARSERS), dict(layer.table)
    if "server" in table:
        config = replace(config, server=servers_from(table.pop("server"), layer, reader))
    serves_all = "server" in layer.table and not all(one.roles for one in config.server)
    if "model" in table or serves_all:
        others: dict[Role, tuple[RoleTarget, ...]]
        others = {role: to for role, to in config.roles.items() if role != "builder"}
        config = replace(config, roles=others, model="", endpoints=() if serves_all else config.endpoints)
    filled = reader.fill(config, Layer(table, layer.locate))
    return replace(filled, policy=_both(config.policy, filled.policy))


def _both(lower: Policy, higher: Policy) -> Policy:
    """A checkout may be a stranger's: its file can forbid more, and allow nothing that the user forbids."""
    return Policy(
        tuple(dict.fromkeys((*lower.protected, *higher.protected))),
        tuple(dict.fromkeys((*lower.forbidden_imports, *higher.forbidden_imports))),
    )


def _url(text: str) -> Url:
    url = re.sub(r"//0\.0\.0\.0(?=[:/]|$)", "//127.0.0.1", base_url(text)).replace("//[::]", "//[::1]")
    parts = urlsplit(url)
    if not parts.hostname or host_of(url) is None or parts.port == 0 or parts.username is not None:
        raise ValueError("give a URL such as http://127.0.0.1:8080")
    return Url(url)


def _target(text: str) -> RoleTarget:
    model, found, url = text.partition("@")
    if not model.strip() or (found and not url):
        raise ValueError("write MODEL or MODEL@URL")
    return RoleTarget(model.strip(), _url(url) if found else None)


def _secret(text: str) -> Secret:
    """A key goes into an HTTP header, which takes no other characters; files of keys often end with a newline."""
    key = text.strip()
    if not (key.isascii() and key.isprintable()):
        raise ValueError("a key consists of printable ASCII characters; look for a stray character in it")
    return Secret(key)


PARSERS: Mapping[Any, Callable[[str], Any]] = {Url: _url, RoleTarget: _target, Secret: _secret}


def _urls(config: Config) -> Iterator[tuple[Key, Url]]:
    for i, url in enumerate(config.endpoints):
        yield ("endpoints", i), url
    for role, targets in config.roles.items():
        yield from ((("roles", role, i), Url(target.url)) for i, target in enumerate(targets) if target.url)


def _refuse_remote(config: Config, url: Url, source: str) -> None:
    host = host_of(url)
    if is_private(url) or config.allow_remote or host in [name.lower() for name in config.remote_hosts]:
        return
    raise ConfigError(
        f"{source}: {url} is neither on this machine nor on a private network, so your code would leave it; "
        f'pass --allow-remote or set remote_hosts = ["{host}"] if that is what you want'
    )
