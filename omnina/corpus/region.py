"""The same bases of every passage, as ``301-600``: a variable region of a gene, or its beginning."""

import re
from dataclasses import dataclass, replace

from omnina.corpus.passage import Passage
from omnina.errors import UserError

_REGION = re.compile(r"([1-9]\d*)-([1-9]\d*)")


@dataclass(frozen=True)
class Region:
    """Bases ``first`` to ``last`` of a passage, counted from 1, both included."""

    first: int
    last: int

    def of(self, passage: Passage) -> Passage | None:
        """The passage's region, None if it ends before; a spliced one keeps the place of the whole."""
        if len(passage.sequence) < self.last:
            return None
        sequence = passage.sequence[self.first - 1 : self.last]
        if len(passage.sequence) != passage.end - passage.start:
            return replace(passage, sequence=sequence)
        reverse = passage.strand == "-"
        start = passage.end - self.last if reverse else passage.start + self.first - 1
        return replace(passage, sequence=sequence, start=start, end=start + len(sequence))


def parsed_region(written: str) -> Region:
    """Read ``301-600``; UserError for anything else."""
    found = _REGION.fullmatch(written)
    if not found or int(found[1]) > int(found[2]):
        raise UserError(f"'{written}' must be the first and the last base, counted from 1, as in 301-600.")
    return Region(int(found[1]), int(found[2]))
