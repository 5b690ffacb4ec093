"""Every fault a model server can have, through the real pool, on a real socket: one table, a row for each.

A row says what the server does, and then: the fault kinds the gate is told, how many generation requests the server
saw, the outcome, and the seconds within which all that has to happen.
"""

from __future__ import annotations

import ast
import asyncio
import importlib
import re
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from servers import LOADING, Asked, Kind, Reply, ScriptedServer, refused_url, sequence

import nightshift
import nightshift.llm
from nightshift.domain import ROLES, Message, Request
from nightshift.errors import (
    BadRequest,
    ContextExceeded,
    ModelMissing,
    ModelServerError,
    ServerLoading,
    ServerOverloaded,
    StreamBroken,
    Unreachable,
)
from nightshift.llm.client.stream import MAX_REPLY
from nightshift.llm.deadlines import Deadlines
from nightshift.llm.discovery.probe import probe
from nightshift.llm.endpoint import Endpoint, Target
from nightshift.llm.profiles import Profiles
from nightshift.llm.scheduling.pool import Pool
from nightshift.llm.wire.common import IN_WORDS
from nightshift.switches import Switches

CODE = "def f(x):\n    return '}}}}' + '00000000' + x  # é 漢 \U0001f600\n" * 30
BOOK = "".join(f"{number} " for number in range(1_700_000))
LONG = "def f(x): return x\n" * 2000
SCHEMA = {"type": "object", "properties": {"ok": {"type": "boolean"}}}
BOTH: tuple[Kind, ...] = ("ollama", "llama")
OPENAI: tuple[Kind, ...] = ("llama", "generic")

PATIENT = Deadlines(connect=10, first_token=10, stall=10, total=20)
HASTY = Deadlines(first_token=0.1, stall=0.3, total=0.4)
STALLED = Deadlines(first_token=10, stall=0.1, total=20)


@dataclass
class Ledger:
    """A gate that lets everything pass and remembers what it was told."""

    sent: int = 0
    faults: list[str] = field(default_factory=list)

    def before_send(self, request: Request, endpoint: str, model: str, attempt: int) -> None:
        self.sent += 1

    def fault(self, request: Request, endpoint: str, model: str, attempt: int, error: ModelServerError) -> None:
        self.faults.append(error.fault)


@dataclass(frozen=True)
class Row:
    name: str
    replies: Sequence[str | Reply]
    faults: Sequence[str]
    requests: int
    outcome: str | type[ModelServerError]
    """The text of the reply, its beginning when it is cut, or the kind of error."""
    within: float = 5.0
    deadlines: Deadlines = PATIENT
    protocols: Sequence[Kind] = BOTH
    prompt: str = "hello"
    schema: dict[str, Any] | None = None
    think: int = 0


def status(code: int, error: str, kind: str = "server_error", **extra: int) -> Reply:
    return Reply(status=code, error=error, error_type=kind, error_extra=extra)


TOO_LONG = "request (10018 tokens) exceeds the available context size (1024 tokens), try increasing it"
ROLE_AGAIN = b'data: {"choices":[{"index":0,"delta":{"role":"assistant","content":null}}]}\n\n'
ONLY_USAGE = b'data: {"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":3}}\n\n'
NULS = {"ollama": b'{"message":{"content":"a\\u0000\0\xff\xfe"},"done":false}\n',
        "llama": b'data: {"choices":[{"delta":{"content":"a\\u0000\0\xff\xfe"}}]}\n\n'}  # fmt: skip
