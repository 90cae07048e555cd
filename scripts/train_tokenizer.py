"""Train a tokenizer on tables (DNA and English) and plain text files (English).

    python scripts/train_tokenizer.py --input data/pretrain_train_example.csv --output output/tokenizer \\
        --vocab_size 1024 --seed 0

The vocabulary has one token more than --vocab_size: [PAD]. Prints the report that it writes to
tokenizer_report.json: what was sampled from which files, bases and characters per token.
"""

import argparse
import json
import shlex
import sys
from pathlib import Path

from omnina.command import run_command
from omnina.tokenizer_training import SAMPLE_BYTES, check_output_folder, train_tokenizer


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("--input", nargs="+", required=True, help="tables or .txt files, globs too")
    parser.add_argument("--output", type=Path, required=True, help="folder for the tokenizer")
    parser.add_argument("--vocab_size", type=int, default=32_000, help="SentencePiece pieces")
    parser.add_argument("--seed", type=int, default=0, help="which windows are sampled")
    parser.add_argument(
        "--sample_bytes", type=int, default=SAMPLE_BYTES, help=f"text to train on, bytes ({SAMPLE_BYTES:,})"
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
        command=shlex.join(["python", *sys.argv]),
    )
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    run_command(main)
