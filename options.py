"""What a user may ask of `orchestrator.py`: its flags, and how they become one settled order.

order = read_order(["--workspace", "app", "Build a calculator"], os.environ)
"""

from __future__ import annotations

import argparse
import json
import shlex
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from config import FLAGS as SOURCES
from config import Config, load, paths
from nightshift.domain import Plan, Task
from nightshift.errors import ConfigError, TaskError
from nightshift.llm.managed.flags import check
from nightshift.ownership import is_ours
from nightshift.plan import given_plan
from nightshift.records import find_run, from_json, outcome_of, read_trace
from nightshift.workspace import fresh_folder
from nightshift.workspace.git import find_repository, has_git

VERSION = "0.1.0"
TASK_CHARS = 60_000
"""More than this is a document, not a task; a 32k context could not hold it beside anything else."""
OUTWARD = ("endpoints", "roles", "server", "allow_remote", "remote_hosts", "api_key", "verify", "environment")
"""Settings that reach out of the sandbox: a resumed run repeats them only when it is the user's own."""
CHECKOUT = Path(__file__).resolve().parent
DEMO = CHECKOUT / "demo"

EXAMPLES = """examples:
  python3 orchestrator.py "Build a task tracker CLI with JSON persistence"
  python3 orchestrator.py --workspace ~/code/app --verify "python3 app.py list --json" "Add a --json flag to list"
  python3 orchestrator.py --demo
  python3 orchestrator.py --resume --workspace ~/code/app

exit codes: 0 passed, 1 not done, 2 usage, 3 no model server, 4 budget, 5 refused, 70 defect, 130/143 interrupted"""

REPEATABLE: dict[str, Any] = {"action": "append", "default": []}
SWITCH: dict[str, Any] = {"action": "store_true"}

FLAGS: tuple[tuple[str, dict[str, Any], str], ...] = (
    (
        "--workspace",
        {"metavar": "DIR"},
        "where to work; made if its parent exists (default: here, or a new folder when here is Nightshift itself)",
    ),
    ("--config", {"metavar": "FILE"}, "a further configuration file"),
    ("--task-file", {"metavar": "FILE"}, "read the task from a file; - is standard input"),
    ("--verify", {"metavar": "CMD", **REPEATABLE}, "a command that fails until the task is done; trusted; repeatable"),
    ("--resume", {"metavar": "RUN", "nargs": "?", "const": ""}, "go on with a run: its id, or the newest"),
    ("--demo", SWITCH, "run on the embedded tape: no model server needed"),
    ("--record-tape", SWITCH, "with --demo: record the tape anew from your model server"),
    ("--endpoint", {"metavar": "URL", "action": "append"}, "a model server, with or without /v1; repeatable"),
    ("--model", {"metavar": "NAME"}, "the model for every role that has none of its own"),
    ("--role", {"metavar": "ROLE=MODEL[@URL]", **REPEATABLE}, "a model for one role; repeatable"),
    ("--serve-gguf", {"metavar": "FILE"}, "start your llama-server on this model file, for this run"),
    ("--allow-remote", {**SWITCH, "default": None}, "allow model servers outside private networks"),
    ("--attempts", {"metavar": "N", "type": int}, "attempts before giving up (default 3)"),
    ("--candidates", {"metavar": "N", "type": int}, "source candidates for a file (default 3)"),
    ("--max-minutes", {"metavar": "M", "type": float}, "budget of time (default 120)"),
    ("--max-calls", {"metavar": "N", "type": int}, "budget of generation requests (default 200)"),
    ("--max-tokens", {"metavar": "N", "type": int}, "budget of tokens, prompts included (default 2000000)"),
    ("--in-place", {**SWITCH, "default": None}, "work in the workspace itself, without isolation"),
    ("--base", {"metavar": "REV"}, "start from this commit, or from your files as they are: snapshot (default)"),
    ("--branch", {"metavar": "NAME", "default": ""}, "name of the branch the work is left on"),
    ("--merge", SWITCH, "fast-forward a clean checkout on success"),
    ("--no-memory", SWITCH, "neither recall nor learn lessons"),
    ("--unsafe-no-sandbox", SWITCH, "run generated code without isolation; said in every report"),
    ("--dry-run", SWITCH, "plan only, and print the plan"),
    ("--plan", {"metavar": "FILE"}, "run this plan, as printed by --dry-run and edited"),
    ("--quiet", SWITCH, "only the last line"),
    ("--verbose", SWITCH, "every call too"),
    ("--json", SWITCH, "the result on standard output as JSON"),
)


