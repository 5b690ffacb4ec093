"""What of a prompt gives way when it does not fit a model's context: the least valued first, step by step.

The task, the criteria and the file itself never give way: without them a reply would be worth nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import reduce
from string import ascii_lowercase

from nightshift.prompting import head

LEFT_OUT = "(left out: no room)"

LEVELS: tuple[Mapping[str, int], ...] = (
    {"lessons": 0, "context": 5000, "overview": 5000, "modules": 3000, "sources": 12_000, "opened": 8000},
    {"context": 1500, "overview": 2000, "modules": 1000, "sources": 6000, "evidence": 5000, "opened": 5000},
    {
        "context": 0,
        "overview": 800,
        "modules": 0,
        "sources": 3000,
        "evidence": 2500,
        "interfaces": 6000,
        "opened": 2500,
    },
    {"sources": 1200, "evidence": 1000, "advice": 600, "interfaces": 3000, "opened": 1000},
)
"""Characters that a variable of a prompt keeps, from one level to the next: neighbours first, then evidence."""


def packings(variables: Mapping[str, str]) -> Iterator[dict[str, str]]:
    """The variables as they are, then ever shorter; each differs from the one before."""
    seen: dict[str, str] | None = None
    for level in range(len(LEVELS) + 1):
        packed = reduce(_cut, LEVELS[:level], dict(variables))
        if packed != seen:
            yield packed
        seen = packed


def _cut(variables: dict[str, str], limits: Mapping[str, int]) -> dict[str, str]:
    return {name: _shortened(text, limits.get(name, len(text))) for name, text in variables.items()}


def _shortened(text: str, limit: int) -> str:
    if len(text) <= limit or text.startswith(LEFT_OUT):
        return text
    kept = head(text, limit) if limit else LEFT_OUT
    fences = [line for line in kept.splitlines() if line.startswith("```")]
    # An opened fence must be closed: what follows it in the prompt is no code.
    return f"{kept}\n{fences[-1].rstrip(ascii_lowercase)}" if len(fences) % 2 else kept
