import pytest
from gff_text import FASTA, row

from omnina.corpus.readers.gff import RECORD_LEFT_OUT, UNKNOWN_SEQUENCE
from omnina.corpus.readers.gff_features import gff_format_of
from omnina.corpus.readers.gff_lines import BROKEN_LINE
from omnina.corpus.reject import BAD_LOCATION, DUPLICATE, NO_ANNOTATION, NOT_NUCLEOTIDE, PSEUDO
from omnina.errors import UserError


def spans(passages) -> list[tuple]:
    return [(p.accession, p.start, p.end, p.strand, p.sequence) for p in passages]


def test_features_come_record_by_record_in_the_order_of_the_fasta_file(gff_passages):
    gff = "##gff-version 3\n\n" + "".join(
        [
            row("c2", "CDS", 1, 4, "-", "ID=b"),
            row("c1", "tRNA", 2, 7, "-", "ID=a;product=tRNA-Ala"),
            row("c1", "region", 1, 13, "+", "ID=c1"),
            row("c1", "CDS", 10, 13, "?", "."),
        ]
    )
    passages, rejects = gff_passages(gff)
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


def test_attributes_are_percent_decoded_and_mapped(gff_passages):
    attributes = (
        "ID=a;gene=dnaA;product=DNA polymerase%2C beta%3B chain;Note=one,two%2Cthree;"
        "Dbxref=GeneID:1,EC:2.7.7.7;partial=true;start_range=.,1"
    )
    (passage,), _ = gff_passages(row("c1", "CDS", 1, 6, "+", attributes))
    expected = {
        "gene": "dnaA",
        "product": "DNA polymerase, beta; chain",
        "note": "one; two,three",
        "ec_number": "2.7.7.7",
        "partial": "yes",
    }
    assert {name: passage.fields.get(name) for name in expected} == expected
    (passage,), _ = gff_passages(row("c1", "CDS", 1, 6, "+", "ID=a;locus_tag=L1;eC_number=1.1.1.1"))
    assert (passage.fields["gene"], passage.fields["ec_number"]) == ("L1", "1.1.1.1")


def test_gene_and_pseudo_come_from_the_parents_where_the_line_has_none(gff_passages):
    lines = [
        row("c1", "CDS", 1, 3, "+", "ID=CDS:p1;Parent=transcript:t1"),
        row("c1", "mRNA", 1, 3, "+", "ID=transcript:t1;Parent=gene:g1;product=DnaA"),
        row("c1", "gene", 1, 3, "+", "ID=gene:g1;Name=dnaA"),
        row("c1", "CDS", 1, 3, "+", "ID=b;Parent=gene:g1;gene=own"),
        row("c1", "pseudogene", 1, 3, "+", "ID=g2"),
        row("c1", "CDS", 4, 6, "+", "ID=c;Parent=g2"),
        row("c1", "tRNA", 7, 9, "+", "ID=loop;Parent=loop"),
    ]
    passages, (reject,) = gff_passages("".join(lines))
    kept = [(p.fields["feature_type"], p.fields.get("gene"), p.fields.get("product")) for p in passages]
    assert kept == [
        ("CDS", "dnaA", "DnaA"),
        ("gene", "dnaA", None),
        ("CDS", "own", None),
        ("tRNA", None, None),
    ]
    assert (reject.kind, reject.line) == (PSEUDO, 6)


def test_gtf_lines_are_grouped_by_transcript_and_type(gff_passages):
    gtf = "".join(
        [
            row("c1", "gene", 1, 9, "-", 'gene_id "g1"; transcript_id ""; gene_name "abc";'),
            row("c1", "CDS", 7, 9, "-", 'gene_id "g1"; transcript_id "t1"; product "a; b"; exon_number 1'),
            row("c1", "CDS", 1, 3, "-", 'gene_id "g1"; transcript_id "t1"; product "a; b"; exon_number 2'),
            row("c1", "CDS", 1, 3, "-", 'gene_id "g1"; transcript_id "t2"; pseudo "true";'),
            row("c1", "CDS", 4, 6, "-", 'transcript_id "t3"; db_xref "GeneID:1"; db_xref "EC:1.1.1.1";'),
            row("c1", "transcript", 4, 6, "-", 'gene_id "g3"; transcript_id "t3"; product "c";'),
        ]
    )
    (gene, cds, last), (reject,) = gff_passages(gtf, "r.gtf.gz")
    assert gene.fields["gene"] == "abc"
    assert (cds.sequence, cds.fields["gene"], cds.fields["product"]) == ("TAA" + "GTT", "g1", "a; b")
    assert reject.kind == PSEUDO
    expected = {"gene": "g3", "product": "c", "db_xref": "GeneID:1; EC:1.1.1.1", "ec_number": "1.1.1.1"}
    assert {name: last.fields.get(name) for name in expected} == expected


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
        (row("c1", "CDS", 1, 4, "+", "ID=x", 3), BROKEN_LINE, "the phase is '3'"),
        (row("c1", "CDS", 1, 4, "+", "ID=x;product=%E9"), BROKEN_LINE, "'%E9' has percent codes"),
    ],
)
def test_bad_line_is_a_reject_with_file_and_line_and_the_others_are_read(gff_passages, bad, kind, reason):
    good = row("c1", "CDS", 1, 4, "+", "ID=a")
    passages, (reject,) = gff_passages(good + "# comment\n" + bad + row("c2", "CDS", 1, 4, "+", "ID=b"))
    assert [passage.accession for passage in passages] == ["c1", "c2"]
    assert (reject.source_file, reject.line, reject.kind) == ("r.gff3", 3, kind)
    assert reason in reject.reason


