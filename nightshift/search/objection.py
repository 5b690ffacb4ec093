"""The reviewer's reply: the schema it must follow, and the way from its JSON to an objection.

Words of praise or blame mean nothing here: only a reply of the very shape is an objection, or none.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from nightshift.errors import ReplyRejected


@dataclass(frozen=True, slots=True)
class Objection:
    path: str
    """The file at fault."""
    why: str
    check: str
    """A Python script that ends without an error when the program is right."""


SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "why": {"type": "string", "maxLength": 800},
        "objection": {"type": "boolean"},
        "path": {"type": "string", "maxLength": 120},
        "check": {"type": "string", "maxLength": 3000},
    },
    "required": ["why", "objection", "path", "check"],
    "additionalProperties": False,
}


def read_objection(data: Any, paths: Collection[str]) -> Objection | None:
    """None when there is no objection; `paths` are the files that it may concern. Raises ReplyRejected."""
    objects = data.get("objection") if isinstance(data, dict) else None
    if not isinstance(objects, bool):
        raise ReplyRejected("unparsable", '"objection" must be true or false')
    if not objects:
        return None
    why, path, check = (str(data.get(name) or "").strip() for name in ("why", "path", "check"))
    path = path.removeprefix("./")
    if path not in paths:
        raise ReplyRejected("unparsable", f'"path" must be one of {", ".join(paths)}')
    if not why or not check:
        raise ReplyRejected("unparsable", 'an objection needs a reason in "why" and a script in "check"')
    return Objection(path, why, check)
