"""What is printed, captured, logged and warned of."""

import logging
import os
import subprocess
import sys
import tempfile
import warnings

import pytest

print("while it was imported")


def test_capsys(capsys):
    print("out")
    print("err", file=sys.stderr)
    assert capsys.readouterr() == ("out\n", "err\n")


def test_capfd(capfd):
    os.write(1, b"raw\n")
    subprocess.run(["echo", "child"])
    assert capfd.readouterr().out == "raw\nchild\n"


def test_caplog(caplog):
    logging.getLogger("a").warning("hot")
    assert caplog.messages == ["hot"]


def test_shows_what_it_printed():
    print("printed before it failed")
    logging.getLogger("b").error("logged before it failed")
    os.write(2, b"written before it failed\n")
    raise AssertionError


def test_warns():
    warnings.warn("once", DeprecationWarning, stacklevel=1)


@pytest.mark.filterwarnings("error")
def test_warnings_as_errors():
    warnings.warn("twice", UserWarning, stacklevel=1)


def test_recwarn(recwarn):
    warnings.warn("seen", UserWarning, stacklevel=1)
    assert len(recwarn) == 1


def test_stdin():
    assert sys.stdin.isatty() is False
    with pytest.raises(OSError, match="reading from stdin"):
        sys.stdin.read()


def test_without_capture(capsys):
    with capsys.disabled():
        print("straight to the terminal")


def test_tmp_path(tmp_path, tmp_path_factory):
    assert tmp_path.parent.name == "pytest-0"
    assert tempfile.mkdtemp().startswith("/tmp/")


def test_invalid_escape():
    assert eval(r"'\d'") == "\\d"
