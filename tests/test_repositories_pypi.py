"""Real packages with a bug they once had: the wrong change goes nowhere, the right one is delivered, and nothing else.

Their source is fetched when the tests run, and their own test suites are the judge.
"""

from __future__ import annotations

import difflib
import json
import os
import subprocess
import sys
import tarfile
from dataclasses import dataclass
from pathlib import Path

import pytest
from repositories import Maintainer, commit, git, plan_for, state
from runs import run, serving

pytestmark = [pytest.mark.slow, pytest.mark.pypi]


@dataclass(frozen=True)
class Bug:
    package: str
    source: str
    bug: tuple[str, str]
    """A part of the source as it is, and as it once was."""
    wrong: tuple[str, str]
    """A part of the source as it is, and as a hasty change makes it: it mends the bug and breaks something else."""
    interface: str
    task: str
    new_tests: str
    failing: int
    """Tests of the package itself that show the bug."""
    passed: int
    """At least so many of its tests passed before."""


BUGS = (
    Bug(
        "itsdangerous==2.2.0",
        "src/itsdangerous/timed.py",
        ("            if age < 0:\n                raise", "            if False:\n                raise"),
        ("            if age < 0:\n                raise", "            if age < max_age:\n                raise"),
        "class TimestampSigner:\n    def unsign(self, signed_value, max_age=None, return_timestamp=False): ...",
        "TimestampSigner.unsign with max_age must refuse a signature whose time lies in the future with SignatureExpired.",
        "import time\n\nimport pytest\n\nfrom itsdangerous import SignatureExpired, TimestampSigner\n\n\n"
        "class Ahead(TimestampSigner):\n    def get_timestamp(self):\n        return int(time.time()) + 1000\n\n\n"
        "def test_c1_a_signature_from_the_future_is_refused():\n    with pytest.raises(SignatureExpired):\n"
        "        TimestampSigner('key').unsign(Ahead('key').sign('value'), max_age=10)\n",
        1,
        100,
    ),
    Bug(
        "jinja2==3.1.4",
        "src/jinja2/filters.py",
        (r'_attr_key_re = re.compile(r"[\s/>=]"', r'_attr_key_re = re.compile(r"\s"'),
        (r'_attr_key_re = re.compile(r"[\s/>=]"', r'_attr_key_re = re.compile(r"[\s/>=:]"'),
        "def do_xmlattr(eval_ctx, d, autospace=True): ...",
        "The filter xmlattr must refuse keys that hold one of / > = with ValueError, as it does for spaces: such a key "
        "ends the name of the attribute.",
        "import pytest\n\nfrom jinja2 import Environment\n\n\n@pytest.mark.parametrize('char', ['/', '>', '='])\n"
        "def test_c1_a_key_that_ends_its_name_is_refused(char):\n    with pytest.raises(ValueError):\n"
        "        Environment().from_string('{{ {key: 1}|xmlattr }}').render(key=f'a{char}b')\n",
        3,
        600,
    ),
    Bug(
        "click==8.1.7",
        "src/click/exceptions.py",
        ("            file = get_text_stderr()\n\n        echo(_(\"Error", "            file = None\n\n        echo(_(\"Error"),
        ('            _("Error: {message}")', '            _("error: {message}")'),  # of UsageError, which its tests know
        "class ClickException:\n    def show(self, file=None): ...",
        "ClickException.show must write to standard error, not to standard output.",
        "import click\n\n\ndef test_c1_an_error_goes_to_standard_error(capsys):\n    click.ClickException('gone').show()\n"
        "    said = capsys.readouterr()\n    assert said.out == ''\n    assert 'gone' in said.err\n",
        0,
        280,
    ),
)  # fmt: skip


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.package)
def test_a_real_package_gets_its_bug_mended_and_loses_nothing(bug: Bug, tmp_path: Path) -> None:
    folder = fetched(bug.package, tmp_path)
    right = (folder / bug.source).read_text()
    before, wrong = right.replace(*bug.bug), right.replace(*bug.wrong)
    assert right not in (before, wrong)
    (folder / bug.source).write_text(before)
    commit(folder)
    untouched = state(folder)
    model = maintainer(bug, before, wrong, right)
    with serving(model) as server:
        args = ("--endpoint", server.url, "--attempts", "3", bug.task)
        done = run(*args, workspace=folder, home=tmp_path / "home", timeout=1200)
    assert state(folder) == untouched
    assert done.code == 0, done.stderr
    result = done.result
    assert git(folder, "show", f"{result['branch']}:{bug.source}") == right
    assert result["tests"]["regressed"] == []
    assert result["baseline"]["passed"] >= bug.passed
    assert len(result["tests"]["fixed"]) == bug.failing
    assert [record for record in done.kinds("evaluation") if record["candidate"]["text"] == wrong], (
        "the wrong one was tried"
    )


def maintainer(bug: Bug, before: str, wrong: str, right: str) -> Maintainer:
    """Answers with edits, as it is asked for: first to what is wrong, then, twice shown that it is, to what is right."""
    left = [wrong, wrong]

    def propose(prompt: str) -> str:
        present = wrong if _shows(prompt, wrong, before) else before
        wanted = left.pop() if left else right
        return edit(present, wanted if wanted != present else right)

    test = "tests/test_mended_bug.py"
    model = Maintainer.of(bug.source, "", test, new_tests=bug.new_tests.replace("{", "{{").replace("}", "}}"))
    plan = plan_for(bug.source, test, bug.interface)
    plan["criteria"][0]["description"] = bug.task  # type: ignore[index]
    model.answers = {**model.answers, "planner": json.dumps(plan), "builder": propose, "repairer": propose}
    return model


def _shows(prompt: str, text: str, before: str) -> bool:
    """The line that this text alone has stands in what is shown."""
    lines = before.splitlines()
    return any(line in prompt.splitlines() for line in text.splitlines() if line not in lines)


def edit(present: str, wanted: str) -> str:
    """One edit that makes the one of the other."""
    old, new = present.splitlines(), wanted.splitlines()
    changes = [c for c in difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes() if c[0] != "equal"]
    start, end, first, last = changes[0][1], changes[-1][2], changes[0][3], changes[-1][4]
    before, after = max(0, start - 3), min(len(old), end + 3)
    search = [*old[before:start], *old[start:end], *old[end:after]]
    replace = [*old[before:start], *new[first:last], *old[end:after]]
    return "\n".join(["<<<<<<< SEARCH", *search, "=======", *replace, ">>>>>>> REPLACE", ""])


def fetched(package: str, tmp_path: Path) -> Path:
    """The source of a package, unpacked. Without an index the test is skipped, and fails in CI."""
    options = ["--no-binary", ":all:", "--no-deps", "--quiet", "--dest", str(tmp_path)]
    got = subprocess.run(
        [sys.executable, "-m", "pip", "download", *options, package], capture_output=True, text=True, check=False
    )
    if got.returncode and os.environ.get("CI") != "true":
        pytest.skip(f"{package} cannot be fetched: {got.stderr[-200:]}")
    assert not got.returncode, got.stderr
    (archive,) = tmp_path.glob("*.tar.gz")
    with tarfile.open(archive) as packed:
        packed.extractall(tmp_path, filter="data")
    return next(path for path in tmp_path.iterdir() if path.is_dir())
