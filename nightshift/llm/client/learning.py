"""What a reply teaches of its server: how it counts tokens, and how fast it reads and writes."""

from __future__ import annotations

from nightshift.domain import Completion, Request
from nightshift.llm.client import tokens
from nightshift.llm.endpoint import Target
from nightshift.llm.profiles import Profiles

MEASURABLE_PREFILL, MEASURABLE_DECODE = 64, 16
"""Tokens; the time for fewer says little of a speed."""
CACHED_SPEEDUP = 2.0
"""A prompt read so many times faster than known was partly cached, which Ollama does not tell."""


def learn(target: Target, request: Request, completion: Completion, profiles: Profiles) -> None:
    profile = profiles.of(target)
    read, written = _speeds(completion)
    if target.endpoint.flavour == "ollama" and profile.prefill and read > CACHED_SPEEDUP * profile.prefill:
        read = 0.0
    profiles.learn(
        target,
        prefill=tokens.running(profile.prefill, read) if read else profile.prefill,
        decode=tokens.running(profile.decode, written) if written else profile.decode,
        **tokens.calibrated(profile, request.messages, completion.usage.prompt_tokens),
    )


def writing_seconds(completion: Completion) -> float:
    """By the server's own clock; one that does not time itself is timed here."""
    return completion.decode_seconds or completion.usage.model_seconds - completion.first_token_seconds


def _speeds(completion: Completion) -> tuple[float, float]:
    """Tokens a second, read and written; 0 for what this reply does not show."""
    usage = completion.usage
    read, reading = usage.prompt_tokens - usage.cached_tokens, completion.prefill_seconds
    written, writing = usage.completion_tokens, writing_seconds(completion)
    return (
        read / reading if reading > 0 and read >= MEASURABLE_PREFILL else 0.0,
        written / writing if writing > 0 and written >= MEASURABLE_DECODE else 0.0,
    )
