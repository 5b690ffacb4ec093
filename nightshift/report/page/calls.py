"""Each call of a model with its whole prompt and reply, folded; and what went wrong with servers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from nightshift.records import Record, of_kind
from nightshift.report.markup import Markup, joined, table, tag
from nightshift.report.page.store import Store
from nightshift.report.text import duration

SHOWN_CALLS = 500


def places_of(records: Sequence[Record]) -> dict[str, int]:
    """Span -> the number of the call that was asked there; of several tries the last."""
    return {record.span.partition("/retry-")[0]: record.seq for record in of_kind(records, "call")[:SHOWN_CALLS]}


def calls(records: Sequence[Record], store: Store) -> Iterator[Markup]:
    told = of_kind(records, "call")
    yield tag("h2", f"Model calls: {len(told)}", id="calls")
    if told:
        yield tag("p", "Each opens to its whole prompt and reply.", "soft small")
        yield tag("div", joined(*(_call(record, store) for record in told[:SHOWN_CALLS])), "calls")
    if len(told) > SHOWN_CALLS:
        yield tag("p", f"{len(told) - SHOWN_CALLS} more are in the trace.")


def faults(records: Sequence[Record]) -> Iterator[Markup]:
    told = of_kind(records, "fault")
    if told:
        yield tag("h2", f"Faults: {len(told)}", id="faults")
        names = ("role", "endpoint", "model", "attempt", "fault", "message")
        rows = (tuple(record.fields.get(name) for name in names) for record in told[:SHOWN_CALLS])
        yield table(names, rows, "faults of model servers")


def _call(record: Record, store: Store) -> Markup:
    fields = record.fields
    parts = [store.off, tag("p", _asked(record), "soft small")]
    for message in fields.get("messages") or ():
        parts += [tag("h3", message.get("role")), store.place(str(message.get("content", "")))]
    if fields.get("reasoning"):
        parts += [tag("h3", "thinking"), store.place(str(fields["reasoning"]))]
    parts += [tag("h3", "reply"), store.place(str(fields.get("text", "")))]
    head = joined(tag("span", record.span or "(no place)", "mono"), tag("span", _cost(record), "soft"), _fault(fields))
    return tag("details", joined(tag("summary", head), *parts), id=f"call-{record.seq}")


def _cost(record: Record) -> str:
    fields = record.fields
    prompt, cached = fields.get("prompt_tokens") or 0, fields.get("cached_tokens") or 0
    kept = f" ({cached:,} cached)" if cached else ""
    told = f"{prompt:,}{kept} → {fields.get('completion_tokens') or 0:,} tokens"
    seconds = fields.get("seconds") or 0.0
    return f"{fields.get('role')}, {told}, {duration(seconds)}"


def _asked(record: Record) -> str:
    fields = record.fields
    model = fields.get("model_served") or fields.get("model_requested")
    first = fields.get("first_token_seconds")
    told = [f"{model} at {fields.get('endpoint')}", f"try {fields.get('attempt')}"]
    told += [f"first token after {duration(first)}"] if isinstance(first, (int, float)) else []
    told += [f"{name} {value}" for name, value in _sampling(fields).items()]
    return ", ".join([*told, f"ended by {fields.get('stop_reason')}"])


def _sampling(fields: Any) -> dict[str, Any]:
    told = fields.get("sampling")
    return (
        {name.replace("_", " "): told[name] for name in ("temperature", "seed", "max_tokens") if name in told}
        if told
        else {}
    )


def _fault(fields: Any) -> Markup:
    return tag("span", fields["fault"], "tag bad") if fields.get("fault") else Markup("")
