import pytest
from Bio.Seq import reverse_complement

from omnina.corpus.readers.features import Selection, passages_of
from omnina.corpus.readers.gff import RECORD_LEFT_OUT, UNKNOWN_SEQUENCE, read_gff
from omnina.corpus.readers.gff_features import gff_format_of
from omnina.corpus.readers.gff_lines import BROKEN_LINE
from omnina.corpus.readers.gff_segments import SCATTERED
from omnina.corpus.readers.record import AnnotatedRecord
from omnina.corpus.reject import BAD_LOCATION, DUPLICATE, NO_ANNOTATION, NOT_NUCLEOTIDE, PSEUDO
from omnina.errors import UserError

#                  1   5   9   13
FASTA = ">c1 contig one\naaccggtt\nacgun\n>c2\nGGGGCCCC\n"
TYPES = ("CDS", "tRNA", "gene")


def row(seqid, kind, start, end, strand, attributes, phase=".") -> str:
    return "\t".join([seqid, "x", kind, str(start), str(end), ".", strand, str(phase), attributes]) + "\n"


@pytest.fixture
def read(record_file, parted):
    def reading(gff: str | bytes, name: str = "r.gff3", fasta: str | None = FASTA, **selection):
        annotation = record_file(gff, name)
        paths = (annotation, None) if fasta is None else (record_file(fasta, "r.fna"), annotation)
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
        (row("c1", "CDS", 1, 4, "+", "ID=x", 3), BROKEN_LINE, "the phase is '3'"),
        (row("c1", "CDS", 1, 4, "+", "ID=x;product=%E9"), BROKEN_LINE, "'%E9' has percent codes"),
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
    gff += row("c1", "CDS", 1, 2, "+", "ID=b")
    passages, rejects = read(gff, fasta=">c1\nAACC\n>c1\nGG\n")
    assert len(passages) == 2
    assert [reject.kind for reject in rejects] == [DUPLICATE]
    for bases in ("!AAC", "AA!C", "A" * (1 << 20) + "!"):
        passages, rejects = read(gff, fasta=f">c1\n{bases}\n")
        assert not passages
        assert [reject.kind for reject in rejects] == [NOT_NUCLEOTIDE, RECORD_LEFT_OUT, RECORD_LEFT_OUT]
        assert [reject.line for reject in rejects] == [None, 1, 2]
        assert rejects[0].bases == len(bases)


@pytest.mark.parametrize("bad", ["", "!\n", "A!\n"])
def test_features_go_to_the_copy_of_their_record_that_can_be_read(read, bad):
    passages, rejects = read(row("c1", "CDS", 1, 4, "+", "ID=a"), fasta=f">c1\n{bad}>c1\nAACC\n")
    assert [passage.sequence for passage in passages] == ["AACC"]
    assert len(rejects) == 1


def test_file_without_feature_line_is_counted_and_one_without_header_an_error(read):
    passages, (reject,) = read("##gff-version 3\n##sequence-region c1 1 13\n")
    assert not passages
    assert (reject.source_file, reject.kind) == ("r.gff3", NO_ANNOTATION)
    with pytest.raises(UserError, match=r"r\.gff3: no feature line in it"):
        read("\n\n")


CHAIN = [("+", 1, 4, 0), ("+", 6, 8, 2), ("+", 10, 13, 2)]
BACK = [("-", 10, 13, 0), ("-", 6, 8, 2), ("-", 1, 4, 2)]


@pytest.mark.parametrize(
    "parts, sequence", [(CHAIN, "AACC" + "GTT" + "CGTN"), (BACK, "NACG" + "AAC" + "GGTT")]
)
@pytest.mark.parametrize("identifier", ["ID=cds", "", "ID=m.CDS.{}"])
@pytest.mark.parametrize("turned", [False, True])
def test_parts_of_a_cds_are_one_feature_however_files_tie_them(read, parts, sequence, identifier, turned):
    rows = [
        row("c1", "CDS", start, end, strand, f"{identifier.format(number)};Parent=m", phase)
        for number, (strand, start, end, phase) in enumerate(parts)
    ]
    mrna = row("c1", "mRNA", 1, 13, parts[0][0], "ID=m;gene=g")
    (passage,), rejects = read(mrna + "".join(rows[::-1] if turned else rows))
    assert not rejects
    assert passage.sequence == sequence
    assert (passage.fields["gene"], passage.fields["codon_start"]) == ("g", "1")
    assert "partial" not in passage.fields


