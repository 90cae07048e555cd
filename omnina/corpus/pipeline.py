"""The blocks of a corpus run, as datatrove's pipeline steps, and the four stages that they make.

    keys      N tasks   read, filter, fill in templates -> a key for each passage
    choice    1 task    all keys -> which passages are duplicates, clusters and draws if asked for
    rows      N tasks   read again, leave out duplicates, what is not drawn or is forbidden, write shards
    manifest  1 task    tables that are one file, sums, ``manifest.json`` and ``rejected.csv``

Reading twice costs time and saves disk: no passage is ever kept between stages. Task t takes the record files
t, t + N, t + 2N, ...; what a task writes depends on the configuration and N alone.
"""

import csv
from collections.abc import Iterable, Iterator
from itertools import groupby

import numpy as np
from datatrove.pipeline.base import PipelineStep

from omnina.corpus.candidate import Candidate
from omnina.corpus.candidates import read_candidates, with_rows
from omnina.corpus.choice import Choice, clusters_of, duplicates_of, keys_of, near_duplicates_of, save_array
from omnina.corpus.corpus_config import CorpusConfig
from omnina.corpus.dedup.forbid import ForbiddenSequences
from omnina.corpus.draw import draw_among
from omnina.corpus.joined import order_of
from omnina.corpus.manifest import write_manifest
from omnina.corpus.notes import Notes
from omnina.corpus.passage import Passage
from omnina.corpus.placing import LeaveOutUndrawn, Split
from omnina.corpus.progress import CHOICE_STAGE, KEYS_STAGE, MANIFEST_STAGE, ROWS_STAGE, Progress
from omnina.corpus.reject import Reject
from omnina.corpus.split_config import TRAIN
from omnina.corpus.task_output import TaskOutput

REJECTED_FILE = "rejected.csv"
REJECTED_COLUMNS = ("file", "record", "line", "kind", "reason", "bases")

Candidates = Iterable[Candidate]


def stages(config: CorpusConfig, progress: Progress) -> dict[str, list[PipelineStep]]:
    """The blocks of each stage, stages in the order in which they run."""
    return {
        KEYS_STAGE: [
            ReadRecords(config, progress, KEYS_STAGE),
            MakeRows(config),
            WriteKeys(config, progress),
        ],
        CHOICE_STAGE: [ChooseFirst(config, progress)],
        ROWS_STAGE: [
            ReadRecords(config, progress, ROWS_STAGE),
            MakeRows(config),
            LeaveOutDuplicates(config, progress),
            Split(config, progress),
            LeaveOutUndrawn(config, progress),
            LeaveOutForbidden(config),
            WriteRows(config, progress),
        ],
        MANIFEST_STAGE: [WriteManifest(config, progress)],
    }


def recorded_config(config: CorpusConfig, tasks: int) -> dict:
    """What decides the bytes of the tables; every task's record has it."""
    return {**config.as_written, "tasks": tasks}


class ReadRecords(PipelineStep):
    """Gives the passages and rejects of the task's record files; of a complete task none."""

    type, name = "reader", "record files"

    def __init__(self, config: CorpusConfig, progress: Progress, stage: str) -> None:
        super().__init__()
        self.config, self.progress, self.stage = config, progress, stage

    def run(self, data: None = None, rank: int = 0, world_size: int = 1) -> Iterator[Candidate]:
        """Files rank, rank + world_size, ..."""
        if not self.progress.result(self.stage, rank).exists():
            yield from read_candidates(self.config, range(rank, len(self.config.sources), world_size))


class MakeRows(PipelineStep):
    """Filters passages and fills in the templates."""

    type, name = "transform", "filters and templates"

    def __init__(self, config: CorpusConfig) -> None:
        super().__init__()
        self.config = config

    def run(self, data: Candidates, rank: int = 0, world_size: int = 1) -> Iterator[Candidate]:
        """Give all candidates, those that are left out marked so."""
        yield from with_rows(data, self.config)


