"""The page in a browser: wide and narrow, light and dark, with hostile text, by axe's rules."""

import json

import pytest
from browsing import SCHEMES, WIDTHS, looking_at

from omnina.report.page import report_runs


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("width", WIDTHS)
def test_the_page_is_whole_quiet_and_accessible(browser, finished, width, scheme):
    with looking_at(browser, (finished / "report.html").as_uri(), width, scheme) as seen:
        assert seen.errors == []
        assert seen.hosts == {""}  # the file alone
        assert seen.overflow() <= 0
        assert seen.page.locator("figure.chart svg").count() > 10
        for opened in seen.page.locator("summary").all():
            opened.click()
        assert seen.findings() == []


def test_what_is_seen_are_the_files_values(browser, finished):
    results = json.loads((finished / "evaluation/metrics.json").read_text())["results"]
    log = json.loads((finished / "training_log.json").read_text())["log_history"]
    with looking_at(browser, (finished / "report.html").as_uri()) as seen:
        text = seen.page.locator("main").inner_text()
        for question, systems in results.items():
            assert question in text
            assert f"{systems['OmniNA']['accuracy']:.3f}" in text
        cells = seen.page.locator("#chart-loss-over-tokens tbody td").all_text_contents()
        for entry in log:
            if "loss" in entry:
                assert f"{entry['loss']:.6g}" in cells


def test_markup_from_data_stands_there_as_text(browser, hostile):
    [(question, systems)] = json.loads((hostile / "evaluation/metrics.json").read_text())["results"].items()
    with looking_at(browser, (hostile / "report.html").as_uri()) as seen:
        assert (seen.errors, seen.dialogs, seen.hosts) == ([], [], {""})
        assert seen.page.locator("script, img, main b, main i").count() == 0
        assert seen.page.locator("h1").all_inner_texts() == ["run <b>bold: report"]
        text = seen.page.locator("main").inner_text()
        assert question in text
        assert "{{ 7*7 }}" in text
        assert "</td></table><h1>no</h1>" in text
        assert f"{systems['k-mers']['accuracy']:.3f}" in text
        assert seen.findings() == []


@pytest.mark.parametrize("width", WIDTHS)
def test_several_runs_side_by_side(browser, finished, hostile, tmp_path, width):
    page = report_runs([finished, hostile], tmp_path / "report.html")
    with looking_at(browser, page.as_uri(), width, "dark") as seen:
        assert (seen.errors, seen.dialogs, seen.hosts) == ([], [], {""})
        assert seen.overflow() <= 0
        assert seen.findings() == []


def test_by_keyboard_alone(browser, finished):
    with looking_at(browser, (finished / "report.html").as_uri()) as seen:
        seen.page.keyboard.press("Tab")
        assert seen.page.evaluate("document.activeElement.textContent") == "Skip to the content"
        reached = set()
        for _ in range(60):
            seen.page.keyboard.press("Tab")
            reached.add(seen.page.evaluate("document.activeElement.tagName"))
        assert {"A", "SUMMARY", "DIV"} <= reached  # links, details, tables that scroll
