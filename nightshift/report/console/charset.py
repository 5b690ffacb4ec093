"""The characters that a live console draws with, for terminals with Unicode and for those without."""

from __future__ import annotations

from dataclasses import dataclass

_ASCII_FOR = str.maketrans({"✓": "+", "✗": "x", "…": "...", "·": "-", "─": "-", "—": "-", "–": "-", "’": "'", "×": "x"})


@dataclass(frozen=True, slots=True)
class Charset:
    unicode: bool
    marks: dict[str, str]
    """By the state of a node."""
    branch: str
    last: str
    trunk: str
    full: str
    empty: str
    rule: str
    ellipsis: str
    dot: str

    def text(self, text: str) -> str:
        """The text as this terminal can show it; an escape for what it cannot."""
        return text if self.unicode or text.isascii() else in_ascii(text)


UNICODE = Charset(
    True,
    {"passed": "✓", "failed": "✗", "partly": "!", "active": "●", "waiting": "○", "dropped": "−"},
    "├ ", "└ ", "│ ", "█", "░", "─", "…", "·",
)  # fmt: skip
ASCII = Charset(
    False,
    {"passed": "+", "failed": "x", "partly": "!", "active": "*", "waiting": ".", "dropped": "-"},
    "|-", "`-", "| ", "#", ".", "-", "...", "-",
)  # fmt: skip


def charset_of(encoding: str | None) -> Charset:
    """By the encoding of the stream that is written to."""
    return UNICODE if (encoding or "").lower().replace("-", "").replace("_", "").startswith("utf") else ASCII


def in_ascii(text: str) -> str:
    return text.translate(_ASCII_FOR).encode("ascii", "backslashreplace").decode()
