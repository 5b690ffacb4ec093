"""What a calibration leaves behind: trials, the stored decision, the page, the profile."""

from __future__ import annotations

import re
import sqlite3
import tomllib
from dataclasses import fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

import config
from nightshift.calibrate.profile import advice, apply, as_toml, proposed
from nightshift.calibrate.report import report_of
from nightshift.calibrate.trials import MAX_RUNS, Ending, Knobs, Run, Trial, Trials, recipe_hash
from nightshift.errors import ConfigError

KNOBS = Knobs(32_768, 2, 0.4, "q8_0", "ngram-mod")
TRIAL = Trial(
    "sha256:1", "gate", "m:7b", "http://127.0.0.1:1", KNOBS, True, "", 1.5, 20.0, 4.0, 33.0, 0.05, 9, kept=True
)
FAILED = replace(TRIAL, recipe="sha256:2", ok=False, notes="cut: out of memory", exhausted=True, kept=False)
RUN = Run("r1", Ending.CHOSEN, "2026-01-01T00:00:00Z", "sha256:1", 0.4, "", {"cores": "8"}, ("sha256:1", "sha256:2"))
MACHINE, MODEL = {"cores": "8", "system": "Linux"}, {"name": "m", "bytes": "5"}


@pytest.fixture
def store(tmp_path):
    trials = Trials(tmp_path / "profiles" / "trials.sqlite")
    yield trials
    trials.close()


def test_trials_and_runs_come_back_as_they_were(store):
    store.add(TRIAL, "r1")
    store.add(FAILED, "r1")
    store.save_run(RUN)
    again = Trials(store.path)
    assert again.of(["sha256:2", "sha256:1", "sha256:3"]) == [FAILED, TRIAL]
    assert again.known("sha256:1") == TRIAL
    assert again.known("sha256:9") is None
    assert again.runs() == [RUN]
    again.close()


def test_what_may_be_otherwise_tomorrow_is_not_known(store):
    store.add(replace(FAILED, final=False), "r1")
    assert store.known(FAILED.recipe) is None


def test_a_failed_trial_without_a_reason_cannot_be_made():
    with pytest.raises(AssertionError, match="says why"):
        replace(TRIAL, ok=False, notes="")


def test_only_the_last_runs_are_kept(store):
    for number in range(MAX_RUNS + 3):
        store.save_run(replace(RUN, id=f"r{number}"))
    store.save_run(replace(RUN, id="r10", message="saved again"))
    kept = store.runs()
    assert len(kept) == MAX_RUNS
    assert kept[-1].message == "saved again"


