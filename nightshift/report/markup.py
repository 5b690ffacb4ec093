"""HTML by the piece: self-contained pages that load nothing, in which all text is escaped unless it is Markup.

A page's policy allows our own style and script, by their hashes, and nothing else.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable
from hashlib import sha256
from html import escape

from nightshift.report.page.style import STYLE
from nightshift.report.text import printable

MOST_CHARS = 8_000
"""Of one text on a page."""


class Markup(str):
    """Text that is HTML already; any other text is escaped."""

    __slots__ = ()


def page(title: str, parts: Iterable[str], script: str = "") -> str:
    """`script` runs at the end of the page."""
    body = "\n".join(parts)
    ours = f"<script>{script}</script>\n" if script else ""
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_policy(script)}">'
        f'<title>{escaped(title)}</title><meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{STYLE}</style></head><body>\n{body}\n{ours}</body></html>\n"
    )


def table(head: Iterable[object], rows: Iterable[Iterable[object]], label: str = "", style: str = "") -> Markup:
    """Empty when there are no rows. `label` names what a wide table is, where no heading does."""
    names = list(head)
    body = "".join(f"<tr>{''.join(map(_cell, row, names))}</tr>" for row in rows)
    if not body:
        return Markup("")
    whole = tag("table", Markup(f"<thead><tr>{''.join(map(_head, names))}</tr></thead><tbody>{body}</tbody>"), style)
    return scrolling(whole, label or "table")


def scrolling(content: Markup, label: str) -> Markup:
    """May be wider than the page; reached and moved by keys too."""
    return tag("div", content, "scroll", tabindex=0, role="group", aria_label=label)


def picture(shapes: Markup, width: float, height: float, label: str) -> Markup:
    """A drawing of that size; `label` says what it shows to those who do not see it."""
    size = {"viewBox": f"0 0 {width} {height}", "width": str(width), "height": str(height)}
    return tag("svg", shapes, "", role="img", aria_label=label, **size)


def tag(name: str, content: object = "", style: str = "", **attributes: object) -> Markup:
    """`aria_label` stands for aria-label; an attribute that is None or empty is left out."""
    told = {"class": style, **attributes}
    inside = "".join(f' {_name(key)}="{escaped(value)}"' for key, value in told.items() if value not in (None, ""))
    return Markup(f"<{name}{inside}>{escaped(content)}</{name}>")


def joined(*parts: object) -> Markup:
    return Markup("".join(map(escaped, parts)))


def escaped(content: object) -> str:
    if isinstance(content, Markup):
        return content
    if content is None:
        return ""
    text = str(content)
    left_out = f"… ({len(text) - MOST_CHARS:,} more characters)" if len(text) > MOST_CHARS else ""
    return escape(printable(text[:MOST_CHARS])) + left_out


def _cell(content: object, name: object) -> str:
    """A cell that is one already stays as it is; another knows its column's name, for narrow screens."""
    if isinstance(content, Markup) and content.startswith("<td"):
        return content
    return tag("td", content, data_label="" if isinstance(name, Markup) else name)


def _head(name: object) -> str:
    """An empty one heads nothing."""
    if isinstance(name, Markup) and name.startswith("<th"):
        return name
    return tag("th", name, scope="col") if escaped(name) else tag("td")


def _name(attribute: str) -> str:
    return attribute.rstrip("_").replace("_", "-")


def _policy(script: str) -> str:
    scripts = f"script-src {_hash(script)}; " if script else ""
    return f"default-src 'none'; {scripts}style-src {_hash(STYLE)}; base-uri 'none'; form-action 'none'"


def _hash(text: str) -> str:
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"
