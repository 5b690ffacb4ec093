from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nightshift.policy import (
    COMMAND_RULES,
    COMMIT_RULES,
    DONE_RULES,
    MAX_BYTES,
    TEXT_RULES,
    WRITE_RULES,
    Action,
    Policy,
    Rule,
    Write,
    collision,
    deny_path,
    deny_text,
    deny_write,
    first_denial,
    is_secret,
)


@pytest.mark.parametrize(
    "path",
    [
        "app.py",
        "pkg/app.py",
        "tests/test_app.py",
        "README.md",
        "a b.txt",
        "ä.py",
        ".github/x.yml",
        "..x/a.py",
        "\u0442\u0435\u0441\u0442.py",
        "\u65e5\u672c\u8a9e/a1.py",
        "a.b.c/d e.f.py",
        "x/proj-evil/a.py",
        "conf/.flake8",
    ],
)
def test_plain_paths_may_be_written(path: str) -> None:
    assert deny_path(path) is None


@pytest.mark.parametrize(
    "path, reason",
    [
        ("", "empty"), ("  ", "empty"), (".", "plainly"), ("..", "plainly"), ("../x.py", "plainly"),
        ("a/../../x.py", "plainly"), ("a/./b.py", "plainly"), ("a//b.py", "plainly"), ("a/", "plainly"),
        ("/etc/passwd", "relative"), ("//host/share", "relative"),
        ("a\\b.py", "forward slashes"), ("C:/x.py", "drive"), ("c:x.py", "drive"), ("~/x.py", "~"), ("~root/x.py", "~"),
        ("-rf.py", "'-'"), ("a/-x/b.py", "'-'"),
        ("a\0.py", "invisible"), ("a\n.py", "invisible"), ("a\x1b[31m.py", "invisible"), ("a\u202e.py", "invisible"),
        (".g\u200cit/config", "invisible"), ("\udcff.py", "invisible"),
        (".git/config", "not the project's"), ("sub/.git/hooks/post-commit", "not the project's"), (".GIT/config", "not the project's"),
        (".git", "not the project's"), (".nightshift/lock", "not the project's"), ("node_modules/x.js", "not the project's"),
        (".venv/lib/x.py", "not the project's"),
        ("x" * 241, "longer"), ("ä" * 121, "longer"),
        (".env", "keys or credentials"), ("deploy/id_rsa", "keys or credentials"),
        ("../proj-evil/a.py", "plainly"), ("/x/proj-evil/a.py", "relative"), ("a/../../proj-evil/a.py", "plainly"),
        ("\\\\server\\share", "forward slashes"), ("..\\a.py", "forward slashes"), ("D:\\a.py", "forward slashes"),
        (".git.", "end with '.'"), (".git /config", "space"), ("a.py ", "space"), (" a.py", "space"), ("a/b./c.py", "end with '.'"),
        ("...", "end with '.'"), (".git::$INDEX_ALLOCATION/config", "not the project's"), ("GIT~1/config", "not the project's"),
        (".Git/config", "not the project's"), (".\uff47it/config", "plain letters"), ("\uff0e\uff0e/a.py", "only look like"),
        ("a\u2215b.py", "only look like"), ("a\u2044b.py", "only look like"), ("\u2025/a.py", "only look like"),
        ("a\u0308.py", "composed form"), ("\ufb01le.py", "plain letters"), ("conftes\u0442.py", "two scripts"),
        ("\u0430pp.py", "two scripts"), ("nightshift.toml", "not the project's"), ("sub/NightShift.toml", "not the project's"),
        (".hg/hgrc", "not the project's"),
    ],
)  # fmt: skip
def test_a_path_that_leaves_the_project_or_disguises_itself_is_denied(path: str, reason: str) -> None:
    denied = deny_path(path)
    assert denied is not None
    assert reason in denied
    assert repr(path) in denied


@given(st.text(max_size=300))
def test_every_allowed_path_stays_below_its_root(path: str) -> None:
    if deny_path(path) is None:
        parts = path.split("/")
        assert all(part not in ("", ".", "..", ".git") for part in parts)
        assert path.isprintable()


NAMED = frozenset({"pyproject.toml", "tests/conftest.py", "x.pth"})


