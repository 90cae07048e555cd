"""Fine-tune and evaluate every task of a suite over seeds; one table beside baselines and published scores.

    python scripts/run_suite.py planted --output output/suites/planted
    python scripts/run_suite.py promoters --config a.yaml b.yaml --output output/suites/promoters
    python scripts/run_suite.py GUE --notes configs/suites/gue.yaml --tasks prom/prom_300_all

A suite is ``planted`` (tasks whose best possible answer is known), ``promoters`` (of a genome's record, of so
many --bases), ``example`` (the questions of the committed tables, each fine-tuned by itself), or a folder of
tasks: GUE, the Nucleotide Transformer's and Genomic Benchmarks as they are published, tables with the columns
sequence and label, FASTA files of classes (see omnina/suites/folders.py). Options behind -- go to
fine-tuning: ``-- --num_train_epochs 5``; paths there, and in the YAML files, are from this repository's root.
Settings and rows of all tasks are checked before the first run. A run that was stopped goes on, one that was
finished is kept; --resolution and --segmentations test it anew without training.
"""

import argparse
import sys
from pathlib import Path

from omnina.command import run_command
from omnina.inference.options import add_resolution_option, add_segmentations_option
from omnina.suites.launching import ROOT
from omnina.suites.options import add_suite_options, split_at_dashes


def parse_arguments() -> tuple[argparse.Namespace, list[str]]:
    """The command line, and what stands behind --."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    add_suite_options(parser, "output/suite", [1, 2, 3])
    parser.add_argument(
        "--config", nargs="+", type=Path, default=[ROOT / "configs/finetune/short_sequences.yaml"],
        help="fine-tuning's YAML files, a column each",
    )  # fmt: skip
    add_resolution_option(parser)
    add_segmentations_option(parser)
    own, behind = split_at_dashes(sys.argv[1:])
    return parser.parse_args(own), behind


def main() -> None:
    """Run the suite and print the table."""
    given, overrides = parse_arguments()
    # Seconds to import: not for --help.
    from omnina.suites.choosing import check_output, chosen_tasks
    from omnina.suites.runs import Reading
    from omnina.suites.suite import TABLE_FILE, Suite

    tasks, notes = chosen_tasks(given.suite, given.tasks, given.notes, given.genome, given.bases)
    check_output(given.output, given.suite)
    configs = [path.resolve() for path in given.config]  # the stage's script changes folder
    reading = Reading(given.resolution, given.segmentations)
    suite = Suite(configs, given.seeds, notes, given.output.resolve(), given.train_rows, overrides, reading)
    print(suite.run(tasks))
    print(f"The table is {given.output / TABLE_FILE}.")


if __name__ == "__main__":
    run_command(main)
