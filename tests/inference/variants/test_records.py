"""VCF records and genomes as they come: names, cases, packings, alternatives that are none."""

import gzip
import os
import random
from pathlib import Path

import pysam
import pytest

from omnina.errors import UserError
from omnina.inference.variants.haplotypes import Change
from omnina.inference.variants.records import alternatives, opened_variants, records
from omnina.inference.variants.reference import BLOCK, Reference

BASES = "".join(random.Random(1).choices("ACGT", k=BLOCK + 500))


@pytest.fixture(scope="module")
def genome(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("genome") / "genome.fa"
    lines = [BASES[start : start + 60] for start in range(0, len(BASES), 60)]
    path.write_text(">chr1 first\n" + "\n".join(lines) + "\n>2\nacguNNacgt\n")
    return path


@pytest.fixture(scope="module")
def reference(genome) -> Reference:
    return Reference(genome)


def vcf(folder: Path, *lines: str, header: str = "") -> Path:
    path = folder / "variants.vcf"
    columns = "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"
    body = "".join("\t".join([*line.split(), ".", ".", "."]) + "\n" for line in lines)
    path.write_text("##fileformat=VCFv4.2\n" + header + columns + body)
    return path


def read(path: Path, reference: Reference) -> list:
    found = records(opened_variants(path), path)
    return [alternative for record in found for alternative in alternatives(record, reference)]


def test_a_contig_is_read_in_any_stretch(reference):
    contig = reference.contig("chr1")
    assert len(contig) == len(BASES)
    for start, end in ((0, 10), (BLOCK - 5, BLOCK + 5), (BLOCK, BLOCK + 500), (7, 7), (0, len(BASES))):
        assert contig.fetch(start, end) == BASES[start:end]
    assert reference.contig("2").fetch(0, 10) == "ACGTNNACGT"


@pytest.mark.parametrize(
    ("asked", "length"), [("chr1", len(BASES)), ("1", len(BASES)), ("chr2", 10), ("2", 10)]
)
def test_names_with_and_without_chr(reference, asked, length):
    assert len(reference.contig(asked)) == length
    assert reference.contig("3") is None


def test_alternatives_and_the_reasons_of_others(reference, tmp_path):
    ref = BASES[9]
    other = "A" if ref != "A" else "C"
    path = vcf(
        tmp_path,
        f"1 10 . {ref} {other},<DEL>,*,{ref}TT",
        f"chr1 10 . {other} {ref}",
        f"1 10 . {ref} .",
        "1 10 . <X> A",
        f"7 10 . {ref} {other}",
        "2 9 . GTA G",
        f"1 10 . {ref} {ref}[2:5[",
        "chr2 1 . acg a",
    )
    found = read(path, reference)
    assert found[0].change == Change(9, ref, other)
    assert found[3].change.grows_by == 2
    reasons = [alternative.reason for alternative in found]
    assert reasons[1] == "<DEL> is symbolic: it says no bases"
    assert reasons[2] == "* stands for a deletion of another record"
    assert reasons[4] == f"REF is {other}, but the reference has {ref} there"
    assert reasons[5] == "no alternative"
    assert reasons[6] == "REF <X> is no bases"
    assert reasons[7] == "the reference has no contig 7 (it has chr1, 2)"
    assert reasons[8] == "it reaches past the end of 2 (10 bases)"
    assert reasons[9].startswith("a breakend joins two places")
    assert found[10].change.grows_by == -2 and reasons[10] == ""


def test_bgzip_is_read_and_gzip_refused(genome, tmp_path):
    packed = tmp_path / "genome.fa.gz"
    pysam.tabix_compress(str(genome), str(packed))
    assert Reference(packed).contig("1").fetch(0, 50) == BASES[:50]
    plain = tmp_path / "plain.fa.gz"
    plain.write_bytes(gzip.compress(genome.read_bytes()))
    with pytest.raises(UserError, match=r"plain.fa.gz: this is packed by gzip.*bgzip >"):
        Reference(plain)


def test_an_index_from_before_is_not_used(tmp_path):
    path = tmp_path / "genome.fa"
    path.write_text(">a\nACGT\n")
    Reference(path)
    path.write_text(">longer_name\nGGGGTTTT\n")
    later = (tmp_path / "genome.fa.fai").stat().st_mtime_ns + 1
    os.utime(path, ns=(later, later))
    with pytest.raises(UserError, match=r"genome.fa.fai: this index is older than genome.fa; remove it"):
        Reference(path)
    (tmp_path / "genome.fa.fai").unlink()
    assert Reference(path).contig("longer_name").fetch(0, 8) == "GGGGTTTT"


def test_files_that_are_not_what_they_should_be(tmp_path, reference):
    empty = tmp_path / "empty.fa"
    empty.touch()
    text = tmp_path / "text.fa"
    text.write_text("no fasta\n")
    for path in (tmp_path / "nowhere.fa", empty, text):
        with pytest.raises(UserError, match=path.name):
            Reference(path)
    with pytest.raises(UserError, match="there is no such file; give --vcf one"):
        opened_variants(tmp_path / "nowhere.vcf")
    with pytest.raises(UserError, match=r"text.fa: it cannot be read as VCF"):
        opened_variants(text)
    broken = vcf(tmp_path, "1 ten . A C", "1")
    with pytest.raises(UserError, match=r"variants.vcf: record 1 cannot be read"):
        read(broken, reference)


def test_a_packed_vcf_without_an_index(reference, tmp_path):
    path = vcf(tmp_path, f"1 10 . {BASES[9]} N")
    packed = tmp_path / "variants.vcf.gz"
    pysam.tabix_compress(str(path), str(packed))
    [found] = read(packed, reference)
    assert found.change == Change(9, BASES[9], "N")
    packed.write_bytes(gzip.compress(path.read_bytes()))
    with pytest.raises(UserError, match=r"variants.vcf.gz: this is packed by gzip.*bgzip >"):
        read(packed, reference)


@pytest.mark.parametrize("asked", ["MT", "M", "chrM", "chrMT"])
def test_the_mitochondrions_names(tmp_path, asked):
    path = tmp_path / "genome.fa"
    path.write_text(">chrM\nACGTACGT\n")
    assert len(Reference(path).contig(asked)) == 8
