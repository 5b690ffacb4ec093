"""report.html in a real browser: nothing runs but our script, nothing is loaded, and everybody can read and reach it."""

from __future__ import annotations

import importlib
import importlib.util
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import sample_run as sample
from hostile_strings import CANARY, HOSTILE, STEERING

from benchmarks.pages import CALLS, long_run
from nightshift.records import Record, of_kind, read_trace
from nightshift.report.html import report_of
from nightshift.report.text import printable
from trace_collector import Trace

CHROMIUM = Path("/usr/bin/chromium")
WANTED = [name for name in ("playwright", "axe_playwright_python") if not importlib.util.find_spec(name)]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not CHROMIUM.exists(), reason=f"there is no browser at {CHROMIUM}"),
    pytest.mark.skipif(bool(WANTED), reason=f"not installed: {', '.join(WANTED)}"),
]

LOOKS = [("light", 1280), ("dark", 1280), ("light", 390), ("dark", 390)]
OPEN_ALL = "document.querySelectorAll('details').forEach((fold) => { fold.open = true; })"
LAID_OUT = "document.querySelectorAll('section').forEach((part) => { part.style.contentVisibility = 'visible'; })"
FILLED = "document.querySelectorAll('pre[data-text]').length === 0"
SETTLED = """[...document.querySelectorAll(".scroll")].every(
    (box) => (box.tabIndex === 0) === (box.scrollWidth > box.clientWidth))"""
TOO_WIDE = "document.documentElement.scrollWidth > document.documentElement.clientWidth"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        yield browser
        browser.close()


@dataclass
class Opened:
    """A report from disk, and what the browser had to say of it."""

    page: Any
    said: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def dismiss(self, dialog: Any) -> None:
        self.said.append(f"a dialog: {dialog.message}")
        dialog.dismiss()

    @property
    def quiet(self) -> bool:
        return not self.said and len(self.requests) == 1


def opened(browser: Any, folder: Path, records: list[Record], **options: Any) -> Opened:
    file = folder / "report.html"
    file.write_text(report_of(records), encoding="utf-8")
    told = Opened(browser.new_page(**options))
    told.page.on("console", lambda message: told.said.append(message.text))
    told.page.on("pageerror", lambda error: told.said.append(str(error)))
    told.page.on("dialog", told.dismiss)
    told.page.on("request", lambda request: told.requests.append(request.url))
    told.page.goto(file.as_uri())
    return told


def until(page: Any, holds: str) -> None:
    """Asked again and again from outside: the page's own policy forbids playwright to wait in it."""
    give_up = time.monotonic() + 20
    while not page.evaluate(holds):
        assert time.monotonic() < give_up, f"never so: {holds}"
        time.sleep(0.02)


def faults_of(page: Any) -> list[str]:
    """What axe-core finds in the whole page; parts that are not laid out yet would be passed over."""
    page.evaluate(LAID_OUT)
    axe = importlib.import_module("axe_playwright_python.sync_playwright").Axe()
    found = axe.run(page).response["violations"]
    return [f"{fault['id']}: {node['html'][:200]}" for fault in found for node in fault["nodes"]]


@pytest.mark.parametrize(("scheme", "width"), LOOKS)
@pytest.mark.parametrize("ending", ["passed", "failed", "killed"])
def test_the_page_is_readable_by_everybody_on_every_screen(
    browser: Any, tmp_path: Path, scheme: str, width: int, ending: str
) -> None:
    """axe-core finds nothing, contrast included; nothing is wider than the screen, folded or not."""
    told = sample.passed_run(tmp_path) if ending == "passed" else sample.failed_run(tmp_path)
    records = told[:7] if ending == "killed" else told
    seen = opened(browser, tmp_path, records, viewport={"width": width, "height": 900}, color_scheme=scheme)
    assert faults_of(seen.page) == []
    assert not seen.page.evaluate(TOO_WIDE)
    seen.page.evaluate(OPEN_ALL)
    until(seen.page, FILLED)
    assert faults_of(seen.page) == []
    assert not seen.page.evaluate(TOO_WIDE)
    assert seen.quiet


def test_the_tab_key_reaches_every_control_and_enter_opens_a_call(browser: Any, tmp_path: Path) -> None:
    seen = opened(browser, tmp_path, sample.passed_run(tmp_path))
    until(seen.page, SETTLED)
    controls = "a[href], button:not([hidden]), summary, .scroll[tabindex='0']"
    wanted = seen.page.evaluate(
        f'[...document.querySelectorAll("{controls}")].filter((one) => one.checkVisibility()).length'
    )
    reached: set[str] = set()
    mark = "(() => { const one = document.activeElement; one.dataset.n ??= String(Math.random()); return one.dataset.n; })()"
    for _ in range(wanted):
        seen.page.keyboard.press("Tab")
        reached.add(seen.page.evaluate(mark))
    assert len(reached) == wanted
    assert seen.page.evaluate("document.activeElement.closest('details').id") == f"call-{last_call(tmp_path)}"
    seen.page.keyboard.press("Enter")
    until(seen.page, "document.activeElement.closest('details').querySelector('pre').textContent !== ''")


def last_call(run_dir: Path) -> int:
    return of_kind(read_trace(run_dir / "trace.jsonl"), "call")[-1].seq


def test_the_theme_switches_and_says_to_what(browser: Any, tmp_path: Path) -> None:
    seen = opened(browser, tmp_path, sample.passed_run(tmp_path), color_scheme="light")
    colour = "getComputedStyle(document.body).backgroundColor"
    before = seen.page.evaluate(colour)
    seen.page.get_by_role("button", name="Switch to dark").click()
    assert seen.page.evaluate(colour) != before
    seen.page.get_by_role("button", name="Switch to light").click()
    assert seen.page.evaluate(colour) == before
    assert seen.quiet


