"""A seeded sample of the windows of any number of tables and text files, within a budget of bytes.

The law, by which the sample depends on the seed and on the files, but neither on the order in which they are
named nor on the number of workers:

1. ``tokenizer_units.choose_units`` says which row groups and files are read: each has the same chance, up to
   the one that goes over the limit. An input below the limit is read whole.
2. Each window of these is held out with a chance of 2 %, else it is offered for training, with a random rank.
3. A language's sample is its windows of lowest rank, as many as its budget holds.

So a window's chance is the product of two: that its unit is read, and its language's ``sampled_share``; in
what is read all windows of a language are equal (only the one at the budget's edge is more often a long one).
Windows of one row group come together more often than windows of two: the sample is of clusters when not all
is read, and a larger ``read_bytes`` draws it from more of them. Memory follows the budget, never the input.
"""

import heapq
import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from omnina.errors import UserError
from omnina.progress import progress_bar
from omnina.vocabulary.reading import in_processes
from omnina.vocabulary.units import Unit
from omnina.vocabulary.windows import DNA, ENGLISH, WINDOW_BYTES

HELD_OUT_SHARE = 0.02  # of the windows: never trained on, to measure on
HELD_OUT_BYTES = 1_000_000  # per language, at most


@dataclass
class WindowSample:
    """The windows of lowest rank, as many as ``budget`` bytes hold, of all that were offered."""

    budget: int
    total_bytes: int = 0
    total_windows: int = 0
    sampled_bytes: int = 0
    _rank_limit: float = 1.0
    _heap: list[tuple[float, int, int, bytes]] = field(default_factory=list)  # -rank, unit, place, text

    def add(self, window: str, rank: float, unit: int = 0) -> None:
        """Offer the next window of a unit."""
        text = window.encode()
        self.total_bytes += len(text)
        self.total_windows += 1
        self._keep((-rank, unit, self.total_windows, text))

    def merge(self, other: "WindowSample") -> None:
        """Take in what another sample, of other units, was offered and kept."""
        self.total_bytes += other.total_bytes
        self.total_windows += other.total_windows
        self._limit(other._rank_limit)
        for entry in other._heap:
            self._keep(entry)

    def windows(self) -> Iterator[str]:
        """The sample, in the order of units and of places in them."""
        return (text.decode() for _, _, _, text in sorted(self._heap, key=lambda entry: entry[1:3]))

    def _keep(self, entry: tuple[float, int, int, bytes]) -> None:
        if -entry[0] >= self._rank_limit:
            return
        heapq.heappush(self._heap, entry)
        self.sampled_bytes += len(entry[-1])
        while self.sampled_bytes > self.budget:
            self._limit(-self._heap[0][0])  # or short windows would fill what a long one left

    def _limit(self, rank: float) -> None:
        """Drop every window that is not below this rank, now and later."""
        self._rank_limit = min(rank, self._rank_limit)
        while self._heap and -self._heap[0][0] >= self._rank_limit:
            self.sampled_bytes -= len(heapq.heappop(self._heap)[-1])


class Language:
    """The windows of one language: a sample to train on, and a small one that training never sees."""

    def __init__(self, budget: int) -> None:
        self.training = WindowSample(budget)
        self.held_out = WindowSample(HELD_OUT_BYTES)

    def add(self, window: str, draws: "Draws", unit: int) -> None:
        """Send the next window of a unit to one of the two."""
        if draws.split.random() < HELD_OUT_SHARE:
            self.held_out.add(window, draws.held_out.random(), unit)
        else:
            self.training.add(window, draws.training.random(), unit)

    def merge(self, other: "Language") -> None:
        """Take in the samples of other units."""
        self.training.merge(other.training)
        self.held_out.merge(other.held_out)


class Draws:
    """The random numbers for one language in one unit: every unit has its own, whoever reads it."""

    def __init__(self, seed: int, language: str, unit: int) -> None:
        part = f"/{unit}" if unit else ""  # the first unit's has no number: see test_the_committed_tokenizer
        self.split, self.training, self.held_out = (
            random.Random(f"{seed}/{language}/{name}{part}") for name in ("split", "training", "held out")
        )


def sample_languages(
    units: Sequence[Unit], budgets: dict[str, int], seed: int, workers: int = 0, worker_bytes: int = 0
) -> dict[str, Language]:
    """Read units and sample each language within its budget of bytes.

    Args:
        units: what to read.
        budgets: bytes of each language's sample, at most.
        seed: which windows.
        workers: processes that read; 0 reads in this one. The sample is the same.
        worker_bytes: memory that each of them may take, if there are any (a hard limit on Linux).

    Raises UserError, with file and line, for what cannot be read, and for a budget too small for one window.
    """
    languages = {name: Language(budget) for name, budget in budgets.items()}
    total = sum(unit.text_bytes for unit in units)
    with progress_bar("sampling", "B", total) as bar:
        for unit, sampled in _samples(units, budgets, seed, workers, worker_bytes):
            for name, language in sampled.items():
                languages[name].merge(language)
            bar.update(unit.text_bytes)
    _check(languages, units, sum(budgets.values()))
    return languages


def sample_unit(unit: Unit, budgets: dict[str, int], seed: int) -> dict[str, Language]:
    """Each language's sample of one unit."""
    languages = {name: Language(budget) for name, budget in budgets.items()}
    draws = {name: Draws(seed, name, unit.number) for name in budgets}
    for name, window in unit.windows():
        languages[name].add(window, draws[name], unit.number)
    return languages


def _samples(
    units: Sequence[Unit], budgets: dict[str, int], seed: int, workers: int, worker_bytes: int
) -> Iterable[tuple[Unit, dict[str, Language]]]:
    if not workers:
        return ((unit, sample_unit(unit, budgets, seed)) for unit in units)
    return in_processes(sample_unit, units, (budgets, seed), workers, worker_bytes)


def _check(languages: dict[str, Language], units: Sequence[Unit], sample_bytes: int) -> None:
    for name, language in languages.items():
        if language.training.total_bytes and not language.training.sampled_bytes:
            raise UserError(
                f"--sample_bytes {sample_bytes} is too small for one window of {name}; "
                f"give {1000 * WINDOW_BYTES} or more."
            )
    if not any(language.training.total_bytes for language in languages.values()):
        names = ", ".join(str(unit.file.path) for unit in units[:5]) + (", ..." if len(units) > 5 else "")
        raise UserError(f"{names}: there is no text to train a tokenizer on.")


def language_budgets(sample_bytes: int, text_share: float) -> dict[str, int]:
    """Bytes of each language in a sample."""
    english = round(sample_bytes * text_share)
    return {DNA: sample_bytes - english, ENGLISH: english}
