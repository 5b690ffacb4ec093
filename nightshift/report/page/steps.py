"""Each file with its candidates side by side, why one of them won, and which tests each passed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from nightshift.records import Record, attempt_number, attempts_of, of_kind, selections, settled
from nightshift.report.markup import Markup, joined, table, tag
from nightshift.report.page.diffs import diff
from nightshift.report.page.matrix import Trusted, candidate_of, matrix, trust_of
from nightshift.report.page.store import Store
from nightshift.report.text import counted

SCORE = ("rungs climbed", "tests of the user passed", "agreement", "new", "fewer characters")
ORIGINS = {
    "sample": "from the specification", "repair": "repaired by a model", "fresh": "made afresh",
    "kept": "the file as it was", "fix": "mended without a model", "splice": "put together from two",
}  # fmt: skip
DETAIL_CHARS = 600


def steps(records: Sequence[Record], store: Store) -> Iterator[Markup]:
    told = settled(records)
    verdicts = {attempt.number: attempt.verdict for attempt in attempts_of(records)}
    trust = trust_of(told)
    own = of_kind(told, "evaluation", "selected", "repair", "splice", "effort")
    places = sorted({attempt_number(record) for record in own} | verdicts.keys())
    if places:
        yield tag("h2", "Candidates", id="candidates")
    for number in places:
        said = ""
        if number in verdicts:
            results = verdicts[number].results
            said = f": {sum(r.passed for r in results)} of {len(results)} criteria hold"
        yield tag("h3", f"Attempt {number}{said}" if number else "Before the first attempt")
        here = [record for record in own if attempt_number(record) == number and record.fields.get("path")]
        for path in dict.fromkeys(str(record.fields["path"]) for record in here):
            yield from _step(path, [record for record in here if record.fields["path"] == path], trust, store)


def _step(path: str, records: Sequence[Record], trust: Mapping[str, Trusted], store: Store) -> Iterator[Markup]:
    evaluations = of_kind(records, "evaluation")
    chosen = next((record for record in reversed(selections(records))), None)
    yield tag("h4", path, "mono")
    if chosen:
        winner = chosen.fields.get("chosen")
        won = tag("strong", f"{winner} won" if winner else "None was chosen")
        yield tag("p", joined(won, f": {chosen.fields.get('reason')}{_ahead(chosen)}"))
    yield from _told(records)
    if evaluations:
        yield tag("div", joined(*_cards(evaluations, chosen, store)), "cards")
        winner = str(chosen.fields.get("chosen")) if chosen else ""
        yield store.within(joined(*matrix(evaluations, winner, trust, path)))
    yield from _moves(records)


def _ahead(chosen: Record) -> str:
    """By which number of the score the winner is ahead of the next best."""
    scores = {str(label): score for label, score in (chosen.fields.get("scores") or {}).items() if _is_score(score)}
    won = scores.pop(str(chosen.fields.get("chosen")), None)
    if not (won and scores):
        return ""
    label, next_best = max(scores.items(), key=lambda item: item[1])
    for name, mine, theirs in zip(SCORE, won, next_best, strict=True):
        if mine > theirs:
            unlike = "" if name == "new" else f", {abs(mine):g} to {abs(theirs):g}"
            return f". It is ahead of {label} by this: {name}{unlike}."
    return ""


def _is_score(score: Any) -> bool:
    return isinstance(score, list) and len(score) == len(SCORE) and all(isinstance(n, (int, float)) for n in score)


def _told(records: Sequence[Record]) -> Iterator[Markup]:
    for record in of_kind(records, "repair"):
        said, detail = f"repair: {record.fields.get('outcome')}", str(record.fields.get("detail") or "")
        if "\n" in detail:
            yield fold(said, tag("pre", detail[:DETAIL_CHARS]), "print")
        else:
            yield tag("p", f"{said}: {detail}" if detail else said)
    for record in of_kind(records, "splice"):
        names, kept = ", ".join(map(str, record.fields.get("names") or ())), record.fields.get("kept")
        made = f"{record.fields.get('base')} with {names} of {record.fields.get('donor')}"
        yield tag("p", f"splice: {made}: {'kept' if kept else 'no better'}")


def _cards(evaluations: Sequence[Record], chosen: Record | None, store: Store) -> Iterator[Markup]:
    fields = chosen.fields if chosen else {}
    winner = next((r for r in reversed(evaluations) if _label(r) == fields.get("chosen")), None)
    for record in sorted(evaluations, key=lambda record: record is not winner):
        scores = (fields.get("scores") or {}).get(_label(record)) or ()
        yield _card(record, winner, scores, store)


def _card(record: Record, winner: Record | None, scores: Sequence[Any], store: Store) -> Markup:
    candidate, won = candidate_of(record), record is winner
    passed = all(rung.get("passed") for rung in record.fields.get("rungs") or ())
    badges = [tag("span", "chosen", "tag good")] if won else []
    badges += [] if passed else [tag("span", "fails", "tag bad")]
    origin = ORIGINS.get(str(candidate.get("origin")), str(candidate.get("origin")))
    if candidate.get("origin") in ("sample", "repair", "fresh"):
        origin += f", temperature {candidate.get('temperature')}"
    if record.fields.get("same_as"):
        origin += f", the same program as {record.fields['same_as']}"
    parts = [tag("h4", joined(_label(record), *badges)), tag("p", origin, "soft small"), _ladder(record)]
    parts += [_score(scores), *_texts(record, winner, store)]
    return tag("div", joined(*parts), "card chosen" if won else "card")


def _ladder(record: Record) -> Markup:
    rungs = record.fields.get("rungs") or ()
    items = [tag("li", joined(mark(bool(rung.get("passed"))), f" {rung.get('name')}")) for rung in rungs]
    failed = next((rung for rung in rungs if not rung.get("passed")), None)
    said = tag("pre", str(failed.get("detail"))[:DETAIL_CHARS]) if failed and failed.get("detail") else ""
    return joined(tag("ul", joined(*items), "rungs"), said)


def _score(scores: Sequence[Any]) -> Markup:
    """The five numbers that decide, the first that differs; larger is better."""
    if not _is_score(scores):
        return tag("p", f"score {', '.join(map(str, scores))}", "small") if scores else Markup("")
    rungs, trusted, weight, new, length = scores
    told = [counted(rungs, "rung"), f"agreement {weight:.4g}"]
    told += [f"{trusted} of the user's tests"] if trusted else []
    told += ["new" if new else "not new", f"{-length:,} characters"]
    return tag("p", "score: " + ", ".join(told), "small")


def _texts(record: Record, winner: Record | None, store: Store) -> Iterator[Markup]:
    text = str(candidate_of(record).get("text", ""))
    if winner is not None and record is not winner:
        better = str(candidate_of(winner).get("text", ""))
        compared = diff(text, better, (_label(record), _label(winner)))
        yield fold(f"diff to {_label(winner)}", store.within(compared), "print")
    yield fold("its text", joined(store.off, store.place(text)))
    if call := store.calls.get(record.span):
        yield tag("p", tag("a", "its prompt and reply", href=f"#call-{call}"), "small")


def _moves(records: Sequence[Record]) -> Iterator[Markup]:
    """What the ladder of moves did, and what it spared."""
    decided = of_kind(records, "effort", "selected")
    rows = [_move(record.fields) for record in decided if record.kind == "effort" or record.fields.get("key") == "race"]
    if rows:
        told = table(("move", "", "because"), rows, "moves")
        yield fold(f"how it was decided: {counted(len(rows), 'step')}", told, "print", opened=len(rows) > 1)


def _move(fields: Mapping[str, Any]) -> tuple[object, ...]:
    if "move" in fields:
        return fields["move"], "asked" if fields.get("taken") else "not asked", fields.get("reason")
    came = ", ".join(map(str, fields.get("considered") or ())) or "none"
    return "race", f"came: {came}", fields.get("reason")


def fold(summary: object, content: object, style: str = "", *, opened: bool = False) -> Markup:
    return tag("details", joined(tag("summary", summary), content), style, open="open" if opened else "")


def mark(passed: bool | None) -> Markup:
    if passed is None:
        return tag("span", "·", "soft")
    return tag("span", "✓", "good") if passed else tag("span", "✗", "bad")


def _label(record: Record) -> str:
    return str(candidate_of(record).get("label"))