def test_a_call_opens_to_its_whole_prompt_and_reply(browser: Any, tmp_path: Path) -> None:
    records = sample.passed_run(tmp_path)
    seen = opened(browser, tmp_path, records)
    call = next(record for record in records if record.kind == "call")
    seen.page.locator(f"#call-{call.seq} > summary").click()
    until(seen.page, f"document.querySelectorAll('#call-{call.seq} pre[data-text]').length === 0")
    wanted = [*(message["content"] for message in call.fields["messages"]), call.fields["text"]]
    assert seen.page.locator(f"#call-{call.seq} pre").all_text_contents() == wanted


def test_a_candidate_leads_to_the_call_that_made_it(browser: Any, tmp_path: Path) -> None:
    seen = opened(browser, tmp_path, sample.passed_run(tmp_path))
    link = seen.page.get_by_role("link", name="its prompt and reply").first
    link.click()
    call = seen.page.locator(f"details{link.get_attribute('href')}")
    until(seen.page, "document.querySelector('.calls details[open] pre')?.textContent")
    assert call.locator("summary").is_visible()
    assert "candidate-2" in str(call.locator("summary").text_content()), "the winner's card stands first"


def test_without_scripts_all_is_there_but_the_long_texts_and_it_says_where_they_are(
    browser: Any, tmp_path: Path
) -> None:
    records = sample.passed_run(tmp_path)
    context = browser.new_context(java_script_enabled=False)
    seen = opened(context, tmp_path, records)
    assert seen.page.get_by_text("passed its own checks only").is_visible()
    assert seen.page.locator("svg").first.is_visible()
    seen.page.locator(".calls summary").first.click()
    assert seen.page.get_by_text("Scripts are off").locator("visible=true").count() == 1
    context.close()


def test_a_printed_page_opens_what_is_worth_paper(browser: Any, tmp_path: Path) -> None:
    """Diffs and decisions, not prompts; on white, also where the screen is dark."""
    seen = opened(browser, tmp_path, sample.passed_run(tmp_path), color_scheme="dark")
    seen.page.emulate_media(media="print")
    seen.page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert seen.page.locator("details.print:not([open])").count() == 0
    assert seen.page.locator(".calls details[open]").count() == 0
    assert seen.page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert not seen.page.locator("nav").is_visible()


def hostile_run(folder: Path) -> list[Record]:
    """Every hostile text wherever a model, a program or a file name could bring one in."""
    with Trace.create(folder, "run") as trace:
        sample.start(trace)
        for name, text in HOSTILE.items():
            where = f"attempt-1/build/{text[:200]}.py"
            sample.ask(trace, text, f"{where}/candidate-1", text, reasoning=text, model_served=text, fault=text)
            candidate = {"path": text, "label": text, "origin": text, "temperature": text, "text": text}
            trace.record(
                "evaluation", f"{where}/candidate-1", path=text, candidate=candidate, collected=1,
                rungs=[{"name": text, "passed": False, "detail": text}], outcomes={text: False, f"{text}2": True},
            )  # fmt: skip
            told = {"path": text, "considered": [text], "chosen": text, "reason": text}
            trace.record("selected", where, **told, scores={text: [1, 0, 1.0, True, -1]})
            trace.record("repair", f"{where}/repair-1", path=text, outcome=text, detail=text)
            trace.record("effort", f"{where}/first", path=text, move=text, taken=True, reason=text)
            trace.record("guard", where, rule=text, action=text, reason=text, key=name)
            trace.record("fault", where, role=text, endpoint=text, model=text, attempt=1, fault=text, message=text)
        sample.judge(trace, 1, sample.verdict(False))
        trace.record("diagnosis", "attempt-1/diagnose", attempt=1, diagnosis=sample.DIAGNOSIS)
        rebuild = [{"path": text, "reason": text} for text in HOSTILE.values()]
        trace.record("cascade", "attempt-2", rebuild=rebuild, retest=list(HOSTILE.values()))
        return trace.records()


def test_fifty_hostile_texts_do_nothing_and_are_all_to_be_seen(browser: Any, tmp_path: Path) -> None:
    records = hostile_run(tmp_path)
    seen = opened(browser, tmp_path, records)
    seen.page.evaluate(OPEN_ALL)
    until(seen.page, FILLED)
    seen.page.mouse.move(300, 300)
    seen.page.wait_for_timeout(300)
    assert seen.quiet, (seen.said, seen.requests)
    assert seen.page.evaluate(f"window.{CANARY}") is None
    assert seen.page.evaluate("({}).polluted") is None
    assert seen.page.locator("script").count() == 2
    assert seen.page.locator("img, iframe, form, input, base, link, object, embed, template, math").count() == 0
    assert not STEERING & set(seen.page.evaluate("document.documentElement.innerHTML"))
    assert not seen.page.evaluate(TOO_WIDE)
    replies = {record.seq: printable(record.fields["text"][:100_000]) for record in records if record.kind == "call"}
    for seq, reply in replies.items():
        assert seen.page.locator(f"#call-{seq} pre").last.text_content() == reply


def test_a_run_of_two_hundred_calls_stays_small(browser: Any, tmp_path: Path) -> None:
    records = long_run(tmp_path / "long")
    assert sum(record.kind == "call" for record in records) == CALLS == 200
    seen = opened(browser, tmp_path, records)
    assert (tmp_path / "report.html").stat().st_size < 5_000_000
    assert seen.page.locator(".calls details").count() == CALLS
    assert seen.quiet
