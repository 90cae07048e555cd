"""A stretch of a record with what is known of it: what readers give and templates, filters and dedup take."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

FIELDS = (
    *("accession", "description", "organism", "lineage", "genus", "molecule_type", "feature_type"),
    *("location", "gene", "gene_symbol", "product", "note", "ec_number", "partial", "coding", "annotation"),
    *("start", "end", "strand", "parts", "protein_id", "db_xref", "taxid", "codon_start"),
)


@dataclass(frozen=True)
class Passage:
    """A whole record, a part of a long one, or a feature, read along its coding strand.

    Attributes:
        source_file: the record file's name: in a corpus with its folders below the input folder.
        accession: of the record, with its version where it has one.
        start, end: what it spans on the record's forward strand, in bases from 0, end exclusive. Of one in
            several parts the field ``parts`` says which bases it is made of (``features.written_parts``).
        strand: ``+``, ``-``, or ``.`` for a whole record or parts on both strands.
        sequence: upper-case IUPAC bases, T for U, along ``strand``.
        fields: what the record says, by the names in FIELDS; a field that it lacks is absent, never empty.
    """

    source_file: str
    accession: str
    start: int
    end: int
    strand: Literal["+", "-", "."]
    sequence: str
    fields: Mapping[str, str]
