"""The suites without tasks: figures of the machinery, some with targets that they have to meet."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks import console, export, journal, judge, learning, nights, pages, recall, selection, source_graph
from benchmarks.figures import Figure
from benchmarks.serving import measure as measure_serving
from benchmarks.serving.lab import QUICK, Scale
from benchmarks.setting import machine
from benchmarks.tiny_model import server_name
from config import paths
from nightshift.domain import Environment
from nightshift.errors import ConfigError
from nightshift.report.text import counted, duration
from nightshift.sandbox.interpreter.environment import prepare

Measured = tuple[list[Figure], dict[str, str]]


def measure(options: argparse.Namespace, out: Path | None) -> int:
    """Exit code 1 when a target is missed."""
    started = time.monotonic()
    figures, facts = _MEASURED[options.suite](options)
    missed = [figure.name for figure in figures if figure.verdict == "MISSED"]
    told = {
        "date": time.strftime("%Y-%m-%d", time.gmtime()), "machine": machine(), "suite": options.suite,
        "quick": options.quick, **facts, "seconds": round(time.monotonic() - started, 1),
        "missed": missed, "figures": [figure.as_json() for figure in figures],
    }  # fmt: skip
    _publish(told, options, out)
    return 1 if missed else 0


def meaningless(options: argparse.Namespace) -> list[str]:
    """Flags given that belong to another of these suites."""
    if options.suite not in SUITES:
        return []
    wrong = ["--soak"] if options.soak and options.suite != "judge" else []
    return wrong + (["--corpus"] if options.corpus and options.suite != "source" else [])


def _publish(told: Mapping[str, Any], options: argparse.Namespace, out: Path | None) -> None:
    text = json.dumps(told, indent=2) + "\n"
    if out:
        (out / f"{options.suite}.json").write_text(text, encoding="utf-8")
    if options.json:
        sys.stdout.write(text)
    else:
        missed = counted(len(told["missed"]), "target")
        print(f"{missed} missed, on {told['machine']}, in {duration(told['seconds'])}")


def _serving(options: argparse.Namespace) -> Measured:
    return measure_serving(QUICK if options.quick else Scale(), _say), {"server": server_name()}


def _judge(options: argparse.Namespace) -> Measured:
    scale = judge.QUICK if options.quick else judge.Scale()
    return judge.measure(replace(scale, soak=options.soak or scale.soak), _plain(), _say), {"load": _load()}


def _selection(options: argparse.Namespace) -> Measured:
    return selection.measure(selection.QUICK if options.quick else selection.Scale(), _plain(), _say), _SIMULATED


def _nights(options: argparse.Namespace) -> Measured:
    return nights.measure(nights.QUICK if options.quick else nights.Scale(), _plain(), _say), _SIMULATED


def _learning(options: argparse.Namespace) -> Measured:
    return learning.measure(learning.QUICK if options.quick else learning.Scale(), _plain(), _say), _SIMULATED


def _plain() -> Environment:
    return prepare((), cache=paths(os.environ).environments, allow=())


_SIMULATED = {"model": "simulated: nothing here was measured with a real model"}


def _source(options: argparse.Namespace) -> Measured:
    scale = source_graph.QUICK if options.quick else source_graph.Scale()
    try:
        return source_graph.measure(scale, options.corpus, _say), {"load": _load()}
    except ValueError as error:
        raise ConfigError(f"--corpus: {error}") from error


def _journal(options: argparse.Namespace) -> Measured:
    disk = paths(os.environ).environments.parent  # a temporary folder may lie in memory
    disk.mkdir(parents=True, exist_ok=True)
    return journal.measure(journal.QUICK if options.quick else journal.Scale(), _say, disk), {"load": _load()}


def _export(options: argparse.Namespace) -> Measured:
    return export.measure(export.QUICK if options.quick else export.Scale(), _say), {"load": _load()}


def _recall(options: argparse.Namespace) -> Measured:
    return recall.measure(recall.QUICK if options.quick else recall.Scale(), _say), {"load": _load()}


def _pages(options: argparse.Namespace) -> Measured:
    return pages.measure(pages.QUICK if options.quick else pages.Scale(), _say), {"load": _load()}


def _console(options: argparse.Namespace) -> Measured:
    return console.measure(console.QUICK if options.quick else console.Scale(), _say), {"load": _load()}


def _load() -> str:
    return " ".join(f"{each:.1f}" for each in os.getloadavg())


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


_MEASURED: Mapping[str, Callable[[argparse.Namespace], Measured]] = {
    "serving": _serving, "judge": _judge, "selection": _selection, "source": _source, "journal": _journal,
    "export": _export, "recall": _recall, "pages": _pages, "console": _console, "nights": _nights,
    "learning": _learning,
}  # fmt: skip

SUITES: Mapping[str, str] = {
    "serving": "client, pool and prompt cache at a real llama.cpp server",
    "judge": "sandbox, warm cells and oracle",
    "selection": "which method chooses best, on a simulated weak model",
    "source": "reading signatures and imports of a large package",
    "journal": "what the trace costs",
    "export": "reading large traces and making training data of them",
    "recall": "how well and how fast earlier work is recalled",
    "learning": "what memory saves on related tasks, on a simulated model",
    "nights": "whole nights with faults and kills, on a simulated model",
    "pages": "how fast reports and the dashboard are made",
    "console": "what the live console costs while a run is live",
}
