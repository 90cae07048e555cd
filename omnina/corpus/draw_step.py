"""The pipeline's step that leaves out what the draw among all passages did not take."""

from collections.abc import Iterable, Iterator
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
        for file, candidates in groupby(data, key=lambda one: one.file):
            shared, drawn = draw.of_file(file)
            sample, source = self.config.table(file).sample, self.config.sources[file].source
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
