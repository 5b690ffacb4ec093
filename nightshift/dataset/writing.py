"""Examples in, a dataset out: three files of data, beside each where its lines come from, and the manifest.

Nothing is held in memory but what tells duplicates apart, and nothing is written when a gate refuses the whole.
"""

from __future__ import annotations

import hashlib
import json
from array import array
from collections import Counter
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any

from nightshift.dataset.example import Example
from nightshift.dataset.formats import Format
from nightshift.dataset.gates import FEWEST, GATES, Bounds, refusal, unbalanced
from nightshift.dataset.near import Seen
from nightshift.dataset.split import SPLITS, split_of
from nightshift.disk import atomic_file, write_atomically
from nightshift.errors import ConfigError

MANIFEST = "manifest.json"
LEARNED_FROM = "calls of passed runs whose output is in the result, read again by the parser of the runtime"


@dataclass(frozen=True, slots=True)
class Selection:
    """What is wanted of all there is."""

    roles: frozenset[str] = frozenset()
    """Empty: all."""
    domains: frozenset[str] = frozenset()
    per_role: int = 0
    """0: no bound."""
    per_task: int = 0
    bounds: Bounds = Bounds()


class DatasetRefused(ConfigError):
    """Gates refuse a dataset: exit code 2."""


def data_file(folder: Path, split: str) -> Path:
    return folder / f"{split}.jsonl"


def source_file(folder: Path, split: str) -> Path:
    return folder / f"{split}.sources.jsonl"


def write_dataset(
    examples: Iterable[Example], out: Path, form: Format, selection: Selection, left_out: Counter[str]
) -> dict[str, Any]:
    """Writes what passes the gates and returns the manifest. `left_out` goes on counting what does not."""
    with ExitStack() as stack:
        files = {split: _Part.opened(out, split, stack) for split in SPLITS}
        sieve = _Sieve(selection, left_out)
        for example in examples:
            split = split_of(example.source.group)
            if sieve.lets_pass(example, split):
                files[split].write(example, form)
        if problem := unbalanced(sieve.roles, selection.bounds):
            raise DatasetRefused(
                f"nothing written to {out}: {problem}. --per-role N keeps at most N of each role, --role takes only "
                "the roles you name"
            )
        manifest = sieve.manifest(form, files)
    write_atomically(out / MANIFEST, json.dumps(manifest, indent=1) + "\n")
    return manifest


@dataclass
class _Part:
    """One split while it is written."""

    data: IO[bytes]
    sources: IO[bytes]
    examples: int = 0
    size: int = 0
    digest: Any = field(default_factory=hashlib.sha256)

    @classmethod
    def opened(cls, out: Path, split: str, stack: ExitStack) -> _Part:
        sources = stack.enter_context(atomic_file(source_file(out, split)))
        return cls(stack.enter_context(atomic_file(data_file(out, split))), sources)

    def write(self, example: Example, form: Format) -> None:
        line = json.dumps(form.write(example)).encode() + b"\n"
        self.data.write(line)
        self.sources.write(json.dumps(asdict(example.source)).encode() + b"\n")
        self.digest.update(line)
        self.examples += 1
        self.size += len(line)


class _Sieve:
    """Lets through what was selected and passes every gate, and counts both sides."""

    def __init__(self, selection: Selection, left_out: Counter[str]) -> None:
        self.roles: Counter[str] = Counter()
        self._selection = selection
        self._left_out = left_out
        self._seen = Seen()
        self._counts = {name: Counter[str]() for name in ("domain", "tag", "model", "group", "run")}
        self._prompts: Counter[str] = Counter()
        self._tokens = array("I")

    def lets_pass(self, example: Example, split: str) -> bool:
        reason = self._not_wanted(example) or refusal(example, self._selection.bounds) or self._full(example)
        reason = reason or self._seen.fault(example, split)
        if reason:
            self._left_out[reason] += 1
            return False
        self.roles[example.source.role] += 1
        for name, counter in self._counts.items():
            counter[str(getattr(example.source, name))] += 1
        self._prompts[hashlib.sha256(_constant(example).encode()).hexdigest()] += 1
        self._tokens.append(example.tokens)
        return True

    def _not_wanted(self, example: Example) -> str:
        wanted = self._selection
        if wanted.roles and example.source.role not in wanted.roles:
            return "role not wanted"
        return "domain not wanted" if wanted.domains and example.source.domain not in wanted.domains else ""

    def _full(self, example: Example) -> str:
        role, task = self.roles[example.source.role], self._counts["group"][example.source.group]
        if self._selection.per_role and role >= self._selection.per_role:
            return "enough of the role"
        return "enough of the task" if self._selection.per_task and task >= self._selection.per_task else ""

    def manifest(self, form: Format, files: dict[str, _Part]) -> dict[str, Any]:
        sizes = {split: part.examples for split, part in files.items()}
        wanted = self._selection
        return {
            "format": form.name,
            "examples": sum(sizes.values()),
            "splits": sizes,
            "files": {
                f"{split}.jsonl": {"examples": part.examples, "bytes": part.size, "sha256": part.digest.hexdigest()}
                for split, part in files.items()
            },
            "runs": len(self._counts["run"]),
            "tasks": len(self._counts["group"]),
            "roles": dict(sorted(self.roles.items())),
            "domains": dict(sorted(self._counts["domain"].items())),
            "tags": dict(sorted(self._counts["tag"].items())),
            "models": dict(sorted(self._counts["model"].items())),
            "tokens_estimate": spread(self._tokens),
            "system_prompts": dict(sorted(self._prompts.items())),
            "filters": {
                "learned from": LEARNED_FROM,
                "gates": [*GATES, "duplicate", "near duplicate", "prompt of another split", "unbalanced roles"],
                "roles": sorted(wanted.roles) or "all",
                "domains": sorted(wanted.domains) or "all",
                "per_role": wanted.per_role,
                "per_task": wanted.per_task,
                **asdict(wanted.bounds),
            },
            "left_out": {reason: number for reason, number in sorted(self._left_out.items()) if number},
            "warnings": warnings_of(sizes),
        }


def warnings_of(sizes: dict[str, int]) -> list[str]:
    total, empty = sum(sizes.values()), [split for split, number in sizes.items() if not number]
    few = [f"only {total} examples: trainers want {FEWEST} at least"] if total < FEWEST else []
    return few + ([f"nothing in {', '.join(empty)}: whole tasks are split, and there are few"] if empty else [])


def spread(tokens: array[int]) -> dict[str, int]:
    ordered = sorted(tokens)
    if not ordered:
        return {"p50": 0, "p95": 0, "max": 0}
    return {"p50": ordered[len(ordered) // 2], "p95": ordered[len(ordered) * 95 // 100], "max": ordered[-1]}


def _constant(example: Example) -> str:
    return "\n".join(message["content"] for message in example.prompt if message["role"] == "system")
