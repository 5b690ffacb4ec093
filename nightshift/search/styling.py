"""The project's own formatter and linters on what was built: the first is obeyed, the others are asked and told of.

A tool that is configured and not installed is unavailable: that is recorded, and is no pass. Nothing here judges:
a badly formatted file that works is delivered, with a note.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from nightshift.domain import ExecResult, Tree
from nightshift.evidence import normalised
from nightshift.prompting import head
from nightshift.search.work import Work, Workshop, write_checked
from nightshift.source.newlines import written_like
from nightshift.source.normal import fingerprint
from nightshift.source.style import StyleCheck, outcome_of, style_checks, style_of

FORMATTERS: Mapping[str, tuple[str, ...]] = {
    "ruff": ("ruff", "format", "--quiet", "--stdin-filename"),
    "black": ("black", "--quiet", "--stdin-filename"),
}
DETAIL_CHARS = 800


def styled(work: Work, shop: Workshop, span: str, built: Sequence[str]) -> Work:
    """The work with the built files as the project's formatter writes them; what its linters say is recorded."""
    style = style_of(work.tree.texts)
    paths = [path for path in built if path.endswith(".py") and path in work.tree.texts]
    if style.formatter:
        for path, text in list(_formatted(work, shop, style.formatter, paths)):
            write_checked(work, shop, {path: text}, f"{path}: as {style.formatter} formats it", "builder")
            work = replace(work, tree=work.tree.with_text(path, text))
    for check in style_checks(style, paths):
        _ask(check, work, shop, span)
    return work


def _formatted(work: Work, shop: Workshop, formatter: str, paths: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Only what is the same program: a formatter of the project's environment is its code, not ours."""
    for path in paths:
        before, found = work.tree.texts[path], work.accepted.found.get(path, "")
        # Who has not formatted a file so far is not asking for a change of every line of it.
        if found and _run(formatter, path, work.tree.with_text(path, found), shop) not in ("", found):
            continue
        text = _run(formatter, path, work.tree, shop)
        if text not in ("", before) and fingerprint(text) == fingerprint(before):
            yield path, text


def _run(formatter: str, path: str, tree: Tree, shop: Workshop) -> str:
    """The file as the formatter writes it; empty when it does not."""
    name = shlex.quote(path)
    command = shlex.join(("python3", "-m", *FORMATTERS[formatter])) + f" {name} - < {name}"
    result = shop.sandbox.run(tree, ("sh", "-c", command), limits=shop.command_limits)
    text = written_like(result.stdout, tree.texts[path])
    return text if result.ok and not result.truncated and text.strip() else ""


def _ask(check: StyleCheck, work: Work, shop: Workshop, span: str) -> None:
    result = shop.sandbox.run(work.tree, check.argv, limits=shop.command_limits)
    outcome = outcome_of(check, result)
    said = "" if outcome == "passed" else _said(result)
    shop.recorder.record("guard", span, rule="style", action=f"{check.name}: {outcome}", reason=said)


def _said(result: ExecResult) -> str:
    return head(normalised(f"{result.stdout}\n{result.stderr}".strip()), DETAIL_CHARS)
