"""Near-duplicates of a corpus on many tasks: datatrove's MinHash blocks over canonical k-mers.

    for stage in near_duplicate_stages(reader, writer, "work/minhash", tasks=64):
        LocalPipelineExecutor(stage.pipeline, tasks=stage.tasks, logging_dir=f"logs/{stage.name}").run()

or Slurm's or Ray's executor in its place. Stages run one after the other:

    signature   ``tasks``   KmerSignature: bands and whole signatures of each document
    buckets     bands       MinhashDedupBuckets: pairs that share a band
    verify      bands       VerifyPairs: of these, the pairs whose whole signatures agree
    cluster     1           MinhashDedupCluster: what to remove, all but one of each cluster
    filter      ``tasks``   MinhashDedupFilter: the documents that stay, to the writer

The signature is ``sketch.signature``, so the verdict is that of ``neighbours.NeighbourIndex.clusters``. As
shipped, datatrove hashes words (and needs spaCy for them), and takes every pair that shares a band: with two
rows a band, chance would remove one in five of 10^7 unrelated sequences of 3,000 bases (10^7 x 2e-8 = 0.2);
hence the verification. A document costs 160 x 12 + 320 x 4 = 3,200 bytes on disk. Documents that are too
short for a signature pass the filter and are counted (``too_short``); ``exact`` finds equal ones among them.
Folders are on a file system that all tasks share.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from omnina.chunking import parse_cell
from omnina.corpus.dedup.kmers import ascending_distinct, canonical_kmers, mixed
from omnina.corpus.dedup.sketch import (
    DEFAULT,
    SketchSettings,
    identity_of_jaccard,
    jaccard,
    signature_of_hashes,
)
from omnina.errors import UserError

try:
    from datatrove.pipeline.base import PipelineStep
    from datatrove.pipeline.dedup import MinhashDedupCluster, MinhashDedupFilter, MinhashDedupSignature
    from datatrove.pipeline.dedup.minhash import MinhashConfig, MinhashDedupBuckets
    from datatrove.utils.hashing import HashConfig
    from datatrove.utils.word_tokenizers import WordTokenizer
except ModuleNotFoundError as error:
    raise UserError(
        f"near-duplicates of a whole corpus need datatrove ({error}): pip install -r requirements-corpus.txt"
    ) from error

PAIRS_AT_ONCE = 4096  # x 320 values x 4 bytes = 5 MB a side


def minhash_config(settings: SketchSettings = DEFAULT) -> MinhashConfig:
    """datatrove's settings for the same bands and rows; 32-bit values, as in ``sketch``."""
    hashes = HashConfig(precision=32, hash_fc="sha1")  # the function is not used: k-mers are numbers already
    return MinhashConfig(
        n_grams=settings.k, num_buckets=settings.bands, hashes_per_bucket=settings.rows, hash_config=hashes
    )


class _NoWords(WordTokenizer):
    """Stands where datatrove wants a word tokenizer, so that it loads none."""

    def word_tokenize(self, text: str) -> list[str]:
        raise AssertionError("nucleotide sequences have no words")

    sent_tokenize = span_tokenize = word_tokenize


class KmerSignature(MinhashDedupSignature):
    """Stage 1: signatures of the documents' sequences, in datatrove's bands and whole, one row a document."""

    name = "🎯 MinHash stage 1, canonical k-mers"

    def __init__(self, output_folder: str | Path, settings: SketchSettings = DEFAULT):
        super().__init__(str(output_folder), minhash_config(settings), language=_NoWords())
        self.settings = settings
        self.folder = Path(output_folder)
        self._whole = None

    def get_shingles(self, text: str) -> np.ndarray:
        """(n, 1) uint64 different hashes of canonical k-mers, ascending; n = 0 if there are too few.

        Raises ValueError for text that is not a nucleotide cell.
        """
        kmers = [canonical_kmers(bases, self.settings.k) for _, bases in parse_cell(text).parts]
        hashes = ascending_distinct(mixed(np.concatenate(kmers)))
        if len(hashes) < self.settings.min_kmers:
            self.stat_update("too_short")
            self._whole.write(bytes(4 * self.settings.values))  # keeps row number = document number
            hashes = hashes[:0]
        return hashes.reshape(-1, 1)

    def get_signature(self, shingles: np.ndarray) -> list[list[int]]:
        """(n, 1) hashes -> bands lists of rows values."""
        values = signature_of_hashes(shingles[:, 0], self.settings)
        self._whole.write(values.astype("<u4").tobytes())
        return values.reshape(self.settings.bands, self.settings.rows).tolist()

    def run(self, data: Iterator, rank: int = 0, world_size: int = 1) -> None:
        """Write the bands (as datatrove does) and the whole signatures of this task's documents."""
        path = signature_file(self.folder, rank)
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as self._whole:
            super().run(data, rank, world_size)
        self._whole = None


