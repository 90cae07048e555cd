import pytest

from omnina.corpus.readers.features import Selection, passages_of
from omnina.corpus.readers.gff import UNKNOWN_SEQUENCE, gff_format_of, read_gff
from omnina.corpus.readers.gff_lines import BROKEN_LINE
from omnina.corpus.readers.record import AnnotatedRecord
from omnina.corpus.reject import BAD_LOCATION, DUPLICATE, NOT_NUCLEOTIDE, PSEUDO
from omnina.errors import UserError

#                  1   5   9   13
FASTA = ">c1 contig one\naaccggtt\nacgun\n>c2\nGGGGCCCC\n"
TYPES = ("CDS", "tRNA", "gene")


def row(seqid, kind, start, end, strand, attributes) -> str:
    return "\t".join([seqid, "x", kind, str(start), str(end), ".", strand, ".", attributes]) + "\n"


@pytest.fixture
def read(record_file, parted):
    def reading(gff: str, name: str = "r.gff3", fasta: str = FASTA, **selection):
        paths = record_file(fasta, "r.fna"), record_file(gff, name)
        chosen = Selection(feature_types=TYPES, **selection)
        items = []
        for item in read_gff(*paths, TYPES):
            items.extend(passages_of(item, chosen) if isinstance(item, AnnotatedRecord) else [item])
        return parted(items)

    return reading


def spans(passages) -> list[tuple]:
    return [(p.accession, p.start, p.end, p.strand, p.sequence) for p in passages]


def test_features_come_record_by_record_in_the_order_of_the_fasta_file(read):
    gff = "##gff-version 3\n\n" + "".join(
        [
            row("c2", "CDS", 1, 4, "-", "ID=b"),
            row("c1", "tRNA", 2, 7, "-", "ID=a;product=tRNA-Ala"),
            row("c1", "region", 1, 13, "+", "ID=c1"),
            row("c1", "CDS", 10, 13, "?", "."),
        ]
    )
    passages, rejects = read(gff)
    assert not rejects
    assert spans(passages) == [
        ("c1", 1, 7, "-", "ACCGGT"),
        ("c1", 9, 13, ".", "CGTN"),
        ("c2", 0, 4, "-", "CCCC"),
    ]
    assert passages[0].fields == {
        "accession": "c1",
        "description": "contig one",
        "feature_type": "tRNA",
        "product": "tRNA-Ala",
        "strand": "-",
    }
    assert passages[0].source_file == "r.fna"


@pytest.mark.parametrize("order", [slice(None), slice(None, None, -1)])
@pytest.mark.parametrize("strand, sequence", [("+", "AAC" + "TTA"), ("-", "TAA" + "GTT")])
def test_lines_of_one_id_are_spliced_from_left_to_right_or_back(read, order, strand, sequence):
    rows = [row("c1", "CDS", start, start + 2, strand, "ID=cds-1") for start in (1, 7)]
    (passage,), _ = read("".join(rows[order]))
    assert spans([passage]) == [("c1", 0, 9, strand, sequence)]


def test_trans_spliced_parts_follow_their_numbers(read):
    tail = "exception=trans-splicing"
    rows = [
        row("c1", "CDS", 1, 3, "+", f"ID=a;{tail};part=2/2"),
        row("c1", "CDS", 7, 9, "-", f"ID=a;{tail};part=1/2"),
    ]
    (passage,), _ = read("".join(rows))
    assert (passage.strand, passage.sequence) == (".", "TAA" + "AAC")


@pytest.mark.parametrize("strand, sequence", [("+", "CCC" + "GG"), ("-", "CC" + "GGG")])
def test_feature_over_the_origin_of_a_circle_is_spliced_there(read, strand, sequence):
    circle = row("c2", "region", 1, 8, "+", "ID=c2;Is_circular=true")
    over = row("c2", "CDS", 6, 10, strand, "ID=a")
    (passage,), _ = read(circle + over)
    assert (passage.strand, passage.sequence) == (strand, sequence)
    passages, (reject,) = read(over)
    assert not passages
    assert reject.kind == BAD_LOCATION


def test_attributes_are_percent_decoded_and_mapped(read):
    attributes = (
        "ID=a;gene=dnaA;product=DNA polymerase%2C beta%3B chain;Note=one,two%2Cthree;"
        "Dbxref=GeneID:1,EC:2.7.7.7;partial=true;start_range=.,1"
    )
    (passage,), _ = read(row("c1", "CDS", 1, 6, "+", attributes))
    expected = {
        "gene": "dnaA",
        "product": "DNA polymerase, beta; chain",
        "note": "one; two,three",
        "ec_number": "2.7.7.7",
        "partial": "yes",
    }
    assert {name: passage.fields.get(name) for name in expected} == expected
    (passage,), _ = read(row("c1", "CDS", 1, 6, "+", "ID=a;locus_tag=L1;eC_number=1.1.1.1"))
    assert (passage.fields["gene"], passage.fields["ec_number"]) == ("L1", "1.1.1.1")


