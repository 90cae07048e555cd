"""The documented commands, page by page in a copy of the checkout, as a reader would run them."""

import shutil
from pathlib import Path

import pytest
from doc_checkout import follow, make_checkout
from doc_commands import Command, commands
from doc_pages import ROOT, manual
from doc_rules import BEGINNING, NOT_RUN, rule


def followed(page: Path) -> list[Command]:
    """The commands of a page that are run here; one that an earlier page has is run there."""
    pages = manual()
    earlier = {command.text for other in pages[: pages.index(page)] for command in commands(other)}
    done = earlier | set(BEGINNING)
    return [
        command
        for command in commands(page)
        if command.text not in done and rule(NOT_RUN, command.text) is None
    ]


@pytest.fixture(scope="module")
def checkout(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("docs") / "checkout"
    make_checkout(folder)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize(
    "page", [page for page in manual() if followed(page)], ids=lambda page: str(page.relative_to(ROOT))
)
def test_the_commands_of_a_page_run(checkout, page, tmp_path):
    """One after another: a command finds what those before it on the page left."""
    folder = tmp_path / "checkout"
    shutil.copytree(checkout, folder)
    for command in followed(page):
        try:
            follow(folder, command)
        except AssertionError as error:
            pytest.fail(f"{command.place}: {error}")
