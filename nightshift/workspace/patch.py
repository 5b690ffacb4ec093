"""What a run changed as one patch, in git's format: for `git apply` and `git am`, and for people to read.

Made from the contents alone, so a folder without git has one too. Files here are text; modes are not changed.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence

from nightshift.workspace.deliver import Change

PATCH = "changes.patch"
NOBODY = "0" * 40
NO_NEWLINE = "\\ No newline at end of file\n"


def patch_of(changes: Sequence[Change], subject: str, trailers: str, commit: str | None, prefix: str = "") -> bytes:
    """`prefix` leads from the repository's top to the paths."""
    head = f"From {commit or NOBODY} Mon Sep 17 00:00:00 2001\nFrom: Nightshift <nightshift@localhost>\n"
    parts = [f"{head}Subject: [PATCH] {subject}\n\n{trailers}\n---\n"]
    parts += [_file(change, f"{prefix}{change.path}") for change in sorted(changes, key=lambda change: change.path)]
    return "".join([*parts, "-- \nnightshift\n"]).encode(errors="surrogateescape")


def _file(change: Change, path: str) -> str:
    before, after = _lines(change.before or b""), _lines(change.after)
    head = f"diff --git {_quoted(f'a/{path}')} {_quoted(f'b/{path}')}\n"
    if change.before is None:
        head += "new file mode 100644\n"
    # A name with a space ends at a tab, as git has it.
    end = "\t" if " " in path else ""
    old = "/dev/null" if change.before is None else _quoted(f"a/{path}") + end
    names = f"--- {old}\n+++ {_quoted(f'b/{path}')}{end}\n"
    hunks = "".join(_hunks(before, after))
    return head + (names + hunks if hunks else "")


def _lines(content: bytes) -> list[str]:
    """With their ends; only a line feed ends a line, as for git."""
    text = content.decode(errors="surrogateescape")
    return [line + "\n" for line in text.split("\n")[:-1]] + ([last] if (last := text.rpartition("\n")[2]) else [])


def _hunks(before: Sequence[str], after: Sequence[str]) -> Iterator[str]:
    matcher = difflib.SequenceMatcher(None, before, after, autojunk=len(before) * len(after) > 25_000_000)
    for group in matcher.get_grouped_opcodes(3):
        (_, a, _, c, _), (_, _, b, _, d) = group[0], group[-1]
        yield f"@@ -{_range(a, b)} +{_range(c, d)} @@\n"
        for tag, i, j, k, m in group:
            if tag == "equal":
                yield from _marked(" ", before[i:j])
                continue
            yield from _marked("-", before[i:j])
            yield from _marked("+", after[k:m])


def _marked(mark: str, lines: Sequence[str]) -> Iterator[str]:
    for line in lines:
        yield f"{mark}{line}" if line.endswith("\n") else f"{mark}{line}\n{NO_NEWLINE}"


def _range(start: int, end: int) -> str:
    length = end - start
    return f"{start + 1 if length else start},{length}"


def _quoted(path: str) -> str:
    """As git quotes a name that holds what would end it."""
    if not any(char in '"\\' or ord(char) < 32 for char in path):
        return path
    escaped = "".join(
        f"\\{char}" if char in '"\\' else f"\\{ord(char):03o}" if ord(char) < 32 else char for char in path
    )
    return f'"{escaped}"'
