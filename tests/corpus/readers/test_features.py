import io
import re

import pytest
from Bio import SeqIO
from Bio.Seq import Seq, reverse_complement
from Bio.SeqFeature import AfterPosition, BeforePosition, SeqFeature, SimpleLocation
from Bio.SeqRecord import SeqRecord
from hypothesis import given
from hypothesis import strategies as st

from omnina.corpus.readers.features import Selection, flanked, passages_of, spliced, strand_of
from omnina.corpus.readers.flat import read_flat
from omnina.corpus.readers.flat_features import NO_ORDER, OTHER_RECORD
from omnina.corpus.readers.record import Part
from omnina.corpus.readers.windowed import Cutting
from omnina.corpus.reject import BAD_LOCATION, PSEUDO, TOO_SHORT

#        0   4   8   12
BASES = "AACCGGTTACGTN"
FORWARD, REVERSE = 1, -1


def simple(start, end, strand=FORWARD) -> SimpleLocation:
    return SimpleLocation(start, end, strand)


def feature(location, kind="CDS", **qualifiers) -> SeqFeature:
    return SeqFeature(location, type=kind, qualifiers={name: [value] for name, value in qualifiers.items()})


@pytest.fixture
def read(record_file, parted):
    """Passages and rejects of one record with these features."""

    def reading(*features: SeqFeature, replace=("", ""), **selection):
        record = SeqRecord(Seq(BASES), id="C1.1", name="C1", features=list(features))
        record.annotations |= {"molecule_type": "DNA", "organism": "Leptospira sp. 7"}
        text = io.StringIO()
        SeqIO.write(record, text, "genbank")
        path = record_file(text.getvalue().replace(*replace), "r.gb")
        (annotated,) = read_flat(path, "genbank")
        return parted(passages_of(annotated, Selection(**selection)))

    return reading


def test_feature_on_the_reverse_strand_is_the_reverse_complement(read):
    (forward, reverse), _ = read(feature(simple(1, 7)), feature(simple(1, 7, REVERSE)))
    assert forward.sequence == "ACCGGT"
    assert reverse.sequence == reverse_complement("ACCGGT")
    assert (forward.strand, reverse.strand) == ("+", "-")
    assert (reverse.start, reverse.end) == (1, 7)


@pytest.mark.parametrize(
    "location, strand, sequence",
    [
        (simple(0, 3) + simple(6, 9), "+", "AAC" + "TTA"),
        (simple(6, 9, REVERSE) + simple(0, 3, REVERSE), "-", "TAA" + "GTT"),
        (simple(0, 4) + simple(3, 6), "+", "AACC" + "CGG"),  # slippage reads a base twice
        (simple(9, 13) + simple(0, 2), "+", "CGTN" + "AA"),  # over a circle's origin
        (simple(6, 9, REVERSE) + simple(0, 3), ".", "TAA" + "AAC"),  # trans-splicing
    ],
)
def test_joins_are_spliced_in_the_order_of_reading(read, location, strand, sequence):
    (passage,), _ = read(feature(location, trans_splicing=""))
    assert (passage.strand, passage.sequence) == (strand, sequence)
    assert (passage.start, passage.end) == (location.start, location.end)


@given(st.data())
def test_splices_are_those_of_biopython(data):
    starts = st.integers(0, len(BASES) - 1)
    span = starts.flatmap(lambda s: st.tuples(st.just(s), st.integers(s + 1, len(BASES))))
    spans = data.draw(st.lists(st.tuples(span, st.sampled_from("+-")), min_size=1, max_size=4))
    parts = tuple(Part(*ends, strand) for ends, strand in spans)
    locations = [simple(p.start, p.end, FORWARD if p.strand == "+" else REVERSE) for p in parts]
    assert spliced(BASES, parts) == str(sum(locations[1:], start=locations[0]).extract(Seq(BASES)))
    mirrored = tuple(Part(p.start, p.end, "-" if p.strand == "+" else "+") for p in reversed(parts))
    assert spliced(BASES, mirrored) == reverse_complement(spliced(BASES, parts))


@pytest.mark.parametrize("flank", [0, 2])
@pytest.mark.parametrize(
    "location",
    [
        simple(0, 3) + simple(6, 9),
        simple(6, 9, REVERSE) + simple(0, 3, REVERSE),
        simple(6, 9, REVERSE) + simple(0, 3),
        simple(9, 13) + simple(0, 2),
        simple(0, 4) + simple(3, 6),
        simple(4, 8, REVERSE),
    ],
)
def test_place_says_which_bases_a_passage_has(read, location, flank):
    (passage,), _ = read(feature(location, trans_splicing=""), flank=flank)
    place = passage.fields.get("parts", f"{passage.start}-{passage.end}({passage.strand})")
    pieces = [re.fullmatch(r"(\d+)-(\d+)\(([+.-])\)", piece).groups() for piece in place.split(",")]
    bases = [(BASES[int(start) : int(end)], strand) for start, end, strand in pieces]
    assert passage.sequence == "".join(b if strand == "+" else reverse_complement(b) for b, strand in bases)


@given(
    start=st.integers(0, 12), size=st.integers(1, 13), flank=st.integers(0, 20), strand=st.sampled_from("+-")
)
def test_flanks_are_the_bases_around_as_far_as_the_record_reaches(start, size, flank, strand):
    end = min(len(BASES), start + size)
    (part,) = flanked((Part(start, end, strand),), flank, len(BASES))
    assert (part.start, part.end) == (max(0, start - flank), min(len(BASES), end + flank))
    assert strand_of((part,)) == strand


