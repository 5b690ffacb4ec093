"""The same queue every night: a crontab line, and a systemd user timer for those who prefer it.

Installing again changes nothing, and other lines of the crontab are left as they are. Never root's: code written
by a model does not belong there.
"""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from nightshift.disk import write_atomically
from nightshift.errors import ConfigError, Refused
from nightshift.workspace import slug

SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Schedule:
    queue: Path
    command: tuple[str, ...]
    hour: int
    minute: int

    @property
    def mark(self) -> str:
        return f"# nightshift queue {self.queue}"

    @property
    def name(self) -> str:
        """Of the systemd units; two queues of the same folder name differ."""
        return f"nightshift-{slug(self.queue.name)}-{sha256(str(self.queue).encode()).hexdigest()[:6]}"


def schedule(queue: Path, command: Sequence[str], at: str) -> Schedule:
    """Raises ConfigError."""
    parts = re.fullmatch(r"([01]?\d|2[0-3]):([0-5]\d)", at)
    if parts is None:
        raise ConfigError(f"--at {at}: give a time of day like 22:00")
    if not all(word.isprintable() for word in (str(queue), *command)):
        raise ConfigError(f"{str(queue)!r}: a name with control characters cannot stand in a crontab; rename it")
    return Schedule(queue, tuple(command), int(parts[1]), int(parts[2]))


def crontab_line(plan: Schedule) -> str:
    """One line, which its end tells from others: to the shell that is a comment."""
    folder = plan.queue / "nights"
    command = f"mkdir -p {shlex.quote(str(folder))} && {shlex.join(plan.command)}"
    line = f"{plan.minute} {plan.hour} * * * {command} >> {shlex.quote(str(folder / 'cron.log'))} 2>&1 {plan.mark}"
    # A bare % ends the command of a crontab line.
    return line.replace("%", "\\%")


def with_line(crontab: str, plan: Schedule) -> str:
    """The crontab with this queue's line in place of the one it had."""
    mark = f" {plan.mark}".replace("%", "\\%")
    return "\n".join([*(line for line in crontab.splitlines() if not line.endswith(mark)), crontab_line(plan)]) + "\n"


def systemd_units(plan: Schedule) -> dict[str, str]:
    """File name -> text of a service and its timer."""
    # systemd reads % as a specifier and $ as a variable, also inside quotes.
    command = " ".join(_systemd_word(word) for word in plan.command)
    service = f"[Unit]\nDescription=Nightshift queue {plan.queue}\n\n[Service]\nType=oneshot\nExecStart={command}\n"
    service += "KillMode=mixed\nTimeoutStopSec=120\n"
    timer = f"[Unit]\nDescription=Nightshift queue {plan.queue}\n\n[Timer]\n"
    timer += (
        f"OnCalendar=*-*-* {plan.hour:02}:{plan.minute:02}:00\nPersistent=true\n\n[Install]\nWantedBy=timers.target\n"
    )
    return {f"{plan.name}.service": service.replace("%", "%%"), f"{plan.name}.timer": timer.replace("%", "%%")}


def _systemd_word(word: str) -> str:
    escaped = word.replace("\\", "\\\\").replace('"', '\\"').replace("$", "$$")
    return f'"{escaped}"'


def shown(plan: Schedule) -> str:
    """What --install-cron prints."""
    units = [f"--- ~/.config/systemd/user/{name}\n{text}" for name, text in systemd_units(plan).items()]
    enable = f"systemctl --user daemon-reload && systemctl --user enable --now {plan.name}.timer"
    return "\n".join(["--- crontab -e", crontab_line(plan), "", *units, f"--- then: {enable}", ""])


def install(plan: Schedule, environ: Mapping[str, str], uid: int) -> str:
    """Writes the crontab, or where there is none the systemd units; says what was done. Raises Refused."""
    if uid == 0:
        raise Refused("this is root: its crontab is left alone; install it as the user whose code it is")
    if crontab := shutil.which("crontab", path=environ.get("PATH")):
        return _into_crontab(plan, crontab, environ)
    if systemctl := shutil.which("systemctl", path=environ.get("PATH")):
        return _into_systemd(plan, systemctl, environ)
    raise Refused("neither crontab nor systemctl is here: install cron, or start the command by other means")


def _into_crontab(plan: Schedule, crontab: str, environ: Mapping[str, str]) -> str:
    listed = _run([crontab, "-l"], environ)
    if listed.returncode and "no crontab" not in listed.stderr.lower():
        raise Refused(f"crontab -l failed, so nothing is written: {listed.stderr.strip()}")
    before = listed.stdout if not listed.returncode else ""
    if crontab_line(plan) in before.splitlines():
        return f"the crontab has it already: {crontab_line(plan)}"
    written = _run([crontab, "-"], environ, with_line(before, plan))
    if written.returncode:
        raise Refused(f"crontab refused the line: {written.stderr.strip()}")
    return f"written to the crontab: {crontab_line(plan)}"


def _into_systemd(plan: Schedule, systemctl: str, environ: Mapping[str, str]) -> str:
    home = Path(environ.get("XDG_CONFIG_HOME") or Path(environ.get("HOME") or Path.home()) / ".config")
    folder = home / "systemd" / "user"
    for name, text in systemd_units(plan).items():
        write_atomically(folder / name, text)
    for words in (["daemon-reload"], ["enable", "--now", f"{plan.name}.timer"]):
        done = _run([systemctl, "--user", *words], environ)
        if done.returncode:
            raise Refused(
                f"systemctl --user {' '.join(words)} failed: {done.stderr.strip()}; the units are in {folder}"
            )
    return f"written to {folder} and enabled: {plan.name}.timer"


def _run(command: Sequence[str], environ: Mapping[str, str], text: str = "") -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            command, input=text, capture_output=True, text=True, env=dict(environ), timeout=SECONDS, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise Refused(f"{' '.join(command)} did not end within {SECONDS:g} s") from error
