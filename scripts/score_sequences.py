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

from omnina.command import run_command, whole_number
from omnina.inference import DTYPE_NAMES, TOKENS_PER_BATCH


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("--checkpoint", type=Path, default=Path("output/pretrain"), help="the model")
    parser.add_argument(
        "--input", type=Path, required=True, help="table or FASTA: .csv .tsv .parquet .fasta .fa, also .gz"
    )
    parser.add_argument("--output", type=Path, required=True, help="CSV to write; must not exist")
    parser.add_argument("--annotations", metavar="COLUMN", help="column with the annotations to score too")
    parser.add_argument("--column_prefix", default="", help="before the names of the added columns")
    parser.add_argument("--bad_rows", choices=["stop", "skip"], default="stop", help="skip: note and go on")
    parser.add_argument("--dtype", choices=DTYPE_NAMES, default="fp32", help="of weights and computation")
    parser.add_argument(
        "--tokens_per_batch", type=whole_number(1), default=TOKENS_PER_BATCH, help="of a forward pass"
    )
    return parser.parse_args()


def main() -> None:
    """Score, and say how many rows there were."""
    arguments = parse_arguments()
    # Seconds to import: not for --help, nor for a mistake on the command line.
    from omnina.inference.answer import DTYPES
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
    dtype, tokens = DTYPES[arguments.dtype], arguments.tokens_per_batch
    reader = PackedReader(arguments.checkpoint, dtype=dtype, tokens_per_batch=tokens)
    tally = plan.run(reader)
    print(
        f"{arguments.output}: {tally['rows']} rows, {tally['noted']} of them with a note instead of figures"
    )


if __name__ == "__main__":
    run_command(main)
