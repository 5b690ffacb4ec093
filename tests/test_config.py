from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from dataclasses import is_dataclass
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st

import config
from config import BOUNDS, Config, RoleSampling, load, paths, public
from nightshift.errors import ConfigError
from nightshift.llm.routing import RoleTarget
from nightshift.tables import line_of

DEFAULTS = """attempts 3; source candidates up to 3 at temperatures 0.0, 0.4, 0.8, widened to 5 when
they stop helping; tester samples 3 at 0.3, 0.6, 0.8, pooled; repairs 2 per candidate; format retries 3; reviewer rounds 3; replans 2;
max-minutes 120; max-calls 200; max-tokens 2,000,000; per-test limit 10 s, test run 120 s, command 300 s; connect 30 s, first token
600 s, stall 120 s, total 1,800 s; context asked 32,768 or what the server allows; top_p 0.95, repeat penalty 1.0, both sent explicitly."""


def test_the_defaults_are_those_the_contract_promises() -> None:
    c = Config()
    told = [
        c.attempts, c.candidates.count, *c.candidates.temperatures, c.candidates.widened,
        len(c.candidates.tester_temperatures), *c.candidates.tester_temperatures, c.candidates.repairs,
        c.candidates.format_retries, c.candidates.reviewer_rounds, c.candidates.replans,
        c.limits.minutes, c.limits.calls, c.limits.tokens,
        c.sandbox.test_seconds, c.sandbox.test_run_seconds, c.sandbox.command_seconds,
        c.deadlines.connect, c.deadlines.first_token, c.deadlines.stall, c.deadlines.total,
        c.generation.context, c.generation.top_p, c.generation.repeat_penalty,
    ]  # fmt: skip
    assert told == [float(number.replace(",", "")) for number in re.findall(r"\d[\d,]*(?:\.\d+)?", DEFAULTS)]
    assert len(c.candidates.temperatures) == c.candidates.count


@pytest.fixture
def home(tmp_path: Path) -> dict[str, str]:
    """An environment whose home folder is empty."""
    return {"HOME": str(tmp_path)}


def toml(tmp_path: Path, text: str, name: str = "c.toml") -> Path:
    file = tmp_path / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return file


def test_without_anything_the_defaults_hold(home: dict[str, str], tmp_path: Path) -> None:
    assert load({}, home, tmp_path) == Config()


def test_each_layer_outranks_the_ones_before(home: dict[str, str], tmp_path: Path) -> None:
    """defaults < user's file < workspace's file < --config < environment < flags"""
    found = [load({}, home, tmp_path).attempts]
    toml(tmp_path, "attempts = 4", ".config/nightshift/config.toml")
    found.append(load({}, home, tmp_path).attempts)
    toml(tmp_path, "attempts = 5", "nightshift.toml")
    found.append(load({}, home, tmp_path).attempts)
    explicit = toml(tmp_path, "attempts = 6")
    found.append(load({}, home, tmp_path, explicit).attempts)
    environ = home | {"NIGHTSHIFT_ATTEMPTS": "7"}
    found.append(load({}, environ, tmp_path, explicit).attempts)
    found.append(load({"attempts": 8}, environ, tmp_path, explicit).attempts)
    found.append(load({"attempts": None}, environ, tmp_path, explicit).attempts)
    assert found == [3, 4, 5, 6, 7, 8, 7]


def test_layers_merge_key_by_key(home: dict[str, str], tmp_path: Path) -> None:
    toml(tmp_path, "[limits]\ncalls = 9", ".config/nightshift/config.toml")
    toml(tmp_path, "[limits]\nminutes = 8", "nightshift.toml")
    limits = load({"limits.tokens": 7}, home, tmp_path).limits
    assert (limits.calls, limits.minutes, limits.tokens) == (9, 8, 7)


