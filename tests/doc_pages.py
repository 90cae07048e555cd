"""Markdown files of the repository: their headings, links and fenced blocks, as a code host shows them."""

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent

ROOT = Path(__file__).parents[1]
_FENCE = re.compile(r"^( *)(`{3,})(\w*)[^\n]*\n(.*?)^\1\2 *$", re.MULTILINE | re.DOTALL)
_INLINE_CODE = re.compile(r"`[^`]+`")
_LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#{1,6} +(.+?) *$", re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """A fenced block: where it begins, its language, its text."""

    page: Path
    line: int
    language: str
    text: str


@dataclass(frozen=True)
class Link:
    page: Path
    line: int
    target: str


def files_of_the_repository(*patterns: str) -> set[Path]:
    """What git has of the checkout: a copy by clone would hold them."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--", *patterns], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return {ROOT / name for name in listed.stdout.split("\0") if name}


def all_pages() -> list[Path]:
    return sorted(page for page in files_of_the_repository("*.md") if page.is_file())


def manual() -> list[Path]:
    """The README, and the pages that lead on from it."""
    return [ROOT / "README.md", *(page for page in all_pages() if page.is_relative_to(ROOT / "docs"))]


def blocks(page: Path) -> list[Block]:
    text = page.read_text(encoding="utf-8")
    return [
        Block(page, _line(text, found.start()), found[3], dedent(found[4])) for found in _FENCE.finditer(text)
    ]


def links(page: Path) -> list[Link]:
    text = _INLINE_CODE.sub(_blank, _FENCE.sub(_blank, page.read_text(encoding="utf-8")))
    return [Link(page, _line(text, found.start()), found[1]) for found in _LINK.finditer(text)]


def inline_code(page: Path) -> list[Block]:
    """Code within sentences; a line break in it is a space."""
    text = _FENCE.sub(_blank, page.read_text(encoding="utf-8"))
    return [
        Block(page, _line(text, found.start()), "", " ".join(found[0][1:-1].split()))
        for found in _INLINE_CODE.finditer(text)
    ]


def anchors(page: Path) -> set[str]:
    """What a link's ``#...`` may be: headings in lower case, without punctuation, hyphens for spaces."""
    text = _FENCE.sub(_blank, page.read_text(encoding="utf-8"))
    found: list[str] = []
    for heading in _HEADING.findall(text):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()
        name = re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")
        repeats = sum(re.fullmatch(rf"{re.escape(name)}(-\d+)?", other) is not None for other in found)
        found.append(f"{name}-{repeats}" if repeats else name)
    return set(found)


def _line(text: str, place: int) -> int:
    return text.count("\n", 0, place) + 1


def _blank(found: re.Match) -> str:
    """Nothing, of as many lines."""
    return "\n" * found[0].count("\n")
