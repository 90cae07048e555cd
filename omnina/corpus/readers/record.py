"""A record with its features, whatever file it came from: what flat files and GFF give to ``features``."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from omnina.corpus.readers.parts import Span

Strand = Literal["+", "-", "."]


@dataclass(frozen=True, slots=True)
class Part:
    """A stretch of a feature on one strand: bases from 0 on the forward strand, end exclusive.

    ``line`` is its own line in a GFF file, for messages; None in flat files.
    """

    start: int
    end: int
    strand: Strand
    line: int | None = None


@dataclass(frozen=True)
class Feature:
    """A feature of a record.

    Attributes:
        kind: feature type in the file's words (``CDS``, ``tRNA``, ...).
        name: what a reject calls it.
        parts: in the order in which the gene is read (biological order).
        fields: gene, product, note, ec_number, protein_id, db_xref, codon_start, as far as the file says.
        partial: does it go on beyond an end that the file knows?
        pseudo: is it marked as a pseudo gene?
        line: where it starts in its file, or in its record's span, from 1.
        fault: (kind, reason) if its location cannot be used, else None.
    """

    kind: str
    name: str
    parts: tuple[Part, ...]
    fields: Mapping[str, str]
    partial: bool = False
    pseudo: bool = False
    line: int | None = None
    fault: tuple[str, str] | None = None


@dataclass(frozen=True)
class AnnotatedRecord:
    """One record, held whole.

    Attributes:
        source_file: the record file's name; ``feature_file`` that of its features (the same in flat files).
        accession: with version where it has one.
        sequence: upper-case IUPAC bases of the forward strand, T for U.
        fields: what holds for the whole record: accession, description, organism, taxid, lineage,
            molecule_type.
        features: in file order.
        span: where their lines are counted from; None: the file's start.
    """

    source_file: str
    accession: str
    sequence: str
    fields: Mapping[str, str]
    features: tuple[Feature, ...]
    feature_file: str
    span: Span | None = None


def stated(**fields: str | Iterable[str] | None) -> dict[str, str]:
    """Fields without those that the record lacks; several values are joined by "; ", blanks made single."""
    texts = {name: _joined(value) for name, value in fields.items()}
    return {name: text for name, text in texts.items() if text}


def _joined(value: str | Iterable[str] | None) -> str:
    values = [value] if isinstance(value, str) else value or []
    return "; ".join(filter(None, (" ".join(text.split()) for text in values)))
