from collections import Counter
from pathlib import Path

import pytest
from Bio.Seq import reverse_complement

from omnina.corpus.readers import SourceSpec, read_source
from omnina.corpus.readers.coding_pairs import NO_CODING, PairSizes, coding_pairs, untouched_windows
from omnina.corpus.readers.flat import read_flat
from omnina.corpus.readers.record import AnnotatedRecord, Feature, Part
from omnina.corpus.reject import BAD_LOCATION, Reject
from omnina.errors import UserError

GENOME = Path(__file__).parents[3] / "data" / "records" / "leptospira_kirschneri_H1.gbk.gz"
SIZES = PairSizes(300, 200)


def record_of(*features: tuple[int, int, str], bases: int = 1500, **changes) -> AnnotatedRecord:
    found = tuple(
        Feature(kind, kind, (Part(start, end, "+"),), {}, **changes) for start, end, kind in features
    )
    return AnnotatedRecord("r.gb", "c", "ACGTTGCAAG" * (bases // 10), {}, found, "r.gb")


@pytest.fixture(scope="module")
def contigs() -> dict[str, AnnotatedRecord]:
    return {record.accession: record for record in read_flat(GENOME, "genbank", None)}


@pytest.fixture(scope="module")
def pairs():
    given = read_source(
        SourceSpec(GENOME, passages="coding_pairs", window=SIZES.longest, min_bases=SIZES.shortest)
    )
    return [one for one in given if not isinstance(one, Reject)]


def test_windows_touch_no_feature():
    record = record_of((0, 1500, "source"), (210, 600, "CDS"), (590, 700, "tRNA"))
    assert list(untouched_windows(record, SIZES)) == [(0, 210), (700, 1000), (1000, 1300), (1300, 1500)]


def test_a_gap_of_199_bases_is_no_window():
    assert list(untouched_windows(record_of((199, 600, "CDS"), bases=790), SIZES)) == []


def test_coding_windows_lie_inside_a_gene_without_its_first_and_last_codon(contigs, pairs):
    inner = {}
    for name, record in contigs.items():
        genes = [one.parts[0] for one in record.features if one.kind == "CDS" and len(one.parts) == 1]
        inner[name] = [(place.start + 3, place.end - 3) for place in genes]
    inside = [one for one in pairs if one.fields["coding"] == "Yes"]
    assert len(inside) > 2000
    for one in inside:
        assert any(first <= one.start and one.end <= last for first, last in inner[one.accession])


def test_both_answers_have_the_same_lengths_and_strands(contigs, pairs):
    of = {answer: [one for one in pairs if one.fields["coding"] == answer] for answer in ("Yes", "No")}
    lengths = {answer: Counter(len(one.sequence) for one in found) for answer, found in of.items()}
    assert lengths["Yes"] == lengths["No"]
    for found in of.values():
        for one in found:
            bases = contigs[one.accession].sequence[one.start : one.end]
            assert one.sequence == (bases if one.strand == "+" else reverse_complement(bases))
        assert 0.47 < sum(one.strand == "+" for one in found) / len(found) < 0.53


def test_a_record_s_draws_depend_on_seed_and_name_alone():
    record = record_of((600, 1500, "CDS"))
    assert list(coding_pairs(record, SIZES)) == list(coding_pairs(record, SIZES))
    assert list(coding_pairs(record, SIZES)) != list(coding_pairs(record, PairSizes(300, 200, seed=1)))


def test_a_stretch_without_a_gene_of_its_length_is_counted():
    (reject,) = coding_pairs(record_of((0, 200, "CDS"), (500, 1500, "rRNA")), SIZES)
    assert (reject.kind, reject.bases) == (NO_CODING, 300)


def test_a_feature_of_unknown_place_might_lie_anywhere():
    record = record_of((0, 1000, "CDS"), fault=(BAD_LOCATION, "an end is unknown"))
    (reject,) = coding_pairs(record, SIZES)
    assert reject.kind == BAD_LOCATION


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({}, "window: .*longest"),
        ({"window": 300}, "window: .*shortest"),
        ({"window": 300, "min_bases": 200, "split_at_n": True}, "split_at_n: .*leave it out"),
        ({"window": 300, "min_bases": 200, "flank": 5}, "flank: it concerns features"),
        ({"window": 300, "min_bases": 200, "format": "fasta"}, "passages: .*no features"),
    ],
)
def test_mistakes_are_named(changes, message):
    with pytest.raises(UserError, match=message):
        read_source(SourceSpec(GENOME, passages="coding_pairs", **changes))


def test_a_seed_without_a_draw_is_refused():
    with pytest.raises(UserError, match="seed: nothing is drawn"):
        read_source(SourceSpec(GENOME, seed=1))
