"""Rules outside the prompt, asked before every write, command and commit, and before a run may call itself done.

    reason = deny_write(Write("app.py", text, policy=config.policy))

An action is a value, a rule a pure function from an action to a reason or None; the first reason counts, is fit for
the next prompt, and a rule that raises denies. Rules see names and text, never the disk: `nightshift.workspace` refuses
symbolic links, the sandbox contains what runs. Text that hides what it does on purpose is not seen through here.

actions.py   what is asked about, and how
paths.py     where nothing may ever be written; protected.py: what is written only when the plan names it
content.py   what a file may hold; credentials by name and by look in secrets.py
endings.py   commits and "done"; commands.py: what a model's check may run
watch.py     whether a command changed what judges it
"""

from nightshift.policy.actions import (
    BUILT_IN,
    TEST_BLAME,
    Action,
    Command,
    Commit,
    Denied,
    Done,
    Policy,
    Rule,
    Write,
    first_denial,
)
from nightshift.policy.commands import COMMAND_RULES, deny_command
from nightshift.policy.content import MAX_BYTES, TEXT_RULES, deny_text, unsafe_reason
from nightshift.policy.endings import COMMIT_RULES, DONE_RULES, deny_commit, deny_done
from nightshift.policy.paths import PATH_RULES, collision, deny_path
from nightshift.policy.protected import is_protected
from nightshift.policy.secrets import is_secret
from nightshift.policy.writes import WRITE_RULES, deny_write

__all__ = [
    "BUILT_IN",
    "COMMAND_RULES",
    "COMMIT_RULES",
    "DONE_RULES",
    "MAX_BYTES",
    "PATH_RULES",
    "TEST_BLAME",
    "TEXT_RULES",
    "WRITE_RULES",
    "Action",
    "Command",
    "Commit",
    "Denied",
    "Done",
    "Policy",
    "Rule",
    "Write",
    "collision",
    "deny_command",
    "deny_commit",
    "deny_done",
    "deny_path",
    "deny_text",
    "deny_write",
    "first_denial",
    "is_protected",
    "is_secret",
    "unsafe_reason",
]
