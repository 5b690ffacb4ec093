"""Killed with any record of its trace, a run is resumed to the same end, and nothing is asked, counted or built twice."""

from __future__ import annotations

import json
import signal
import subprocess
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import eventful_run as eventful
import pytest
from runs import Done, start
from servers import ScriptedServer

KILLED = "tests/run_killed.py"
MORE_THAN_ANY_RUN = 400


@dataclass
class Life:
    """One run of `eventful_run` with all its deaths, against a server that counts."""

    base: Path
    server: ScriptedServer
    mode: str = "copy"
    max_calls: int = 100
    kills: int = 0
    notes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.base.mkdir(exist_ok=True)
        self.workspace = self.base / "w"
        self.workspace.mkdir()
        (self.workspace / "notes.txt").write_text("mine\n")
        if self.mode == "branch":
            for words in (["init", "-q", "-b", "main"], ["add", "."], ["commit", "-qm", "first"]):
                identity = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
                subprocess.run(["git", *identity, *words], cwd=self.workspace, check=True)
        in_place = ("--in-place",) if self.mode == "in-place" else ()
        caps = ("--max-calls", str(self.max_calls), "--endpoint", self.server.url)
        self._flags = ("--workspace", str(self.workspace), *eventful.settings(self.base), *caps, *in_place)

    def live(self) -> Done:
        """To its end."""
        return self._part()

    def die(self, how: str, which: int | str = 1) -> Done:
        """With its next piece of news, the N-th or that of a kind. It has come to its end when nobody killed it."""
        done = self._part(how, which)
        self.kills += done.code == -signal.SIGKILL
        return done

    def _part(self, *death: str | int) -> Done:
        """Each part in another folder for temporary files, with other hashes and another locale than the one before."""
        temporary = self.base / f"tmp-{self.kills}"
        temporary.mkdir(exist_ok=True)
        odd = {"PYTHONHASHSEED": str(self.kills), "TMPDIR": str(temporary), "LC_ALL": ("C", "C.UTF-8")[self.kills % 2]}
        begun = (self.workspace / ".nightshift" / "runs").exists()
        process = start(
            *map(str, death), *self._flags, *(("--resume",) if begun else (eventful.TASK,)),
            cwd=self.base, home=self.base / "home", extra=odd, program=KILLED if death else "orchestrator.py",
        )  # fmt: skip
        out, err = process.communicate(timeout=300)
        return Done(process.returncode, out, err, self.workspace)

    @property
    def files(self) -> dict[str, str]:
        """What was delivered, with the user's own files."""
        if self.mode != "branch":
            found = (p for p in self.workspace.rglob("*") if p.is_file() and ".nightshift" not in p.parts)
            return {str(p.relative_to(self.workspace)): p.read_text() for p in found if "__pycache__" not in p.parts}
        (branch,) = self._git("branch", "--list", "nightshift/*", "--format=%(refname:short)").split()
        names = self._git("ls-tree", "-r", "--name-only", branch).split()
        return {name: self._git("show", f"{branch}:{name}") for name in names}

    def _git(self, *words: str) -> str:
        return subprocess.run(["git", *words], cwd=self.workspace, check=True, capture_output=True, text=True).stdout


DELIVERED = {"notes.txt": "mine\n", "shapes.py": eventful.RIGHT, "tests/test_shapes.py": eventful.TESTS}


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    told = eventful.scenario()
    with ScriptedServer(
        "ollama", lambda asked: told.reply(asked.system, asked.prompt), models=eventful.MODELS
    ) as server:
        yield server


