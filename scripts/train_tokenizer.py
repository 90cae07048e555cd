"""Train a tokenizer on tables (DNA and English) and plain text files (English).

    python scripts/train_tokenizer.py --input data/pretrain_train_example.csv --output output/tokenizer \\
        --vocab_size 1024 --seed 0

The vocabulary has one token more than --vocab_size: [PAD].
"""

import argparse
import json
from pathlib import Path

from omnina.command import run_command
from omnina.errors import UserError
from omnina.tokenizer_training import train_tokenizer


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("--input", nargs="+", required=True, help="tables or .txt files, globs too")
    parser.add_argument("--output", type=Path, required=True, help="folder for the tokenizer")
    parser.add_argument("--vocab_size", type=int, default=32_000, help="SentencePiece pieces")
    parser.add_argument("--seed", type=int, default=0, help="chooses the sample")
    parser.add_argument("--sample_bytes", type=int, default=20_000_000, help="text to train on")
    parser.add_argument("--text_share", type=float, default=0.25, help="share of the sample for English")
    parser.add_argument("--overwrite", action="store_true", help="replace what is in the output folder")
    return parser.parse_args()


def main() -> None:
    """Train, and print the report."""
    arguments = parse_arguments()
    if arguments.output.exists() and any(arguments.output.iterdir()) and not arguments.overwrite:
        raise UserError(f"{arguments.output} is not empty; choose another --output or add --overwrite.")
    report = train_tokenizer(
        arguments.input,
        arguments.output,
        vocab_size=arguments.vocab_size,
        sample_bytes=arguments.sample_bytes,
        text_share=arguments.text_share,
        seed=arguments.seed,
    )
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    run_command(main)
