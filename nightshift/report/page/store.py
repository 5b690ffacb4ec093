"""Long texts of a page, each paragraph kept once however many prompts share it.

The page's script puts a text together when its fold is opened. What does not fit is left out, and the page says so.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from nightshift.report.markup import Markup, tag
from nightshift.report.text import printable

TEXT_CHARS = 100_000
"""Of one text; the rest is in the trace."""
STORE_BYTES = 2_500_000
"""Of all texts together."""
MARKUP_BYTES = 1_500_000
"""Of all diffs and matrices together."""
LEFT_OUT = "Left out to keep this page small; the trace has it."
SCRIPTS_OFF = (
    "Scripts are off, and this text is put together by the page's own: allow them, or read it with "
    "`python3 trace_collector.py show RUN --prompts`."
)


class Store:
    """Grows while a page is made, and is written at its end."""

    def __init__(self, calls: Mapping[str, int] | None = None) -> None:
        """`calls`: where the calls are to be found, by their spans."""
        self.calls = calls or {}
        self._parts: list[str] = []
        self._numbers: dict[str, int] = {}
        """Part as it came -> its place among the parts."""
        self._texts: list[list[int]] = []
        self._bytes = 0
        self._markup_bytes = 0
        self.off = tag("p", SCRIPTS_OFF, "off soft small")
        """Stands before each text; seen only where no script runs."""

    def place(self, text: str) -> Markup:
        """Where the text will stand."""
        cut = text[:TEXT_CHARS]
        if self._bytes > STORE_BYTES:
            return tag("p", LEFT_OUT, "soft small")
        self._texts.append([self._part(part) for part in cut.split("\n\n")])
        place = tag("pre", "", data_text=len(self._texts) - 1)
        if len(text) > len(cut):
            rest = f"{len(text) - len(cut):,} more characters are in the trace."
            return Markup(place + tag("p", rest, "soft small"))
        return place

    def markup(self) -> Markup:
        """All of it, for the end of the page: data, which nothing runs."""
        data = json.dumps({"parts": self._parts, "texts": self._texts}, ensure_ascii=False, separators=(",", ":"))
        return Markup(f'<script type="application/json" id="texts">{_inside_script(data)}</script>')

    def within(self, markup: Markup) -> Markup:
        """The markup, while there is room for it."""
        self._markup_bytes += len(markup.encode())
        return markup if self._markup_bytes < MARKUP_BYTES else tag("p", LEFT_OUT, "soft small")

    def _part(self, text: str) -> int:
        number = self._numbers.get(text)
        if number is None:
            number = self._numbers[text] = len(self._parts)
            self._parts.append(printable(text))
            self._bytes += len(_inside_script(json.dumps(self._parts[number], ensure_ascii=False)).encode())
        self._bytes += 6  # its number, wherever it is used
        return number


def _inside_script(data: str) -> str:
    """The same JSON, without what could end a script."""
    return data.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
