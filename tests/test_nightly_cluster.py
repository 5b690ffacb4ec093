"""The same night on a Dask cluster, on loopback: two workers, one of them killed in the middle of a task.

Needs the extra: pip install "dask[distributed]".
"""

from __future__ import annotations

import importlib.util
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from nights import Queue, wait_until
from runs import ROOT, environment

pytestmark = pytest.mark.slow
needs_dask = pytest.mark.skipif(
    importlib.util.find_spec("distributed") is None, reason='needs pip install "dask[distributed]"'
)


@dataclass
class Cluster:
    address: str
    base: Path
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start(self, *args: str) -> subprocess.Popen[bytes]:
        (self.base / "home").mkdir(exist_ok=True)
        log = (self.base / "dask.log").open("ab")
        process = subprocess.Popen(
            [sys.executable, "-m", "dask", *args],
            env=environment(self.base / "home", {"PYTHONPATH": str(ROOT)}), cwd=self.base,
            stdin=subprocess.DEVNULL, stdout=log, stderr=log,
        )  # fmt: skip
        log.close()
        self.processes.append(process)
        return process

    def worker(self) -> subprocess.Popen[bytes]:
        return self.start("worker", self.address, "--nthreads", "1", "--no-nanny", "--no-dashboard")


@contextmanager
def a_cluster(base: Path, workers: int) -> Iterator[Cluster]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    cluster = Cluster(f"tcp://127.0.0.1:{port}", base)
    try:
        cluster.start("scheduler", "--host", "127.0.0.1", "--port", str(port), "--no-dashboard")
        for _ in range(workers):
            cluster.worker()
        until = time.monotonic() + 60
        while (base / "dask.log").read_text().count("Registered to:") < workers:
            assert time.monotonic() < until, (base / "dask.log").read_text()
            time.sleep(0.1)
        yield cluster
    finally:
        for process in reversed(cluster.processes):
            process.kill()
            process.wait()


def worker_of(run_pid: int) -> int:
    """The parent of the run's process."""
    return int(Path(f"/proc/{run_pid}/stat").read_text().rpartition(")")[2].split()[1])


@needs_dask
def test_a_night_on_two_workers(tmp_path: Path) -> None:
    queue = Queue(tmp_path)
    for number in range(4):
        queue.add(f"t{number}", "sleep=0.3", f'endpoint = "http://127.0.0.1:{number + 1}"')
    queue.add("last", "exit=1", 'after = ["t0", "t3"]')
    with a_cluster(tmp_path, 2) as cluster:
        told = queue.run("--cluster", cluster.address, "--json")
    assert told.code == 1, told.stderr
    assert sorted(queue.lines("delivered.txt")) == ["t0", "t1", "t2", "t3"]
    assert queue.files() == {"": [], "done": ["t0", "t1", "t2", "t3"], "failed": ["last"]}


@needs_dask
@pytest.mark.parametrize("run_too", [False, True], ids=["its run outlives it", "its run dies with it"])
def test_a_worker_killed_in_a_task_loses_nothing_and_nothing_is_delivered_twice(tmp_path: Path, run_too: bool) -> None:
    queue = Queue(tmp_path)
    queue.add("long", "sleep=2.5", 'endpoint = "http://127.0.0.1:1"')
    queue.add("other", "sleep=0.2", 'endpoint = "http://127.0.0.1:2"')
    with a_cluster(tmp_path, 2) as cluster:
        night = queue.start("--cluster", cluster.address)
        wait_until(lambda: "long" in queue.started())
        time.sleep(0.3)
        run = queue.pid_of("long")
        worker = worker_of(run)
        assert worker in {process.pid for process in cluster.processes}
        os.kill(worker, signal.SIGKILL)
        if run_too:
            os.kill(run, signal.SIGKILL)
        out, err = night.communicate(timeout=60)
    assert night.returncode == 0, out + err
    assert sorted(queue.lines("delivered.txt")) == ["long", "other"]
    assert len(queue.runs_of("long")) == 1
    assert queue.started().count("long") == (2 if run_too else 1)
    assert queue.files()["done"] == ["long", "other"]


@needs_dask
def test_a_signal_stops_the_runs_of_all_machines(tmp_path: Path) -> None:
    queue = Queue(tmp_path)
    queue.add("long", "hang")
    with a_cluster(tmp_path, 1) as cluster:
        night = queue.start("--cluster", cluster.address)
        wait_until(lambda: "long" in queue.started())
        time.sleep(0.3)
        run = queue.pid_of("long")
        night.terminate()
        out, err = night.communicate(timeout=60)
        assert night.returncode == 143, out + err
        assert not Path(f"/proc/{run}").exists()
    assert queue.files()[""] == ["long"]


@needs_dask
def test_a_cluster_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    queue = Queue(tmp_path)
    queue.add("one", "Do it")
    told = queue.run("--cluster", "tcp://127.0.0.1:9")
    assert told.code == 2
    assert "no Dask scheduler answers there" in told.stderr
    assert "Traceback" not in told.stderr


@pytest.mark.skipif(importlib.util.find_spec("distributed") is not None, reason="the extra is installed")
def test_without_the_extra_it_is_said_in_a_sentence(tmp_path: Path) -> None:
    queue = Queue(tmp_path)
    queue.add("one", "Do it")
    told = queue.run("--cluster", "tcp://127.0.0.1:8786")
    assert told.code == 2
    assert told.stderr == '--cluster needs Dask: pip install "dask[distributed]", here and on the workers\n'
