"""One training example: the conversation as it was sent, the reply as it came, and where both come from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

Messages = tuple[Mapping[str, str], ...]


@dataclass(frozen=True, slots=True)
class Source:
    """Where an example comes from; it stands beside the data, never in it."""

    run: str = ""
    seq: int = 0
    """Of the call that gave the reply."""
    span: str = ""
    role: str = ""
    domain: str = ""
    group: str = ""
    """Of tasks that are the same: a group lies in one split as a whole."""
    tag: str = ""
    """How the reply was come by, e.g. `first try`, `repaired`; of a pair, what makes it one."""
    model: str = ""
    """As the server named it."""


@dataclass(frozen=True, slots=True)
class Example:
    prompt: Messages
    reply: str
    rejected: str | None = None
    """Of a preference: the reply that is worse."""
    source: Source = Source()

    @property
    def asked(self) -> str:
        """What varies in the prompt: all but the constant text."""
        return "\n".join(message["content"] for message in self.prompt if message["role"] != "system")

    @property
    def said(self) -> str:
        return self.reply if self.rejected is None else f"{self.reply}\n{self.rejected}"

    @property
    def texts(self) -> tuple[str, ...]:
        answers = (self.reply,) if self.rejected is None else (self.reply, self.rejected)
        return (*(message["content"] for message in self.prompt), *answers)

    @property
    def tokens(self) -> int:
        """An estimate without any model's tokeniser: three characters a token, which is a little much for code."""
        longest = max(len(self.reply), len(self.rejected or ""))
        return -(-(sum(len(message["content"]) for message in self.prompt) + longest) // 3)


def normalised(text: str) -> str:
    """Texts that differ in case and white space alone come out equal."""
    return " ".join(text.lower().split())
