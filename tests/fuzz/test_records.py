"""Record files of any bytes: passages and rejects, or a UserError that names the file."""

import gzip
from pathlib import Path

import pytest
from broken_bytes import files
from fuzzing import few_and_many, fuzz

from omnina.corpus.passage import Passage
from omnina.corpus.readers.source import SourceSpec, read_source, source_parts
from omnina.errors import UserError

DATA = Path(__file__).parents[1] / "corpus" / "readers" / "data"
GFF = (
    "##gff-version 3\n"
    "chr1\tx\tregion\t1\t60\t.\t+\t.\tID=chr1;Is_circular=true;Dbxref=taxon:562\n"
    "chr1\tx\tgene\t2\t40\t.\t+\t.\tID=g1;Name=lacI;pseudo=true\n"
    "chr1\tx\tmRNA\t2\t40\t.\t+\t.\tID=t1;Parent=g1\n"
    "chr1\tx\texon\t2\t10\t.\t+\t.\tParent=t1\n"
    "chr1\tx\tCDS\t2\t10\t.\t+\t0\tID=c1;Parent=t1;product=a%2Cb;part=1/2\n"
    "chr1\tx\tCDS\t21\t40\t.\t-\t2\tID=c1;Parent=t1;part=2/2;start_range=.,2\n"
    "chr2\tx\ttRNA\t5\t30\t.\t?\t.\tID=r;Note=a,b\n"
)
GTF = (
    'chr1\tx\tCDS\t2\t10\t.\t+\t0\tgene_id "g"; transcript_id "t"; gene_name "lacI";\n'
    'chr1\tx\tstop_codon\t11\t13\t.\t+\t0\tgene_id "g"; transcript_id "t";\n'
    'chr1\tx\texon\t2\t13\t.\t+\t.\tgene_id "g"; transcript_id "t";\n'
)
FASTA = ">chr1 one\n" + "acgtn" * 12 + "\n>chr2\n" + "GGCAT" * 8 + "\n"
RDP = (
    ">S1 Geobacillus thermo (T); DSM 730\tBacteria;Firmicutes;Bacilli;Bacillales;Bacillaceae;Geobacillus\n"
    "ACGTACGTNNACGT\n"
    ">7 \tAlcanivorax borkumensis SK2\t7|16s\tBacteria;P;G;O;A;Alcanivorax\nACGU\n"
)
NT = ">A.1 E. coli lacI\x01B.1 other\nACGTNNNNACGTRY\nacgu\n\n>C.1\nTT\n"
ANNOTATIONS = "accession,annotation\nchr1,a gene\nchr2,another\nchr2,again\n"
FLAT_TOKENS = (
    *(b"LOCUS       ", b"ID   ", b"FEATURES ", b"ORIGIN", b"SQ   ", b"CONTIG", b"     CDS             "),
    *(
        b"join(1..5,7..9)",
        b"complement(",
        b"order(1..2,4..5)",
        b"<1..>9",
        b"J00194.1:1..9",
        b"5^6",
        b"(1.5)..9",
    ),
    *(
        b'                     /note="',
        b"/pseudo",
        b"circular",
        b"XX\n",
        b"FT   CDS             ",
        b"bp",
        b"aa",
    ),
)
GFF_TOKENS = (
    b"##FASTA\n",
    b">chr1\n",
    b"Parent=c1",
    b"ID=",
    b"%GG",
    b"CDS",
    b"exon",
    b"=",
    b";",
    b"\t\t",
    b"+",
)


def read(spec: SourceSpec) -> None:
    """All of a source, in one and in parts; items name the file, and their bases are bases."""
    for part in source_parts(spec, 700):
        for item in read_source(spec, part):
            assert item.source_file
            if isinstance(item, Passage):
                assert set(item.sequence) <= set("ACGTRYSWKMBDHVN")
                assert item.start < item.end
            else:
                assert item.kind
                assert item.reason
            "".join(map(str, vars(item).values())).encode()  # can be written


