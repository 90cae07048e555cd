"""Links and images of every Markdown file lead to committed files, and to headings that are there."""

import re

import pytest
from doc_pages import ROOT, Link, all_pages, anchors, files_of_the_repository, links

ELSEWHERE = re.compile(r"(https?|mailto):")


def fault(link: Link) -> str:
    """What is wrong with a link; empty if nothing is."""
    path, _, anchor = link.target.partition("#")
    target = (link.page.parent / path).resolve() if path else link.page
    committed = files_of_the_repository()
    if target not in committed and not any(file.is_relative_to(target) for file in committed):
        return "no such file is committed"
    if anchor and anchor not in anchors(target):
        return f"no heading '{anchor}' there"
    return ""


@pytest.mark.parametrize("page", all_pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page):
    inner = [link for link in links(page) if not ELSEWHERE.match(link.target)]
    faults = [f"line {link.line}: {link.target}: {what}" for link in inner if (what := fault(link))]
    assert not faults, "\n".join(faults)


def test_the_index_leads_to_every_page():
    index = ROOT / "docs" / "README.md"
    named = {(index.parent / link.target.partition("#")[0]).resolve() for link in links(index)}
    pages = {page for page in all_pages() if page.parent == index.parent} - {index}
    assert pages <= named, sorted(str(page.relative_to(ROOT)) for page in pages - named)


def test_anchors_are_those_of_a_code_host(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(
        "# A `run`'s page\n\n## Sizes\n\n```\n# no heading\n```\n\n## Sizes\n### [GPU](x.md), 2 x 8\n"
    )
    assert anchors(page) == {"a-runs-page", "sizes", "sizes-1", "gpu-2-x-8"}