WELL = "ok"
CUTS = {"runaway", "whitespace", "overthinking", "too_large"}
ROWS = [
    Row("accept and silence, at work", [Reply(fault="silent")], ["first_token"], 1, StreamBroken, 3, HASTY),
    Row("accept and silence, idle", [Reply(fault="lost")], ["first_token"], 1, StreamBroken, 3, HASTY),
    Row("headers, then silence", [Reply(CODE, fault="hang")], ["first_token"], 1, StreamBroken, 3, HASTY),
    Row("pings without text", [Reply(CODE, fault="drip")], ["first_token"], 1, StreamBroken, 3, HASTY),
    Row("slow drip", [Reply("word ", piece=1, fault="trickle")], ["total"], 1, StreamBroken, 4, HASTY),
    Row("stall in mid-stream", [Reply(CODE, fault="stall"), WELL], ["stall"], 2, WELL, 4, STALLED),
    Row("cut in mid-stream", [Reply(CODE, fault="drop"), WELL], ["cut"], 2, WELL),
    Row("cut in mid-stream for ever", [Reply(CODE, fault="drop")], ["cut"] * 4, 4, StreamBroken),
    Row("end without mark", [Reply(CODE, fault="no_end"), WELL], ["no_end_mark"], 2, WELL),
    Row("end without its last line", [Reply(CODE, fault="no_done"), WELL], ["no_end_mark"], 2, WELL),
    Row("end without a reason", [Reply(CODE, fault="no_reason"), WELL], ["no_end_mark"], 2, WELL),
    Row("500, then well", [status(500, "busy"), WELL], ["http_500"], 2, WELL),
    Row("503 three times, then well", [*[status(503, "busy")] * 3, WELL], ["http_503"] * 3, 4, WELL),
    Row("503 for ever", [status(503, "busy")], ["http_503"] * 4, 4, ServerOverloaded),
    Row("loading, then well", [LOADING, WELL], ["loading"], 2, WELL),
    Row("loading for ever", [LOADING], ["loading"] * 4, 4, ServerLoading),
    Row("429", [status(429, "slow down"), WELL], ["http_429"], 2, WELL),
    Row("401", [status(401, "Invalid API Key")], ["http_401"], 1, BadRequest),
    Row("404 path", [status(404, "File Not Found")], ["http_404"], 1, BadRequest),
    Row("404 model", [status(404, "model 'coder:7b' not found")], ["model_missing"], 1, ModelMissing),
    Row("400", [status(400, "Field 'max_tokens': wrong type")], ["http_400"], 1, BadRequest),
    Row("400 context", [status(400, TOO_LONG, "exceed_context_size_error")], ["context"], 1, ContextExceeded),
    Row("400 schema", [status(400, "JSON schema error at #"), WELL], ["schema_refused"], 2, WELL, schema=SCHEMA),
    Row("500 schema", [status(500, "body.response_format.type"), WELL], ["schema_refused"], 2, WELL, schema=SCHEMA),
    Row("schema refused even in words", [status(400, "no schema")], ["schema_refused", "http_400"], 2, BadRequest,
        schema=SCHEMA),
    Row("400 think", [status(400, '"m" does not support thinking'), WELL], ["think_refused"], 2, WELL, think=99),
    Row("malformed JSON line", [Reply(CODE, fault="malformed"), WELL], ["malformed"], 2, WELL),
    Row("error object in mid-stream", [Reply(CODE, fault="error", error="Context size has been exceeded."), WELL],
        ["mid_stream_error"], 2, WELL),
    Row("empty content", [""], [], 1, ""),
    Row("reasoning only", [Reply(reasoning="Let me think.")], [], 1, ""),
    Row("stop reason length", [Reply("half", stop="length")], [], 1, "half"),
    Row("repetition for ever", [Reply("la la ", fault="endless")], ["runaway"], 1, "la la "),
    Row("blanks for ever", [Reply(" \n", fault="endless")], ["whitespace"], 1, " \n"),
    Row("blanks after the JSON has begun", [Reply('{"ok":' + " \n" * 600)], ["whitespace"], 1, '{"ok": \n'),
    Row("thinking for ever", [Reply(reasoning="".join(f"{n} or " for n in range(30_000)))], ["overthinking"], 1, ""),
    Row("thinking beyond what is allowed", [Reply(reasoning="".join(f"{n} or " for n in range(900)))],
        ["overthinking"], 1, "", think=512),
    Row("NUL", ["a\0b"], [], 1, "a\0b"),
    Row("invalid UTF-8 and raw NUL, Ollama", [Reply("xy", piece=1, middle=NULS["ollama"])], [], 1,
        "xa\0\0\ufffd\ufffdy", protocols=("ollama",)),
    Row("invalid UTF-8 and raw NUL", [Reply("xy", piece=1, middle=NULS["llama"])], [], 1, "xa\0\0\ufffd\ufffdy",
        protocols=OPENAI),
    Row("wrong model served", [Reply(CODE, model="writer:3b")], ["wrong_model"], 1, ModelMissing),
    Row("prompt count too small", [Reply(CODE, prompt_tokens=4096)], ["context_truncated"], 1, ContextExceeded,
        prompt=LONG),
    Row("duplicated role chunk", [Reply("xy", piece=1, middle=ROLE_AGAIN)], [], 1, "xy", protocols=OPENAI),
    Row("usage chunk without choices", [Reply("xy", piece=1, middle=ONLY_USAGE)], [], 1, "xy", protocols=OPENAI),
]  # fmt: skip
CASES = [pytest.param(row, kind, id=f"{row.name}-{kind}") for row in ROWS for kind in row.protocols]

