"""The suite that measures the judge runs to its end; what it says of speed is not a test's business."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.mark.slow
def test_the_judge_suite_measures_and_finds_no_wrong_verdict_and_no_drift() -> None:
    command = [sys.executable, "benchmark.py", "--suite", "judge", "--quick", "--json"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode in (0, 1), done.stderr
    figures = {figure["name"]: figure for figure in json.loads(done.stdout)["figures"]}
    assert figures["warm, jailed: times as fast as cold without autoload"]["value"] > 0
    assert figures["soak: candidates"]["value"] == 80
    for name in ("wrong verdicts", "directories left", "growth of files"):
        assert figures[f"soak: {name}"]["value"] == 0
