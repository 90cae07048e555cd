"""How much likelier a checkpoint finds variants than the reference: a VCF file's, or all of a region.

    python scripts/score_variants.py --checkpoint output/pretrain --vcf x.vcf.gz --reference genome.fa \\
        --output scores.csv --output_vcf scores.vcf.gz
    python scripts/score_variants.py --checkpoint output/pretrain --saturate chr1:1001-1200 \\
        --reference genome.fa --output scores.csv --plot scores.png

    python scripts/score_variants.py --checkpoint output/finetune --vcf x.vcf.gz --reference genome.fa \\
        --question "Does this sequence code for a protein?" --window 301 --output scores.csv

A score is the log-likelihood of a window with the alternative less that of one with the reference (natural
logarithm): the lower, the less the model expects the change. Both windows have the same length and the
variant in their middle; an indel has one score however it is written, and what random indels of its length
score is taken off (raw_score is before that). With --question, a fine-tuned model's answers are compared too:
change_LABEL is how much likelier the label becomes. --saturate with --question asks about the region alone,
and maps one --answer. Alternatives that are no bases, and records that do not fit the reference, are named
with the reason. Needs pip install -r requirements-variants.txt.
"""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from omnina.command import run_command, whole_number
from omnina.errors import UserError
from omnina.files.new_file import check_new_file
from omnina.inference.options import add_checkpoint_options, reading_options

if TYPE_CHECKING:
    from omnina.inference.variants.answers import AnswerScorer
    from omnina.inference.variants.reference import Reference
    from omnina.inference.variants.scoring import VariantScorer, VariantSettings

WINDOW = 1001  # bases: those of VariantSettings
PLOTS = (".png", ".svg", ".pdf")


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--vcf", type=Path, help="variants: .vcf, .vcf.gz of bgzip, .bcf")
    what.add_argument("--saturate", metavar="REGION", help="every substitution of NAME:FIRST-LAST, from 1")
    parser.add_argument("--reference", type=Path, required=True, help="FASTA, plain or packed by bgzip")
    parser.add_argument("--output", type=Path, required=True, help="CSV to write; must not exist")
    parser.add_argument("--output_vcf", type=Path, help="with --vcf: VCF to write, with the scores in INFO")
    parser.add_argument("--plot", type=Path, help="with --saturate: heat map to write, .png, .svg or .pdf")
    parser.add_argument("--question", help="that a fine-tuned checkpoint answers from labels")
    parser.add_argument("--answer", help="with --saturate and --question: the label whose probability to map")
    parser.add_argument(
        "--window", type=whole_number(2), help=f"bases of a window, best odd; {WINDOW} if unset"
    )
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
    _check(given)
    # Seconds to import: not for --help, nor for a mistake on the command line.
    from omnina.inference.variants.reference import Reference

    reference = Reference(given.reference)
    if given.saturate:
        _saturate(given, reference)
    else:
        _score_records(given, reference)


def _check(given: argparse.Namespace) -> None:
    if given.saturate and given.output_vcf:
        raise UserError("--output_vcf goes with --vcf; a region's scores are in --output and --plot.")
    if given.vcf and given.plot:
        raise UserError("--plot goes with --saturate; the scores of a VCF file are no map.")
    if given.plot and given.plot.suffix not in PLOTS:
        raise UserError(f"{given.plot}: give --plot a name that ends in {', '.join(PLOTS)}.")
    if given.question and given.saturate and given.window is not None:
        raise UserError("--window: with --saturate and --question the region is what is asked about.")
    if bool(given.answer) != bool(given.saturate and given.question):
        raise UserError(
            "--answer goes with --saturate and --question: the map is of one answer's probability."
        )
    check_new_file(given.output, "--output")
    if given.plot:
        check_new_file(given.plot, "--plot")


def _settings(given: argparse.Namespace, window: int) -> "VariantSettings":
    from omnina.inference.variants.scoring import VariantSettings

    return VariantSettings(window, given.segmentations, not given.one_strand)


def _scorer(given: argparse.Namespace) -> "VariantScorer":
    from omnina.inference.packed import PackedReader
    from omnina.inference.variants.scoring import VariantScorer

    reader = PackedReader(given.checkpoint, **reading_options(given))
    return VariantScorer(reader, _settings(given, given.window or WINDOW))


def _answer_scorer(given: argparse.Namespace, window: int) -> "AnswerScorer":
    from omnina.inference.answer import Answerer
    from omnina.inference.variants.answers import AnswerScorer

    answerer = Answerer(given.checkpoint, **reading_options(given))
    return AnswerScorer(answerer, given.question, _settings(given, window), given.answer)


def _score_records(given: argparse.Namespace, reference: "Reference") -> None:
    from omnina.inference.variants.alternatives import AlternativeScorer
    from omnina.inference.variants.indel_controls import IndelControls
    from omnina.inference.variants.job import VariantJob

    job = VariantJob(given.vcf, reference, given.output, given.output_vcf)
    scorer = _scorer(given)
    controls = None
    if given.indel_controls:
        controls = IndelControls(scorer, reference, given.indel_controls, given.seed)
    answers = _answer_scorer(given, given.window or WINDOW) if given.question else None
    tally = job.run(AlternativeScorer(scorer, controls, answers))
    print(
        f"{given.output}: {tally['alternatives']} alternatives of {tally['records']} records, "
        f"{tally['unscored']} of them not scored, with the reason"
    )
    if given.output_vcf:
        print(f"{given.output_vcf}: the records with their scores")


def _saturate(given: argparse.Namespace, reference: "Reference") -> None:
    from omnina.inference.variants.saturation import Region, plot_saturation, write_saturation

    region = Region.parse(given.saturate, reference)
    if given.question:
        region = region.alone()
    scorer = _answer_scorer(given, max(region.bases, 2)) if given.question else _scorer(given)
    scores = write_saturation(region, scorer, given.output)
    print(f"{given.output}: every substitution of {region.bases} bases")
    if given.plot:
        label = f"change of P({given.answer})" if given.question else "score (nats)"
        plot_saturation(region, scores, given.plot, label)
        print(f"{given.plot}: the heat map")


if __name__ == "__main__":
    run_command(main)
