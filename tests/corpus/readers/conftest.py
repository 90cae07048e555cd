import gzip
from pathlib import Path

import pytest
from gff_text import FASTA, TYPES

from omnina.corpus.passage import Passage
from omnina.corpus.readers.features import Selection, passages_of
from omnina.corpus.readers.gff import read_gff
from omnina.corpus.readers.record import AnnotatedRecord
from omnina.corpus.reject import Reject

DATA = Path(__file__).parent / "data"


@pytest.fixture(scope="session")
def genbank() -> str:
    """Two GenBank records: V00294.1 and M27612.1."""
    return (DATA / "ecoli_2_records.gb").read_text(encoding="ascii")


@pytest.fixture(scope="session")
def embl() -> str:
    """Three EMBL records: L22968.1, X03487.1 and M23100.1."""
    return (DATA / "human_3_records.embl").read_text(encoding="ascii")


@pytest.fixture
def record_file(tmp_path):
    """Write text as it stands, gzipped if the name says so."""

    def write(text: str | bytes, name: str) -> Path:
        data = text if isinstance(text, bytes) else text.encode()
        path = tmp_path / name
        path.write_bytes(gzip.compress(data) if name.endswith((".gz", ".bgz")) else data)
        return path

    return write


@pytest.fixture
def parted():
    """Split what a reader gives into passages (or records) and rejects."""

    def split(items) -> tuple[list, list[Reject]]:
        items = list(items)
        return [i for i in items if not isinstance(i, Reject)], [i for i in items if isinstance(i, Reject)]

    return split


@pytest.fixture
def summary():
    """What a passage spans and reads."""

    def of(passage: Passage) -> tuple:
        return passage.accession, passage.start, passage.end, passage.strand, passage.sequence

    return of


@pytest.fixture
def gff_passages(record_file, parted):
    def reading(gff: str | bytes, name: str = "r.gff3", fasta: str | None = FASTA, **selection):
        annotation = record_file(gff, name)
        paths = (annotation, None) if fasta is None else (record_file(fasta, "r.fna"), annotation)
        chosen = Selection(feature_types=TYPES, **selection)
        items = []
        for item in read_gff(*paths, TYPES):
            items.extend(passages_of(item, chosen) if isinstance(item, AnnotatedRecord) else [item])
        return parted(items)

    return reading
