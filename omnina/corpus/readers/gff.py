"""FASTA with GFF3 or GTF -> annotated records; the FASTA may stand at the end of the GFF3 file.

Memory: one record's sequence at a time, and of the whole GFF file the lines of the chosen types, exons of
chosen transcripts, and what genes and transcripts hand down, since a GFF file need not follow the order of
its FASTA file: about 1.8 KB for a feature and 0.3 KB for each further part.
"""

from collections.abc import Collection, Iterator
from pathlib import Path

from omnina.corpus.readers.bases import BadRecord
from omnina.corpus.readers.fasta import FastaRecord, read_embedded_fasta, read_fasta
from omnina.corpus.readers.features import GENE_FEATURES
from omnina.corpus.readers.gff_features import FeatureLines, read_feature_lines
from omnina.corpus.readers.record import AnnotatedRecord, stated
from omnina.corpus.readers.streams import source_name
from omnina.corpus.readers.windowed import described_fields
from omnina.corpus.reject import Reject

UNKNOWN_SEQUENCE = "unknown sequence"
RECORD_LEFT_OUT = "its record was left out"


def read_gff(
    fasta: str | Path, annotation: str | Path | None = None, feature_types: Collection[str] = GENE_FEATURES
) -> Iterator[AnnotatedRecord | Reject]:
    """Yield the FASTA file's records with their features of these types.

    Args:
        fasta: the file with the sequences; without ``annotation`` a GFF3 file that has them at its end.
        annotation: GFF3, or by its name GTF.
        feature_types: which features.

    Rejects come for broken GFF lines first, then for FASTA records in file order, and at the end for
    features whose sequence is not in the FASTA file or was left out. Raises UserError, naming the file, for
    one that cannot be read.
    """
    feature_file = fasta if annotation is None else annotation
    known = read_feature_lines(feature_file, feature_types)
    yield from known.rejects
    left_out: dict[str, str] = {}
    for record in read_embedded_fasta(fasta) if annotation is None else read_fasta(fasta):
        item = record if isinstance(record, Reject) else _annotated(record, known, fasta, feature_file)
        if isinstance(item, Reject):
            left_out.setdefault(item.record, item.reason)
        yield item
    yield from _without_record(known, left_out, source_name(fasta), source_name(feature_file))


def _annotated(
    record: FastaRecord, known: FeatureLines, fasta: str | Path, feature_file: str | Path
) -> AnnotatedRecord | Reject:
    name, source = record.accession, source_name(fasta)
    blocks: list[bytes] = []
    try:
        blocks.extend(record.blocks)
    except BadRecord as error:
        bases = sum(map(len, blocks)) + error.bases
        return Reject(source, name, None, error.kind, error.reason, bases)
    sequence = b"".join(blocks).decode("ascii")
    fields = described_fields(record) | stated(taxid=known.taxids.get(name))
    features = known.features(name, len(sequence))
    return AnnotatedRecord(source, name, sequence, fields, features, source_name(feature_file))


def _without_record(
    known: FeatureLines, left_out: dict[str, str], source: str, feature_file: str
) -> Iterator[Reject]:
    for seqid in list(known.lines):
        for feature in known.features(seqid, 0):
            kind, reason = UNKNOWN_SEQUENCE, f"a {feature.kind} of a sequence that is not in {source}"
            if seqid in left_out:
                kind, reason = (
                    RECORD_LEFT_OUT,
                    f"a {feature.kind} of a record with a fault: {left_out[seqid]}",
                )
            yield Reject(feature_file, seqid, feature.line, kind, reason)
