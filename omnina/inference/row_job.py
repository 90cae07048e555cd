"""Rows of one file made into rows of a CSV: in order, in constant memory, going on if killed."""

import shlex
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from omnina.inference.answer_file import AnswerFile
from omnina.inference.queries import InputRow, SequenceFile
from omnina.progress import progress_bar

ROWS_PER_WRITE = 256

Work = Callable[[list[InputRow]], tuple[list[list[str]], Counter[str]]]


@dataclass(frozen=True)
class RowJob:
    """A command that makes one row of output of each row of input.

    Args:
        source, output: the files.
        length: rows of the source.
        doing: the command's work in a word, for the progress bar.
    """

    source: SequenceFile
    output: AnswerFile
    length: int
    doing: str

    def run(self, columns: Sequence[str], work: Work, stamp: dict) -> Counter[str]:
        """Write the output; returns how many rows there were, and the work's own counts.

        Args:
            columns: of the output.
            work: cells of some rows' outputs, and counts.
            stamp: whatever decides the output beside the input: another unfinished one is refused.
        """
        stamp = self._input_stamp() | stamp
        with self.output.claimed():
            done, size, tally = self.output.progress(stamp)
            bar = progress_bar(self.doing, "rows", self.length, done=done)
            try:
                with bar, self.output.opened(size, columns) as answers:
                    for rows in _batched(islice(self.source.rows(), done, None)):
                        cells, counts = work(rows)
                        counts["rows"] = len(rows)
                        answers.append(cells, stamp, tally + counts)
                        tally += counts
                        bar.update(len(rows))
            except KeyboardInterrupt:
                print(self._how_to_go_on(tally["rows"]), file=sys.stderr)
                raise
        return tally

    def _how_to_go_on(self, rows: int) -> str:
        command = shlex.join([Path(sys.executable).name, *sys.argv])
        return (
            f"\n{self.output.unfinished} keeps {rows} of {self.length} rows; this goes on from there:"
            f"\n  {command}"
        )

    def _input_stamp(self) -> dict:
        path = self.source.path
        return {
            "input": str(path.resolve()),
            "input_size": path.stat().st_size,
            "input_time": path.stat().st_mtime_ns,
        }


def _batched(rows: Iterator[InputRow]) -> Iterator[list[InputRow]]:
    while batch := list(islice(rows, ROWS_PER_WRITE)):
        yield batch
