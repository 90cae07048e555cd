"""Blocks of a corpus run that find what passages are left out for: duplicates, and forbidden sequences."""

from collections.abc import Iterable, Iterator
from itertools import groupby

import numpy as np
from datatrove.pipeline.base import PipelineStep

from omnina.corpus.candidate import Candidate
from omnina.corpus.candidates import read_candidates, with_rows
from omnina.corpus.choice import KEY, Choice, duplicates_of, key_runs, mapped
from omnina.corpus.clustering import check_memory, clusters_of, near_duplicates_of
from omnina.corpus.corpus_config import CorpusConfig
from omnina.corpus.dedup.forbid import ForbiddenSequences
from omnina.corpus.draw import draw_among
from omnina.corpus.durable import write_arrays
from omnina.corpus.notes import Notes
from omnina.corpus.progress import CHOICE_STAGE, FORBID_STAGE, KEYS_STAGE, Progress
from omnina.corpus.split_config import TRAIN

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
        return key_runs(data, lambda unit: self.config.units[unit].table.name)

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
        """Write which passages are duplicates, and what the others stay together with."""
        self.progress.check_complete(KEYS_STAGE)
        folders = map(self.progress.keys_folder, range(self.progress.tasks))
        runs = [mapped(path) for folder in folders for path in sorted(folder.iterdir())]
        duplicates = duplicates_of(runs)
        if self.config.draws:
            draw_among(runs, duplicates, self.config, self.progress).save(self.progress.draw_file)
        choice = Choice(duplicates, duplicates[:0], np.empty(0, KEY))
        if self.config.clusters:
            check_memory(sum(map(len, runs)) - len(duplicates))
            choice = self._choice_by_clusters(duplicates)
        choice.save(self.progress.choice_folder)
        self.stat_update("duplicates", value=len(duplicates))

    def _choice_by_clusters(self, duplicates: np.ndarray) -> Choice:
        every = with_rows(read_candidates(self.config, range(len(self.config.units))), self.config)
        clusters = clusters_of(every, duplicates)
        near = near_duplicates_of(clusters.near) if self.config.near else duplicates[:0]
        return Choice(duplicates, near, clusters.groups)


class LeaveOutDuplicates(PipelineStep):
    """Marks what the choice leaves out, and notes the group of what stays, if clusters decide it."""

    type, name = "dedup", "duplicates"

    def __init__(self, config: CorpusConfig, progress: Progress) -> None:
        super().__init__()
        self.config, self.progress = config, progress

    def run(self, data: Candidates, rank: int = 0, world_size: int = 1) -> Iterator[Candidate]:
        """Give all candidates."""
        self.progress.check_complete(CHOICE_STAGE)
        choice = Choice.load(self.progress.choice_folder)
        for unit, candidates in groupby(data, key=lambda one: one.unit):
            of_unit = choice.of_unit(unit)
            for one in candidates:
                if one.kept:
                    one.left_out = of_unit.reason(one.number)
                    one.group = of_unit.group(one.number)
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
