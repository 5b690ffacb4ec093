"""The simulated weak model: wrong in the ways it was told to be, the same for the same question, and never more."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from random import Random

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.simulated.errors import Errors, errors_of
from benchmarks.simulated.knowledge import names, read
from benchmarks.simulated.model import SimulatedModel
from benchmarks.simulated.profiles import CALIBRATED, PROFILES, Craft
from benchmarks.simulated.repairs import Memory, repaired
from benchmarks.simulated.server import SimulatedServer, role_of
from benchmarks.simulated.slips import slips
from benchmarks.simulated.testfiles import as_tests, claims_in
from benchmarks.simulated.worlds import Assert, Draft, World, perturbed, quantile, world, writable
from benchmarks.simulated.writing import FLAWS, styled, written
from nightshift.domain import ExecLimits, ExecResult, TestReport, TestResult, Tree
from nightshift.evidence import of_report
from nightshift.prompting import render
from nightshift.source.replies import extract_code

TASK = "spans"


class Here:
    """Runs our own references and their variants, without walls: a `Sandbox` as far as the simulator needs one."""

    isolation = "none"

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def run(self, tree: Tree, argv: Sequence[str], *, limits: ExecLimits | None = None) -> ExecResult:
        for path, text in tree.texts.items():
            (self._folder / path).write_text(text)
        command = [sys.executable, *argv[1:]]
        done = subprocess.run(command, cwd=self._folder, capture_output=True, text=True, check=False)
        return ExecResult(tuple(argv), done.returncode, done.stdout, done.stderr, 0.0)


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Here:
    return Here(tmp_path_factory.mktemp("here"))


@pytest.fixture(scope="module")
def errors(here: Here) -> Errors:
    return errors_of(read(TASK), here)


@pytest.fixture
def found(errors: Errors) -> World:
    return world(errors, names().index(TASK), 0, CALIBRATED)


def with_craft(found: World, **craft: float) -> World:
    return replace(found, profile=replace(found.profile, craft=replace(found.profile.craft, **craft)))


def holds(text: str, name: str) -> bool:
    """Whether a file of ours passes the hidden tests of a task."""
    spoken: dict[str, object] = {"pytest": pytest}
    exec(text, spoken)
    for body in read(name).hidden:
        try:
            exec(body, dict(spoken))
        except Exception:  # noqa: BLE001 - any failure of a variant is its answer
            return False
    return True


# What can be wrong.


@pytest.mark.parametrize("name", names()[::6])
def test_slips_are_programs_that_differ_from_the_function_and_from_each_other(name: str) -> None:
    for function in read(name).units.values():
        texts = [slip.text for slip in slips(function)]
        assert len({*texts, ast.unparse(function)}) == len(texts) + 1
        assert [slip.text for slip in slips(function)] == texts
        assert all(ast.parse(text) for text in texts)


@pytest.mark.parametrize("name", names()[::5])
def test_another_style_means_the_same(name: str) -> None:
    texts = {styled(read(name).reference, Random(seed)) for seed in range(8)}
    assert len(texts) > 1
    assert all(holds(text, name) for text in texts)


@pytest.mark.parametrize("flaw", FLAWS)
def test_a_flaw_on_the_surface_breaks_a_file(flaw: str) -> None:
    broken = 0
    for name in names():
        tree = ast.parse(read(name).reference)
        if FLAWS[flaw](tree, Random(1)):
            try:
                broken += not holds(ast.unparse(ast.fix_missing_locations(tree)), name)
            except NameError:
                broken += 1
    assert broken >= 3


literals = st.recursive(
    st.none() | st.booleans() | st.integers(-99, 99) | st.floats(-9, 9) | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.tuples(inner, inner) | st.dictionaries(st.text(), inner, max_size=2),
    max_leaves=5,
)


@given(literals, st.integers())
def test_a_perturbed_value_is_another_one_that_a_test_can_name(value: object, seed: int) -> None:
    wrong = perturbed(repr(value), Random(seed))
    assert writable(wrong)
    assert repr(ast.literal_eval(wrong)) != repr(value)


# Worlds.


def test_the_rates_of_many_worlds_are_those_of_the_profile(errors: Errors) -> None:
    worlds = [world(errors, number, seed, CALIBRATED) for number in range(40) for seed in range(5)]
    assert abs(sum(w.rate for w in worlds) / len(worlds) - CALIBRATED.right) < 0.02


def test_a_larger_profile_is_right_more_often() -> None:
    rates = [(profile.right, profile.right_asserts) for profile in PROFILES.values()]
    assert rates == sorted(rates)
    assert quantile(0.2, 1.2, 0.5) < quantile(0.2, 1.2, 0.9)


def test_a_world_is_the_same_for_the_same_name(found: World, errors: Errors) -> None:
    again = world(errors, names().index(TASK), 0, CALIBRATED)
    drafts = [[w.draft(w.random(f"c{n}")) for n in range(20)] for w in (found, again)]
    assert drafts[0] == drafts[1]
    assert found.asserts(found.random("t"), 12) == again.asserts(again.random("t"), 12)


def test_candidates_and_wrong_asserts_of_one_world_share_popular_errors(found: World) -> None:
    drafts = [found.draft(found.random(f"c{n}")) for n in range(200)]
    wrong = [error.kind + str(error.units) for draft in drafts for error in draft.wrongs]
    assert max(map(wrong.count, wrong)) > 200 / 20
    claims = [claim for n in range(20) for claim in found.asserts(found.random(f"t{n}"), 12)]
    false = [claim for claim in claims if claim.value != found.errors.expected[claim.call]]
    assert any(claim.value in found.believed[claim.call] for claim in false)
    assert 0 < len(false) < len(claims)


# Tests, evidence, repairs.


def evidence_of(claims: Sequence[Assert], errors: Errors) -> str:
    text = as_tests(errors, claims, "c1")
    nodes = [f"test_x.py::{node.name}" for node in ast.parse(text).body if isinstance(node, ast.FunctionDef)]
    results = tuple(TestResult(node, "failed", detail="E   assert 1 == 2") for node in nodes)
    return of_report(TestReport(results, len(results)), {"test_x.py": text})


def test_what_a_failing_test_claims_is_read_from_the_evidence(found: World) -> None:
    claims = found.asserts(found.random("t"), 6)
    read_back = claims_in(evidence_of(claims, found.errors), found.errors)
    assert sorted(read_back, key=str) == sorted(claims, key=str)


def test_a_right_test_may_get_an_error_mended(found: World) -> None:
    error = found.errors.misreadings[0]
    call = min(error.altered)
    evidence = evidence_of([Assert(call, found.errors.expected[call])], found.errors)
    assert repaired(with_craft(found, mends=1.0), Draft((error,)), evidence, Random(0)) == Draft()
    assert repaired(with_craft(found, mends=0.0), Draft((error,)), evidence, Random(0)) != Draft()


def test_a_wrong_test_may_bend_right_code(found: World) -> None:
    error = found.errors.misreadings[0]
    call = min(error.altered)
    evidence = evidence_of([Assert(call, error.values[call])], found.errors)
    bent = repaired(with_craft(found, bends=1.0), Draft(), evidence, Random(0))
    assert bent is not None
    assert bent.wrongs[0].values[call] == error.values[call]
    assert repaired(with_craft(found, bends=0.0), Draft(), evidence, Random(0)) is None


def test_the_memory_knows_spliced_functions_and_keeps_strange_ones(found: World) -> None:
    memory, knowledge = Memory(), found.errors.knowledge
    error = found.slip("merge", Random(0))
    text = written(knowledge, [error], Random(1))
    memory.remember(text, Draft((error,)))
    assert memory.draft(text).wrongs == (error,)
    strange = text.replace("def gaps", "def gaps(*_):\n    pass\n\n\ndef other")
    assert [each.kind for each in memory.draft(strange).wrongs] == [error.kind, "strange", "strange"]


# Replies.


def test_the_same_question_has_the_same_answer_and_another_key_another(found: World, here: Here) -> None:
    prompt = "# Task\nwhatever\n# Now\nWrite it."
    answers = [SimulatedModel(lambda _: found, here).answer("builder", prompt, "seed 1") for _ in range(2)]
    assert answers[0] == answers[1]
    assert SimulatedModel(lambda _: found, here).answer("builder", prompt, "seed 2") != answers[0]


def test_replies_of_a_tidy_model_are_code_and_those_of_an_untidy_one_are_sometimes_cut(
    found: World, here: Here
) -> None:
    tidy = SimulatedModel(lambda _: with_craft(found, truncated=0, stub=0, unfenced=0.3), here)
    for number in range(12):
        said = tidy.answer("builder", "# Now", f"seed {number}")
        assert said.stop == "stop"
        assert "def merge" in extract_code(said.text, stop_reason=said.stop, language="python", path="spans.py")
    untidy = SimulatedModel(lambda _: with_craft(found, truncated=1.0), here)
    assert untidy.answer("tester", "# Now", "seed 1").stop == "length"


def test_a_prompt_about_no_known_task_is_answered_without_code(here: Here) -> None:
    assert "def " not in SimulatedModel(lambda _: None, here).answer("builder", "make tea", "x").text


def test_roles_are_told_by_the_constant_part_of_the_prompts() -> None:
    variables = {"task": "", "overview": ""}
    assert role_of(render("explorer", **variables)[0].content) == "explorer"
    for name in ("builder", "tester", "planner", "repairer", "analyst", "voter"):
        text = (Path(__file__).parent.parent / "prompts" / f"{name}.md").read_text().partition("\n---\n")[0]
        assert role_of(text) == name


def test_both_protocols_stream_the_same_reply(found: World, here: Here) -> None:
    system = (Path(__file__).parent.parent / "prompts" / "planner.md").read_text().partition("\n---\n")[0]
    messages = [{"role": "system", "content": system}, {"role": "user", "content": f"# Task\n{read(TASK).prompt}"}]
    texts = []
    with SimulatedServer(lambda _: found, here, "ollama") as server:
        asked = {"model": server.name, "messages": messages, "options": {"seed": 3, "temperature": 0.5}}
        lines = [line for line in httpx.post(f"{server.url}/api/chat", json=asked).text.splitlines() if line]
        texts.append("".join(httpx.Response(200, text=line).json()["message"]["content"] for line in lines))
        assert httpx.get(f"{server.url}/api/tags").json()["models"][0]["name"] == server.name
        assert httpx.get(f"{server.url}/v1/models").status_code == 404
    with SimulatedServer(lambda _: found, here, "openai") as server:
        asked = {"model": server.name, "messages": messages, "seed": 3, "temperature": 0.5, "stream": True}
        answer = httpx.post(f"{server.url}/v1/chat/completions", json=asked).text
        events = [line.removeprefix("data: ") for line in answer.splitlines() if line.startswith("data: {")]
        chunks = [httpx.Response(200, text=event).json() for event in events]
        texts.append("".join(c["choices"][0]["delta"].get("content", "") for c in chunks if c["choices"]))
        assert chunks[-1]["usage"]["completion_tokens"] > 0
    assert texts[0] == texts[1]
    assert '"path": "spans.py"' in texts[0]


def test_what_no_table_determines_is_marked_as_such() -> None:
    assert all(0 <= getattr(Craft(), name) <= 1 for name in Craft.__slots__ if name not in ("prefill", "decode"))
