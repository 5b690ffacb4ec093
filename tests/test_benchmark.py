"""The benchmark believes hidden tests, not claims."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from runs import serving, start
from scenario import RIGHT, TESTS, Scenario, fence

pytestmark = pytest.mark.slow


def benchmark(scenario: Scenario, tmp_path: Path) -> dict[str, object]:
    with serving(scenario) as server:
        process = start(
            "--suite",
            "quick",
            "--endpoint",
            server.url,
            "--json",
            "--out",
            str(tmp_path / "results"),
            cwd=tmp_path,
            home=tmp_path / "home",
            program="benchmark.py",
        )
        out, err = process.communicate(timeout=120)
    assert out, err
    told: dict[str, object] = json.loads(out)
    assert json.loads((tmp_path / "results" / "quick.json").read_text()) == told
    return told


def test_right_code_is_accepted_by_hidden_tests(tmp_path: Path) -> None:
    told = benchmark(Scenario(), tmp_path)
    assert (told["runs"], told["claimed"], told["accepted"], told["false_green"]) == (1, 1, 1, 0)


def test_a_shared_misunderstanding_is_counted_as_a_false_green(tmp_path: Path) -> None:
    """Tests and code agree on a wrong multiplication: the run passes its own checks, the hidden tests deny it."""
    tests = TESTS.replace("multiply(4, 2.5) == 10", "multiply(4, 2.5) == 6.5")
    code = RIGHT.replace("return a * b", "return a + b")
    told = benchmark(Scenario({"tester": fence(tests), "builder": fence(code)}), tmp_path)
    assert (told["claimed"], told["accepted"], told["false_green"]) == (1, 0, 1)
