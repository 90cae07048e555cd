"""How many documents and tokens a run's tables hold: from the cache, else from a sample of their rows.

Nothing is written, neither into the cache nor beside the tables.
"""

import glob
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from transformers import PreTrainedTokenizerFast

from omnina.dataset import TokenizedData, cached_data
from omnina.planning.row_sample import sampled_tables
from omnina.run_settings import RunSettings
from omnina.shards.building import row_encoder
from omnina.tables.rows import DataSettings
from omnina.tables.table import expand_paths
from omnina.tokenizer import BOS_ID, EOS_ID

SHOWN = 2000  # documents that stand for all of them
TOKEN_BYTES = 2  # of a token id in the cache
# What a document takes there beside its ids: answer_start, bases, source, line and the ends of two lists, a
# span of the sequence; its length, bases and source once more in arrays of their own.
DOCUMENT_BYTES = 4 + 4 + 4 + 8 + 2 * 4 + 2 * 4 + 3 * 4


@dataclass(frozen=True)
class KnownTables:
    """What is known of a table set.

    Attributes:
        basis: how it is known, for the reader.
        documents: (tables,) of each table; ``tokens`` (tables,) theirs.
        cache_bytes: that the token ids take on disk.
        rows: some documents, ``input_ids`` and ``answer_start`` of each.
        data: the token ids themselves, where they are in the cache.
    """

    basis: str
    documents: np.ndarray
    tokens: np.ndarray
    cache_bytes: int
    rows: list[dict]
    data: TokenizedData | None = None


def known_tables(
    run: RunSettings, settings: DataSettings, inputs: list[str], tokenizer: PreTrainedTokenizerFast
) -> KnownTables:
    """Exact from the cache, else an estimate.

    Raises UserError for tables that are not there, that cannot be read, or of which no sampled row is left.
    """
    definition = tokenizer.backend_tokenizer.to_str()
    encoder = (definition, BOS_ID, EOS_ID, settings)
    data = cached_data(inputs, *encoder, cache_dir=Path(run.cache_dir))
    return _estimated(inputs, encoder) if data is None else _cached(data)


def _cached(data: TokenizedData) -> KnownTables:
    ends = np.cumsum(list(data.documents_by_file.values()))
    sums = np.concatenate([[0], np.cumsum(data.lengths, dtype=np.int64)])
    tokens = np.diff(sums[ends], prepend=0)
    shards = data.shards.files
    files = [*data.folder.iterdir(), *(file for shard in shards for file in shard.parent.iterdir())]
    chosen = np.random.default_rng(0).permutation(len(data))[:SHOWN]
    rows = [data[place] for place in np.sort(chosen)]
    size = sum(file.stat().st_size for file in files)
    documents = np.diff(ends, prepend=0)
    return KnownTables("exact, from the cache of token ids", documents, tokens, size, rows, data)


def _estimated(inputs: list[str], encoder: tuple) -> KnownTables:
    samples = sampled_tables(expand_paths(inputs), row_encoder(*encoder), SHOWN)
    documents = np.array([sample.documents for sample in samples])
    tokens = np.array([sample.tokens for sample in samples])
    rows = [row for sample in samples for row in sample.rows]
    read = sum(sample.read for sample in samples)
    basis = f"estimate, from {read:,} rows of {sum(sample.read > 0 for sample in samples)} of the tables"
    size = tokens.sum() * TOKEN_BYTES + documents.sum() * DOCUMENT_BYTES
    return KnownTables(basis, documents, tokens, round(float(size)), rows)


def missing_tables(inputs: list[str]) -> str | None:
    """The first path or glob that names no file; None if all do."""
    for entry in inputs:
        if glob.has_magic(entry) and not Path(entry).exists():
            found = any(glob.iglob(entry, recursive=True))  # noqa: PTH207 (Path.glob has no absolute patterns)
        else:
            found = Path(entry).exists()
        if not found:
            return entry
    return None
