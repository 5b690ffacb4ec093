"""Which failures of a request may pass, and one error for all the servers that could not answer it."""

from __future__ import annotations

from collections.abc import Sequence

from nightshift.errors import (
    ContextExceeded,
    ModelServerError,
    ServerLoading,
    ServerOverloaded,
    StreamBroken,
    Unreachable,
)

FINAL_FAULTS = ("total", "first_token", "load")
"""Failures that took so long that the server is not asked again."""


def may_pass(error: ModelServerError) -> bool:
    """Whether the same request may well be answered by the same server a little later."""
    passing = isinstance(error, Unreachable | ServerLoading | ServerOverloaded | StreamBroken)
    return passing and error.fault not in FINAL_FAULTS


def summary(errors: Sequence[ModelServerError]) -> ModelServerError:
    """The error itself when there is one; else the preferred server's kind of error, naming all.

    That the prompt does not fit one of them comes first: a shorter one may be answered there.
    """
    first = next((error for error in errors if isinstance(error, ContextExceeded)), errors[0])
    if len(errors) == 1:
        return first
    said = "; ".join(str(error) for error in errors)
    return type(first)(f"none of {len(errors)} servers could answer: {said}", fault=first.fault)
