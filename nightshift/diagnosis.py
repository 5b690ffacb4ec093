"""The analyst's reply: the schema it must follow, and the way from its JSON to a Diagnosis."""

from __future__ import annotations

from typing import Any, Literal

from nightshift.domain import Culprit, Diagnosis
from nightshift.errors import ReplyRejected

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "whys": {
            "type": "array",
            "minItems": 1,
            "maxItems": 5,
            "items": {"type": "string", "maxLength": 400},
        },
        "culprits": {
            "type": "array",
            "minItems": 1,
            "maxItems": 6,
            "items": {
                "type": "object",
                "properties": {
                    "path": {"type": "string", "maxLength": 120},
                    "why": {"type": "string", "maxLength": 400},
                },
                "required": ["path", "why"],
                "additionalProperties": False,
            },
        },
        "advice": {"type": "string", "maxLength": 1200},
    },
    "required": ["whys", "culprits", "advice"],
    "additionalProperties": False,
}


NEEDING_SCHEMA: dict[str, Any] = {
    **SCHEMA,
    "properties": {
        **SCHEMA["properties"],
        "need": {"type": "array", "maxItems": 5, "items": {"type": "string", "maxLength": 160}},
    },
}
"""With texts of the project that the analyst must see first; they are shown once."""


def read_diagnosis(data: Any, paths: dict[str, str]) -> Diagnosis:
    """`paths` maps what may be blamed to its kind. Raises ReplyRejected."""
    try:
        found = [(str(c["path"]).removeprefix("./"), str(c["why"])) for c in data["culprits"]]
        whys, advice = tuple(str(why) for why in data["whys"]), str(data["advice"]).strip()
    except (KeyError, TypeError, AttributeError) as error:
        raise ReplyRejected("unparsable", f"the diagnosis lacks a part: {error}") from error
    # Blame follows from the kind of the file: a model that calls a test "source" still means that file.
    culprits = tuple(Culprit(path, why, _BLAME.get(paths[path], "source")) for path, why in found if path in paths)
    if not culprits:
        names = ", ".join(paths)
        raise ReplyRejected("unparsable", f"no culprit is one of the files that may be blamed: {names}")
    return Diagnosis(whys, tuple(dict.fromkeys(culprits)), advice)


_BLAME: dict[str, Literal["source", "test", "criterion"]] = {"test": "test", "criterion": "criterion"}
