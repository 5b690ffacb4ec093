"""The files of a run as a drawing: who imports whom, which file was blamed, and how far a changed interface went.

Edges are the imports of the texts that were kept up to then; where none is known, what the plan says.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from nightshift.domain import Plan
from nightshift.records import Record, of_kind, selections
from nightshift.report.markup import Markup, joined, picture, scrolling, tag
from nightshift.report.page.matrix import candidate_of
from nightshift.report.text import one_line
from nightshift.source.graph import import_graph, topological

BOX_WIDTH, BOX_HEIGHT, ACROSS, DOWN = 208, 40, 84, 16
CHARS = 27
MOST_FILES = 120


@dataclass(frozen=True, slots=True)
class Marks:
    """What happened to the files."""

    blamed: frozenset[str]
    rebuilt: tuple[str, ...]
    """In the order they were made again."""
    reasons: Mapping[str, str]
    retested: frozenset[str]

    def style(self, path: str) -> str:
        if path in self.blamed:
            return "box bad"
        return "box warn" if path in self.rebuilt else "box again" if path in self.retested else "box"

    def word(self, path: str) -> str:
        told = ["blamed"] if path in self.blamed else []
        told += [f"made again, {self.rebuilt.index(path) + 1}."] if path in self.rebuilt else []
        told += ["tested again"] if path in self.retested and not told else []
        return ", ".join(told)

    def carries(self, source: str, target: str) -> bool:
        """The file was made again because that one's interface changed."""
        return self.reasons.get(target, "").endswith(f"interface of {source}")


def marks_of(blamed: frozenset[str], cascades: Sequence[Record]) -> Marks:
    rebuilt = [item for record in cascades for item in record.fields.get("rebuild") or ()]
    reasons = {str(item.get("path")): str(item.get("reason")) for item in rebuilt}
    retested = {str(path) for record in cascades for path in record.fields.get("retest") or ()}
    return Marks(blamed, tuple(reasons), reasons, frozenset(retested))


def edges_of(plan: Plan, told: Sequence[Record]) -> dict[str, tuple[str, ...]]:
    """File -> the files it imports, from the texts chosen among these records."""
    written = {r.span: str(candidate_of(r).get("text", "")) for r in of_kind(told, "evaluation")}
    texts: dict[str, str] = {}
    for record in selections(told):
        text = written.get(f"{record.span}/{record.fields.get('chosen')}")
        if text is not None:
            texts[str(record.fields.get("path"))] = text
    known = import_graph({path: text for path, text in texts.items() if path.endswith(".py")})
    planned = {step.path for step in plan.steps}
    return {
        step.path: tuple(sorted(known.imports(step.path) & planned)) if step.path in known.reads else step.depends_on
        for step in plan.steps
    }


def drawing(edges: Mapping[str, Sequence[str]], marks: Marks, label: str) -> Markup:
    """Each file to the right of those that it imports."""
    shown = dict([*edges.items()][:MOST_FILES])
    places = _places(shown)
    width = max((x for x, _ in places.values()), default=0) + BOX_WIDTH + 2
    height = max((y for _, y in places.values()), default=0) + BOX_HEIGHT + 2
    parts = [*_edges(shown, places, marks), *(_box(path, place, marks) for path, place in places.items())]
    svg = picture(joined(*parts), width, height, f"{label}. {_said(shown, marks)}")
    return scrolling(svg, label)


def _places(edges: Mapping[str, Sequence[str]]) -> dict[str, tuple[int, int]]:
    places = {}
    for column, layer in enumerate(_layers(edges)):
        for row, path in enumerate(layer):
            places[path] = 1 + column * (BOX_WIDTH + ACROSS), 1 + row * (BOX_HEIGHT + DOWN)
    return places


def _layers(edges: Mapping[str, Sequence[str]]) -> list[list[str]]:
    """Files in a circle stand in one column each, as they were planned."""
    try:
        return topological(edges, edges)
    except ValueError:
        return [[path] for path in edges]


def _edges(edges: Mapping[str, Sequence[str]], places: Mapping[str, tuple[int, int]], marks: Marks) -> Iterator[Markup]:
    pairs = [(source, target) for target, sources in edges.items() for source in sources if source in places]
    for source, target in sorted(pairs, key=lambda pair: marks.carries(*pair)):
        x1, y1 = places[source][0] + BOX_WIDTH, places[source][1] + BOX_HEIGHT // 2
        x2, y2 = places[target][0] - 7, places[target][1] + BOX_HEIGHT // 2
        hit = " hit" if marks.carries(source, target) else ""
        bend = max(30, abs(x2 - x1) // 2)
        yield tag("path", "", f"edge{hit}", d=f"M{x1} {y1}C{x1 + bend} {y1} {x2 - bend} {y2} {x2} {y2}")
        yield tag("path", "", f"tip{hit}", d=f"M{x2 + 7} {y2}l-8 -4.5v9z")


def _box(path: str, place: tuple[int, int], marks: Marks) -> Markup:
    x, y = place
    name = one_line(path)
    shown = name if len(name) <= CHARS else "…" + name[1 - CHARS :]
    word = marks.word(path)
    whole = tag("title", f"{path}{': ' if word else ''}{marks.reasons.get(path, '') or word}")
    parts = [
        tag("rect", whole, marks.style(path), x=x, y=y, width=BOX_WIDTH, height=BOX_HEIGHT, rx=6),
        tag("text", shown, "mono", x=x + 10, y=y + (17 if word else 24)),
    ]
    return joined(*parts, tag("text", word, "soft", x=x + 10, y=y + 32) if word else "")


def _said(edges: Mapping[str, Sequence[str]], marks: Marks) -> str:
    """The same in words."""
    told = [f"{path}: {word}" for path in edges if (word := marks.word(path))]
    return "; ".join(told) or "No file was made again"
