"""What of a test table stands in training tables: equal, reverse-complemented or nearly equal sequences.

The test side is indexed and the training tables are read once, row by row, so that memory does not grow with
them. For each test sequence the strongest twin is kept (the first of equally strong ones), with the number of
training sequences that are twins of it at all.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from omnina.corpus.dedup.forbid import ForbiddenSequences, Kind
from omnina.corpus.dedup.parts import Part, read_parts
from omnina.corpus.dedup.sketch import DEFAULT, SketchSettings
from omnina.errors import UserError
from omnina.progress import counted
from omnina.tables.table import expand_paths

EVERY_QUESTION = "all"


class IndexedPart(NamedTuple):
    """A test sequence without its bases; ``number`` and ``turned`` as in ``ForbiddenSequences``."""

    path: Path
    line: int
    label: str
    question: str
    number: int
    turned: bool


class TrainPlace(NamedTuple):
    """Where a training sequence stands."""

    path: Path
    line: int
    label: str


@dataclass
class Found:
    """The strongest twin of a test sequence, and how many training sequences are twins of it."""

    kind: Kind
    similarity: float
    place: TrainPlace
    train_sequences: int = 0

    def add(self, kind: Kind, similarity: float, place: TrainPlace) -> None:
        """Count one more twin, and keep it if it is stronger."""
        self.train_sequences += 1
        if (kind, similarity) > (self.kind, self.similarity):
            self.kind, self.similarity, self.place = kind, similarity, place


@dataclass
class PartCounts:
    """Test sequences of one label and one question, by the strongest twin that they have in training."""

    label: str
    question: str
    sequences: int = 0
    exact: int = 0
    reverse_complement: int = 0
    near: int = 0
    only_compared_for_equality: int = 0

    @property
    def clean(self) -> int:
        """Sequences without a twin."""
        return self.sequences - self.exact - self.reverse_complement - self.near

    def add(self, found: Found | None, *, too_short: bool) -> None:
        """Count one test sequence."""
        self.sequences += 1
        self.only_compared_for_equality += too_short
        if found:
            name = found.kind.name.lower()
            setattr(self, name, getattr(self, name) + 1)


@dataclass
class Contamination:
    """What the search found.

    Attributes:
        test_parts: the test sequences in the order of the tables.
        found: twins by (number, turned) of the test sequence.
        too_short: numbers of test sequences that were only compared for equality.
        train_sequences, train_bases: how many training sequences and bases were read.
        train_only_exact: how many of them, by label, were too short for near twins.
        settings: how sequences were compared.
    """

    test_parts: list[IndexedPart]
    found: dict[tuple[int, bool], Found]
    too_short: set[int]
    settings: SketchSettings
    train_sequences: int = 0
    train_bases: int = 0
    train_only_exact: Counter[str] = field(default_factory=Counter)

    def twin_of(self, part: IndexedPart) -> Found | None:
        """The strongest twin of a test sequence."""
        return self.found.get((part.number, part.turned))

    def counts(self) -> list[PartCounts]:
        """One entry for each label with all its questions, and one for each of several questions."""
        entries: dict[tuple[str, str], PartCounts] = {}
        for part in self.test_parts:
            for question in dict.fromkeys((EVERY_QUESTION, part.question or EVERY_QUESTION)):
                entry = entries.setdefault((part.label, question), PartCounts(part.label, question))
                entry.add(self.twin_of(part), too_short=part.number in self.too_short)
        return list(entries.values())

    def rows(self) -> tuple[int, int]:
        """(test rows, those of them in which any sequence has a twin)."""
        twins: dict[tuple[Path, int], bool] = {}
        for part in self.test_parts:
            row = part.path, part.line
            twins[row] = twins.get(row, False) or self.twin_of(part) is not None
        return len(twins), sum(twins.values())


def find_contamination(
    train: Iterable[str | Path], test: Iterable[str | Path], settings: SketchSettings = DEFAULT
) -> Contamination:
    """Search training tables for twins of the test tables' sequences.

    Raises UserError for a missing file or ``sequence`` column, a bad cell, or a table named on both sides.
    """
    train, test = expand_paths(train), expand_paths(test)
    _refuse_shared(train, test)
    parts: list[IndexedPart] = []
    indexed = counted(read_parts(test), "indexing the test tables", "sequences")
    forbidden, oriented = ForbiddenSequences.build(_noted(indexed, parts), settings)
    parts = [
        part._replace(number=number, turned=turned)
        for part, (number, turned) in zip(parts, oriented, strict=True)
    ]
    result = Contamination(parts, {}, forbidden.too_short, settings)
    for part in counted(read_parts(train), "searching the training tables", "sequences"):
        _search(part, forbidden, result)
    return result


def _refuse_shared(train: list[Path], test: list[Path]) -> None:
    shared = {path.resolve() for path in train} & {path.resolve() for path in test}
    if shared:
        raise UserError(f"{min(shared)}: this table is named for training and for test; name another.")


def _noted(parts: Iterable[Part], noted: list[IndexedPart]) -> Iterator[str]:
    """Pass the bases on; keep where they stand."""
    for part in parts:
        noted.append(IndexedPart(part.path, part.line, part.label, part.question, -1, False))
        yield part.bases


def _search(part: Part, forbidden: ForbiddenSequences, result: Contamination) -> None:
    """Add one training sequence to what was found."""
    twins = forbidden.twins(part.bases)
    place = TrainPlace(part.path, part.line, part.label)
    result.train_sequences += 1
    result.train_bases += len(part.bases)
    result.train_only_exact[part.label] += twins.only_exact
    if twins.same is not None:
        for turned in (False, True):
            kind = Kind.EXACT if turned == twins.turned else Kind.REVERSE_COMPLEMENT
            _add(result, (twins.same, turned), kind, 1.0, place)
    for number, identity in twins.near.items():
        for turned in (False, True):
            _add(result, (number, turned), Kind.NEAR, identity, place)


def _add(
    result: Contamination, key: tuple[int, bool], kind: Kind, similarity: float, place: TrainPlace
) -> None:
    result.found.setdefault(key, Found(kind, similarity, place)).add(kind, similarity, place)
