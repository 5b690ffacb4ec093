"""A pretended model for small made-up tasks, each one file and its test: it gives real programs something to do.

Nothing is learned about models here. Its seconds are told, never spent; the same prompt and seed have the same reply.
"""

from __future__ import annotations

import json
import random
from abc import abstractmethod
from collections.abc import Iterable, Sequence
from hashlib import sha256

from benchmarks.simulated.model import Said
from benchmarks.simulated.server import SimulatedServer, role_of
from nightshift.domain import Role, Sandbox
from nightshift.prompting import fenced


class PretendedServer(SimulatedServer):
    reading = 400.0
    """Tokens a second; so is `writing`."""
    writing = 25.0

    def __init__(self, sandbox: Sandbox, seed: int = 0) -> None:
        super().__init__(lambda prompt: None, sandbox, name="pretended")
        self.seed = seed
        self.model_seconds = 0.0

    @abstractmethod
    def reply(self, role: Role, prompt: str, drawn: float) -> str:
        """`drawn` is from 0 to 1, for what is left to chance."""

    def said(self, messages: Sequence[dict[str, str]], *, seed: int, temperature: float, max_tokens: int) -> Said:
        prompt = "\n".join(message["content"] for message in messages)
        key = f"{self.seed} {seed if temperature else 0} {sha256(prompt.encode()).hexdigest()}"
        text = self.reply(role_of(messages[0]["content"]), prompt, random.Random(key).random())
        read, written = len(prompt) // 4, len(text) // 4
        told = Said(text, "stop", read, written, read / self.reading, written / self.writing)
        self.calls += 1
        self.model_seconds += told.prefill_seconds + told.decode_seconds
        return told


def plan_of_one(name: str, stub: str, purpose: str, criterion: str) -> str:
    test = f"tests/test_{name}.py"
    nothing: dict[str, list[str]] = {"depends_on": [], "approaches": []}
    source = {"path": f"{name}.py", "kind": "source", "purpose": purpose, "interface": stub, **nothing}
    proof = {"path": test, "kind": "test", "purpose": "Proves it.", "interface": "", **nothing}
    criteria = [{"id": "c1", "description": criterion, "check": {"type": "tests", "path": test}}]
    return json.dumps({"summary": purpose, "requires": [], "steps": [source, proof], "criteria": criteria})


def tests_of_one(name: str, asserts: Iterable[str]) -> str:
    cases = (f"def test_c1_case_{n}():\n    assert {text}\n" for n, text in enumerate(asserts))
    return fenced(f"from {name} import {name}\n\n\n" + "\n\n".join(cases))


def diagnosis_of_one(name: str, why: str, advice: str) -> str:
    culprit = {"path": f"{name}.py", "blame": "source", "why": why}
    return json.dumps({"whys": ["a test fails", why], "culprits": [culprit], "advice": advice})
