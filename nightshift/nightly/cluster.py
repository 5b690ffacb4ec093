"""The same tasks on other machines, through Dask's concurrent.futures executor. Needs the extra dask[distributed].

    pip install "dask[distributed]"
    dask scheduler                                          # on one machine
    PYTHONPATH=nightshift dask worker tcp://host:8786 --nthreads 1     # on each, in a Nightshift checkout

The queue and the workspaces have to lie at the same path on all of them. Dask starts a task again when its worker
is lost: an order can bear that (see running.py), whoever it was that had begun it.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from concurrent.futures import CancelledError, Executor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from nightshift.errors import ConfigError

CONNECT_SECONDS = 30


@dataclass(frozen=True, slots=True)
class Cluster:
    executor: Executor
    slots: int
    """Threads of all workers: so many tasks run at once."""
    lost: tuple[type[BaseException], ...]


@contextmanager
def cluster_at(address: str) -> Iterator[Cluster]:
    """Raises ConfigError."""
    distributed = _distributed()
    try:
        client = distributed.Client(address, timeout=CONNECT_SECONDS, set_as_default=False)
    except (OSError, ValueError) as error:
        raise ConfigError(f"--cluster {address}: no Dask scheduler answers there: {error}") from error
    with client:
        threads = sum(client.nthreads().values())
        if not threads:
            raise ConfigError(f"--cluster {address}: it has no workers; start one with: dask worker {address}")
        killed = importlib.import_module("distributed.scheduler").KilledWorker
        # Each order is its own, although two may look alike.
        executor = client.get_executor(pure=False)
        yield Cluster(executor, threads, (CancelledError, killed))


def _distributed() -> Any:
    try:
        return importlib.import_module("distributed")
    except ImportError as error:
        raise ConfigError('--cluster needs Dask: pip install "dask[distributed]", here and on the workers') from error
