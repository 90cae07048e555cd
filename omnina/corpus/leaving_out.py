"""Blocks of a corpus run that find what passages are left out for: duplicates, and forbidden sequences."""

from collections.abc import Iterable, Iterator
from itertools import groupby

import numpy as np
from datatrove.pipeline.base import PipelineStep

from omnina.corpus.candidate import Candidate
from omnina.corpus.choice import DUPLICATE, Walk, duplicates_of, key_runs, mapped, place_of
from omnina.corpus.clustering import check_disk
from omnina.corpus.corpus_config import CorpusConfig
from omnina.corpus.dedup.forbid import ForbiddenSequences
from omnina.corpus.draw import draw_among
from omnina.corpus.notes import Notes
from omnina.corpus.progress import CHOICE_STAGE, FORBID_STAGE, KEYS_STAGE, Progress
from omnina.corpus.split_config import TRAIN
from omnina.files.durable import write_arrays, write_whole

Candidates = Iterable[Candidate]


class WriteKeys(PipelineStep):
    """Ends the first stage."""

    type, name = "writer", "keys"

    def __init__(self, config: CorpusConfig, progress: Progress) -> None:
        super().__init__()
        self.config, self.progress = config, progress

    def run(self, data: Candidates, rank: int = 0, world_size: int = 1) -> None:
        """Write the task's keys in runs, and put their folder in its place."""
        folder = self.progress.keys_folder(rank)
        if folder.exists():
            return
        runs = enumerate(self._runs_and_notes(data, rank) if self.config.draws else self._runs(data))
        write_arrays(folder, ((f"{number:05d}", run) for number, run in runs))

    def _runs(self, data: Candidates) -> Iterator[np.ndarray]:
        several = len(self.config.tables) > 1
        return key_runs(data, lambda unit: self.config.units[unit].table.name if several else "")

    def _runs_and_notes(self, data: Candidates, rank: int) -> Iterator[np.ndarray]:
        """The notes are saved before the keys' folder is in its place, which says that both are there."""
        notes = Notes(self.config)
        yield from self._runs(notes.taking(data))
        notes.save(self.progress.notes_file(rank))


class ChooseFirst(PipelineStep):
    """Merges the keys of all tasks."""

    type, name = "dedup", "the first of equal passages"

    def __init__(self, config: CorpusConfig, progress: Progress) -> None:
        super().__init__()
        self.config, self.progress = config, progress

    def run(self, data: None = None, rank: int = 0, world_size: int = 1) -> None:
        """Write which passages are duplicates."""
        self.progress.check_complete(KEYS_STAGE)
        runs = self.progress.key_runs()
        duplicates = duplicates_of(runs)
        if self.config.draws:
            draw_among(runs, duplicates, self.config, self.progress).save(self.progress.draw_file)
        if self.config.clusters:
            check_disk(sum(map(len, runs)), self.progress.own)
        write_whole(self.progress.duplicates_file, lambda stream: np.save(stream, duplicates))
        self.stat_update("duplicates", value=len(duplicates))


class LeaveOutDuplicates(PipelineStep):
    """Marks all but the first of equal passages."""

    type, name = "dedup", "duplicates"

    def __init__(self, progress: Progress) -> None:
        super().__init__()
        self.progress = progress

    def run(self, data: Candidates, rank: int = 0, world_size: int = 1) -> Iterator[Candidate]:
        """Give all candidates."""
        self.progress.check_complete(CHOICE_STAGE)
        places = mapped(self.progress.duplicates_file)
        for unit, candidates in groupby(data, key=lambda one: one.unit):
            duplicates = Walk(places, place_of(unit, 0))
            for one in candidates:
                if one.kept and duplicates.index(place_of(one.unit, one.number)) is not None:
                    one.left_out = DUPLICATE
                yield one


class IndexForbidden(PipelineStep):
    """Reads the tables that training must stay away from, once for all tasks."""

    type, name = "reader", "forbidden tables"

    def __init__(self, config: CorpusConfig, progress: Progress) -> None:
        super().__init__()
        self.tables, self.progress = config.forbid, progress

    def run(self, data: None = None, rank: int = 0, world_size: int = 1) -> None:
        """Write the index's arrays, which the tasks map into memory."""
        write_arrays(self.progress.forbidden_folder, ForbiddenSequences.from_tables(self.tables).arrays())


class LeaveOutForbidden(PipelineStep):
    """Keeps out of training what is near a given test set."""

    type, name = "filter", "forbidden sequences"

    def __init__(self, progress: Progress) -> None:
        super().__init__()
        self.progress = progress

    def run(self, data: Candidates, rank: int = 0, world_size: int = 1) -> Iterator[Candidate]:
        """Give all candidates; those for other splits stay as they are."""
        self.progress.check_complete(FORBID_STAGE)
        paths = self.progress.forbidden_folder.glob("*.npy")
        forbidden = ForbiddenSequences.from_arrays({path.stem: mapped(path) for path in paths})
        for one in data:
            if one.kept and one.split == TRAIN:
                twin = forbidden.strongest(one.item.sequence)
                one.left_out = (
                    f"forbidden in {TRAIN}: {twin.kind.words} twin of a test sequence" if twin else None
                )
            yield one
