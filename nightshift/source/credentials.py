"""Values that must not be shown: known by their name, or by what they look like.

Does not promise to find a secret that has an ordinary name and looks like any other word.
"""

from __future__ import annotations

import ast
import re

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
_PARTS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_LONG_NUMBER = 10**6


def without_secret(name: str, value: str) -> str:
    """Python text of a value, or `...` for one that its name or its look makes a secret."""
    return "..." if SECRET.search(value) or _hidden_by_name(name, value) else value


def masked(text: str) -> str:
    """Any text, with `...` in place of what looks like a secret."""
    return SECRET.sub("...", text)


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
