"""The profile that a calibration proposes, and putting it in place: one file of its own below the user's settings.

Everything in it may be overridden by the user's own file, so nothing of the user's is ever changed. The file it
replaces is kept beside it under a name that was free.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from nightshift.calibrate.climb import spread_to, warnings
from nightshift.calibrate.trials import Run, Trial
from nightshift.disk import disk_errors, write_atomically
from nightshift.report.text import one_line

HEADER = "# Written by doctor.py --calibrate --apply. config.toml beside it overrides it; remove it to be rid of it.\n"


def proposed(
    run: Run, trial: Trial, temperatures: Sequence[float], urls: Sequence[str], *, managed: bool = False
) -> dict[str, Any]:
    """The settings that the stored decision stands for; `urls` are servers that have to be named to be found."""
    model = {} if managed else {"model": trial.model} | ({"endpoints": list(urls)} if urls else {})
    return {
        **model,
        "generation": {"context": trial.knobs.context},
        "candidates": {"temperatures": list(spread_to(temperatures, run.hottest))},
    }


def advice(trial: Trial, *, managed: bool = False) -> list[str]:
    """What to know, and what only the server's own start can do."""
    slots = f"{trial.knobs.parallel} at once gave the most tokens a second: let the server have that many slots"
    return [*warnings(trial), *([slots] if trial.knobs.parallel > 1 and not managed else [])]


def as_toml(settings: Mapping[str, Any], notes: Sequence[str]) -> str:
    lines = [f"# {one_line(note)}" for note in notes]
    tables = {name: value for name, value in settings.items() if isinstance(value, Mapping)}
    lines += [f"{name} = {_value(value)}" for name, value in settings.items() if name not in tables]
    for name, table in tables.items():
        lines += ["", f"[{name}]", *(f"{key} = {_value(value)}" for key, value in table.items())]
    return HEADER + "\n".join(lines) + "\n"


def apply(path: Path, text: str) -> Path | None:
    """Puts the profile in place, whole or not at all; returns where the one before it was kept."""
    backup = _keep(path)
    write_atomically(path, text)
    return backup


def _keep(path: Path) -> Path | None:
    if not path.exists():
        return None
    stamp, number = time.strftime("%Y%m%dT%H%M%S", time.gmtime()), 0
    while True:
        number += 1
        backup = path.with_name(f"{path.name}.bak-{stamp}-{number}")
        try:
            with disk_errors(backup), backup.open("xb") as file:
                file.write(path.read_bytes())
        except FileExistsError:
            continue
        return backup


def _value(value: object) -> str:
    if isinstance(value, str):
        # JSON's escapes are TOML's, but for surrogate pairs, which are not written here, and the delete character.
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, list):
        return f"[{', '.join(map(_value, value))}]"
    return repr(value)