def test_lines_with_an_id_each_are_several_genes_where_something_tells_them_apart(read):
    whole = [
        row("c1", "CDS", 1, 6, "+", "ID=a;Parent=m{}", 0),
        row("c1", "CDS", 7, 12, "+", "ID=b;Parent=m{}", 0),
    ]
    for first, second in ((";protein_id=1", ";protein_id=2"), (";product=x", ";product=y")):
        text = whole[0].format(first) + whole[1].format(second)
        assert [passage.sequence for passage in read(text)[0]] == ["AACCGG", "TTACGT"]
    overlapping = row("c1", "CDS", 1, 9, "+", "ID=a;Parent=m", 0) + row(
        "c1", "CDS", 4, 9, "+", "ID=b;Parent=m", 0
    )
    assert [passage.start for passage in read(overlapping)[0]] == [0, 3]


@pytest.mark.parametrize(
    "lines",
    [
        [("ID=a;Parent=m", 1, 4, "+", 0), ("ID=b;Parent=m", 6, 8, "+", 0)],
        [("ID=a;Parent=m", 1, 4, "+", 0), ("ID=b;Parent=m", 6, 8, "-", 2)],
        [("Parent=m", 1, 7, "+", 0), ("Parent=m", 4, 9, "+", 0)],
    ],
)
def test_parts_that_make_no_whole_are_a_reject_and_no_fragments(read, lines):
    rows = [row("c1", "CDS", *ends, strand, said, phase) for said, *ends, strand, phase in lines]
    passages, (reject,) = read("".join(rows))
    assert not passages
    assert (reject.kind, reject.line) == (SCATTERED, 1)


def test_a_part_of_several_parents_is_in_each(read):
    rows = [
        row("c1", "CDS", 1, 3, "+", "Parent=m1,m2", 0),
        row("c1", "CDS", 7, 9, "+", "Parent=m1", 0),
        row("c1", "CDS", 10, 12, "+", "Parent=m2,m2-protein", 0),
        row("c2", "CDS", 1, 4, "+", "Parent=m3,m3-protein", 0),
    ]
    passages, _ = read("".join(rows))
    assert [passage.sequence for passage in passages] == ["AACTTA", "AACCGT", "CGT", "GGGG"]


def test_rna_is_spliced_from_its_exons(read):
    gff = "".join(
        [
            row("c1", "exon", 7, 9, "-", "ID=e2;Parent=t1,other"),
            row("c1", "tRNA", 1, 9, "-", "ID=t1;product=tRNA-Tyr"),
            row("c1", "exon", 1, 3, "-", "ID=e1;Parent=t1"),
            row("c1", "mRNA", 1, 13, "+", "ID=m1"),
            row("c1", "exon", 1, 13, "+", "ID=e3;Parent=m1"),
        ]
    )
    (passage,), _ = read(gff)
    assert (passage.sequence, passage.fields["product"]) == ("TAA" + "GTT", "tRNA-Tyr")
    assert passage.fields["parts"] == "6-9(-),0-3(-)"


@pytest.mark.parametrize(
    "cds, stop, strand, parts",
    [
        ([(1, 3)], [(4, 6)], "+", [(0, 6)]),
        ([(10, 12)], [(7, 9)], "-", [(6, 12)]),
        ([(1, 3)], [(7, 9)], "+", [(0, 3), (6, 9)]),
        ([(1, 6)], [(4, 6)], "+", [(0, 6)]),
        ([(1, 3), (7, 8)], [(9, 10), (12, 12)], "+", [(0, 3), (6, 10), (11, 12)]),
    ],
)
def test_stop_codon_of_gtf_is_part_of_its_cds_once(read, cds, stop, strand, parts):
    names = 'gene_id "g"; transcript_id "t";'
    rows = [row("c1", "stop_codon", *ends, strand, names, 0) for ends in stop]
    rows += [row("c1", "CDS", *ends, strand, names, ".") for ends in cds]
    (passage,), _ = read("".join(rows), "r.gtf")
    bases = FASTA.split("\n")[1].upper() + FASTA.split("\n")[2].upper().replace("U", "T")
    forward = "".join(bases[start:end] for start, end in parts)
    assert passage.sequence == (forward if strand == "+" else reverse_complement(forward))


