"""How likely a checkpoint finds the sequences of a file, and the annotations that stand beside them.

    python scripts/score_sequences.py --checkpoint output/pretrain --input genes.fasta --output scores.csv
    python scripts/score_sequences.py --checkpoint output/pretrain --input rows.csv --output scores.csv \\
        --annotations response

The output holds the input's columns and rows, in order, with log-likelihoods (natural logarithms; of the
whole sequence, per base, per token), bits per base and perplexity per token; with annotations, how likely
each is after its sequence, and the sequence with it. The same command again goes on where a killed one
stopped.
"""

import argparse
from pathlib import Path

from omnina.command import run_command
from omnina.inference.options import (
    add_bad_rows_option,
    add_checkpoint_options,
    add_input_option,
    reading_options,
)


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    add_input_option(parser)
    parser.add_argument("--output", type=Path, required=True, help="CSV to write; must not exist")
    parser.add_argument("--annotations", metavar="COLUMN", help="column with the annotations to score too")
    parser.add_argument("--column_prefix", default="", help="before the names of the added columns")
    add_bad_rows_option(parser)
    add_checkpoint_options(parser, "output/pretrain")
    return parser.parse_args()


def main() -> None:
    """Score, and say how many rows there were."""
    arguments = parse_arguments()
    # Seconds to import: not for --help, nor for a mistake on the command line.
    from omnina.inference.likelihood_file import LikelihoodPlan
    from omnina.inference.packed import PackedReader
    from omnina.inference.queries import SequenceFile

    plan = LikelihoodPlan(
        SequenceFile(arguments.input),
        arguments.output,
        annotations=arguments.annotations,
        skip_bad_rows=arguments.bad_rows == "skip",
        column_prefix=arguments.column_prefix,
    )
    reader = PackedReader(arguments.checkpoint, **reading_options(arguments))
    tally = plan.run(reader)
    print(
        f"{arguments.output}: {tally['rows']} rows, {tally['noted']} of them with a note instead of figures"
    )


if __name__ == "__main__":
    run_command(main)
