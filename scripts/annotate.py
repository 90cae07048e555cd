"""Write annotations of the sequences of a file, each with its likelihood; long sequences window by window.

    python scripts/annotate.py --checkpoint output/pretrain --input contigs.fasta --output annotations.csv
    python scripts/annotate.py --checkpoint output/pretrain --input contigs.fasta --output annotations.csv \\
        --gff3 annotations.gff3 --sample --annotations 3 --temperature 0.7

The CSV has a line for each annotation: id, start and end of the window (from 1, both included, as in GFF3),
the text, its log-likelihood (natural logarithm) and its perplexity per token. The same command again goes on
where a killed one stopped.
"""

import argparse
from pathlib import Path

from omnina.command import run_command, whole_number
from omnina.inference.options import (
    add_bad_rows_option,
    add_checkpoint_options,
    add_input_option,
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
    parser.add_argument("--gff3", type=Path, help="write the annotations as GFF3 too; must not exist")
    parser.add_argument("--annotations", type=whole_number(1), default=1, help="of each window")
    add_bad_rows_option(parser)
    add_checkpoint_options(parser, "output/pretrain")
    add_writing_options(parser, "writing")
    return parser.parse_args()


def main() -> None:
    """Annotate, and say how many annotations there are."""
    given = parse_arguments()
    # Seconds to import: not for --help, nor for a mistake on the command line.
    from omnina.inference.annotation import Annotator
    from omnina.inference.annotation_file import AnnotationPlan, check_gff3, write_gff3
    from omnina.inference.generation import Decoding
    from omnina.inference.packed import PackedReader
    from omnina.inference.queries import SequenceFile

    writing = (given.max_new_tokens, given.num_beams, given.sample)
    decoding = Decoding(*writing, given.temperature, given.top_p, given.seed)
    if given.gff3:
        check_gff3(given.gff3, given.output)
    plan = AnnotationPlan(SequenceFile(given.input), given.output, skip_bad_rows=given.bad_rows == "skip")
    reader = PackedReader(given.checkpoint, **reading_options(given))
    tally = plan.run(Annotator(reader, decoding, given.annotations))
    print(f"{given.output}: {tally['annotations']} annotations of {tally['rows']} sequences")
    if tally["noted"]:
        print(f"  {tally['noted']} sequences with a note instead")
    if given.gff3:
        write_gff3(given.output, given.gff3)
        print(f"{given.gff3}: the same as GFF3")


if __name__ == "__main__":
    run_command(main)
