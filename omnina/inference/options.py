"""Options that the commands on a checkpoint share; imports neither torch nor transformers."""

import argparse
from pathlib import Path

from omnina.chunking import BASES, PIECES
from omnina.command import positive_number, share, whole_number
from omnina.inference import DTYPE_NAMES, TOKENS_PER_BATCH


def add_input_option(parser: argparse.ArgumentParser) -> None:
    """``--input``: a file of sequences."""
    parser.add_argument(
        "--input", type=Path, required=True, help="table or FASTA: .csv .tsv .parquet .fasta .fa, also .gz"
    )


def add_checkpoint_options(parser: argparse.ArgumentParser, folder: str) -> None:
    """``--checkpoint`` (this folder if not given), ``--resolution``, ``--dtype``, ``--tokens_per_batch``."""
    parser.add_argument("--checkpoint", type=Path, default=Path(folder), help=f"the model; {folder} if unset")
    add_resolution_option(parser)
    parser.add_argument("--dtype", choices=DTYPE_NAMES, default="fp32", help="of weights and computation")
    parser.add_argument(
        "--tokens_per_batch", type=whole_number(1), default=TOKENS_PER_BATCH, help="of a forward pass"
    )


def add_resolution_option(parser: argparse.ArgumentParser) -> None:
    """``--resolution``: how finely sequences are read."""
    parser.add_argument(
        "--resolution",
        choices=[PIECES, BASES],
        default=PIECES,
        help="bases: a token for each, for checkpoints trained with resolution: random; others are warned of",
    )


def add_segmentations_option(parser: argparse.ArgumentParser) -> None:
    """``--segmentations``: of answers from labels."""
    parser.add_argument(
        "--segmentations",
        type=whole_number(1),
        default=1,
        help="labels: the mean over that many ways of cutting a sequence into tokens: the tokenizer's, and "
        "others with a tenth of its tokens split, or as in training with resolution: random, or a number",
    )


def reading_options(given: argparse.Namespace) -> dict:
    """How a checkpoint reads, for ``PackedReader`` and ``Answerer``."""
    from omnina.inference.answer import DTYPES  # and with it torch

    return {
        "dtype": DTYPES[given.dtype],
        "tokens_per_batch": given.tokens_per_batch,
        "resolution": given.resolution,
    }


def add_bad_rows_option(parser: argparse.ArgumentParser) -> None:
    """``--bad_rows``: what becomes of a row that cannot be used."""
    parser.add_argument("--bad_rows", choices=["stop", "skip"], default="stop", help="skip: note and go on")


def add_writing_options(parser: argparse.ArgumentParser, title: str) -> None:
    """How text is written, under a heading of its own."""
    writing = parser.add_argument_group(title)
    writing.add_argument("--max_new_tokens", type=whole_number(1), default=128, help="longest text, tokens")
    writing.add_argument("--num_beams", type=whole_number(1), default=1, help="1: greedy, or sampling")
    writing.add_argument("--sample", action="store_true", help="draw tokens instead of the likeliest")
    writing.add_argument("--temperature", type=positive_number, default=1.0, help="of sampling")
    writing.add_argument("--top_p", type=share, default=1.0, help="of sampling")
    writing.add_argument("--seed", type=whole_number(0), default=0, help="of sampling")
