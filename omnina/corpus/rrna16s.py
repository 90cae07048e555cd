"""16S ribosomal RNA genes with organism and lineage, from the microbiomeutil "gold" FASTA file.

Its headers come in two shapes, tabs between the fields, the lineage last:

    S000005078 Geobacillus thermocatenulatus (T); DSM 730; Z26926 ...    Bacteria; Firmicutes; ...
    7000004131497519    Neorickettsia sennetsu str. Miyayama    7000004131497519|16s_rRNA|...    Bacteria; ...
"""

import gzip
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from Bio.SeqIO.FastaIO import SimpleFastaParser

from omnina.corpus.record import AnnotatedSequence
from omnina.errors import UserError

SOURCE = "16S"
GENUS_MISSING = "genus not in the lineage"


@dataclass(frozen=True)
class Header:
    """What a header says: ``lineage`` runs from the domain to the genus."""

    organism: str
    lineage: tuple[str, ...]

    @property
    def genus(self) -> str:
        """First word of the organism's name."""
        return self.organism.split()[0]

    @property
    def genus_in_lineage(self) -> bool:
        """Whether a rank of the lineage is the genus (ranks may carry a suffix: ``Bacillus a``)."""
        return any(self.genus in rank.replace('"', "").split() for rank in self.lineage)


def parse_header(header: str) -> Header:
    """Read a header line without its ``>``; raises ValueError if it has neither shape."""
    fields = [field.strip() for field in header.split("\t")]
    if len(fields) == 4:
        organism = fields[1]
    elif len(fields) == 2:
        _, _, description = fields[0].partition(" ")
        organism = description.split(";")[0].removesuffix("(T)").strip()
    else:
        raise ValueError(f"{len(fields)} tab-separated fields instead of 2 or 4")
    lineage = tuple(rank.strip() for rank in fields[-1].split(";") if rank.strip())
    if not organism or len(lineage) < 2:
        raise ValueError("no organism or no lineage")
    return Header(organism, lineage)


def read_16s(path: Path, dropped: Counter) -> tuple[int, list[AnnotatedSequence]]:
    """All genes of the file as rows, and how many records it holds.

    Adds to ``dropped`` the genes whose genus is not in their lineage: those labels are wrong.
    Raises UserError for a missing file or a header of another shape.
    """
    if not path.is_file():
        raise UserError(
            f"{path}: there is no such file; it is part of the repository (git checkout -- data)."
        )
    rows, number = [], 0
    with gzip.open(path, "rt", encoding="utf-8") as stream:
        for number, (title, sequence) in enumerate(SimpleFastaParser(stream), 1):
            try:
                header = parse_header(title)
            except ValueError as error:
                raise UserError(f"{path}: record {number} ('{title[:60]}'): {error}") from error
            if header.genus_in_lineage:
                rows.append(_row(header, sequence))
            else:
                dropped[GENUS_MISSING] += 1
    return number, rows


def _row(header: Header, sequence: str) -> AnnotatedSequence:
    lineage = "; ".join(header.lineage)
    return AnnotatedSequence(
        sequence=sequence.upper().replace("U", "T"),
        response=f"16S ribosomal RNA gene of {header.organism}. Lineage: {lineage}.",
        source=SOURCE,
        group=header.genus,
    )
