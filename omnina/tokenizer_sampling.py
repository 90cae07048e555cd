"""What a tokenizer is trained on: windows of DNA and of English, sampled from tables and text files.

SentencePiece drops lines over 4,192 bytes without a word, so every text is cut into windows below that.
Files are read once, and memory follows the sample's size, never the input's.
"""

import heapq
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from omnina.chunking import parse_cell
from omnina.errors import UserError
from omnina.table import read_rows

WINDOW_BYTES = 4096  # SentencePiece's limit is 4,192
HELD_OUT_SHARE = 0.02  # of the windows: never trained on, to measure on
HELD_OUT_BYTES = 1_000_000  # per language, at most
DNA, ENGLISH = "dna", "english"


@dataclass
class WindowSample:
    """A uniform sample of windows of at most ``budget`` bytes: those with the lowest random ranks.

    It depends on the seed and on the windows in their order, nothing else.
    """

    budget: int
    seed: str
    total_bytes: int = 0
    total_windows: int = 0
    sampled_bytes: int = 0
    _heap: list[tuple[float, int, bytes]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)
        self._rank_limit = 1.0

    def add(self, window: str) -> None:
        """Offer the next window."""
        text, rank = window.encode(), self._random.random()
        self.total_bytes += len(text)
        self.total_windows += 1
        if rank >= self._rank_limit:
            return
        heapq.heappush(self._heap, (-rank, self.total_windows, text))
        self.sampled_bytes += len(text)
        while self.sampled_bytes > self.budget:
            negative_rank, _, dropped = heapq.heappop(self._heap)
            self._rank_limit = -negative_rank  # or short windows would fill what a long one left
            self.sampled_bytes -= len(dropped)

    def windows(self) -> list[str]:
        """The sample, in the order in which it was offered."""
        return [text.decode() for _, _, text in sorted(self._heap, key=lambda entry: entry[1])]


class Language:
    """The windows of one language: a sample to train on, and a small one that training never sees."""

    def __init__(self, name: str, budget: int, seed: int) -> None:
        self.training = WindowSample(budget, f"{seed}/{name}/training")
        self.held_out = WindowSample(HELD_OUT_BYTES, f"{seed}/{name}/held out")
        self._random = random.Random(f"{seed}/{name}/split")

    def add(self, window: str) -> None:
        """Send the next window to one of the two."""
        is_held_out = self._random.random() < HELD_OUT_SHARE
        (self.held_out if is_held_out else self.training).add(window)


def sample_languages(
    paths: list[Path], sample_bytes: int, text_share: float, seed: int
) -> dict[str, Language]:
    """Read every file once. Raises UserError, with file and line, for what cannot be read."""
    english_bytes = round(sample_bytes * text_share)
    budgets = {DNA: sample_bytes - english_bytes, ENGLISH: english_bytes}
    languages = {name: Language(name, budget, seed) for name, budget in budgets.items()}
    for path in paths:
        for name, window in plain_text_windows(path) if path.suffix == ".txt" else table_windows(path):
            languages[name].add(window)
    for name, language in languages.items():
        if language.training.total_bytes and not language.training.sampled_bytes:
            raise UserError(
                f"--sample_bytes {sample_bytes} is too small for one window of {name}; "
                f"give {1000 * WINDOW_BYTES} or more."
            )
    if not any(language.training.total_bytes for language in languages.values()):
        raise UserError(f"{', '.join(map(str, paths))}: there is no text to train a tokenizer on.")
    return languages


def cut_text(text: str, limit: int = WINDOW_BYTES) -> Iterator[str]:
    """Cut a text into windows of at most ``limit`` bytes (4 or more), before a space where there is one.

    Joined, the windows are the text; an empty text has none.
    """
    data, start = text.encode(), 0
    while len(data) - start > limit:
        end = data.rfind(b" ", start + 1, start + limit + 1)
        if end < 0:
            end = start + limit
            while data[end] & 0b11000000 == 0b10000000:  # not in the middle of a character
                end -= 1
        yield data[start:end].decode()
        start = end
    if start < len(data):
        yield data[start:].decode()


def table_windows(path: Path) -> Iterator[tuple[str, str]]:
    """(language, window) of every cell, as the prompt shows it: sequence and question follow a space."""
    for line, row in read_rows(path):
        if not row.keys() & {"sequence", "response", "question"}:
            raise UserError(f"{path}: no column 'sequence', 'response' or 'question' to train on.")
        for window in cut_text(_nucleotides(path, line, row), WINDOW_BYTES - 1):
            yield DNA, " " + window.lstrip(" ")
        for column, before in (("response", ""), ("question", " ")):
            for text in row.get(column, "").splitlines():
                yield from ((ENGLISH, window) for window in _english_windows(before + text))


def plain_text_windows(path: Path) -> Iterator[tuple[str, str]]:
    """(ENGLISH, window) of a text file of any size and line length; memory stays at a few windows."""
    rest = ""
    try:
        with path.open(encoding="utf-8-sig") as stream:
            while part := stream.readline(WINDOW_BYTES):
                *whole, rest = list(cut_text(rest + part)) or [""]
                if part.endswith("\n"):
                    whole, rest = [*whole, rest], ""
                yield from ((ENGLISH, window) for text in whole for window in _english_windows(text))
    except UnicodeDecodeError as error:
        raise UserError(
            f"{path}: byte 0x{error.object[error.start]:02x} is not UTF-8 ({error.reason}); save the file "
            "as UTF-8 (for example: iconv -f latin1 -t utf-8)."
        ) from error
    yield from ((ENGLISH, window) for window in _english_windows(rest))


def _nucleotides(path: Path, line: int, row: dict[str, str]) -> str:
    if "sequence" not in row:
        return ""
    try:
        return parse_cell(row["sequence"]).text
    except ValueError as error:
        raise UserError(f"{path}:{line}: {error}") from error


def _english_windows(text: str) -> Iterator[str]:
    return cut_text(text.rstrip())