@pytest.mark.parametrize("phase, partial", [(0, None), (1, "yes"), (2, "yes")])
@pytest.mark.parametrize("strand", "+-")
def test_phase_of_the_first_part_says_where_codons_start_and_that_some_lie_before(
    read, phase, partial, strand
):
    rows = [row("c1", "CDS", 1, 3, "+", "ID=a", phase), row("c1", "CDS", 7, 9, "+", "ID=a", 0)]
    if strand == "-":
        rows = [row("c1", "CDS", 1, 3, "-", "ID=a", 0), row("c1", "CDS", 7, 9, "-", "ID=a", phase)]
    (passage,), _ = read("".join(rows))
    assert passage.fields["codon_start"] == str(phase + 1)
    assert passage.fields.get("partial") == partial


@pytest.mark.parametrize("strand, sequence", [("+", "CC" + "GGG"), ("-", "CCC" + "GG")])
@pytest.mark.parametrize("turned", [False, True])
def test_two_lines_over_the_origin_are_read_over_it(read, strand, sequence, turned):
    rows = [row("c2", "CDS", 7, 8, strand, "ID=a"), row("c2", "CDS", 1, 3, strand, "ID=a")]
    circle = row("c2", "region", 1, 8, "+", "ID=c2;Is_circular=true;Dbxref=taxon:562")
    (passage,), _ = read(circle + "".join(rows[::-1] if turned else rows))
    assert (passage.sequence, passage.fields["taxid"]) == (sequence, "562")
    (passage,), _ = read("".join(rows))
    assert passage.sequence != sequence


def test_gene_comes_from_any_parent(read):
    gff = "".join(
        [
            row("c1", "mRNA", 1, 9, "+", "ID=m1;product=A"),
            row("c1", "mRNA", 1, 9, "+", "ID=m2;gene=g"),
            row("c1", "CDS", 1, 3, "+", "ID=c;Parent=m1,m2;Dbxref=GeneID:1,UniProt:P1;protein_id=P.1"),
        ]
    )
    (passage,), _ = read(gff)
    expected = {"gene": "g", "product": "A", "db_xref": "GeneID:1; UniProt:P1", "protein_id": "P.1"}
    assert {name: passage.fields.get(name) for name in expected} == expected


def test_lines_are_utf8_and_comments_are_not_looked_at(read):
    good = row("c1", "CDS", 1, 4, "+", "ID=a;product=β-lactamase").encode()
    latin = row("c1", "CDS", 1, 4, "+", "ID=b;product=x").encode().replace(b"=x", b"=\xe9")
    passages, (reject,) = read(b"# \xe9\n" + good + latin)
    assert [passage.fields["product"] for passage in passages] == ["β-lactamase"]
    assert (reject.kind, reject.line) == (BROKEN_LINE, 3)
    assert "byte 0xe9" in reject.reason


@pytest.mark.parametrize("name", ["r.gff", "r.gff3.gz"])
@pytest.mark.parametrize("heading", ["##FASTA\n", ""])
def test_sequences_may_stand_below_the_features(read, name, heading):
    gff = "##gff-version 3\n" + row("c2", "CDS", 1, 4, "-", "ID=a") + heading + FASTA
    (passage,), rejects = read(gff, name, fasta=None)
    assert (passage.accession, passage.sequence, passage.source_file) == ("c2", "CCCC", name)
    assert not rejects
    with pytest.raises(UserError, match="no sequences below a '##FASTA' line"):
        read(row("c2", "CDS", 1, 4, "-", "ID=a"), fasta=None)


def test_names_tell_gtf_from_gff3():
    assert [gff_format_of(name) for name in ("a.gtf", "a.gtf.gz", "a.gff", "a.gff3.zst")] == [
        *("gtf", "gtf", "gff3", "gff3"),
    ]
