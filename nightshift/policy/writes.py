"""Every rule that a write has to pass: where it goes, what it replaces, what it holds."""

from __future__ import annotations

from nightshift.policy.actions import Rule, Write, first_denial
from nightshift.policy.content import CONTENT_RULES
from nightshift.policy.paths import PATH_RULES
from nightshift.policy.protected import PROTECTED_RULES

WRITE_RULES: tuple[Rule[Write], ...] = (*PATH_RULES, *PROTECTED_RULES, *CONTENT_RULES)


def deny_write(write: Write) -> str | None:
    """The reason not to write, or None."""
    return first_denial(WRITE_RULES, write)
