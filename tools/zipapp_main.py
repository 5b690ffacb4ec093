"""What nightshift.pyz begins with: unpacks itself once below the user's cache folder and goes on there.

The sandbox copies files of ours and starts interpreters on them, so they must be real files. This must parse, and say
what is missing, on Python 3.8.
"""

import contextlib
import difflib
import fcntl
import os
import shutil
import stat
import sys
import tempfile
import zipfile

DIGEST = "@DIGEST@"
PROGRAMS = ("orchestrator", "nightly", "benchmark", "trace_collector", "librarian", "doctor")
MODULES = {"dashboard": "nightshift.report.dashboard"}
RUN_MODULE = (
    "import sys; sys.path[0] = sys.argv.pop(1); import runpy; runpy.run_module(sys.argv.pop(1), None, '__main__', True)"
)


def main():
    if sys.version_info < (3, 11):  # noqa: UP036  an older interpreter is just what this finds out
        version = ".".join(map(str, sys.version_info[:3]))
        fail(f"Nightshift needs Python >= 3.11, this is {version}: start it with a newer one.")
    home = unpacked(__loader__.archive)
    named = sys.argv[1:2] and sys.argv[1] in (*PROGRAMS, *MODULES)
    if not named and (meant := difflib.get_close_matches(" ".join(sys.argv[1:2]), (*PROGRAMS, *MODULES), 1, 0.8)):
        fail(f"{sys.argv[1]!r} is no program of Nightshift and a short task: did you mean {meant[0]!r}?")
    name, rest = (sys.argv[1], sys.argv[2:]) if named else (PROGRAMS[0], sys.argv[1:])
    command = [os.path.join(home, f"{name}.py")]
    if name in MODULES:
        # Not `-m`, which would look into the current folder first.
        command = ["-c", RUN_MODULE, home, MODULES[name]]
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, *command, *rest])


def unpacked(archive):
    """The folder with the files, made whole or not at all."""
    base = own_folder()
    home = os.path.join(base, "app-" + DIGEST)
    with zipfile.ZipFile(archive) as packed, locked(base):
        entries = [entry for entry in packed.infolist() if entry.filename.startswith("app/")]
        if is_whole(home, entries):
            return home
        fresh = tempfile.mkdtemp(prefix=".app-", dir=base)
        mask = os.umask(0o022)
        try:
            packed.extractall(fresh, entries)
            if os.path.lexists(home):
                os.rename(home, os.path.join(tempfile.mkdtemp(prefix=".broken-", dir=base), "app"))
            os.rename(os.path.join(fresh, "app"), home)
        finally:
            os.umask(mask)
            shutil.rmtree(fresh, ignore_errors=True)
    return home


@contextlib.contextmanager
def locked(folder):
    """Of two that start at once, the second waits and finds it whole."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def is_whole(home, entries):
    try:
        return all(os.stat(os.path.join(home, e.filename[4:])).st_size == e.file_size for e in entries)
    except OSError:
        return False


def own_folder():
    """Nobody else may put files where we run them from."""
    named = os.environ.get("XDG_CACHE_HOME", "")
    base = os.path.join(named if os.path.isabs(named) else os.path.expanduser("~/.cache"), "nightshift")
    try:
        os.makedirs(base, mode=0o700, exist_ok=True)
        found, above = os.lstat(base), os.stat(os.path.dirname(base)).st_mode
    except OSError as error:
        fail(f"{base} cannot be made ({error.strerror}): set XDG_CACHE_HOME to a folder of your own.")
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o022:
        fail(f"{base} is not a folder that only you can write: set XDG_CACHE_HOME to another one.")
    if above & 0o002 and not above & stat.S_ISVTX:
        fail(f"anybody may put another folder in the place of {base}: set XDG_CACHE_HOME to another one.")
    return base


def fail(sentence):
    sys.stderr.write(sentence + "\n")
    sys.exit(2)


main()
