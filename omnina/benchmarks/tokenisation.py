"""Speed of tokenising tables: bases a second of one core, against SentencePiece called row by row.

The baseline is one thread that calls SentencePiece's ``encode`` on every prompt and every answer, the texts
ready in memory. Ours is measured three times over: the same texts to ids; the table's cells to documents
(checks, windows, prompts, where the bases are); and the whole way from the table to shards on disk. All four
run in turn, several times; seconds are processor time, so other programs count little.
"""

import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from sentencepiece import SentencePieceProcessor

from omnina.benchmarks.figures import compared, spread
from omnina.chunking import SequenceRules
from omnina.dataset import load_data
from omnina.errors import UserError
from omnina.shards.building import row_encoder
from omnina.tables.rows import DataSettings, RowEncoder, batched_records, read_records
from omnina.tables.table import expand_paths
from omnina.tokenizer import BOS_ID, EOS_ID, load_tokenizer

MAX_LENGTH = 2048


def measure_tokenisation(inputs: str, tokenizer: Path, repeats: int) -> list[dict]:
    """Rows ``{work, metric, ours, baseline, ratio}``.

    Args:
        inputs: a pretraining table, or a glob of several.
        tokenizer: a folder with ``tokenizer.json`` and ``tokenizer.model``.
        repeats: turns; the median counts.

    Raises UserError for a folder without ``tokenizer.model``, and for ids that differ from SentencePiece's.
    """
    os.environ["TOKENIZERS_PARALLELISM"] = "false"  # one thread, as the baseline
    work = _Work(inputs, tokenizer)
    ways = {"baseline": work.sentencepiece} | {
        "texts to ids": work.texts_to_ids,
        "cells to documents": work.cells_to_documents,
        "table to shards": work.table_to_shards,
    }
    if work.sentencepiece() != [ids.tolist() for ids in work.texts_to_ids()]:
        raise UserError(f"{tokenizer}: SentencePiece's ids differ; tokenizer.model is of another tokenizer.")
    turns = [{name: _seconds(way, work.forget) for name, way in ways.items()} for _ in range(repeats)]
    baseline = [turn["baseline"] for turn in turns]
    rows = []
    for name in list(ways)[1:]:
        ratios = [turn["baseline"] / turn[name] for turn in turns]
        speed = work.bases / statistics.median(turn[name] for turn in turns)
        rows.append(
            compared(work.name, f"bases/s a core, {name}", speed, work.bases / statistics.median(baseline))
        )
        rows.append(spread(work.name, f"{name}, times as fast as SentencePiece", ratios, "turn"))
    return [*rows, compared(work.name, "texts with SentencePiece's ids", 1.0, 1.0)]


class _Work:
    """The same rows as texts, as cells and as a table."""

    def __init__(self, inputs: str, tokenizer: Path) -> None:
        model = tokenizer / "tokenizer.model"
        if not model.is_file():
            raise UserError(f"{model}: there is no such file; name a folder of scripts/train_tokenizer.py.")
        load_tokenizer(tokenizer)  # which tells a mistake in the folder
        self.inputs = inputs
        self.definition = (tokenizer / "tokenizer.json").read_text(encoding="utf-8")
        self.settings = DataSettings(MAX_LENGTH, False, SequenceRules(), bad_rows="skip")
        paths = expand_paths(inputs)
        self.records = [row for path in paths for row in read_records(path, self.settings.columns)]
        self.forget()
        self.rows = [row for record in self.records for row in self.encoder.windows(record.cells)]
        self.processor = SentencePieceProcessor(model_file=str(model))
        self.prompts = [self.settings.prompt.render(row.nucleotides.text) for row in self.rows]
        self.answers = [row.response for row in self.rows]
        self.bases = sum(row.nucleotides.bases for row in self.rows)
        self.name = f"{', '.join(path.name for path in paths)}: {len(self.rows)} windows, {self.bases} bases"

    def forget(self) -> None:
        """No text has been seen yet: splintr answers one that it knows from memory."""
        self.encoder = RowEncoder(self.definition, BOS_ID, EOS_ID, self.settings)
        row_encoder.cache_clear()

    def sentencepiece(self) -> list[list[int]]:
        return [self.processor.encode(text) for text in (*self.prompts, *self.answers)]

    def texts_to_ids(self) -> list[np.ndarray]:
        prompts, answers = self.encoder.encoder.texts(self.prompts, self.answers)
        return [text.ids for text in (*prompts, *answers)]

    def cells_to_documents(self) -> None:
        for batch in batched_records(self.records):
            self.encoder.outcomes(batch)

    def table_to_shards(self) -> None:
        with TemporaryDirectory() as cache:
            load_data(
                self.inputs, self.definition, BOS_ID, EOS_ID, self.settings, cache_dir=Path(cache), workers=1
            )


def _seconds(run: Callable[[], object], before: Callable[[], object]) -> float:
    before()
    began = time.process_time()
    run()
    return time.process_time() - began
