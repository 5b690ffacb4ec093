"""What is bent stays bent for one test, and what is broken for good stays within one run."""

import builtins
import json
import os
import sys

import pytest


def test_environment(monkeypatch):
    monkeypatch.setenv("WHO", "nightshift")
    monkeypatch.setattr(os, "getcwd", lambda: "/elsewhere")
    monkeypatch.setattr(sys, "platform", "plan9")
    monkeypatch.syspath_prepend("/nowhere")
    assert (os.environ["WHO"], os.getcwd(), sys.platform, sys.path[0]) == (
        "nightshift",
        "/elsewhere",
        "plan9",
        "/nowhere",
    )


def test_environment_is_back():
    assert "WHO" not in os.environ
    assert sys.platform == "linux"
    assert sys.argv[0] == "pytest"


def test_sabotage():
    builtins.nightshift_was_here = True
    json.loads = lambda *_: "broken"
    os.environ["LEFT"] = "behind"
    sys.modules["colorsys"] = None
    with open("left-in-the-tree", "w") as file, open("/tmp/left", "w") as other, open("/dev/shm/left", "w") as third:
        print("x", file=file)
        print("x", file=other)
        print("x", file=third)
    os.chdir("/tmp")


def test_a_run_begins_clean():
    """Fails if the test above has run in this process, as it has."""
    import colorsys

    assert not hasattr(builtins, "nightshift_was_here")
    assert colorsys


@pytest.mark.parametrize("name", ["left-in-the-tree", "/tmp/left", "/dev/shm/left"])
def test_files(name):
    assert os.path.exists(name) is (name != "left-in-the-tree")
