"""How much likelier a checkpoint finds the alternatives of a VCF file than the reference.

    python scripts/score_variants.py --checkpoint output/pretrain --vcf x.vcf.gz --reference genome.fa \\
        --output scores.csv --output_vcf scores.vcf.gz

A score is the log-likelihood of a window with the alternative less that of one with the reference (natural
logarithm): the lower, the less the model expects the change. Both windows have the same length and the
variant in their middle; an indel has one score however it is written, and what random indels of its length
score is taken off (raw_score is before that). Alternatives that are no bases, and records that do not fit the
reference, are named with the reason. Needs pip install -r requirements-variants.txt.
"""

import argparse
from pathlib import Path

from omnina.command import run_command, whole_number
from omnina.inference.options import add_checkpoint_options


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("--vcf", type=Path, required=True, help="variants: .vcf, .vcf.gz of bgzip, .bcf")
    parser.add_argument("--reference", type=Path, required=True, help="FASTA, plain or packed by bgzip")
    parser.add_argument("--output", type=Path, required=True, help="CSV to write; must not exist")
    parser.add_argument("--output_vcf", type=Path, help="VCF to write, with the scores in INFO")
    parser.add_argument("--window", type=whole_number(2), default=1000, help="bases of a window")
    parser.add_argument(
        "--segmentations", type=whole_number(1), default=5, help="ways in which a window is cut into tokens"
    )
    parser.add_argument(
        "--indel_controls",
        type=whole_number(0),
        default=50,
        help="random indels of each length, whose mean is taken off; 0: no correction",
    )
    parser.add_argument("--seed", type=whole_number(0), default=0, help="of the random indels")
    parser.add_argument("--one_strand", action="store_true", help="the reference's alone; else both's mean")
    add_checkpoint_options(parser, "output/pretrain")
    return parser.parse_args()


def main() -> None:
    """Score, and say how many alternatives could not be."""
    given = parse_arguments()
    # Seconds to import: not for --help, nor for a mistake on the command line.
    from omnina.inference.answer import DTYPES
    from omnina.inference.packed import PackedReader
    from omnina.inference.variants.indel_controls import IndelControls
    from omnina.inference.variants.job import VariantJob
    from omnina.inference.variants.reference import Reference
    from omnina.inference.variants.scoring import VariantScorer, VariantSettings

    settings = VariantSettings(given.window, given.segmentations, not given.one_strand)
    job = VariantJob(given.vcf, Reference(given.reference), given.output, given.output_vcf)
    dtype, tokens = DTYPES[given.dtype], given.tokens_per_batch
    reader = PackedReader(given.checkpoint, dtype=dtype, tokens_per_batch=tokens)
    scorer = VariantScorer(reader, settings)
    controls = None
    if given.indel_controls:
        controls = IndelControls(scorer, job.reference, given.indel_controls, given.seed)
    tally = job.run(scorer, controls)
    print(
        f"{given.output}: {tally['alternatives']} alternatives of {tally['records']} records, "
        f"{tally['unscored']} of them not scored, with the reason"
    )
    if given.output_vcf:
        print(f"{given.output_vcf}: the records with their scores")


if __name__ == "__main__":
    run_command(main)
