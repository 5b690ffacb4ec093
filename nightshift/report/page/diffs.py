"""Two texts compared, as lines that are coloured and marked."""

from __future__ import annotations

from difflib import unified_diff

from nightshift.report.markup import Markup, joined, tag

MOST_LINES = 2_000
"""Of a text that is compared: beyond it, comparing takes too long."""
SHOWN_LINES = 300
SHOWN_CHARS = 20_000


def diff(before: str, after: str, names: tuple[str, str]) -> Markup:
    """What has to change in the one for it to become the other."""
    old, new = before.splitlines(), after.splitlines()
    if old == new:
        return tag("p", "The same text.", "soft")
    if max(len(old), len(new)) > MOST_LINES or max(len(before), len(after)) > 100 * MOST_LINES:
        return tag("p", f"Too long to compare here: {len(old):,} and {len(new):,} lines. The trace has both.", "soft")
    lines = [*unified_diff(old, new, *names, lineterm="")]
    shown = _fitting(lines)
    whole = tag("pre", joined(*map(_line, shown)))
    if len(shown) == len(lines):
        return whole
    return joined(whole, tag("p", f"{len(lines) - len(shown):,} more lines differ; the trace has both texts.", "soft"))


def _fitting(lines: list[str]) -> list[str]:
    left = SHOWN_CHARS
    shown: list[str] = []
    for line in lines[:SHOWN_LINES]:
        left -= len(line)
        if left < 0:
            return shown
        shown.append(line)
    return shown


def _line(line: str) -> Markup:
    style = "soft" if line.startswith(("---", "+++", "@@")) else {"-": "bad", "+": "good"}.get(line[:1], "none")
    return tag("b", line or " ", style) if style != "none" else tag("b", line or " ")
