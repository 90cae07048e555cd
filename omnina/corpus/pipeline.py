"""The blocks of a corpus run, as datatrove's pipeline steps, and the stages that they make.

    keys      N tasks   read, filter, fill in templates -> a key for each passage
    choice    1 task    all keys -> which passages are duplicates, and draws if asked for
    signatures N tasks, bands up to N tasks, clusters 1 task: near-duplicates; only if they are asked for
    forbid    1 task    tables that training must stay away from -> an index; only if there are any
    rows      N tasks   read again, leave out duplicates, what is not drawn or is forbidden, write shards
    manifest  1 task    tables that are one file, sums, ``manifest.json`` and ``rejected.csv``

Reading again costs time and saves disk: no passage is ever kept between stages. Task t takes the units
(record files, or parts of plain ones) t, t + N, t + 2N, ...; what a task writes depends on the configuration
and N alone.
"""

import csv
from collections.abc import Iterable, Iterator
from importlib.metadata import version
from itertools import groupby
from shutil import copyfileobj
from typing import BinaryIO

from datatrove.pipeline.base import PipelineStep

from omnina.corpus import rejected_list
from omnina.corpus.candidate import Candidate
from omnina.corpus.candidates import read_candidates, with_rows
from omnina.corpus.cluster_stages import (
    JoinClusters,
    LeaveOutNearDuplicates,
    LinkByBands,
    WriteSignatures,
)
from omnina.corpus.corpus_config import CorpusConfig
from omnina.corpus.joined import order_of
from omnina.corpus.leaving_out import (
    ChooseFirst,
    IndexForbidden,
    LeaveOutDuplicates,
    LeaveOutForbidden,
    WriteKeys,
)
from omnina.corpus.manifest import write_manifest
from omnina.corpus.passage import Passage
from omnina.corpus.placing import LeaveOutUndrawn, Split
from omnina.corpus.progress import (
    BANDS_STAGE,
    CHOICE_STAGE,
    CLUSTERS_STAGE,
    FORBID_STAGE,
    KEYS_STAGE,
    MANIFEST_STAGE,
    ROWS_STAGE,
    SIGNATURES_STAGE,
    Progress,
)
from omnina.corpus.reject import Reject
from omnina.corpus.task_output import TaskOutput, split_name
from omnina.files.durable import flush, write_whole

PACKAGES = ("omnina", "biopython", "pyarrow", "datatrove")

Candidates = Iterable[Candidate]


def stages(config: CorpusConfig, progress: Progress) -> dict[str, list[PipelineStep]]:
    """The blocks of each stage, stages in the order in which they run."""
    forbid = {FORBID_STAGE: [IndexForbidden(config, progress)]} if config.forbid else {}
    clusters = {
        SIGNATURES_STAGE: [
            ReadRecords(config, progress, SIGNATURES_STAGE),
            MakeRows(config),
            LeaveOutDuplicates(progress),
            WriteSignatures(config, progress),
        ],
        BANDS_STAGE: [LinkByBands(config, progress)],
        CLUSTERS_STAGE: [JoinClusters(config, progress)],
    }
    return {
        KEYS_STAGE: [
            ReadRecords(config, progress, KEYS_STAGE),
            MakeRows(config),
            WriteKeys(config, progress),
        ],
        CHOICE_STAGE: [ChooseFirst(config, progress)],
        **(clusters if config.clusters else {}),
        **forbid,
        ROWS_STAGE: [
            ReadRecords(config, progress, ROWS_STAGE),
            MakeRows(config),
            LeaveOutDuplicates(progress),
            *([LeaveOutNearDuplicates(config, progress)] if config.clusters else []),
            Split(config, progress),
            LeaveOutUndrawn(config, progress),
            *([LeaveOutForbidden(progress)] if config.forbid else []),
            WriteRows(config, progress),
        ],
        MANIFEST_STAGE: [WriteManifest(config, progress)],
    }


def recorded_config(config: CorpusConfig, tasks: int) -> dict:
    """What decides the bytes of the tables; every task's record has it."""
    versions = {package: version(package) for package in PACKAGES}
    return {**config.as_written, "tasks": tasks, "versions": versions}


