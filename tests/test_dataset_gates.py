"""Every gate refuses what it is for, and a dataset with one bad line is refused as a whole."""

from __future__ import annotations

import json
import random
from collections import Counter
from pathlib import Path
from typing import Any

import learned_run as learned
import pytest
from hypothesis import given
from hypothesis import strategies as st
from learned_run import Story
from planted_secrets import HARMLESS, SECRETS

from nightshift.dataset.domains import domain_of, domain_of_all
from nightshift.dataset.example import Example, Source
from nightshift.dataset.export import export_runs
from nightshift.dataset.files import judged
from nightshift.dataset.formats import FORMATS, read_line
from nightshift.dataset.gates import BENCHMARKS, FEWEST, GATES, Bounds, refusal, unbalanced
from nightshift.dataset.near import Seen, likeness, sketch
from nightshift.dataset.secrets import holds_secret
from nightshift.dataset.split import group_of, split_of
from nightshift.dataset.writing import Selection, write_dataset
from nightshift.disk import write_atomically

SYSTEM = {"role": "system", "content": "You write one file."}
USER = {"role": "user", "content": "Write a parser for dates."}
REPLY = {"role": "assistant", "content": "```python\nprint('no date')\n```"}
GOOD = [SYSTEM, USER, REPLY]


def said(text: str) -> dict[str, str]:
    return {"role": "assistant", "content": text}


def test_the_planted_set_has_fifty_secrets_and_each_is_seen() -> None:
    assert len(set(SECRETS)) == 50
    assert [secret for secret in SECRETS if not holds_secret(f"x = 1\n{secret}\ny = 2")] == []


@pytest.mark.parametrize("text", HARMLESS)
def test_ordinary_code_is_no_secret(text: str) -> None:
    assert not holds_secret(text)


@pytest.mark.parametrize("form", FORMATS)
def test_no_planted_secret_gets_into_any_file_of_a_dataset(tmp_path: Path, form: str) -> None:
    """Fifty in a question, fifty in an answer, fifty in an answer that is worse; only the harmless one gets in."""
    planted = [(secret, "", "") for secret in SECRETS] + [("", secret, "") for secret in SECRETS]
    planted += [("", "", secret) for secret in SECRETS] if form == "preference" else []
    told = [("", "", ""), *planted]
    examples = [
        example(f"{LONG}{n}\n{asked}", f"x = {n}\n{reply}", f"y = {n}\n{worse}" if form == "preference" else None)
        for n, (asked, reply, worse) in enumerate(told)
    ]
    left_out: Counter[str] = Counter()
    manifest = write_dataset(examples, tmp_path, FORMATS[form], Selection(), left_out)
    assert (manifest["examples"], manifest["left_out"]) == (1, {"secret": len(planted)})
    written = b"".join(path.read_bytes() for path in tmp_path.iterdir()).decode()
    assert [secret for secret in SECRETS if json.dumps(secret)[1:-1] in written] == []


@pytest.mark.parametrize(
    "story", [Story(asked="\n" + SECRETS[8]), Story(extra="  # " + SECRETS[8])], ids=["asked", "said"]
)
def test_a_secret_in_a_run_reaches_no_file(tmp_path: Path, story: Story) -> None:
    learned.passed_run(tmp_path / "r", story)
    for form in FORMATS:
        export_runs([tmp_path / "r" / "trace.jsonl"], tmp_path / form, form, Selection())
        assert SECRETS[8] not in "".join(path.read_text() for path in (tmp_path / form).iterdir())


LINES: list[tuple[str, Any]] = [
    ("odd keys", {"text": "<|im_start|>user"}),
    ("odd keys", {"messages": GOOD, "id": 7}),
    ("odd keys", {"messages": [USER, {**REPLY, "name": "x"}]}),
    ("odd keys", {"messages": [USER, {"role": "assistant", "content": None}]}),
    ("odd keys", {"messages": "text"}),
    ("odd keys", ["text"]),
    ("odd roles", {"messages": [USER]}),
    ("odd roles", {"messages": GOOD[:2]}),
    ("odd roles", {"messages": [SYSTEM, REPLY]}),
    ("odd roles", {"messages": [USER, USER, REPLY]}),
    ("odd roles", {"messages": [*GOOD, REPLY]}),
    ("odd roles", {"messages": [USER, SYSTEM, REPLY]}),
    ("odd roles", {"messages": [USER, {"role": "tool", "content": "t"}, REPLY]}),
    ("blank", {"messages": [USER, said(" \n")]}),
    ("blank", {"messages": [{"role": "user", "content": ""}, REPLY]}),
    ("unclosed", {"messages": [USER, said("```python\nx = 1\n")]}),
    ("unclosed", {"messages": [USER, said("<think>\nso\n```python\nx = 1\n```")]}),
    ("over-length", {"messages": [USER, said("word " * 6000)]}),
    ("secret", {"messages": [USER, said(SECRETS[8])]}),
    (
        "benchmark",
        {"messages": [{"role": "user", "content": (BENCHMARKS / "01-calculator/prompt.md").read_text()}, REPLY]},
    ),
    ("no difference", {"prompt": [USER], "chosen": [said("x = 1")], "rejected": [said("x  =  1\n")]}),
    ("no JSON", None),
]


