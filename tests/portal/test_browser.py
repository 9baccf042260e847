"""The pages in a real Chromium: a sample run by keyboard, the accessibility tree, widths, contrast, both colour schemes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from stage import served

from e2e.chromium import ABSENT, browser, find_chromium

ROOT = Path(__file__).resolve().parents[2]
OUT = ROOT / "e2e" / "out" / "portal"
RUNS = ["/runs", "/runs/ml/train-iris-x7k2p", "/runs/ml/hello-4rt9w", "/runs/ml/experiments/katib-random-7n4qd"]
PAGES = ["/", "/samples", "/samples/train-iris", *RUNS, "/access", "/profile", "/nothing"]
CONTRAST = """() => {
  const numbers = (text) => (text.match(/[0-9.]+/g) || []).map(Number);
  const light = (color) => {
    const [r, g, b] = color.slice(0, 3).map((v) => { v /= 255; return v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const back = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const color = numbers(getComputedStyle(at).backgroundColor);
      if (color.length === 3 || color[3] > 0) return color;
    }
    return [255, 255, 255];
  };
  const weak = [];
  for (const element of document.querySelectorAll("body *")) {
    const own = [...element.childNodes].some((one) => one.nodeType === 3 && one.textContent.trim());
    if (!own || !element.checkVisibility() || element.closest(".hidden, .skip")) continue;
    const [a, b] = [light(numbers(getComputedStyle(element).color)), light(back(element))].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05);
    if (ratio < 4.5) weak.push(`${ratio.toFixed(2)} ${element.outerHTML.slice(0, 60)}`);
  }
  return weak;
}"""


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    found = find_chromium()
    if found is None:
        pytest.skip(ABSENT)
    with browser(found) as started:
        yield started


@pytest.fixture
def portal(tmp_path: Path) -> Iterator[str]:
    with served(tmp_path) as (url, _):
        yield url


@pytest.fixture
def complaints() -> list[str]:
    """What the browser's console says: errors of scripts, refusals by the content policy."""
    return []


@pytest.fixture
def page(chromium: Any, complaints: list[str]) -> Iterator[Any]:
    context = chromium.new_context(
        viewport={"width": 1280, "height": 900}, permissions=["clipboard-read", "clipboard-write"]
    )
    opened = context.new_page()
    opened.on(
        "console", lambda message: complaints.append(message.text) if message.type in ("error", "warning") else None
    )
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    yield opened
    context.close()


def test_a_sample_runs_to_its_result_without_a_mouse(page: Any, portal: str, complaints: list[str]) -> None:
    page.goto(portal)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    page.get_by_role("link", name="Samples", exact=True).focus()
    page.keyboard.press("Enter")
    page.get_by_role("link", name="hello").focus()
    page.keyboard.press("Enter")
    page.get_by_label("who").focus()
    page.keyboard.press("Control+A")
    page.keyboard.type("O'Neil & <b>")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(r"/runs/[a-z]+/hello-"))
    page.get_by_role("status").filter(has_text="The run ended: Succeeded.").wait_for(timeout=15000)
    assert page.get_by_role("definition").filter(has_text="Hello, O'Neil & <b>!").count() == 1
    assert "Hello, O'Neil & <b>!" in page.get_by_label("Last log lines of hello").inner_text()
    assert complaints == []


def test_wrong_input_is_said_by_the_browser_and_by_the_server(page: Any, portal: str) -> None:
    page.goto(f"{portal}/samples/hello")
    page.get_by_label("times").fill("99")
    page.get_by_role("button", name="Run hello").click()
    assert page.url == f"{portal}/samples/hello"
    assert page.evaluate("document.querySelector('#param-times').validity.rangeOverflow")
    page.evaluate("document.querySelector('form').noValidate = true")
    page.get_by_role("button", name="Run hello").click()
    page.get_by_role("alert").filter(has_text="Nothing was started").wait_for()
    assert page.get_by_label("times").get_attribute("aria-invalid") == "true"


def test_what_the_reader_closed_stays_closed_while_the_run_goes_on(page: Any, portal: str) -> None:
    page.goto(f"{portal}/samples/hello")
    page.get_by_label("times").fill("2")
    page.get_by_role("button", name="Run hello").click()
    page.locator("details").first.wait_for()
    page.locator("summary").first.click()
    page.get_by_role("status").filter(has_text="The run ended: Succeeded.").wait_for(timeout=15000)
    assert not page.locator("details").first.evaluate("one => one.open")


def test_a_run_that_does_not_go_on_says_what_to_do(page: Any, portal: str, complaints: list[str]) -> None:
    page.goto(f"{portal}/runs")
    page.get_by_role("link", name="katib-random-7n4qd").click()
    held = page.get_by_role("region", name="What it waits for")
    assert "Job/ml/katib-random-7n4qd-c9sw" in held.inner_text() and "raise the quota" in held.inner_text()
    assert "does not go on" in page.get_by_role("status").inner_text()
    assert "accuracy=0.8833" in page.get_by_label("Last log lines of katib-random-7n4qd-x5x8").inner_text()
    assert page.get_by_role("definition").filter(has_text="0.93").count() == 1
    assert complaints == []


def test_a_lost_connection_is_said(page: Any, portal: str) -> None:
    page.route("**/live/**", lambda route: route.fulfill(status=401, body="no"))
    page.goto(portal)
    page.get_by_role("alert").filter(has_text="connection is lost").wait_for()


def test_snippets_can_be_copied(page: Any, portal: str) -> None:
    page.goto(f"{portal}/access")
    page.get_by_role("button", name="Copy: curl for minio-console").click()
    page.get_by_text("Copied").wait_for()
    assert "Authorization: Bearer $MLSTACK_TOKEN" in page.evaluate("navigator.clipboard.readText()")


def test_the_accessibility_tree_is_sane(page: Any, portal: str) -> None:
    page.goto(portal)
    tree = page.locator("body").aria_snapshot()
    for part in (
        "- banner:",
        '- navigation "Main":',
        "- main:",
        "- contentinfo:",
        '- heading "Platform golden" [level=1]',
    ):
        assert part in tree, f"{part} is missing in\n{tree}"
    assert re.search(r"- status: .*attention", tree), tree
    assert re.search(r'- table "Components of the platform":', tree), tree
    assert '- columnheader "Health"' in tree
    page.set_viewport_size({"width": 360, "height": 740})
    assert page.get_by_role("table", name="Components of the platform").get_by_role("row").count() > 5
    page.goto(f"{portal}/samples/train-iris")
    assert page.get_by_role("spinbutton").count() == 3
    assert page.get_by_role("spinbutton", name="strength").count() == 1


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_pages_fit_and_can_be_read(chromium: Any, portal: str, complaints: list[str], width: int, scheme: str) -> None:
    OUT.mkdir(parents=True, exist_ok=True)
    context = chromium.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme)
    opened = context.new_page()
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    for path in PAGES:
        opened.goto(portal + path)
        name = path.strip("/").replace("/", "-") or "home"
        opened.screenshot(path=OUT / f"{name}-{width}-{scheme}.png", full_page=True)
        assert opened.evaluate("document.documentElement.scrollWidth") <= width, f"{path} is wider than the screen"
        assert opened.evaluate(CONTRAST) == [], path
    context.close()
    assert complaints == []