def ended_as_if_never_killed(life: Life, done: Done) -> None:
    assert done.code == 0, done.stderr
    assert life.files == DELIVERED
    trace = done.trace
    assert all(eventful.everything_happened(trace).values()), eventful.everything_happened(trace)
    calls = Counter((record["span"], record["key"]) for record in done.kinds("call"))
    assert set(calls.values()) == {1}, f"asked again: {[call for call, times in calls.items() if times > 1]}"
    assert done.result["attempts"] == 3, "neither attempts nor plans are refilled"
    sent, asked = len(life.server.requests), done.kinds("asked")
    assert sent <= len(asked) == done.result["usage"]["calls"] <= life.max_calls
    assert len(asked) - len(calls) <= life.kills * life.server.slots, "only what was in flight is sent again"
    spent = sum(record["prompt_tokens"] + record["completion_tokens"] for record in done.kinds("call"))
    assert done.result["usage"]["prompt_tokens"] + done.result["usage"]["completion_tokens"] == spent
    assert [record["seq"] for record in trace] == list(range(1, len(trace) + 1))


def asked(server: ScriptedServer) -> set[str]:
    return {json.dumps([request["messages"], request["options"]]) for request in server.requests}


@pytest.mark.slow
def test_a_run_killed_again_and_again_ends_as_if_it_never_was(tmp_path: Path, server: ScriptedServer) -> None:
    """A sample of the points below: kills while planning, in a race, on trial, in the diagnosis and in the new plan."""
    life = Life(tmp_path, server)
    for how, number in (("whole", 5), ("torn", 13), ("whole", 21), ("torn", 15), ("whole", 31), ("torn", 22)):
        assert life.die(how, number).code == -signal.SIGKILL
    ended_as_if_never_killed(life, life.live())


@pytest.mark.slow
def test_kill_9_with_every_record_and_in_the_middle_of_writing_each(tmp_path: Path, server: ScriptedServer) -> None:
    """One life: a part dies in the middle of writing its first news, the next one once that is written, and so on."""
    never_killed = Life(tmp_path / "reference", server).live()
    questions = asked(server)
    server.requests.clear()
    life = Life(tmp_path / "killed", server)
    assert life.die("whole").code == -signal.SIGKILL, "with its first record; half of one is another test's"
    while life.kills < MORE_THAN_ANY_RUN and (done := life.die(("torn", "whole")[life.kills % 2 - 1])).code:
        assert done.code == -signal.SIGKILL, done.stderr
    ended_as_if_never_killed(life, done)
    assert asked(server) == questions, "the very same questions, whatever temporary folder, hashes and locale"
    print(f"{life.kills} kills; {len(never_killed.trace)} records when never killed")


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["copy", "branch"])
@pytest.mark.parametrize("how, which", [("torn", 34), ("torn", "diagnosis"), ("whole", "delivered")])
def test_a_kill_in_either_kind_of_tree_changes_neither_the_result_nor_the_users_files(
    tmp_path: Path, server: ScriptedServer, mode: str, how: str, which: int | str
) -> None:
    life = Life(tmp_path, server, mode)
    assert life.die(how, which).code == -signal.SIGKILL
    assert (life.workspace / "notes.txt").read_text() == "mine\n"
    ended_as_if_never_killed(life, life.live())


@pytest.mark.slow
def test_a_run_killed_in_place_says_that_it_cannot_go_on_and_where_the_users_files_are(
    tmp_path: Path, server: ScriptedServer
) -> None:
    """Its tree is the user's own, which there is no way to put back to a start without touching their work."""
    life = Life(tmp_path, server, "in-place")
    assert life.die("torn", "diagnosis").code == -signal.SIGKILL
    asked, trace = len(server.requests), next(life.workspace.rglob("trace.jsonl")).read_bytes()
    refused = life.live()
    assert refused.code == 2, refused.stderr
    assert "a run in place cannot be resumed: start the task anew; your files as they were are in " in refused.stderr
    assert (life.workspace / "notes.txt").read_text() == "mine\n"
    assert len(server.requests) == asked
    assert next(life.workspace.rglob("trace.jsonl")).read_bytes() == trace


@pytest.mark.slow
def test_a_run_killed_while_it_wrote_its_first_record_left_nothing_to_resume(
    tmp_path: Path, server: ScriptedServer
) -> None:
    life = Life(tmp_path, server)
    assert life.die("torn").code == -signal.SIGKILL
    refused = life.live()
    assert refused.code == 2, refused.stderr
    assert "ended before it began, so there is nothing to resume: start the task anew" in refused.stderr
    assert not server.requests
