"""report.html: one self-contained page about a run, from its trace alone, whether it ended or not.

Nothing is loaded, everything is escaped, and no script but our own may run.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from nightshift.records import Record
from nightshift.report.markup import Markup, joined, page, tag
from nightshift.report.page.calls import calls, faults, places_of
from nightshift.report.page.causes import causes
from nightshift.report.page.roles import roles
from nightshift.report.page.script import SCRIPT
from nightshift.report.page.steps import steps
from nightshift.report.page.store import Store
from nightshift.report.page.timeline import timeline
from nightshift.report.page.verdict import criteria, delivered, heading, planned, refusals
from nightshift.report.result import result_of
from nightshift.report.text import one_line

_HEADING = re.compile(r'<h2 id="(\w+)">(.*?)</h2>')


def report_of(records: Sequence[Record]) -> str:
    """The whole page."""
    title = f"Nightshift: {one_line(result_of(records)['task'])[:80]}"
    store = Store(places_of(records))
    sections = [joined(*section) for section in _sections(records, store)]
    head = tag("header", joined(*heading(records)))
    main = tag("main", joined(*(tag("section", section) for section in sections if section)))
    return page(title, (head, _contents(sections), main, store.markup()), SCRIPT)


def _sections(records: Sequence[Record], store: Store) -> Iterator[Iterator[Markup]]:
    yield criteria(records)
    yield timeline(records)
    yield causes(records)
    yield steps(records, store)
    yield planned(records)
    yield delivered(records)
    yield roles(records)
    yield refusals(records)
    yield faults(records)
    yield calls(records, store)


def _contents(sections: Sequence[str]) -> Markup:
    """Where to find what, from the headings that there are."""
    found = [match for section in sections if (match := _HEADING.search(section))]
    links = [tag("a", Markup(match[2].partition(":")[0]), href=f"#{match[1]}") for match in found]
    return tag("nav", joined(*links), aria_label="sections")
