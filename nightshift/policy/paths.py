"""Paths at which nothing may ever be written, whoever asks and whatever the plan says."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection

from nightshift.policy.actions import BUILT_IN, Policy, Rule, Write, first_denial
from nightshift.policy.protected import matches
from nightshift.policy.secrets import is_secret

MAX_PATH = 240
RESERVED = frozenset({
    ".git", "git~1", ".hg", ".svn", ".nightshift", ".venv", "node_modules", "nightshift.toml",
    "nightshift_criterion.py",
})  # fmt: skip
GIT_RULES = frozenset({".gitattributes", ".gitmodules"})
LOOK_ALIKES = frozenset(
    "\u2024\u2025\u2026\u2044\u2215\u2571\u27cb\u29f5\u29f8\u2216\ufe68\uff0f\uff3c\uff0e\ua789\u2236"
)
"""Characters that are read as '.', '/', '\\' or ':' and are none."""
FOREIGN = ("CYRILLIC", "GREEK", "ARMENIAN", "CHEROKEE", "COPTIC")
"""Scripts that share shapes with Latin letters."""


def deny_path(path: str, policy: Policy = BUILT_IN) -> str | None:
    """The reason why nothing may ever be written at this path, or None."""
    return first_denial(PATH_RULES, Write(path, "", policy=policy))


def collision(path: str, present: Collection[str]) -> str | None:
    """The reason why no file can be at `path` beside the files that are there, or None."""
    inside = min((other for other in present if other.startswith(f"{path}/")), default=None)
    if inside is not None:
        return f"{path!r}: it is a folder, which holds {inside!r}"
    parts = path.split("/")
    parents = ("/".join(parts[:length]) for length in range(1, len(parts)))
    file = next((parent for parent in parents if parent in present), None)
    return f"{path!r}: {file!r} is a file, and nothing can lie below it" if file is not None else None


def _is_printable(write: Write) -> str | None:
    return None if write.path.isprintable() else "the path has control or invisible characters"


def _has_sane_length(write: Write) -> str | None:
    if not write.path.strip():
        return "the path is empty"
    too_long = len(write.path.encode()) > MAX_PATH
    return f"the path is longer than {MAX_PATH} bytes" if too_long else None


def _is_portable(write: Write) -> str | None:
    odd = "\\" in write.path or re.match(r"[A-Za-z]:", write.path) or write.path.startswith("~")
    return "write the path with forward slashes, without drive or ~" if odd else None


def _is_relative(write: Write) -> str | None:
    return "the path must be relative to the workspace" if write.path.startswith("/") else None


def _stays_inside(write: Write) -> str | None:
    odd = {"", ".", ".."}.intersection(write.path.split("/"))
    return "the path must name a file plainly, without '.', '..' or empty parts" if odd else None


def _is_no_option(write: Write) -> str | None:
    dashed = any(part.startswith("-") for part in write.path.split("/"))
    return "no part of a path may begin with '-'" if dashed else None


def _has_no_loose_ends(write: Write) -> str | None:
    """Windows drops dots and spaces at the end, so that `.git.` is `.git` there."""
    loose = any(part != part.strip() or part.endswith(".") for part in write.path.split("/"))
    return "no part of a path may end with '.' or begin or end with a space" if loose else None


def _is_what_it_looks_like(write: Write) -> str | None:
    if LOOK_ALIKES.intersection(write.path):
        return "the path has characters that only look like '.', '/', ':' or a backslash"
    if unicodedata.normalize("NFC", write.path) != write.path:
        return "write the path in Unicode's composed form (NFC)"
    # Wide, small and ligature letters have a plain form; letters of other languages are none of these.
    if unicodedata.normalize("NFKC", write.path) != write.path:
        return "write the path in plain letters, without wide, small or joined ones"
    mixed = next((word for word in re.findall(r"[^\W\d_]+", write.path) if len(_scripts(word)) > 1), None)
    return f"{mixed!r} mixes letters of two scripts that look alike" if mixed else None


def _scripts(word: str) -> set[str]:
    names = {unicodedata.name(char, "").split(" ")[0] for char in word}
    return names.intersection({"LATIN", *FOREIGN})


def _is_not_reserved(write: Write) -> str | None:
    # On Windows, `.git::$INDEX_ALLOCATION` is `.git` too.
    part = next((part for part in write.path.split("/") if part.casefold().partition(":")[0] in RESERVED), None)
    return f"{part} is not the project's to write" if part else None


def _leaves_git_rules_alone(write: Write) -> str | None:
    part = next((part for part in write.path.split("/") if part.casefold() in GIT_RULES), None)
    return f"{part} changes what a checkout yields, so it is never written" if part else None


def _is_not_secret(write: Write) -> str | None:
    return "files that hold keys or credentials are never written" if is_secret(write.path) else None


def _leaves_the_users_globs_alone(write: Write) -> str | None:
    glob = next((glob for glob in write.policy.protected if matches(write.path, glob)), None)
    return f"the user protects {glob} ([policy] protected)" if glob else None


PATH_RULES: tuple[Rule[Write], ...] = (
    _is_printable,
    _has_sane_length,
    _is_portable,
    _is_relative,
    _stays_inside,
    _is_no_option,
    _has_no_loose_ends,
    _is_what_it_looks_like,
    _is_not_reserved,
    _leaves_git_rules_alone,
    _is_not_secret,
    _leaves_the_users_globs_alone,
)
