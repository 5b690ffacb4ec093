"""Files that hold keys or credentials, by name or content."""

from __future__ import annotations

import re
from fnmatch import translate

SECRET_FOLDERS = frozenset({".aws", ".azure", ".docker", ".gcloud", ".gnupg", ".kube", ".ssh"})
SECRET_NAMES = (
    ".env", ".env.*", ".envrc", "*.env", "*.tfstate", "*.tfvars",
    "*.pem", "*.key", "*.p12", "*.pfx", "*.ppk", "*.jks", "*.keystore", "*.kdbx", "*.gpg",
    "id_rsa*", "id_dsa*", "id_ecdsa*", "id_ed25519*",
    ".netrc", "_netrc", ".pgpass", ".my.cnf", ".npmrc", ".pypirc", ".git-credentials", ".htpasswd",
    "credentials", "*credentials.*", "secrets.*", "*.secret", "*.secrets", "client_secret*",
    "service-account*", "service_account*", "token.json", ".vault-token",
)  # fmt: skip
_NAMED = re.compile("|".join(map(translate, SECRET_NAMES)))
HARMLESS = (".py", ".pyi", ".pub", ".md", ".example", ".sample", ".template", ".dist")
"""Code and public halves under a secret's name, and files made to be filled in."""
PRIVATE_KEY = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY( BLOCK)?-----")


def is_secret(path: str, text: str = "") -> bool:
    """True for what must never enter a prompt: environment files, keys, credentials; by name or content."""
    parts = path.casefold().split("/")
    if SECRET_FOLDERS.intersection(parts[:-1]):
        return True
    if _NAMED.match(parts[-1]):
        return not parts[-1].endswith(HARMLESS)
    return PRIVATE_KEY.search(text) is not None
