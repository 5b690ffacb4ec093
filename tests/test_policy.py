from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nightshift.policy import MAX_BYTES, Write, collision, deny_path, deny_write, first_denial, is_secret


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
    ],
)  # fmt: skip
def test_what_steers_tests_or_python_is_writable_only_when_the_plan_names_it(path: str) -> None:
    assert "steers" in (deny_write(Write(path, "")) or "")
    assert deny_write(Write(path, "", plan_paths=frozenset({path}))) is None


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
