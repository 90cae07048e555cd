"""FASTA whose annotation is each record's header (as in NCBI's nt), or stands in a table beside it.

Memory: for nt one block and the accessions seen (see ``fasta``); with a table also the table's cells.
"""

from collections.abc import Iterator
from pathlib import Path

from omnina.corpus.passage import Passage
from omnina.corpus.readers.fasta import FastaRecord, read_fasta
from omnina.corpus.readers.parts import WHOLE_FILE, FilePart
from omnina.corpus.readers.record import stated
from omnina.corpus.readers.streams import source_name
from omnina.corpus.readers.windowed import WHOLE, Cutting, described_fields, record_passages
from omnina.corpus.reject import DUPLICATE, NO_ANNOTATION, NO_SEQUENCE, Reject
from omnina.tables.table import read_rows

ACCESSION, ANNOTATION = "accession", "annotation"


def read_plain_fasta(
    path: str | Path, cutting: Cutting = WHOLE, part: FilePart = WHOLE_FILE
) -> Iterator[Passage | Reject]:
    """Yield passages with the header's accession and description."""
    source = source_name(path)
    for record in read_fasta(path, part=part):
        if isinstance(record, Reject):
            yield record
        else:
            yield from record_passages(record, source, described_fields(record), cutting)


def read_nt_fasta(
    path: str | Path, cutting: Cutting = WHOLE, part: FilePart = WHOLE_FILE
) -> Iterator[Passage | Reject]:
    """Yield passages whose annotation is the header without the accession; rejects where there is none."""
    source = source_name(path)
    for record in read_fasta(path, part=part):
        yield from _passages(record, source, record.description if _is_record(record) else "", cutting)


def read_table_fasta(
    path: str | Path, table: str | Path, cutting: Cutting = WHOLE
) -> Iterator[Passage | Reject]:
    """Yield passages with the annotation of the table's row of the same accession.

    Rejects come for unusable rows first, then for FASTA records in file order, and at the end for rows
    without a record. Raises UserError as ``read_fasta`` and ``omnina.tables.table.read_rows`` do.
    """
    source, rows, rejects = source_name(path), *read_annotations(table)
    yield from rejects
    for record in read_fasta(path):
        _, annotation = rows.pop(record.accession if _is_record(record) else record.record, (0, ""))
        yield from _passages(record, source, annotation, cutting)
    for accession, (line, _) in rows.items():
        yield Reject(source_name(table), accession, line, NO_SEQUENCE, f"no record of this name in {source}")


def read_annotations(table: str | Path) -> tuple[dict[str, tuple[int, str]], list[Reject]]:
    """(line, annotation) by accession, and a reject for each row without either or with a used accession."""
    rows: dict[str, tuple[int, str]] = {}
    rejects = []
    for line, row in read_rows(Path(table), required=(ACCESSION, ANNOTATION)):
        accession, annotation = row[ACCESSION].strip(), row[ANNOTATION].strip()
        if not accession or not annotation:
            fault = NO_ANNOTATION, f"the row's {ANNOTATION if accession else ACCESSION} is empty"
        elif accession in rows:
            fault = DUPLICATE, f"line {rows[accession][0]} has the same accession"
        else:
            rows[accession] = line, annotation
            continue
        rejects.append(Reject(source_name(table), accession, line, *fault))
    return rows, rejects


def _is_record(record: FastaRecord | Reject) -> bool:
    return isinstance(record, FastaRecord)


def _passages(
    record: FastaRecord | Reject, source: str, annotation: str, cutting: Cutting
) -> Iterator[Passage | Reject]:
    if isinstance(record, Reject):
        yield record
    elif not annotation:
        yield Reject(source, record.accession, None, NO_ANNOTATION, "nothing describes the record")
    else:
        fields = described_fields(record) | stated(annotation=annotation)
        yield from record_passages(record, source, fields, cutting)
