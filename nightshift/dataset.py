"""Training data from proved runs: which calls may teach, and the gates each example passes.

An example is the conversation as it was sent and the reply as it came, so a model learns the very format it
meets at run time. Only a call whose output survived in a run that passed is used. Style and balance are not
judged.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from nightshift.disk import atomic_file, write_atomically
from nightshift.errors import ReplyRejected
from nightshift.records import (
    Record,
    attempt_number,
    attempts_of,
    of_kind,
    outcome_of,
    proved,
    read_trace,
    selections,
    settled,
)
from nightshift.source.credentials import SECRET
from nightshift.source.replies import extract_json

Messages = list[dict[str, str]]


def export_messages(traces: Iterable[Path], out: Path) -> dict[str, Any]:
    """Writes {"messages": [...]} a line to `out`, and beside it the manifest, which is also returned."""
    seen: set[str] = set()
    left_out: Counter[str] = Counter()
    sources: list[dict[str, Any]] = []
    digest = hashlib.sha256()
    with atomic_file(out) as file:
        for call in _surviving(traces, left_out):
            messages = conversation(call.fields)
            reason = _refusal(messages, seen)
            if reason:
                left_out[reason] += 1
                continue
            line = json.dumps({"messages": messages}).encode() + b"\n"
            digest.update(line)
            file.write(line)
            sources.append({"run": call.run, "seq": call.seq, "span": call.span, "role": call.fields.get("role")})
    manifest = _manifest(out, sources, left_out, digest.hexdigest())
    write_atomically(manifest_path(out), json.dumps(manifest, indent=1) + "\n")
    return manifest


def manifest_path(out: Path) -> Path:
    return out.with_name(out.name + ".manifest.json")


def conversation(call: Mapping[str, Any]) -> Messages:
    """What was sent, then what came back."""
    return [*call["messages"], {"role": "assistant", "content": call["text"]}]


def surviving_calls(records: Sequence[Record]) -> list[Record]:
    """The calls of a passed run whose output is part of what passed, in the order they were made."""
    outcome = outcome_of(records)
    if not (outcome and outcome.fields.get("status") == "passed" and proved(records)):
        return []
    spoken = [call for call in of_kind(records, "call") if _whole(call.fields)]
    found = (call for origin in _ORIGINS for call in origin(settled(records), spoken))
    return sorted({call.seq: call for call in found}.values(), key=lambda call: call.seq)


def _whole(call: Mapping[str, Any]) -> bool:
    return not call.get("fault") and call.get("stop_reason") == "stop"


def _chosen_candidates(told: Sequence[Record], calls: Sequence[Record]) -> Iterator[Record]:
    """The reply behind the text that was chosen last for each path, in whatever attempt it was written."""
    texts = {r.span: (r.fields["path"], r.fields["candidate"]["text"]) for r in of_kind(told, "evaluation")}
    final = {record.fields.get("path"): record for record in selections(told)}
    for record in final.values():
        chosen = texts.get(f"{record.span}/{record.fields.get('chosen')}")
        twins = [span for span, text in texts.items() if text == chosen]
        yield from [call for span in twins for call in _answers(span, calls)][-1:]


def _plan_in_force(told: Sequence[Record], calls: Sequence[Record]) -> Iterator[Record]:
    plans = [record for record in of_kind(told, "planned") if record.fields.get("accepted")]
    for record in plans[-1:]:
        yield from _answers(f"{record.span}/ask-{record.fields.get('ask')}", calls)


def _right_diagnoses(told: Sequence[Record], calls: Sequence[Record]) -> Iterator[Record]:
    """Diagnoses after which the next attempt passed; one made without the analyst has no reply behind it."""
    passed = {attempt.number for attempt in attempts_of(told) if attempt.verdict.passed}
    for record in of_kind(told, "diagnosis"):
        if attempt_number(record) + 1 in passed:
            advice = record.fields["diagnosis"]["advice"]
            yield from (call for call in _answers(record.span, calls) if _advice(call) == advice)


_ORIGINS = (_plan_in_force, _chosen_candidates, _right_diagnoses)


def _answers(span: str, calls: Sequence[Record]) -> list[Record]:
    """The reply used at a span: of several, the last, since a good one ends the asking."""
    return [call for call in calls if re.fullmatch(re.escape(span) + r"(/retry-\d+)?", call.span)][-1:]


def _advice(call: Record) -> str:
    try:
        data = extract_json(call.fields["text"], stop_reason=call.fields["stop_reason"])
    except ReplyRejected:
        return ""
    return str(data.get("advice", "")).strip() if isinstance(data, dict) else ""


def _surviving(traces: Iterable[Path], left_out: Counter[str]) -> Iterator[Record]:
    for path in traces:
        records = read_trace(path)
        calls = surviving_calls(records)
        reason = "output did not survive" if calls else "run not passed"
        left_out[reason] += len(of_kind(records, "call")) - len(calls)
        yield from calls


def _refusal(messages: Messages, seen: set[str]) -> str:
    """Why the example is left out; empty when it is good. Remembers it in `seen`."""
    reason = next((name for name, refuses in GATES.items() if refuses(messages)), "")
    identity = hashlib.sha256(json.dumps(messages, sort_keys=True).encode()).hexdigest()
    if not reason and identity in seen:
        return "duplicate"
    seen.add(identity)
    return reason


def _odd_roles(messages: Messages) -> bool:
    """Anything but an optional system message, then user and assistant in turn, the assistant last."""
    roles = [message.get("role") for message in messages]
    turns = roles[1:] if roles[:1] == ["system"] else roles
    return not turns or turns != ["user", "assistant"] * (len(turns) // 2)


def _odd_keys(messages: Messages) -> bool:
    return any(message.keys() != {"role", "content"} for message in messages)


def _blank(messages: Messages) -> bool:
    return any(not message.get("content", "").strip() for message in messages)


def _secret(messages: Messages) -> bool:
    return any(SECRET.search(message.get("content", "")) for message in messages)


GATES: dict[str, Callable[[Messages], bool]] = {
    "odd keys": _odd_keys,
    "odd roles": _odd_roles,
    "blank": _blank,
    "secret": _secret,
}


def _manifest(out: Path, sources: list[dict[str, Any]], left_out: Counter[str], digest: str) -> dict[str, Any]:
    return {
        "file": out.name,
        "format": "messages",
        "sha256": digest,
        "examples": len(sources),
        "runs": list(dict.fromkeys(source["run"] for source in sources)),
        "roles": dict(Counter(source["role"] for source in sources)),
        "filters": ["run passed", "output survived", "not cut off", *GATES, "duplicate"],
        "left_out": {reason: number for reason, number in sorted(left_out.items()) if number},
        "sources": sources,
    }
