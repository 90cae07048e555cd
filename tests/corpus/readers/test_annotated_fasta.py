import pytest

from omnina.corpus.readers.annotated_fasta import read_nt_fasta, read_table_fasta
from omnina.corpus.readers.windowed import Cutting
from omnina.corpus.reject import DUPLICATE, NO_ANNOTATION, NO_SEQUENCE
from omnina.errors import UserError

NT = ">J01636.1 E.coli lactose operon, complete cds\nACGTA\n>X1.1\nAC\n>X2.1 a virus\nGG\n"


def test_header_without_accession_is_the_annotation(record_file, parted):
    passages, (reject,) = parted(read_nt_fasta(record_file(NT, "nt.fa.gz")))
    assert [(p.accession, p.sequence, p.fields["annotation"]) for p in passages] == [
        ("J01636.1", "ACGTA", "E.coli lactose operon, complete cds"),
        ("X2.1", "GG", "a virus"),
    ]
    assert (reject.record, reject.kind) == ("X1.1", NO_ANNOTATION)


def test_each_window_has_the_annotation(record_file, parted):
    passages, _ = parted(read_nt_fasta(record_file(NT, "nt.fa"), Cutting(window=3)))
    assert [(p.start, p.end, p.fields["annotation"][:6]) for p in passages[:2]] == [
        (0, 3, "E.coli"),
        (2, 5, "E.coli"),
    ]


def test_table_and_fasta_are_matched_and_the_unmatched_counted(record_file, parted):
    table = "accession\tannotation\nX2.1\tphage\nX9.1\tnone of them\nJ01636.1\t\nX2.1\tagain\n\t \n"
    paths = record_file(NT, "r.fa"), record_file(table, "r.tsv")
    (passage,), rejects = parted(read_table_fasta(*paths))
    assert (passage.accession, passage.fields["annotation"]) == ("X2.1", "phage")
    assert [(r.source_file, r.record, r.line, r.kind) for r in rejects] == [
        ("r.tsv", "J01636.1", 4, NO_ANNOTATION),
        ("r.tsv", "X2.1", 5, DUPLICATE),
        ("r.tsv", "", 6, NO_ANNOTATION),
        ("r.fa", "J01636.1", None, NO_ANNOTATION),
        ("r.fa", "X1.1", None, NO_ANNOTATION),
        ("r.tsv", "X9.1", 3, NO_SEQUENCE),
    ]


def test_table_without_the_columns_is_an_error(record_file):
    paths = record_file(NT, "r.fa"), record_file("name,annotation\na,b\n", "r.csv")
    with pytest.raises(UserError, match=r"r\.csv:1: no column 'accession'"):
        list(read_table_fasta(*paths))
