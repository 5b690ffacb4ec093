"""How the simulated voter votes: often it knows which results are right; when it does not, it believes one wrong.

Five answers of one model are no five opinions: whether it knows is drawn once for a question.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from random import Random

from benchmarks.simulated.worlds import World
from nightshift.domain import ExecLimits, Sandbox, Tree
from nightshift.source.probes import driver, read_behaviours

SURE = 0.85
"""How often a single vote follows what the model believes."""
NONE = "none"


def vote(options: str, world: World, random: Random, sandbox: Sandbox) -> str:
    """A letter, or `none`; of options that show no results any."""
    claimed = {letter: _results(text) for letter, text in _options(options).items()}
    if not claimed or not all(claimed.values()):
        return random.choice([*claimed, NONE])
    truth = _truth(list(next(iter(claimed.values()))), world, sandbox)
    belief = world.random(f"belief of {sorted(map(repr, claimed.values()))}")
    right = [letter for letter, results in claimed.items() if results == truth]
    wrong = sorted((letter for letter in claimed if letter not in right), key=lambda letter: repr(claimed[letter]))
    knows = belief.random() < world.profile.craft.votes
    believed = belief.choice(wrong) if wrong else NONE
    if knows:
        believed = right[0] if right else NONE
    return believed if random.random() < SURE else random.choice([*claimed, NONE])


def _options(text: str) -> dict[str, str]:
    parts = re.split(r"(?m)^([A-Z]{1,2}|none):", text)[1:]
    return {name: body for name, body in zip(parts[::2], parts[1::2], strict=True) if name != NONE}


def _results(text: str) -> Mapping[str, str]:
    return dict(re.findall(r"(?m)^ {3}(.+?)  ->  (.*)$", text))


def _truth(inputs: list[str], world: World, sandbox: Sandbox) -> dict[str, str]:
    knowledge = world.errors.knowledge
    tree = Tree({knowledge.path: knowledge.reference})
    script = driver(knowledge.module, inputs)
    result = sandbox.run(tree, ("python3", "-I", "-c", script), limits=ExecLimits(seconds=10.0))
    return dict(zip(inputs, read_behaviours(result.stdout), strict=False))
