"""Self-play data of one proved run: requirement and interface in, delivered file out, by domain, through the gates.

The files are what was delivered, whoever wrote them; `trace_collector.py export` makes data of what a model said.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from nightshift.dataset.domains import domain_of
from nightshift.dataset.example import Example
from nightshift.dataset.gates import Bounds, refusal
from nightshift.dataset.story import is_demo, story_of
from nightshift.domain import Plan
from nightshift.records import Record, of_kind, proved, value_of


def selfplay_lines(records: Sequence[Record]) -> list[str]:
    """One JSON object a line for each source file that a proved run delivered; nothing for any other run."""
    if not proved(records) or is_demo(records):
        return []
    return [json.dumps(line, ensure_ascii=False) for line in _lines(records) if _passes(line)]


def _lines(records: Sequence[Record]) -> Iterator[Mapping[str, Any]]:
    story = story_of(records)
    texts = {r.span: str(r.fields["candidate"]["text"]) for r in of_kind(story.told, "evaluation")}
    plan = value_of(Plan, story.plan, "plan") if story.plan else None
    for step in plan.steps if plan else ():
        chosen = story.choices.get(step.path)
        text = texts.get(f"{chosen.span}/{chosen.fields['chosen']}") if chosen else None
        if step.kind == "source" and text is not None:
            instruction = f"Task: {story.task}\n\nWrite {step.path}: {step.purpose}"
            about = {"domain": domain_of(text), "path": step.path}
            yield {"instruction": instruction, "input": f"Interface:\n{step.interface}", "output": text, **about}


def _passes(line: Mapping[str, Any]) -> bool:
    asked = {"role": "user", "content": f"{line['instruction']}\n{line['input']}"}
    return not refusal(Example((asked,), line["output"]), Bounds())