@pytest.mark.parametrize(("gate", "line"), LINES)
def test_a_bad_line_is_named_by_file_and_number_and_does_not_hide_the_next(
    tmp_path: Path, gate: str, line: Any
) -> None:
    good: Any = {"messages": GOOD}
    if gate == "no difference":
        good = {"prompt": GOOD[:2], "chosen": [REPLY], "rejected": [said("no idea")]}
    bad = "{" if line is None else json.dumps(line)
    other = json.loads(json.dumps(good).replace("dates", "numbers").replace("no date", "quite another reply"))
    write_atomically(
        tmp_path / "data.jsonl", "".join(f"{text}\n" for text in (json.dumps(good), bad, json.dumps(other), bad))
    )
    problems = judged(tmp_path / "data.jsonl", Bounds()).problems
    assert len(problems) == 2
    assert problems[0].startswith(f"data.jsonl:2: {gate}")
    assert problems[1].startswith("data.jsonl:4: ")


def test_every_gate_has_a_line_that_it_refuses() -> None:
    assert set(GATES) <= {gate for gate, _ in LINES}


@pytest.mark.parametrize(
    "reply",
    [
        "class Foo:\n    pass",
        "from __future__ import annotations",
        "yes",
        "print the result as unicode",
        "русский текст",
    ],
)
def test_good_answers_are_not_refused_for_their_looks(reply: str) -> None:
    assert refusal(read_line({"messages": [SYSTEM, USER, said(reply)]}, FORMATS["messages"]), Bounds()) == ""


def test_two_turns_are_a_conversation_too() -> None:
    assert refusal(read_line({"messages": [*GOOD, USER, REPLY]}, FORMATS["messages"]), Bounds()) == ""


# What only the whole shows


def example(asked: str, reply: str, rejected: str | None = None, group: str = "g") -> Example:
    return Example((SYSTEM, {"role": "user", "content": asked}), reply, rejected, Source(group=group))


LONG = " ".join(f"line{i} = value{i * i % 97}" for i in range(60))
OTHER = " ".join(f"row{i} + cell{i * 7 % 89}" for i in range(60))


@pytest.mark.parametrize(
    ("second", "fault"),
    [
        (example(LONG, LONG), "duplicate"),
        (example(LONG.upper() + "\n\n", "  " + LONG), "duplicate"),
        (example(LONG, LONG.replace("line30", "line_30")), "near duplicate"),
        (example(LONG.replace("line30", "l30"), LONG.replace("line40", "l40")), "near duplicate"),
        (example(LONG, OTHER), ""),
        (example(OTHER, LONG), ""),
    ],
)
def test_the_same_and_nearly_the_same_example_is_let_in_once(second: Example, fault: str) -> None:
    seen = Seen()
    assert seen.fault(example(LONG, LONG), "train") == ""
    assert seen.fault(second, "train") == fault


def test_a_prompt_of_one_split_is_not_let_into_another_whatever_the_reply() -> None:
    seen = Seen()
    assert seen.fault(example(LONG, LONG), "train") == ""
    assert seen.fault(example(LONG.replace("line3 ", "line_3 "), OTHER), "test") == "prompt of another split"
    assert seen.fault(example(OTHER, LONG), "test") == ""


def test_the_estimate_of_likeness_is_near_the_truth() -> None:
    rng = random.Random(7)
    words = [str(rng.randrange(10**6)) for _ in range(1000)]
    changed = [str(rng.randrange(10**6)) if rng.random() < 0.1 else word for word in words]
    assert likeness(sketch(" ".join(words)), sketch(" ".join(words))) == 1
    assert 0.35 < likeness(sketch(" ".join(words)), sketch(" ".join(changed))) < 0.75
    assert likeness(sketch(" ".join(words)), sketch(" ".join(words[::-1]))) < 0.1


@given(st.text(max_size=60), st.text(max_size=60))
@pytest.mark.slow
def test_no_text_breaks_a_gate_and_equal_examples_never_escape(asked: str, reply: str) -> None:
    seen = Seen()
    refusal(example(asked, reply), Bounds())
    seen.fault(example(asked, reply), "train")
    assert seen.fault(example(asked, reply), "train") == "duplicate"