def test_embedded_fasta_ends_the_features(gff_passages):
    passages, rejects = gff_passages(row("c1", "CDS", 1, 4, "+", "ID=a") + "##FASTA\n>c1\nAACC\n")
    assert len(passages) == 1
    assert not rejects


def test_rejected_records_features_are_counted_with_it(gff_passages):
    gff = row("c1", "CDS", 1, 4, "+", "ID=a")
    gff += row("c1", "CDS", 1, 2, "+", "ID=b")
    passages, rejects = gff_passages(gff, fasta=">c1\nAACC\n>c1\nGG\n")
    assert len(passages) == 2
    assert [reject.kind for reject in rejects] == [DUPLICATE]
    for bases in ("!AAC", "AA!C", "A" * (1 << 20) + "!"):
        passages, rejects = gff_passages(gff, fasta=f">c1\n{bases}\n")
        assert not passages
        assert [reject.kind for reject in rejects] == [NOT_NUCLEOTIDE, RECORD_LEFT_OUT, RECORD_LEFT_OUT]
        assert [reject.line for reject in rejects] == [None, 1, 2]
        assert rejects[0].bases == len(bases)


@pytest.mark.parametrize("bad", ["", "!\n", "A!\n"])
def test_features_go_to_the_copy_of_their_record_that_can_be_read(gff_passages, bad):
    passages, rejects = gff_passages(row("c1", "CDS", 1, 4, "+", "ID=a"), fasta=f">c1\n{bad}>c1\nAACC\n")
    assert [passage.sequence for passage in passages] == ["AACC"]
    assert len(rejects) == 1


def test_file_without_feature_line_is_counted_and_one_without_header_an_error(gff_passages):
    passages, (reject,) = gff_passages("##gff-version 3\n##sequence-region c1 1 13\n")
    assert not passages
    assert (reject.source_file, reject.kind) == ("r.gff3", NO_ANNOTATION)
    with pytest.raises(UserError, match=r"r\.gff3: no feature line in it"):
        gff_passages("\n\n")


def test_gene_comes_from_any_parent(gff_passages):
    gff = "".join(
        [
            row("c1", "mRNA", 1, 9, "+", "ID=m1;product=A"),
            row("c1", "mRNA", 1, 9, "+", "ID=m2;gene=g"),
            row("c1", "CDS", 1, 3, "+", "ID=c;Parent=m1,m2;Dbxref=GeneID:1,UniProt:P1;protein_id=P.1"),
        ]
    )
    (passage,), _ = gff_passages(gff)
    expected = {"gene": "g", "product": "A", "db_xref": "GeneID:1; UniProt:P1", "protein_id": "P.1"}
    assert {name: passage.fields.get(name) for name in expected} == expected


def test_lines_are_utf8_and_comments_are_not_looked_at(gff_passages):
    good = row("c1", "CDS", 1, 4, "+", "ID=a;product=β-lactamase").encode()
    latin = row("c1", "CDS", 1, 4, "+", "ID=b;product=x").encode().replace(b"=x", b"=\xe9")
    passages, (reject,) = gff_passages(b"# \xe9\n" + good + latin)
    assert [passage.fields["product"] for passage in passages] == ["β-lactamase"]
    assert (reject.kind, reject.line) == (BROKEN_LINE, 3)
    assert "byte 0xe9" in reject.reason


@pytest.mark.parametrize("name", ["r.gff", "r.gff3.gz"])
@pytest.mark.parametrize("heading", ["##FASTA\n", ""])
def test_sequences_may_stand_below_the_features(gff_passages, name, heading):
    gff = "##gff-version 3\n" + row("c2", "CDS", 1, 4, "-", "ID=a") + heading + FASTA
    (passage,), rejects = gff_passages(gff, name, fasta=None)
    assert (passage.accession, passage.sequence, passage.source_file) == ("c2", "CCCC", name)
    assert not rejects
    with pytest.raises(UserError, match="no sequences below a '##FASTA' line"):
        gff_passages(row("c2", "CDS", 1, 4, "-", "ID=a"), fasta=None)


def test_names_tell_gtf_from_gff3():
    assert [gff_format_of(name) for name in ("a.gtf", "a.gtf.gz", "a.gff", "a.gff3.zst")] == [
        *("gtf", "gtf", "gff3", "gff3"),
    ]
