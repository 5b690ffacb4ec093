"""What a model asks to see before it answers: read from its reply, and served from the project by reading it.

    NEED: pkg/mod.py                 a file, outlined when it is long
    NEED: pkg/mod.py:Class.method    one definition
    NEED: Class                      wherever it is defined

A question may be asked once and for at most `MAX_ASKED` texts; what does not exist is said, with names that are near.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from nightshift.source.blocks import after_thinking
from nightshift.source.credentials import masked
from nightshift.source.glance import defined
from nightshift.source.outline import outlined, symbol
from nightshift.source.units import units

MAX_ASKED = 5
OPENED_CHARS = 12_000
"""For all that is opened."""
MAX_WORD = 160
MANY = 12
"""Of the places where a common name is defined, so many are read."""
NEED_LINE = re.compile(r"^[\s>*`-]*NEED:\s*(.+?)[`\s]*$")
OFFER = (
    "If you cannot do it well without seeing other code of this project, reply instead with nothing but up to "
    f"{MAX_ASKED} lines of this form, once:\nNEED: pkg/mod.py:Class.method\nA path alone asks for the file, a name "
    "alone for its definition."
)

ANALYST_OFFER = (
    'If the cause lies in code of this project that is not shown, add once "need": a list of up to '
    f'{MAX_ASKED} names such as "pkg/mod.py:Class.method", "pkg/mod.py" or "Class". You are then asked again with them.'
)


def asked_in(reply: str) -> tuple[str, ...]:
    """The texts a reply asks for; none when it holds anything else but such lines."""
    lines = [line for line in after_thinking(reply)[0].splitlines() if line.strip(" `")]
    found = [NEED_LINE.match(line) for line in lines]
    if not lines or not all(found):
        return ()
    return _wanted(part for match in found if match for part in match[1].split(","))


def asked_by(data: Any) -> tuple[str, ...]:
    """The same of a JSON reply's optional `need`."""
    need = data.get("need") if isinstance(data, Mapping) else None
    return _wanted(str(item) for item in need) if isinstance(need, list) else ()


def _wanted(items: Iterator[str]) -> tuple[str, ...]:
    cleaned = (item.strip().strip("`'\"").removeprefix("./")[:MAX_WORD] for item in items)
    return tuple(dict.fromkeys(item for item in cleaned if item))[:MAX_ASKED]


def opened(texts: Mapping[str, str], wanted: Sequence[str], *, limit: int = OPENED_CHARS) -> list[tuple[str, str]]:
    """(heading, text) of each wanted thing; an empty text where there is no such thing, which the heading says."""
    share = limit // max(1, len(wanted))
    return [(name, masked(text)) for name, text in (_open(texts, want, share) for want in wanted)]


def _open(texts: Mapping[str, str], want: str, limit: int) -> tuple[str, str]:
    path, _, name = want.partition(":")
    name = re.sub(r"\(.*", "", name)
    place = _path(texts, path)
    if place is None:
        return _open_name(texts, want, limit)
    if not name:
        return place, outlined(texts[place], place, limit=limit)
    text = symbol(texts[place], name)
    if text is None:
        return f"{want}: no such definition in {place}{_near(name, units(texts[place]))}", ""
    return f"{place}:{name}", outlined(text, place, limit=limit)


def _path(texts: Mapping[str, str], path: str) -> str | None:
    if path in texts:
        return path
    ends = sorted((other for other in texts if other.endswith(f"/{path}")), key=len) if "." in path else []
    dotted = path.replace(".", "/")
    modules = (f"{prefix}{dotted}{end}" for prefix in ("", "src/") for end in (".py", "/__init__.py"))
    return next(iter(ends), None) or next((module for module in modules if module in texts), None)


def _open_name(texts: Mapping[str, str], want: str, limit: int) -> tuple[str, str]:
    """By its last name, wherever it is defined; of several places the first that has the qualified one."""
    name = re.sub(r"\(.*", "", want.rpartition(":")[2])
    short = name.rpartition(".")[2]
    homes = [path for path, text in texts.items() if path.endswith(".py") and short in defined(text)]
    homes = sorted(homes, key=lambda path: (not _above(name, path), path))[:MANY]
    homes.sort(key=lambda path: name not in units(texts[path]))
    text = symbol(texts[homes[0]], name) or symbol(texts[homes[0]], short) if homes else None
    if text is None:
        return f"{want}: no such file or definition in the project{_near(PurePosixPath(want).name, texts)}", ""
    more = f" (also in {', '.join(homes[1:4])})" if homes[1:] else ""
    return f"{homes[0]}:{name}{more}", outlined(text, homes[0], limit=limit)


def _above(name: str, path: str) -> bool:
    """The module that a dotted name begins with is that file's: `models.User` is in models.py."""
    return PurePosixPath(path).stem == name.partition(".")[0]


def _near(name: str, names: Mapping[str, object]) -> str:
    shorts = {re.split(r"[/.]", other.removesuffix(".py"))[-1]: other for other in names}
    close = difflib.get_close_matches(re.split(r"[/.]", name.removesuffix(".py"))[-1], shorts, 3, 0.5)
    return f"; near: {', '.join(shorts[each] for each in close)}" if close else ""
