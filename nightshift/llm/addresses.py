"""Which addresses stay on the user's own network: a pure look at the URL's text, no name is resolved.

Does not promise that a private-looking name resolves to a private address.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from urllib.parse import urlsplit

PRIVATE_NETWORKS = tuple(
    ipaddress.ip_network(text)
    for text in (
        "127.0.0.0/8", "0.0.0.0/32", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16",
        "::1/128", "::/128", "fe80::/10", "fc00::/7",
    )
)  # fmt: skip
HOST = re.compile(r"[a-z0-9._-]+|[0-9a-f:.]+(%[a-z0-9._-]+)?")
PRIVATE_SUFFIXES = (".local", ".lan", ".internal", ".home.arpa")


def is_private(url: str) -> bool:
    """True for loopback, private and link-local addresses, bare names and home-network suffixes."""
    host = host_of(url)
    if host is None:
        return False
    address = _address(host)
    if address is not None:
        return any(address in network for network in PRIVATE_NETWORKS)
    return "." not in host or host.endswith(PRIVATE_SUFFIXES)


def base_url(url: str) -> str:
    """One spelling per server: a scheme in front, nothing of the API's own paths behind.

    >>> base_url("localhost:8080/v1/")
    'http://localhost:8080'
    """
    url = url.strip()
    if "://" not in url:
        url = f"http://{url}"
    return re.sub(r"(/v1|/api)?/*$", "", url)


def is_same_server(one: str, other: str) -> bool:
    """Whether two URLs are spellings of one server on this machine, or equal.

    >>> is_same_server("http://localhost:8080/v1", "127.0.0.1:8080")
    True
    """
    return _spelled_alike(one) == _spelled_alike(other)


def _spelled_alike(url: str) -> str:
    return re.sub(r"//(?:localhost|\[::1\])(?=[:/]|$)", "//127.0.0.1", base_url(url).lower())


def host_of(url: str) -> str | None:
    """The host name of an http(s) URL in lower case; None when there is none or it holds odd characters."""
    if "\\" in url:  # where the host name ends is then a matter of opinion
        return None
    try:
        parts = urlsplit(base_url(url))
        host = (parts.hostname or "").rstrip(".")
    except ValueError:
        return None
    if parts.scheme not in ("http", "https") or not HOST.fullmatch(host):
        return None
    return host


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return _legacy_address(host)
    return getattr(address, "ipv4_mapped", None) or address


def _legacy_address(host: str) -> ipaddress.IPv4Address | None:
    """The resolver also takes 134744072, 0x8080808 and 8.8 for addresses; they look like bare names."""
    try:
        return ipaddress.IPv4Address(socket.inet_aton(host))
    except OSError:
        return None
