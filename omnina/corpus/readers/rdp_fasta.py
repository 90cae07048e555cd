"""16S ribosomal RNA genes with RDP's lineage in the header, as in the "gold" FASTA file.

A header's fields are separated by tabs, and the last is the lineage from domain to genus, six names. Two
shapes occur. Type strains:

    S000005078 Geobacillus thermocatenulatus (T); DSM 730; Z26926 Geobacillus thermocatenulatus <tab> lineage

and genes taken from a sequenced genome:

    7000004128189864 <tab> Alcanivorax borkumensis SK2 <tab> 7000004128189864|16s_rRNA|... <tab> lineage

A gene whose organism is not of the genus that its lineage ends in is rejected: the lineage is then wrong, or
says nothing about the genus.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from omnina.corpus.passage import Passage
from omnina.corpus.readers.fasta import FastaRecord, read_fasta
from omnina.corpus.readers.record import stated
from omnina.corpus.readers.streams import source_name
from omnina.corpus.readers.windowed import WHOLE, Cutting, record_passages
from omnina.corpus.reject import Reject

NO_HEADER = "header of another shape"
NO_GENUS = "lineage ends in 'Incertae Sedis', not in a genus"
OTHER_GENUS = "organism's genus is not the lineage's"

_RANKS = 6  # domain, phylum, class, order, family, genus
_TYPE_STRAIN = re.compile(r"(?P<organism>\S.*?) \(T\);.*")
# What genome projects append to the organism: ", complete genome.", " genome, from Genbank", ...
_GENOME_REMARK = re.compile(r"(,? (complete |draft )?genome)?(,? from Gen[Bb]ank)?[.,]?\s*$")


@dataclass(frozen=True)
class Header:
    """A header's organism and lineage (domain first, genus last)."""

    organism: str
    lineage: tuple[str, ...]

    @property
    def organism_genus(self) -> str:
        """First word of the organism; "Candidatus" is a status, so the word after it."""
        return self.organism.removeprefix("Candidatus ").split()[0]

    @property
    def genus(self) -> str:
        """First word of the last rank: RDP cuts Bacillus into groups "Bacillus a" to "Bacillus k"."""
        return self.lineage[-1].split()[0]

    @property
    def fault(self) -> tuple[str, str] | None:
        """(kind, reason) for not trusting the lineage; None if the genus says that it is the organism's."""
        if self.lineage[-1].endswith("Incertae Sedis"):
            return NO_GENUS, f"the lineage ends in '{self.lineage[-1]}'"
        if self.organism_genus != self.genus:
            return OTHER_GENUS, f"the organism is '{self.organism}', the lineage's genus '{self.lineage[-1]}'"
        return None


def read_rdp_fasta(path: str | Path, cutting: Cutting = WHOLE) -> Iterator[Passage | Reject]:
    """Yield passages with accession, organism, lineage and genus; raises UserError as ``read_fasta`` does."""
    source = source_name(path)
    for record in read_fasta(path):
        if isinstance(record, Reject):
            yield record
        else:
            yield from _passages(record, source, cutting)


def parsed_header(description: str) -> Header | None:
    """Read a header without its first word; None if it has another shape."""
    names = [field.strip() for field in description.split("\t")]
    lineage = tuple(rank.strip() for rank in names[-1].split(";"))
    if len(lineage) != _RANKS or not all(lineage):
        return None
    if len(names) == 3:
        organism = _GENOME_REMARK.sub("", names[0])
    else:
        strain = _TYPE_STRAIN.fullmatch(names[0]) if len(names) == 2 else None
        organism = strain["organism"] if strain else ""
    return Header(organism, lineage) if organism else None


def _passages(record: FastaRecord, source: str, cutting: Cutting) -> Iterator[Passage | Reject]:
    header = parsed_header(record.description)
    fault = header.fault if header else (NO_HEADER, _expected(record.description))
    if fault:
        yield Reject(source, record.accession, None, *fault)
        return
    fields = stated(
        accession=record.accession, organism=header.organism, lineage=header.lineage, genus=header.genus
    )
    yield from record_passages(record, source, fields, cutting)


def _expected(description: str) -> str:
    return (
        f"'{description[:60]}' is neither 'organism (T); strain <tab> lineage' nor "
        f"'organism <tab> gene <tab> lineage' with {_RANKS} ranks, ';' between them"
    )
