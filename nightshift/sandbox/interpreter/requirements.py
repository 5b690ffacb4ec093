"""What a plan may ask to be installed: names come from a model, so they are checked against an allow-list."""

from __future__ import annotations

import re
from collections.abc import Collection

DEFAULT_ALLOWED = frozenset({
    "aiofiles", "aiohttp", "aiosqlite", "alembic", "annotated-types", "anyio", "argon2-cffi", "arrow",
    "attrs", "bcrypt", "beautifulsoup4", "blinker", "boltons", "cachetools", "certifi", "cffi",
    "charset-normalizer", "click", "colorama", "cryptography", "dateparser", "duckdb", "email-validator",
    "faker", "fastapi", "flask", "flask-cors", "flask-login", "flask-sqlalchemy", "flask-wtf", "freezegun",
    "gunicorn", "h11", "httpcore", "httpx", "hypothesis", "idna", "itsdangerous", "jinja2", "jsonschema",
    "loguru", "lxml", "markdown", "markdown-it-py", "markupsafe", "marshmallow", "matplotlib",
    "more-itertools", "mpmath", "msgpack", "networkx", "numpy", "openpyxl", "orjson", "packaging", "pandas",
    "passlib", "peewee", "pillow", "platformdirs", "prettytable", "prompt-toolkit", "psutil", "pyarrow",
    "pydantic", "pydantic-settings", "pygments", "pyjwt", "pyparsing", "pytest", "pytest-asyncio",
    "pytest-mock", "python-dateutil", "python-dotenv", "python-multipart", "pytz", "pyyaml", "rapidfuzz",
    "redis", "regex", "requests", "responses", "rich", "scikit-learn", "scipy", "simplejson", "six",
    "sortedcontainers", "sqlalchemy", "sqlmodel", "starlette", "structlog", "sympy", "tabulate", "tenacity",
    "termcolor", "textual", "tinydb", "toml", "tomli", "tomlkit", "toolz", "tqdm", "typer",
    "typing-extensions", "tzdata", "ujson", "urllib3", "uvicorn", "watchdog", "websockets", "werkzeug",
    "wtforms", "xmltodict",
})  # fmt: skip

REQUIREMENT = re.compile(
    r"(?P<name>[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)"
    r"\s*(?:\[[A-Za-z0-9._,\s-]*\])?"
    r"\s*(?:(?:===|==|~=|!=|<=|>=|<|>)\s*[A-Za-z0-9.*+!_-]+\s*(?:,(?=\s*[<>=!~])\s*|$))*"
)


class RequirementRefused(ValueError):
    """A requirement is not a plain, allowed package name."""


def checked(requirement: str, allowed: Collection[str]) -> str:
    match = REQUIREMENT.fullmatch(requirement.strip())
    if not match:
        raise RequirementRefused(
            f"{requirement!r} is not a package name with versions, like flask or flask>=3; addresses, paths, "
            "options and markers are not taken."
        )
    if normal(match["name"]) not in allowed:
        raise RequirementRefused(
            f"{match['name']} is not on the list of allowed packages; add it to [environment] allow, "
            "or plan without it."
        )
    return re.sub(r"\s+", "", requirement)


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
