"""Training data: only replies that are part of a proved result, in the very form they were sent and came."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import learned_run as learned
import pytest
import sample_run as sample
from learned_run import Story

from nightshift.dataset.export import export_runs, merge
from nightshift.dataset.files import judged
from nightshift.dataset.formats import FORMATS, read_line
from nightshift.dataset.gates import Bounds
from nightshift.dataset.split import SPLITS, group_of, split_of
from nightshift.dataset.writing import DatasetRefused, Selection
from nightshift.domain import Candidate
from nightshift.errors import ConfigError
from nightshift.prompting import fenced
from nightshift.records import Record
from nightshift.selfplay import selfplay_lines
from trace_collector import Trace

Lines = list[dict[str, Any]]
ALL = Selection()


def exported(
    tmp_path: Path, *runs: Path, form: str = "messages", selection: Selection = ALL
) -> tuple[dict[str, Any], Lines, Lines]:
    """The manifest, the examples, and where each comes from."""
    out = tmp_path / "out" / form
    manifest = export_runs([run / "trace.jsonl" for run in runs], out, form, selection)
    return manifest, lines_of(out, ""), lines_of(out, ".sources")


def lines_of(out: Path, kind: str) -> Lines:
    files = [out / f"{split}{kind}.jsonl" for split in SPLITS]
    return [json.loads(line) for file in files for line in file.read_bytes().splitlines()]


def spans(sources: Lines) -> list[str]:
    return [source["span"] for source in sources]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "r1"
    learned.passed_run(folder)
    return folder


WHOLE = [
    "plan/ask-2", "tests/tests/test_apple.py/sample-1", "tests/tests/test_apple.py/sample-2",
    "attempt-2/build/apple.py/candidate-1", "attempt-1/diagnose",
]  # fmt: skip


def test_plan_tests_file_and_diagnosis_of_the_result_are_learned_and_nothing_else(tmp_path: Path, run: Path) -> None:
    manifest, _, sources = exported(tmp_path, run)
    assert spans(sources) == WHOLE
    assert manifest["roles"] == {"analyst": 1, "builder": 1, "planner": 1, "tester": 2}
    assert manifest["left_out"] == {"output did not survive": 5}


def test_an_example_is_what_was_sent_and_what_came(tmp_path: Path, run: Path) -> None:
    _, examples, sources = exported(tmp_path, run)
    with Trace.resume(run_copy(tmp_path, run)) as trace:
        calls = {record.span: record.fields for record in trace.records() if record.kind == "call"}
    for example, source in zip(examples, sources, strict=True):
        call = calls[source["span"]]
        assert example == {"messages": [*call["messages"], {"role": "assistant", "content": call["text"]}]}


def run_copy(tmp_path: Path, run: Path) -> Path:
    folder = tmp_path / "copy" / run.name
    folder.mkdir(parents=True)
    (folder / "trace.jsonl").write_bytes((run / "trace.jsonl").read_bytes())
    return folder


@pytest.mark.parametrize(
    ("story", "reason"),
    [(Story(passes=False), "run not passed"), (Story(demo=True), "replies of the demo's tape")],
)
def test_nothing_is_learned_from_a_failed_run_or_from_the_demo(tmp_path: Path, story: Story, reason: str) -> None:
    learned.passed_run(tmp_path / "r", story)
    for form in FORMATS:
        manifest, examples, _ = exported(tmp_path, tmp_path / "r", form=form)
        assert not examples
        assert manifest["left_out"] == {reason: 10}


def test_a_claim_of_success_without_a_passing_verdict_is_not_believed(tmp_path: Path) -> None:
    with Trace.create(tmp_path / "r", "r") as trace:
        sample.start(trace)
        sample.judge(trace, 1, sample.verdict(False))
        sample.finish(trace, "passed", "passed", 0)
    assert exported(tmp_path, tmp_path / "r")[1] == []


def test_a_sample_with_a_test_in_doubt_is_not_learned_though_that_passed_in_the_end(tmp_path: Path) -> None:
    learned.passed_run(tmp_path / "r", Story(flaky=True))
    assert [span for span in spans(exported(tmp_path, tmp_path / "r")[2]) if span.startswith("tests/")] == [WHOLE[1]]


@pytest.mark.parametrize("final", ["fix", "splice"])
def test_a_file_made_without_a_model_is_nobodys_answer(tmp_path: Path, final: str) -> None:
    learned.passed_run(tmp_path / "r", Story(final=final))
    assert "builder" not in exported(tmp_path, tmp_path / "r")[0]["roles"]
    assert "builder" not in exported(tmp_path, tmp_path / "r", form="preference")[0]["roles"]


def test_thinking_is_not_learned_where_the_answer_is_the_same_without_it(tmp_path: Path) -> None:
    learned.passed_run(tmp_path / "r", Story(thinking="<think>\nplus or minus?\n</think>\n\n"))
    _, examples, sources = exported(tmp_path, tmp_path / "r")
    reply = examples[spans(sources).index(WHOLE[3])]["messages"][-1]["content"]
    assert reply.startswith("Here it is:")


def chosen_after(tmp_path: Path, *steps: Any) -> list[str]:
    """The spans behind the files of a run that goes on as `steps` say, after a plan, and passes."""
    story = Story()
    with Trace.create(tmp_path / "r", "r") as trace:
        learned.start(trace, story)
        learned.call(trace, "planner", "plan/ask-1", story.planner_prompt(), json.dumps(story.plan))
        learned.planned(trace, story, 1)
        for step in steps:
            step(trace, story)
        trace.record("run_finished", "", status="passed", exit_reason="passed")
    return [span for span in spans(exported(tmp_path, tmp_path / "r")[2]) if "/build/" in span]


def built(span: str, note: str, label: str = "candidate-1", **fields: Any) -> Any:
    def step(trace: Trace, story: Story) -> None:
        code = story.code("+", note)
        learned.call(trace, "builder", f"{span}/{label}", story.builder_prompt(), fenced(code), **fields)
        learned.evaluate(trace, span, Candidate(story.path, code, "sample", label.split("/")[0]))
        learned.select(trace, span, story.path, label.split("/")[0], [label])

    return step


def verdict(number: int, passed: bool, tests: bool | None = None) -> Any:
    return lambda trace, story: learned.judge(trace, story, number, passed, tests=tests)


def reviewed(number: int, action: str) -> Any:
    def step(trace: Trace, _: Story) -> None:
        trace.record("guard", f"attempt-1/review-{number}", rule="review", action=f"objection to a: {action}")

    return step


ONE, TWO = "attempt-1/build/apple.py", "attempt-2/build/apple.py"
REVIEW = "attempt-1/review-1/build/apple.py"


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ([built(ONE, ""), verdict(1, True)], [f"{ONE}/candidate-1"]),
        ([built(ONE, "", "candidate-1", fault="stall"), verdict(1, True)], []),
        ([built(ONE, "", "candidate-1", stop_reason="length"), verdict(1, True)], []),
        ([built(ONE, ""), built(ONE, "", "candidate-1/retry-1"), verdict(1, True)], [f"{ONE}/candidate-1/retry-1"]),
        (
            [built(ONE, ""), verdict(1, True), built(REVIEW, " # b"), reviewed(1, "holds; nothing better came")],
            [f"{ONE}/candidate-1"],
        ),
        (
            [built(ONE, ""), verdict(1, True), built(REVIEW, " # b"), reviewed(1, "was upheld and is met"), verdict(1, True)],
            [f"{REVIEW}/candidate-1"],
        ),
        (
            [built(ONE, ""), verdict(1, True), built(REVIEW, " # b"), reviewed(1, "holds; what was made did not pass"),
             reviewed(2, "was upheld and is met"), verdict(1, True)],
            [f"{ONE}/candidate-1"],
        ),
        (
            [built(ONE, ""), verdict(1, True), built(TWO, " # worse"), verdict(2, False)],
            [f"{ONE}/candidate-1"],
        ),
        (
            [built(ONE, ""), verdict(1, False, True), built(TWO, " # worse"), verdict(2, False), verdict(3, True)],
            [f"{ONE}/candidate-1"],
        ),
    ],
)  # fmt: skip
def test_what_counts_is_the_reply_behind_what_was_delivered(
    tmp_path: Path, steps: list[Any], expected: list[str]
) -> None:
    assert chosen_after(tmp_path, *steps) == expected


def test_a_reply_that_the_runtime_would_read_otherwise_is_left_out(tmp_path: Path) -> None:
    def step(trace: Trace, story: Story) -> None:
        learned.call(trace, "builder", f"{ONE}/candidate-1", story.builder_prompt(), fenced(story.code("-")))
        learned.evaluate(trace, ONE, Candidate(story.path, story.code("+"), "sample", "candidate-1"))
        learned.select(trace, ONE, story.path, "candidate-1", ["candidate-1"])

    assert chosen_after(tmp_path, step, verdict(1, True)) == []


def test_a_repair_that_came_as_edits_is_learned_as_edits_and_never_preferred(tmp_path: Path) -> None:
    edit = "<<<<<<< SEARCH\n    total = 0\n=======\n    total = 0  # mended\n>>>>>>> REPLACE\n"

    def step(trace: Trace, story: Story) -> None:
        built(ONE, "")(trace, story)
        prompt = story.repairer_prompt(story.code("+"), "repairer_edit")
        learned.call(trace, "repairer", f"{ONE}/repair-1", prompt, edit)
        trace.record("repair", f"{ONE}/repair-1", path=story.path, outcome="repair-1 made from candidate-1")
        mended = story.code("+").replace("total = 0\n", "total = 0  # mended\n")
        learned.evaluate(trace, ONE, Candidate(story.path, mended, "repair", "repair-1"))
        learned.select(trace, ONE, story.path, "repair-1", ["candidate-1", "repair-1"])

    assert chosen_after(tmp_path, step, verdict(1, True)) == [f"{ONE}/repair-1"]
    assert exported(tmp_path, tmp_path / "r", form="preference")[1] == []


# Preferences


def test_a_pair_is_the_winner_and_a_loser_on_a_prompt_that_was_sent(tmp_path: Path, run: Path) -> None:
    story = Story()
    manifest, pairs, sources = exported(tmp_path, run, form="preference")
    told = [(source["role"], source["tag"]) for source in sources]
    assert Counter(told) == {
        ("planner", "fail -> fix"): 1, ("tester", "same prompt"): 1, ("builder", "fail -> fix"): 3,
    }  # fmt: skip
    sent = [
        story.planner_prompt(),
        story.tester_prompt(),
        story.builder_prompt(),
        story.repairer_prompt(story.code("-")),
    ]
    assert all(pair["prompt"] in sent for pair in pairs)
    assert manifest["examples"] == len(pairs)


def test_candidates_that_were_told_different_approaches_answer_the_prompt_without_one(tmp_path: Path) -> None:
    story = Story()

    def step(trace: Trace, _: Story) -> None:
        for label, approach, code, failed in (
            ("candidate-1", "", story.code("-"), "tests"),
            ("candidate-2", "think\u2028of # Approach", story.code("+"), ""),
        ):
            learned.call(trace, "builder", f"{ONE}/{label}", story.builder_prompt(approach), fenced(code))
            learned.evaluate(trace, ONE, Candidate(story.path, code, "sample", label), failed)
        learned.select(trace, ONE, story.path, "candidate-2", ["candidate-1", "candidate-2"])

    chosen_after(tmp_path, step, verdict(1, True))
    _, (pair,), (source,) = exported(tmp_path, tmp_path / "r", form="preference")
    assert (source["tag"], pair["prompt"]) == ("same prompt", story.builder_prompt())
    assert pair["chosen"] == [{"role": "assistant", "content": fenced(story.code("+"))}]
    assert pair["rejected"] == [{"role": "assistant", "content": fenced(story.code("-"))}]


def test_candidates_that_did_equally_well_are_no_pair(tmp_path: Path) -> None:
    chosen_after(tmp_path, built(ONE, ""), built(ONE, "  # other", "candidate-2"), verdict(1, True))
    assert exported(tmp_path, tmp_path / "r", form="preference")[1] == []


# Formats and files


@pytest.mark.parametrize("form", FORMATS)
def test_every_line_is_read_back_as_it_was_written_and_holds_only_the_keys_of_the_contract(
    tmp_path: Path, run: Path, form: str
) -> None:
    _, lines, _ = exported(tmp_path, run, form=form)
    assert lines
    for line in lines:
        assert line.keys() == FORMATS[form].keys
        assert FORMATS[form].write(read_line(line, FORMATS[form])) == line


def test_instruction_input_and_output_are_the_three_messages(tmp_path: Path, run: Path) -> None:
    pairs = zip(exported(tmp_path, run)[1], exported(tmp_path, run, form="instruct")[1], strict=True)
    for one, other in pairs:
        assert [message["content"] for message in one["messages"]] == list(other.values())


def test_the_manifest_says_what_is_in_the_files_and_exporting_again_changes_no_byte(tmp_path: Path, run: Path) -> None:
    manifest, _, _ = exported(tmp_path, run)
    out = tmp_path / "out" / "messages"
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    for name, told in manifest["files"].items():
        assert told["sha256"] == hashlib.sha256(before[name]).hexdigest()
        assert told["examples"] == before[name].count(b"\n")
    assert json.loads(before["manifest.json"]) == manifest
    exported(tmp_path, run)
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before


WORDS = ["pear", "plum", "fig", "lime", "kiwi", "date", "nut", "bean", "corn", "leek"]


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("many")
    for word in WORDS:
        learned.passed_run(folder / word, Story(word))
    return [folder / word for word in WORDS]


def test_a_task_is_in_one_split_and_stays_there_when_more_are_added(tmp_path: Path, many: list[Path]) -> None:
    out = tmp_path / "out" / "messages"

    def groups() -> dict[str, set[str]]:
        files = {split: (out / f"{split}.sources.jsonl").read_bytes().splitlines() for split in SPLITS}
        return {split: {json.loads(line)["group"] for line in lines} for split, lines in files.items()}

    exported(tmp_path, *many[:4])
    few = groups()
    exported(tmp_path, *many)
    all_ = groups()
    assert all(few[split] <= all_[split] for split in SPLITS)
    assert sum(map(len, all_.values())) == len(set().union(*all_.values())) == len(WORDS)


def test_eight_in_ten_tasks_are_for_training() -> None:
    sizes = Counter(split_of(group_of(f"task {number}")) for number in range(5000))
    assert [round(sizes[split] / 5000, 1) for split in SPLITS] == [0.8, 0.1, 0.1]


def test_case_and_white_space_make_no_other_task() -> None:
    assert group_of("Write  a\nCLI ") == group_of("write a cli")


def test_an_example_is_used_once_whoever_comes_first(tmp_path: Path, run: Path) -> None:
    learned.passed_run(tmp_path / "twin", Story())
    manifest, examples, _ = exported(tmp_path, run, tmp_path / "twin")
    assert len(examples) == len(WHOLE)
    assert manifest["left_out"]["duplicate"] == len(WHOLE)


def test_roles_domains_and_numbers_can_be_selected(tmp_path: Path, many: list[Path]) -> None:
    def roles(**wanted: Any) -> dict[str, int]:
        return exported(tmp_path, *many, selection=Selection(**wanted))[0]["roles"]

    assert roles(roles=frozenset({"builder", "analyst"})) == {"analyst": 10, "builder": 10}
    assert roles(domains=frozenset({"testing"})) == {"tester": 20}
    assert roles(per_role=3) == {"analyst": 3, "builder": 3, "planner": 3, "tester": 3}
    assert sum(roles(per_task=2).values()) == 20


def test_a_damaged_trace_is_left_out_and_does_not_hide_the_others(tmp_path: Path, run: Path) -> None:
    broken = run_copy(tmp_path, run)
    (broken / "trace.jsonl").write_bytes((run / "trace.jsonl").read_bytes().replace(b'"seq": 3', b'"seq": x', 1))
    manifest, examples, _ = exported(tmp_path, broken, run)
    assert (manifest["left_out"]["trace damaged"], len(examples)) == (1, len(WHOLE))


def test_datasets_join_without_doubles_and_keep_their_splits(tmp_path: Path, many: list[Path]) -> None:
    for name, runs in (("a", many[:6]), ("b", many[4:])):
        export_runs([run / "trace.jsonl" for run in runs], tmp_path / name, "messages", Selection())
    merged = merge([tmp_path / "a", tmp_path / "b"], tmp_path / "ab", Selection())
    whole = export_runs([run / "trace.jsonl" for run in many], tmp_path / "whole", "messages", Selection())
    assert merged["splits"] == whole["splits"]
    assert merged["left_out"] == {"duplicate": 10}
    assert judged(tmp_path / "ab", Bounds()).problems == []
    filtered = merge([tmp_path / "ab"], tmp_path / "f", Selection(roles=frozenset({"tester"})))
    assert filtered["roles"] == {"tester": 20}


def test_datasets_of_two_formats_are_not_mixed(tmp_path: Path, run: Path) -> None:
    for form in ("messages", "preference"):
        exported(tmp_path, run, form=form)
    out = tmp_path / "out"
    with pytest.raises(ConfigError, match=r"is messages and .* is preference"):
        merge([out / "messages", out / "preference"], tmp_path / "both", Selection())
    with pytest.raises(ConfigError, match="one of the datasets to read"):
        merge([out / "messages"], out / "messages", Selection())


def test_when_a_gate_refuses_the_whole_the_earlier_dataset_stays(tmp_path: Path, many: list[Path]) -> None:
    exported(tmp_path, many[0])
    before = {path.name: path.read_bytes() for path in (tmp_path / "out" / "messages").iterdir()}
    with pytest.raises(DatasetRefused, match="20 of 50 examples are the tester's"):
        exported(tmp_path, *many, selection=Selection(bounds=Bounds(max_share=0.3)))
    assert {path.name: path.read_bytes() for path in (tmp_path / "out" / "messages").iterdir()} == before


# Self-play


def selfplay(records: list[Record]) -> Lines:
    return [json.loads(line) for line in selfplay_lines(records)]


def test_a_passed_run_tells_requirement_interface_and_delivered_file_by_domain(tmp_path: Path) -> None:
    story = Story()
    (line,) = selfplay(learned.passed_run(tmp_path / "r", story))
    assert line == {
        "instruction": f"Task: {story.task}\n\nWrite apple.py: totals apple",
        "input": "Interface:\ndef total_apple(prices: dict[str, int]) -> int: ...",
        "output": story.code("+"),
        "domain": "parsing",
        "path": "apple.py",
    }


@pytest.mark.parametrize(
    "story",
    [Story(passes=False), Story(demo=True), Story(extra="\n    key = 'sk-live-a1b2c3d4e5f6a7b8'")],
    ids=["failed", "demo", "secret"],
)
def test_self_play_goes_through_the_same_gates(tmp_path: Path, story: Story) -> None:
    assert selfplay(learned.passed_run(tmp_path / "r", replace(story))) == []
