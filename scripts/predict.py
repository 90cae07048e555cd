"""Answer the questions of a table, or one question about every sequence of a file.

    python scripts/predict.py --checkpoint output/finetune --input rows.csv --output answers.csv
    python scripts/predict.py --checkpoint output/finetune --input genes.fasta --output answers.csv \\
        --question "Which phylum is this 16S ribosomal RNA gene from?"

The output holds the input's columns and rows, in order, with answer, probability and note (answer_note if the
input has a note of its own). The same command again goes on where a killed one stopped.
"""

import argparse
from pathlib import Path

from omnina.command import run_command, share
from omnina.inference.options import (
    add_bad_rows_option,
    add_checkpoint_options,
    add_input_option,
    add_segmentations_option,
    add_writing_options,
    reading_options,
)


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    add_input_option(parser)
    parser.add_argument("--output", type=Path, required=True, help="CSV to write; must not exist")
    parser.add_argument("--question", help="asked of every row; else the table's column 'question'")
    parser.add_argument("--label_probabilities", action="store_true", help="a column for each label")
    parser.add_argument("--column_prefix", default="", help="before the names of the added columns")
    parser.add_argument("--min_probability", type=share, default=0.0, help="below it: no answer, and a note")
    add_bad_rows_option(parser)
    add_checkpoint_options(parser, "output/finetune")
    add_segmentations_option(parser)
    add_writing_options(parser, "free text (questions without a label set)")
    return parser.parse_args()


def main() -> None:
    """Answer, and say how many rows got which note."""
    arguments = parse_arguments()
    # Seconds to import: not for --help, nor for a mistake on the command line.
    from omnina.inference.answer import Answerer
    from omnina.inference.generation import Decoding
    from omnina.inference.prediction import PredictionOptions, PredictionPlan, Predictor
    from omnina.inference.queries import QueryFile

    options = PredictionOptions(
        arguments.question,
        arguments.label_probabilities,
        arguments.min_probability,
        arguments.bad_rows == "skip",
        arguments.column_prefix,
    )
    decoding = Decoding(
        arguments.max_new_tokens,
        arguments.num_beams,
        arguments.sample,
        arguments.temperature,
        arguments.top_p,
        arguments.seed,
    )
    plan = PredictionPlan(QueryFile(arguments.input, arguments.question), arguments.output, options)
    answerer = Answerer(
        arguments.checkpoint,
        all_labels=arguments.label_probabilities,
        decoding=decoding,
        segmentations=arguments.segmentations,
        **reading_options(arguments),
    )
    tally = Predictor(answerer, plan).run()
    print(f"{arguments.output}: {tally.pop('rows')} rows")
    for note, rows in tally.most_common(10):
        print(f"  {rows} rows: {note}")


if __name__ == "__main__":
    run_command(main)
