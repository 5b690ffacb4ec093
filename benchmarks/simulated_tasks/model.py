"""The simulated weak model for whole runs: it plans, tests, builds, repairs and diagnoses benchmark tasks.

What it says follows from the task's prompt, start and reference and from the error rates of its profile; the same
seed, prompt and temperature give the same reply. It shows how the loop fares with a model whose errors are set; no
figure had with it says anything about a real model.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from random import Random

from benchmarks.simulated.model import CHARS, Said
from benchmarks.simulated.writing import flawed, styled
from benchmarks.simulated_tasks.knowledge import FunctionNode, Wrong, units, with_wrongs
from benchmarks.simulated_tasks.planning import plan, test_path
from benchmarks.simulated_tasks.testing import as_tests, claims_in, names_in
from benchmarks.simulated_tasks.world import Claim, Draft, World
from nightshift.domain import Role, StopReason

ASSERTS = 10
"""In one test file."""
STRANGE = Wrong("", "", "strange")
"""A function that nobody remembers."""


class Memory:
    """What is wrong in the functions that were written; splicing and mending keep most of them as they are."""

    def __init__(self) -> None:
        self._units: dict[tuple[str, str], Wrong | None] = {}
        self._flawed: set[str] = set()
        self.claims: dict[str, Claim] = {}

    def remember(self, text: str, draft: Draft) -> None:
        tree = ast.parse(text)
        if draft.flawed:
            self._flawed.add(ast.dump(tree))
        for name, node in units(tree).items():
            wrong = next((wrong for wrong in draft.wrongs if wrong.unit == name), None)
            self._units.setdefault((name, _form(node)), wrong)

    def draft(self, text: str) -> Draft:
        """Raises SyntaxError."""
        tree = ast.parse(text)
        found = [self._units.get((n, _form(node)), replace(STRANGE, unit=n)) for n, node in units(tree).items()]
        return Draft(tuple(wrong for wrong in found if wrong), ast.dump(tree) in self._flawed)


def _form(node: FunctionNode) -> str:
    return ast.dump(node)


class TaskModel:
    """Answers for the tasks that `world_of` finds by the prompt."""

    def __init__(self, world_of: Callable[[str], World | None]) -> None:
        self._world_of = world_of
        self._memory = Memory()

    def answer(self, role: Role, prompt: str, key: str, max_tokens: int = 8192) -> Said:
        world = self._world_of(prompt)
        if world is None:
            return said(prompt, "I do not know this task.", "stop")
        random, craft = world.random(f"{role}/{key}"), world.profile.craft
        text = ROLES[role](self._memory, world, prompt, random)
        fence = role in ("builder", "repairer", "tester") and "<<<<<<<" not in text and "```" not in text
        text = _wrapped(text, craft.unfenced, craft.prose, random) if fence else text
        stop: StopReason = "stop"
        if (role in ("builder", "tester") and random.random() < craft.truncated) or len(text) > max_tokens * CHARS:
            text, stop = text[: min(len(text) * 2 // 3, max_tokens * CHARS)], "length"
        return said(prompt, text, stop, craft.prefill, craft.decode)


def said(prompt: str, text: str, stop: StopReason, prefill: float = 400.0, decode: float = 30.0) -> Said:
    asked, told = len(prompt) // CHARS + 8, len(text) // CHARS + 1
    return Said(text, stop, asked, told, asked / prefill, told / decode)


# The roles: memory, world, prompt and luck make a reply.

Voice = Callable[[Memory, World, str, Random], str]


def _explored(memory: Memory, world: World, prompt: str, random: Random) -> str:
    return f"The project's files that matter: {', '.join(world.knowledge.sources)}."


def _planned(memory: Memory, world: World, prompt: str, random: Random) -> str:
    made = plan(world.knowledge)
    if random.random() < world.profile.craft.stub:
        made = {**made, "criteria": []}  # refused, and asked for again
    return json.dumps(made)


def _tested(memory: Memory, world: World, prompt: str, random: Random) -> str:
    path = section(prompt, "Test file to write", rest_of_line=True)
    knowledge = world.knowledge
    source = next((each for each in knowledge.sources if test_path(each) == path), knowledge.sources[0])
    again = "contradicted" in section(prompt, "Mind this")
    claims = world.claims(source, random, ASSERTS, again=again)
    criterion = re.search(rf"(?m)^- (c\d+): .*{re.escape(source)}", section(prompt, "Criteria"))
    text = as_tests(knowledge, claims, criterion[1] if criterion else "c1")
    memory.claims |= {name: claim for name, claim in names_in(text, claims).items() if not claim.right}
    return text


def _built(memory: Memory, world: World, prompt: str, random: Random) -> str:
    path = section(prompt, "File to write", rest_of_line=True)
    if path not in world.knowledge.sources:
        return f"Nothing is known of {path}."
    if not path.endswith(".py"):
        return _fenced(world.knowledge.text(path))
    current = _code(section(prompt, "Its present content, which must be improved"))
    if current and current.strip() != world.knowledge.started(path).strip():
        return _mended(memory, world, path, current, section(prompt, "What failed"), random)
    if random.random() < world.profile.craft.stub:
        return _stubbed(world.knowledge.text(path))
    return _written(memory, world, path, world.draft(path, random), random)


def _repaired(memory: Memory, world: World, prompt: str, random: Random) -> str:
    path = section(prompt, "File", rest_of_line=True)
    current = _code(section(prompt, "Its present content"))
    if path not in world.knowledge.sources or not path.endswith(".py"):
        return _fenced(current)
    text = _mended(memory, world, path, current, section(prompt, "What fails"), random)
    edits = prompt.startswith("You repair one long file")
    return _as_functions(current, text) if edits else text


def _diagnosed(memory: Memory, world: World, prompt: str, random: Random) -> str:
    listed = re.findall(r"(?m)^- (\S+) \(", section(prompt, "What may be blamed"))
    claims = claims_in(section(prompt, "What fails"), world.knowledge, memory.claims)
    right = [claim for claim in claims if claim.right]
    shown = _files(section(prompt, "The files concerned"))
    guilty = [p for p, text in shown.items() if p in world.knowledge.sources and _is_wrong(memory, text)]
    if claims and not right:
        guilty = [path for path in shown if path not in world.knowledge.sources]
    named = [path for path in guilty if path in listed]
    knows = named and random.random() < world.blames
    culprit = random.choice(named) if knows else random.choice(listed or ["?"])
    calls = ", ".join(world.knowledge.calls[claim.call].text for claim in (right or claims)[:2]) or "the checks"
    why = f"{calls} give a wrong result because of {culprit}"
    return json.dumps({"whys": [why], "culprits": [{"path": culprit, "why": why}], "advice": f"Look again at {calls}."})


def _voted(memory: Memory, world: World, prompt: str, random: Random) -> str:
    letters = re.findall(r"(?m)^([A-Z]{1,2}):", section(prompt, "Options"))
    return json.dumps({"why": "The task says so.", "answer": random.choice([*letters, "none"])})


def _reviewed(memory: Memory, world: World, prompt: str, random: Random) -> str:
    return json.dumps({"why": "I looked at all files.", "objection": False, "path": "", "check": ""})


def _learned(memory: Memory, world: World, prompt: str, random: Random) -> str:
    return json.dumps({"lessons": []})


ROLES: Mapping[Role, Voice] = {
    "explorer": _explored, "planner": _planned, "tester": _tested, "builder": _built, "repairer": _repaired,
    "analyst": _diagnosed, "voter": _voted, "reviewer": _reviewed, "librarian": _learned,
}  # fmt: skip


# Writing and mending code.


def _written(memory: Memory, world: World, path: str, draft: Draft, random: Random) -> str:
    text = restyled(with_wrongs(world.knowledge.text(path), draft.wrongs), random)
    memory.remember(text, Draft(draft.wrongs))
    if draft.flawed:
        text, _ = flawed(text, random)
        memory.remember(text, draft)
    return text


def restyled(text: str, random: Random) -> str:
    """As another author would write it, where names can be changed without harm."""
    awkward = ast.Global | ast.Nonlocal | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | ast.Match
    inner = (n for unit in units(ast.parse(text)).values() for n in ast.walk(unit) if n is not unit)
    return text if any(isinstance(node, awkward) for node in inner) else styled(text, random)


def _mended(memory: Memory, world: World, path: str, current: str, evidence: str, random: Random) -> str:
    """The file after a repair that follows one of the failing tests it is shown."""
    try:
        draft = memory.draft(current)
    except SyntaxError:
        return _written(memory, world, path, Draft(), random)
    better = _better(memory, world, path, draft, evidence, random)
    return current if better is None else _written(memory, world, path, better, random)


def _better(memory: Memory, world: World, path: str, draft: Draft, evidence: str, random: Random) -> Draft | None:
    craft = world.profile.craft
    if draft.flawed:
        return Draft(draft.wrongs) if random.random() < craft.mends_flaw else None
    claims = claims_in(evidence, world.knowledge, memory.claims)
    claim = random.choice(claims) if claims else None
    if claim and not claim.right:
        bent = world.bending(path, claim) if random.random() < craft.bends else None
        others = tuple(wrong for wrong in draft.wrongs if bent and wrong.unit != bent.unit)
        return Draft((*others, bent)) if bent else None
    if not draft.wrongs:
        return None
    mended = random.choice(draft.wrongs)
    rest = tuple(wrong for wrong in draft.wrongs if wrong is not mended and wrong.kind != "strange")
    if random.random() < craft.mends:
        return Draft(rest)
    other = world.slip(path, mended.unit, random) if random.random() < 0.5 else None
    return Draft((*rest, other)) if other else None


def _is_wrong(memory: Memory, text: str) -> bool:
    try:
        draft = memory.draft(text)
    except SyntaxError:
        return True
    return bool(draft.wrongs) or draft.flawed


def _as_functions(before: str, after: str) -> str:
    """The functions that differ, each whole, a method inside its class; as the form of edits asks."""
    old, new = (units(ast.parse(text)) for text in (before, after))
    changed = [name for name in new if name not in old or ast.dump(new[name]) != ast.dump(old[name])]
    parts = []
    for name in changed or list(new)[:1]:
        owner, _, _ = name.rpartition(".")
        text = ast.unparse(new[name])
        parts.append(f"class {owner}:\n    " + text.replace("\n", "\n    ") if owner else text)
    return _fenced("\n\n".join(parts), "python")


def _stubbed(text: str) -> str:
    tree = ast.parse(text)
    for function in units(tree).values():
        function.body = [ast.Pass()]
    return ast.unparse(tree) + "\n"


# Reading prompts and writing replies.


def section(prompt: str, title: str, *, rest_of_line: bool = False) -> str:
    if rest_of_line:
        match = re.search(rf"(?m)^# {re.escape(title)}: (\S+)$", prompt)
    else:
        match = re.search(rf"(?ms)^# {re.escape(title)}\n(.*?)(?=^# [A-Z]|\Z)", prompt)
    return match[1].strip() if match else ""


def _code(text: str) -> str:
    match = re.search(r"(?sm)^(`{3,})\w*\n(.*?)\n\1", text)
    return match[2] + "\n" if match else text


def _files(text: str) -> dict[str, str]:
    found = re.findall(r"(?sm)^(\S+)\n(`{3,})\w*\n(.*?)\n\2", text)
    return {path: body + "\n" for path, _, body in found}


def _fenced(text: str, language: str = "") -> str:
    ticks = "```"
    while ticks in text:
        ticks += "`"
    return f"{ticks}{language}\n{text.rstrip()}\n{ticks}"


def _wrapped(text: str, unfenced: float, prose: float, random: Random) -> str:
    if random.random() < unfenced:
        return text
    told = random.random() < prose
    before, after = ("Here is the complete file:\n\n", "\n\nIt follows the interface exactly.") if told else ("", "")
    return f"{before}{_fenced(text, 'python')}{after}"
