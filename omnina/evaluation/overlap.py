"""Test sequences that stand in the training rows as they are, or as their reverse complement."""

from collections.abc import Iterable
from dataclasses import dataclass

from Bio.Seq import reverse_complement

from omnina.chunking import Nucleotides

LONE = "sequence"


@dataclass
class PartOverlap:
    """Counts over the test rows that have the part ``name`` (``sequence`` if cells are not labelled)."""

    name: str
    rows: int = 0
    exact: int = 0
    reversed: int = 0

    def sentence(self) -> str:
        """For a summary."""
        turned = f", {self.reversed} more as their reverse complement" if self.reversed else ""
        return f"{self.exact} of {self.rows} test rows' {self.name} stand in the training rows{turned}"


def part_overlap(train_cells: Iterable[Nucleotides], test_cells: Iterable[Nucleotides]) -> list[PartOverlap]:
    """One entry for each part name among the test cells, sorted by name."""
    seen: dict[str, set[str]] = {}
    for cell in train_cells:
        for name, bases in _parts(cell):
            seen.setdefault(name, set()).add(bases)
    found: dict[str, PartOverlap] = {}
    for cell in test_cells:
        for name, bases in _parts(cell):
            entry, known = found.setdefault(name, PartOverlap(name)), seen.get(name, set())
            entry.rows += 1
            entry.exact += bases in known
            entry.reversed += bases not in known and reverse_complement(bases) in known
    return [found[name] for name in sorted(found)]


def _parts(cell: Nucleotides) -> list[tuple[str, str]]:
    return [(label or LONE, bases) for label, bases in cell.parts]