@pytest.mark.parametrize(
    "path",
    [
        "pyproject.toml", "conftest.py", "tests/conftest.py", "setup.cfg", "pytest.ini", "tox.ini", "sitecustomize.py",
        "a/b/sitecustomize.py", "x.pth", "Conftest.py", "PYPROJECT.TOML", "usercustomize.py", "pytest.toml",
        ".github/workflows/ci.yml", ".GitHub/Workflows/ci.yml", ".gitlab-ci.yml", ".circleci/config.yml", "Jenkinsfile",
        ".pre-commit-config.yaml",
    ],
)  # fmt: skip
def test_what_steers_tests_or_python_is_writable_only_when_the_plan_names_it(path: str) -> None:
    assert "steers" in (deny_write(Write(path, "")) or "")
    assert deny_write(Write(path, "", plan_paths=frozenset({path}))) is None


@pytest.mark.parametrize(
    "path, reason",
    [
        ("uv.lock", "lock file"), ("poetry.lock", "lock file"), ("web/package-lock.json", "lock file"), ("go.sum", "lock file"),
        ("a.pyc", "product"), ("x/__pycache__/a.txt", "product"), ("logo.png", "product"), ("dist.zip", "product"),
        ("a.py.orig", "product"), ("a.py~", "product"), ("data.sqlite3", "product"), ("pkg.egg-info/PKG-INFO", "product"),
        ("SUMMARY.md", "nobody asked"), ("NOTES.md", "nobody asked"), ("docs/test_report.md", "nobody asked"),
        ("IMPLEMENTATION_SUMMARY.md", "nobody asked"), ("final-report.txt", "nobody asked"), ("TODO.md", "nobody asked"),
        ("REPORT_2.rst", "nobody asked"),
    ],
)  # fmt: skip
def test_litter_is_written_only_when_the_plan_names_it(path: str, reason: str) -> None:
    assert reason in (deny_write(Write(path, "")) or "")
    assert deny_write(Write(path, "", plan_paths=frozenset({path}))) is None


@pytest.mark.parametrize(
    "path",
    ["README.md", "CHANGELOG.md", "docs/guide.md", "reporting.py", "notes.py", "summary/a.md", "lock.py", "a.sh"],
)
def test_what_a_project_is_made_of_is_no_litter(path: str) -> None:
    assert deny_write(Write(path, "")) is None


@pytest.mark.parametrize(
    "glob, path, protected",
    [
        ("migrations/*", "migrations/0001.py", True), ("migrations/*", "migrations/a/b.py", True),
        ("migrations", "migrations/0001.py", True), ("migrations/", "migrations/0001.py", True),
        ("*.sql", "db/x.SQL", True), ("./LICENSE", "license", True), ("src/secret_*.py", "src/secret_a.py", True),
        ("migrations/*", "my/migrations.py", False), ("*.sql", "sql.py", False),
    ],
)  # fmt: skip
def test_what_the_user_protects_is_never_written_also_when_the_plan_names_it(
    glob: str, path: str, protected: bool
) -> None:
    policy = Policy(protected=(glob,))
    assert (deny_write(Write(path, "", frozenset({path}), policy=policy)) is not None) is protected
    assert (deny_path(path, policy) is not None) is protected


@pytest.mark.parametrize("path", [".gitattributes", "pkg/.gitattributes", ".GitModules", ".gitmodules/x"])
def test_what_changes_a_checkout_is_never_written_also_when_the_plan_names_it(path: str) -> None:
    assert "changes what a checkout yields" in (deny_write(Write(path, "", plan_paths=frozenset({path}))) or "")
    assert deny_path(path) is not None


@pytest.mark.parametrize(
    "path, reason",
    [
        ("pkg", "'pkg': it is a folder, which holds 'pkg/a.py'"),
        ("pkg/sub", "'pkg/sub': it is a folder, which holds 'pkg/sub/b.py'"),
        ("app.py/x.py", "'app.py/x.py': 'app.py' is a file, and nothing can lie below it"),
        ("pkg/a.py/x/y.py", "'pkg/a.py/x/y.py': 'pkg/a.py' is a file, and nothing can lie below it"),
        ("pkg/a.py", None), ("pkg/c.py", None), ("pk", None), ("app", None), ("pkg.py", None), ("new/x.py", None),
    ],
)  # fmt: skip
def test_a_file_and_a_folder_cannot_share_a_path(path: str, reason: str | None) -> None:
    assert collision(path, ["pkg/sub/b.py", "pkg/a.py", "app.py"]) == reason
    assert collision(path, {}) is None