@pytest.mark.parametrize("damage", [b"this is no database", b""], ids=["text", "cut"])
def test_a_damaged_file_is_set_aside_and_told(store, damage):
    store.add(TRIAL, "r1")
    store.close()
    whole = store.path.read_bytes()
    store.path.write_bytes(damage or whole[: len(whole) // 2 + 100])
    again = Trials(store.path)
    assert "damaged" in again.warning
    assert again.known(TRIAL.recipe) is None
    again.add(TRIAL, "r2")
    assert [file.read_bytes() for file in store.path.parent.glob("*.damaged-*")] == [
        damage or whole[: len(whole) // 2 + 100]
    ]
    again.close()


@pytest.mark.parametrize("fields", ["{", "{}", '{"knobs": {"context": 1}, "more": 1}'])
def test_rows_that_cannot_be_read_are_damage_too(store, fields):
    store.close()
    with sqlite3.connect(store.path) as db:
        db.execute("INSERT INTO trials VALUES ('a', 'r', 't', ?)", (fields,))
    db.close()
    again = Trials(store.path)
    assert "damaged" in again.warning
    again.close()


def test_a_file_of_a_newer_version_is_left_alone(store):
    store.close()
    with sqlite3.connect(store.path) as db:
        db.execute("PRAGMA user_version = 99")
    db.close()
    with pytest.raises(ConfigError, match="newer"):
        Trials(store.path)


@given(st.permutations(sorted(MACHINE.items())), st.permutations(sorted(MODEL.items())))
def test_a_recipe_is_the_same_in_any_order(machine, model):
    assert recipe_hash(dict(machine), dict(model), KNOBS, "p") == recipe_hash(MACHINE, MODEL, KNOBS, "p")


def test_a_recipe_changes_with_everything_that_is_set_and_nothing_that_is_measured():
    recipe = recipe_hash(MACHINE, MODEL, KNOBS, "p")
    assert re.fullmatch(r"sha256:[0-9a-f]{64}", recipe)
    others = {
        recipe_hash({**MACHINE, "cores": "9"}, MODEL, KNOBS, "p"),
        recipe_hash(MACHINE, {**MODEL, "bytes": "6"}, KNOBS, "p"),
        recipe_hash(MACHINE, MODEL, KNOBS, "q"),
        *(recipe_hash(MACHINE, MODEL, replace(KNOBS, **{name: value}), "p") for name, value in CHANGED.items()),
    }
    assert len(others - {recipe}) == 3 + len(CHANGED)


CHANGED = {"context": 1024, "parallel": 1, "temperature": 0.5, "kv_type": "", "speculation": ""}
assert set(CHANGED) == {field.name for field in fields(Knobs)}


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1), st.floats(0, 2))
def test_a_profile_says_in_toml_what_was_proposed(name, temperature):
    settings = proposed(replace(RUN, hottest=temperature), replace(TRIAL, model=name), (0.0, 0.4), ["http://a:1"])
    assert tomllib.loads(as_toml(settings, [name, "two\nlines"])) == settings


def test_a_server_of_ours_is_told_and_not_written():
    settings = proposed(RUN, TRIAL, (0.0, 0.8), [], managed=True)
    assert set(settings) == {"generation", "candidates"}
    assert advice(replace(TRIAL, spread=0.0), managed=True) == []
    assert "2 at once" in advice(replace(TRIAL, spread=0.0))[0]


def test_a_profile_replaced_is_kept_under_a_name_never_used(tmp_path):
    file = tmp_path / "nightshift" / "profile.toml"
    assert apply(file, "a = 1\n") is None
    kept = [apply(file, f"a = {n}\n") for n in range(2, 6)]
    assert file.read_text() == "a = 5\n"
    assert [backup.read_text() for backup in kept] == [f"a = {n}\n" for n in range(1, 5)]
    assert len({*kept}) == 4


def test_the_page_follows_the_stored_decision_and_not_the_speed():
    faster = replace(TRIAL, recipe="sha256:3", throughput=1e6, kept=False)
    page = report_of(RUN, [TRIAL, FAILED, faster], "model = 1")
    assert page.count("◆</strong>") == 1
    row = next(line for line in page.split("<tr>") if "◆</strong>" in line)
    assert "33.0" in row
    assert "1000000.0" not in row


def test_the_page_holds_figures_reasons_and_nothing_unescaped():
    nasty = "<script>alert(1)</script>\x1b[2J"
    page = report_of(
        replace(RUN, message=nasty, machine={nasty: nasty}),
        [replace(TRIAL, model=nasty, url=nasty), replace(FAILED, notes=nasty)],
        nasty,
    )
    assert "<script" not in page
    assert "\x1b" not in page
    assert not re.search(r'(src|href)="', page)
    page = report_of(RUN, [TRIAL, FAILED], "model = 1")
    for words in ("cut: out of memory", "1.50", "20.0", "33.0", "q8_0", "model = 1", "chosen"):
        assert words in page


def test_a_page_without_a_choice_says_why():
    page = report_of(replace(RUN, ending=Ending.NO_FEASIBLE, chosen="", message="no model passes"), [FAILED], "")
    assert "no feasible model" in page
    assert "no model passes" in page
    assert "◆</strong>" not in page


@pytest.fixture
def home(tmp_path):
    folder = tmp_path / ".config" / "nightshift"
    folder.mkdir(parents=True)
    (folder / "profile.toml").write_text('model = "calibrated:7b"\n[generation]\ncontext = 16384\n')
    return folder, {"HOME": str(tmp_path)}


def test_a_profile_stands_between_the_defaults_and_the_users_own_file(home):
    folder, environ = home
    assert config.paths(environ).profile == folder / "profile.toml"
    found = config.load({}, environ)
    assert (found.model, found.generation.context, found.attempts) == ("calibrated:7b", 16_384, 3)
    (folder / "config.toml").write_text("[generation]\ncontext = 8192\n")
    assert config.load({}, environ).generation.context == 8192
    assert config.load({}, environ).model == "calibrated:7b"
    assert config.load({"model": "mine:1b"}, environ).model == "mine:1b"


def test_a_profile_can_be_left_out(home):
    assert config.load({}, home[1], profile=False) == config.load({}, {"HOME": "/nowhere"})


@pytest.mark.parametrize("text", ["model = ", "modell = 'a'", "endpoints = ['http://192.0.2.1:1']"])
def test_a_profile_that_is_wrong_is_refused_by_its_name(home, text):
    (home[0] / "profile.toml").write_text(text)
    with pytest.raises(ConfigError, match=r"profile\.toml"):
        config.load({}, home[1])
