"""16S ribosomal RNA genes of the "gold" FASTA file -> annotated sequences.

A header's fields are separated by tabs, and the last is the lineage from domain to genus, six names. Two
shapes occur. Type strains:

    S000005078 Geobacillus thermocatenulatus (T); DSM 730; Z26926 Geobacillus thermocatenulatus <tab> lineage

and genes taken from a sequenced genome:

    7000004128189864 <tab> Alcanivorax borkumensis SK2 <tab> 7000004128189864|16s_rRNA|... <tab> lineage
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from Bio.SeqIO.FastaIO import SimpleFastaParser

from omnina.corpus.entry import Entry, checked_bases, opened_records
from omnina.errors import UserError

SOURCE = "16S"
NO_GENUS = "lineage ends in 'Incertae Sedis', not in a genus"
OTHER_GENUS = "organism's genus is not the lineage's"

_RANKS = 6  # domain, phylum, class, order, family, genus
_TYPE_STRAIN = re.compile(r"(?P<name>\S+) (?P<organism>\S.*?) \(T\);.*")
# What genome projects append to the organism: ", complete genome.", " genome, from Genbank", ...
_GENOME_REMARK = re.compile(r"(,? (complete |draft )?genome)?(,? from Gen[Bb]ank)?[.,]?\s*$")


@dataclass(frozen=True)
class Header:
    """A header's record id, organism and lineage (domain first, genus last)."""

    name: str
    organism: str
    lineage: tuple[str, ...]

    @property
    def organism_genus(self) -> str:
        """First word of the organism; "Candidatus" is a status, so the word after it."""
        return self.organism.removeprefix("Candidatus ").split()[0]

    @property
    def lineage_genus(self) -> str:
        """First word of the last rank: RDP cuts Bacillus into groups "Bacillus a" to "Bacillus k"."""
        return self.lineage[-1].split()[0]

    @property
    def drop_reason(self) -> str:
        """Why the lineage cannot be trusted to be the organism's; empty if the genus says it is."""
        if self.lineage[-1].endswith("Incertae Sedis"):
            return NO_GENUS
        return "" if self.organism_genus == self.lineage_genus else OTHER_GENUS


def read_rrna16s(path: Path) -> Iterator[Entry]:
    """Yield each gene of a gzipped FASTA file, those with an untrustworthy lineage marked as dropped.

    Raises UserError, naming file and record, for a missing file, one without records a header of
    another shape or letters that are no nucleotides.
    """
    title = ""
    with opened_records(path) as stream:
        for title, sequence in SimpleFastaParser(stream):
            header = parsed_header(title, path)
            yield _entry(header, checked_bases(sequence, path, header.name))
    if not title:
        raise UserError(f"{path}: no FASTA record in it; fetch the record file again.")


def parsed_header(title: str, path: Path) -> Header:
    """Parse a header line without its ``>``; ``path`` is named in the UserError for any other shape."""
    fields = [field.strip() for field in title.split("\t")]
    lineage = tuple(rank.strip() for rank in fields[-1].split(";"))
    type_strain = _TYPE_STRAIN.fullmatch(fields[0]) if len(fields) == 2 else None
    if type_strain:
        name, organism = type_strain["name"], type_strain["organism"]
    else:
        name, organism = fields[0], _GENOME_REMARK.sub("", fields[1]) if len(fields) == 4 else ""
    if not name or not organism or len(lineage) != _RANKS or not all(lineage):
        raise UserError(
            f"{path}: record '{title[:60]}': the header must be 'id organism (T); strain <tab> lineage' or "
            f"'id <tab> organism <tab> gene <tab> lineage' with {_RANKS} ranks, ';' between them; "
            "mend the header or remove the record."
        )
    return Header(name, organism, lineage)


def described(header: Header) -> str:
    """The annotation in English."""
    organism = header.organism.removesuffix(".")  # "Clostridium sp." ends the sentence itself
    return f"16S ribosomal RNA gene of {organism}. Lineage: {'; '.join(header.lineage)}."


def _entry(header: Header, sequence: str) -> Entry:
    return Entry(
        source=SOURCE,
        name=header.name,
        group=header.lineage_genus,
        feature="rRNA",
        sequence=sequence,
        response=described(header),
        drop_reason=header.drop_reason,
        lineage=header.lineage,
    )