def test_every_section_can_be_set(home: dict[str, str], tmp_path: Path) -> None:
    c = load({}, home, None, toml(tmp_path, """
        model = "qwen"
        endpoints = ["http://127.0.0.1:8080/v1/", "localhost:1234"]
        selfplay = false
        colour = "never"
        candidates.temperatures = [0, 1]
        [workspace]
        carry = ["data/**"]
        base = "HEAD"
        [verify]
        network = true
        commands = ["make test"]
        [environment]
        allow = ["flask"]
        requires = ["flask"]
        [memory]
        enabled = false
        [roles]
        planner = "big@10.0.0.5:8080"
        voter = ["small", "tiny@http://localhost:1"]
        [sampling.voter]
        temperature = 1
    """))  # fmt: skip
    assert c.endpoints == ("http://127.0.0.1:8080", "http://localhost:1234")
    assert c.roles == {
        "planner": (RoleTarget("big", "http://10.0.0.5:8080"),),
        "voter": (RoleTarget("small"), RoleTarget("tiny", "http://localhost:1")),
    }
    assert c.sampling == {"voter": RoleSampling(temperature=1)}
    assert (c.model, c.selfplay, c.colour, c.candidates.temperatures) == ("qwen", False, "never", (0, 1))
    assert (c.workspace.carry, c.workspace.base, c.verify.network, c.verify.commands) == (
        ("data/**",),
        "HEAD",
        True,
        ("make test",),
    )
    assert (c.environment.allow, c.environment.requires, c.memory.enabled) == (("flask",), ("flask",), False)


@pytest.mark.parametrize(
    "text, line, words",
    [
        ("attemps = 3", 1, "attemps is unknown; known keys: attempts, model, endpoints"),
        ("# a\n\n[limits]\ncalls = 3\nhours = 2", 5, "limits.hours is unknown; known keys: minutes, calls, tokens"),
        ("[limit]\ncalls = 3", 1, "limit is unknown"),
        ("attempts = '3'", 1, "attempts must be a whole number, not '3'"),
        ("attempts = true", 1, "a whole number, not True"),
        ("attempts = 3.0", 1, "a whole number, not 3.0"),
        ("\nselfplay = 1", 2, "true or false, not 1"),
        ("model = 3", 1, "model must be text"),
        ("limits = 3", 1, "limits must be a table"),
        ("roles = 'x'", 1, "roles must be a table"),
        ("[attempts]", 1, "attempts must be a whole number"),
        ("[candidates]\ntemperatures = 0.5", 2, "candidates.temperatures must be a list, each item a number"),
        ("[candidates]\ntemperatures = [\n 0.1,\n 'x',\n]", 2, "candidates.temperatures.1 must be a number, not 'x'"),
        ("candidates.temperatures = [0.1, -0.1]", 1, "between 0 and 2, not -0.1"),
        ("attempts = 0", 1, "attempts must be between 1 and 50, not 0"),
        ("attempts = -1", 1, "not -1"),
        ("attempts = 1000", 1, "not 1000"),
        ("[limits]\nminutes = nan", 2, "not nan"),
        ("[limits]\nminutes = inf", 2, "not inf"),
        ("[limits]\n\n'calls' = 0", 3, "limits.calls must be between"),
        ('[limits]\n"calls" = 0', 2, "limits.calls must be between"),
        ("limits.minutes = 3\nlimits.calls = 0", 2, "limits.calls"),
        ("limits = { minutes = 3, calls = 0 }", 1, "limits.calls"),
        ("model = '''\n[limits]\ncalls = 0\n'''\n[limits]\ncalls = 0", 6, "limits.calls"),
        ("[generation]\ntop_p = 0", 2, "generation.top_p"),
        ("[deadlines]\nstall = 0", 2, "deadlines.stall"),
        ("[workspace]\nbase = 3", 2, "workspace.base must be text, not 3"),
        ("[roles]\nboss = 'x'", 2, "roles.boss is unknown; known keys: explorer, planner"),
        ("[roles]\nbuilder = ''", 2, "MODEL or MODEL@URL"),
        ("[roles]\nbuilder = 'x@'", 2, "MODEL or MODEL@URL"),
        ("[roles]\nbuilder = 3", 2, "roles.builder must be a list"),
        ("[roles]\nbuilder = ['a', 3]", 2, "roles.builder.1 must be text, not 3"),
        ("[sampling.builder]\ntemperature = 9", 2, "sampling.builder.temperature"),
        ("[sampling.builder]\nheat = 9", 2, "sampling.builder.heat is unknown"),
        ("endpoints = ['ftp://127.0.0.1']", 1, "http://127.0.0.1:8080"),
        ("endpoints = ['http://127.0.0.1:99999']", 1, "endpoints.0"),
        ("endpoints = ['http://127.0.0.1:0']", 1, "endpoints.0"),
        ("endpoints = ['http://']", 1, "endpoints.0"),
        ("endpoints = ['http://user:pw@127.0.0.1']", 1, "endpoints.0"),
        ("[[limits]]\ncalls = 1\n[[limits]]\ncalls = 2", 1, "limits must be a table"),
        ("api_key = 5", 1, "api_key must be text, not ***"),
        ('api_key = "sk-ä"', 1, "api_key cannot be ***: a key consists of printable ASCII"),
    ],
)  # fmt: skip
def test_a_wrong_setting_is_named_with_its_file_and_line(
    home: dict[str, str], tmp_path: Path, text: str, line: int, words: str
) -> None:
    file = toml(tmp_path, text)
    with pytest.raises(ConfigError) as refusal:
        load({}, home, None, file)
    assert refusal.value.exit_reason == "invalid_config"
    assert refusal.value.exit_code == 2
    assert str(refusal.value).startswith(f"{file} line {line}: ")
    assert words in str(refusal.value)


