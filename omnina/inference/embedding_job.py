"""A file of sequences in, a file of their embeddings out.

job = EmbeddingJob(SequenceFile(Path("genes.fasta")), Path("genes.safetensors"), EmbeddingSettings())
job.run(PackedReader(Path("output/pretrain")), [-1])
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from itertools import islice
from pathlib import Path

import numpy as np

from omnina.chunking import Nucleotides
from omnina.errors import UserError
from omnina.inference.embedding import Embedder, EmbeddingSettings
from omnina.inference.embedding_file import Layout, check_output, write_embeddings
from omnina.inference.packed import PackedReader
from omnina.inference.queries import InputRow, SequenceFile
from omnina.progress import progress_bar

ROWS_AT_ONCE = 64
ID_COLUMN = "id"


class EmbeddingJob:
    """A command's input and output, checked without a model.

    Args:
        source: the sequences; read once here, to the end. A table's ids are in its column ``id``, else its
            rows are numbered from 0.
        output: the file to write; must not exist.
        settings: what an embedding is.

    Raises UserError for an output that cannot be written, or a row that cannot be read.
    """

    def __init__(self, source: SequenceFile, output: Path, settings: EmbeddingSettings) -> None:
        self.source, self.output, self.settings = source, output, settings
        check_output(output)
        self.ids: list[str] = []
        self.bases: list[int] = []
        for row in source.rows():
            self.ids.append(self._id(row))
            self.bases.append(self._nucleotides(row).bases)

    def run(self, reader: PackedReader, layers: Sequence[int]) -> None:
        """Write the embeddings of all rows; negative layers count from the last."""
        embedder = Embedder(reader, layers, self.settings)
        notes = {"checkpoint": str(reader.folder), "weights_sha256": reader.digest}
        notes |= {"resolution": reader.resolution, "settings": json.dumps(asdict(self.settings))}
        per_base = self.settings.pooling == "bases"
        bases = self.bases if per_base else None
        layout = Layout(self.ids, embedder.layers, embedder.width, bases, notes)
        write_embeddings(self.output, layout, self._embeddings(embedder))

    def _embeddings(self, embedder: Embedder) -> Iterator[np.ndarray]:
        rows = self.source.rows()
        with progress_bar("embedding", "rows", len(self.ids)) as bar:
            while group := list(islice(rows, ROWS_AT_ONCE)):
                yield from self._embedded(embedder, group)
                bar.update(len(group))

    def _embedded(self, embedder: Embedder, rows: list[InputRow]) -> list[np.ndarray]:
        try:
            return embedder.embed([self._nucleotides(row) for row in rows])
        except ValueError as error:
            if len(rows) > 1:  # one by one, so that the message names the row
                return [array for row in rows for array in self._embedded(embedder, [row])]
            raise UserError(f"{rows[0].place}: {error}. Mend the row, or take it out.") from error

    def _id(self, row: InputRow) -> str:
        return row.cell(self.source.columns, ID_COLUMN) or str(row.number)

    def _nucleotides(self, row: InputRow) -> Nucleotides:
        try:
            return self.source.checked(row)
        except ValueError as error:
            raise UserError(f"{row.place}: {error}. Mend the row, or take it out.") from error
