"""What a model's check may run. The sandbox contains it all; this says so before, in words the planner can act on.

The user's own commands are theirs: only what no system could run is refused there.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import PurePosixPath

from nightshift.policy.actions import Command, Rule, first_denial
from nightshift.policy.content import forbidden_import

MAX_LENGTH = 100_000
OUTWARD = frozenset({
    "sudo", "su", "doas", "pkexec", "ssh", "scp", "sftp", "rsync", "curl", "wget", "nc", "ncat", "telnet", "ftp",
    "git", "gh", "hg", "svn", "docker", "podman", "kubectl", "systemctl", "service", "crontab", "at", "shutdown",
    "reboot", "mount", "umount", "mkfs", "dd", "chown", "kill", "pkill", "killall", "twine",
})  # fmt: skip
INSTALLERS = frozenset({
    "pip", "pip3", "pipx", "uv", "poetry", "conda", "npm", "yarn", "pnpm", "apt", "apt-get", "brew",
})  # fmt: skip
SHELLS = frozenset({"sh", "bash", "dash", "zsh", "ksh"})
PREFIXES = frozenset({"env", "nice", "nohup", "timeout", "time", "exec", "xargs", "command", "setsid", "stdbuf"})
_PYTHON = re.compile(r"python[\d.]*")
_BREAKS = frozenset(";&|()\n")


def deny_command(command: Command) -> str | None:
    """The reason not to run it, or None."""
    return first_denial(COMMAND_RULES, command)


def _can_be_run(command: Command) -> str | None:
    if not command.argv or not command.argv[0].strip():
        return "the command is empty"
    if any("\0" in word for word in command.argv):
        return "the command holds NUL bytes"
    return "the command is far too long" if sum(map(len, command.argv)) > MAX_LENGTH else None


def _keeps_to_itself(command: Command) -> str | None:
    if command.trusted:
        return None
    if command.network:
        return "only the user's own commands may use the network"
    for words in _commands_in(command.argv):
        program = PurePosixPath(words[0]).name
        if program in OUTWARD:
            return f"{program} reaches out of the project; check the program itself"
        if program in INSTALLERS or (_PYTHON.fullmatch(program) and words[1:3] in (["-m", "pip"], ["-m", "ensurepip"])):
            return "packages are named in the plan's requires, never installed by a command"
    return None


def _imports_nothing_forbidden(command: Command) -> str | None:
    for words in () if command.trusted else _commands_in(command.argv):
        code = next((code for flag, code in pairwise(words) if flag == "-c"), "")
        if _PYTHON.fullmatch(PurePosixPath(words[0]).name) and code:
            name = forbidden_import(code, command.policy.forbidden_imports)
            if name:
                return f"it imports {name}, which the user forbids ([policy] forbidden_imports)"
    return None


def _commands_in(argv: Sequence[str]) -> Iterator[list[str]]:
    """The command itself, and those in the text that a shell is given; prefixes such as env are left out."""
    words = _bare(argv)
    if not words:
        return
    yield words
    if PurePosixPath(words[0]).name in SHELLS and (text := _shell_text(words)):
        lexer = shlex.shlex(text, posix=True, punctuation_chars=";&|()\n")
        lexer.whitespace_split, lexer.whitespace = True, " \t\r"
        found: list[str] = []
        for word in [*lexer, ";"]:
            if not _BREAKS.issuperset(word):
                found.append(word)
                continue
            yield from _commands_in(found)
            found = []


def _shell_text(words: Sequence[str]) -> str:
    return next((text for flag, text in pairwise(words) if re.fullmatch(r"-\w*c", flag)), "")


def _bare(argv: Sequence[str]) -> list[str]:
    rest = list(argv)
    while rest and (rest[0] in PREFIXES or re.match(r"\w+=", rest[0]) or re.fullmatch(r"-\S*|\d+[smh]?", rest[0])):
        rest = rest[1:]
    return rest


COMMAND_RULES: tuple[Rule[Command], ...] = (_can_be_run, _keeps_to_itself, _imports_nothing_forbidden)
