"""Whether a command changed what judges it: an exit status of 0 counts for nothing when it rewrote its own tests.

A user's command runs code and tests in one copy of the tree, so the code may write a conftest.py, or other tests,
before pytest reads them. What it puts back in time, or only reformats, is not seen; each command has a fresh copy, so
nothing of it lasts.
"""

from __future__ import annotations

from nightshift.policy.protected import PROTECTED

TAMPERED = 86
"""The exit status in place of 0."""

_WATCH = """
import ast, fnmatch, os, subprocess, sys

NAMES, TAMPERED = sys.argv[1].split(), int(sys.argv[2])
SKIPPED = {".git", ".venv", "venv", "node_modules", "__pycache__", ".pytest_cache", ".tox", ".nox"}


def read(path):
    try:
        with open(path, "rb") as file:
            content = file.read()
        facts = os.lstat(path)
    except OSError:
        return b"", 0, 0
    return content, facts.st_ino, facts.st_ctime_ns


def judges():
    found = {}
    for folder, folders, files in os.walk("."):
        folders[:] = [name for name in folders if name not in SKIPPED]
        for name in files:
            if any(fnmatch.fnmatchcase(name.casefold(), glob) for glob in NAMES):
                found[os.path.relpath(os.path.join(folder, name))] = read(os.path.join(folder, name))
    return found


def same(old, new):
    if old == new:
        return True
    if old[0] == new[0]:
        return False
    try:
        return ast.dump(ast.parse(old[0])) == ast.dump(ast.parse(new[0]))
    except (SyntaxError, ValueError, RecursionError):
        return False


def is_test(path):
    name = os.path.basename(path).casefold()
    return name not in NAMES and not name.endswith(".pth")


place, before = os.getcwd(), judges()
status = subprocess.run(sys.argv[3:], check=False).returncode
os.chdir(place)
after = judges()
changed = [path for path in before if path not in after or not same(before[path], after[path])]
changed += [path for path in after if path not in before and not is_test(path)]
if status == 0 and changed:
    sys.stderr.write("tampered: while it ran, " + ", ".join(sorted(changed)) + " changed, which judges it\\n")
    status = TAMPERED
sys.exit(128 - status if status < 0 else status)
"""


def watched(command: str) -> tuple[str, ...]:
    """The argv that runs a shell command and ends with `TAMPERED` when it succeeded by changing its judges."""
    names = " ".join([*sorted(PROTECTED), "*.pth", "test_*.py", "*_test.py"])
    return ("python3", "-I", "-S", "-c", _WATCH, names, str(TAMPERED), "sh", "-c", command)
