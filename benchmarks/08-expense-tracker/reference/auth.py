"""Passwords and tokens."""

import secrets
import time
from typing import Any

import bcrypt
import jwt

LIFETIMES = {"access": 15 * 60, "refresh": 7 * 24 * 3600}


class AuthError(Exception):
    """Who asks is not known."""


def hashed(password: str) -> bytes:
    return bcrypt.hashpw(password.encode(), bcrypt.gensalt(rounds=4))


def check_password(password: str, password_hash: bytes | None) -> None:
    if password_hash is None or not bcrypt.checkpw(password.encode(), password_hash):
        raise AuthError("wrong username or password")


def make_token(user_id: int, kind: str, secret: str) -> str:
    now = int(time.time())
    claims = {"sub": str(user_id), "type": kind, "iat": now, "exp": now + LIFETIMES[kind], "jti": secrets.token_hex(8)}
    return jwt.encode(claims, secret, algorithm="HS256")


def read_token(token: str, kind: str, secret: str) -> dict[str, Any]:
    try:
        claims = jwt.decode(token, secret, algorithms=["HS256"], options={"require": ["sub", "exp"]})
    except jwt.InvalidTokenError as error:
        raise AuthError(f"wrong token: {error}") from error
    if claims.get("type") != kind:
        raise AuthError(f"{kind} token needed")
    return claims


def bearer(header: str) -> str:
    scheme, _, token = header.partition(" ")
    if scheme != "Bearer":
        raise AuthError("Authorization: Bearer TOKEN needed")
    return token
