"""The dashboard in a real browser: no error in its console, reachable by keyboard, readable, and live."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from dashboards import Site, open_site, url_of
from hostile_strings import CANARY, HOSTILE
from nights import wait_until
from runs import ROOT
from sample_run import TASK, ask, failed_run, passed_run, run_dir, start

from nightshift.domain import Task
from nightshift.workspace.lock import Lock
from trace_collector import Trace

pytestmark = pytest.mark.slow

CHROMIUM = Path("/usr/bin/chromium")
OTHER = "20260102-020304-cd34"
LIVE = "20260103-020304-ef56"
SIZES = {"desktop": {"width": 1280, "height": 800}, "phone": {"width": 390, "height": 844}}


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if not CHROMIUM.exists():
        pytest.skip(f"there is no {CHROMIUM}")
    with api.sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """Runs that passed, failed and are at work, and one that says all the hostile texts."""
    shop = tmp_path / "shop"
    passed_run(run_dir(shop))
    failed_run(run_dir(shop, OTHER))
    (run_dir(shop) / "report.html").write_text(
        f"<!doctype html><title>r</title><script>window.{CANARY}=1</script><h1>Report</h1>"
    )
    lock = Lock(shop / ".nightshift", LIVE)
    with Trace.create(run_dir(shop, LIVE), LIVE) as trace:
        start(trace, Task(TASK.prompt + " and more"))
        with open_site(tmp_path, [shop], [ROOT / "examples" / "queue"]) as opened:
            yield opened
    lock.release()


@pytest.fixture
def live(tmp_path: Path) -> Path:
    return run_dir(tmp_path / "shop", LIVE)


def addresses(site: Site, tmp_path: Path) -> dict[str, str]:
    shop = tmp_path / "shop"
    passed, failed = url_of(run_dir(shop)), url_of(run_dir(shop, OTHER))
    queue = next(iter(site.dashboard.known.queues))
    pair = urlencode([("run", url.removeprefix("/run/")) for url in (passed, failed)])
    return {
        "runs": "/", "none": "/?q=nothing", "passed": passed, "failed": failed, "live": url_of(run_dir(shop, LIVE)),
        "compare": f"/compare?{pair}", "queues": "/queues", "queue": f"/queue/{queue}", "door": "/front-door", "missing": "/nothing",
    }  # fmt: skip


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", SIZES)
def test_every_page_is_readable_and_without_an_error(
    browser: Any, site: Site, tmp_path: Path, scheme: str, size: str
) -> None:
    """By axe: contrast, names, landmarks, keyboard. Nothing is wider than the screen."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    context = browser.new_context(viewport=SIZES[size], color_scheme=scheme, bypass_csp=True)
    page, said = context.new_page(), []
    page.on("console", lambda message: said.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: said.append(str(error)))
    for name, path in addresses(site, tmp_path).items():
        page.goto(f"http://127.0.0.1:{site.port}{path}", wait_until="load")
        found = axe.run(page).response["violations"]
        assert not found, (name, json.dumps(found, indent=1)[:3000])
        wider = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wider <= 0, f"{name} is {wider} pixels wider than the screen"
    assert [text for text in said if "404" not in text] == []
    context.close()


def test_a_live_run_grows_on_the_page_and_reloads_at_its_end(browser: Any, site: Site, live: Path) -> None:
    page = browser.new_page()
    page.goto(f"http://127.0.0.1:{site.port}{url_of(live)}")
    wait_until(lambda: page.evaluate("document.getElementById('connection').textContent === 'live'"), 20)
    before = page.locator("#records li").count()
    with live.joinpath("trace.jsonl").open("a") as file:
        for number in range(3):
            record = {
                "seq": 6 + number,
                "time": "2026-01-01T00:00:00.000Z",
                "run": LIVE,
                "kind": "guard",
                "span": "<b>x</b>",
            }
            file.write(
                json.dumps({**record, "rule": "<img src=x onerror=window.pwned=1>", "action": "a", "reason": "r"})
                + "\n"
            )
    wait_until(lambda: page.evaluate(f"document.querySelectorAll('#records li').length === {before + 3}"), 20)
    assert page.evaluate(f"window.{CANARY}") is None
    assert "<img src=x" in page.locator("#records li").last.inner_text()
    with live.joinpath("trace.jsonl").open("a") as file:
        end = {
            "seq": 9,
            "time": "2026-01-01T00:00:00.000Z",
            "run": LIVE,
            "kind": "run_finished",
            "span": "",
            "status": "failed",
        }
        file.write(json.dumps({**end, "exit_reason": "no_progress", "exit_code": 1}) + "\n")
    page.get_by_text("The last records").wait_for(timeout=20_000)
    page.close()


