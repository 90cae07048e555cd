"""What a training benchmark works on: the rows of a table in fixed batches, or rows like the published."""

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from omnina.benchmarks.ways import Choices
from omnina.chunking import SequenceRules
from omnina.collation import longest_bound
from omnina.dataset import TokenizedData, load_data
from omnina.errors import UserError
from omnina.model_config import read_architecture
from omnina.tables.rows import DataSettings
from omnina.tokenizer import BOS_ID, EOS_ID, load_tokenizer
from omnina.trainer_settings import multiplies_bf16
from omnina.vocabulary.sentencepiece_training import TOO_LARGE
from omnina.vocabulary.training import train_tokenizer

MAX_LENGTH = 2048
CACHE = Path("output") / "cache"


@dataclass(frozen=True)
class Work:
    """What is measured, as given on the command line.

    Args:
        input: table of rows.
        model_config: YAML with the architecture.
        tokenizer: folder of a tokenizer that fits it.
        dtype: ``bf16`` (autocast) or ``fp32``.
        batch_rows: rows of one forward pass, in the baselines and in ours.
        batches: passes timed.
        questions: rows of fine-tuning, loss on the answers alone, instead of pretraining.
    """

    input: str
    model_config: str
    tokenizer: str
    dtype: str
    batch_rows: int
    batches: int
    questions: bool = False

    @property
    def choices(self) -> Choices:
        """Of every way."""
        config = read_architecture(self.model_config)
        return Choices(config, first_device(), self.dtype == "bf16", self.questions)

    @property
    def name(self) -> str:
        """For the tables."""
        return self.named(first_device())

    def named(self, device: torch.device) -> str:
        """For the tables, where it is measured on this device."""
        work = f"{Path(self.model_config).stem}, {self.dtype}, {self.batch_rows} rows a pass"
        return f"{work}, {where_measured(device)}"

    def check(self) -> None:
        """Raise UserError for files that are no architecture or tokenizer, or do not fit each other.

        A tokenizer of fewer tokens fits: the architecture's own number stays what is computed.
        """
        vocabulary, tokens = self.choices.config.vocab_size, len(load_tokenizer(self.tokenizer))
        if tokens > vocabulary:
            raise UserError(
                f"{self.tokenizer}: its {tokens:,} tokens are more than {self.model_config} has, "
                f"vocab_size {vocabulary:,}; name a smaller tokenizer or another architecture."
            )

    def data(self) -> TokenizedData:
        """The rows, cached where runs cache theirs."""
        rules = None if self.questions else SequenceRules()
        settings = DataSettings(MAX_LENGTH, self.questions, rules, bad_rows="skip")
        definition = (Path(self.tokenizer) / "tokenizer.json").read_text(encoding="utf-8")
        return load_data(self.input, definition, BOS_ID, EOS_ID, settings, cache_dir=CACHE)

    def row_batches(self, rows: int, fewest: int = 2) -> list[list[int]]:
        """Row ids of each batch, in a fixed random order; the first is for warming up.

        Raises UserError where so many rows are not enough for the fewest that mean something.
        """
        order = np.random.default_rng(0).permutation(rows)
        count = min(self.batches + 1, rows // self.batch_rows)
        if count < fewest:
            raise UserError(
                f"{self.input}: {rows:,} rows are too few for {fewest} passes of {self.batch_rows}; "
                "give a smaller --batch_rows or a larger table."
            )
        return [order[i * self.batch_rows : (i + 1) * self.batch_rows].tolist() for i in range(count)]

    def passes(self, fewest: int = 2) -> tuple[Choices, list[list[dict]]]:
        """What our way is made of for these rows, and the rows of each of the passes of ``row_batches``."""
        data = self.data()
        batches = self.row_batches(len(data), fewest)
        choices = replace(self.choices, longest=longest_bound(data.lengths))
        return choices, [data.__getitems__(batch) for batch in batches]


def first_device() -> torch.device:
    """The first GPU if there is one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def where_measured(device: torch.device) -> str:
    """For the tables: the device; on a GPU, where training compiles its layers, that these passes do not."""
    return device.type if device.type == "cpu" else f"{device.type}, layers not compiled"


def fastest_dtype(device: torch.device) -> str:
    """``bf16`` where the device has instructions for it, else ``fp32``: emulated, bf16 is slow."""
    return "bf16" if multiplies_bf16(on_gpu=device.type == "cuda") else "fp32"


def precision(choices: Choices) -> AbstractContextManager:
    """Autocast, or nothing."""
    return torch.autocast(choices.device.type, torch.bfloat16) if choices.half else nullcontext()


def published_like_rows(count: int, vocabulary: int, longest: int, seed: int = 0) -> list[dict]:
    """Random documents with lengths as in the published sample: padded by eights, 45 % would be real."""
    generator = np.random.default_rng(seed)
    lengths = np.clip(generator.lognormal(np.log(170), 0.9, count), 40, 620).astype(int)
    lengths = np.minimum(lengths, longest)
    return [{"input_ids": generator.integers(3, vocabulary, n), "answer_start": int(n) // 2} for n in lengths]


def tokenizer_for(input_table: str, model_config: str, folder: Path) -> str:
    """Train a tokenizer on the table; returns its folder.

    It has as many tokens as the architecture, or a half, a quarter, ... where the table does not hold so many
    pieces; how many is printed. The architecture's own number stays what is computed.
    """
    pieces = read_architecture(model_config).vocab_size - 1
    while True:
        try:
            train_tokenizer([input_table], folder, vocab_size=pieces)
        except UserError as error:
            if TOO_LARGE not in str(error):
                raise
            pieces //= 2
        else:
            print(f"tokenizer: {pieces:,} pieces, trained on {input_table}")
            return str(folder)
