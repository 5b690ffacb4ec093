"""A simulated weak model: given a role, a prompt and a key it says what such a model might say, always the same.

It answers for the tasks it knows, by the solution and the errors it knows of them. It measures the machinery around a
model; no figure had with it says anything about a real model.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from benchmarks.simulated.knowledge import units
from benchmarks.simulated.profiles import Craft
from benchmarks.simulated.repairs import Memory, repaired
from benchmarks.simulated.testfiles import as_tests, claims_in
from benchmarks.simulated.votes import vote
from benchmarks.simulated.worlds import Draft, World
from benchmarks.simulated.writing import flawed, written
from benchmarks.statement import Statement
from nightshift.domain import Completion, Request, Role, Sandbox, StopReason, Usage

ASSERTS = 12
"""In one test file."""
CHARS = 4
"""Of a token, about."""


@dataclass(frozen=True, slots=True)
class Said:
    text: str
    stop: StopReason
    prompt_tokens: int
    completion_tokens: int
    prefill_seconds: float
    decode_seconds: float


class SimulatedModel:
    """One model; `world_of` finds the world of the task that a prompt is about. Implements `domain.ChatModel`."""

    def __init__(self, world_of: Callable[[str], World | None], sandbox: Sandbox, name: str = "simulated") -> None:
        """The sandbox tells a voter what the solution would do."""
        self._world_of = world_of
        self._sandbox = sandbox
        self._name = name
        self._memory = Memory()

    async def complete(self, request: Request) -> Completion:
        """Without waiting: the seconds are told, not spent."""
        prompt = "\n".join(message.content for message in request.messages)
        said = self.answer(request.role, prompt, request.span, request.sampling.max_tokens)
        seconds = said.prefill_seconds + said.decode_seconds
        usage = Usage(1, said.prompt_tokens, 0, said.completion_tokens, seconds)
        return Completion(
            said.text, said.stop, usage, endpoint="simulated", model_requested=self._name, model_served=self._name,
            first_token_seconds=said.prefill_seconds, prefill_seconds=said.prefill_seconds,
            decode_seconds=said.decode_seconds,
        )  # fmt: skip

    def answer(self, role: Role, prompt: str, key: str, max_tokens: int = 8192) -> Said:
        """The key stands for place and seed: the same key gives the same draw."""
        world = self._world_of(prompt)
        random = world.random(key) if world else Random(key)
        craft = world.profile.craft if world else Craft()
        text = self._text(role, prompt, world, random) if world else "I do not know this task."
        if role in ("builder", "repairer", "tester") and world:
            text = _wrapped(text, craft, random)
        stop: StopReason = "stop"
        if (role in ("builder", "tester") and random.random() < craft.truncated) or len(text) > max_tokens * CHARS:
            text, stop = text[: min(len(text) * 2 // 3, max_tokens * CHARS)], "length"
        prompt_tokens, tokens = len(prompt) // CHARS + 8, len(text) // CHARS + 1
        return Said(text, stop, prompt_tokens, tokens, prompt_tokens / craft.prefill, tokens / craft.decode)

    def _text(self, role: Role, prompt: str, world: World, random: Random) -> str:
        if role == "builder":
            return self._built(prompt, world, random)
        if role == "repairer":
            return self._repaired(
                _section(prompt, "Its present content"), _section(prompt, "What fails"), world, random
            )
        if role == "tester":
            return as_tests(world.errors, world.asserts(random, ASSERTS), "c1")
        if role == "voter":
            answer = vote(_section(prompt, "Options"), world, random, self._sandbox)
            return json.dumps({"why": "The task says so.", "answer": answer})
        if role == "planner":
            return json.dumps(plan(world.errors.knowledge.statement))
        if role == "analyst":
            return json.dumps(_diagnosis(prompt, world))
        return f"A task of one file, {world.errors.knowledge.path}."

    def _built(self, prompt: str, world: World, random: Random) -> str:
        if current := _section(prompt, "Its present content, which must be improved"):
            return self._repaired(current, _section(prompt, "What failed"), world, random)
        if random.random() < world.profile.craft.stub:
            return _stubbed(world)
        return self._write(world, world.draft(random, hinted=bool(_section(prompt, "Approach"))), random)

    def _repaired(self, current: str, evidence: str, world: World, random: Random) -> str:
        match = re.search(r"(?s)^(`{3,})\w*\n(.*?)\n\1", current, re.M)
        text = (match[2] if match else current) + "\n"
        try:
            draft = self._memory.draft(text)
        except SyntaxError:
            return text
        better = repaired(world, draft, evidence, random)
        return text if better is None else self._write(world, better, random)

    def _write(self, world: World, draft: Draft, random: Random) -> str:
        text = written(world.errors.knowledge, draft.wrongs, random)
        self._memory.remember(text, Draft(draft.wrongs))
        if draft.flawed:
            text, _ = flawed(text, random)
            self._memory.remember(text, draft)
        return text


def plan(statement: Statement) -> dict[str, object]:
    tests = f"test_{statement.name}.py"
    return {
        "summary": f"One module, {statement.path}, and its tests.",
        "steps": [
            {"path": statement.path, "kind": "source", "purpose": statement.prompt, "interface": statement.interface,
             "depends_on": [], "approaches": []},
            {"path": tests, "kind": "test", "purpose": f"Tests of {statement.path}.", "interface": "",
             "depends_on": [statement.path], "approaches": []},
        ],
        "criteria": [{"id": "c1", "description": statement.prompt, "check": {"type": "tests", "path": tests}}],
        "requires": [],
    }  # fmt: skip


def _diagnosis(prompt: str, world: World) -> dict[str, object]:
    """It sees as much as a repair does: a right test that fails speaks against the source."""
    errors, statement = world.errors, world.errors.knowledge.statement
    claims = claims_in(_section(prompt, "What fails"), errors)
    right = [claim for claim in claims if claim.value == errors.expected[claim.call]]
    blamed = statement.path if right or not claims else f"test_{statement.name}.py"
    calls = ", ".join(errors.knowledge.calls[claim.call] for claim in (right or claims)[:3])
    why = f"wrong result of {calls or 'a call'}"
    return {
        "whys": [why],
        "culprits": [{"path": blamed, "why": why}],
        "advice": f"Look again at {calls or 'the task'}.",
    }


def _section(prompt: str, title: str) -> str:
    match = re.search(rf"(?ms)^# {re.escape(title)}\n(.*?)(?=^# |\Z)", prompt)
    return match[1].strip() if match else ""


def _stubbed(world: World) -> str:
    tree = ast.parse(world.errors.knowledge.reference)
    for function in units(tree).values():
        function.body = [ast.Pass()]
    return ast.unparse(tree) + "\n"


def _wrapped(text: str, craft: Craft, random: Random) -> str:
    if random.random() < craft.unfenced:
        return text
    prose = random.random() < craft.prose
    before, after = ("Here is the complete file:\n\n", "\n\nIt follows the interface exactly.") if prose else ("", "")
    return f"{before}```python\n{text}```{after}"
