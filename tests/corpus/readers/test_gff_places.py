import pytest
from Bio.Seq import reverse_complement
from gff_text import FASTA, row

from omnina.corpus.readers.gff_segments import SCATTERED
from omnina.corpus.reject import BAD_LOCATION


def spans(passages) -> list[tuple]:
    return [(p.accession, p.start, p.end, p.strand, p.sequence) for p in passages]


@pytest.mark.parametrize("order", [slice(None), slice(None, None, -1)])
@pytest.mark.parametrize("strand, sequence", [("+", "AAC" + "TTA"), ("-", "TAA" + "GTT")])
def test_lines_of_one_id_are_spliced_from_left_to_right_or_back(gff_passages, order, strand, sequence):
    rows = [row("c1", "CDS", start, start + 2, strand, "ID=cds-1") for start in (1, 7)]
    (passage,), _ = gff_passages("".join(rows[order]))
    assert spans([passage]) == [("c1", 0, 9, strand, sequence)]


def test_trans_spliced_parts_follow_their_numbers(gff_passages):
    tail = "exception=trans-splicing"
    rows = [
        row("c1", "CDS", 1, 3, "+", f"ID=a;{tail};part=2/2"),
        row("c1", "CDS", 7, 9, "-", f"ID=a;{tail};part=1/2"),
    ]
    (passage,), _ = gff_passages("".join(rows))
    assert (passage.strand, passage.sequence) == (".", "TAA" + "AAC")


@pytest.mark.parametrize("strand, sequence", [("+", "CCC" + "GG"), ("-", "CC" + "GGG")])
def test_feature_over_the_origin_of_a_circle_is_spliced_there(gff_passages, strand, sequence):
    circle = row("c2", "region", 1, 8, "+", "ID=c2;Is_circular=true")
    over = row("c2", "CDS", 6, 10, strand, "ID=a")
    (passage,), _ = gff_passages(circle + over)
    assert (passage.strand, passage.sequence) == (strand, sequence)
    passages, (reject,) = gff_passages(over)
    assert not passages
    assert reject.kind == BAD_LOCATION


def test_one_bad_part_takes_its_whole_feature_along(gff_passages):
    parts = row("c1", "CDS", 1, 3, "+", "ID=a") + row("c1", "CDS", 10, 99, "+", "ID=a")
    passages, (reject,) = gff_passages(parts)
    assert not passages
    assert (reject.line, reject.kind) == (2, BAD_LOCATION)


CHAIN = [("+", 1, 4, 0), ("+", 6, 8, 2), ("+", 10, 13, 2)]
BACK = [("-", 10, 13, 0), ("-", 6, 8, 2), ("-", 1, 4, 2)]


@pytest.mark.parametrize(
    "parts, sequence", [(CHAIN, "AACC" + "GTT" + "CGTN"), (BACK, "NACG" + "AAC" + "GGTT")]
)
@pytest.mark.parametrize("identifier", ["ID=cds", "", "ID=m.CDS.{}"])
@pytest.mark.parametrize("turned", [False, True])
def test_parts_of_a_cds_are_one_feature_however_files_tie_them(
    gff_passages, parts, sequence, identifier, turned
):
    rows = [
        row("c1", "CDS", start, end, strand, f"{identifier.format(number)};Parent=m", phase)
        for number, (strand, start, end, phase) in enumerate(parts)
    ]
    mrna = row("c1", "mRNA", 1, 13, parts[0][0], "ID=m;gene=g")
    (passage,), rejects = gff_passages(mrna + "".join(rows[::-1] if turned else rows))
    assert not rejects
    assert passage.sequence == sequence
    assert (passage.fields["gene"], passage.fields["codon_start"]) == ("g", "1")
    assert "partial" not in passage.fields


def test_lines_with_an_id_each_are_several_genes_where_something_tells_them_apart(gff_passages):
    whole = [
        row("c1", "CDS", 1, 6, "+", "ID=a;Parent=m{}", 0),
        row("c1", "CDS", 7, 12, "+", "ID=b;Parent=m{}", 0),
    ]
    for first, second in ((";protein_id=1", ";protein_id=2"), (";product=x", ";product=y")):
        text = whole[0].format(first) + whole[1].format(second)
        assert [passage.sequence for passage in gff_passages(text)[0]] == ["AACCGG", "TTACGT"]
    overlapping = row("c1", "CDS", 1, 9, "+", "ID=a;Parent=m", 0) + row(
        "c1", "CDS", 4, 9, "+", "ID=b;Parent=m", 0
    )
    assert [passage.start for passage in gff_passages(overlapping)[0]] == [0, 3]


