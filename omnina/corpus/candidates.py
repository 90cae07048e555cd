"""From record files to candidates with their rows: the same whenever and wherever it is asked for."""

from collections.abc import Iterable, Iterator

from omnina.corpus.candidate import Candidate
from omnina.corpus.corpus_config import CorpusConfig
from omnina.corpus.passage import Passage
from omnina.corpus.readers.source import read_source
from omnina.corpus.templates import Left

NO_QUESTION = "no question is asked of it"


def read_candidates(config: CorpusConfig, units: Iterable[int]) -> Iterator[Candidate]:
    """Passages and rejects of the units of these numbers, in order."""
    for unit in units:
        for number, item in enumerate(read_source(*config.units[unit])):
            yield Candidate(unit, number, item)


def with_rows(candidates: Iterable[Candidate], config: CorpusConfig) -> Iterator[Candidate]:
    """Filter passages, and fill in the templates for those that stay."""
    for candidate in candidates:
        if candidate.kept:
            candidate.left_out = config.filters.reason(candidate.item)
        if candidate.kept:
            _fill(candidate, config)
        yield candidate


def _fill(candidate: Candidate, config: CorpusConfig) -> None:
    passage: Passage = candidate.item
    if config.output.questions:
        candidate.rows = tuple(config.templates.questions(passage))
        candidate.left_out = None if candidate.rows else NO_QUESTION
        return
    said = config.templates.annotate(passage)
    if isinstance(said, Left):
        candidate.left_out = said.reason
    else:
        candidate.rows = ((None, said),)
