"""What a draw among all passages must know of each: its group, and the size and seeded place of its rows.

Tasks note it while they make keys, nothing where a configuration draws nothing. It takes 24 bytes a passage
and 41 a row of a table that is sampled, on disk and in the step that draws; some six times that in a task.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from omnina.corpus.candidate import Candidate
from omnina.corpus.choice import place_of
from omnina.corpus.corpus_config import CorpusConfig
from omnina.corpus.passage import Passage
from omnina.corpus.sample_config import Sample
from omnina.corpus.seeded_order import seeded_key
from omnina.corpus.shards import csv_bytes, row_cells
from omnina.corpus.templates import Row
from omnina.files.durable import write_whole

# A group is its seeded key's first 128 bits: groups sorted by them stand in their seeded order.
GROUP = np.dtype([("high", "<u8"), ("low", "<u8")])
NO_GROUP = (0, 0)
ROW_PLACE = np.dtype([("place", "<u8"), ("row", "<u4")])
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
        places: (passages,) uint64 ``place_of`` each passage that has a key, ascending.
        groups: (passages,) GROUP of each.
        train_only: (.,) GROUP of those that must not be held out.
        rows: (.,) ROW of the tables that are sampled.
    """

    places: np.ndarray
    groups: np.ndarray
    train_only: np.ndarray
    rows: np.ndarray

    @classmethod
    def load(cls, paths: Iterable[Path]) -> "Noted":
        """What the tasks wrote."""
        loaded = [dict(np.load(path, allow_pickle=False)) for path in paths]
        noted = {name: np.concatenate([one[name] for one in loaded]) for name in loaded[0]}
        order = np.argsort(noted["places"])
        return cls(**noted | {name: noted[name][order] for name in ("places", "groups")})


class Notes:
    """Takes notes of the candidates of one task as they pass by."""

    def __init__(self, config: CorpusConfig) -> None:
        self._config = config
        self._places: list[int] = []
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
                    self._places.append(place_of(one.unit, one.number))
                    self._groups.append(group)
                    self._note_rows(one)
            yield one

    def save(self, path: Path) -> None:
        """Write all of it."""
        noted = Noted(
            np.array(self._places, np.uint64),
            np.array(self._groups, GROUP),
            np.array(sorted(self._train_only), GROUP),
            np.array(self._rows, ROW),
        )
        write_whole(path, lambda stream: np.savez(stream, **vars(noted)))

    def _group(self, passage: Passage) -> tuple[int, int]:
        name = self._config.split.group(passage)
        return seeded_bits(self._config.split.rule.seed, name) if name else NO_GROUP

    def _note_rows(self, candidate: Candidate) -> None:
        unit, place = self._config.units[candidate.unit], place_of(candidate.unit, candidate.number)
        table, source, passage = unit.table, unit.spec.source, candidate.item
        sample = table.sample
        if sample is None:
            return
        later = not all(test.holds(passage) for test in sample.first)
        for number, row in enumerate(candidate.rows):
            name = sampled_name(sample, source, row)
            if name in sample.names:
                cells = row_cells(passage, row.response, row.question, source)
                self._rows.append(
                    (
                        *(place, number, sample.names.index(name), later),
                        *seeded_bits(self._config.seed, row.key),
                        csv_bytes(cells, table.output.columns),
                    )
                )
