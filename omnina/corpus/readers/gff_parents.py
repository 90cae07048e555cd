"""What a GFF3 feature has from its parents: Ensembl names a gene at its own line only, not at its CDS."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from omnina.corpus.readers.gff_lines import GffLine
from omnina.corpus.readers.record import stated

# Kinds of lines that others name as their parent; exons and parts of a CDS have IDs, too, but no children.
_PARENTS = re.compile(r"gene|RNA|transcript|segment")
_HANDED_DOWN = ("gene", "gene_symbol", "product")
_TRUE = ("true", "True", "TRUE", "yes", "1")


@dataclass(frozen=True, slots=True)
class Ancestor:
    """A gene or transcript: its kind, the IDs of its own parents, its fields, whether it is pseudo."""

    kind: str
    parents: tuple[str, ...]
    fields: Mapping[str, str]
    pseudo: bool


@dataclass
class Parents:
    """Genes and transcripts by ID."""

    known: dict[str, Ancestor] = field(default_factory=dict)

    def take(self, line: GffLine) -> None:
        """Remember a line that others may name as their parent."""
        if line.name and _PARENTS.search(line.kind):
            self.known[line.name] = Ancestor(line.kind, line.parents, fields_of(line), is_pseudo(line))

    def fields(self, line: GffLine) -> dict[str, str]:
        """The line's fields, and gene and product of the nearest ancestor that has them where it has none."""
        found = fields_of(line)
        for ancestor in self._ancestors(line):
            found = {name: ancestor.fields[name] for name in _HANDED_DOWN if name in ancestor.fields} | found
        return found

    def pseudo(self, line: GffLine) -> bool:
        """Is the line or one of its ancestors marked as a pseudo gene?"""
        return is_pseudo(line) or any(ancestor.pseudo for ancestor in self._ancestors(line))

    def _ancestors(self, line: GffLine) -> list[Ancestor]:
        """Parents in the order of the line, then theirs."""
        ancestors, seen, names = [], set(), list(line.parents)
        for name in names:
            if name in self.known and name not in seen:  # a file may name a feature its own ancestor
                seen.add(name)
                ancestors.append(self.known[name])
                names.extend(ancestors[-1].parents)
        return ancestors


def fields_of(line: GffLine) -> dict[str, str]:
    """What the line's own attributes say."""
    name = ("Name", "gene_id") if line.kind in ("gene", "pseudogene") else ("gene_id",)
    references = line.attributes.get("Dbxref") or line.attributes.get("db_xref", [])  # GTF: the latter
    numbers = [ref.removeprefix("EC:") for ref in references if ref.startswith("EC:")]
    return stated(
        gene_symbol=line.first("gene", "gene_name"),
        gene=line.first("gene", "gene_name", "locus_tag", *name),
        product=line.attributes.get("product"),
        note=line.attributes.get("Note") or line.attributes.get("note"),
        ec_number=line.first("EC_number", "eC_number", "ec_number") or numbers,
        protein_id=line.first("protein_id"),
        db_xref=references,
    )


def taxid_of(line: GffLine) -> str:
    """The number of NCBI's taxonomy that a region's cross-references give, or an empty text."""
    taxa = (
        ref.removeprefix("taxon:") for ref in line.attributes.get("Dbxref", []) if ref.startswith("taxon:")
    )
    return next(taxa, "")


def is_pseudo(line: GffLine) -> bool:
    """Do the line's kind or own attributes mark a pseudo gene?"""
    biotype = line.first("gene_biotype", "transcript_biotype", "gene_type", "biotype")
    marked = line.first("pseudogene") or says_yes(line, "pseudo") or line.kind == "pseudogene"
    return bool(marked) or "pseudogene" in biotype


def says_yes(line: GffLine, name: str) -> bool:
    """Is this attribute true?"""
    return line.first(name) in _TRUE
