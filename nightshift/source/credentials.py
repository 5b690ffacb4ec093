"""Values that must not be shown: known by their name, or by what they look like.

Does not promise to find a secret that has an ordinary name and looks like any other word.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Collection

from nightshift.source.syntax import parse_or_none

_WORDS = {
    "key", "secret", "token", "password", "passwd", "credential", "dsn", "auth",
    "apikey", "secretkey", "accesskey", "authtoken", "authorization", "passphrase", "pwd",
}  # fmt: skip
SECRET = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY[^'\"]*|\b(?:AKIA|ASIA)[0-9A-Z]{16}\b|\bgh[pousr]_\w{16,}|\bgithub_pat_\w{20,}"
    r"|\bsk-[\w-]{8,}|\bxox[abprs]-[\w-]{10,}|\bAIza[\w-]{30,}|\bglpat-[\w-]{15,}|\bhf_[A-Za-z0-9]{30,}"
    r"|\beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*|\b[a-zA-Z][\w+.-]{0,30}://[^/\s:@'\"]*:[^/\s@'\"]+@[^\s'\"]*"
)
KINDS = {
    "a private key": re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY(?: BLOCK)?-----(?:\\[nr]|[\s\"'A-Za-z0-9+/=]){60,}"),
    "an AWS key": re.compile(r"\b(?:AKIA|ASIA)(?!\w*EXAMPLE)[0-9A-Z]{16}\b"),
    "a GitHub token": re.compile(r"\bgh[pousr]_\w{30,}|\bgithub_pat_\w{40,}"),
    "a GitLab token": re.compile(r"\bglpat-[\w-]{20,}"),
    "a Slack token": re.compile(r"\bxox[abprs]-\d[\w-]{20,}"),
    "a Google key": re.compile(r"\bAIza[\w-]{35}\b"),
    "a Hugging Face token": re.compile(r"\bhf_[A-Za-z0-9]{34,}"),
}
"""What has no place in a source file; unlike `SECRET` not what examples and tests are full of."""
SHORTEST = 8
"""Characters of a planted value: shorter ones are in too much other text."""
_PAIR = re.compile(r"""^[ \t]*(?:export[ \t]+)?([\w.-]+)[ \t]*[=:][ \t]*(.*?)[ \t,]*$""", re.M)
_QUOTED = re.compile(r'"([\w.-]+)"\s*:\s*"([^"\n]*)"')
_RANDOM = re.compile(r"(?=[^\d]*\d)(?=[^A-Za-z]*[A-Za-z])[A-Za-z0-9+_=.~-]{20,}")
_ENCODED = re.compile(r"[A-Za-z0-9+/=]{40,}")
_PARTS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_LONG_NUMBER = 10**6


def without_secret(name: str, value: str) -> str:
    """Python text of a value, or `...` for one that its name or its look makes a secret."""
    return "..." if SECRET.search(value) or _hidden_by_name(name, value) else value


def masked(text: str) -> str:
    """Any text, with `...` in place of what looks like a secret."""
    return SECRET.sub("...", text)


def revealed(text: str, own: Collection[str] = ()) -> dict[str, str]:
    """Secrets in a text that is about to be kept, each with what it is; `own` are the user's (see `planted`)."""
    found = {match.group(): kind for kind, pattern in KINDS.items() for match in pattern.finditer(text)}
    return found | {value: "a value of the user's own credentials" for value in own if value in text}


def hidden(text: str, own: Collection[str]) -> str:
    """The text with `...` in place of the user's own values; the longest first, for one may hold another."""
    for value in sorted(own, key=len, reverse=True):
        text = text.replace(value, "...")
    return text


def planted(text: str) -> frozenset[str]:
    """The values in a file of credentials (`KEY=value`, JSON, PEM) that nothing else would hold by chance.

    >>> sorted(planted("DEBUG=true\\nDB_PASSWORD=postgres\\nAPI_KEY='q9-Zt41xx'\\n"))
    ['q9-Zt41xx']
    """
    found = [*_PAIR.findall(text), *_QUOTED.findall(text)]
    pairs = [(name, value.strip("\"'")) for name, value in found]
    named = {value for name, value in pairs if names_secret(name) and _is_no_word(value)}
    shaped = {value for _, value in pairs if _RANDOM.fullmatch(value) or SECRET.search(value)}
    return frozenset({*named, *shaped, *_ENCODED.findall(text.replace("\\n", "\n"))})


def _is_no_word(value: str) -> bool:
    kinds = (str.islower, str.isupper, str.isdigit, lambda char: not char.isalnum())
    return len(value) >= SHORTEST and sum(any(map(kind, value)) for kind in kinds) > 1


def names_secret(name: str) -> bool:
    return any({part, part.removesuffix("s")} & _WORDS for part in map(str.lower, _PARTS.findall(name)))


def _hidden_by_name(name: str, value: str) -> bool:
    """A flag, a count or nothing at all is no secret, whatever it is called."""
    tree = parse_or_none(value)
    if tree is None:
        return names_secret(name)
    if names_secret(name):
        return _tells(tree)
    return any(names_secret(inner) and _tells(part) for inner, part in _named_parts(tree))


def _named_parts(tree: ast.AST) -> list[tuple[str, ast.expr]]:
    """Values of a dictionary or keyword arguments of a call, with their names."""
    found: list[tuple[str, ast.expr]] = []
    for node in ast.walk(tree):
        match node:
            case ast.Dict(keys=keys, values=values):
                pairs = zip(keys, values, strict=True)
                found += [(str(key.value), value) for key, value in pairs if isinstance(key, ast.Constant)]
            case ast.keyword(arg=str(name), value=value):
                found.append((name, value))
    return found


def _tells(tree: ast.AST) -> bool:
    values = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)]
    return any((isinstance(v, str | bytes) and v) or (type(v) is int and v > _LONG_NUMBER) for v in values)