class ReadRecords(PipelineStep):
    """Gives the passages and rejects of the task's units; of a complete task none."""

    type, name = "reader", "record files"

    def __init__(self, config: CorpusConfig, progress: Progress, stage: str) -> None:
        super().__init__()
        self.config, self.progress, self.stage = config, progress, stage

    def run(self, data: None = None, rank: int = 0, world_size: int = 1) -> Iterator[Candidate]:
        """Units rank, rank + world_size, ..."""
        if not self.progress.result(self.stage, rank).exists():
            yield from read_candidates(self.config, range(rank, len(self.config.units), world_size))


class MakeRows(PipelineStep):
    """Filters passages and fills in the templates."""

    type, name = "transform", "filters and templates"

    def __init__(self, config: CorpusConfig) -> None:
        super().__init__()
        self.config = config

    def run(self, data: Candidates, rank: int = 0, world_size: int = 1) -> Iterator[Candidate]:
        """Give all candidates, those that are left out marked so."""
        yield from with_rows(data, self.config)


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
            for unit, candidates in groupby(data, key=lambda one: one.unit):
                self._write_unit(unit, candidates, output)
            self._flush_rejected(rank, world_size)
        self.stat_update("rows", value=output.kept)

    def _write_unit(self, unit: int, candidates: Candidates, output: TaskOutput) -> None:
        with self.progress.rejected_file(unit).open("w", encoding="utf-8", newline="") as stream:
            rejected = csv.writer(stream, lineterminator="\n")
            for one in candidates:
                if isinstance(one.item, Reject):
                    output.counts_of(self.config.units[unit].label).rejected[one.item.kind] += 1
                    rejected.writerow(rejected_list.cells(one.item))
                else:
                    _count_and_write(one, one.item, self.config, output)

    def _clear_rejected(self, rank: int, world_size: int) -> None:
        """A unit without a single passage or reject has an empty list, not that of a killed task."""
        for unit in range(rank, len(self.config.units), world_size):
            self.progress.rejected_file(unit).write_text("", encoding="utf-8")

    def _flush_rejected(self, rank: int, world_size: int) -> None:
        """Before the task's record says that they are complete."""
        for unit in range(rank, len(self.config.units), world_size):
            flush(self.progress.rejected_file(unit))


class WriteManifest(PipelineStep):
    """Ends the run."""

    type, name = "writer", "manifest"

    def __init__(self, config: CorpusConfig, progress: Progress) -> None:
        super().__init__()
        self.config, self.progress = config, progress

    def run(self, data: None = None, rank: int = 0, world_size: int = 1) -> None:
        """Join the lists of rejects in the order of the units, then write the manifest."""
        self.progress.check_complete(ROWS_STAGE)
        write_whole(self.progress.folder / rejected_list.REJECTED_FILE, self._write_rejected)
        recorded = recorded_config(self.config, self.progress.tasks)
        tables, shares = self.config.tables, self.config.split.rule.shares
        splits = [split_name(table.name, side) for table in tables for side, share in shares.items() if share]
        files = {table.name: table.output for table in tables if table.output.file}
        write_manifest(self.progress.folder, self.progress.tasks, recorded, splits, files)

    def _write_rejected(self, stream: BinaryIO) -> None:
        stream.write(rejected_list.header())
        for unit in range(len(self.config.units)):
            with self.progress.rejected_file(unit).open("rb") as rejected:
                copyfileobj(rejected, stream)


def _count_and_write(
    candidate: Candidate, passage: Passage, config: CorpusConfig, output: TaskOutput
) -> None:
    unit = config.units[candidate.unit]
    counts = output.counts_of(unit.label)
    if candidate.left_out:
        counts.filtered[candidate.left_out] += 1
        return
    counts.kept += 1
    table, source = unit.table, unit.spec.source
    for number, row in enumerate(candidate.rows):
        place = (candidate.unit, candidate.number, number)
        order = order_of(config.seed, row.key, place) if table.output.file else ""
        output.add(table.name, candidate.split, passage, row.response, row.question, source, order)