def test_gene_and_pseudo_come_from_the_parents_where_the_line_has_none(read):
    lines = [
        row("c1", "CDS", 1, 3, "+", "ID=CDS:p1;Parent=transcript:t1"),
        row("c1", "mRNA", 1, 3, "+", "ID=transcript:t1;Parent=gene:g1;product=DnaA"),
        row("c1", "gene", 1, 3, "+", "ID=gene:g1;Name=dnaA"),
        row("c1", "CDS", 1, 3, "+", "ID=b;Parent=gene:g1;gene=own"),
        row("c1", "pseudogene", 1, 3, "+", "ID=g2"),
        row("c1", "CDS", 4, 6, "+", "ID=c;Parent=g2"),
        row("c1", "tRNA", 7, 9, "+", "ID=loop;Parent=loop"),
    ]
    passages, (reject,) = read("".join(lines))
    kept = [(p.fields["feature_type"], p.fields.get("gene"), p.fields.get("product")) for p in passages]
    assert kept == [
        ("CDS", "dnaA", "DnaA"),
        ("gene", "dnaA", None),
        ("CDS", "own", None),
        ("tRNA", None, None),
    ]
    assert (reject.kind, reject.line) == (PSEUDO, 6)


def test_gtf_lines_are_grouped_by_transcript_and_type(read):
    gtf = "".join(
        [
            row("c1", "gene", 1, 9, "-", 'gene_id "g1"; transcript_id ""; gene_name "abc";'),
            row("c1", "CDS", 7, 9, "-", 'gene_id "g1"; transcript_id "t1"; product "a; b"; exon_number 1'),
            row("c1", "CDS", 1, 3, "-", 'gene_id "g1"; transcript_id "t1"; product "a; b"; exon_number 2'),
            row("c1", "CDS", 1, 3, "-", 'gene_id "g1"; transcript_id "t2"; pseudo "true";'),
        ]
    )
    (gene, cds), (reject,) = read(gtf, "r.gtf.gz")
    assert gene.fields["gene"] == "abc"
    assert (cds.sequence, cds.fields["gene"], cds.fields["product"]) == ("TAA" + "GTT", "g1", "a; b")
    assert reject.kind == PSEUDO


@pytest.mark.parametrize(
    "bad, kind, reason",
    [
        (row("c1", "CDS", 10, 14, "+", "ID=x"), BAD_LOCATION, "10..14 is outside the record's 1..13"),
        (row("c1", "CDS", 0, 4, "+", "ID=x"), BAD_LOCATION, "0..4 is outside"),
        (row("c1", "CDS", 7, 4, "+", "ID=x"), BAD_LOCATION, "the start, 7, lies after the end, 4"),
        (row("c9", "CDS", 1, 4, "+", "ID=x"), UNKNOWN_SEQUENCE, "not in r.fna"),
        ("c1 x CDS 1 4 . + . ID=x\n", BROKEN_LINE, "1 columns between tabs, not 9"),
        (row("c1", "CDS", "a", 4, "+", "ID=x"), BROKEN_LINE, "'a'"),
        (row("c1", "CDS", 1, 4, "*", "ID=x"), BROKEN_LINE, "the strand is '*'"),
        (row("c1", "CDS", 1, 4, "+", "ID=x;gene"), BROKEN_LINE, "'gene' has no '='"),
    ],
)
def test_bad_line_is_a_reject_with_file_and_line_and_the_others_are_read(read, bad, kind, reason):
    good = row("c1", "CDS", 1, 4, "+", "ID=a")
    passages, (reject,) = read(good + "# comment\n" + bad + row("c2", "CDS", 1, 4, "+", "ID=b"))
    assert [passage.accession for passage in passages] == ["c1", "c2"]
    assert (reject.source_file, reject.line, reject.kind) == ("r.gff3", 3, kind)
    assert reason in reject.reason


def test_one_bad_part_takes_its_whole_feature_along(read):
    parts = row("c1", "CDS", 1, 3, "+", "ID=a") + row("c1", "CDS", 10, 99, "+", "ID=a")
    passages, (reject,) = read(parts)
    assert not passages
    assert (reject.line, reject.kind) == (2, BAD_LOCATION)


def test_embedded_fasta_ends_the_features(read):
    passages, rejects = read(row("c1", "CDS", 1, 4, "+", "ID=a") + "##FASTA\n>c1\nAACC\n")
    assert len(passages) == 1
    assert not rejects


def test_rejected_records_features_are_counted_with_it(read):
    gff = row("c1", "CDS", 1, 4, "+", "ID=a")
    _, rejects = read(gff, fasta=">c1\nAACC\n>c1\nGG\n")
    assert [reject.kind for reject in rejects] == [DUPLICATE]
    _, rejects = read(gff, fasta=">c1\nAA!C\n")
    assert [reject.kind for reject in rejects] == [NOT_NUCLEOTIDE]


def test_file_without_feature_line_is_an_error(read):
    with pytest.raises(UserError, match=r"r\.gff3: no feature line in it"):
        read("##gff-version 3\n")


def test_names_tell_gtf_from_gff3():
    assert [gff_format_of(name) for name in ("a.gtf", "a.gtf.gz", "a.gff", "a.gff3.zst")] == [
        *("gtf", "gtf", "gff3", "gff3"),
    ]