def test_a_plan_that_names_one_conftest_names_no_other() -> None:
    assert deny_write(Write("conftest.py", "", plan_paths=NAMED)) is not None


@pytest.mark.parametrize("by", ["builder", "tester", "test-blame"])
@pytest.mark.parametrize("path", ["tests/test_a.py", "tests/TEST_A.py"])
def test_the_users_own_tests_are_nobodys_to_change(by: str, path: str) -> None:
    write = Write(path, "", plan_paths=frozenset({path}), user_tests=frozenset({"tests/test_a.py"}), by=by)
    assert "user's own" in (deny_write(write) or "")


@pytest.mark.parametrize(
    "by, allowed", [("builder", False), ("tester", False), ("repairer", False), ("test-blame", True)]
)
def test_an_accepted_test_changes_only_by_test_blame(by: str, allowed: bool) -> None:
    write = Write("test_a.py", "", accepted_tests=frozenset({"test_a.py"}), by=by)
    assert (deny_write(write) is None) == allowed


@pytest.mark.parametrize(
    "text, allowed",
    [
        ("x" * MAX_BYTES, True),
        ("x" * (MAX_BYTES + 1), False),
        ("ä" * (MAX_BYTES // 2 + 1), False),
        ("a\0b", False),
    ],
)
def test_neither_huge_texts_nor_binaries_are_written(text: str, allowed: bool) -> None:
    assert (deny_write(Write("a.py", text)) is None) == allowed


def test_a_rule_that_raises_denies() -> None:
    def broken(write: Write) -> str | None:
        raise ZeroDivisionError("oops")

    assert "broken failed: ZeroDivisionError" in (first_denial((broken,), Write("a.py", "")) or "")


def raises(action: Action) -> str | None:
    raise RecursionError("deep")


@pytest.mark.parametrize("rules", [WRITE_RULES, TEXT_RULES, COMMAND_RULES, COMMIT_RULES, DONE_RULES])
def test_rules_are_asked_in_order_and_fail_closed(rules: tuple[Rule[Write], ...]) -> None:
    """An action that no rule understands is denied too: each of the lists meets one of another kind."""
    assert "failed: RecursionError" in (first_denial((raises, *rules), Write("a.py", "x = 1\n")) or "")
    odd = Write(3, None)  # type: ignore[arg-type]
    assert " failed: " in (first_denial(rules, odd) or "")


FORBIDDEN = Policy(forbidden_imports=("requests", "os.system"))


@pytest.mark.parametrize(
    "line, denied",
    [
        ("import requests", True), ("import requests.adapters as r", True), ("from requests import get", True),
        ("from requests.adapters import *", True), ("__import__('requests')", True), ("from os import system", True),
        ("import importlib\nimportlib.import_module('requests.api')", True), ("def f():\n    import requests", True),
        ("import requests_like", False), ("from . import requests", False), ("import os", False), ("requests = 1", False),
        ("from os import path", False),
    ],
)  # fmt: skip
def test_new_code_imports_nothing_that_the_user_forbids(line: str, denied: bool) -> None:
    text = f"{line}\n\n\ndef f(a):\n    return a\n"
    reason = deny_write(Write("a.py", text, policy=FORBIDDEN))
    assert (reason is not None) is denied
    assert deny_write(Write("a.py", text)) is None
    assert deny_write(Write("a.txt", text, policy=FORBIDDEN)) is None
    assert deny_write(Write("a.py", text, previous=text, policy=FORBIDDEN)) is None, "what is there already may stay"


GITHUB = "ghp_" + "a1B2" * 9
SECRETS = {
    "a private key": "-----BEGIN RSA PRIVATE KEY-----\n" + "MIIEpAIBAAKCAQEA7bq" * 5,
    "an AWS key": "AKIA" + "ABCDEFGH12345678",
    "a GitHub token": GITHUB,
    "a Slack token": "xoxb-" + "123456789012-abcdefABCDEF123",
    "a Google key": "AIza" + "Sy" + "a" * 33,
    "a GitLab token": "glpat-" + "abcdefghij1234567890",
    "a Hugging Face token": "hf_" + "aB3" * 12,
    "the user's own credentials": "q9-Zt41xx",
}
OWN = frozenset({"q9-Zt41xx"})


@pytest.mark.parametrize("kind", SECRETS)
def test_a_key_is_not_written_and_the_reason_does_not_show_it(kind: str) -> None:
    text = f'KEY = """{SECRETS[kind]}"""\n'
    reason = deny_write(Write("a.py", text, secrets=OWN)) or ""
    assert kind in reason
    assert SECRETS[kind] not in reason
    assert SECRETS[kind] not in repr(Write("a.py", "", secrets=OWN))
    assert deny_write(Write("a.py", text, secrets=OWN, previous=text)) is None, "it was there before"


def test_another_key_of_a_kind_that_is_there_is_still_a_new_one() -> None:
    other = GITHUB.replace("a", "b")
    assert "GitHub" in (deny_write(Write("a.py", f"{GITHUB} {other}", previous=GITHUB)) or "")


@pytest.mark.parametrize(
    "text",
    [
        "KEY = os.environ['API_KEY']", "token = 'sk-test-1234567890'", "url = 'postgresql://user:pass@localhost/db'",
        "if pem.startswith('-----BEGIN RSA PRIVATE KEY-----'):", "AKIAIOSFODNN7EXAMPLE", "password = 'hunter2'",
        "-----BEGIN PUBLIC KEY-----\n" + "A" * 200,
    ],
)  # fmt: skip
def test_examples_are_no_keys(text: str) -> None:
    assert deny_write(Write("a.py", text, secrets=OWN)) is None


STUB = "def f(a, b):\n    pass\n\n\ndef g(a):\n    pass\n"


@pytest.mark.parametrize(
    "write, words",
    [
        (Write("a.py", STUB), "functions have no body"),
        (Write("a.py", "def f():\n    return 1\n", previous="def f():\n    return 1\n\n\ndef g():\n    return 2\n\n\ndef h():\n    return 3\n"), "drops g, h"),
        (Write("a.py", "import pytest\n\n\ndef f(a):\n    return a\n"), "test runner"),
        (Write("pyproject.toml", "[tool.pytest.ini_options]\naddopts = '--co'\n", kind="other"), "chooses which tests"),
        (Write("test_a.py", "import pytest\n", kind="test"), ""),
        (Write("test_a.py", STUB, kind="test"), ""),
        (Write("a.py", STUB, previous=STUB), "functions have no body"),
        (Write("a.md", "TODO", kind="other"), ""),
        (Write("a.md", "\0", kind="other"), "NUL"),
    ],
)  # fmt: skip
def test_a_reply_is_asked_for_what_only_its_author_can_mend(write: Write, words: str) -> None:
    reason = deny_text(write)
    assert (reason is None) is (words == "")
    assert words in (reason or "")


def test_a_text_that_cannot_be_encoded_is_denied_not_crashed_on() -> None:
    assert deny_write(Write("a.py", "\udcff")) is not None


@pytest.mark.parametrize(
    "path",
    [
        ".env", ".env.local", "prod.env", ".envrc", "a/.env", ".ENV", "cert.pem", "server.key", "id_rsa", "id_ed25519",
        "id_rsa.bak", ".netrc", ".npmrc", ".pypirc", ".pgpass", ".git-credentials", "credentials", "credentials.json",
        "aws_credentials.csv", "secrets.toml", "secrets.yaml", "client_secret_123.json", "service-account.json",
        ".aws/config", ".ssh/known_hosts", "home/.ssh/x", ".kube/config", ".docker/config.json", "x.p12", "x.kdbx",
        "terraform.tfstate", "prod.tfvars", "token.json",
    ],
)  # fmt: skip
def test_names_of_secrets_are_known(path: str) -> None:
    assert is_secret(path)


@pytest.mark.parametrize(
    "path",
    [
        "app.py",
        "credentials.py",
        "secrets.py",
        "environment.py",
        ".env.example",
        ".env.sample",
        "id_rsa.pub",
        "keys.md",
        "monkey.py",
        "token.py",
        "env",
        "a.env.md",
    ],
)
def test_code_and_templates_under_such_names_are_no_secrets(path: str) -> None:
    assert not is_secret(path)


@pytest.mark.parametrize("kind", ["", "RSA ", "EC ", "OPENSSH ", "ENCRYPTED "])
def test_a_private_key_is_a_secret_under_any_name(kind: str) -> None:
    assert is_secret("notes.txt", f"hello\n-----BEGIN {kind}PRIVATE KEY-----\nMII")
    assert not is_secret("notes.txt", "-----BEGIN PUBLIC KEY-----")