@pytest.mark.parametrize(
    "location, span, sequence",
    [
        (simple(4, 6), (2, 8), "CC" + "GG" + "TT"),
        (simple(4, 6, REVERSE), (2, 8), "AA" + "CC" + "GG"),
        (simple(1, 3) + simple(6, 8), (0, 10), "A" + "AC" + "TT" + "AC"),
        (simple(6, 8, REVERSE) + simple(1, 3, REVERSE), (0, 10), "GT" + "AA" + "GT" + "T"),
        (simple(11, 13) + simple(0, 2), (0, 13), "CG" + "TN" + "AA" + "CC"),
    ],
)
def test_flanks_of_joins_are_genomic(read, location, span, sequence):
    (passage,), _ = read(feature(location), flank=2)
    assert (passage.start, passage.end) == span
    assert passage.sequence == sequence


def test_fields_are_filled_from_qualifiers(read):
    named = feature(
        simple(0, 6), gene="dnaA", locus_tag="L1", product="DnaA", note="a  b", EC_number="2.7.7.7"
    )
    named.qualifiers |= {"db_xref": ["GI:1", "GeneID:2"], "protein_id": ["P.1"], "codon_start": ["2"]}
    tagged = feature(simple(0, 6, REVERSE), "tRNA", locus_tag="L2")
    (first, second), _ = read(named, tagged)
    common = {"accession": "C1.1", "organism": "Leptospira sp. 7", "molecule_type": "DNA"}
    assert first.fields == common | {
        "feature_type": "CDS",
        "location": "[0:6](+)",
        "gene": "dnaA",
        "gene_symbol": "dnaA",
        "product": "DnaA",
        "note": "a b",
        "ec_number": "2.7.7.7",
        "db_xref": "GI:1; GeneID:2",
        "protein_id": "P.1",
        "codon_start": "2",
        "strand": "+",
    }
    assert second.fields == common | {
        "feature_type": "tRNA",
        "location": "[0:6](-)",
        "gene": "L2",
        "strand": "-",
    }


def test_feature_that_goes_on_beyond_the_record_is_partial(read):
    before = feature(SimpleLocation(BeforePosition(0), 6, FORWARD))
    after = feature(simple(0, 3) + SimpleLocation(6, AfterPosition(9), FORWARD))
    passages, _ = read(before, after, feature(simple(0, 6)))
    assert [passage.fields.get("partial") for passage in passages] == ["yes", "yes", None]


def test_whole_record_comes_first_and_only_it_is_cut_or_loses_the_feature_fields(read):
    passages, _ = read(feature(simple(0, 9)), whole=True, cutting=Cutting(window=6))
    assert [(p.start, p.end, p.strand) for p in passages] == [
        (0, 6, "."),
        (6, 12, "."),
        (7, 13, "."),
        (0, 9, "+"),
    ]
    assert "feature_type" not in passages[0].fields
    assert "strand" not in passages[0].fields


def test_only_chosen_types_count(read):
    features = feature(simple(0, 6), "gene"), feature(simple(0, 6), "tRNA")
    passages, rejects = read(*features, feature_types=("tRNA",))
    assert [passage.fields["feature_type"] for passage in passages] == ["tRNA"]
    assert not rejects


def test_pseudo_genes_are_counted_and_kept_if_asked(read):
    pseudo = feature(simple(0, 6), pseudo=""), feature(simple(0, 6), pseudogene="processed")
    passages, rejects = read(*pseudo)
    assert not passages
    assert [reject.kind for reject in rejects] == [PSEUDO, PSEUDO]
    assert len(read(*pseudo, include_pseudo=True)[0]) == 2


def test_taxid_is_that_of_the_source(read):
    source = feature(simple(0, 13), "source", organism="Leptospira sp. 7")
    source.qualifiers["db_xref"] = ["BOLD:1", "taxon:174"]
    (passage,), _ = read(source, feature(simple(0, 6)))
    assert passage.fields["taxid"] == "174"


@pytest.mark.parametrize(
    "gene, cds, inherited",
    [
        ({"locus_tag": "L1"}, {"locus_tag": "L1"}, True),
        ({"locus_tag": "L1", "gene": "a"}, {"gene": "a"}, True),
        ({"locus_tag": "L1"}, {}, True),
        ({"locus_tag": "L1"}, {"locus_tag": "L2"}, False),
    ],
)
def test_feature_of_a_pseudo_gene_is_one(read, gene, cds, inherited):
    entry = feature(simple(0, 9), "gene", pseudo="", **gene)
    inside, beside = feature(simple(1, 7), **cds), feature(simple(3, 12), **cds)
    reverse = feature(simple(1, 7, REVERSE), **cds)
    passages, rejects = read(entry, inside, beside, reverse)
    assert [reject.kind for reject in rejects] == [PSEUDO] * inherited
    assert len(passages) == 3 - inherited


@pytest.mark.parametrize(
    "location, kind, reason",
    [
        ("2..14", BAD_LOCATION, "2..14 is outside the record's 1..13"),
        ("join(2..3,X1.1:1..9)", OTHER_RECORD, "lies in another record"),
        ("order(2..3,5..6)", NO_ORDER, "how the parts of"),
        ("5^6", TOO_SHORT, "shorter than 1 bases"),
    ],
)
def test_feature_that_cannot_be_cut_out_is_a_reject(read, location, kind, reason):
    passages, (reject,) = read(feature(simple(0, 6)), feature(simple(2, 9)), replace=("3..9", location))
    assert len(passages) == 1
    assert (reject.source_file, reject.kind) == ("r.gb", kind)
    assert reject.record.startswith("C1.1 CDS ")
    assert reason in reject.reason


def test_short_features_are_counted_without_their_flanks(read):
    passages, (reject,) = read(feature(simple(0, 6)), feature(simple(0, 5)), min_bases=6, flank=3)
    assert [passage.end for passage in passages] == [9]
    assert reject.kind == TOO_SHORT
