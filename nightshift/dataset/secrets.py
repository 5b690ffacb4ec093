"""Texts that must not be learned: keys, tokens, passwords. An example with one is left out, never masked.

Wider than what prompts are masked by: losing an example costs nothing, so a doubt decides against it. A secret that
has an ordinary name and looks like an ordinary word is not found.
"""

from __future__ import annotations

import re

from nightshift.source.credentials import SECRET

_LOOKS: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (mark, re.compile(pattern))
    for mark, pattern in (
        ("PRIVATE KEY", r"-----BEGIN [A-Z ]*PRIVATE KEY"),
        ("PuTTY", r"\bPuTTY-User-Key-File-\d"),
        ("AGE-SECRET", r"\bAGE-SECRET-KEY-1[0-9A-Z]{20,}"),
        ("A", r"\b(?:AKIA|ASIA|AROA|AIDA|ABIA|ACCA)[0-9A-Z]{16}\b"),
        ("_live_", r"\b[srp]k_live_\w{10,}"),
        ("_test_", r"\b[srp]k_test_\w{10,}"),
        ("whsec_", r"\bwhsec_\w{16,}"),
        ("sk-", r"\bsk-[\w-]{16,}"),
        ("npm_", r"\bnpm_\w{30,}"),
        ("pypi-", r"\bpypi-[\w-]{16,}"),
        ("rubygems_", r"\brubygems_\w{20,}"),
        ("dckr_pat_", r"\bdckr_pat_[\w-]{16,}"),
        ("glsa_", r"\bglsa_\w{20,}"),
        ("gl", r"\bgl(?:rt|dt|cbt)-[\w-]{16,}"),
        ("SG.", r"\bSG\.[\w-]{16,}\.[\w-]{16,}"),
        ("key-", r"\bkey-[0-9a-f]{32}\b"),
        ("xapp-", r"\bxapp-[\w-]{16,}"),
        ("hooks.slack", r"\bhooks\.slack\.com/services/\w+/\w+/\w+"),
        ("/webhooks/", r"\bdiscord(?:app)?\.com/api/webhooks/\d+/[\w-]+"),
        (":AA", r"\b\d{8,10}:AA[\w-]{30,}"),
        (".", r"\b[MNO][\w-]{23,25}\.[\w-]{6}\.[\w-]{27,}"),
        ("GOCSPX-", r"\bGOCSPX-[\w-]{20,}"),
        ("ya29.", r"\bya29\.[\w-]{20,}"),
        ("1//0", r"\b1//0[\w-]{30,}"),
        ("Key=", r"\b(?:Account|SharedAccess)Key=[\w+/=]{16,}"),
        ("sig=", r"\bsig=[\w%+/-]{30,}"),
        ("shp", r"\bshp(?:at|ca|pa|ss)_[0-9a-fA-F]{24,}"),
        ("dop_v1_", r"\bdop_v1_[0-9a-f]{32,}"),
        ("hv", r"\bhv[sb]\.[\w-]{20,}"),
        ("dapi", r"\bdapi[0-9a-f]{32}"),
        ("ATATT3", r"\bATATT3[\w=-]{20,}"),
        ("lin_api_", r"\blin_api_\w{20,}"),
        ("fig", r"\bfig[du]_[\w-]{20,}"),
        ("secret_", r"\bsecret_[A-Za-z0-9]{30,}"),
        ("ntn_", r"\bntn_[A-Za-z0-9]{30,}"),
        ("sbp_", r"\bsbp_[0-9a-f]{30,}"),
        ("NRAK-", r"\bNRAK-[0-9A-Z]{20,}"),
        ("PMAK-", r"\bPMAK-[\w-]{24,}"),
        ("sntr", r"\bsntr[yu]s_[\w=+/-]{20,}"),
        ("dp.", r"\bdp\.(?:pt|st|ct)\.\w{20,}"),
        ("EAA", r"\bEAA[A-Za-z0-9]{40,}"),
        ("sq0", r"\bsq0(?:atp|csp)-[\w-]{20,}"),
        ("AC", r"\bAC[0-9a-f]{32}\b"),
        ("SK", r"\bSK[0-9a-f]{32}\b"),
        ("tfp_", r"\btfp_\w{30,}"),
        ("r8_", r"\br8_\w{30,}"),
        ("gsk_", r"\bgsk_[\w-]{24,}"),
        ("nvapi-", r"\bnvapi-[\w-]{24,}"),
        ("pplx-", r"\bpplx-[\w-]{24,}"),
        ("xai-", r"\bxai-[\w-]{24,}"),
        ("atlasv1.", r"\batlasv1\.[\w-]{20,}"),
        ("machine", r"\bmachine\s+\S+\s+login\s+\S+\s+password\s+\S+"),
    )
)
"""A mark to look for first, which costs a hundredth of the pattern, and the pattern."""
_BEARER = re.compile(
    r"(?i)\b(?:bearer|basic|token|apikey|digest)\s+(?=[\w.+/=-]*\d)[\w.+/=-]{16,}|\bx-api-key['\"]?\s*:\s*\S{12,}"
)
_NAMED = re.compile(
    r"""(?ix) \b (?: [\w.-]* [_.-] )?
    (?: pass(?:word|wd|phrase)? | pwd | secret | token | api[_-]?key | access[_-]?key(?:[_-]?id)? | secret[_-]?key
      | private[_-]?key | account[_-]?key | signing[_-]?key | encryption[_-]?key | auth[_-]?key | auth | credentials?
      | dsn | apikey )
    ['"\]]* \s* (?: : \s* (?:str|bytes) \s* = | [:=]>? | ,(?=\s*['"]) ) \s*
    (?: [rbf]{0,2} (?P<quote>['"]) (?P<quoted>[^'"\n]{6,}) (?P=quote)
      | (?P<bare>[^\s'"(){}\[\],;]{8,}) (?=\s*$) )""",
    re.M,
)  # fmt: skip
"""A name that says secret, and a value given to it: quoted, or bare up to the end of its line as in `.env` files."""
_HOLLOW = re.compile(
    r"(?ix) ^ (?: [<${%].* | \.\.\.+ | [x*_.#-]+"
    r" | .*(?:example|placeholder|change[_-]?me|your[_-]|redacted|dummy|fake).*"
    r" | [a-z_ .-]* | [a-z_.]+ [([].* | none | null | true | false | os\.\S+ | str | int ) $"
)
"""No value of a secret: a placeholder, plain words, an expression."""


_NAMES = ("pass", "pwd", "secret", "token", "key", "auth", "credential", "dsn")
_BEARERS = ("bearer", "basic", "token", "apikey", "digest", "x-api-key")


def holds_secret(text: str) -> bool:
    lower = text.lower()
    return bool(
        SECRET.search(text)
        or any(mark in text and pattern.search(text) for mark, pattern in _LOOKS)
        or (any(word in lower for word in _BEARERS) and _BEARER.search(text))
        or (any(word in lower for word in _NAMES) and any(map(_tells, _NAMED.finditer(text))))
    )


def _tells(match: re.Match[str]) -> bool:
    """Plain words of a quoted value are a secret where the name says password: people choose such."""
    value = match["quoted"] or match["bare"]
    if not _HOLLOW.match(value):
        return True
    passphrase = "pass" in match[0].lower() or "pwd" in match[0].lower()
    return bool(match["quoted"]) and passphrase and bool(re.fullmatch(r"[a-z]+([ -][a-z]+){2,}", value, re.I))
