"""A long text in few characters: what matters whole, of the rest its signatures, with the lines they stand on.

    outlined(text, "app/models.py", words=("invoice", "total"), lines=(812,), limit=24_000)

Whole units are shown word for word, so that an edit can be made against them; what is left out says so in a comment
that names the symbol by which it can be asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

from nightshift.source.units import Unit, indent_of, split_lines, units

HEAD_LINES = 60
"""Of what stands before the first unit: imports and constants."""
AROUND = 25
"""Lines shown on both sides of one that matters, in a text that has no units."""
SIGNATURE_LINES = 12
NAMES = 12
"""Named of neighbours that are left out together."""
ROOM_FOR_SIGNATURES = 0.6
MARK_CHARS = 150
"""Of the line that says what is left out before a unit that is shown."""
Hide = Callable[[Sequence[str], Sequence[Unit]], Iterator[str]]


def outlined(text: str, path: str, *, words: Sequence[str] = (), lines: Collection[int] = (), limit: int) -> str:
    """The text itself when it is short enough; `words` and `lines` say what of it matters."""
    if len(text) <= limit:
        return text
    found = units(text) if path.endswith(".py") else {}
    return _by_units(text, found, words, lines, limit) if found else _by_lines(text, words, lines, limit)


def symbol(text: str, name: str) -> str | None:
    """The text of one function, method or class, by its qualified or its last name; None where there is no such."""
    found = units(text)
    unit = found.get(name) or next((each for each in found.values() if each.short == name), None)
    return "".join(split_lines(text)[unit.first - 1 : unit.last]) if unit else None


def _by_units(text: str, found: Mapping[str, Unit], words: Sequence[str], lines: Collection[int], limit: int) -> str:
    source = split_lines(text)
    leaves = [unit for unit in found.values() if not unit.is_class]
    # Where even the signatures take most of the room, names have to do.
    hide = _signature if len(_shown(source, found, (), _signature)) < limit * ROOM_FOR_SIGNATURES else _names
    whole: set[str] = set()
    room = limit - len(_shown(source, found, whole, hide))
    for unit in sorted(leaves, key=lambda unit: (-_weight(unit, source, words, lines), unit.first)):
        room -= sum(map(len, source[unit.first - 1 : unit.last])) + MARK_CHARS
        if room < 0:
            break
        whole.add(unit.name)
    return _cut(_shown(source, found, whole, hide), limit)


def _weight(unit: Unit, source: Sequence[str], words: Sequence[str], lines: Collection[int]) -> float:
    text = "".join(source[unit.first - 1 : unit.last]).lower()
    named = sum(word in unit.name.lower() for word in words)
    mentioned = sum(word in text for word in words)
    return 1000.0 * any(unit.first <= line <= unit.last for line in lines) + 3 * named + mentioned


def _shown(source: Sequence[str], found: Mapping[str, Unit], whole: Collection[str], hide: Hide) -> str:
    """The text with the bodies of all other units left out."""
    parts: list[str] = []
    hidden: list[Unit] = []
    at, first = 0, min(unit.first for unit in found.values()) - 1
    if first > HEAD_LINES:
        parts += [*source[:HEAD_LINES], f"# ... lines {HEAD_LINES + 1}-{first} are not shown\n"]
        at = first
    for unit in sorted(found.values(), key=lambda unit: (unit.first, -unit.last)):
        if unit.is_class or unit.name in whole or unit.first - 1 < at:
            continue
        between = source[at : unit.first - 1]
        if hidden and any(line.strip() for line in between):
            parts += hide(source, hidden)
            hidden = []
        parts += between if not hidden else ()
        hidden.append(unit)
        at = unit.last
    return "".join([*parts, *hide(source, hidden), *source[at:]])


def _signature(source: Sequence[str], hidden: Sequence[Unit]) -> Iterator[str]:
    for unit in hidden:
        start = unit.nodes[0].body[0].lineno - 1
        head = source[unit.first - 1 : max(unit.first, min(start, unit.first - 1 + SIGNATURE_LINES))]
        yield from head
        yield f"{indent_of(head[0])}    ...  # {unit.name}: lines {unit.first}-{unit.last} are not shown\n"


def _names(source: Sequence[str], hidden: Sequence[Unit]) -> Iterator[str]:
    """One line for neighbours that are left out together."""
    if hidden:
        names = ", ".join(unit.name for unit in hidden[:NAMES]) + (" ..." if len(hidden) > NAMES else "")
        indent = indent_of(source[hidden[0].first - 1])
        yield f"{indent}# lines {hidden[0].first}-{hidden[-1].last} are not shown: {names}\n"


def _by_lines(text: str, words: Sequence[str], lines: Collection[int], limit: int) -> str:
    """The head of the text, then the surroundings of the lines that matter."""
    source = text.splitlines(keepends=True)
    told = [*lines, *(number for number, line in enumerate(source, 1) if any(word in line.lower() for word in words))]
    wanted = set(range(1, AROUND + 1))
    size = sum(len(line) for line in source[:AROUND])
    for line in told:
        near = {n for n in range(line - AROUND, line + AROUND + 1) if 1 <= n <= len(source)} - wanted
        size += sum(len(source[n - 1]) for n in near)
        if size > limit:
            break
        wanted |= near
    return _cut("".join(_runs(source, wanted)), limit)


def _runs(source: Sequence[str], wanted: Collection[int]) -> Iterator[str]:
    skipped = 0
    for number, line in enumerate([*source, ""], 1):
        if number in wanted or number > len(source):
            if skipped:
                yield f"[... {skipped} lines are not shown]\n"
            skipped = 0
            yield line
        else:
            skipped += 1


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[:limit].rpartition("\n")[0] + "\n[...]\n"
