"""The commands of trace_collector.py that make training data, and start the user's own trainer on it.

Exit code 2 whenever a gate refuses: nothing is written then, and no trainer is started.
"""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from pathlib import Path
from typing import Any

from config import load
from nightshift.dataset.export import export_runs, merge
from nightshift.dataset.files import is_dataset, judged, manifest_of
from nightshift.dataset.gates import Bounds
from nightshift.dataset.writing import MANIFEST, DatasetRefused, Selection
from nightshift.errors import ConfigError
from nightshift.report.text import counted, one_line
from reading import chosen_runs, is_own, print_json, print_lines

DATA, MANIFEST_MARK = "{data}", "{manifest}"
"""What stands for the folder and its manifest in the user's command."""


def export(options: argparse.Namespace) -> int:
    out = _folder(options.out or _usual(options))
    chosen = list(reversed(chosen_runs(options)))
    taken = chosen if options.others else [run for run in chosen if is_own(run)]
    if strange := len(chosen) - len(taken):
        sys.stderr.write(f"left out  {counted(strange, 'run')} that you did not start here: --others takes them too\n")
    traces = [run / "trace.jsonl" for run in taken]
    return _tell(export_runs(traces, out, options.format, _selection(options)), out, options)


def merge_datasets(options: argparse.Namespace) -> int:
    """Also `filter`, which is a merge of one."""
    out = _folder(options.out)
    return _tell(merge(options.datasets, out, _selection(options)), out, options)


def train(options: argparse.Namespace) -> int:
    """Becomes the user's command, when every gate lets the data pass."""
    data = (options.dataset or _usual(options)).resolve()
    if not is_dataset(data) or not data.is_dir():
        raise ConfigError(f"no dataset in {data}: `python3 trace_collector.py export` makes one")
    command = load({}, os.environ, options.workspace, options.config).train.command
    if not command.strip():
        raise ConfigError(
            f'no trainer is set: write  [train]  command = "..."  with {DATA} where the folder of train.jsonl belongs, '
            "in ~/.config/nightshift/config.toml or in the file given with --config"
        )
    found = judged(data, Bounds(options.max_tokens))
    lacking = [split for split in ("train", "valid") if not found.stats["splits"].get(split)]
    problems = [*found.problems, *(f"nothing in {split}.jsonl" for split in lacking)]
    problems += [] if manifest_of(data) else [f"no {MANIFEST}, so nobody can tell where the data comes from"]
    if problems:
        shown = "".join(f"\n  {one_line(problem)}" for problem in problems[:20])
        raise DatasetRefused(f"not trained on {data}: {counted(len(problems), 'problem')}{shown}")
    filled = command.replace(DATA, shlex.quote(str(data)))
    filled = filled.replace(MANIFEST_MARK, shlex.quote(str(data / MANIFEST)))
    print(f"{counted(found.stats['examples'], 'example')} pass every gate; now: {one_line(filled)}", file=sys.stderr)
    sys.stderr.flush()
    os.execvp("sh", ["sh", "-c", filled])


def _usual(options: argparse.Namespace) -> Path:
    workspace: Path = options.workspace
    return workspace / ".nightshift" / "export" / str(options.format)


def _folder(out: Path) -> Path:
    if out.suffix == ".jsonl" or out.is_file():
        raise ConfigError(
            f"--out {out}: name a folder; train.jsonl, valid.jsonl, test.jsonl and more are written there"
        )
    return out


def _selection(options: argparse.Namespace) -> Selection:
    return Selection(
        frozenset(options.role or ()), frozenset(options.domain or ()), options.per_role, options.per_task,
        Bounds(options.max_tokens, options.max_share),
    )  # fmt: skip


def _tell(manifest: dict[str, Any], out: Path, options: argparse.Namespace) -> int:
    if options.json:
        return print_json(manifest)
    sizes = ", ".join(f"{split} {number}" for split, number in manifest["splits"].items())
    roles = ", ".join(f"{one_line(role)} {number}" for role, number in manifest["roles"].items()) or "none"
    left_out = ", ".join(f"{reason} {number}" for reason, number in manifest["left_out"].items()) or "nothing"
    head = f"{out}: {counted(manifest['examples'], 'example')} from {counted(manifest['runs'], 'proved run')} ({sizes})"
    warnings = [f"mind: {warning}" for warning in manifest["warnings"]]
    return print_lines([head, f"roles: {roles}", f"left out: {left_out}", *warnings])
