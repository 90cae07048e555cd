"""Compare vocabularies on the same tables, best such that none of them was trained on.

    python scripts/compare_tokenizers.py --tokenizers data/tokenizer output/tokenizer_4096 \\
        --input data/pretrain_val_example.csv --output output/tokenizers

Writes report.md, comparison.json, comparison.csv and two plots: bases and characters per token, what the
pieces are, unknown and byte rates, tokens per row, and how many tokens a single-base change moves.
Tokenizers of the published layout load too.
"""

import argparse
import shlex
import sys
from pathlib import Path

from omnina.command import check_report_folder, run_command
from omnina.vocabulary.comparison import SUBSTITUTIONS, compare_tokenizers


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("--tokenizers", nargs="+", required=True, help="folders of tokenizers")
    parser.add_argument("--input", nargs="+", required=True, help="tables with sequence and response")
    parser.add_argument("--output", type=Path, required=True, help="folder for the report")
    parser.add_argument(
        "--substitutions", type=int, default=SUBSTITUTIONS, help=f"single-base changes ({SUBSTITUTIONS:,})"
    )
    parser.add_argument("--seed", type=int, default=0, help="which bases are changed")
    parser.add_argument(
        "--bad_rows", choices=["stop", "skip"], default="stop", help="skip: leave out, counted"
    )
    parser.add_argument("--overwrite", action="store_true", help="write into a folder that exists")
    return parser.parse_args()


def main() -> None:
    """Compare and print the page."""
    arguments = parse_arguments()
    from omnina.vocabulary.comparison_report import write_comparison  # and with it matplotlib

    check_report_folder(arguments.output, overwrite=arguments.overwrite)
    comparisons, rows = compare_tokenizers(
        arguments.tokenizers,
        arguments.input,
        substitutions=arguments.substitutions,
        seed=arguments.seed,
        bad_rows=arguments.bad_rows,
    )
    command = shlex.join(["python", *sys.argv])
    settings = {"command": command, "input": arguments.input, "seed": arguments.seed}
    print(write_comparison(comparisons, rows, settings, arguments.output))
    print(f"Figures and plots are in {arguments.output}.")


if __name__ == "__main__":
    run_command(main)
