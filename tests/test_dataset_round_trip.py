"""From a server's socket to the training data and back: what was sent is what is learned, and the roles take every reply."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from runs import ROOT, run
from scenario import DIAGNOSIS, PLAN, RIGHT, WRONG, Scenario, fence
from servers import Asked, Kind, ScriptedServer

from agents import Agents, Settings
from nightshift.codec import from_json
from nightshift.dataset.example import Example
from nightshift.dataset.export import export_runs
from nightshift.dataset.files import found_in
from nightshift.dataset.formats import FORMATS
from nightshift.dataset.writing import Selection
from nightshift.domain import ROLES, Plan, SamplingParams, Task
from nightshift.llm.tape import TapeModel
from nightshift.search.brief import Brief
from trace_collector import Trace

pytestmark = pytest.mark.slow

TASK = (
    "Make calculator.py: a Calculator for receipts that adds, subtracts, multiplies and divides, ValueError for zero."
)
SCENARIO = Scenario(
    {"builder": lambda prompt: fence(RIGHT if "MARKER-ADVICE" in prompt else WRONG), "repairer": fence(WRONG)}
)


@pytest.fixture(scope="module", params=["ollama", "llama", "generic"])
def told(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Any]]:
    """The run's folder, and the messages of each request as the server got them."""
    home = tmp_path_factory.mktemp("run")
    sent: list[Any] = []

    def reply(asked: Asked) -> str:
        sent.append(asked["messages"])
        return SCENARIO.reply(asked.system, asked.prompt)

    kind: Kind = request.param
    with ScriptedServer(kind, reply) as server:
        done = run("--endpoint", server.url, "--no-memory", TASK, workspace=home / "work", home=home / "home")
    assert done.code == 0, done.stderr
    return done.run_dir, sent


def examples(run_dir: Path, out: Path, form: str) -> list[Example]:
    export_runs([run_dir / "trace.jsonl"], out, form, Selection())
    return [found.example for found in found_in(out, FORMATS[form]) if found.example]


def test_every_exported_prompt_is_what_the_server_got_to_the_letter(
    told: tuple[Path, list[Any]], tmp_path: Path
) -> None:
    run_dir, sent = told
    found = examples(run_dir, tmp_path / "messages", "messages")
    assert {example.source.role for example in found} == {"planner", "tester", "builder", "analyst"}
    pairs = examples(run_dir, tmp_path / "preference", "preference")
    assert pairs
    assert [list(example.prompt) for example in (*found, *pairs) if list(example.prompt) not in sent] == []


def test_the_roles_make_of_every_exported_reply_what_the_run_made_of_it(
    told: tuple[Path, list[Any]], tmp_path: Path
) -> None:
    run_dir, _ = told
    found = examples(run_dir, tmp_path / "messages", "messages")
    by_role = {example.source.role: example for example in found}
    tape = TapeModel({"role": role, "span": f"again/{role}", "text": e.reply} for role, e in by_role.items())
    plan = from_json(Plan, next(r for r in _records(run_dir, "planned") if r["accepted"])["plan"])
    source, tests = (next(step for step in plan.steps if step.kind == kind) for kind in ("source", "test"))
    task = Task(TASK)
    with Trace.create(tmp_path / "again", "again") as trace:
        agents = Agents(tape, trace, Settings(dict.fromkeys(ROLES, SamplingParams()), format_retries=0))

        async def ask_all() -> None:
            again = await agents.plan(task, "again/planner", context="", importable="", lessons="", refusals=())
            assert [step.path for step in again.steps] == [step["path"] for step in PLAN["steps"]]  # type: ignore[index]
            brief = Brief(task, plan, source, "again", "")
            assert (await agents.build(brief, "builder", temperature=0.0)).text == RIGHT
            assert "def test_c1_adds" in await agents.write_tests(task, plan, tests, "again/tester", temperature=0.0)
            paths = {source.path: "source"}
            told_why = await agents.diagnose(task, "again/analyst", evidence="", sources="", paths=paths)
            assert told_why.advice == DIAGNOSIS["advice"]

        asyncio.run(ask_all())


def test_a_passed_run_leaves_its_self_play(told: tuple[Path, list[Any]]) -> None:
    lines = (told[0] / "selfplay.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["output"] for line in lines] == [RIGHT]


def test_nothing_is_learned_from_the_demo(tmp_path: Path) -> None:
    done = run("--demo", workspace=tmp_path / "work", home=tmp_path / "home", cwd=ROOT)
    assert done.code == 0, done.stderr
    assert examples(done.run_dir, tmp_path / "out", "messages") == []
    assert not (done.run_dir / "selfplay.jsonl").exists()


def _records(run_dir: Path, kind: str) -> list[dict[str, Any]]:
    records = map(json.loads, (run_dir / "trace.jsonl").read_text(encoding="utf-8").splitlines())
    return [record for record in records if record["kind"] == kind]
