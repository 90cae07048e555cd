"""The parts of a file hold its records: all, in order, each once, with the lines and numbers of the whole."""

import random
import re

import pytest

from omnina.corpus.readers import SourceSpec, read_source, source_parts
from omnina.corpus.readers.parts import FilePart, parts_of
from omnina.errors import UserError


def fasta_text(seed: int) -> str:
    """Records of 0 to 400 bases; some have no accession, a ``>`` in the header or a letter that is none."""
    generator, text = random.Random(seed), ""
    for number in range(40):
        name = generator.choice([f"r{number}.1 made > up", f"r{number}.1", ""])
        bases = "".join(generator.choices("ACGTNn", k=generator.choice([0, 1, 60, 400])))
        lines = [bases[at : at + 60] for at in range(0, len(bases), 60)]
        text += f">{name}\n" + "".join(f"{line}\n" for line in lines)
        text += generator.choice(["", "\n", "AC!GT\n"]) if number % 7 == 0 else ""
    return text


def genbank_text(seed: int) -> str:
    """Small records, some without an end mark, some with text between them, and a header above all."""
    generator, text = random.Random(seed), "GBTEST.SEQ          Genetic Sequence Data Bank\n\n"
    for number in range(30):
        bases = "".join(generator.choices("acgt", k=120))
        length = generator.choice([120, 120, 120, 99])
        text += f"LOCUS       R{number:<15} {length:>11} bp    DNA     linear   BCT 01-JAN-2024\n"
        text += f"ACCESSION   R{number}\nVERSION     R{number}.1\nFEATURES             Location/Qualifiers\n"
        text += f"     CDS             {generator.choice(['1..90', '1..x'])}\n"
        text += f"ORIGIN\n        1 {bases[:60]}\n       61 {bases[60:]}\n"
        text += generator.choice(["//\n", "//\n", "//\n", "", "//\nstray LOCUS text\n", "//\nstray\n//\n"])
    return text


def embl_text(seed: int) -> str:
    return "".join(
        f"ID   E{n}; SV 1; linear; genomic DNA; STD; PRO; 60 BP.\nXX\nAC   E{n};\nXX\n"
        f"SQ   Sequence 60 BP;\n     {'acgtacgtac ' * 6}       60\n" + ("//\n" if n % 5 else "")
        for n in range(seed, seed + 12)
    )


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize(
    "made, name, keys",
    [
        (fasta_text, "r.fa", {"window": 50}),
        (fasta_text, "r.fna", {"format": "nt_fasta", "split_at_n": True}),
        (genbank_text, "r.gb", {"passages": "both"}),
        (embl_text, "r.embl", {}),
    ],
)
def test_the_parts_of_a_file_give_what_the_whole_gives(tmp_path, made, name, keys, line_end):
    path = tmp_path / name
    path.write_bytes(made(7).replace("\n", line_end).encode())
    spec, size = SourceSpec(path, **keys), path.stat().st_size
    whole = list(read_source(spec))
    assert len(whole) > 10
    for range_bytes in (61, 97, 500, 1024, size - 1, size, 10 * size):
        parts = source_parts(spec, range_bytes)
        assert len(parts) == -(-size // range_bytes)
        assert [item for part in parts for item in read_source(spec, part)] == whole, range_bytes


@pytest.mark.parametrize("block_bytes", [2, 7, 1 << 20])
def test_no_record_is_lost_where_blocks_meet(tmp_path, monkeypatch, block_bytes):
    monkeypatch.setattr("omnina.corpus.readers.parts.BLOCK_BYTES", block_bytes)
    path = tmp_path / "r.gb"
    path.write_text(genbank_text(3))
    spec = SourceSpec(path)
    parts = source_parts(spec, 333)
    assert [item for part in parts for item in read_source(spec, part)] == list(read_source(spec))


def test_a_record_over_many_ranges_is_in_the_one_that_it_begins_in(tmp_path):
    path = tmp_path / "r.fa"
    path.write_text(">a\n" + "ACGT\n" * 100 + ">b\nAC\n")
    spec = SourceSpec(path)
    found = [[item.accession for item in read_source(spec, part)] for part in source_parts(spec, 100)]
    assert found == [["a"], [], [], [], [], ["b"]]


def test_compressed_files_and_those_with_a_second_file_are_read_whole(tmp_path):
    for name, keys in (("r.fa.gz", {}), ("r.fa", {"annotation": tmp_path / "r.csv"})):
        (tmp_path / name).write_bytes(b">a\nACGT\n" * 100)
        assert source_parts(SourceSpec(tmp_path / name, **keys), 10) == [FilePart()]


def test_ranges_cover_a_file():
    assert parts_of(10, 4) == [FilePart(0, 4), FilePart(4, 8), FilePart(8, None)]
    assert parts_of(8, 4) == [FilePart(0, 4), FilePart(4, None)]
    assert parts_of(0, 4) == [FilePart(0, None)]


def test_errors_have_the_numbers_of_the_whole_file(tmp_path):
    path = tmp_path / "r.fa"
    path.write_bytes(b">a\nACGT\n" * 20 + b">\xff\nAC\n")
    spec = SourceSpec(path)
    with pytest.raises(UserError, match="byte 0xff in the header of record 21"):
        list(read_source(spec, FilePart(100, None)))
    path = tmp_path / "r.gb"
    path.write_bytes(genbank_text(1).encode() + b"LOCUS       X\n\xff\n")
    text = path.read_bytes()
    with pytest.raises(UserError, match="is not ASCII") as error:
        list(read_source(SourceSpec(path), FilePart(3000, None)))
    number = int(re.search(r"after line (\d+) ", str(error.value))[1])
    assert text[:3000].count(b"\n") <= number < text.count(b"\n")


def test_a_file_without_a_record_is_an_error_in_its_first_part(tmp_path):
    path = tmp_path / "r.gb"
    path.write_text("nothing\n" * 50)
    spec = SourceSpec(path)
    first, *others = source_parts(spec, 100)
    with pytest.raises(UserError, match="no genbank record"):
        list(read_source(spec, first))
    assert not [item for part in others for item in read_source(spec, part)]
