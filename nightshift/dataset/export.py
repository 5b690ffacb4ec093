"""Runs in, a dataset out; and datasets out of datasets, through the same gates."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from nightshift.dataset.example import Example
from nightshift.dataset.files import dataset_format, found_in
from nightshift.dataset.formats import FORMATS
from nightshift.dataset.origins import Learner
from nightshift.dataset.pairs import pairs
from nightshift.dataset.story import story_of, unfit
from nightshift.dataset.streaming import RunFile
from nightshift.dataset.writing import Selection, write_dataset
from nightshift.errors import ConfigError
from nightshift.records import TraceDamaged

DAMAGED = "trace damaged"


def export_runs(traces: Sequence[Path], out: Path, name: str, selection: Selection) -> dict[str, Any]:
    """Writes a dataset of the format `name` and returns its manifest. Raises DatasetRefused."""
    left_out: Counter[str] = Counter()
    return write_dataset(_learned(traces, name, left_out), out, FORMATS[name], selection, left_out)


def merge(datasets: Sequence[Path], out: Path, selection: Selection) -> dict[str, Any]:
    """One dataset of several of one format; a task stays in the split where it was."""
    forms = {dataset_format(path).name: path for path in datasets}
    if len(forms) > 1:
        raise ConfigError(f"not merged: {' and '.join(f'{path} is {name}' for name, path in forms.items())}")
    if out.resolve() in [path.resolve() for path in datasets]:
        raise ConfigError(f"--out {out} is one of the datasets to read: name another folder")
    left_out: Counter[str] = Counter()
    return write_dataset(_examples(datasets, left_out), out, FORMATS[next(iter(forms))], selection, left_out)


def _learned(traces: Sequence[Path], name: str, left_out: Counter[str]) -> Iterator[Example]:
    for path in traces:
        try:
            run = RunFile(path)
        except TraceDamaged:
            left_out[DAMAGED] += 1
            continue
        with run:
            if reason := unfit(run.records):
                left_out[reason] += run.calls
                continue
            learner = Learner(run, story_of(run.records))
            if name == "preference":
                yield from pairs(learner)
                continue
            left_out["output did not survive"] += run.calls
            for example in learner.turns():
                left_out["output did not survive"] -= 1
                yield example


def _examples(datasets: Sequence[Path], left_out: Counter[str]) -> Iterator[Example]:
    for path in datasets:
        for found in found_in(path, dataset_format(path)):
            if found.example is None:
                left_out[found.problem.partition(":")[0]] += 1
            else:
                yield found.example
