"""The page in a browser: by mouse and by keyboard, wide and narrow, light and dark, with hostile text."""

import pytest
from browsing import SCHEMES, WIDTHS, Seen, looking_at
from conftest import COLOUR
from tables import random_dna

SEQUENCE = random_dna(120, 5)
MARKUP = "<img src=x onerror=alert(1)>"


def ask(seen: Seen, button: str, sequences: str, question: str = COLOUR) -> None:
    """Fill in the form, press a button and wait for the result."""
    seen.page.get_by_label("Sequence, or several as FASTA").fill(sequences)
    seen.page.get_by_label("Question").fill(question)
    seen.page.get_by_role("button", name=button, exact=True).click()
    seen.page.wait_for_selector(".result, .error")


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("width", WIDTHS)
def test_the_page_is_whole_quiet_and_accessible(browser, address, width, scheme):
    with looking_at(browser, address, width, scheme) as seen:
        assert seen.findings() == []
        for button in ("Answer", "Likelihood of each base", "Scan substitutions"):
            ask(seen, button, SEQUENCE)
            assert seen.findings() == []
            assert seen.overflow() <= 0
        assert (seen.errors, seen.dialogs) == ([], [])
        assert seen.hosts == {address.removeprefix("http://")}


def test_what_is_shown(browser, address, answerer):
    with looking_at(browser, address) as seen:
        ask(seen, "Answer", f">gene one\n{SEQUENCE}\n>gene two\n{SEQUENCE}")
        assert seen.page.locator(".result h2").all_inner_texts() == ["gene one", "gene two"]
        assert seen.page.locator(".result").first.locator("tbody tr").count() == 4
        ask(seen, "Likelihood of each base", SEQUENCE)
        seen.page.wait_for_selector(".bases")
        assert seen.page.locator(".bases").inner_text() == SEQUENCE
        ask(seen, "Scan substitutions", SEQUENCE, "")
        seen.page.wait_for_selector(".scan")
        assert seen.page.locator(".scan tbody td").count() == 4 * 30
        assert seen.page.locator(".scan td.own").count() == 30


def test_markup_stands_there_as_text(browser, address):
    with looking_at(browser, address) as seen:
        ask(seen, "Answer", f">{MARKUP}\n{SEQUENCE}")
        assert seen.page.locator(".result h2").inner_text() == MARKUP
        ask(seen, "Answer", MARKUP)
        seen.page.wait_for_selector(".error")
        assert (seen.dialogs, seen.page.locator("main img").count()) == ([], 0)


def test_a_file_and_the_keyboard(browser, address, tmp_path):
    path = tmp_path / "genes.fasta"
    path.write_text(f">from a file\n{SEQUENCE}\n")
    with looking_at(browser, address) as seen:
        seen.page.get_by_label("or a FASTA file").set_input_files(path)
        question = seen.page.get_by_label("Question")
        question.focus()
        seen.page.keyboard.press("Enter")
        seen.page.wait_for_selector(".result")
        assert seen.page.locator(".result h2").inner_text() == "from a file"
        assert seen.page.evaluate("document.activeElement.id") == "results"