def test_a_hidden_tab_holds_no_connection(browser: Any, site: Site, live: Path) -> None:
    """A browser opens six connections to a server; a seventh tab would wait for ever."""
    context = browser.new_context()
    pages = [context.new_page() for _ in range(9)]
    for page in pages:
        page.goto(f"http://127.0.0.1:{site.port}{url_of(live)}", wait_until="domcontentloaded", timeout=20_000)
        wait_until(partial(page.evaluate, "document.getElementById('connection').textContent === 'live'"), 20)
        page.evaluate("Object.defineProperty(document, 'hidden', {value: true, configurable: true})")
        page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
        assert page.locator("#connection").inner_text() == "paused"
    wait_until(lambda: not site.dashboard.tails._tails, 20)
    page.evaluate("Object.defineProperty(document, 'hidden', {value: false, configurable: true})")
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    wait_until(lambda: page.evaluate("document.getElementById('connection').textContent === 'live'"), 20)
    context.close()


def test_everything_can_be_reached_by_keyboard(browser: Any, site: Site) -> None:
    page = browser.new_page()
    page.goto(f"http://127.0.0.1:{site.port}/")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    reached = set()
    for _ in range(40):
        page.keyboard.press("Tab")
        reached.add(
            page.evaluate(
                "document.activeElement.getAttribute('name') || document.activeElement.innerText.slice(0, 12)"
            )
        )
    assert {"q", "status", "place", "run", "Filter", "Compare the "} <= reached
    page.close()


def test_two_ticked_runs_are_compared(browser: Any, site: Site) -> None:
    page = browser.new_page()
    page.goto(f"http://127.0.0.1:{site.port}/")
    for box in page.locator("input[name=run]").all()[1:3]:
        box.check()
    page.get_by_role("button", name="Compare").click()
    assert page.locator("h1").inner_text() == "Two runs compared"
    page.close()


def test_a_script_in_a_report_reaches_nothing(browser: Any, site: Site, tmp_path: Path) -> None:
    """It runs, since our reports have one, but on an origin of its own and without the network."""
    page = browser.new_page()
    page.goto(f"http://127.0.0.1:{site.port}{url_of(run_dir(tmp_path / 'shop'))}/report")
    assert page.evaluate("window.origin") == "null"
    attempts = (
        "fetch('/').then(() => 'read', () => 'refused')",
        "new Promise(r => { const i = new Image(); i.onerror = () => r('refused'); i.src = '/x.png'; })",
    )
    assert [page.evaluate(attempt) for attempt in attempts] == ["refused", "refused"]
    page.close()


def test_no_hostile_text_runs_in_a_browser(browser: Any, tmp_path: Path) -> None:
    for number, text in enumerate(HOSTILE.values()):
        with Trace.create(run_dir(tmp_path / "shop", f"r{number:03}"), f"r{number:03}") as trace:
            start(trace, Task(text[:3000]))
            trace.record("guard", text[:300], rule=text[:3000], action=text[:3000], reason=text[:3000])
            ask(trace, "builder", text[:100] or "x", text[:3000])
    said: list[str] = []
    with open_site(tmp_path, [tmp_path / "shop"]) as site:
        context = browser.new_context()
        page = context.new_page()
        page.on("console", lambda message: said.append(message.text))
        page.on(
            "request",
            lambda request: (
                said.append(request.url)
                if f":{site.port}/" not in request.url and not request.url.startswith("data:")
                else None
            ),
        )
        page.goto(f"http://127.0.0.1:{site.port}/")
        assert page.evaluate(f"window.{CANARY}") is None
        links = [link.get_attribute("href") for link in page.locator("td a").all()]
        assert len(links) == len(HOSTILE)
        for link in links:
            page.goto(f"http://127.0.0.1:{site.port}{link}")
            assert page.evaluate(f"window.{CANARY}") is None
            assert page.locator("script").count() == 1
        context.close()
    assert said == []
