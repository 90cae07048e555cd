"""Train a tokenizer on tables (DNA and English) and plain text files (English).

    python scripts/train_tokenizer.py --input data/pretrain_train_example.csv --output output/tokenizer \\
        --vocab_size 1024 --seed 0

The vocabulary has one token more than --vocab_size: [PAD]. Prints the report that it writes to
tokenizer_report.json: what was sampled from which files, bases and characters per token.

A corpus of any size: row groups of Parquet shards are drawn by the seed, and no more is read than needed. The
sample is as large as --max_memory_gb allows, which holds for reading and training together:

    python scripts/train_tokenizer.py --input output/corpus --output output/tokenizer --max_memory_gb 8
"""

import argparse
import json
import shlex
import sys
from pathlib import Path

from omnina.command import run_command
from omnina.vocabulary.training import (
    MAX_MEMORY_GB,
    READ_FACTOR,
    Reading,
    check_output_folder,
    train_tokenizer,
)
from omnina.vocabulary.units import TRAIN_SPLIT


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument(
        "--input", nargs="+", required=True, help="tables, .txt files, globs, folders with a manifest.json"
    )
    parser.add_argument("--output", type=Path, required=True, help="folder for the tokenizer")
    parser.add_argument("--vocab_size", type=int, default=32_000, help="SentencePiece pieces")
    parser.add_argument("--seed", type=int, default=0, help="which windows are sampled")
    parser.add_argument("--split", default=TRAIN_SPLIT, help="of a folder's shards: which are read (train)")
    parser.add_argument(
        "--max_memory_gb",
        type=float,
        default=MAX_MEMORY_GB,
        help=f"cap on the memory of all processes together, 10^9 bytes ({MAX_MEMORY_GB:g})",
    )
    parser.add_argument(
        "--sample_bytes", type=int, help="text to train on at most; as much as the memory allows"
    )
    parser.add_argument(
        "--read_bytes", type=int, help=f"text to read for it, about; {READ_FACTOR} times the sample"
    )
    parser.add_argument(
        "--workers", type=int, default=1, help="processes that read; the sample is the same (1)"
    )
    parser.add_argument("--text_share", type=float, default=0.5, help="part of it that is English (0.5)")
    parser.add_argument("--overwrite", action="store_true", help="write into a folder that is not empty")
    return parser.parse_args()


def main() -> None:
    """Train, and print the report."""
    arguments = parse_arguments()
    check_output_folder(arguments.output, arguments.overwrite)
    report = train_tokenizer(
        arguments.input,
        arguments.output,
        vocab_size=arguments.vocab_size,
        sample_bytes=arguments.sample_bytes,
        text_share=arguments.text_share,
        seed=arguments.seed,
        reading=Reading(arguments.max_memory_gb, arguments.read_bytes, arguments.workers, arguments.split),
        command=shlex.join(["python", *sys.argv]),
    )
    print(json.dumps(report, indent=2))
    for note in report["notes"]:
        print(f"note: {note}", file=sys.stderr)


if __name__ == "__main__":
    run_command(main)
