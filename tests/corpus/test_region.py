import re
from dataclasses import replace

import pytest
from corpus_passages import passage
from hypothesis import given
from hypothesis import strategies as st

from omnina.corpus.readers.features import spliced, written_parts
from omnina.corpus.readers.record import Part
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


GENOME = "ACGTTGCAAGGCTTAACCGATCGATTTACGGCAT"
PARTS = st.lists(
    st.builds(Part, st.integers(0, 15), st.integers(16, len(GENOME)), st.sampled_from("+-")),
    min_size=2,
    max_size=4,
)


@given(PARTS, st.integers(1, 20), st.integers(0, 12))
def test_a_region_of_joined_parts_has_the_places_of_its_bases(parts, first, more):
    whole = replace(
        passage(spliced(GENOME, tuple(parts)), strand="."), fields={"parts": written_parts(parts)}
    )
    cut = Region(first, first + more).of(whole)
    if cut is None:
        assert len(whole.sequence) < first + more
        return
    written = cut.fields.get("parts", f"{cut.start}-{cut.end}({{}})")
    found = [(int(a), int(b), s) for a, b, s in re.findall(r"(\d+)-(\d+)\((.+?)\)", written)]
    strands = ["+", "-"] if found[0][2] == "{}" else [None]
    again = [
        spliced(GENOME, tuple(Part(start, end, strand or own) for start, end, own in found))
        for strand in strands
    ]
    assert cut.sequence in again


def test_a_passage_that_ends_before_has_no_region():
    assert Region(3, 10).of(passage(RECORD)).sequence == RECORD[2:]
    assert Region(3, 11).of(passage(RECORD)) is None


@pytest.mark.parametrize("written", ["", "0-5", "5-3", "301", "301..600", "-5", "3-", "a-b"])
def test_anything_else_is_refused(written):
    with pytest.raises(UserError, match="as in 301-600"):
        parsed_region(written)
    assert parsed_region("301-600") == Region(301, 600)
