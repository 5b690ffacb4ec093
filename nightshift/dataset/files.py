"""A dataset read back: its examples, and all that is wrong with it.

A bad line is told with file and number and does not hide those behind it. A folder with a manifest is a dataset of
ours; a single .jsonl file of any of the formats is judged as far as it goes: nothing tells roles or tasks there, so
the text of the question stands for its task.
"""

from __future__ import annotations

import hashlib
import json
from array import array
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from nightshift.dataset.example import Example, Source
from nightshift.dataset.formats import FORMATS, Format, Misshapen, format_of, read_line
from nightshift.dataset.gates import Bounds, refusal, unbalanced
from nightshift.dataset.near import Seen
from nightshift.dataset.split import SPLITS, group_of, split_of
from nightshift.dataset.writing import MANIFEST, data_file, source_file, spread
from nightshift.errors import ConfigError

MOST = 200
"""Problems that are told one by one."""


@dataclass(frozen=True, slots=True)
class Found:
    """A line of a dataset: an example, or what is wrong with it."""

    where: str
    """File and number."""
    split: str
    """Empty for a file that is not part of a dataset."""
    example: Example | None
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Judged:
    problems: list[str]
    stats: dict[str, Any]


def is_dataset(path: Path) -> bool:
    """A folder with data of ours, or a file of examples; a run's folder and its trace are none."""
    if path.is_dir():
        return any(data_file(path, split).is_file() for split in SPLITS)
    return path.is_file() and path.suffix == ".jsonl" and path.name != "trace.jsonl"


def dataset_format(path: Path) -> Format:
    """Told by the manifest, or by the first line. Raises ConfigError where there is no data."""
    manifest = manifest_of(path)
    if manifest:
        return FORMATS[str(manifest["format"])]
    for _, file, _ in _files(path):
        with file.open("rb") as lines:
            for line in lines:
                try:
                    return format_of(_loaded(line))
                except Misshapen:
                    continue
    raise ConfigError(f"{path} holds no examples")


def manifest_of(path: Path) -> dict[str, Any]:
    """Empty when there is none."""
    file = path / MANIFEST
    if not file.is_file():
        return {}
    try:
        manifest = json.loads(file.read_bytes())
    except ValueError as problem:
        raise ConfigError(f"{file} is no manifest: {problem}; export anew") from None
    if not isinstance(manifest, dict) or manifest.get("format") not in FORMATS:
        raise ConfigError(f"{file} names none of the formats {', '.join(FORMATS)}; export anew")
    return manifest


def found_in(path: Path, form: Format) -> Iterator[Found]:
    """Every line, in order."""
    for split, file, sources in _files(path):
        beside = _sources(sources)
        with file.open("rb") as lines:
            for number, line in enumerate(lines, 1):
                where = f"{file.name}:{number}"
                try:
                    example = read_line(_loaded(line), form)
                except Misshapen as problem:
                    next(beside, None)
                    yield Found(where, split, None, str(problem))
                    continue
                source = next(beside, None) or Source(group=group_of(example.asked))
                yield Found(where, split, replace(example, source=source))


def judged(path: Path, bounds: Bounds) -> Judged:
    """All gates over a dataset, and its figures."""
    form, seen, problems = dataset_format(path), Seen(), list(_against_manifest(path))
    roles, splits = Counter[str](), Counter[str]()
    domains, tags, groups = Counter[str](), Counter[str](), Counter[str]()
    tokens, wrong = array("I"), 0
    for found in found_in(path, form):
        problem = found.problem or _problem(found, bounds, seen)
        if problem:
            wrong += 1
            problems += [f"{found.where}: {problem}"] if wrong <= MOST else []
        if found.example:
            source = found.example.source
            for counter, value in ((roles, source.role), (domains, source.domain), (tags, source.tag)):
                counter[value] += 1
            groups[source.group] += 1
            splits[found.split or path.name] += 1
            tokens.append(found.example.tokens)
    problems += [f"and {wrong - MOST} more"] if wrong > MOST else []
    problems += filter(None, [unbalanced(roles, bounds), "" if roles else "no examples at all"])
    stats = {
        "format": form.name, "examples": sum(splits.values()), "splits": dict(splits), "tasks": len(groups),
        "roles": dict(sorted(roles.items())), "domains": dict(sorted(domains.items())),
        "tags": dict(sorted(tags.items())), "tokens_estimate": spread(tokens), "problems": len(problems),
        "left_out": manifest_of(path).get("left_out", {}),
    }  # fmt: skip
    return Judged(problems, stats)


def _problem(found: Found, bounds: Bounds, seen: Seen) -> str:
    assert found.example is not None, "a line without an example has its problem told"
    group = found.example.source.group
    if found.split and split_of(group) != found.split:
        return f"leak: its task belongs to {split_of(group)}"
    fault = refusal(found.example, bounds) or seen.fault(found.example, found.split)
    return "leak: a prompt of another split" if fault == "prompt of another split" else fault


def _against_manifest(path: Path) -> Iterator[str]:
    for name, told in manifest_of(path).get("files", {}).items():
        file = path / name
        if not file.is_file():
            yield f"{name} is missing"
            continue
        with file.open("rb") as data:
            if hashlib.file_digest(data, "sha256").hexdigest() != told.get("sha256"):
                yield f"{name} is not what the manifest says: it was changed, or its export did not end"


def _files(path: Path) -> Iterator[tuple[str, Path, Path]]:
    if path.is_file():
        yield "", path, path.with_name(f"{path.stem}.sources.jsonl")
    elif not is_dataset(path):
        raise ConfigError(f"{path} is no dataset: give the folder of an export, or a .jsonl file")
    for split in SPLITS:
        if data_file(path, split).is_file():
            yield split, data_file(path, split), source_file(path, split)


def _sources(path: Path) -> Iterator[Source]:
    if not path.is_file():
        return
    names = {each.name for each in fields(Source)}
    with path.open("rb") as lines:
        for line in lines:
            try:
                data = _loaded(line)
            except Misshapen:
                data = None
            told = data if isinstance(data, dict) else {}
            known = {name: str(value) for name, value in told.items() if name in names}
            seq = known.pop("seq", "")
            yield Source(**known, seq=int(seq) if seq.isdecimal() else 0)


def _loaded(line: bytes) -> Any:
    try:
        return json.loads(line)
    except ValueError as problem:
        raise Misshapen(f"no JSON: {problem}") from None
