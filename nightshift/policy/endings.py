"""What may become a commit or be written back, and when a run may call itself done."""

from __future__ import annotations

from nightshift.policy.actions import Commit, Done, Rule, Write, first_denial
from nightshift.policy.content import CONTENT_RULES
from nightshift.policy.paths import PATH_RULES


def deny_commit(commit: Commit) -> str | None:
    """The reason not to commit or deliver these files, or None."""
    return first_denial(COMMIT_RULES, commit)


def deny_done(done: Done) -> str | None:
    """The reason why the run has not passed, whatever its verdict says, or None."""
    return first_denial(DONE_RULES, done)


def _says_what_it_is(commit: Commit) -> str | None:
    return None if commit.message.strip() else "it has no message"


def _holds_what_may_be_written(commit: Commit) -> str | None:
    """Path and content once more: between a write and its commit the tree lay open to others."""
    for path, (before, after) in commit.files.items():
        if after is None or after == before:
            continue
        write = Write(path, _text(after), previous=_text(before or b""), policy=commit.policy, secrets=commit.secrets)
        if reason := first_denial((*PATH_RULES, *CONTENT_RULES), write):
            return reason
    return None


def _text(content: bytes) -> str:
    return content.decode("utf-8", "replace")


COMMIT_RULES: tuple[Rule[Commit], ...] = (_says_what_it_is, _holds_what_may_be_written)


def _was_judged(done: Done) -> str | None:
    verdict = done.verdict
    if not verdict.results:
        return "no criterion was judged"
    return None if verdict.passed else "the verdict is no pass"


def _nothing_was_left_out(done: Done) -> str | None:
    report = done.verdict.report
    odd = [result.node for result in report.results if result.outcome != "passed"] if report else []
    return f"{odd[0]} did not pass: skipped and expected failures prove nothing" if odd else None


def _proof_is_the_frozen_one(done: Done) -> str | None:
    bent = [path for path, text in done.accepted.items() if done.after.get(path) != text]
    bent += [path for path in done.protected if path in done.before and done.after.get(path) != done.before[path]]
    return f"{', '.join(sorted(bent))} is not what the tests were frozen as" if bent else None


def _only_the_plan_was_made(done: Done) -> str | None:
    wanted = done.plan_paths | done.accepted.keys()
    strange = [path for path in {**done.before, **done.after} if done.before.get(path) != done.after.get(path)]
    stray = sorted(path for path in set(strange) - wanted if not _is_implied(path, done))
    return f"{', '.join(stray[:5])} changed and no plan names it" if stray else None


def _is_implied(path: str, done: Done) -> bool:
    """An empty file that makes a folder of the plan a package."""
    new = path not in done.before and done.after.get(path) == ""
    return new and path.rpartition("/")[2] == "__init__.py"


DONE_RULES: tuple[Rule[Done], ...] = (
    _was_judged,
    _nothing_was_left_out,
    _proof_is_the_frozen_one,
    _only_the_plan_was_made,
)
