"""A reference genome on disk, of which single stretches are read."""

import gzip
from functools import lru_cache
from pathlib import Path

from omnina.errors import UserError
from omnina.inference.variants.haplotypes import Contig

REQUIREMENTS = "requirements-variants.txt"
GZIP_MAGIC, BGZF_FLAG, BGZF_MARK = b"\x1f\x8b", 4, b"BC"
PREFIX = "chr"
MITOCHONDRION = ("chrM", "MT", "M", "chrMT")
BLOCK = 1 << 16  # bases read at a time: variants come sorted, and each asks for a stretch near the last
KEPT_BLOCKS = 4


def required_pysam():
    """The package, or a UserError that says how to get it."""
    try:
        import pysam
    except ImportError as error:
        raise UserError(f"This needs pysam: pip install -r {REQUIREMENTS}") from error
    return pysam


class Reference:
    """A FASTA file, plain or packed by bgzip; its index (.fai, .gzi) is made beside it if there is none.

    Args:
        path: ``.fa``, ``.fasta``, ``.fna``, each also ``.gz`` of bgzip.

    Raises UserError for a file that is missing, packed by gzip (which cannot be read from the middle), or no
    FASTA, an index that is older than it, or a folder in which no index can be made.
    """

    def __init__(self, path: Path) -> None:
        pysam = required_pysam()
        if not path.is_file():
            raise UserError(f"{path}: there is no such file; give --reference a FASTA file.")
        _check_packing(path)
        _check_index(path)
        try:
            self._file = pysam.FastaFile(str(path))
        except (OSError, ValueError) as error:
            raise UserError(
                f"{path}: it cannot be read as FASTA, or its index cannot be made beside it ({error}). "
                f"'samtools faidx {path}' says more."
            ) from error
        self.path = path
        self._lengths = dict(zip(self._file.references, self._file.lengths, strict=True))
        self.block = lru_cache(maxsize=KEPT_BLOCKS)(self._read_block)

    def contig(self, name: str) -> "_StoredContig | None":
        """By its name, with or without ``chr`` before it, M as MT; None if there is no such contig."""
        found = next((known for known in _names_alike(name) if known in self._lengths), None)
        return None if found is None else _StoredContig(self, found, self._lengths[found])

    def contigs(self) -> list["_StoredContig"]:
        """All of them."""
        return [_StoredContig(self, name, length) for name, length in self._lengths.items()]

    @property
    def names(self) -> list[str]:
        """Of all contigs."""
        return list(self._lengths)

    def _read_block(self, name: str, number: int) -> str:
        start = number * BLOCK
        return self._file.fetch(name, start, min(start + BLOCK, self._lengths[name])).upper()


class _StoredContig(Contig):
    """A contig of a reference."""

    def __init__(self, reference: Reference, name: str, length: int) -> None:
        self._reference, self.name, self._length = reference, name, length

    def __len__(self) -> int:
        return self._length

    def fetch(self, start: int, end: int) -> str:
        """Upper case, U as T."""
        blocks = range(start // BLOCK, max(end - 1, start) // BLOCK + 1) if end > start else ()
        text = "".join(self._reference.block(self.name, number) for number in blocks)
        shift = start // BLOCK * BLOCK
        return text[start - shift : end - shift].replace("U", "T")


def _names_alike(name: str) -> list[str]:
    """The name itself, then how others write it."""
    if name in MITOCHONDRION:
        return [name, *MITOCHONDRION]
    return [name, name.removeprefix(PREFIX) if name.startswith(PREFIX) else PREFIX + name]


def _check_index(path: Path) -> None:
    """UserError for an index from before the file was written: it would lead to other bases."""
    for index in (path.with_name(f"{path.name}{suffix}") for suffix in (".fai", ".gzi")):
        if index.exists() and index.stat().st_mtime_ns < path.stat().st_mtime_ns:
            raise UserError(f"{index}: this index is older than {path.name}; remove it, it is made again.")


def _check_packing(path: Path) -> None:
    """UserError for gzip that is not bgzip's: its header has no extra field with the blocks' size."""
    with path.open("rb") as stream:
        head = stream.read(16)
    if head[:2] != GZIP_MAGIC:
        return
    if not (head[3] & BGZF_FLAG and head[12:14] == BGZF_MARK):
        raise UserError(
            f"{path}: this is packed by gzip, which cannot be read from the middle. Pack it by bgzip: "
            f"gunzip -c {path} | bgzip > genome.fa.gz"
        )
    with gzip.open(path) as stream:
        if stream.read(1) != b">":
            raise UserError(f"{path}: what is packed in it is no FASTA; a record begins with '>'.")
