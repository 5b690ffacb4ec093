"""Self-play data of one proved run: requirement and interface in, delivered file out, by domain."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from nightshift.records import Record, of_kind, plan_of, proved, selections, settled
from nightshift.source.credentials import SECRET

DOMAINS: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("web", re.compile(r"^\s*(?:import|from) (?:flask|fastapi|starlette|aiohttp|http\.server)\b", re.M)),
    ("database", re.compile(r"^\s*(?:import|from) (?:sqlite3|sqlalchemy|peewee|duckdb)\b", re.M)),
    ("command-line", re.compile(r"^\s*(?:import|from) (?:argparse|click|typer)\b|\bsys\.argv\b", re.M)),
    ("files", re.compile(r"^\s*(?:import|from) (?:json|csv|pathlib|shutil|tempfile)\b", re.M)),
    ("concurrency", re.compile(r"^\s*(?:import|from) (?:asyncio|threading|multiprocessing|concurrent)\b", re.M)),
)


def selfplay_lines(records: Sequence[Record]) -> list[str]:
    """One JSON object a line for each source file that a proved run delivered; nothing for any other run."""
    if not proved(records):
        return []
    return [json.dumps(example, ensure_ascii=False) for example in _examples(records)]


def domain_of(text: str) -> str:
    """What a file is about, told by its imports; the first that fits, most specific first."""
    return next((name for name, pattern in DOMAINS if pattern.search(text)), "library")


def _examples(records: Sequence[Record]) -> Iterator[Mapping[str, Any]]:
    task = next((r.fields["task"]["prompt"] for r in records if r.kind == "run_started"), "")
    plan = plan_of(records)
    delivered = _delivered_texts(records)
    for step in plan.steps if plan else ():
        text = delivered.get(step.path)
        if step.kind != "source" or text is None or SECRET.search(text):
            continue
        instruction = f"Task: {task}\n\nWrite {step.path}: {step.purpose}\n\nInterface:\n{step.interface}"
        yield {"instruction": instruction, "output": text, "domain": domain_of(text), "path": step.path}


def _delivered_texts(records: Sequence[Record]) -> dict[str, str]:
    """Path -> the text chosen last for it."""
    told = settled(records)
    texts = {r.span: r.fields["candidate"]["text"] for r in of_kind(told, "evaluation")}
    chosen = {r.fields["path"]: f"{r.span}/{r.fields['chosen']}" for r in selections(told)}
    return {path: texts[span] for path, span in chosen.items() if span in texts}
