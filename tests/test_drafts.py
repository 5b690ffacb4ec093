"""What a builder replies is refused when it would lose what the file had, whatever kind of file it is."""

from __future__ import annotations

import pytest

from nightshift.domain import Completion, Step
from nightshift.errors import ReplyRejected
from nightshift.search.drafts import Laws, code_of

YAML = "debug: true\n" + "".join(f"key{number}:\n  value: {number}\n" for number in range(40))
STEP = Step("config.yaml", "other", "debug is off")


def read(text: str, previous: str) -> str:
    return code_of(STEP, Laws(), previous)(Completion(f"```yaml\n{text}```\n", "stop"))


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("debug: false\n", id="most of it is lost"),
        pytest.param(YAML.replace("true", "false") + "# ... rest of the file unchanged ...\n", id="elided"),
    ],
)
def test_a_file_that_is_no_program_keeps_what_it_had(text: str) -> None:
    with pytest.raises(ReplyRejected):
        read(text, YAML)


def test_a_change_and_a_new_file_are_taken() -> None:
    changed = YAML.replace("true", "false")
    assert read(changed, YAML) == changed
    assert read("debug: false\n", "") == "debug: false\n"
