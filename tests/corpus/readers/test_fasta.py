import re

import pytest
from Bio.SeqIO.FastaIO import SimpleFastaParser
from hypothesis import given
from hypothesis import strategies as st

from omnina.corpus.readers.bases import BadRecord
from omnina.corpus.readers.fasta import BLOCK_BYTES, NO_ACCESSION, NOT_TEXT, FastaRecord, read_fasta
from omnina.corpus.reject import DUPLICATE, NO_SEQUENCE, NOT_NUCLEOTIDE, Reject
from omnina.errors import UserError


def read(path, block_bytes: int = BLOCK_BYTES) -> list:
    """(accession, description, bases) of each record; (accession, kind) of each reject."""
    items = []
    for item in read_fasta(path, block_bytes):
        if isinstance(item, Reject):
            items.append((item.record, item.kind))
            continue
        try:
            items.append((item.accession, item.description, b"".join(item.blocks).decode()))
        except BadRecord as error:
            items.append((item.accession, error.kind))
    return items


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("name", ["r.fa", "r.fna.gz"])
def test_lines_case_blanks_and_uracil_make_no_difference(record_file, end, name):
    lines = ["", ">a.1  first of > two", "acg", "", "u N ", ">b\ttabbed", "RYK", ">c", "A"]
    expected = [("a.1", "first of > two", "ACGTN"), ("b", "tabbed", "RYK"), ("c", "", "A")]
    assert read(record_file(end.join(lines), name)) == expected


headers = st.text(st.sampled_from("ab> |"), max_size=6)
sequences = st.lists(st.text(st.sampled_from("ACGTN"), max_size=7), min_size=1, max_size=4)


@given(
    records=st.lists(st.tuples(headers, sequences), min_size=1, max_size=5),
    end=st.sampled_from(["\n", "\r\n", "\r", "\n\n"]),
    block_bytes=st.integers(1, 20),
)
def test_blocks_of_any_size_give_what_biopython_gives(tmp_path_factory, records, end, block_bytes):
    path = tmp_path_factory.mktemp("fasta") / "r.fa"
    text = "".join(
        f">n{number} {header}{end}{end.join(lines)}{end}" for number, (header, lines) in enumerate(records)
    )
    path.write_bytes(text.encode())
    with path.open(encoding="ascii") as stream:
        expected = [
            (title.split()[0], " ".join(title.split(maxsplit=1)[1:]).strip(), bases) if bases else None
            for title, bases in SimpleFastaParser(stream)
        ]
    found = read(path, block_bytes)
    assert [item if item[1] != NO_SEQUENCE else None for item in found] == expected


def test_bases_come_in_blocks_of_the_given_size(record_file):
    records = read_fasta(record_file(">a\n" + "ACGT\n" * 1000, "r.fa"), 64)
    blocks = list(next(records).blocks)
    assert max(map(len, blocks)) <= 64
    assert b"".join(blocks) == b"ACGT" * 1000


@pytest.mark.parametrize("block_bytes", [1, 7, BLOCK_BYTES])
def test_wrong_letter_rejects_its_record_with_letter_and_position(record_file, block_bytes):
    path = record_file(">a\nACGT\n>protein\nACGT\nAC\nMKVL\nEEE\n>b\nGG\n", "r.fa")
    assert read(path, block_bytes) == [("a", "", "ACGT"), ("protein", NOT_NUCLEOTIDE), ("b", "", "GG")]


@pytest.mark.parametrize("letter", ["E", "e", "-", "*", ">", "\x00", "1", ";"])
def test_reason_shows_the_letter_as_it_stands(record_file, letter):
    records = read_fasta(record_file(f">a\nac\ng{letter}T\n", "r.fa"))
    record = next(records)
    assert next(record.blocks) == b"ACG"
    with pytest.raises(BadRecord, match=re.escape(f"{letter!r} at base 4 is not a nucleotide code")) as error:
        next(record.blocks)
    assert error.value.bases == 2


def test_header_without_bases_or_name_and_a_used_name_are_rejects(record_file):
    path = record_file(">a one\nAC\n>none\n>a two\nGG\n>\nTT\n>b\nT\n>last\n\n", "r.fa")
    assert read(path) == [
        ("a", "one", "AC"),
        ("none", NO_SEQUENCE),
        ("a", DUPLICATE),
        ("", NO_ACCESSION),
        ("b", "", "T"),
        ("last", NO_SEQUENCE),
    ]


def test_of_joined_headers_the_first_counts(record_file):
    assert read(record_file(">a one\x01b two\nAC\n", "nt.fa")) == [("a", "one", "AC")]


@pytest.mark.parametrize("text", ["ACGT\n>a\nAC\n", "; note\n>a\nAC\n", "LOCUS  x\n"])
def test_text_before_the_first_header_is_an_error(record_file, text):
    with pytest.raises(UserError, match=r"r\.fa: there is text before the first header.*'>'"):
        read(record_file(text, "r.fa"))


def test_file_without_record_is_an_error(record_file):
    with pytest.raises(UserError, match=r"r\.fa: no FASTA record"):
        read(record_file("\n\n", "r.fa"))


def test_headers_are_utf8_and_one_that_is_not_is_a_reject(record_file):
    path = record_file(b"\xef\xbb\xbf>a caf\xc3\xa9\nAC\n>b\xe9 caf\nAC\n>c\nGG\n", "r.fa")
    assert read(path) == [("a", "café", "AC"), ("b?", NOT_TEXT), ("c", "", "GG")]
    reject = list(read_fasta(path))[1]
    assert reject.reason == "in the header of record 2, byte 0xe9 after 'b' is not UTF-8"


@pytest.mark.parametrize("bad", ["", "Q\n", "ACQT\n", "ACGT\n" * 20 + "Q\n"])
def test_a_name_is_used_by_a_record_that_can_be_read(record_file, bad):
    path = record_file(f">a x\n{bad}>a y\nACGT\n>a z\nAC\n", "r.fa")
    for block_bytes in (1, 7, BLOCK_BYTES):
        first, *others = read(path, block_bytes)
        assert first[1] in (NO_SEQUENCE, NOT_NUCLEOTIDE)
        assert others == [("a", "y", "ACGT"), ("a", DUPLICATE)]


def test_file_cut_short_gives_its_records_and_then_the_error(record_file):
    path = record_file(">a\nAC\n>b\n" + "ACGT\n" * 9, "r.fa.gz")
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(UserError, match=r"r\.fa\.gz: not a whole compressed file"):
        read(path)


def test_unread_bases_are_skipped_and_late_reading_is_refused(record_file):
    records = list(read_fasta(record_file(">a\n" + "ACGT\n" * 99 + ">b\nGG\n", "r.fa"), 16))
    assert [record.accession for record in records] == ["a", "b"]
    assert all(isinstance(record, FastaRecord) for record in records)
    with pytest.raises(RuntimeError, match=re.escape("before the next record")):
        list(records[0].blocks)