SPEED = 1000
"""The pool's own waiting is that much faster than the world's; a server's deadlines are not."""


async def sleep(seconds: float) -> None:
    await asyncio.sleep(seconds / SPEED)


def clock() -> float:
    return time.monotonic() * SPEED


def ask(
    targets: Sequence[Target], request: Request, ledger: Ledger, within: float, **more: Any
) -> str | ModelServerError:
    """The text of the reply, or the error."""

    async def asked() -> str | ModelServerError:
        given = {
            "deadlines": PATIENT,
            "patience": 600,
            "sleep": sleep,
            "clock": clock,
            "switches": Switches(hedging=False),
        }
        pool = Pool(dict.fromkeys(ROLES, tuple(targets)), gate=ledger, **given | more)
        async with asyncio.timeout(within):
            try:
                return (await pool.complete(request)).text
            except ModelServerError as error:
                return error

    return asyncio.run(asked())


def asking(prompt: str = "hello", **more: Any) -> Request:
    return Request("builder", "build/a.py/candidate-1", (Message("user", prompt),), **more)


def model_of(server: ScriptedServer) -> Target:
    return Target(asyncio.run(probe(server.url)), "coder:7b")


@pytest.mark.parametrize("row, protocol", CASES)
def test_every_fault_has_a_name_a_number_of_requests_an_outcome_and_an_end(row: Row, protocol: Kind) -> None:
    ledger = Ledger()
    request = asking(row.prompt, schema=row.schema, think=row.think)
    with ScriptedServer(protocol, sequence(*row.replies), capabilities=["completion", "thinking"]) as server:
        outcome = ask([model_of(server)], request, ledger, row.within, deadlines=row.deadlines)
    assert ledger.faults == list(row.faults)
    assert (len(server.requests), ledger.sent) == (row.requests, row.requests)
    if isinstance(row.outcome, str):
        assert isinstance(outcome, str), outcome
        assert outcome[: len(row.outcome) if CUTS & {*row.faults} else None] == row.outcome
    else:
        assert isinstance(outcome, row.outcome), outcome
        assert server.url in str(outcome)


@contextmanager
def unreachable_url() -> Iterator[str]:
    """A host whose packets get lost: on Linux a full backlog makes a connection hang as that does."""
    with socket.socket() as host, ExitStack() as callers:
        host.bind(("127.0.0.1", 0))
        host.listen(0)
        for _ in range(3):
            caller = callers.enter_context(socket.socket())
            caller.setblocking(False)
            caller.connect_ex(host.getsockname())
        yield f"http://127.0.0.1:{host.getsockname()[1]}"


@pytest.mark.parametrize("nobody", [nullcontext(refused_url()), unreachable_url()], ids=["refused", "unreachable host"])
def test_nobody_there_is_tried_until_the_server_rests_and_ends_as_unreachable(
    nobody: AbstractContextManager[str],
) -> None:
    ledger = Ledger()
    with nobody as url:
        target = Target(Endpoint(url, "openai", "generic"), "m")
        outcome = ask([target], asking(), ledger, 5, deadlines=Deadlines(connect=0.2), patience=0)
    assert isinstance(outcome, Unreachable)
    assert ledger.faults == ["unreachable"] * 3
    assert ledger.sent == 3