@pytest.mark.parametrize("content", [b"a = ", b"a = 1\na = 2", b"\xff\xfe", b"[x\n"])
def test_a_file_that_is_no_toml_is_refused_by_name(home: dict[str, str], tmp_path: Path, content: bytes) -> None:
    (tmp_path / "nightshift.toml").write_bytes(content)
    with pytest.raises(ConfigError, match=r"nightshift.toml: not valid TOML"):
        load({}, home, tmp_path)


def test_broken_toml_is_reported_with_its_line(home: dict[str, str], tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="at line 2"):
        load({}, home, None, toml(tmp_path, "attempts = 3\nmodel = = 3"))


def test_a_config_file_that_is_named_must_exist(home: dict[str, str], tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"--config .*no such file"):
        load({}, home, None, tmp_path / "missing.toml")


@pytest.mark.parametrize(
    "name, text, words",
    [
        ("NIGHTSHIFT_ATEMPTS", "3", "NIGHTSHIFT_ATEMPTS: unknown setting; known ones: NIGHTSHIFT_ALLOW_REMOTE"),
        ("NIGHTSHIFT_ATTEMPTS", "three", "NIGHTSHIFT_ATTEMPTS: attempts must be a whole number, not 'three'"),
        ("NIGHTSHIFT_ATTEMPTS", "0", "NIGHTSHIFT_ATTEMPTS: attempts must be between"),
        ("NIGHTSHIFT_MAX_MINUTES", "nan", "NIGHTSHIFT_MAX_MINUTES: limits.minutes must be between"),
        ("NIGHTSHIFT_SELFPLAY", "maybe", "NIGHTSHIFT_SELFPLAY: selfplay must be true or false, not 'maybe'"),
        ("NIGHTSHIFT_ENDPOINT", "http://127.0.0.1:x", "NIGHTSHIFT_ENDPOINT: endpoints.0"),
        ("OLLAMA_HOST", "127.0.0.1:port", "OLLAMA_HOST: endpoints.0"),
        ("LLAMA_ARG_PORT", "99999", "LLAMA_ARG_HOST/LLAMA_ARG_PORT: endpoints.0"),
    ],
)  # fmt: skip
def test_a_wrong_variable_is_named(home: dict[str, str], name: str, text: str, words: str) -> None:
    with pytest.raises(ConfigError) as refusal:
        load({}, home | {name: text})
    assert str(refusal.value).startswith(words)


def test_a_wrong_flag_is_named(home: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match=r"^--max-calls: limits.calls must be between"):
        load({"limits.calls": 0}, home)
    with pytest.raises(ConfigError, match=r"^--role: roles.boss is unknown"):
        load({"roles.boss": "x"}, home)


