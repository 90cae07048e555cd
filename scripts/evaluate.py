"""Metrics of a checkpoint's answers, beside baselines trained on the same rows.

    python scripts/evaluate.py --checkpoint output/finetune --input data/finetune_val_example.csv

Writes metrics.json, metrics.csv, metrics.md, classes.csv, plots and plots.md into CHECKPOINT/evaluation.
"""

import argparse
from pathlib import Path

from omnina.command import run_command, whole_number
from omnina.inference import TOKENS_PER_BATCH
from omnina.inference.options import add_resolution_option, add_segmentations_option


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("--checkpoint", type=Path, default=Path("output/finetune"), help="fine-tuned model")
    parser.add_argument("--input", nargs="+", required=True, help="tables with sequence, question, response")
    parser.add_argument("--output", type=Path, help="folder for the figures; CHECKPOINT/evaluation")
    parser.add_argument("--train_files", nargs="+", help="rows for the baselines; those of the run")
    parser.add_argument(
        "--tokens_per_batch", type=whole_number(1), default=TOKENS_PER_BATCH, help="of a forward pass"
    )
    add_resolution_option(parser)
    add_segmentations_option(parser)
    parser.add_argument(
        "--bad_rows", choices=["stop", "skip"], default="stop", help="skip: leave out, counted"
    )
    return parser.parse_args()


def main() -> None:
    """Evaluate and print the table."""
    arguments = parse_arguments()
    # Seconds to import: not for --help, nor for a mistake on the command line.
    from omnina.evaluation.asked_rows import read_asked_rows
    from omnina.evaluation.files import EVALUATION_FOLDER, check_folder
    from omnina.evaluation.run import evaluate_checkpoint
    from omnina.evaluation.training_tables import training_tables
    from omnina.inference.answer import Answerer
    from omnina.report.page import is_reported, report_run

    rows = read_asked_rows(arguments.input, arguments.bad_rows)
    tables, note = (
        (arguments.train_files, "") if arguments.train_files else training_tables(arguments.checkpoint)
    )
    train_rows = read_asked_rows(tables, arguments.bad_rows) if tables else []
    output = arguments.output or arguments.checkpoint / EVALUATION_FOLDER
    check_folder(output)
    answerer = Answerer(
        arguments.checkpoint,
        tokens_per_batch=arguments.tokens_per_batch,
        resolution=arguments.resolution,
        segmentations=arguments.segmentations,
    )
    notes = [note] if note else []
    print(evaluate_checkpoint(answerer, rows, train_rows, output, arguments.bad_rows, notes))
    print(f"Figures and plots are in {output}.")
    if output == arguments.checkpoint / EVALUATION_FOLDER and is_reported(arguments.checkpoint):
        report_run(arguments.checkpoint)


if __name__ == "__main__":
    run_command(main)