class WriteKeys(PipelineStep):
    """Ends the first stage."""

    type, name = "writer", "keys"

    def __init__(self, config: CorpusConfig, progress: Progress) -> None:
        super().__init__()
        self.config, self.progress = config, progress

    def run(self, data: Candidates, rank: int = 0, world_size: int = 1) -> None:
        """Write the task's keys; where something is drawn, first what the draw must know."""
        path = self.progress.keys_file(rank)
        if not path.exists():
            notes = Notes(self.config)
            keys = keys_of(notes.taking(data) if self.config.draws else data)
            if self.config.draws:
                notes.save(self.progress.notes_file(rank))
            save_array(path, keys)
            self.stat_update("passages", value=len(keys))


class ChooseFirst(PipelineStep):
    """Merges the keys of all tasks."""

    type, name = "dedup", "the first of equal passages"

    def __init__(self, config: CorpusConfig, progress: Progress) -> None:
        super().__init__()
        self.config, self.progress = config, progress

    def run(self, data: None = None, rank: int = 0, world_size: int = 1) -> None:
        """Write which passages are duplicates."""
        self.progress.check_complete(KEYS_STAGE)
        files = [self.progress.keys_file(task) for task in range(self.progress.tasks)]
        keys = np.concatenate([np.load(path, allow_pickle=False) for path in files])
        duplicates = self._duplicates(keys)
        if self.config.draws:
            draw_among(keys, duplicates, self.config, self.progress).save(self.progress.draw_file)
        clusters = clusters_of(self._staying(duplicates) if self.config.clusters else ())
        near = near_duplicates_of(clusters) if self.config.near else duplicates[:0]
        Choice(duplicates, near, clusters).save(self.progress.choice_file)
        self.stat_update("duplicates", value=len(duplicates))

    def _duplicates(self, keys: np.ndarray) -> np.ndarray:
        """A passage of one table is no duplicate of another table's."""
        tables = [files for _, files in self.config.files_of_tables]
        found = [keys[(keys["file"] >= one.start) & (keys["file"] < one.stop)] for one in tables]
        return np.concatenate([duplicates_of(of_table) for of_table in found])

    def _staying(self, duplicates: np.ndarray) -> Iterator[Candidate]:
        choice = Choice(duplicates, duplicates[:0], clusters_of(()))
        every = with_rows(read_candidates(self.config, range(len(self.config.sources))), self.config)
        for file, candidates in groupby(every, key=lambda one: one.file):
            reasons = choice.of_file(file).reasons
            yield from (one for one in candidates if one.kept and one.number not in reasons)


class LeaveOutDuplicates(PipelineStep):
    """Marks what the choice leaves out, and notes the cluster of what stays."""

    type, name = "dedup", "duplicates"

    def __init__(self, config: CorpusConfig, progress: Progress) -> None:
        super().__init__()
        self.config, self.progress = config, progress

    def run(self, data: Candidates, rank: int = 0, world_size: int = 1) -> Iterator[Candidate]:
        """Give all candidates."""
        self.progress.check_complete(CHOICE_STAGE)
        choice = Choice.load(self.progress.choice_file)
        for file, candidates in groupby(data, key=lambda one: one.file):
            of_file = choice.of_file(file)
            for one in candidates:
                if one.kept:
                    one.left_out = of_file.reasons.get(one.number)
                    one.group = of_file.clusters.get(one.number, "")
                yield one


class LeaveOutForbidden(PipelineStep):
    """Keeps out of training what is near a given test set."""

    type, name = "filter", "forbidden sequences"

    def __init__(self, config: CorpusConfig) -> None:
        super().__init__()
        self.tables = config.forbid

    def run(self, data: Candidates, rank: int = 0, world_size: int = 1) -> Iterator[Candidate]:
        """Give all candidates; those for other splits stay as they are."""
        if not self.tables:
            yield from data
            return
        forbidden = ForbiddenSequences.from_tables(self.tables)
        for one in data:
            if one.kept and one.split == TRAIN:
                twin = forbidden.strongest(one.item.sequence)
                one.left_out = (
                    f"forbidden in {TRAIN}: {twin.kind.words} twin of a test sequence" if twin else None
                )
            yield one


