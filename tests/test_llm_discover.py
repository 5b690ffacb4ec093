"""Finding servers, knowing them for what they are, and choosing models for roles."""

from __future__ import annotations

import asyncio
import json
from functools import partial
from itertools import permutations
from typing import Any

import pytest
from servers import ScriptedServer, _Handler, refused_url

from nightshift.domain import ROLES
from nightshift.errors import BadRequest, ModelMissing, ServerLoading, Unreachable
from nightshift.llm.addresses import base_url, is_private
from nightshift.llm.connect import connect
from nightshift.llm.discovery.probe import DEFAULT_URLS, find_servers, look, probe, survey
from nightshift.llm.endpoint import Endpoint, Model, Target, billions
from nightshift.llm.routing import RoleTarget, routes


@pytest.mark.parametrize("suffix", ["", "/", "/v1", "/v1/"])
@pytest.mark.parametrize(
    "kind, protocol, flavour, slots, context",
    [("ollama", "ollama", "ollama", 1, None), ("llama", "openai", "llama.cpp", 3, 8192),
     ("generic", "openai", "generic", 4, 8192)],
)  # fmt: skip
def test_a_server_is_known_by_its_answers_on_any_port(kind, protocol, flavour, slots, context, suffix):
    with ScriptedServer(kind, slots=3, context=8192, models=["coder:7b", "tiny"]) as server:
        found = asyncio.run(probe(server.url + suffix))
    assert (found.url, found.protocol, found.flavour) == (server.url, protocol, flavour)
    assert (found.names, found.slots, found.context) == (("coder:7b", "tiny"), slots, context)
    assert server.requests == []


@pytest.mark.parametrize(
    "capabilities, thinks", [(["completion", "thinking"], True), (["completion"], False), ([], None)]
)
def test_ollama_says_which_models_think(capabilities, thinks):
    with ScriptedServer("ollama", capabilities=capabilities) as server:
        assert asyncio.run(probe(server.url)).thinks("coder:7b") is thinks


class Telling(ScriptedServer):
    """A server that tells more of its models: `said` is what it answers at each path."""

    def __init__(self, protocol: Any, said: dict[str, Any], **more: Any) -> None:
        super().__init__(protocol, **more)
        self._http.RequestHandlerClass = partial(_Telling, self)
        self.said = said
        self.delay = 0.0
        """Seconds before it tells of a model."""

    def get(self, path: str) -> dict[str, Any] | None:
        found = super().get(path)
        return self.said.get(path, found)


class _Telling(_Handler):
    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.script.seen.append(f"show {asked['model']}")
        self.script.stopping.wait(self.script.delay)
        self._json(200, self.script.said[self.path][asked["model"]])


def test_ollama_tells_what_each_model_was_trained_for_and_how_it_is_loaded():
    shown = {
        "a": {"model_info": {"general.architecture": "qwen2", "qwen2.context_length": 16_384},
              "capabilities": ["completion", "thinking"]},
        "b": {"model_info": {"general.architecture": "no such"}},
    }  # fmt: skip
    running = {"models": [{"model": "a", "size": 10_000, "size_vram": 4_000, "context_length": 8192}]}
    with Telling("ollama", {"/api/show": shown, "/api/ps": running}, models=["a", "b"]) as server:
        found = asyncio.run(probe(server.url))
    one, other = found.models
    assert (one.trained, one.capabilities, one.loaded, one.vram, one.allocated) == (
        16_384, ("completion", "thinking"), 10_000, 4_000, 8192
    )  # fmt: skip
    assert (other.trained, other.capabilities, other.loaded, other.allocated) == (0, ("completion",), 0, 0)
    assert (found.build, one.size) == ("0.33.0", 4_700_000_000)
    assert (Target(found, "a").window(32_768), Target(found, "b").window(32_768)) == (16_384, 32_768)


def test_llama_cpp_tells_its_build_and_what_its_model_was_trained_for():
    meta = {"n_ctx_train": 131_072, "n_params": 7_600_000_000, "size": 4_400_000_000}
    models = {"data": [{"id": "served", "meta": meta}]}
    with Telling("llama", {"/v1/models": models}) as server:
        found = asyncio.run(probe(server.url))
    assert (found.build, found.models[0].trained, found.models[0].size) == ("b1-scripted", 131_072, 4_400_000_000)
    assert found.models[0].billions == 7.6