@pytest.mark.parametrize(
    "variable, text, key, value",
    [
        ("NIGHTSHIFT_MODEL", "q", "model", "q"),
        ("NIGHTSHIFT_MAX_MINUTES", "1.5", "limits.minutes", 1.5),
        ("NIGHTSHIFT_LIMITS_MINUTES", "15", "limits.minutes", 15),
        ("NIGHTSHIFT_MEMORY_ENABLED", "off", "memory.enabled", False),
        ("NIGHTSHIFT_ALLOW_REMOTE", "1", "allow_remote", True),
        ("NIGHTSHIFT_CANDIDATES_TEMPERATURES", "0.1, 0.2", "candidates.temperatures", (0.1, 0.2)),
        ("NIGHTSHIFT_WORKSPACE_CARRY", "*.db,data", "workspace.carry", ("*.db", "data")),
        (
            "NIGHTSHIFT_ENDPOINT",
            "127.0.0.1:1,localhost:2",
            "endpoints",
            ("http://127.0.0.1:1", "http://localhost:2"),
        ),
        ("NIGHTSHIFT_ATTEMPTS", "", "attempts", 3),
        ("NO_COLOR", "1", "colour", "never"),
        ("NO_COLOR", "", "colour", "auto"),
        ("OPENAI_API_KEY", "sk-1", "api_key", "sk-1"),
        ("OPENAI_API_KEY", "sk-1\n", "api_key", "sk-1"),
    ],
)
def test_the_environment_sets_what_fits_on_a_line(
    home: dict[str, str], variable: str, text: str, key: str, value: Any
) -> None:
    found: Any = load({}, home | {variable: text})
    for name in key.split("."):
        found = getattr(found, name)
    assert found == value


@pytest.mark.parametrize(
    "host, url",
    [
        ("", None),
        ("127.0.0.1", "http://127.0.0.1:11434"),
        ("myhost", "http://myhost:11434"),
        ("myhost:1234", "http://myhost:1234"),
        (":1234", "http://127.0.0.1:1234"),
        ("0.0.0.0", "http://127.0.0.1:11434"),
        ("0.0.0.0:8080", "http://127.0.0.1:8080"),
        ("http://0.0.0.0:8080", "http://127.0.0.1:8080"),
        ("http://myhost", "http://myhost"),
        ("https://myhost:443/", "https://myhost:443"),
        ("http://myhost:1234/v1", "http://myhost:1234"),
        ("myhost/ollama", "http://myhost:11434/ollama"),
        ("myhost:", "http://myhost:11434"),
        ("::1", "http://[::1]:11434"),
        ("[::1]", "http://[::1]:11434"),
        ("[::1]:1234", "http://[::1]:1234"),
        ("::", "http://[::1]:11434"),
        (" 'myhost' ", "http://myhost:11434"),
    ],
)
def test_ollamas_variable_is_taken_in_all_its_forms(home: dict[str, str], host: str, url: str | None) -> None:
    assert load({}, home | {"OLLAMA_HOST": host}).endpoints == ((url,) if url else ())


@pytest.mark.parametrize(
    "environ, url",
    [
        ({"LLAMA_ARG_PORT": "9090"}, "http://127.0.0.1:9090"),
        ({"LLAMA_ARG_HOST": "0.0.0.0"}, "http://127.0.0.1:8080"),
        ({"LLAMA_ARG_HOST": "::1", "LLAMA_ARG_PORT": "1"}, "http://[::1]:1"),
        ({"LLAMA_ARG_HOST": "192.168.1.2", "LLAMA_ARG_PORT": "1"}, "http://192.168.1.2:1"),
        ({"OPENAI_BASE_URL": "http://localhost:1234/v1"}, "http://localhost:1234"),
    ],
)
def test_the_other_servers_variables_name_endpoints_too(
    home: dict[str, str], environ: dict[str, str], url: str
) -> None:
    assert load({}, home | environ).endpoints == (url,)


def test_servers_from_several_variables_are_all_used_and_ours_replaces_them(home: dict[str, str]) -> None:
    environ = home | {"OLLAMA_HOST": "a", "OPENAI_BASE_URL": "http://b:1/v1"}
    assert load({}, environ).endpoints == ("http://a:11434", "http://b:1")
    assert load({}, environ | {"NIGHTSHIFT_ENDPOINT": "c:1"}).endpoints == ("http://c:1",)


@pytest.mark.parametrize(
    "environ, overrides, source",
    [
        ({"OPENAI_BASE_URL": "https://api.openai.com/v1"}, {}, "OPENAI_BASE_URL"),
        ({"OLLAMA_HOST": "ollama.com"}, {}, "OLLAMA_HOST"),
        ({"OLLAMA_HOST": "localhost", "OPENAI_BASE_URL": "https://8.8.8.8"}, {}, "OPENAI_BASE_URL"),
        ({"NIGHTSHIFT_ENDPOINT": "8.8.8.8"}, {}, "NIGHTSHIFT_ENDPOINT"),
        ({}, {"endpoints": ["http://localhost:1", "https://example.com"]}, "--endpoint"),
        ({}, {"roles.planner": "gpt@https://example.com"}, "--role"),
        ({}, {"endpoints": ["http://localhost@example.com"]}, None),
    ],
)
def test_a_public_address_is_refused_naming_its_source(
    home: dict[str, str], environ: dict[str, str], overrides: dict[str, Any], source: str | None
) -> None:
    with pytest.raises(ConfigError) as refusal:
        load(overrides, home | environ)
    assert refusal.value.exit_code == 2
    if source:
        assert str(refusal.value).startswith(f"{source}: http")
        assert "--allow-remote" in str(refusal.value)


