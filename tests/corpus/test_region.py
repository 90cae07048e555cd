import pytest
from corpus_passages import passage

from omnina.corpus.region import Region, parsed_region
from omnina.errors import UserError

RECORD = "AACCGGTTAC"


@pytest.mark.parametrize(
    ("strand", "start", "end"),
    [("+", 102, 105), (".", 102, 105), ("-", 105, 108)],
)
def test_bases_are_counted_along_the_strand(strand, start, end):
    cut = Region(3, 5).of(passage(RECORD, start=100, strand=strand))
    assert (cut.sequence, cut.start, cut.end) == ("CCG", start, end)


def test_a_passage_that_ends_before_has_no_region():
    assert Region(3, 10).of(passage(RECORD)).sequence == RECORD[2:]
    assert Region(3, 11).of(passage(RECORD)) is None


@pytest.mark.parametrize("written", ["", "0-5", "5-3", "301", "301..600", "-5", "3-", "a-b"])
def test_anything_else_is_refused(written):
    with pytest.raises(UserError, match="as in 301-600"):
        parsed_region(written)
    assert parsed_region("301-600") == Region(301, 600)