@pytest.mark.parametrize("listing", [{}, {"data": []}])
def test_a_llama_server_that_lists_nothing_is_known_by_its_file(listing):
    props = {"default_generation_settings": {"n_ctx": 4096}, "total_slots": 2, "model_path": "/models/coder-7b.gguf"}
    with Telling("llama", {"/v1/models": listing, "/props": props}) as server:
        found = asyncio.run(probe(server.url))
    assert found.names == ("coder-7b.gguf",)


@pytest.mark.parametrize("said", [None, [], {"models": "x"}, {"models": [1, {"model": 2, "size": "large"}]}])
def test_a_server_that_answers_nonsense_about_its_models_is_still_found(said):
    with Telling("ollama", {"/api/show": {"a": said}, "/api/ps": said}, models=["a"]) as server:
        assert asyncio.run(probe(server.url)).names == ("a",)


@pytest.mark.slow
def test_a_server_slow_to_tell_of_its_models_is_found_all_the_same():
    with Telling("ollama", {"/api/show": {"a": {}}}, models=["a"]) as server:
        server.delay = 5.0
        found = asyncio.run(probe(server.url, seconds=4.0))
    assert found.names == ("a",)
    assert found.thinks("a") is False


def test_a_look_tells_a_dead_server_from_one_that_loads_and_one_that_is_well():
    with ScriptedServer("llama") as server, ScriptedServer("generic") as other:
        well, generic = (asyncio.run(probe(one.url)) for one in (server, other))
        server.loading = 1
        states = [asyncio.run(look(one)) for one in (well, well, generic)]
    assert [*states, asyncio.run(look(well))] == ["loading", "ready", "ready", "dead"]


def test_a_wrong_key_is_said_so():
    with ScriptedServer("llama", api_key="k") as server:
        with pytest.raises(BadRequest, match="OPENAI_API_KEY"):
            asyncio.run(probe(server.url, api_key="wrong"))
        assert asyncio.run(probe(server.url, api_key="k")).slots == 2


def test_a_loading_server_is_told_from_a_dead_one_and_waited_for_with_patience():
    with ScriptedServer("llama", loading=1) as server:
        with pytest.raises(ServerLoading):
            asyncio.run(probe(server.url))
        server.loading = 1
        assert asyncio.run(probe(server.url, patience=5)).slots == 2


@pytest.mark.parametrize("url", ["a free port", "http://127.0.0.1:notaport", "http://[::1", "ftp://127.0.0.1:1", ""])
def test_an_address_without_a_server_is_unreachable(url):
    url = refused_url() if url == "a free port" else url
    with pytest.raises(Unreachable):
        asyncio.run(probe(url, seconds=2))