def fuzz_source(
    examples: int, valid: bytes, tokens: tuple[bytes, ...], specs: list[SourceSpec], place: Path
) -> None:
    """Every spec on every broken file, which lies at ``place``."""

    def read_all(data: bytes) -> None:
        place.write_bytes(data)
        told = None
        for spec in specs:
            try:
                read(spec)
            except UserError as error:
                told = error
        if told:
            assert place.name in str(told)
            raise told

    fuzz(examples, valid, files(valid, tokens), read_all)


def flat_specs(path: Path) -> list[SourceSpec]:
    return [
        SourceSpec(path, passages="both", window=300, overlap=20, split_at_n=True, flank=7),
        SourceSpec(path, passages="features", feature_types=("gene", "CDS", "source"), include_pseudo=True),
        SourceSpec(path, passages="coding_pairs", window=60, min_bases=9),
    ]


@few_and_many(25, 1200)
def test_genbank(
    examples,
    tmp_path,
):
    path, text = tmp_path / "r.gb", (DATA / "ecoli_2_records.gb").read_bytes()
    fuzz_source(examples, text, FLAT_TOKENS, flat_specs(path), path)


@few_and_many(25, 1200)
def test_embl(examples, tmp_path):
    path, text = tmp_path / "r.embl", (DATA / "human_3_records.embl").read_bytes()
    fuzz_source(examples, text, FLAT_TOKENS, flat_specs(path), path)


@few_and_many(25, 800)
def test_fasta_whose_headers_say_all(examples, tmp_path):
    path = tmp_path / "r.fna"
    specs = [
        SourceSpec(path, "fasta", window=5, overlap=2, split_at_n=True, min_bases=2),
        SourceSpec(path, "nt_fasta"),
        SourceSpec(path, "rdp_fasta"),
    ]
    for valid in (NT, RDP):
        fuzz_source(examples // 2, valid.encode(), (b">", b">A.1 ", b"\x01", b"NN", b"(T);"), specs, path)


@few_and_many(25, 800)
def test_gff_and_gtf(examples, tmp_path):
    fasta = tmp_path / "r.fna"
    fasta.write_text(FASTA)
    for name, valid in (("r.gff3", GFF), ("r.gtf", GTF)):
        path = tmp_path / name
        specs = [SourceSpec(fasta, annotation=path, passages="both", flank=3, include_pseudo=True)]
        fuzz_source(examples // 2, valid.encode(), GFF_TOKENS, specs, path)


@few_and_many(25, 500)
def test_gff_with_its_sequences_below(examples, tmp_path):
    path = tmp_path / "r.gff3"
    specs = [SourceSpec(path, passages="both", include_pseudo=True)]
    fuzz_source(examples, f"{GFF}##FASTA\n{FASTA}".encode(), GFF_TOKENS, specs, path)


@few_and_many(25, 300)
def test_fasta_with_a_table(examples, tmp_path):
    fasta, path = tmp_path / "r.fna", tmp_path / "t.csv"
    fasta.write_text(FASTA)
    fuzz_source(examples, ANNOTATIONS.encode(), (), [SourceSpec(fasta, annotation=path)], path)


@few_and_many(25, 600)
def test_files_that_are_packed(examples, tmp_path):
    zstandard = pytest.importorskip("zstandard")
    block = bytes.fromhex("1f8b08040000000000ff0600424302001b0003000000000000000000")
    for name, valid in (
        ("r.fna.gz", gzip.compress(NT.encode(), mtime=0)),
        ("r.fna.bgz", gzip.compress(NT.encode(), mtime=0) + block),
        ("r.fna.zst", zstandard.compress(NT.encode())),
    ):
        path = tmp_path / name
        fuzz_source(
            examples // 3,
            valid,
            (b"\x28\xb5\x2f\xfd", b"BZh", b"PK\x03\x04", block),
            [SourceSpec(path)],
            path,
        )