class WriteRows(PipelineStep):
    """Ends the stage of rows: shards, counts, rejects."""

    type, name = "writer", "shards"

    def __init__(self, config: CorpusConfig, progress: Progress) -> None:
        super().__init__()
        self.config, self.progress = config, progress

    def run(self, data: Candidates, rank: int = 0, world_size: int = 1) -> None:
        """Write the task's rows and count every candidate; of a complete task nothing."""
        if self.progress.result(ROWS_STAGE, rank).exists():
            return
        recorded = recorded_config(self.config, self.progress.tasks)
        settings = {table.name: table.output for table in self.config.tables}
        with TaskOutput(self.progress.folder, rank, settings, recorded) as output:
            self._clear_rejected(rank, world_size)
            for file, candidates in groupby(data, key=lambda one: one.file):
                self._write_file(file, candidates, output)
        self.stat_update("rows", value=output.kept)

    def _write_file(self, file: int, candidates: Candidates, output: TaskOutput) -> None:
        with self.progress.rejected_file(file).open("w", encoding="utf-8", newline="") as stream:
            rejected = csv.writer(stream, lineterminator="\n")
            for one in candidates:
                if isinstance(one.item, Reject):
                    output.counts_of(self.config.label(file)).rejected[one.item.kind] += 1
                    rejected.writerow(rejected_cells(one.item))
                else:
                    _count_and_write(one, one.item, self.config, output)

    def _clear_rejected(self, rank: int, world_size: int) -> None:
        """A record file without a single passage or reject has an empty list, not that of a killed task."""
        for file in range(rank, len(self.config.sources), world_size):
            self.progress.rejected_file(file).write_text("", encoding="utf-8")


class WriteManifest(PipelineStep):
    """Ends the run."""

    type, name = "writer", "manifest"

    def __init__(self, config: CorpusConfig, progress: Progress) -> None:
        super().__init__()
        self.config, self.progress = config, progress

    def run(self, data: None = None, rank: int = 0, world_size: int = 1) -> None:
        """Join the lists of rejects in the order of the record files, then write the manifest."""
        self.progress.check_complete(ROWS_STAGE)
        with (self.progress.folder / REJECTED_FILE).open("w", encoding="utf-8", newline="") as stream:
            csv.writer(stream, lineterminator="\n").writerow(REJECTED_COLUMNS)
            for file in range(len(self.config.sources)):
                with self.progress.rejected_file(file).open(encoding="utf-8", newline="") as rejected:
                    stream.writelines(rejected)
        recorded = recorded_config(self.config, self.progress.tasks)
        files = {table.name: table.output for table in self.config.tables if table.output.file}
        write_manifest(self.progress.folder, self.progress.tasks, recorded, files)


def rejected_cells(reject: Reject) -> tuple:
    """A line of ``rejected.csv``, by REJECTED_COLUMNS; the line is empty where lines are not counted."""
    line = "" if reject.line is None else reject.line
    return (reject.source_file, reject.record, line, reject.kind, reject.reason, reject.bases)


def _count_and_write(
    candidate: Candidate, passage: Passage, config: CorpusConfig, output: TaskOutput
) -> None:
    counts = output.counts_of(config.label(candidate.file))
    if candidate.left_out:
        counts.filtered[candidate.left_out] += 1
        return
    counts.kept += 1
    table, source = config.table(candidate.file), config.sources[candidate.file].source
    for number, row in enumerate(candidate.rows):
        place = (candidate.file, candidate.number, number)
        order = order_of(config.seed, row.key, place) if table.output.file else ""
        output.add(table.name, candidate.split, passage, row.response, row.question, source, order)
