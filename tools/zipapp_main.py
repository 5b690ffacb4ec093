"""What nightshift.pyz begins with: unpacks itself once below the user's cache folder and goes on there.

The sandbox copies files of ours and starts interpreters on them, so they must be real files. This must parse, and say
what is missing, on Python 3.8.
"""

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
    with zipfile.ZipFile(archive) as packed:
        entries = [entry for entry in packed.infolist() if entry.filename.startswith("app/")]
        if is_whole(home, entries):
            return home
        fresh = tempfile.mkdtemp(prefix=".app-", dir=base)
        mask = os.umask(0o022)
        try:
            packed.extractall(fresh, entries)
            take_place(os.path.join(fresh, "app"), home, entries)
        finally:
            os.umask(mask)
            shutil.rmtree(fresh, ignore_errors=True)
    return home


def take_place(made, home, entries):
    """Two that start at once: the first wins, and the other finds it whole."""
    if os.path.lexists(home) and not is_whole(home, entries):
        os.rename(home, tempfile.mkdtemp(prefix=".broken-", dir=os.path.dirname(home)))
    try:
        os.rename(made, home)
    except OSError:
        if not is_whole(home, entries):
            raise


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
        found = os.lstat(base)
    except OSError as error:
        fail(f"{base} cannot be made ({error.strerror}): set XDG_CACHE_HOME to a folder of your own.")
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o022:
        fail(f"{base} is not a folder that only you can write: set XDG_CACHE_HOME to another one.")
    return base


def fail(sentence):
    sys.stderr.write(sentence + "\n")
    sys.exit(2)


main()
