"""The dashboard's pages as HTML: values in, text out. Whatever a model, a task or a file name says is escaped."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from nightshift.report.dashboard.known import Run
from nightshift.report.markup import Markup, escaped, tag
from nightshift.report.text import duration, one_line

TASK_CHARS = 160
STATUSES = ("running", "passed", "failed", "limit", "refused", "error", "interrupted", "planned", "damaged")
_KINDS = {
    "passed": "good",
    "planned": "good",
    "done": "good",
    "running": "warn",
    "slow": "warn",
    "waiting": "",
    "held back": "",
}
_FIGURES = ("attempt", "calls", "tokens", "held")

Row = tuple[Run, Mapping[str, Any]]


def page(title: str, parts: Iterable[str], *, here: str = "") -> str:
    links = (("/", "Nightshift"), ("/", "Runs"), ("/queues", "Queues"), ("/front-door", "Front door"))
    nav = "".join(_link(url, name, current=name == here) for url, name in links)
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{escaped(title)} · Nightshift</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><link rel="icon" href="data:,">'
        '<link rel="stylesheet" href="/static/style.css"><script src="/static/app.js" defer></script></head>'
        f'<body><a class="skip" href="#main">Skip to the content</a><header><nav aria-label="Main">{nav}</nav></header>'
        f'<main id="main" tabindex="-1">\n{"".join(parts)}\n</main></body></html>\n'
    )


def runs_page(rows: Sequence[Row], wanted: Mapping[str, str], places: Mapping[str, str], more: str) -> str:
    return page("Runs", _runs(rows, wanted, places, more), here="Runs")


def run_page(run: Run, told: Mapping[str, Any], result: Mapping[str, Any], records: Iterable[str], **live: Any) -> str:
    return page(_short(told["task"]) or run.name, _run(run, told, result, records, **live))


def compare_page(runs: Sequence[Run], found: Mapping[str, Any], diff: Iterable[str]) -> str:
    return page("Two runs compared", _compare(runs, found, diff))


def queues_page(queues: Iterable[tuple[str, str]]) -> str:
    return page("Queues", _queues(queues), here="Queues")


def queue_page(name: str, told: Mapping[str, Any], nights: Iterable[tuple[str, str]]) -> str:
    return page(f"Queue {name}", _queue(name, told, nights), here="Queues")


def message_page(title: str, text: str) -> str:
    return page(title, [tag("h1", title), tag("p", text)])


def badge(status: object) -> Markup:
    return tag("span", status, f"tag {_KINDS.get(str(status), 'bad')}".rstrip())


def grid(head: Sequence[str], rows: Iterable[Sequence[object]], *, label: str) -> Markup:
    """A table that scrolls by itself, also by keyboard; empty without rows."""
    body = "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in rows)
    names = "".join(f'<th scope="col">{escaped(name)}</th>' for name in head)
    return Markup(
        f'<div class="scroll" role="region" tabindex="0" aria-label="{escaped(label)}"><table class="runs">'
        f"<thead><tr>{names}</tr></thead><tbody>{body}</tbody></table></div>"
        if body
        else ""
    )


def _cell(content: object) -> Markup:
    """What is short and ours is never broken in two."""
    fixed = isinstance(content, Markup) and content.startswith(('<span class="tag', "<time", "<input"))
    return tag("td", content, "fixed" if fixed else "")


def record_item(told: Mapping[str, Any]) -> Markup:
    """The same as app.js makes of the records that follow."""
    head = f"<time>{escaped(told['time'])}</time> {tag('b', told['kind'])} {tag('span', told['span'], 'soft')}"
    lines = "".join(tag("p", line, "line") for line in told["lines"])
    return Markup(f'<li><p class="head">{head}</p>{lines}</li>')


def _runs(rows: Sequence[Row], wanted: Mapping[str, str], places: Mapping[str, str], more: str) -> Iterator[str]:
    yield tag("h1", "Runs")
    yield Markup(
        f'<form class="filter" role="search"><label>Task or run<input name="q" value="{escaped(wanted["q"])}"></label>'
        f"{_select('Status', 'status', wanted['status'], {s: s for s in STATUSES})}"
        f"{_select('Workspace', 'place', wanted['place'], places)}<button>Filter</button></form>"
    )
    head = ("compare", "status", "task", "workspace", "started")
    listed = grid(head, (list(_run_row(run, told)) for run, told in rows), label="Runs")
    if not listed:
        yield tag("p", "No run fits." if any(wanted.values()) else "There is no run yet.")
        return
    yield Markup(f'<form action="/compare">{listed}<p class="actions"><button>Compare the two that are ticked</button>')
    yield Markup(f'<a href="{escaped(more)}">Older runs</a></p></form>' if more else "</p></form>")


def _run_row(run: Run, told: Mapping[str, Any]) -> Iterator[object]:
    value = f"{run.place}/{run.name}"
    label = f"compare run {run.name}"
    yield Markup(f'<input type="checkbox" name="run" value="{escaped(value)}" aria-label="{escaped(label)}">')
    yield badge(told["status"])
    yield _link(run.url, _short(told["task"]) or run.name)
    yield tag("span", str(run.workspace), "mono soft")
    yield Markup(f"<time>{_when(told['time'])}</time>")


def _run(
    run: Run,
    told: Mapping[str, Any],
    result: Mapping[str, Any],
    records: Iterable[str],
    *,
    seq: int,
    token: str,
    note: str = "",
) -> Iterator[str]:
    running = told["status"] == "running"
    yield tag("h1", _short(told["task"]) or run.name)
    reason = (
        "" if running or told["exit_reason"] in (None, told["status"]) else f" {one_line(str(told['exit_reason']))}"
    )
    yield Markup(f'<p class="actions">{badge(told["status"])}{escaped(reason)}')
    yield Markup(f"{tag('span', run.name, 'mono')} {tag('span', str(run.workspace), 'mono soft')}</p>")
    if note:
        yield Markup(f'<p role="status">{escaped(note)}</p>')
    yield from _actions(run, running, token)
    yield _figures(result, running)
    if len(told["task"]) > TASK_CHARS or "\n" in told["task"]:
        yield Markup(f"<details><summary>The whole task</summary><pre>{escaped(told['task'])}</pre></details>")
    yield from _outcome(result)
    yield tag("h2", "What happens" if running else "The last records")
    if running:
        yield Markup(
            f'<p id="live" data-events="{run.url}/events" data-seq="{seq}">'
            '<span id="connection" role="status" class="soft">connecting</span></p>'
        )
    yield Markup(f'<ol id="records">{"".join(records)}</ol>')


def _actions(run: Run, running: bool, token: str) -> Iterator[str]:
    yield Markup('<div class="actions">')
    if running:
        yield Markup(
            f'<form method="post" action="{run.url}/stop"><input type="hidden" name="token" value="{escaped(token)}">'
            '<button class="stop">Stop this run; it can be resumed</button></form>'
        )
    else:
        yield _link(f"{run.url}/report", "The whole report")
    yield Markup("</div>")


def _figures_of(result: Mapping[str, Any]) -> dict[str, object]:
    usage, criteria = result.get("usage") or {}, result.get("criteria") or ()
    held = f"{sum(bool(c['passed']) for c in criteria)} of {len(criteria)}" if criteria else "–"
    tokens = f"{usage.get('prompt_tokens', 0):,} + {usage.get('completion_tokens', 0):,}"
    return {"attempt": result.get("attempts", 0), "calls": usage.get("calls", 0), "tokens": tokens, "held": held}


def _figures(result: Mapping[str, Any], running: bool) -> Markup:
    names = dict(zip(_FIGURES, ("attempt", "model calls", "tokens in + out", "criteria that hold"), strict=True))
    values = _figures_of(result)
    cells = "".join(f'<div><dt>{names[n]}</dt><dd data-figure="{n}">{escaped(values[n])}</dd></div>' for n in _FIGURES)
    seconds = duration((result.get("usage") or {}).get("wall_seconds") or 0.0)
    cells += "" if running else f"<div><dt>time</dt><dd>{seconds}</dd></div>"
    if running:
        cells += '<div class="wide"><dt>waiting for</dt><dd data-figure="waiting">–</dd></div>'
    return Markup(f'<dl class="figures">{cells}</dl>')


def _outcome(result: Mapping[str, Any]) -> Iterator[str]:
    criteria = [
        (badge("passed" if c["passed"] else "open"), f"{c['id']}: {c['description']}", _cut(c["evidence"]))
        for c in result.get("criteria") or ()
    ]
    if criteria:
        yield tag("h2", "Criteria")
        yield grid(("result", "criterion", "evidence"), criteria, label="Criteria")
    files = [(file.get("action"), file.get("path"), file.get("lines")) for file in result.get("files") or ()]
    if files:
        yield tag("h2", "Delivered" + (f" on branch {result['branch']}" if result.get("branch") else ""))
        yield grid(("action", "file", "lines"), files, label="Delivered files")


def _compare(runs: Sequence[Run], found: Mapping[str, Any], diff: Iterable[str]) -> Iterator[str]:
    yield tag("h1", "Two runs compared")
    yield Markup(f"<p>{_link(runs[0].url, runs[0].name)} and {_link(runs[1].url, runs[1].name)}</p>")
    if not found:
        yield tag("p", "They differ in nothing but names and times.")
    for subject, entries in found.items():
        yield tag("h2", subject.capitalize())
        rows = ((name, _value(before), _value(after)) for name, (before, after) in entries.items())
        yield grid(("what", runs[0].name, runs[1].name), rows, label=subject)
    lines = "\n".join(_diff_line(line) for line in diff)
    if lines:
        yield Markup(f'{tag("h2", "What they delivered")}<pre class="diff">{lines}</pre>')


def _diff_line(line: str) -> str:
    kind = {"+": "good", "-": "bad", "@": "soft"}.get(line[:1], "")
    return tag("span", line, kind) if kind else escaped(line)


def _queues(queues: Iterable[tuple[str, str]]) -> Iterator[str]:
    yield tag("h1", "Queues")
    items = "".join(f"<li>{_link(url, path)}</li>" for url, path in queues)
    yield Markup(f"<ul>{items}</ul>") if items else tag("p", "None is shown: start the dashboard with --queue DIR.")


def _queue(name: str, told: Mapping[str, Any], nights: Iterable[tuple[str, str]]) -> Iterator[str]:
    yield tag("h1", f"Queue {name}")
    if told.get("error"):
        yield tag("pre", told["error"])
    else:
        yield tag("p", "nightly.py is at work on it." if told.get("at_work") else "No nightly.py is at work on it.")
    rows = ((badge(task["state"]), task["name"], task["told"]) for task in told.get("tasks") or ())
    yield grid(("state", "task", "last heard"), rows, label="Tasks")
    items = "".join(f"<li>{_link(url, night)}</li>" for url, night in nights)
    if items:
        yield Markup(f"{tag('h2', 'Nights')}<ul>{items}</ul>")


def _select(label: str, name: str, chosen: str, values: Mapping[str, str]) -> str:
    options = "".join(
        f'<option value="{escaped(value)}"{" selected" if value == chosen else ""}>{escaped(shown)}</option>'
        for value, shown in {"": "all", **values}.items()
    )
    return f'<label>{label}<select name="{name}">{options}</select></label>'


def _link(url: str, text: object, *, current: bool = False) -> Markup:
    return Markup(f'<a href="{escaped(url)}"{" aria-current=page" if current else ""}>{escaped(text)}</a>')


def _short(task: str) -> str:
    return one_line(task[: 4 * TASK_CHARS])[:TASK_CHARS]


def _cut(text: object) -> Markup:
    return tag("span", str(text)[-600:], "mono")


def _value(value: object) -> Markup:
    shown = ", ".join(f"{name} {item}" for name, item in value.items()) if isinstance(value, Mapping) else value
    return tag("span", one_line("–" if shown in (None, "") else str(shown)[:2000]), "mono")


def _when(time: object) -> str:
    """A record's time on this machine's clock."""
    try:
        return datetime.fromisoformat(str(time)).astimezone().strftime("%d %b %H:%M") if time else ""
    except (ValueError, OverflowError):
        return ""