def test_a_public_address_in_a_file_is_refused_with_its_line(home: dict[str, str], tmp_path: Path) -> None:
    file = toml(tmp_path, "attempts = 3\nendpoints = [\n 'localhost:1',\n 'https://example.com',\n]\n")
    with pytest.raises(ConfigError, match=f"^{file} line 2: https://example.com"):
        load({}, home, None, file)


def test_a_public_address_is_used_when_the_user_says_so(home: dict[str, str], tmp_path: Path) -> None:
    overrides = {"endpoints": ["https://example.com"]}
    assert load(overrides | {"allow_remote": True}, home).endpoints
    assert load(overrides, home, None, toml(tmp_path, "remote_hosts = ['Example.com']")).endpoints
    with pytest.raises(ConfigError):
        load(overrides, home, None, toml(tmp_path, "remote_hosts = ['com', 'ample.com', 'example.org']"))


def test_a_public_address_that_a_higher_layer_replaces_is_not_used(home: dict[str, str]) -> None:
    environ = home | {"OPENAI_BASE_URL": "https://api.openai.com/v1"}
    assert load({"endpoints": ["localhost:1"]}, environ).endpoints == ("http://localhost:1",)


def test_a_roles_server_keeps_its_source_through_the_layers_above(home: dict[str, str], tmp_path: Path) -> None:
    file = toml(tmp_path, "roles.planner = 'gpt@https://example.com'")
    with pytest.raises(ConfigError, match=r"line 1: https://example.com"):
        load({"attempts": 2}, home | {"OLLAMA_HOST": "localhost"}, None, file)


def test_overriding_one_role_never_changes_another(home: dict[str, str], tmp_path: Path) -> None:
    file = toml(tmp_path, "[roles]\nplanner = 'p'\nbuilder = 'b'\n[sampling.builder]\ntemperature = 0.1\ntop_p = 0.5")
    c = load({"roles.planner": "other"}, home, None, file)
    assert c.roles == {"planner": (RoleTarget("other"),), "builder": (RoleTarget("b"),)}
    assert load({}, home, None, file).roles["planner"] == (RoleTarget("p"),)
    assert Config().roles == {}
    assert c.sampling_for("builder", 0.9).temperature == 0.1
    assert c.sampling_for("planner", 0.9).temperature == 0.9


def test_a_role_keeps_the_values_that_a_higher_layer_does_not_name(home: dict[str, str], tmp_path: Path) -> None:
    toml(tmp_path, "[sampling.builder]\ntemperature = 0.1", "nightshift.toml")
    c = load({}, home, tmp_path, toml(tmp_path, "[sampling.builder]\ntop_p = 0.5"))
    assert c.sampling["builder"] == RoleSampling(temperature=0.1, top_p=0.5)


def test_a_model_named_in_a_higher_layer_outranks_the_builder_of_a_lower_one(
    home: dict[str, str], tmp_path: Path
) -> None:
    file = toml(tmp_path, "model = 'm'\n[roles]\nplanner = 'p'\nbuilder = 'b'")
    assert load({}, home, None, file).roles.keys() == {"planner", "builder"}
    c = load({"model": "flag"}, home, None, file)
    assert (c.model, c.roles.keys()) == ("flag", {"planner"})
    c = load({"roles.builder": "x", "model": "flag"}, home)
    assert c.roles == {"builder": (RoleTarget("x"),)}


def test_an_api_key_is_shown_nowhere(home: dict[str, str]) -> None:
    c = load({}, home | {"OPENAI_API_KEY": "sk-very-secret"})
    assert c.api_key == "sk-very-secret"
    assert "secret" not in repr(c)
    assert "api_key='***'" in repr(c)
    assert "secret" not in repr(public(c))


