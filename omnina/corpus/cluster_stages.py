"""Blocks of a corpus run that find clusters of near-duplicates; only where a configuration asks for them.

Signatures are made by the tasks that read, for the passages that are no duplicates. Tasks for bands each take
some of the bands and write the links that they find; one task joins these, and writes what is left out and
which group each passage is of. See ``clustering``.
"""

from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path

from datatrove.pipeline.base import PipelineStep

from omnina.corpus.candidate import Candidate
from omnina.corpus.choice import NEAR_DUPLICATE, Walk, mapped, place_of
from omnina.corpus.clustering import join_equal, join_links, write_groups, write_near_duplicates
from omnina.corpus.corpus_config import CorpusConfig
from omnina.corpus.dedup.clusters import UnionFind
from omnina.corpus.dedup.near_links import SignedPassages
from omnina.corpus.dedup.numbering import Numbering
from omnina.corpus.dedup.sketch import DEFAULT
from omnina.corpus.passage_files import accession_runs, numbering_of, places_of, write_passages
from omnina.corpus.progress import BANDS_STAGE, CLUSTERS_STAGE, SIGNATURES_STAGE, Progress
from omnina.files.durable import whole_folder, write_whole

Candidates = Iterable[Candidate]
_NEAR, _GROUPS = "near_duplicates.npy", "groups.npy"


class WriteSignatures(PipelineStep):
    """Ends the stage of signatures."""

    type, name = "writer", "signatures"

    def __init__(self, config: CorpusConfig, progress: Progress) -> None:
        super().__init__()
        self.config, self.progress = config, progress

    def run(self, data: Candidates, rank: int = 0, world_size: int = 1) -> None:
        """Write the task's signatures, and put their folder in its place."""
        folder = self.progress.signatures_folder(rank)
        if not folder.exists():
            with whole_folder(folder) as aside:
                write_passages(aside, data, range(rank, len(self.config.units), world_size))


class LinkByBands(PipelineStep):
    """Finds what is near by some of the bands."""

    type, name = "dedup", "near-duplicates by bands"

    def __init__(self, config: CorpusConfig, progress: Progress) -> None:
        super().__init__()
        self.config, self.progress = config, progress

    def run(self, data: None = None, rank: int = 0, world_size: int = 1) -> None:
        """Write the links that bands rank, rank + world_size, ... give."""
        self.progress.check_complete(SIGNATURES_STAGE)
        folders, numbering = _signatures(self.config, self.progress)
        path = self.progress.links_file(rank)
        clusters = UnionFind(numbering.passages, path.parent)
        passages = SignedPassages(folders, numbering, DEFAULT)
        passages.join_near(range(rank, DEFAULT.bands, world_size), clusters)
        write_whole(path, lambda stream: stream.writelines(links.tobytes() for links in clusters.links()))


class JoinClusters(PipelineStep):
    """Joins the links of all bands."""

    type, name = "dedup", "clusters"

    def __init__(self, config: CorpusConfig, progress: Progress) -> None:
        super().__init__()
        self.config, self.progress = config, progress

    def run(self, data: None = None, rank: int = 0, world_size: int = 1) -> None:
        """Write which are left out, and the groups of all passages, if they decide the split."""
        self.progress.check_complete(BANDS_STAGE)
        folders, numbering = _signatures(self.config, self.progress)
        with whole_folder(self.progress.clusters_folder) as aside:
            places = places_of(folders, numbering, aside)
            clusters = UnionFind(numbering.passages, aside)
            tasks = range(self.progress.tasks_of(BANDS_STAGE))
            join_links(map(self.progress.links_file, tasks), clusters)
            if self.config.near:
                write_near_duplicates(aside / _NEAR, clusters, places)
            if self.config.split.by == "cluster":
                keys = self.progress.key_runs()
                join_equal(accession_runs(folders), places, clusters)
                join_equal(keys, places, clusters)
                write_groups(aside / _GROUPS, keys, places, clusters)


class LeaveOutNearDuplicates(PipelineStep):
    """Marks what is left out, and notes the group of what stays."""

    type, name = "dedup", "near-duplicates"

    def __init__(self, config: CorpusConfig, progress: Progress) -> None:
        super().__init__()
        self.config, self.progress = config, progress

    def run(self, data: Candidates, rank: int = 0, world_size: int = 1) -> Iterator[Candidate]:
        """Give all candidates."""
        self.progress.check_complete(CLUSTERS_STAGE)
        folder = self.progress.clusters_folder
        for unit, candidates in groupby(data, key=lambda one: one.unit):
            if self.config.near:
                candidates = _without_near(candidates, folder / _NEAR, unit)
            if self.config.split.by == "cluster":
                candidates = _with_groups(candidates, folder / _GROUPS, unit)
            yield from candidates


def _without_near(candidates: Candidates, file: Path, unit: int) -> Iterator[Candidate]:
    near = Walk(mapped(file), place_of(unit, 0))
    for one in candidates:
        if one.kept and near.index(place_of(one.unit, one.number)) is not None:
            one.left_out = NEAR_DUPLICATE
        yield one


def _with_groups(candidates: Candidates, file: Path, unit: int) -> Iterator[Candidate]:
    groups = mapped(file)
    walk = Walk(groups["place"], place_of(unit, 0))
    for one in candidates:
        if one.kept:
            high, low, _ = groups[walk.index(place_of(one.unit, one.number))]
            one.group = f"{high:016x}{low:016x}"
        yield one


def _signatures(config: CorpusConfig, progress: Progress) -> tuple[list[Path], Numbering]:
    folders = [progress.signatures_folder(task) for task in range(progress.tasks)]
    return folders, numbering_of(folders, len(config.units))