@dataclass(frozen=True, slots=True)
class Order:
    """What was asked for, once flags, files and environment are settled."""

    task: Task
    config: Config
    workspace: Path
    overrides: Mapping[str, Any]
    """The flags given, by configuration key; a resumed run repeats them."""
    resume: Path | None = None
    demo: bool = False
    record_tape: bool = False
    config_file: str | None = None
    """From --config; a resumed run reads it again."""
    merge: bool = False
    branch: str = ""
    plan: Plan | None = None
    """The user's own, from --plan."""
    dry_run: bool = False
    fresh: bool = False
    """The workspace is a folder made for this run alone."""
    unsafe: bool = False
    quiet: bool = False
    verbose: bool = False
    as_json: bool = False


def read_order(argv: Sequence[str], environ: Mapping[str, str]) -> Order:
    """Raises ConfigError and TaskError; like --help, a run that has nothing left to do exits at once with 0."""
    options = _parsed(argv)
    given, prompt = _overrides(options), _task_text(options)
    workspace = _workspace(options, prompt)
    resume = find_run(workspace, options.resume) if options.resume is not None else None
    earlier = _started_with(resume) if resume else {}
    if resume and not is_ours(paths(environ).runs, resume.name, earlier):
        _refuse_what_a_stranger_set(options, given, resume, earlier)
    overrides = {**earlier.get("overrides", {}), **given}
    if resume and overrides.get("workspace.in_place"):
        originals = paths(environ).trees / resume.name / "originals"
        raise ConfigError(
            f"a run in place cannot be resumed: start the task anew; your files as they were are in {originals}"
        )
    config_file = str(Path(options.config).absolute()) if options.config else earlier.get("config_file")
    config = load(overrides, environ, workspace, Path(config_file) if config_file else None)
    demo = options.demo or bool(earlier.get("demo"))
    if not demo or options.record_tape:
        check(config.server)
    _refuse_blank("[verify] commands", config.verify.commands)
    _refuse_blank("--verify", options.verify)
    task = {"prompt": prompt, "verify": [], **earlier.get("task", {})}
    verify = tuple(dict.fromkeys([*task["verify"], *config.verify.commands, *options.verify]))
    more = options.merge or options.plan or options.record_tape or options.dry_run
    if resume and not more and list(verify) == task["verify"]:
        _exit_if_passed(resume, as_json=options.json)
    if options.plan and not task["prompt"].strip():
        raise TaskError("--plan says how the task is done, not what it is: give the task too, the plan was made for it")
    if options.merge or options.branch:
        _refuse_without_branch("--merge" if options.merge else "--branch", workspace, config)
    return Order(
        task=_checked(Task(task["prompt"], verify)),
        config=config,
        workspace=workspace,
        overrides=overrides,
        resume=resume,
        demo=demo,
        record_tape=options.record_tape,
        config_file=config_file,
        merge=options.merge or bool(earlier.get("merge")),
        branch=options.branch,
        plan=_given_plan(options, earlier),
        dry_run=options.dry_run,
        fresh=not options.workspace and workspace != Path.cwd(),
        unsafe=options.unsafe_no_sandbox or bool(earlier.get("unsafe")),
        quiet=options.quiet,
        verbose=options.verbose,
        as_json=options.json,
    )


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="orchestrator.py",
        description="Does one task: explores, plans, builds, tests, diagnoses; ends with proof or an honest handoff.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("task", nargs="?", help="what to build, in plain words")
    for flag, options, help_text in FLAGS:
        parser.add_argument(flag, help=help_text, **options)
    parser.add_argument("--version", action="version", version=f"nightshift {VERSION}")
    return parser


def _parsed(argv: Sequence[str]) -> argparse.Namespace:
    made = parser()
    options, surplus = made.parse_known_args(argv)
    if surplus:
        words = not any(word.startswith("-") for word in surplus)
        hint = f"; put the task in quotes: {shlex.quote(' '.join([options.task, *surplus]))}" if words else ""
        made.error(f"unrecognized arguments: {' '.join(surplus)}{hint}")
    return options


def _overrides(options: argparse.Namespace) -> dict[str, Any]:
    """The flags that are settings, by configuration key."""
    roles: dict[str, list[str]] = {}
    for text in options.role:
        role, found, target = text.partition("=")
        if not found:
            raise ConfigError(f"--role {text}: write ROLE=MODEL or ROLE=MODEL@URL")
        roles.setdefault(f"roles.{role}", []).append(target)
    gguf = options.serve_gguf and str(Path(options.serve_gguf).expanduser().absolute())
    flags = {
        "server": [{"file": gguf}] if gguf else None,
        "attempts": options.attempts,
        "candidates.count": options.candidates,
        "limits.minutes": options.max_minutes,
        "limits.calls": options.max_calls,
        "limits.tokens": options.max_tokens,
        "endpoints": options.endpoint,
        "model": options.model,
        "allow_remote": options.allow_remote,
        "workspace.in_place": options.in_place,
        "workspace.base": options.base,
        "memory.enabled": False if options.no_memory else None,
        **roles,
    }
    return {key: value for key, value in flags.items() if value is not None}


