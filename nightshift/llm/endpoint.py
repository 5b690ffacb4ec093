"""What is known of one model server and its models. Values only; nothing here talks to anybody."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Protocol = Literal["ollama", "openai"]
Flavour = Literal["ollama", "llama.cpp", "generic"]


@dataclass(frozen=True, slots=True)
class Model:
    name: str
    billions: float = 0.0
    """Parameters in billions, as reported or read from the name; 0 when unknown."""
    capabilities: tuple[str, ...] = ()
    """As Ollama lists them, e.g. completion, thinking, embedding; empty when the server does not say."""

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class Endpoint:
    url: str
    """Without /v1 and without a slash at its end."""
    protocol: Protocol
    flavour: Flavour
    models: tuple[Model, ...] = ()
    slots: int = 1
    """Requests it works on at once."""
    context: int | None = None
    """Tokens per slot; None when the server does not say."""
    api_key: str = field(default="", repr=False)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(model.name for model in self.models)

    def window(self, asked: int) -> int:
        """Tokens a request to this server may use when `asked` is what we would like."""
        return min(asked, self.context) if self.context else asked

    def thinks(self, name: str) -> bool | None:
        """Whether that model can think; None when the server does not say."""
        model = next((model for model in self.models if model.name == name), None)
        return "thinking" in model.capabilities if model and model.capabilities else None


@dataclass(frozen=True, slots=True)
class Target:
    """A model on a server: where a request may go."""

    endpoint: Endpoint
    model: str

    def __str__(self) -> str:
        return f"{self.model} at {self.endpoint.url}"
