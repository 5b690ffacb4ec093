"""The three shapes a line of training data may have, each written and read back by one entry.

`preference` holds conversations, not text: a template of some model, put in now, would be wrong for every other one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from nightshift.dataset.example import Example, Messages

Line = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Format:
    name: str
    keys: frozenset[str]
    write: Callable[[Example], Line]
    parts: Callable[[Line], tuple[Any, Any, Any]]
    """Prompt, reply and rejected reply as they stand there, of whatever type."""


def _messages(example: Example) -> Line:
    return {"messages": [*example.prompt, _said(example.reply)]}


def _messages_parts(line: Line) -> tuple[Any, Any, Any]:
    messages = line["messages"]
    if not isinstance(messages, list) or not messages:
        return messages, None, None
    *prompt, last = messages
    return prompt, [last], None


def _instruct(example: Example) -> Line:
    """The constant text is the instruction, what varies is the input."""
    system = "\n".join(m["content"] for m in example.prompt if m["role"] == "system")
    return {"instruction": system, "input": example.asked, "output": example.reply}


def _instruct_parts(line: Line) -> tuple[Any, Any, Any]:
    roles = (("system", line["instruction"]), ("user", line["input"]))
    return [{"role": role, "content": text} for role, text in roles], [_said(line["output"])], None


def _preference(example: Example) -> Line:
    chosen, rejected = [_said(example.reply)], [_said(example.rejected or "")]
    return {"prompt": list(example.prompt), "chosen": chosen, "rejected": rejected}


def _preference_parts(line: Line) -> tuple[Any, Any, Any]:
    return line["prompt"], line["chosen"], line["rejected"]


def _said(text: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": text}


FORMATS: dict[str, Format] = {
    form.name: form
    for form in (
        Format("messages", frozenset({"messages"}), _messages, _messages_parts),
        Format("instruct", frozenset({"instruction", "input", "output"}), _instruct, _instruct_parts),
        Format("preference", frozenset({"prompt", "chosen", "rejected"}), _preference, _preference_parts),
    )
}


class Misshapen(ValueError):
    """A line that is no example; says why."""


def read_line(data: Any, form: Format) -> Example:
    """Raises Misshapen."""
    if not isinstance(data, dict) or data.keys() != form.keys:
        found = ", ".join(map(str, data)) if isinstance(data, dict) else type(data).__name__
        raise Misshapen(f"odd keys: {found or 'none'} where {', '.join(sorted(form.keys))} belong")
    prompt, reply, rejected = form.parts(data)
    asked = _checked(prompt)
    turns = [message["role"] for message in asked]
    turns = turns[1:] if turns[:1] == ["system"] else turns
    if turns != ["user", "assistant"] * (len(turns) // 2) + ["user"]:
        raise Misshapen("odd roles: a system message at most, then user and assistant in turn, the assistant last")
    return Example(asked, _answer(reply), None if rejected is None else _answer(rejected))


def _checked(messages: Any) -> Messages:
    if not isinstance(messages, list) or not all(isinstance(message, dict) for message in messages):
        raise Misshapen("odd keys: messages must be a list of objects")
    for message in messages:
        if message.keys() != {"role", "content"} or not all(isinstance(text, str) for text in message.values()):
            raise Misshapen("odd keys: a message has a role and a content, both text, and nothing else")
    return tuple(messages)


def _answer(messages: Any) -> str:
    answer = _checked(messages)
    if [message["role"] for message in answer] != ["assistant"]:
        raise Misshapen("odd roles: a reply is one message of the assistant")
    return answer[0]["content"]


def format_of(data: Any) -> Format:
    """The format a line looks most like."""
    keys = set(data) if isinstance(data, dict) else set()
    return max(FORMATS.values(), key=lambda form: len(form.keys & keys) / len(form.keys))