def numbers(hint: Any, name: str) -> Iterator[str]:
    """Names of the fields below a type that hold numbers."""
    inner = [part for part in get_args(hint) if part is not Ellipsis]
    if hint in (int, float):
        yield name
    elif is_dataclass(hint):
        for field, kind in get_type_hints(hint).items():
            yield from numbers(kind, field)
    for part in inner if get_origin(hint) is not None or inner else []:
        yield from numbers(part, name)


def test_every_number_has_bounds() -> None:
    assert set(numbers(Config, "")) == set(BOUNDS)


def test_paths_follow_the_xdg_variables(tmp_path: Path) -> None:
    usual = paths({"HOME": "/h"})
    assert (usual.config_file, usual.trees) == (
        Path("/h/.config/nightshift/config.toml"),
        Path("/h/.local/state/nightshift/trees"),
    )
    assert usual.memory == Path("/h/.local/share/nightshift/memory.db")
    named = paths({"HOME": "/h", "XDG_STATE_HOME": "/s", "XDG_DATA_HOME": "/d", "XDG_CONFIG_HOME": "relative"})
    assert (named.trees, named.environments) == (
        Path("/s/nightshift/trees"),
        Path("/s/nightshift/environments"),
    )
    assert (named.memory, named.config_file) == (Path("/d/nightshift/memory.db"), usual.config_file)


@pytest.mark.parametrize(
    "text, key, line",
    [
        ("a = 1", ("a",), 1),
        ("a = 1", ("b",), None),
        ("x = 1\r\n# c\r\na.b.c = 1", ("a", "b", "c"), 3),
        ("[a.b]\nc = 1\n[a.d]\ne = 1", ("a", "d"), 3),
        ("[[a]]\nb = 1\n[[a]]\nb = 2\n[[a.c]]\nd = 3", ("a", 1, "b"), 4),
        ("[[a]]\nb = 1\n[[a]]\nb = 2\n[[a.c]]\nd = 3", ("a", 1, "c", 0, "d"), 6),
        ('[ "a" . \'b.c\' ]\n"d e" = 1', ("a", "b.c", "d e"), 2),
        ("a = [\n 1,\n [2,\n 3],\n]\nb = 1", ("a", 1, 1), 1),
        ("a = [\n 1,\n [2,\n 3],\n]\nb = 1", ("b",), 6),
        ("a = {b = 1, c = {d = 2}}", ("a", "c", "d"), 1),
        ('s = """\nb = 1\n"""\nb = 2', ("b",), 4),
        ("s = '''\n\"\"\"\nb = 1'''\n\n# b = 3\nb = 2", ("b",), 6),
        ("a = 'b = 1 # \\'\nb = 2", ("b",), 2),
    ],
)
def test_the_line_of_a_key_is_found_in_every_way_to_write_it(
    text: str, key: tuple[str | int, ...], line: int | None
) -> None:
    tomllib.loads(text)
    assert line_of(text, key) == line


NAMES = st.text(alphabet="ab", min_size=1, max_size=3)


@given(
    st.lists(
        st.tuples(NAMES, st.sampled_from(["1", "'x'", '"""\n\n"""', "[\n1,\n]", "{a = 1}"])),
        unique_by=lambda entry: entry[0],
    )
)
def test_any_key_is_found_on_the_line_it_was_written_on(entries: list[tuple[str, str]]) -> None:
    text, lines = "", {}
    for name, value in entries:
        lines[name] = text.count("\n") + 1
        text += f"{name} = {value}\n"
    assert {name: line_of(text, (name,)) for name in lines} == lines


def test_the_module_reads_no_environment_of_its_own() -> None:
    assert "os.environ" not in Path(config.__file__).read_text()


@pytest.mark.parametrize(
    "text, key",
    [
        ("remote_hosts = ['models.example.com']", "remote_hosts"),
        ("allow_remote = true", "allow_remote"),
        ("[verify]\nnetwork = true", "verify.network"),
        ("[environment]\nallow = ['anything']", "environment.allow"),
    ],
)
def test_a_strangers_checkout_cannot_open_a_way_out(tmp_path: Path, text: str, key: str) -> None:
    (tmp_path / "nightshift.toml").write_text(text)
    with pytest.raises(ConfigError, match=re.escape(key)):
        load({}, {"HOME": str(tmp_path / "home")}, tmp_path)
