"""How many bases of evaluated rows the model did not read, since they did not fit into its length."""

from collections.abc import Sequence
from dataclasses import dataclass

from omnina.evaluation.asked_rows import AskedRow
from omnina.inference.answer import Answer


@dataclass(frozen=True)
class CutRows:
    """Of one question's rows: how many there are and lost bases at their end; bases, and those not read."""

    rows: int
    cut_rows: int
    bases: int
    cut_bases: int

    @classmethod
    def of(cls, rows: Sequence[AskedRow], answers: Sequence[Answer]) -> "CutRows":
        """Counted from the answers to these rows."""
        cut = [answer.cut_bases for answer in answers if answer.cut_bases]
        return cls(len(rows), len(cut), sum(row.nucleotides.bases for row in rows), sum(cut))

    @property
    def words(self) -> str:
        """``of 3 of 10 rows the end did not fit: 90 of 3,000 bases, of each strand that was read``."""
        return (
            f"of {self.cut_rows:,} of {self.rows:,} rows the end did not fit: "
            f"{self.cut_bases:,} of {self.bases:,} bases, of each strand that was read"
        )
