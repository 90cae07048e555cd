"""Metrics of a checkpoint's answers, beside baselines trained on the same rows.

    python scripts/evaluate.py --checkpoint output/finetune --input data/finetune_val_example.csv

Writes metrics.json, metrics.csv, metrics.md, classes.csv, plots and plots.md into CHECKPOINT/evaluation.
"""

import argparse
from pathlib import Path

from omnina.command import run_command, whole_number
from omnina.evaluation.evaluate import check_folder, read_asked_rows
from omnina.evaluation.run import EVALUATION_FOLDER, evaluate_checkpoint
from omnina.inference.answer import TOKENS_PER_BATCH, Answerer
from omnina.yaml_file import read_yaml


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("--checkpoint", type=Path, default=Path("output/finetune"), help="fine-tuned model")
    parser.add_argument("--input", nargs="+", required=True, help="tables with sequence, question, response")
    parser.add_argument("--output", type=Path, help="folder for the figures; CHECKPOINT/evaluation")
    parser.add_argument("--train_files", nargs="+", help="rows for the baselines; those the run trained on")
    parser.add_argument(
        "--tokens_per_batch", type=whole_number(1), default=TOKENS_PER_BATCH, help="of a forward pass"
    )
    parser.add_argument(
        "--bad_rows", choices=["stop", "skip"], default="stop", help="skip: leave out, counted"
    )
    return parser.parse_args()


def training_tables(checkpoint: Path) -> list[str]:
    """The tables that a run of ours trained on; none if the folder does not say."""
    path = checkpoint / "config.yaml"
    return read_yaml(path).get("train_files", []) if path.is_file() else []


def main() -> None:
    """Evaluate and print the table."""
    arguments = parse_arguments()
    rows = read_asked_rows(arguments.input, arguments.bad_rows)
    tables = arguments.train_files or training_tables(arguments.checkpoint)
    train_rows = read_asked_rows(tables, arguments.bad_rows) if tables else []
    output = arguments.output or arguments.checkpoint / EVALUATION_FOLDER
    check_folder(output)
    answerer = Answerer(arguments.checkpoint, tokens_per_batch=arguments.tokens_per_batch)
    print(evaluate_checkpoint(answerer, rows, train_rows, output, arguments.bad_rows))
    print(f"Figures and plots are in {output}.")


if __name__ == "__main__":
    run_command(main)