@given(
    st.lists(st.tuples(st.text(), st.text(min_size=1), st.text(min_size=1)), max_size=3),
    st.sampled_from(sorted(FORMATS)),
)
def test_what_was_written_is_read_back_whatever_the_text(texts: list[tuple[str, str, str]], form: str) -> None:
    for asked, reply, rejected in texts:
        given_ = example(asked, reply, rejected if form == "preference" else None)
        line = json.loads(json.dumps(FORMATS[form].write(given_)))
        told = read_line(line, FORMATS[form])
        assert (told.prompt, told.reply, told.rejected) == (given_.prompt, given_.reply, given_.rejected)


def test_roles_are_unbalanced_when_one_has_more_than_its_share_of_enough_examples() -> None:
    assert unbalanced({"builder": 90, "planner": 10}, Bounds()).startswith("unbalanced roles: 90 of 100")
    assert unbalanced({"builder": 80, "planner": 20}, Bounds()) == ""
    assert unbalanced({"builder": 100}, Bounds()) == ""
    assert unbalanced({"builder": FEWEST - 2, "planner": 1}, Bounds()) == ""


def dataset(folder: Path, lines: dict[str, list[tuple[Any, Source]]]) -> Path:
    for split, entries in lines.items():
        write_atomically(folder / f"{split}.jsonl", "".join(json.dumps(line) + "\n" for line, _ in entries))
        sources = ({"role": source.role, "group": source.group} for _, source in entries)
        write_atomically(folder / f"{split}.sources.jsonl", "".join(json.dumps(source) + "\n" for source in sources))
    return folder


def of_split(split: str, number: int = 0) -> str:
    """A group that belongs there."""
    found = (group_of(f"task {n}") for n in range(1000))
    return [group for group in found if split_of(group) == split][number]


def line(asked: str, reply: str) -> dict[str, Any]:
    return {"messages": [SYSTEM, {"role": "user", "content": asked}, said(reply)]}


def test_a_dataset_with_a_task_in_the_wrong_split_leaks(tmp_path: Path) -> None:
    stray = Source(role="builder", group=of_split("train"))
    folder = dataset(tmp_path / "d", {"train": [(line(LONG, LONG), stray)], "test": [(line(OTHER, OTHER), stray)]})
    assert judged(folder, Bounds()).problems == ["test.jsonl:1: leak: its task belongs to train"]


def test_a_dataset_with_one_prompt_in_two_splits_leaks(tmp_path: Path) -> None:
    parts = {
        split: [(line(LONG, reply), Source(group=of_split(split)))]
        for split, reply in (("train", LONG), ("valid", OTHER))
    }
    assert judged(dataset(tmp_path / "d", parts), Bounds()).problems == [
        "valid.jsonl:1: leak: a prompt of another split"
    ]


def test_an_unbalanced_dataset_is_refused(tmp_path: Path) -> None:
    rng = random.Random(1)

    def words() -> str:
        return " ".join(str(rng.randrange(10**9)) for _ in range(40))

    roles = ["builder"] * FEWEST + ["planner"]
    entries = [(line(words(), words()), Source(role=role, group=of_split("train"))) for role in roles]
    (problem,) = judged(dataset(tmp_path / "d", {"train": entries}), Bounds()).problems
    assert problem.startswith("unbalanced roles: 40 of 41 examples are the builder's")


def test_a_dataset_that_was_changed_after_its_export_is_refused(tmp_path: Path) -> None:
    learned.passed_run(tmp_path / "r")
    export_runs([tmp_path / "r" / "trace.jsonl"], tmp_path / "d", "messages", Selection())
    assert judged(tmp_path / "d", Bounds()).problems == []
    file = max(
        (path for path in (tmp_path / "d").glob("*.jsonl") if ".sources" not in path.name),
        key=lambda path: path.stat().st_size,
    )
    file.write_bytes(file.read_bytes().replace(b"apple", b"peach"))
    (problem,) = judged(tmp_path / "d", Bounds()).problems
    assert "is not what the manifest says" in problem
    file.unlink()
    assert f"{file.name} is missing" in judged(tmp_path / "d", Bounds()).problems


@pytest.mark.parametrize(
    ("code", "domain"),
    [
        ("import flask", "web_api"), ("from fastapi import FastAPI", "web_api"), ("import argparse", "cli"),
        ("import sqlite3\nimport argparse", "database"), ("import pytest\nimport flask", "testing"),
        ("from bs4 import BeautifulSoup", "scraping"), ("import asyncio", "async"), ("import json", "parsing"),
        ("import threading", "concurrency"), ("x = 'import flask'", "library"), ("from pathlib import Path", "files"),
    ],
)  # fmt: skip
def test_the_domain_is_told_by_the_most_telling_import(code: str, domain: str) -> None:
    assert domain_of(code) == domain


def test_a_program_is_about_what_its_files_are_about_tests_aside() -> None:
    assert domain_of_all(["testing", "x = 1"]) == "library"
    assert domain_of_all(["import pytest", "import json", "import sqlite3"]) == "database"
