"""From record files to candidates with their rows: the same whenever and wherever it is asked for."""

from collections.abc import Iterable, Iterator
from itertools import groupby

from omnina.corpus.candidate import Candidate
from omnina.corpus.corpus_config import CorpusConfig
from omnina.corpus.passage import Passage
from omnina.corpus.readers.source import read_source
from omnina.corpus.region import Region, parsed_region
from omnina.corpus.templates import Left, Templates

NO_QUESTION = "no question is asked of it"


def read_candidates(config: CorpusConfig, units: Iterable[int]) -> Iterator[Candidate]:
    """Passages and rejects of the units of these numbers, in order."""
    for unit in units:
        spec, part = config.units[unit].spec, config.units[unit].part
        for number, item in enumerate(read_source(spec, part)):
            yield Candidate(unit, number, item)


def with_rows(candidates: Iterable[Candidate], config: CorpusConfig) -> Iterator[Candidate]:
    """Filter passages, cut their region, fill in the templates; leave out what the split cannot place."""
    for unit, of_unit in groupby(candidates, key=lambda one: one.unit):
        table, region = config.units[unit].table, config.units[unit].spec.region
        region = parsed_region(region) if region else None
        for candidate in of_unit:
            if candidate.kept:
                candidate.left_out = table.filters.reason(candidate.item)
            if candidate.kept and region:
                _cut(candidate, region)
            if candidate.kept:
                _fill(candidate, table.templates)
            if candidate.kept:  # before duplicates are sought, so that none stands for a copy that can stay
                candidate.left_out = config.split.reason(candidate.item)
            yield candidate


def _cut(candidate: Candidate, region: Region) -> None:
    cut = region.of(candidate.item)
    if cut is None:
        candidate.left_out = f"ends before base {region.last}"
    else:
        candidate.item = cut


def _fill(candidate: Candidate, templates: Templates) -> None:
    passage: Passage = candidate.item
    if templates.questions_asked:
        candidate.rows = tuple(templates.questions(passage))
        candidate.left_out = None if candidate.rows else NO_QUESTION
        return
    said = templates.annotate(passage)
    if isinstance(said, Left):
        candidate.left_out = said.reason
    else:
        candidate.rows = (said,)
