"""A run's use of its workspace in a process of its own, which kills itself and its children at a chosen event.

    python3 killed_workspace.py FOLDER TREES RUN AT [--reopen]

AT counts what Python tells its audit hooks: each opening, renaming, removing of a file and each start of a program. 0
runs to the end and prints how many there were.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

EVENTS = frozenset({
    "open", "os.rename", "os.mkdir", "os.remove", "os.rmdir", "os.chmod", "os.truncate", "subprocess.Popen",
    "shutil.copyfile", "fcntl.flock",
})  # fmt: skip
FIRST = {"app.py": "print('new')\n", "pkg/new.py": "N = 1\n"}
SECOND = {"lib.py": "L = 2\n", "z.py": "Z = 26\n"}


def main(folder: str, trees: str, run: str, at: str, *options: str) -> None:
    from nightshift.workspace import open_workspace

    seen = 0

    def hook(event: str, _: object) -> None:
        nonlocal seen
        if event in EVENTS:
            seen += 1
            if seen == int(at):
                os.killpg(0, signal.SIGKILL)

    sys.addaudithook(hook)
    with open_workspace(Path(folder), run_id=run, trees=Path(trees), reopen="--reopen" in options) as workspace:
        for texts in (FIRST, SECOND):
            for path, text in texts.items():
                workspace.write(path, text)
            workspace.commit_step(list(texts), f"step with {len(texts)} files")
        workspace.deliver()
    print(seen)


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    main(*sys.argv[1:])