@pytest.mark.slow
@pytest.mark.parametrize("protocol", BOTH)
def test_a_reply_of_10_mb_is_cut_and_kept_as_one_that_ran_out_of_tokens(protocol: Kind) -> None:
    ledger = Ledger()
    with ScriptedServer(protocol, lambda asked: Reply(BOOK, piece=200_000)) as server:
        outcome = ask([model_of(server)], asking(), ledger, 60, deadlines=Deadlines())
    assert outcome == BOOK[:MAX_REPLY]
    assert (ledger.faults, len(server.requests)) == (["too_large"], 1)


@pytest.mark.parametrize("jump", [-1e6, 1e6])
@pytest.mark.parametrize("replies, faults", [([WELL], []), ([status(500, "busy"), WELL], ["http_500"])])
def test_a_clock_that_jumps_changes_no_outcome(jump: float, replies: list[str | Reply], faults: list[str]) -> None:
    ledger, ticks = Ledger(), iter(range(10_000))
    with ScriptedServer("llama", sequence(*replies)) as server:
        outcome = ask([model_of(server)], asking(), ledger, 5, clock=lambda: clock() + jump * next(ticks))
    assert (outcome, ledger.faults, len(server.requests)) == (WELL, faults, len(replies))


def test_deadlines_are_measured_by_a_clock_that_nobody_sets() -> None:
    """The wall clock is set by people and time servers; only what servers say of the wall clock is compared with it."""
    sources = [path for path in Path(*nightshift.llm.__path__).rglob("*.py") if path.name != "expiry.py"]
    names = {f"{node.value.id}.{node.attr}" for path in sources for node in ast.walk(ast.parse(path.read_text()))
             if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)}  # fmt: skip
    assert "time.monotonic" in names
    assert not names & {"time.time", "time.time_ns", "datetime.now", "datetime.utcnow", "time.localtime"}


def test_a_refused_schema_is_asked_for_in_words_and_not_sent_again() -> None:
    def answer(asked: Asked) -> str | Reply:
        return status(400, "unsupported response_format") if "response_format" in asked or "format" in asked else "{}"

    with ScriptedServer("generic", answer) as server:
        target, profiles = model_of(server), Profiles()
        for _ in range(2):
            assert ask([target], asking("Plan.", schema=SCHEMA), Ledger(), 5, profiles=profiles) == "{}"
    assert [IN_WORDS in asked.prompt for asked in server.requests] == [False, True, True]


# A schema without bounds lets a model write for ever and stay valid.


def unbounded(schema: Any, where: str = "$") -> Iterator[str]:
    """The places in a schema where a reply may grow without end."""
    kind = schema.get("type")
    if kind == "string" and not {"maxLength", "enum", "const"} & schema.keys():
        yield where
    if kind == "array" and "maxItems" not in schema:
        yield where
    if kind == "object" and schema.get("additionalProperties", True):
        yield where
    if kind not in ("string", "integer", "number", "boolean", "null", "array", "object") and "enum" not in schema:
        yield where
    for name, inner in {**schema.get("properties", {}), "[]": schema.get("items")}.items():
        if inner is not None:
            yield from unbounded(inner, f"{where}.{name}")


def schemas() -> dict[str, dict[str, Any]]:
    """Every schema that the package defines."""
    package = Path(*nightshift.__path__)
    modules = [path for path in package.rglob("*.py") if re.search(r"^SCHEMA\b.* = ", path.read_text(), re.MULTILINE)]
    names = [".".join(path.relative_to(package.parent).with_suffix("").parts) for path in modules]
    return {name: importlib.import_module(name).SCHEMA for name in names}


def test_every_schema_is_bounded() -> None:
    assert {"nightshift.plan", "nightshift.diagnosis"} <= schemas().keys()
    assert [(name, place) for name, schema in schemas().items() for place in unbounded(schema)] == []
    assert list(unbounded({"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "array"}}})) == [
        "$", "$.a", "$.b",
    ]  # fmt: skip
