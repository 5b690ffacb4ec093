"""What is known of one model server and its models. Values only; nothing here talks to anybody."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Literal

WireProtocol = Literal["ollama", "openai"]
Flavour = Literal["ollama", "llama.cpp", "generic"]

NOT_FOR_TEXT = re.compile(r"embed|rerank|minilm|\bbge\b|whisper", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Model:
    name: str
    billions: float = 0.0
    """Parameters in billions, as reported or read from the name; 0 when unknown."""
    capabilities: tuple[str, ...] = ()
    """As Ollama lists them, e.g. completion, thinking, embedding; empty when the server does not say."""
    trained: int = 0
    """Tokens of context it was trained for; 0 when the server does not say."""
    size: int = 0
    """Bytes of its file; 0 when the server does not say."""
    loaded: int = 0
    """Bytes it takes in memory now; 0 when it is not loaded or the server does not say."""
    vram: int = 0
    """Of those, bytes in the GPU's memory: fewer than `loaded` means that the CPU does part of the work."""
    allocated: int = 0
    """Tokens of context it is loaded with, as Ollama reports them; 0 when it is not loaded."""

    @property
    def writes_text(self) -> bool:
        """By what the server says of it, else by its name."""
        return "completion" in self.capabilities if self.capabilities else not NOT_FOR_TEXT.search(self.name)

    def is_called(self, name: str) -> bool:
        """Ollama's :latest may be left out."""
        return name in (self.name, self.name.removesuffix(":latest"))

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class Endpoint:
    url: str
    """Without /v1 and without a slash at its end."""
    protocol: WireProtocol
    flavour: Flavour
    models: tuple[Model, ...] = ()
    slots: int = 1
    """Requests it works on at once."""
    context: int | None = None
    """Tokens per slot; None when the server does not say."""
    api_key: str = field(default="", repr=False)
    build: str = ""
    """The server's own version."""
    device: str = ""
    """Servers with the same name here share one GPU, which should work for one model at a time; empty: its own."""

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(model.name for model in self.models)

    def model(self, name: str) -> Model | None:
        return next((model for model in self.models if model.name == name), None)

    def window(self, asked: int) -> int:
        """Tokens a request to this server may use when `asked` is what we would like."""
        return min(asked, self.context) if self.context else asked

    def thinks(self, name: str) -> bool | None:
        """Whether that model can think; None when the server does not say."""
        model = self.model(name)
        return "thinking" in model.capabilities if model and model.capabilities else None


@dataclass(frozen=True, slots=True)
class Target:
    """A model on a server: where a request may go."""

    endpoint: Endpoint
    model: str
    """Its name."""

    @property
    def facts(self) -> Model:
        """What the server says of the model; no more than its name when it does not list it."""
        return self.endpoint.model(self.model) or Model(self.model)

    def window(self, asked: int) -> int:
        """Tokens a request may use here: the server's limit and the model's."""
        return min(self.endpoint.window(asked), self.facts.trained or asked)

    def __str__(self) -> str:
        return f"{self.model} at {self.endpoint.url}"


def billions(name: str) -> float:
    """Parameters in billions as a model's name tells them; 0 when it does not.

    >>> billions("qwen3-coder:30b-a3b"), billions("mixtral:8x7b"), billions("gemma3:270m")
    (30.0, 56.0, 0.27)
    """
    size = re.search(r"(?<![a-z0-9.])(?:(\d+)x)?(\d+(?:\.\d+)?)([bm])(?![a-z0-9])", name.lower())
    if not size:
        return 0.0
    return int(size[1] or 1) * float(size[2]) / (1000 if size[3] == "m" else 1)
