"""What goes from block to block of a corpus run: a passage or reject, with its place and what became of it.

Blocks mark what they leave out and pass it on; the last one counts. So nothing can disappear uncounted.
"""

from dataclasses import dataclass

from omnina.corpus.passage import Passage
from omnina.corpus.reject import Reject
from omnina.corpus.templates import Row


@dataclass
class Candidate:
    """A passage on its way to the tables.

    Attributes:
        unit: number of its record file, or part of one, in the configuration's order, from 0.
        number: of the passage or reject in that unit, from 0; with ``unit``, its place in canonical order.
        item: what the reader gave.
        rows: what it will be in the table.
        left_out: why it will be none, the first reason that was found.
        group: what it must stay together with.
        split: where it goes.
    """

    unit: int
    number: int
    item: Passage | Reject
    rows: tuple[Row, ...] = ()
    left_out: str | None = None
    group: str = ""
    split: str = ""

    @property
    def kept(self) -> bool:
        """Whether it is a passage that nothing has left out so far."""
        return isinstance(self.item, Passage) and self.left_out is None
