"""The pipeline's steps that place passages by their groups, and leave out what was not drawn."""

from collections.abc import Callable, Iterable, Iterator
from itertools import groupby

from datatrove.pipeline.base import PipelineStep

from omnina.corpus.candidate import Candidate
from omnina.corpus.corpus_config import CorpusConfig
from omnina.corpus.draw import Draw
from omnina.corpus.notes import sampled_name
from omnina.corpus.progress import Progress
from omnina.corpus.sample_config import Sample

SHARED = "in several groups of the split"
NOT_SAMPLED = "usable, not sampled"


class Split(PipelineStep):
    """Decides by its group where a passage goes."""

    type, name = "transform", "split"

    def __init__(self, config: CorpusConfig, progress: Progress) -> None:
        super().__init__()
        self.settings, self.progress = config.split, progress

    def run(self, data: Iterable[Candidate], rank: int = 0, world_size: int = 1) -> Iterator[Candidate]:
        """Give all candidates."""
        side = self.settings.rule.side
        if self.settings.fill:
            side = Draw.load(self.progress.draw_file).filled_sides(self.settings.rule)
        for one in data:
            if one.kept:
                self._place(one, side)
            yield one

    def _place(self, candidate: Candidate, side: Callable[[str], str]) -> None:
        if self.settings.by != "cluster":  # whose groups are noted already
            candidate.group = self.settings.group(candidate.item)
        candidate.split = side(candidate.group)


class LeaveOutUndrawn(PipelineStep):
    """Leaves out what several groups share, and rows that the sample does not hold."""

    type, name = "filter", "what was not drawn"

    def __init__(self, config: CorpusConfig, progress: Progress) -> None:
        super().__init__()
        self.config, self.progress = config, progress

    def run(self, data: Iterable[Candidate], rank: int = 0, world_size: int = 1) -> Iterator[Candidate]:
        """Give all candidates."""
        if not self.config.draws:
            yield from data
            return
        draw = Draw.load(self.progress.draw_file)
        for number, candidates in groupby(data, key=lambda one: one.unit):
            shared, drawn = draw.of_unit(number)
            unit = self.config.units[number]
            sample, source = unit.table.sample, unit.spec.source
            for one in candidates:
                if one.kept and one.number in shared:
                    one.left_out = SHARED
                if one.kept and sample:
                    _keep_drawn(one, drawn, sample, source)
                yield one


def _keep_drawn(
    candidate: Candidate, drawn: set[tuple[int, int]], sample: Sample, source: str | None
) -> None:
    candidate.rows = tuple(
        row
        for number, row in enumerate(candidate.rows)
        if (candidate.number, number) in drawn
        or not sample.limits(candidate.split, sampled_name(sample, source, row))
    )
    candidate.left_out = None if candidate.rows else NOT_SAMPLED
