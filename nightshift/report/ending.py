"""The files that tell how a run ended, each derived from its trace: report, handoff, result; the result last."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nightshift.records import Record
from nightshift.report.handoff import handoff_of
from nightshift.report.html import report_of
from nightshift.report.pull_request import pull_request_of
from nightshift.report.result import result_of, write_atomically
from nightshift.selfplay import selfplay_lines


def write_ending(run_dir: Path, records: Sequence[Record], *, selfplay: bool = True) -> dict[str, Any]:
    """Writes what the contract names and returns the result. Raises DiskFull."""
    result = result_of(records)
    write_atomically(run_dir / "report.html", report_of(records))
    if selfplay and (lines := selfplay_lines(records)):
        write_atomically(run_dir / "selfplay.jsonl", "".join(f"{line}\n" for line in lines))
    if told := pull_request_of(records):
        write_atomically(run_dir / "pull_request.md", told)
    if result["status"] == "passed":
        (run_dir / "handoff.md").unlink(missing_ok=True)
    else:
        write_atomically(run_dir / "handoff.md", handoff_of(records))
    write_atomically(run_dir / "result.json", json.dumps(result, indent=2, ensure_ascii=False) + "\n")
    return result