def _task_text(options: argparse.Namespace) -> str:
    if options.task and options.task_file:
        raise ConfigError("give the task as text or with --task-file, not both")
    if options.demo and not options.record_tape and (options.task or options.task_file):
        raise ConfigError("--demo plays the tape of its own task and can do no other: leave out --demo, or your task")
    if options.task_file:
        return _text_of("--task-file", options.task_file)
    if options.demo and not options.task:
        return (DEMO / "task.txt").read_text(encoding="utf-8").strip()
    return options.task or ""


def _text_of(flag: str, name: str) -> str:
    try:
        return sys.stdin.read() if name == "-" else Path(name).expanduser().read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{flag} {name} cannot be read: {error.strerror}; check the path") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{flag} {name} cannot be read: it is no text in UTF-8 ({error.reason})") from error


def _checked(task: Task) -> Task:
    if not task.prompt.strip():
        raise TaskError('there is no task: python3 orchestrator.py "what to build"; --help shows examples')
    if len(task.prompt) > TASK_CHARS:
        raise TaskError(
            f"the task has {len(task.prompt)} characters and at most {TASK_CHARS} fit a model's context: "
            "say what to build, and put long material into files of the workspace"
        )
    return task


def _refuse_blank(source: str, commands: Sequence[str]) -> None:
    """The shell runs nothing, or a comment, successfully: that would prove any task."""
    for command in commands:
        if all(line.strip()[:1] in ("", "#") for line in command.splitlines()):
            raise ConfigError(f"{source} {command!r} runs nothing and proves nothing: give a command or leave it out")


def _refuse_without_branch(flag: str, workspace: Path, config: Config) -> None:
    if config.workspace.in_place:
        raise ConfigError(f"{flag} does not go with --in-place, which makes no branch: leave one of them out")
    if not (workspace.is_dir() and has_git() and find_repository(workspace.resolve())):
        raise ConfigError(f"{flag} needs a git checkout, and {workspace} is none: git init and commit, or leave it out")


def _exit_if_passed(run_dir: Path, *, as_json: bool) -> None:
    """The result is written last: with it on disk, a run that passed has nothing left to do."""
    ended, result = outcome_of(read_trace(run_dir / "trace.jsonl")), run_dir / "result.json"
    if ended is None or ended.fields.get("status") != "passed" or not result.is_file():
        return
    text = result.read_text(encoding="utf-8")
    with suppress(ValueError):
        if json.loads(text).get("status") == "passed":
            print(text if as_json else "", end="", flush=True)
            parser().exit(0, f"run {run_dir.name} has already passed; there is nothing to go on with\n")


def _workspace(options: argparse.Namespace, prompt: str) -> Path:
    """The current directory, unless that is Nightshift's own checkout: its files are not what a task is about."""
    if options.workspace:
        return Path(options.workspace).expanduser().absolute()
    here = Path.cwd()
    if options.resume is None and (options.demo or here == CHECKOUT or CHECKOUT in here.parents):
        return fresh_folder(prompt)
    return here


def _started_with(run_dir: Path) -> Mapping[str, Any]:
    """What a run was started with. Raises ConfigError when it holds nothing to resume."""
    started = next((r for r in read_trace(run_dir / "trace.jsonl") if r.kind == "run_started"), None)
    if started is None:
        raise ConfigError(f"{run_dir} ended before it began, so there is nothing to resume: start the task anew")
    return started.fields


def _refuse_what_a_stranger_set(
    options: argparse.Namespace, given: Mapping[str, Any], run_dir: Path, earlier: Mapping[str, Any]
) -> None:
    """A trace that came with a checkout must not start programs or send code anywhere. Raises ConfigError."""
    keys = [key for key in earlier.get("overrides", {}) if key.split(".")[0] in OUTWARD and key not in given]
    flags = [SOURCES.get(key) or SOURCES.get(key.split(".")[0], key) for key in keys]
    flags += ["--config"] if earlier.get("config_file") and not options.config else []
    flags += ["--unsafe-no-sandbox"] if earlier.get("unsafe") and not options.unsafe_no_sandbox else []
    if flags:
        raise ConfigError(
            f"{run_dir} was not started here by you, as far as is known, so what it says of {', '.join(flags)} is not "
            "taken over: give that again on the command line, or start the task anew"
        )


def _given_plan(options: argparse.Namespace, earlier: Mapping[str, Any]) -> Plan | None:
    """A plan as --dry-run prints it, from --plan or from the run that is resumed."""
    if not options.plan:
        return from_json(Plan, earlier["plan"]) if earlier.get("plan") else None
    text = _text_of("--plan", options.plan)
    try:
        return given_plan(json.loads(text))
    except ValueError as error:
        raise ConfigError(f"--plan {options.plan}: not a plan as --dry-run prints it: {error}") from error
