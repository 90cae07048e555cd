"""The same bases of every passage, as ``301-600``: a variable region of a gene, or its beginning."""

import re
from dataclasses import dataclass, replace

from omnina.corpus.passage import Passage
from omnina.errors import UserError

_REGION = re.compile(r"([1-9]\d*)-([1-9]\d*)")
_PART = re.compile(r"(?P<start>\d+)-(?P<end>\d+)\((?P<strand>.)\)")  # features.written_parts


@dataclass(frozen=True)
class Region:
    """Bases ``first`` to ``last`` of a passage, counted from 1, both included."""

    first: int
    last: int

    def of(self, passage: Passage) -> Passage | None:
        """The passage's region with its own place; None if the passage ends before."""
        if len(passage.sequence) < self.last:
            return None
        sequence = passage.sequence[self.first - 1 : self.last]
        fields = dict(passage.fields)
        joined = fields.pop("parts", None)
        if joined is None:
            parts = [self._inside(passage.start, passage.end, passage.strand, 0)]
        else:
            parts = self._parts(joined)
        if len(parts) > 1:
            fields["parts"] = ",".join(f"{start}-{end}({strand})" for start, end, strand in parts)
        start, end = min(part[0] for part in parts), max(part[1] for part in parts)
        return replace(passage, sequence=sequence, start=start, end=end, fields=fields)

    def _parts(self, written: str) -> list[tuple[int, int, str]]:
        """What of a joined place lies in the region, in reading order."""
        found, read = [], 0
        for part in _PART.finditer(written):
            start, end = int(part["start"]), int(part["end"])
            if read < self.last and read + end - start >= self.first:
                found.append(self._inside(start, end, part["strand"], read))
            read += end - start
        return found

    def _inside(self, start: int, end: int, strand: str, read: int) -> tuple[int, int, str]:
        """What of a part lies in the region, if ``read`` bases of the passage stand before it."""
        skipped, kept = max(self.first - 1 - read, 0), min(self.last - read, end - start)
        return (
            (end - kept, end - skipped, strand) if strand == "-" else (start + skipped, start + kept, strand)
        )


def parsed_region(written: str) -> Region:
    """Read ``301-600``; UserError for anything else."""
    found = _REGION.fullmatch(written)
    if not found or int(found[1]) > int(found[2]):
        raise UserError(f"'{written}' must be the first and the last base, counted from 1, as in 301-600.")
    return Region(int(found[1]), int(found[2]))
