"""Commands, commits and "done": what the policy is asked about beyond a single file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from config import load
from nightshift.domain import Criterion, CriterionResult, TestReport, TestResult, TestsCheck, Verdict
from nightshift.errors import Refused
from nightshift.policy import Command, Commit, Denied, Done, Policy, deny_command, deny_commit, deny_done
from nightshift.source.credentials import hidden, planted
from nightshift.workspace import open_workspace

# Commands.


@pytest.mark.parametrize(
    "argv, reason",
    [
        ((), "empty"), ((" ",), "empty"), (("a\0b",), "NUL"), (("x" * 200_000,), "too long"),
        (("sudo", "ls"), "sudo"), (("/usr/bin/curl", "http://x"), "curl"), (("git", "push"), "git"),
        (("env", "A=1", "wget", "x"), "wget"), (("timeout", "5", "ssh", "h"), "ssh"), (("nohup", "nice", "-n", "kill", "1"), "kill"),
        (("sh", "-c", "python3 main.py && curl x"), "curl"), (("bash", "-ec", "a; (b | docker run x)"), "docker"),
        (("sh", "-c", "bash -c 'git status'"), "git"), (("sh", "-c", "A=1 git status"), "git"),
        (("pip", "install", "x"), "requires"), (("python3", "-m", "pip", "install", "x"), "requires"),
        (("sh", "-c", "npm install"), "requires"), (("python3.11", "-m", "ensurepip"), "requires"),
        (("sh", "-c", "echo 'unclosed"), "failed"),
    ],
)  # fmt: skip
def test_a_models_command_stays_in_the_project(argv: tuple[str, ...], reason: str) -> None:
    assert reason in (deny_command(Command(argv)) or "")


@pytest.mark.parametrize(
    "argv",
    [
        ("python3", "main.py", "../x"), ("python3", "main.py", "/no/such/file"), ("python3", "-c", "print('git push')"),
        ("pytest", "-q"), ("sh", "-c", "python3 main.py < in.txt | grep -q git"), ("echo", "sudo"), ("./run.sh",),
        ("python3", "-m", "app", "--kill"), ("sh", "script.sh"), ("diff", "curl", "git"),
    ],
)  # fmt: skip
def test_an_ordinary_check_may_run(argv: tuple[str, ...]) -> None:
    assert deny_command(Command(argv)) is None


def test_the_users_own_command_is_theirs() -> None:
    for argv in (("sh", "-c", "git diff --exit-code && curl x"), ("sudo", "ls")):
        assert deny_command(Command(argv, trusted=True, network=True)) is None
    assert "network" in (deny_command(Command(("python3", "a.py"), network=True)) or "")
    assert "NUL" in (deny_command(Command(("a\0",), trusted=True)) or "")


def test_a_check_imports_nothing_that_the_user_forbids() -> None:
    policy = Policy(forbidden_imports=("socket",))
    assert "socket" in (deny_command(Command(("python3", "-c", "import socket"), policy=policy)) or "")
    assert "socket" in (deny_command(Command(("sh", "-c", "python3 -c 'import socket'"), policy=policy)) or "")
    assert deny_command(Command(("python3", "-c", "import socket"))) is None


# Commits and deliveries.

KEY = b"ghp_" + b"a1B2" * 9


@pytest.mark.parametrize(
    "path, before, after, reason",
    [
        ("a.py", None, b"x = 1\n", ""), ("a.py", b"x", None, ""), ("a.bin", b"\0", b"\0", ""), ("a.py", KEY, KEY + b"x", "GitHub"),
        ("a.py", KEY, KEY + b"\n", ""), ("a.py", None, KEY, "GitHub"), ("../a.py", None, b"", "plainly"), (".git/config", None, b"", "not the project's"),
        (".env", None, b"", "credentials"), ("a.py", None, b"\0", "NUL"), ("db/1.sql", None, b"", "the user protects"),
        ("a.py", None, b"import socket\n", "forbids"), ("a.py", b"import socket\n", b"import socket  # still\n", ""),
    ],
)  # fmt: skip
def test_a_commit_is_asked_once_more_what_each_write_was_asked(
    path: str, before: bytes | None, after: bytes | None, reason: str
) -> None:
    policy = Policy(("*.sql",), ("socket",))
    found = deny_commit(Commit({path: (before, after)}, "a message", policy))
    assert reason in (found or "")
    assert (found is None) is (reason == "")


def test_a_commit_says_what_it_is() -> None:
    assert "no message" in (deny_commit(Commit({}, " \n")) or "")


@pytest.mark.parametrize("in_place", [False, True])
def test_the_workspace_asks_at_every_write_commit_and_delivery(tmp_path: Path, in_place: bool) -> None:
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / ".env").write_text("API_KEY=q9-Zt41xx\nDEBUG=true\n")
    policy = Policy(protected=("*.sql",))
    with open_workspace(folder, run_id="r", trees=tmp_path / "trees", in_place=in_place, policy=policy) as workspace:
        assert workspace.secrets == {"q9-Zt41xx"}
        for path, text in (
            ("x.sql", ""),
            ("a.py", "K = 'q9-Zt41xx'\n"),
            (".github/../../x", ""),
            ("nightshift.toml", ""),
        ):
            with pytest.raises(Denied, match=r"^write denied: ") as denial:
                workspace.write(path, text)
            assert isinstance(denial.value, Refused)
            assert "q9-Zt41xx" not in str(denial.value)
        workspace.write("a.py", "x = 1\n")
        workspace._policy = Policy(protected=("a.py",))
        with pytest.raises(Denied, match=r"^delivery denied: "):
            workspace.deliver()
        assert not (folder / "x.sql").exists()


# Done.

NODE = "test_a.py::test_a"
GOOD = TestReport((TestResult(NODE, "passed"),), 1)
HOLDS = (CriterionResult(Criterion("c1", "x", TestsCheck("test_a.py", (NODE,))), True, "oracle", ""),)
DONE = Done(
    Verdict(HOLDS, GOOD),
    before={"mine.py": "m", "test_mine.py": "t"},
    after={"mine.py": "m", "test_mine.py": "t", "a.py": "x", "test_a.py": "frozen"},
    plan_paths=frozenset({"a.py", "test_a.py"}),
    protected=frozenset({"test_mine.py"}),
    accepted={"test_a.py": "frozen"},
)


def test_a_run_that_proved_its_plan_and_changed_nothing_else_is_done() -> None:
    assert deny_done(DONE) is None
    package = {**DONE.after, "pkg/__init__.py": ""}
    assert deny_done(replace(DONE, after=package)) is None, "the plan implies it"


@pytest.mark.parametrize(
    "changed, reason",
    [
        ({"verdict": Verdict((), GOOD)}, "no criterion was judged"),
        ({"verdict": Verdict(HOLDS, GOOD, ("a problem",))}, "no pass"),
        ({"verdict": Verdict((replace(HOLDS[0], passed=False),), GOOD)}, "no pass"),
        ({"verdict": Verdict(HOLDS, TestReport((TestResult(NODE, "skipped"),), 1))}, "no pass"),
        ({"verdict": Verdict(HOLDS, TestReport((TestResult(NODE, "xfailed"),), 1))}, "no pass"),
        ({"after": {**DONE.after, "test_a.py": "bent"}}, "test_a.py is not what the tests were frozen as"),
        ({"after": {**DONE.after, "test_mine.py": "bent"}}, "test_mine.py is not what"),
        ({"after": {path: text for path, text in DONE.after.items() if path != "test_mine.py"}}, "test_mine.py is not"),
        ({"after": {**DONE.after, "mine.py": "other"}}, "mine.py changed and no plan names it"),
        ({"after": {**DONE.after, "stray.py": ""}}, "stray.py changed and no plan names it"),
        ({"after": {**DONE.after, "pkg/__init__.py": "X = 1"}}, "pkg/__init__.py changed"),
        ({"verdict": None}, "failed"),
    ],
)  # fmt: skip
def test_a_run_is_not_done_whatever_its_verdict_says(changed: dict[str, object], reason: str) -> None:
    assert reason in (deny_done(replace(DONE, **changed)) or "")  # type: ignore[arg-type]


# Credentials.


@pytest.mark.parametrize(
    "text, values",
    [
        ("PASSWORD=hunter2!x\n", {"hunter2!x"}), ("export TOKEN='abc-123-def'\n", {"abc-123-def"}), ("PASSWORD=postgres\n", set()),
        ("DEBUG=true\nPORT=8080\nNAME=my-application\nTOKEN=\nSECRET=short1\n", set()),
        ('{"client_id": "x", "client_secret": "Zz9-Zz9-Zz9"}', {"Zz9-Zz9-Zz9"}), ("# KEY=value-1-old\n", set()),
        ("DATABASE_URL=postgres://u:p4ss@h/db\n", {"postgres://u:p4ss@h/db"}), ("api_key: q9Zt41xx77\n", {"q9Zt41xx77"}),
        ("ANYTHING=a8f3b2c1d4e5f6a7b8c9d0\n", {"a8f3b2c1d4e5f6a7b8c9d0"}),
        ("-----BEGIN PRIVATE KEY-----\n" + "MIIEvQ12" * 8 + "\n-----END PRIVATE KEY-----\n", {"MIIEvQ12" * 8}),
    ],
)  # fmt: skip
def test_what_a_file_of_credentials_plants(text: str, values: set[str]) -> None:
    assert planted(text) == values
    shown = hidden(f"before {text} after", planted(text))
    assert not [value for value in values if value in shown]


# The configuration.


def test_each_layer_adds_to_the_policy_and_none_takes_away(tmp_path: Path) -> None:
    home = {"HOME": str(tmp_path / "home"), "NIGHTSHIFT_POLICY_FORBIDDEN_IMPORTS": "socket, ssl"}
    user = tmp_path / "home" / ".config" / "nightshift" / "config.toml"
    user.parent.mkdir(parents=True)
    user.write_text('[policy]\nprotected = ["*.sql", "infra/*"]\nforbidden_imports = ["requests"]\n')
    project = tmp_path / "project"
    project.mkdir()
    (project / "nightshift.toml").write_text('[policy]\nprotected = ["*.sql", "docs/*"]\nforbidden_imports = []\n')
    found = load({}, home, project).policy
    assert found == Policy(("*.sql", "infra/*", "docs/*"), ("requests", "socket", "ssl"))
