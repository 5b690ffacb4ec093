"""The calibration from the gate to the decision: scripted servers, the real sandbox, the real llama.cpp server once."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from fake_llama_server import fake_llama_server
from real_llama import GrammarProxy, require_llama
from servers import Asked, Reply, ScriptedServer

from benchmarks.tiny_model import llama_server, tiny_gguf
from nightshift.calibrate.bench import Effort, Subject
from nightshift.calibrate.calibration import Calibration
from nightshift.calibrate.climb import Axes
from nightshift.calibrate.desk import Order, Result, calibrate, plan
from nightshift.calibrate.gate import LEAKS, code_fault
from nightshift.calibrate.managed import managed_subject, table_of
from nightshift.calibrate.plan import subjects_of
from nightshift.calibrate.trials import Ending, Knobs, Run, Stage, Trial, Trials
from nightshift.domain import Completion, Environment, Limits, Sandbox, TestReport, TestResult, Tree
from nightshift.errors import BudgetExceeded, ModelMissing, Unreachable, WorkspaceLocked
from nightshift.llm.deadlines import Deadlines
from nightshift.llm.discovery.probe import probe
from nightshift.llm.endpoint import Endpoint, Model, Target
from nightshift.llm.managed.flags import ServerSettings
from nightshift.sandbox.box import open_sandbox

DOCTOR = Path(__file__).parents[1] / "doctor.py"
GOOD = """```python
def runs(text):
    found = []
    for c in text:
        if found and found[-1][0] == c:
            found[-1] = (c, found[-1][1] + 1)
        else:
            found.append((c, 1))
    return found
```"""
WRONG = GOOD.replace("+ 1", "+ 2")
EFFORT = Effort(replicates=2, first_token=20.0, prompt_tokens=500)
TEMPERATURES = (0.0, 0.4)


class QuickBox:
    """A sandbox that knows the only two programs it is given, for tests of what comes before and after it."""

    def test(self, tree: Tree, nodes: object, **more: object) -> TestReport:
        right = tree.texts["canary.py"].strip() == GOOD.strip("`").removeprefix("python").strip()
        result = TestResult("n", "passed" if right else "failed", detail="E  AssertionError: assert 3 == 2")
        return TestReport((result,), 1)


@pytest.fixture
def box() -> QuickBox:
    return QuickBox()


@pytest.fixture(scope="module")
def real_box() -> Iterator[Sandbox]:
    box = open_sandbox(Environment(sys.executable))
    yield box
    box.close()


@pytest.fixture
def run_on(tmp_path, box) -> Callable[..., Result]:
    def run(server: ScriptedServer, *names: str, limits: Limits | None = None, **more: object) -> Result:
        return calibrate(order(server.url, tmp_path, *names, limits=limits, **more), box, lambda run, trial: "p", print)

    return run


def order(url: str, folder: Path, *names: str, limits: Limits | None = None, context: int = 8192, **more) -> Order:
    endpoint = asyncio.run(probe(url))
    subjects = subjects_of([endpoint], names, context=context, temperature=0.0)
    fields = {"effort": EFFORT, "deadlines": Deadlines(first_token=30, total=60), **more}
    return Order(subjects, TEMPERATURES, folder, {"cores": "2"}, limits or Limits(), **fields)


def is_timed(asked: Asked) -> bool:
    """Not the warm-up and not the filling."""
    return asked.get("max_tokens", asked.get("options", {}).get("num_predict", 0)) > 100


BAD: dict[str, tuple[Callable[[Asked], str | Reply], str, bool]] = {
    "leaks a stop token": (lambda a: Reply(GOOD + LEAKS[3]), "stop token in the reply: <|im_end|>", False),
    "drops half of a long prompt": (lambda a: Reply(GOOD, prompt_tokens=min(900, len(a.prompt) // 4)), "truncated", False),
    "drops a fifth of a long prompt": (
        lambda a: Reply(GOOD, prompt_tokens=int(len(a.prompt) / 4 * (1.0 if len(a.prompt) < 9000 else 0.8))),
        "prompt truncated: the server read",
        False,
    ),
    "is slow": (lambda a: Reply(GOOD, delay=0.6 if is_timed(a) else 0.0), "first token", False),
    "writes wrong code": (lambda a: WRONG, "canary: wrong code (AssertionError", False),
    "writes no code": (lambda a: "I would rather not.", "canary: no usable code", False),
    "does not stop": (lambda a: Reply(GOOD, stop="length"), "stop reason length", False),
    "runs out of memory": (lambda a: Reply(status=500, error="cudaMalloc failed: out of memory"), "out of memory", True),
    "dies in mid-reply": (lambda a: Reply(GOOD, fault="drop"), "cut", True),
    "refuses a full context": (lambda a: GOOD if len(a.prompt) < 9000 else Reply(status=400, error="no"), "http_400", False),
    "says nothing": (lambda a: "", "canary: no usable code (empty)", False),
}  # fmt: skip


@pytest.mark.parametrize("bad", BAD)
def test_a_model_that(bad, run_on):
    """... does not pass the gate, and the trial says why."""
    reply, words, exhausted = BAD[bad]
    effort = replace(EFFORT, first_token=0.2) if bad == "is slow" else EFFORT
    with ScriptedServer("llama", reply, slots=1, context=8192) as server:
        result = run_on(server, effort=effort)
    assert result.run.ending is Ending.NO_FEASIBLE
    (trial,) = result.trials
    assert words in trial.notes
    assert trial.exhausted is exhausted
    assert not trial.ok
    assert words in result.run.message
    assert result.report.read_text().count("✗</span>") == 1


@pytest.mark.parametrize(
    "text, words",
    [
        (GOOD, ""),
        (WRONG, "canary: wrong code (AssertionError"),
        ("```python\nimport os\nos._exit(0)\n```", "canary: wrong code"),
        ("```python\ndef runs(text:\n```", "canary: "),
        ("```python\nruns = None\n```", "canary: "),
        ("I would rather not.", "canary: no usable code"),
        ("", "canary: no usable code (empty)"),
    ],
    ids=["right", "wrong", "exits", "no Python", "no function", "no code", "empty"],
)
def test_the_canary_is_run_and_not_read(text, words, real_box):
    fault = code_fault(Completion(text, "stop"), real_box)
    assert fault.startswith(words)
    assert bool(fault) is bool(words)


def test_the_first_model_in_the_users_order_that_passes_is_chosen_and_no_other_is_asked(run_on):
    def reply(asked: Asked) -> str:
        return WRONG if asked["model"] == "first:1b" else GOOD

    with ScriptedServer("ollama", reply, models=["third:70b", "second:7b", "first:1b"]) as server:
        result = run_on(server, "first:1b", "second:7b", "third:70b")
        asked = {request["model"] for request in server.requests}
    assert (result.run.ending, result.chosen.model) == (Ending.CHOSEN, "second:7b")
    assert asked == {"first:1b", "second:7b"}


def test_without_an_order_the_largest_comes_first(run_on):
    with ScriptedServer("ollama", lambda a: GOOD, models=["small:1b", "large:70b", "mid:7b"]) as server:
        assert run_on(server).chosen.model == "large:70b"


def test_one_bad_reply_of_several_is_enough_and_ends_the_asking(run_on):
    with ScriptedServer("llama", lambda a: WRONG if is_timed(a) else GOOD, slots=1, context=8192) as server:
        result = run_on(server, effort=replace(EFFORT, replicates=5))
        assert sum(map(is_timed, server.requests)) == 1
    assert result.run.ending is Ending.NO_FEASIBLE


def test_all_reasons_are_told_the_smallest_model_first(run_on):
    with ScriptedServer("ollama", lambda a: WRONG, models=["small:1b", "large:70b"]) as server:
        message = run_on(server).run.message
    assert message.index("small:1b") < message.index("large:70b")


def test_a_hot_reply_that_is_wrong_bounds_the_temperatures(run_on):
    def reply(asked: Asked) -> str:
        return WRONG if asked["temperature"] > 0.3 else GOOD

    with ScriptedServer("llama", reply, slots=1, context=8192) as server:
        result = run_on(server)
    assert (result.run.ending, result.run.hottest) == (Ending.CHOSEN, 0.0)
    assert [trial.stage for trial in result.trials] == ["gate", "heat"]


def test_each_slot_is_filled_and_timed_at_once(run_on):
    with ScriptedServer("llama", lambda a: Reply(GOOD, delay=0.05), slots=2, context=8192) as server:
        result = run_on(server)
        assert server.most_active == 2
        longest = max(len(request.prompt) for request in server.requests)
    assert {trial.knobs.parallel for trial in result.trials} == {1, 2}
    assert longest / 4 > 0.75 * 8192


def test_no_prompt_is_sent_twice(run_on):
    """A prompt that the server still has in its cache would time nothing."""
    with ScriptedServer("llama", lambda a: GOOD, slots=1, context=8192) as server:
        run_on(server)
        prompts = [request.prompt[:30] for request in server.requests]
    assert len(set(prompts)) == len(prompts)


def test_three_numbers_are_kept_of_each_cell(run_on):
    with ScriptedServer("llama", lambda a: Reply(GOOD, delay=0.02), slots=1, context=8192) as server:
        gate = run_on(server).trials[0]
    assert gate.first_token >= 0.02
    assert gate.decode > 0
    assert gate.seconds >= gate.first_token
    assert gate.replies == 2


@pytest.mark.parametrize("calls, ending", [(1, Ending.NOTHING_YET), (3, Ending.NOTHING_YET), (5, Ending.PARTIAL)])
def test_no_more_calls_are_sent_than_the_budget_allows(calls, ending, run_on):
    with ScriptedServer("llama", lambda a: GOOD, slots=1, context=8192) as server:
        result = run_on(server, limits=Limits(calls=calls))
        assert len(server.requests) == calls
    assert result.run.ending is ending
    assert (result.chosen is not None) is (ending is Ending.PARTIAL)


def test_the_minutes_end_a_cell_in_its_middle(run_on):
    with ScriptedServer("llama", lambda a: Reply(GOOD, delay=30), slots=1, context=8192) as server:
        started = time.monotonic()
        result = run_on(server, limits=Limits(minutes=0.3 / 60))
        assert time.monotonic() - started < 15
    assert (result.run.ending, result.trials) == (Ending.NOTHING_YET, [])


def test_a_cell_with_a_known_recipe_is_not_measured_again(run_on):
    with ScriptedServer("llama", lambda a: GOOD, slots=1, context=8192) as server:
        first = run_on(server, limits=Limits(calls=5))
        second = run_on(server)
        assert len(server.requests) == 4 + 1 + 4
        third, seen = run_on(server), len(server.requests)
        assert len(server.requests) == seen
        run_on(server, fresh=True)
        assert len(server.requests) == seen + 8
    assert first.run.ending is Ending.PARTIAL
    assert second.run.ending is third.run.ending is Ending.CHOSEN
    assert third.trials == second.trials


def test_a_server_that_is_down_is_asked_again_the_next_time(run_on, tmp_path, box):
    with ScriptedServer("llama", lambda a: GOOD, slots=1, context=8192) as server:
        known = order(server.url, tmp_path)
    down = calibrate(known, box, lambda run, trial: "p", print)
    assert down.run.ending is Ending.NO_FEASIBLE
    assert not down.trials[0].final
    assert not any(cell.known for cell in plan(known, print))


def test_two_calibrations_at_once_are_refused(run_on, tmp_path):
    def reply(asked: Asked) -> str:
        with pytest.raises(WorkspaceLocked):
            plan(Order([], (), tmp_path, {}, Limits(), Deadlines()), print)
        return GOOD

    with ScriptedServer("llama", reply, slots=1, context=8192) as server:
        assert run_on(server).chosen


# The loop over figures that are given.


class Figures:
    """Implements `Measurer` by a table."""

    def __init__(self, of: Callable[[Knobs], dict[str, object]], budget: int = 100) -> None:
        self.of, self.budget, self.asked = of, budget, list[Knobs]()

    async def measure(self, subject: Subject, knobs: Knobs, stage: Stage, recipe: str) -> Trial:
        if len(self.asked) == self.budget:
            raise BudgetExceeded("enough", "budget_calls")
        self.asked.append(knobs)
        fields = {"ok": True, "throughput": 100.0, "first_token": 1.0, **self.of(knobs)}
        return Trial(recipe, stage, subject.target.model, "u", knobs, **fields)


class Ours:
    def __init__(self) -> None:
        self.events: list[str] = []

    async def close(self) -> None:
        self.events.append("closed")


CONTEXTS = (16_384, 32_768, 65_536, 131_072)


def climbed(tmp_path, figures: Figures, *, parallel=(1, 2, 4), temperatures=(0.0,), server=None) -> Run:
    endpoint = Endpoint("u", "openai", "llama.cpp", (Model("m"),))
    subject = Subject(Target(endpoint, "m"), Knobs(32_768), Axes(CONTEXTS, parallel, ("", "q8_0")), server)
    trials = Trials(tmp_path / "trials.sqlite")
    start = Run("r", Ending.RUNNING, "now")
    work = Calibration(start, trials, figures, machine={}, effort=Effort())
    try:
        run = asyncio.run(work.calibrate([subject], temperatures))
        assert trials.runs() == [run]
        return run
    finally:
        trials.close()


def chosen(figures: Figures, run: Run, tmp_path) -> Knobs:
    trials = Trials(tmp_path / "trials.sqlite")
    (trial,) = trials.of([run.chosen])
    trials.close()
    return trial.knobs


def test_equal_speeds_lead_to_the_largest_context(tmp_path):
    figures = Figures(lambda knobs: {"first_token": knobs.parallel})
    assert chosen(figures, climbed(tmp_path, figures), tmp_path).context == 131_072


def test_a_context_that_costs_speed_is_not_taken(tmp_path):
    figures = Figures(lambda knobs: {"throughput": 100.0 if knobs.context <= 32_768 else 60.0})
    assert chosen(figures, climbed(tmp_path, figures), tmp_path).context == 32_768


def test_slots_are_taken_while_they_bring_something(tmp_path):
    figures = Figures(lambda knobs: {"throughput": 100.0 * min(knobs.parallel, 2), "first_token": knobs.parallel})
    best = chosen(figures, climbed(tmp_path, figures), tmp_path)
    assert best.parallel == 2


def test_after_an_oom_no_larger_context_is_asked_for(tmp_path):
    def figure(knobs: Knobs) -> dict[str, object]:
        if knobs.context < 65_536:
            return {}
        return {"ok": False, "notes": "cut: out of memory", "exhausted": True}

    figures = Figures(figure)
    climbed(tmp_path, figures)
    assert max(knobs.context for knobs in figures.asked) == 65_536
    assert sum(knobs.context == 65_536 and not knobs.kv_type for knobs in figures.asked) == 1


def test_a_climb_out_of_budget_keeps_the_best_so_far(tmp_path):
    figures = Figures(lambda knobs: {"throughput": 100.0 * knobs.parallel}, budget=3)
    run = climbed(tmp_path, figures)
    assert run.ending is Ending.PARTIAL
    assert run.chosen


def test_a_server_of_ours_is_closed_in_the_end_whatever_happens(tmp_path):
    def broken(knobs: Knobs) -> dict[str, object]:
        raise RuntimeError("a defect")

    server = Ours()
    with pytest.raises(RuntimeError, match="a defect"):
        climbed(tmp_path, Figures(broken), server=server)
    assert server.events == ["closed"]


def test_heat_is_measured_with_the_best_knobs_only(tmp_path):
    figures = Figures(lambda knobs: {"throughput": 100.0 * knobs.parallel})
    run = climbed(tmp_path, figures, temperatures=(0.0, 0.4, 0.8))
    hot = [knobs for knobs in figures.asked if knobs.temperature]
    assert [knobs.temperature for knobs in hot] == [0.4, 0.8]
    assert {replace(knobs, temperature=0.0) for knobs in hot} == {chosen(figures, run, tmp_path)}
    assert run.hottest == 0.8


# Which models, and how far.


def test_a_name_that_no_server_has_is_refused_with_those_there_are():
    endpoint = Endpoint("http://a:1", "ollama", "ollama", (Model("coder:7b"),))
    with pytest.raises(ModelMissing, match="coder:7b"):
        subjects_of([endpoint], ["other"], context=8192, temperature=0.0)
    (found,) = subjects_of([endpoint], ["coder:7b", "coder:7b"], context=8192, temperature=0.0)
    assert found.target.model == "coder:7b"


def test_models_that_write_no_text_are_left_out():
    models = (Model("nomic-embed-text", 100), Model("e:7b", 7, ("embedding",)), Model("c:3b", 3))
    endpoint = Endpoint("http://a:1", "ollama", "ollama", models)
    assert [s.model.name for s in subjects_of([endpoint], [], context=8192, temperature=0.0)] == ["c:3b"]
    with pytest.raises(ModelMissing):
        subjects_of([replace(endpoint, models=models[:2])], [], context=8192, temperature=0.0)


@pytest.mark.parametrize(
    "endpoint, start, contexts, parallel",
    [
        (Endpoint("a", "ollama", "ollama", (Model("m", trained=65_536),)), 32_768, (16_384, 32_768, 65_536), (1,)),
        (Endpoint("a", "ollama", "ollama", (Model("m", trained=16_384),)), 16_384, (8192, 16_384), (1,)),
        (Endpoint("a", "ollama", "ollama", (Model("m"),)), 32_768, (16_384, 32_768), (1,)),
        (Endpoint("a", "openai", "llama.cpp", (Model("m"),), 6, 12_000), 12_000, (12_000,), (1, 2, 4, 6)),
        (Endpoint("a", "openai", "generic", (Model("m"),), 4), 32_768, (32_768,), (1, 2, 4)),
    ],
    ids=["ollama", "trained for less", "trained for what?", "llama.cpp", "generic"],
)
def test_knobs_are_turned_only_as_far_as_the_server_lets_them(endpoint, start, contexts, parallel):
    (subject,) = subjects_of([endpoint], [], context=32_768, temperature=0.2)
    assert subject.start == Knobs(start, 1, 0.2)
    assert (subject.axes.context, subject.axes.parallel) == (contexts, parallel)
    assert (subject.axes.kv_type, subject.axes.speculation) == (("",), ("",))


def test_a_server_of_ours_has_all_its_knobs(tmp_path):
    settings = ServerSettings(str(tmp_path / "m-7b.gguf"), draft="/d.gguf", kv="q4_0", context=16_384)
    subject = managed_subject(settings, 32_768, 0.0, logs=tmp_path, environ={})
    assert subject.start == Knobs(16_384, 1, 0.0, "q4_0", "draft-simple")
    assert subject.axes.kv_type == ("q4_0", "", "q8_0")
    assert set(subject.axes.speculation) == {"", "ngram-mod", "ngram-map-k", "draft-simple"}
    assert table_of(subject.start) == {"context": 16_384, "parallel": 1, "kv": "q4_0", "speculation": "draft-simple"}


# doctor.py --calibrate as a user runs it.


@pytest.fixture
def doctor(tmp_path) -> Callable[..., subprocess.CompletedProcess[str]]:
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(command(*arguments), **surroundings(tmp_path), timeout=120, check=False)

    return run


def command(*arguments: str) -> list[str]:
    return [sys.executable, str(DOCTOR), "--calibrate", *arguments]


def surroundings(home: Path) -> dict[str, object]:
    env = {"PATH": os.environ["PATH"], "HOME": str(home)}
    return {"env": env, "cwd": home, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}


@pytest.mark.slow
def test_a_profile_is_proposed_then_applied_and_then_used(doctor, tmp_path):
    file = tmp_path / ".config" / "nightshift" / "profile.toml"
    with ScriptedServer("ollama", lambda a: GOOD, models=["coder:7b", "other:70b"]) as server:
        proposed = doctor("--endpoint", server.url, "--models", "coder:7b")
        assert not file.exists()
        applied = doctor("--endpoint", server.url, "--models", "coder:7b", "--apply", "--json")
        checked = subprocess.run([sys.executable, str(DOCTOR)], **surroundings(tmp_path), timeout=60, check=False)
    assert (proposed.returncode, applied.returncode) == (0, 0), proposed.stderr + applied.stderr
    assert tomllib.loads(proposed.stdout)["model"] == "coder:7b"
    found = json.loads(applied.stdout)
    assert (found["ending"], found["applied"], found["backup"]) == ("chosen", str(file), None)
    assert tomllib.loads(file.read_text()) == tomllib.loads(found["profile"])
    assert checked.returncode == 0, checked.stdout
    assert f"coder:7b at {server.url}" in checked.stdout
    assert str(file) in checked.stdout


@pytest.mark.slow
def test_a_dry_run_asks_nobody(doctor, tmp_path):
    with ScriptedServer("ollama", lambda a: GOOD, models=["coder:7b"]) as server:
        told = doctor("--endpoint", server.url, "--dry-run")
        listed = json.loads(doctor("--endpoint", server.url, "--dry-run", "--json").stdout)
        assert server.requests == []
    assert told.returncode == 0
    assert "gate  coder:7b" in told.stdout
    assert {cell["stage"] for cell in listed} == {"gate", "climb", "heat"}


@pytest.mark.slow
@pytest.mark.parametrize(
    "arguments, code, words",
    [
        (["--models", "none:1b"], 3, "coder:7b"),
        (["--max-calls", "2"], 4, "the same command goes on"),
        (["--first-token", "0"], 2, "--first-token"),
        (["--max-minutes", "0"], 2, "--max-minutes"),
    ],
)
def test_the_exit_code_says_how_it_ended(doctor, arguments, code, words):
    with ScriptedServer("ollama", lambda a: GOOD, models=["coder:7b"]) as server:
        done = doctor("--endpoint", server.url, *arguments)
    assert done.returncode == code, done.stderr
    assert words in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("how, code", [(signal.SIGKILL, -9), (signal.SIGINT, 130)])
def test_a_calibration_that_is_stopped_goes_on_where_it_was(how, code, doctor, tmp_path):
    with ScriptedServer("llama", lambda a: Reply(GOOD, delay=0.1), slots=1, context=8192) as server:
        arguments = ["--endpoint", server.url]
        first = subprocess.Popen(command(*arguments), **surroundings(tmp_path))
        while len(server.requests) < 7:
            assert first.poll() is None, first.communicate()
            time.sleep(0.01)
        first.send_signal(how)
        first.communicate()
        assert first.returncode == code
        assert (tmp_path / ".local/state/nightshift/profiles/calibration.html").exists() is (code == 130)
        before = len(server.requests)
        second = doctor(*arguments)
        after = len(server.requests) - before
    assert second.returncode == 0, second.stderr
    assert "gate  coder:7b" in second.stderr
    assert "(measured before)" in second.stderr
    assert after == 2 * 5, "the gate's five are not asked again, the two temperatures' are"


@pytest.mark.slow
def test_a_real_model_that_writes_noise_fails_the_canary_and_with_dictated_code_passes(tmp_path, real_box):
    require_llama()

    def dictate(asked: Asked) -> str | None:
        return GOOD if is_timed(asked) else None

    with llama_server(slots=2, context=16_384) as url, GrammarProxy(url, dictate) as proxy:
        noise = calibrate(order(url, tmp_path / "a"), real_box, lambda run, trial: "p", print)
        code = calibrate(order(proxy.url, tmp_path / "b"), real_box, lambda run, trial: "p", print)
    assert noise.run.ending is Ending.NO_FEASIBLE
    assert "canary" in noise.trials[0].notes
    assert code.run.ending is Ending.CHOSEN
    assert code.chosen.model == "tiny"
    assert code.chosen.first_token > 0
    assert code.chosen.decode > 0


@pytest.mark.slow
def test_a_real_server_of_ours_is_restarted_with_the_knobs_and_tells_its_drafts(tmp_path):
    require_llama()
    file = tmp_path / "tiny.gguf"
    file.write_bytes(tiny_gguf(16_384))
    settings = ServerSettings(str(file), command=str(fake_llama_server(tmp_path, "real")))
    subject = managed_subject(settings, 4096, 0.0, logs=tmp_path, environ=os.environ)

    async def turned(knobs: Knobs) -> tuple[Endpoint, tuple[int, int]]:
        target = await subject.server.restart(knobs)
        return await probe(target.endpoint.url), await subject.server.drafts()

    async def both() -> None:
        first, _ = await turned(Knobs(4096, 1))
        second, drafted = await turned(Knobs(2048, 2, 0.0, "q8_0", "ngram-mod"))
        await subject.server.close()
        assert (first.slots, first.context) == (1, 4096)
        assert (second.slots, second.context) == (2, 2048)
        assert drafted == (0, 0)
        with contextlib.suppress(Unreachable):
            pytest.fail(f"{await probe(second.url, seconds=2)} still runs")

    asyncio.run(both())


@pytest.mark.slow
def test_a_server_of_ours_that_runs_out_of_memory_is_a_valid_trial(tmp_path, box):
    file = tmp_path / "big-70b.gguf"
    file.write_bytes(b"GGUF" + bytes(60))
    settings = ServerSettings(str(file), command=str(fake_llama_server(tmp_path, "oom")))
    subject = managed_subject(settings, 8192, 0.0, logs=tmp_path, environ=os.environ)
    work = Order([subject], TEMPERATURES, tmp_path, {}, Limits(), Deadlines(), EFFORT)
    result = calibrate(work, box, lambda run, trial: "p", print)
    assert result.run.ending is Ending.NO_FEASIBLE
    assert "out of memory" in result.trials[0].notes
    assert result.trials[0].exhausted
