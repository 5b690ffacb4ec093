"""Rules asked before a model's text is written or committed; each reason to deny is fit for the next prompt.

The rules see names and text, never the disk: `nightshift.workspace` refuses symbolic links, the sandbox
contains what runs. A rule that raises denies.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import PurePosixPath

from nightshift.source.source_safety import unsafe_source_reason

MAX_BYTES = 1_000_000
MAX_PATH = 240
RESERVED = frozenset({".git", ".nightshift", ".venv", "node_modules", "nightshift_criterion.py"})
GIT_RULES = frozenset({".gitattributes", ".gitmodules"})
TEST_BLAME = "test-blame"
"""The only writer that may change an accepted test."""


@dataclass(frozen=True, slots=True)
class Write:
    """A text about to be put at a path, relative to the workspace."""

    path: str
    text: str
    plan_paths: frozenset[str] = frozenset()
    """Files the frozen plan names."""
    user_tests: frozenset[str] = frozenset()
    """Tests that were there before the run."""
    accepted_tests: frozenset[str] = frozenset()
    """Generated tests that candidates are already judged by."""
    by: str = "builder"


Rule = Callable[[Write], str | None]
TEST_CHOICE = re.compile(
    r"\b(?:addopts|python_files|python_functions|python_classes|testpaths|norecursedirs|collect_ignore|PYTEST_\w+)\b"
)


def deny_write(write: Write) -> str | None:
    """The reason not to write, or None."""
    return first_denial(WRITE_RULES, write)


def deny_path(path: str) -> str | None:
    """The reason why nothing may ever be written at this path, or None."""
    return first_denial(PATH_RULES, Write(path, ""))


def unsafe_reason(text: str, path: str, previous: str) -> str | None:
    """Why a file may not be used: it reaches for what judges it, in a way that the present one does not."""
    if not path.endswith(".py"):
        chooses = is_protected(path) and TEST_CHOICE.search(text)
        return "configuration that chooses which tests are run is not for this file; leave it out" if chooses else None
    reason, known = unsafe_source_reason(text, path), unsafe_source_reason(previous, path)
    same = reason and known and re.sub(r"\d+", "", reason) == re.sub(r"\d+", "", known)
    return None if same else reason


def collision(path: str, present: Collection[str]) -> str | None:
    """The reason why no file can be at `path` beside the files that are there, or None."""
    inside = min((other for other in present if other.startswith(f"{path}/")), default=None)
    if inside is not None:
        return f"{path!r}: it is a folder, which holds {inside!r}"
    parts = path.split("/")
    parents = ("/".join(parts[:length]) for length in range(1, len(parts)))
    file = next((parent for parent in parents if parent in present), None)
    return f"{path!r}: {file!r} is a file, and nothing can lie below it" if file is not None else None


def first_denial(rules: tuple[Rule, ...], write: Write) -> str | None:
    for rule in rules:
        try:
            reason = rule(write)
        except Exception as error:  # noqa: BLE001  fail closed: whatever a rule raises, it denies
            reason = f"the rule {rule.__name__} failed: {error!r}"
        if reason is not None:
            return f"{write.path!r}: {reason}"
    return None


def is_secret(path: str, text: str = "") -> bool:
    """True for what must never enter a prompt: environment files, keys, credentials; by name or content."""
    parts = path.casefold().split("/")
    if SECRET_FOLDERS.intersection(parts[:-1]):
        return True
    if any(fnmatchcase(parts[-1], glob) for glob in SECRET_NAMES):
        return not parts[-1].endswith(HARMLESS)
    return PRIVATE_KEY.search(text) is not None


SECRET_FOLDERS = frozenset({".aws", ".azure", ".docker", ".gcloud", ".gnupg", ".kube", ".ssh"})
SECRET_NAMES = (
    ".env", ".env.*", ".envrc", "*.env", "*.tfstate", "*.tfvars",
    "*.pem", "*.key", "*.p12", "*.pfx", "*.ppk", "*.jks", "*.keystore", "*.kdbx", "*.gpg",
    "id_rsa*", "id_dsa*", "id_ecdsa*", "id_ed25519*",
    ".netrc", "_netrc", ".pgpass", ".my.cnf", ".npmrc", ".pypirc", ".git-credentials", ".htpasswd",
    "credentials", "*credentials.*", "secrets.*", "*.secret", "*.secrets", "client_secret*",
    "service-account*", "service_account*", "token.json", ".vault-token",
)  # fmt: skip
HARMLESS = (".py", ".pyi", ".pub", ".md", ".example", ".sample", ".template", ".dist")
"""Code and public halves under a secret's name, and files made to be filled in."""
PRIVATE_KEY = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY( BLOCK)?-----")


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


def _is_not_reserved(write: Write) -> str | None:
    part = next((part for part in write.path.split("/") if part.casefold() in RESERVED), None)
    return f"{part} is not the project's to write" if part else None


def _leaves_git_rules_alone(write: Write) -> str | None:
    part = next((part for part in write.path.split("/") if part.casefold() in GIT_RULES), None)
    return f"{part} changes what a checkout yields, so it is never written" if part else None


def _is_not_secret(write: Write) -> str | None:
    return "files that hold keys or credentials are never written" if is_secret(write.path) else None


PATH_RULES: tuple[Rule, ...] = (
    _is_printable,
    _has_sane_length,
    _is_portable,
    _is_relative,
    _stays_inside,
    _is_no_option,
    _is_not_reserved,
    _leaves_git_rules_alone,
    _is_not_secret,
)


def _is_text_of_sane_size(write: Write) -> str | None:
    if "\0" in write.text:
        return "the text holds NUL bytes"
    size = len(write.text.encode())
    return f"the text has {size} bytes, more than {MAX_BYTES}" if size > MAX_BYTES else None


def _leaves_configuration_alone(write: Write) -> str | None:
    if not is_protected(write.path) or write.path in write.plan_paths:
        return None
    return "it steers how tests or Python itself run, and the plan does not name it"


def is_protected(path: str) -> bool:
    """True for files that steer how tests or Python itself run."""
    name = PurePosixPath(path.casefold()).name
    return name in PROTECTED or name.endswith(".pth")


PROTECTED = frozenset({
    "pyproject.toml", "conftest.py", "setup.cfg", "tox.ini", "pytest.ini", ".pytest.ini", "pytest.toml",
    ".pytest.toml", "sitecustomize.py", "usercustomize.py",
})  # fmt: skip


def _leaves_user_tests_alone(write: Write) -> str | None:
    return "it is one of the user's own tests" if _is_among(write.path, write.user_tests) else None


def _leaves_accepted_tests_alone(write: Write) -> str | None:
    if write.by == TEST_BLAME or not _is_among(write.path, write.accepted_tests):
        return None
    return "candidates are already judged by this test; only a diagnosis that blames it may change it"


def _is_among(path: str, paths: frozenset[str]) -> bool:
    """Case is folded: on some file systems it is the same file."""
    return path.casefold() in {other.casefold() for other in paths}


WRITE_RULES: tuple[Rule, ...] = (
    *PATH_RULES,
    _is_text_of_sane_size,
    _leaves_configuration_alone,
    _leaves_user_tests_alone,
    _leaves_accepted_tests_alone,
)
