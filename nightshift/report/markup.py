"""HTML by the piece: self-contained pages without scripts, in which all text is escaped unless it is Markup."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from nightshift.report.text import printable

STYLE = """
:root { color-scheme: light dark; --line: #8884; --soft: #8882; --good: #1a7f37; --bad: #cf222e; }
@media (prefers-color-scheme: dark) { :root { --good: #3fb950; --bad: #ff7b72; } }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 70rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.4rem; } h2 { font-size: 1.1rem; margin-top: 2.5rem; border-bottom: 1px solid var(--line); }
table { border-collapse: collapse; width: 100%; display: block; overflow-x: auto; margin-bottom: 1rem; }
td pre { margin: 0; padding: .3rem .6rem; }
th, td { text-align: left; vertical-align: top; padding: .25rem .8rem .25rem 0; }
tr { border-bottom: 1px solid var(--line); }
pre { background: var(--soft); padding: .6rem; overflow-x: auto; white-space: pre-wrap; }
pre, code, .mono { font: 13px/1.45 ui-monospace, monospace; overflow-wrap: anywhere; }
.good { color: var(--good); } .bad { color: var(--bad); } .soft { opacity: .75; }
"""


class Markup(str):
    """Text that is HTML already; any other text is escaped."""

    __slots__ = ()


def page(title: str, parts: Iterable[str]) -> str:
    body = "\n".join(parts)
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{escaped(title)}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{STYLE}</style></head><body>\n{body}\n</body></html>\n"
    )


def table(head: Iterable[object], rows: Iterable[Iterable[object]]) -> Markup:
    """Empty when there are no rows."""
    body = "".join(f"<tr>{''.join(tag('td', cell) for cell in row)}</tr>" for row in rows)
    return Markup(f"<table><tr>{''.join(tag('th', name) for name in head)}</tr>{body}</table>" if body else "")


def tag(name: str, content: object, style: str = "") -> Markup:
    inner = escaped(content)
    return Markup(f'<{name} class="{style}">{inner}</{name}>' if style else f"<{name}>{inner}</{name}>")


def escaped(content: object) -> str:
    if isinstance(content, Markup):
        return content
    return "" if content is None else escape(printable(str(content)))