def test_a_web_server_of_another_kind_is_no_model_server():
    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\nConnection: close\r\n\r\n<html>")
        await writer.drain()
        writer.close()

    async def meet() -> None:
        async with await asyncio.start_server(greet, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            with pytest.raises(Unreachable, match="no model server we know"):
                await probe(f"http://127.0.0.1:{port}")

    asyncio.run(meet())


def test_a_server_that_says_nothing_does_not_hold_up_the_search():
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async def meet(url: str) -> None:
        async with await asyncio.start_server(silent, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            found = await find_servers([f"http://127.0.0.1:{port}", refused_url(), url], seconds=0.8)
            assert [endpoint.url for endpoint in found] == [url]

    with ScriptedServer("ollama") as server:
        asyncio.run(meet(server.url))


def test_when_all_that_answers_is_loading_that_is_said():
    with ScriptedServer("llama", loading=99) as loading, ScriptedServer("ollama") as ready:
        with pytest.raises(ServerLoading):
            asyncio.run(find_servers([loading.url]))
        assert len(asyncio.run(find_servers([loading.url, ready.url]))) == 1
        assert list(asyncio.run(survey([loading.url, ready.url]))) == [loading.url, ready.url]


def test_nothing_found_is_an_empty_list():
    assert asyncio.run(find_servers([refused_url()])) == []
    assert [url.rpartition(":")[2] for url in DEFAULT_URLS] == ["11434", "8080", "1234", "8000"]


@pytest.mark.parametrize(
    "name, size",
    [("qwen2.5-coder:7b", 7), ("Qwen2.5-Coder-32B-Instruct-Q4_K_M.gguf", 32), ("qwen3:30b-a3b", 30), ("mixtral:8x7b", 56),
     ("deepseek-coder-6.7b", 6.7), ("gemma3:270m", 0.27), ("gpt-4o", 0), ("phi4", 0), ("llama3.1", 0), ("q4_k_m", 0)],
)  # fmt: skip
def test_the_size_of_a_model_is_read_from_its_name(name, size):
    assert billions(name) == pytest.approx(size)


@pytest.mark.parametrize(
    "url",
    ["http://127.0.0.1:8080", "localhost:11434", "http://127.9.9.9", "http://10.1.2.3/v1", "http://172.31.0.1", "192.168.1.5:8080",
     "http://169.254.1.1", "http://[::1]:8080", "http://[fd00::7]", "http://[fe80::1%25eth0]:80", "http://0.0.0.0:11434",
     "http://gpubox:8080", "http://gpubox.local", "http://box.lan.", "https://a.b.home.arpa", "http://vm.internal",
     "http://[::ffff:192.168.0.1]", "http://evil.example@127.0.0.1"],
)  # fmt: skip
def test_the_own_network_is_private(url):
    assert is_private(url)


@pytest.mark.parametrize(
    "url",
    ["https://api.openai.com/v1", "http://8.8.8.8", "http://172.32.0.1", "http://[2001:db8::1]", "http://134744072",
     "http://0x08080808", "http://8.8", "http://127.0.0.1@evil.example", "http://127.0.0.1.evil.example", "http://localhost.evil.example", "http://evil%2eexample",
     "http://[::ffff:8.8.8.8]", "ftp://127.0.0.1", "file:///etc/passwd", "", "http://", "http://[::1", "http://ex\u2024ample.com",
     "http://evil.example\\@127.0.0.1", "http://127.0.0.1\\@evil.example", "http://evil.example#.local"],
)  # fmt: skip
def test_everything_else_is_public(url):
    assert not is_private(url)


@pytest.mark.parametrize(
    "url, base",
    [("localhost:8080", "http://localhost:8080"), ("http://h:1/v1/", "http://h:1"), (" https://h/llm/v1 ", "https://h/llm"),
     ("http://h/api", "http://h"), ("http://h/v1x", "http://h/v1x")],
)  # fmt: skip
def test_one_server_has_one_spelling(url, base):
    assert base_url(url) == base
    assert base_url(base) == base


def endpoint(url: str, *names: str) -> Endpoint:
    return Endpoint(url, "ollama", "ollama", tuple(Model(name, billions(name)) for name in names))


BOX = endpoint(
    "http://box:1",
    "llama3.3:70b",
    "qwen2.5-coder:32b",
    "qwen2.5-coder:7b",
    "llama3.2:1b",
    "nomic-embed-text:9000b",
)
SMALL = endpoint("http://small:2", "qwen2.5-coder:7b", "phi:latest")


def chosen(found: dict) -> dict[str, str]:
    return {
        role: " ".join(f"{target.model}@{target.endpoint.url[7:]}" for target in targets)
        for role, targets in found.items()
    }


def test_with_nothing_configured_the_largest_coder_builds():
    found = chosen(routes([BOX, SMALL], {}))
    assert set(found) == set(ROLES)
    assert {role: model for role, model in found.items() if model != "qwen2.5-coder:32b@box:1"} == {
        "planner": "llama3.3:70b@box:1",
        "analyst": "llama3.3:70b@box:1",
        "voter": "phi:latest@small:2",
        "librarian": "phi:latest@small:2",
    }


def test_without_a_coder_the_largest_builds_and_one_model_does_everything():
    assert set(chosen(routes([endpoint("http://a:1", "m:1b", "m:3b")], {})).values()) == {
        "m:3b@a:1",
        "m:1b@a:1",
    }
    assert set(chosen(routes([endpoint("http://a:1", "m")], {})).values()) == {"m@a:1"}


def test_a_default_model_goes_to_every_role_and_to_every_server_that_has_it():
    found = chosen(routes([BOX, SMALL], {"voter": (RoleTarget("phi"),)}, "qwen2.5-coder:7b"))
    assert found.pop("voter") == "phi:latest@small:2"
    assert set(found.values()) == {"qwen2.5-coder:7b@box:1 qwen2.5-coder:7b@small:2"}


def test_a_role_may_name_several_models_and_servers():
    wanted = (RoleTarget("qwen2.5-coder:7b", "small:2/v1"), RoleTarget("qwen2.5-coder:32b"))
    found = chosen(routes([BOX, SMALL], {"builder": wanted}))
    assert found["builder"] == found["tester"] == "qwen2.5-coder:7b@small:2 qwen2.5-coder:32b@box:1"


def test_a_role_that_names_no_server_may_use_every_server_that_has_its_model():
    found = chosen(routes([BOX, SMALL], {"tester": (RoleTarget("qwen2.5-coder:7b"),)}))
    assert found["tester"] == "qwen2.5-coder:7b@box:1 qwen2.5-coder:7b@small:2"


@pytest.mark.parametrize("names", [("m1", "m2", "m3"), ("x:7b", "y:7b", "z:7b"), ("a-coder", "b-coder", "c")])
def test_no_model_is_chosen_for_its_place_in_a_list(names):
    one_server = [[endpoint("http://a:1", *order)] for order in permutations(names)]
    several = [[endpoint(f"http://{name}", name) for name in order] for order in permutations(names)]
    for servers in (one_server, several):
        found = [chosen(routes(order, {})) for order in servers]
        assert all(one == found[0] for one in found)


def test_a_server_named_twice_is_one_server_and_knows_its_gpu():
    async def meet(url: str) -> tuple[Endpoint, ...]:
        twice = [url, url + "/v1/"]
        return (await connect(twice, {"voter": (RoleTarget("coder:7b", url),)}, devices={url + "/": "gpu0"})).endpoints

    with ScriptedServer("llama") as server:
        (found,) = asyncio.run(meet(server.url))
    assert found.device == "gpu0"


@pytest.mark.parametrize(
    "roles, default",
    [
        ({"builder": (RoleTarget("gpt-9"),)}, ""),
        ({}, "gpt-9"),
        ({"voter": (RoleTarget("gpt-9", "http://box:1"),)}, ""),
    ],
)
def test_an_unknown_model_is_refused_with_the_names_there_are(roles, default):
    with pytest.raises(ModelMissing, match=r"'gpt-9'.*llama3\.3:70b"):
        routes([BOX], roles, default)


def test_a_role_at_an_unknown_server_is_refused_with_the_servers_there_are():
    with pytest.raises(Unreachable, match="http://box:1"):
        routes([BOX], {"builder": (RoleTarget("m", "http://other:1"),)})


@pytest.mark.parametrize("endpoints", [[], [endpoint("http://a:1")], [endpoint("http://a:1", "nomic-embed-text")]])
def test_no_model_that_writes_text_is_refused(endpoints):
    with pytest.raises(ModelMissing):
        routes(endpoints, {})


def test_a_name_that_no_file_could_hold_is_none():
    with ScriptedServer("generic", models=("coder\ud800",)) as server, pytest.raises(Unreachable):
        asyncio.run(probe(server.url))


@pytest.mark.slow
def test_every_server_that_loads_is_waited_for_when_no_other_answers():
    with ScriptedServer("llama", loading=9) as one, ScriptedServer("llama", loading=9) as other:
        found = asyncio.run(connect([one.url, other.url], {}, patience=20))
    assert [endpoint.url for endpoint in found.endpoints] == [one.url, other.url]
    assert not found.dead


@pytest.mark.slow
def test_a_server_that_loads_is_waited_for_when_a_role_names_it_though_others_answer():
    with ScriptedServer("llama", models=("a",)) as ready, ScriptedServer("llama", models=("b",), loading=9) as loading:
        roles = {"builder": [RoleTarget("a", ready.url)], "planner": [RoleTarget("b", loading.url)]}
        found = asyncio.run(connect([], roles, patience=20, usual=()))
    assert str(found.targets["planner"][0]) == f"b at {loading.url}"


@pytest.mark.slow
def test_a_server_at_a_usual_address_is_waited_for_while_it_loads():
    with ScriptedServer("llama", loading=9) as server:
        found = asyncio.run(connect([], {}, patience=20, usual=(server.url,)))
        assert [endpoint.url for endpoint in found.endpoints] == [server.url]
        server.loading = 99
        with pytest.raises(ServerLoading):
            asyncio.run(connect([], {}, usual=(server.url,)))
