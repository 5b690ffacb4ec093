"""The dashboard's program: options in, one server out, until Ctrl-C."""

from __future__ import annotations

import argparse
import os
import secrets
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from nightshift.bootstrap import run_program
from nightshift.errors import ConfigError
from nightshift.report.dashboard.frontdoor.routes import FrontDoor
from nightshift.report.dashboard.frontdoor.runs import Desk
from nightshift.report.dashboard.known import Known
from nightshift.report.dashboard.routes import Dashboard, complain
from nightshift.report.dashboard.server import HttpError, Response, Server

EXAMPLES = """examples:
  python3 -m nightshift.report.dashboard
  python3 -m nightshift.report.dashboard --queue ~/queue --port 8899
  python3 -m nightshift.report.dashboard --workspace ~/code/app -- --endpoint http://127.0.0.1:8080 --max-minutes 30

With --workspace, editors and chat programs can use it as a model server: http://127.0.0.1:8899/v1 (docs/editors.md).
What follows -- is given to every run of orchestrator.py that they start."""


def main(argv: Sequence[str]) -> int:
    own, flags = _parted(argv)
    options = _parser().parse_args(own)
    workspaces, queues = ([Path(name).expanduser().resolve() for name in n] for n in (options.workspace, options.queue))
    for folder in (*workspaces, *queues):
        if not folder.is_dir():
            raise ConfigError(f"{folder} is not a folder: make it first")
    if not 0 <= options.port < 1 << 16:
        raise ConfigError(f"--port {options.port}: give a number from 0 to 65535")
    state = state_in(os.environ)
    door = FrontDoor(Desk(flags, state / "runs"), workspaces, _key(options))
    dashboard = Dashboard(Known(state / "trees", workspaces, queues), secrets.token_urlsafe(32), door.page)
    server = Server(options.port, [*dashboard.routes(), *door.routes()], _complain)
    door.url = server.url
    for number in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, _interrupt)
    try:
        print(server.url, flush=True)
        server.serve_forever()
    except KeyboardInterrupt:
        print("Ended; runs started here were told to stop.", file=sys.stderr)
    finally:
        door.desk.close()
        server.server_close()
    return 0


def state_in(environ: Mapping[str, str]) -> Path:
    """Where runs keep their rooms and marks: as config.py has it, which the package does not import."""
    named = environ.get("XDG_STATE_HOME", "")
    base = Path(named) if named.startswith("/") else Path(environ.get("HOME") or Path.home()) / ".local/state"
    return base / "nightshift"


def _interrupt(number: int, frame: object) -> None:
    """Told twice it must not leave the runs behind that it is just ending."""
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, signal.SIG_IGN)
    raise KeyboardInterrupt


def _complain(path: str, error: HttpError) -> Response:
    return FrontDoor.complain(error) if path.startswith("/v1") else complain(path, error)


def _parted(argv: Sequence[str]) -> tuple[Sequence[str], Sequence[str]]:
    at = list(argv).index("--") if "--" in argv else len(argv)
    return argv[:at], argv[at + 1 :]


def _key(options: argparse.Namespace) -> str:
    if not options.api_key_file:
        return str(options.api_key)
    try:
        key = Path(options.api_key_file).expanduser().read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"--api-key-file {options.api_key_file} cannot be read: {error}") from error
    if not key:
        raise ConfigError(f"--api-key-file {options.api_key_file} is empty: put the key into it")
    return key


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python3 -m nightshift.report.dashboard",
        description="Shows all runs and nights as local pages, and lets editors and chat programs start runs.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    for flag, settings, help_text in FLAGS:
        parser.add_argument(flag, help=help_text, **settings)
    return parser


FOLDERS: dict[str, Any] = {"metavar": "DIR", "action": "append", "default": []}
FLAGS: tuple[tuple[str, dict[str, Any], str], ...] = (
    ("--port", {"type": int, "metavar": "N", "default": 8899}, "port of 127.0.0.1; 0 takes a free one (default 8899)"),
    ("--workspace", FOLDERS, "a folder to show, and for the front door to work in; repeatable"),
    ("--queue", FOLDERS, "a queue of nightly.py to show; repeatable"),
    (
        "--api-key",
        {"metavar": "KEY", "default": ""},
        "what the front door asks for; ps shows it, a file does not",
    ),
    ("--api-key-file", {"metavar": "FILE"}, "the same, read from a file"),
)


if __name__ == "__main__":
    run_program(main)