def signature_file(folder: Path, rank: int) -> Path:
    """Where task ``rank`` keeps its documents' signatures: (documents, values) little-endian uint32."""
    return folder / "whole" / f"{rank:05d}.signatures"


class VerifyPairs(PipelineStep):
    """Stage between buckets and cluster: keep the pairs whose whole signatures reach ``min_identity``."""

    type = "🫂 - DEDUP"
    name = "🎯 MinHash pairs verified"

    def __init__(self, signatures: Path, pairs: Path, output: Path, settings: SketchSettings = DEFAULT):
        super().__init__()
        self.signatures, self.pairs, self.output, self.settings = signatures, pairs, output, settings

    def run(self, data: None = None, rank: int = 0, world_size: int = 1) -> None:
        """Copy this task's share of the pair files, without the pairs that fail."""
        self.output.mkdir(parents=True, exist_ok=True)
        for path in sorted(self.pairs.glob("*.dups"))[rank::world_size]:
            pairs = np.fromfile(path, dtype="<u4").reshape(-1, 4)  # file, document, file, document
            kept = [self._verified(pairs[i : i + PAIRS_AT_ONCE]) for i in range(0, len(pairs), PAIRS_AT_ONCE)]
            (self.output / path.name).write_bytes(b"".join(part.tobytes() for part in kept))
            self.stat_update("candidates", value=len(pairs))
            self.stat_update("verified", value=sum(map(len, kept)))

    def _verified(self, pairs: np.ndarray) -> np.ndarray:
        shares = jaccard(self._rows(pairs[:, 0], pairs[:, 1]), self._rows(pairs[:, 2], pairs[:, 3]))
        return pairs[identity_of_jaccard(shares, self.settings.k) >= self.settings.min_identity]

    def _rows(self, files: np.ndarray, documents: np.ndarray) -> np.ndarray:
        """(pairs, values) the signatures of these documents."""
        rows = np.empty((len(files), self.settings.values), dtype=np.uint32)
        for file in np.unique(files):
            here = files == file
            path = signature_file(self.signatures, int(file))
            stored = np.memmap(path, dtype="<u4", mode="r").reshape(-1, self.settings.values)
            rows[here] = stored[documents[here]]
        return rows


class Stage(NamedTuple):
    """One run of an executor: its blocks and on how many tasks they run."""

    name: str
    pipeline: list
    tasks: int


def near_duplicate_stages(
    reader: PipelineStep,
    writer: PipelineStep,
    folder: str | Path,
    tasks: int,
    settings: SketchSettings = DEFAULT,
) -> list[Stage]:
    """The five stages, to be run in order.

    Args:
        reader: gives documents whose text is a nucleotide cell, to the same task each time.
        writer: takes the documents that stay.
        folder: for signatures, pairs and verdicts, seen by all tasks.
        tasks: of the stages that read documents.
        settings: how sequences are compared.
    """
    config = minhash_config(settings)
    signatures, pairs, verified, removed = (
        Path(folder) / name for name in ("signatures", "pairs", "verified", "removed")
    )
    buckets = MinhashDedupBuckets(str(signatures), str(pairs), config=config)
    verify = VerifyPairs(signatures, pairs, verified, settings)
    cluster = MinhashDedupCluster(str(verified), str(removed), config=config)
    return [
        Stage("signature", [reader, KmerSignature(signatures, settings)], tasks),
        Stage("buckets", [buckets], settings.bands),
        Stage("verify", [verify], settings.bands),
        Stage("cluster", [cluster], 1),
        Stage("filter", [reader, MinhashDedupFilter(str(removed)), writer], tasks),
    ]
