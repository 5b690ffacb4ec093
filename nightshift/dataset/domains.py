"""What a program is about, told by its imports; it promises a useful shelf mark, not a classification."""

from __future__ import annotations

import re
from collections.abc import Iterable


def _imports(*modules: str) -> re.Pattern[str]:
    return re.compile(rf"^\s*(?:import|from) (?:{'|'.join(map(re.escape, modules))})\b", re.M)


DOMAINS: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("testing", _imports("pytest", "unittest", "hypothesis", "doctest")),
    ("web_api", _imports("flask", "fastapi", "starlette", "aiohttp.web", "django", "http.server", "wsgiref")),
    ("scraping", _imports("bs4", "requests", "httpx", "aiohttp", "urllib.request", "html.parser", "scrapy", "lxml")),
    ("database", _imports("sqlite3", "sqlalchemy", "peewee", "duckdb", "dbm", "shelve")),
    ("async", _imports("asyncio", "trio", "anyio")),
    ("concurrency", _imports("threading", "multiprocessing", "concurrent", "queue")),
    ("cli", re.compile(r"^\s*(?:import|from) (?:argparse|click|typer|cmd|getopt)\b|\bsys\.argv\b", re.M)),
    ("data", _imports("pandas", "numpy", "statistics", "polars")),
    ("parsing", _imports("re", "ast", "tokenize", "csv", "json", "tomllib", "configparser", "xml", "struct")),
    ("files", _imports("pathlib", "shutil", "tempfile", "glob", "zipfile", "tarfile")),
)
"""The most telling first."""
OTHER = "library"


def domain_of(text: str) -> str:
    """Of one file: the first that fits."""
    return next((name for name, pattern in DOMAINS if pattern.search(text)), OTHER)


def domain_of_all(texts: Iterable[str]) -> str:
    """Of a program: the most telling one of its files, tests aside."""
    found = {domain_of(text) for text in texts} - {"testing"}
    return next((name for name, _ in DOMAINS if name in found), OTHER)