@pytest.mark.parametrize(
    "lines",
    [
        [("ID=a;Parent=m", 1, 4, "+", 0), ("ID=b;Parent=m", 6, 8, "+", 0)],
        [("ID=a;Parent=m", 1, 4, "+", 0), ("ID=b;Parent=m", 6, 8, "-", 2)],
        [("Parent=m", 1, 7, "+", 0), ("Parent=m", 4, 9, "+", 0)],
    ],
)
def test_parts_that_make_no_whole_are_a_reject_and_no_fragments(gff_passages, lines):
    rows = [row("c1", "CDS", *ends, strand, said, phase) for said, *ends, strand, phase in lines]
    passages, (reject,) = gff_passages("".join(rows))
    assert not passages
    assert (reject.kind, reject.line) == (SCATTERED, 1)


def test_a_part_of_several_parents_is_in_each(gff_passages):
    rows = [
        row("c1", "CDS", 1, 3, "+", "Parent=m1,m2", 0),
        row("c1", "CDS", 7, 9, "+", "Parent=m1", 0),
        row("c1", "CDS", 10, 12, "+", "Parent=m2,m2-protein", 0),
        row("c2", "CDS", 1, 4, "+", "Parent=m3,m3-protein", 0),
    ]
    passages, _ = gff_passages("".join(rows))
    assert [passage.sequence for passage in passages] == ["AACTTA", "AACCGT", "CGT", "GGGG"]


def test_rna_is_spliced_from_its_exons(gff_passages):
    gff = "".join(
        [
            row("c1", "exon", 7, 9, "-", "ID=e2;Parent=t1,other"),
            row("c1", "tRNA", 1, 9, "-", "ID=t1;product=tRNA-Tyr"),
            row("c1", "exon", 1, 3, "-", "ID=e1;Parent=t1"),
            row("c1", "mRNA", 1, 13, "+", "ID=m1"),
            row("c1", "exon", 1, 13, "+", "ID=e3;Parent=m1"),
        ]
    )
    (passage,), _ = gff_passages(gff)
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
def test_stop_codon_of_gtf_is_part_of_its_cds_once(gff_passages, cds, stop, strand, parts):
    names = 'gene_id "g"; transcript_id "t";'
    rows = [row("c1", "stop_codon", *ends, strand, names, 0) for ends in stop]
    rows += [row("c1", "CDS", *ends, strand, names, ".") for ends in cds]
    (passage,), _ = gff_passages("".join(rows), "r.gtf")
    bases = FASTA.split("\n")[1].upper() + FASTA.split("\n")[2].upper().replace("U", "T")
    forward = "".join(bases[start:end] for start, end in parts)
    assert passage.sequence == (forward if strand == "+" else reverse_complement(forward))


@pytest.mark.parametrize("phase, partial", [(0, None), (1, "yes"), (2, "yes")])
@pytest.mark.parametrize("strand", "+-")
def test_phase_of_the_first_part_says_where_codons_start_and_that_some_lie_before(
    gff_passages, phase, partial, strand
):
    rows = [row("c1", "CDS", 1, 3, "+", "ID=a", phase), row("c1", "CDS", 7, 9, "+", "ID=a", 0)]
    if strand == "-":
        rows = [row("c1", "CDS", 1, 3, "-", "ID=a", 0), row("c1", "CDS", 7, 9, "-", "ID=a", phase)]
    (passage,), _ = gff_passages("".join(rows))
    assert passage.fields["codon_start"] == str(phase + 1)
    assert passage.fields.get("partial") == partial


@pytest.mark.parametrize("strand, sequence", [("+", "CC" + "GGG"), ("-", "CCC" + "GG")])
@pytest.mark.parametrize("turned", [False, True])
def test_two_lines_over_the_origin_are_read_over_it(gff_passages, strand, sequence, turned):
    rows = [row("c2", "CDS", 7, 8, strand, "ID=a"), row("c2", "CDS", 1, 3, strand, "ID=a")]
    circle = row("c2", "region", 1, 8, "+", "ID=c2;Is_circular=true;Dbxref=taxon:562")
    (passage,), _ = gff_passages(circle + "".join(rows[::-1] if turned else rows))
    assert (passage.sequence, passage.fields["taxid"]) == (sequence, "562")
    (passage,), _ = gff_passages("".join(rows))
    assert passage.sequence != sequence
