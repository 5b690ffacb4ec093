"""Opening a connection to a model server, and the error for one that cannot be had.

Proxies named in the environment are ignored, so that no code leaves the machine by accident.
"""

from __future__ import annotations

import socket
import ssl
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache
from importlib.util import find_spec

import httpx

from nightshift.errors import Unreachable

if "sniffio" not in sys.modules and find_spec("sniffio") is None:
    # httpcore tries to import it for every lock it makes, and to search for it in vain is a third of a call's CPU time.
    sys.modules["sniffio"] = None  # type: ignore[assignment]


@asynccontextmanager
async def open_client(*, api_key: str = "", connect: float = 30.0) -> AsyncIterator[httpx.AsyncClient]:
    """llama.cpp closes a streamed connection it has promised to keep, so none is ever kept."""
    headers = {"Connection": "close"} | ({"Authorization": f"Bearer {api_key}"} if api_key else {})
    timeout = httpx.Timeout(None, connect=connect)
    async with httpx.AsyncClient(headers=headers, timeout=timeout, trust_env=False, verify=_certificates()) as client:
        yield client


def unreachable(url: str, error: Exception) -> Unreachable:
    why = str(error) or type(error).__name__
    question = "Is that the right name?" if _is_unknown_name(error) else "Is it running?"
    return Unreachable(f"no model server answers at {url} ({why}). {question}", fault="unreachable")


def _is_unknown_name(error: BaseException | None) -> bool:
    while error and not isinstance(error, socket.gaierror):
        error = error.__cause__ or error.__context__
    return error is not None


@cache
def _certificates() -> ssl.SSLContext:
    """Reading the certificate store takes longer than a request to a local server."""
    return httpx.create_ssl_context()
