"""The simulated model for benchmark tasks behind HTTP, for as long as a `with` block lasts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

from benchmarks.acceptance import BoxFor
from benchmarks.simulated.model import Said
from benchmarks.simulated.profiles import PROFILES, Profile
from benchmarks.simulated.server import Protocol, SimulatedServer, role_of
from benchmarks.simulated_tasks.cheating import CheatingModel
from benchmarks.simulated_tasks.knowledge import Cache, Knowledge, knowledge_of
from benchmarks.simulated_tasks.model import TaskModel
from benchmarks.simulated_tasks.world import World
from benchmarks.tasks import BenchmarkTask
from nightshift.domain import Role, Sandbox

CACHE = Path.home() / ".cache" / "nightshift-simulated"
CHEAT = "cheat"


class Worlds:
    """The world of the task that a prompt is about; what is known of a task is shared by all profiles and seeds."""

    def __init__(self, tasks: Sequence[BenchmarkTask], box_for: BoxFor, profile: Profile, seed: int) -> None:
        self._tasks = sorted(((_flat(task.prompt), task) for task in tasks), key=lambda pair: -len(pair[0]))
        self._box_for, self._profile, self._seed = box_for, profile, seed
        self._worlds: dict[str, World] = {}

    def of(self, prompt: str) -> World | None:
        text = _flat(prompt)
        task = next((task for words, task in self._tasks if words in text), None)
        if task and task.name not in self._worlds:
            self._worlds[task.name] = World(self._known(task), self._profile, self._seed)
        return self._worlds[task.name] if task else None

    def _known(self, task: BenchmarkTask) -> Knowledge:
        return knowledge_of(task, self._box_for(task.requires), Cache(CACHE))


def _flat(text: str) -> str:
    return " ".join(text.split())


class TaskServer(SimulatedServer):
    def __init__(
        self, answer: Callable[[Role, str, str, int], Said], name: str, sandbox: Sandbox, protocol: Protocol = "openai"
    ) -> None:
        super().__init__(lambda prompt: None, sandbox, protocol, name=name)
        self._answer = answer

    def said(self, messages: Sequence[dict[str, str]], *, seed: int, temperature: float, max_tokens: int) -> Said:
        prompt = "\n".join(message["content"] for message in messages)
        text = f"{prompt if not temperature else seed}"
        key = sha256(text.encode()).hexdigest()[:16]
        with self._lock:
            self.calls += 1
            return self._answer(role_of(messages[0]["content"]), prompt, key, max_tokens)


@contextmanager
def serving(profile: str, seed: int, tasks: Sequence[BenchmarkTask], box_for: BoxFor) -> Iterator[TaskServer]:
    """A server of its own for each seed: another seed is another world."""
    name = f"simulated-{profile}"
    if profile == CHEAT:
        with TaskServer(CheatingModel(tasks, seed).answer, name, box_for(())) as server:
            yield server
        return
    worlds = Worlds(tasks, box_for, PROFILES[profile], seed)
    with TaskServer(TaskModel(worlds.of).answer, name, box_for(())) as server:
        yield server
