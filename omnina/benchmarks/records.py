"""Flat files of a given size for benchmarks: seeded, so that the same size is always the same bytes.

FASTA: a half of the bytes in records of 5 to 40 million bases, with gaps of N, as chromosomes have them; a
half in records of 1,000 to 12,000 bases with headers as in NCBI's nt. GenBank: records of 20,000 bases with a
CDS and its translation about every 1,100 bases, now and then a tRNA gene. FASTA of families: records of 3,000
bases, every other one a copy of the one before with 5 % substitutions. Bases are drawn uniformly, the hardest
case for compression.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

MEGABYTE = 10**6
LINE = 80  # bases of a FASTA line
LONG = (5_000_000, 40_000_000)  # bases
SHORT = (1_000, 12_000)  # bases
GAP_EVERY, GAP = 1_000_000, 100  # bases between runs of N in long records, and N in a run
GENBANK_BASES = 20_000
_GENE, _BETWEEN = 900, 200  # bases
_ORIGIN_BLOCK, _ORIGIN_BLOCKS = 10, 6
COPIED, DIVERGENCE = 3000, 0.05  # bases of a record of a family, and share of them that a copy changes
_LETTERS = np.frombuffer(b"ACGT", dtype=np.uint8)
_OTHER = np.frombuffer(bytes.maketrans(b"ACGT", b"CGTA"), dtype=np.uint8)
_AMINO_ACIDS = np.frombuffer(b"ACDEFGHIKLMNPQRSTVWY", dtype=np.uint8)
_GENERA = ("Escherichia coli", "Homo sapiens", "Oryza sativa", "Danio rerio", "Bacillus subtilis")


def write_fasta(path: Path, megabytes: int, seed: int = 0) -> int:
    """Write a FASTA file of about that size, at least one record; returns its bases."""
    generator = np.random.default_rng(seed)
    half = max(megabytes * MEGABYTE // 2, SHORT[0])
    bases = 0
    with path.open("wb") as stream:
        for number, length in enumerate(_lengths(generator, half, LONG)):
            stream.write(b">NC_%06d.1 Synthetica longa chromosome %d, complete sequence\n" % (number, number))
            stream.write(_lines(_chromosome(generator, length)))
            bases += length
        for number, length in enumerate(_lengths(generator, half, SHORT)):
            stream.write(_nt_header(generator, number))
            stream.write(_lines(random_bases(generator, length)))
            bases += length
    return bases


def write_families(path: Path, megabytes: int, seed: int = 0) -> int:
    """Write a FASTA file of near-duplicates of about that size, at least one pair; returns its bases."""
    generator = np.random.default_rng(seed)
    number = 0
    with path.open("wb") as stream:
        while not number or stream.tell() < megabytes * MEGABYTE:
            letters = random_bases(generator, COPIED)
            changed = np.where(generator.random(COPIED) < DIVERGENCE, _OTHER[letters], letters)
            for copy in (letters, changed):
                stream.write(_nt_header(generator, number) + _lines(copy))
                number += 1
    return number * COPIED


def write_genbank(path: Path, megabytes: int, seed: int = 0) -> int:
    """Write a GenBank file of about that size, at least one record; returns its bases."""
    generator = np.random.default_rng(seed)
    bases, number = 0, 0
    features = _genbank_features(generator)
    with path.open("wb") as stream:
        while not number or stream.tell() < megabytes * MEGABYTE:
            number += 1
            stream.write(_genbank_head(number))
            stream.write(features)
            stream.write(b"ORIGIN\n" + _origin(random_bases(generator, GENBANK_BASES)) + b"//\n")
            bases += GENBANK_BASES
    return bases


def random_bases(generator: np.random.Generator, length: int) -> np.ndarray:
    """(length,) uint8 letters A, C, G, T."""
    return _LETTERS[generator.integers(0, 4, size=length, dtype=np.uint8)]


def _lengths(generator: np.random.Generator, total: int, limits: tuple[int, int]) -> Iterator[int]:
    """Record lengths that add up to ``total`` bases; the last is what is left."""
    while total > 0:
        length = int(generator.integers(*limits))
        yield min(length, total)
        total -= length


def _chromosome(generator: np.random.Generator, length: int) -> np.ndarray:
    letters = random_bases(generator, length)
    for start in range(GAP_EVERY, length - GAP, GAP_EVERY):
        letters[start : start + GAP] = ord("N")
    return letters


def _lines(letters: np.ndarray) -> bytes:
    """The letters in lines of LINE, the last one shorter."""
    whole = len(letters) // LINE * LINE
    lines = np.empty((whole // LINE, LINE + 1), dtype=np.uint8)
    lines[:, :LINE] = letters[:whole].reshape(-1, LINE)
    lines[:, LINE] = ord("\n")
    rest = letters[whole:].tobytes()
    return lines.tobytes() + (rest + b"\n" if rest else b"")


def _nt_header(generator: np.random.Generator, number: int) -> bytes:
    organism = _GENERA[number % len(_GENERA)]
    name = f"gene{int(generator.integers(0, 10**6)):06d}"
    return f">XM_{number:09d}.1 PREDICTED: {organism} {name} protein-like ({name}), mRNA\n".encode()


def _genbank_head(number: int) -> bytes:
    name, organism = f"SYN{number:07d}", _GENERA[number % len(_GENERA)]
    return (
        f"LOCUS       {name:<16} {GENBANK_BASES:>11} bp    DNA     linear   BCT 01-JAN-2024\n"
        f"DEFINITION  {organism} strain {number} contig, whole genome shotgun sequence.\n"
        f"ACCESSION   {name}\nVERSION     {name}.1\nKEYWORDS    WGS.\n"
        f"SOURCE      {organism}\n  ORGANISM  {organism}\n"
        "            Bacteria; Pseudomonadota; Gammaproteobacteria; Enterobacterales;\n"
        f"            Enterobacteriaceae; {organism.split()[0]}.\n"
    ).encode()


def _genbank_features(generator: np.random.Generator) -> bytes:
    """The table that all records share: their bases differ, so that no gene is a duplicate."""
    lines = [
        "FEATURES             Location/Qualifiers",
        f"     source          1..{GENBANK_BASES}",
        '                     /mol_type="genomic DNA"',
    ]
    for gene, start in enumerate(range(101, GENBANK_BASES - _GENE, _GENE + _BETWEEN)):
        lines += _gene_lines(generator, gene, start)
    return "".join(f"{line}\n" for line in lines).encode()


def _gene_lines(generator: np.random.Generator, gene: int, start: int) -> list[str]:
    place = f"{start}..{start + _GENE - 1}"
    place = f"complement({place})" if gene % 2 else place
    if gene % 9 == 8:
        return [f"     tRNA            {place}", _qualifier("product", "tRNA-Ala")]
    protein = _AMINO_ACIDS[generator.integers(0, 20, size=_GENE // 3 - 1)].tobytes().decode()
    translation = f'/translation="M{protein}"'
    wrapped = [translation[at : at + 58] for at in range(0, len(translation), 58)]
    return [
        f"     gene            {place}",
        _qualifier("locus_tag", f"SYN_{gene:05d}"),
        f"     CDS             {place}",
        _qualifier("locus_tag", f"SYN_{gene:05d}"),
        _qualifier("product", f"ABC transporter ATP-binding protein {gene}"),
        _qualifier("protein_id", f"SYN{gene:05d}.1"),
        *(f"{'':21}{part}" for part in wrapped),
    ]


def _qualifier(name: str, value: str) -> str:
    return f'{"":21}/{name}="{value}"'


def _origin(letters: np.ndarray) -> bytes:
    """Numbered lines of six blocks of ten letters in lower case."""
    width = _ORIGIN_BLOCK * _ORIGIN_BLOCKS
    text = letters.tobytes().decode().lower()
    lines = []
    for start in range(0, len(text), width):
        line = text[start : start + width]
        blocks = (line[at : at + _ORIGIN_BLOCK] for at in range(0, len(line), _ORIGIN_BLOCK))
        lines.append(f"{start + 1:>9} {' '.join(blocks)}\n")
    return "".join(lines).encode()
