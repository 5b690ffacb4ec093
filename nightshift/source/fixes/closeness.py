"""The one name that was meant by a name nobody knows: a ladder, and a tie on any rung refuses."""

from __future__ import annotations

from collections.abc import Collection


def close_match(name: str, known: Collection[str], *, short_forms: bool = False) -> str | None:
    """The only name meant; `short_forms` also takes `desc` for `description` and `title` for `task_title`."""
    names = sorted({other for other in known if other != name and _is_dunder(other) == _is_dunder(name)})
    plain = [other for other in names if _plain(other) == _plain(name)]
    if plain:
        return plain[0] if len(plain) == 1 else None
    near = {other: distance for other in names if (distance := _distance(name, other)) <= _allowed(name)}
    if near:
        nearest = [other for other, distance in near.items() if distance == min(near.values())]
        return nearest[0] if len(nearest) == 1 else None
    longer = [other for other in names if short_forms and _is_short_form(name, other)]
    return longer[0] if len(longer) == 1 else None


def _is_dunder(name: str) -> bool:
    return name.startswith("__") and name.endswith("__")


def _plain(name: str) -> str:
    return name.replace("_", "").casefold()


def _allowed(name: str) -> int:
    """Wrong letters that still leave no doubt; `i` is near every other index."""
    return 0 if len(name) < 3 else 1 if len(name) < 8 else 2


def _distance(a: str, b: str) -> int:
    """Letters inserted, dropped, replaced or swapped with their neighbour."""
    if abs(len(a) - len(b)) > 2:
        return 3
    before: list[int] = []
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        older, before, row = before, row, [i]
        for j, y in enumerate(b, 1):
            steps = [before[j] + 1, row[j - 1] + 1, before[j - 1] + (x != y)]
            if i > 1 and j > 1 and (x, y) == (b[j - 2], a[i - 2]):
                steps.append(older[j - 2] + 1)
            row.append(min(steps))
    return row[-1]


def _is_short_form(a: str, b: str) -> bool:
    short, long = sorted((_plain(a), _plain(b)), key=len)
    words = {*a.split("_")}, {*b.split("_")}
    return (len(short) >= 3 and long.startswith(short)) or words[0] < words[1] or words[1] < words[0]
