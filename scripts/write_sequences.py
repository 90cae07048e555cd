"""Write sequences for annotations, by a checkpoint that was pretrained with write_sequences: true.

    python scripts/write_sequences.py --annotation "16S ribosomal RNA gene" --output written.fasta
    python scripts/write_sequences.py --annotation "16S ribosomal RNA gene" --output written.fasta \\
        --sample --sequences 10 --temperature 0.8 --max_new_tokens 500

The FASTA has behind each name the annotation, the sequence's log-likelihood (natural logarithm), and whether
the model ended it or it was cut off at --max_new_tokens.
"""

import argparse
from pathlib import Path

from omnina.command import run_command, whole_number
from omnina.inference.options import add_checkpoint_options, add_writing_options, reading_options


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("--annotation", nargs="+", required=True, help="what to write sequences of")
    parser.add_argument("--output", type=Path, required=True, help="FASTA to write; must not exist")
    parser.add_argument("--sequences", type=whole_number(1), default=1, help="of each annotation")
    add_checkpoint_options(parser, "output/pretrain")
    add_writing_options(parser, "writing")
    return parser.parse_args()


def main() -> None:
    """Write, and say how many sequences there are."""
    given = parse_arguments()
    from omnina.files.new_file import check_new_file

    check_new_file(given.output, "--output")
    # Seconds to import: not for --help, nor for a mistake on the command line.
    from omnina.inference.generation import Decoding
    from omnina.inference.packed import PackedReader
    from omnina.inference.sequence_writing import SequenceWriter

    how = (given.max_new_tokens, given.num_beams, given.sample)
    decoding = Decoding(*how, given.temperature, given.top_p, given.seed)
    reader = PackedReader(given.checkpoint, **reading_options(given))
    found = SequenceWriter(reader, decoding, given.sequences).write(given.annotation)
    with given.output.open("x", encoding="utf-8") as stream:
        for number, (annotation, written) in enumerate(zip(given.annotation, found, strict=True), 1):
            for copy, one in enumerate(written, 1):
                end = "whole" if one.whole else "cut off"
                about = f"{' '.join(annotation.split())} ({end}, log-likelihood {one.log_likelihood:.3f})"
                stream.write(f">{number}.{copy} {about}\n{one.bases}\n")
    print(f"{given.output}: {sum(map(len, found))} sequences of {len(found)} annotations")


if __name__ == "__main__":
    run_command(main)
