"""Files that are written only when the frozen plan names them, for what they steer or because nobody asked for them."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from pathlib import PurePosixPath

from nightshift.policy.actions import TEST_BLAME, Rule, Write

PROTECTED = frozenset({
    "pyproject.toml", "conftest.py", "setup.cfg", "tox.ini", "pytest.ini", ".pytest.ini", "pytest.toml",
    ".pytest.toml", "sitecustomize.py", "usercustomize.py",
})  # fmt: skip
BUILDS = (
    ".github/workflows/*", ".github/actions/*", ".gitlab-ci.yml", ".gitlab/ci/*", ".circleci/*", ".buildkite/*",
    ".travis.yml", "azure-pipelines.yml", "bitbucket-pipelines.yml", "appveyor.yml", ".drone.yml", ".woodpecker*",
    "Jenkinsfile", ".pre-commit-config.yaml", ".husky/*",
)  # fmt: skip
LOCKS = (
    "*.lock", "*.lockb", "package-lock.json", "npm-shrinkwrap.json", "pnpm-lock.yaml", "go.sum", "gradle.lockfile",
)  # fmt: skip
LITTER = (
    "*.py[cod]", "*.so", "*.dll", "*.dylib", "*.exe", "*.o", "*.a", "*.class", "*.jar", "*.whl", "*.egg",
    "*.zip", "*.tar", "*.gz", "*.tgz", "*.bz2", "*.xz", "*.7z",
    "*.png", "*.jpg", "*.jpeg", "*.gif", "*.ico", "*.pdf", "*.pickle", "*.pkl", "*.npy", "*.sqlite3", "*.db",
    "*.orig", "*.rej", "*.bak", "*.swp", "*~", ".DS_Store", "Thumbs.db", ".coverage", "*.log",
    "__pycache__/*", "*/__pycache__/*", "*.egg-info/*", ".pytest_cache/*", ".mypy_cache/*", ".ruff_cache/*",
)  # fmt: skip
_REPORT = re.compile(
    r"(?:[\w-]*[_-])?(?:summary|notes?|report|analysis|findings|progress|status|implementation|plan|todo|changes|results"
    r"|completion|verification|review)(?:[_-][\w-]*)?\.(?:md|txt|rst)",
    re.I,
)


def is_protected(path: str) -> bool:
    """True for files that steer how tests or Python itself run."""
    name = PurePosixPath(path.casefold()).name
    return name in PROTECTED or name.endswith(".pth")


def matches(path: str, glob: str) -> bool:
    """The whole path, its name alone, or a folder on the way; case is folded, for some file systems fold it."""
    path, glob = path.casefold(), glob.casefold().removeprefix("./").rstrip("/")
    parts = path.split("/")
    folders = ("/".join(parts[:length]) for length in range(1, len(parts) + 1))
    return any(fnmatchcase(folder, glob) for folder in folders) or any(fnmatchcase(part, glob) for part in parts)


def _leaves_configuration_alone(write: Write) -> str | None:
    if write.path in write.plan_paths:
        return None
    if is_protected(write.path):
        return "it steers how tests or Python itself run, and the plan does not name it"
    if any(matches(write.path, glob) for glob in BUILDS):
        return "it steers how the project is built and checked elsewhere, and the plan does not name it"
    if any(matches(write.path, glob) for glob in LOCKS):
        return "a tool writes this lock file, and the plan does not name it"
    return None


def _leaves_no_litter(write: Write) -> str | None:
    if write.path in write.plan_paths:
        return None
    if any(matches(write.path, glob) for glob in LITTER):
        return "it is a product, a cache or a binary, and the plan does not name it"
    if _REPORT.fullmatch(write.path.rpartition("/")[2]):
        return "nobody asked for a report; say it in the code or leave it out"
    return None


def _leaves_user_tests_alone(write: Write) -> str | None:
    return "it is one of the user's own tests" if _is_among(write.path, write.user_tests) else None


def _leaves_accepted_tests_alone(write: Write) -> str | None:
    if write.by == TEST_BLAME or not _is_among(write.path, write.accepted_tests):
        return None
    return "candidates are already judged by this test; only a diagnosis that blames it may change it"


def _is_among(path: str, paths: frozenset[str]) -> bool:
    """Case is folded: on some file systems it is the same file."""
    return path.casefold() in {other.casefold() for other in paths}


PROTECTED_RULES: tuple[Rule[Write], ...] = (
    _leaves_configuration_alone,
    _leaves_no_litter,
    _leaves_user_tests_alone,
    _leaves_accepted_tests_alone,
)
