"""What a draw among all passages must know of each: its group, and the size and seeded place of its rows.

Tasks note it while they make keys. It takes 16 bytes a passage and 53 a row of a table that is sampled, and
nothing where a configuration draws nothing.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from omnina.corpus.candidate import Candidate
from omnina.corpus.choice import PLACE
from omnina.corpus.corpus_config import CorpusConfig
from omnina.corpus.passage import Passage
from omnina.corpus.sample_config import Sample
from omnina.corpus.seeded_order import seeded_key
from omnina.corpus.shards import csv_bytes, row_cells
from omnina.corpus.templates import Row

# A group is its seeded key's first 128 bits: groups sorted by them stand in their seeded order.
GROUP = np.dtype([("high", "<u8"), ("low", "<u8")])
NO_GROUP = (0, 0)
ROW_PLACE = np.dtype([*PLACE, ("row", "<u4")])
ROW = np.dtype(
    [*ROW_PLACE.descr, ("name", "<u4"), ("later", "?"), ("high", "<u8"), ("low", "<u8"), ("bytes", "<u8")]
)


def seeded_bits(seed: int, name: str) -> tuple[int, int]:
    """The first 128 bits of the seeded key, as two numbers."""
    key = seeded_key(seed, name)
    return int.from_bytes(key[:8]), int.from_bytes(key[8:16])


def sampled_name(sample: Sample, source: str | None, row: Row) -> str:
    """What the sample counts a row under."""
    return row.name if sample.by == "question" else source or ""


@dataclass(frozen=True)
class Noted:
    """Notes of all tasks together.

    Attributes:
        groups: (keys,) GROUP of each passage that has a key, in the order of the keys.
        train_only: (.,) GROUP of those that must not be held out.
        rows: (.,) ROW of the tables that are sampled.
    """

    groups: np.ndarray
    train_only: np.ndarray
    rows: np.ndarray

    @classmethod
    def load(cls, paths: Iterable[Path]) -> "Noted":
        """What tasks wrote, in this order."""
        loaded = [dict(np.load(path, allow_pickle=False)) for path in paths]
        return cls(**{name: np.concatenate([one[name] for one in loaded]) for name in loaded[0]})


class Notes:
    """Takes notes of the candidates of one task as they pass by."""

    def __init__(self, config: CorpusConfig) -> None:
        self._config = config
        self._groups: list[tuple[int, int]] = []
        self._train_only: set[tuple[int, int]] = set()
        self._rows: list[tuple] = []

    def taking(self, candidates: Iterable[Candidate]) -> Iterator[Candidate]:
        """Give them all, unchanged."""
        split = self._config.split
        for one in candidates:
            if isinstance(one.item, Passage):
                group = self._group(one.item)
                if split.only_trained_on(one.item):  # even one that the filters leave out tells of its group
                    self._train_only.add(group)
                if one.kept:
                    self._groups.append(group)
                    self._note_rows(one)
            yield one

    def save(self, path: Path) -> None:
        """Write aside and rename."""
        noted = Noted(
            np.array(self._groups, GROUP),
            np.array(sorted(self._train_only), GROUP),
            np.array(self._rows, ROW),
        )
        aside = path.with_name(f".{path.name}")
        np.savez(aside, **vars(noted))
        aside.replace(path)

    def _group(self, passage: Passage) -> tuple[int, int]:
        name = self._config.split.group(passage)
        return seeded_bits(self._config.split.rule.seed, name) if name else NO_GROUP

    def _note_rows(self, candidate: Candidate) -> None:
        table, source = self._config.table(candidate.file), self._config.sources[candidate.file].source
        sample, passage = table.sample, candidate.item
        if sample is None:
            return
        later = not all(test.holds(passage) for test in sample.first)
        for number, row in enumerate(candidate.rows):
            name = sampled_name(sample, source, row)
            if name in sample.names:
                cells = row_cells(passage, row.response, row.question, source)
                self._rows.append(
                    (
                        *(candidate.file, candidate.number, number, sample.names.index(name), later),
                        *seeded_bits(self._config.seed, row.key),
                        csv_bytes(cells, table.output.columns),
                    )
                )
