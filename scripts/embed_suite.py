"""What a frozen checkpoint's vectors know of every task of a suite: logistic regressions, after GENEB.

    python scripts/embed_suite.py planted --checkpoint output/pretrain --output output/suites/frozen
    python scripts/embed_suite.py GUE --notes configs/suites/gue.yaml --checkpoint output/pretrain

Suites are those of scripts/run_suite.py. Nothing is trained but the regressions: on all training rows, on ten
and on one of each label, over the seeds. The table stands beside baselines on the same rows and published
scores; vectors and figures stay in --output. A command that was stopped goes on.
"""

import argparse

from omnina.command import run_command
from omnina.inference.options import add_checkpoint_options, reading_options
from omnina.suites.options import FROZEN_SEEDS, add_suite_options


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    add_suite_options(parser, "output/suite_frozen", FROZEN_SEEDS)
    parser.add_argument("--layer", type=int, default=-1, help="0 the embedding, -1 the last")
    parser.add_argument(
        "--pooling", choices=["mean", "last"], default="mean", help="over the sequence's tokens, or the last"
    )
    parser.add_argument("--both_strands", action="store_true", help="mean of both strands' vectors")
    parser.add_argument(
        "--scaling", choices=["standard", "none"], default="standard", help="of vectors; GENEB has none"
    )
    add_checkpoint_options(parser, "output/pretrain")
    return parser.parse_args()


def main() -> None:
    """Measure every task and print the table."""
    arguments = parse_arguments()
    # Seconds to import: not for --help.
    from omnina.inference.embedding import Embedder, EmbeddingSettings
    from omnina.inference.packed import PackedReader
    from omnina.suites.choosing import check_output, chosen_tasks
    from omnina.suites.frozen import TABLE_FILE, FrozenSuite

    tasks, notes = chosen_tasks(
        arguments.suite, arguments.tasks, arguments.notes, arguments.genome, arguments.bases
    )
    check_output(arguments.output, arguments.suite)
    reader = PackedReader(arguments.checkpoint, **reading_options(arguments))
    settings = EmbeddingSettings(arguments.pooling, arguments.both_strands)
    embedder = Embedder(reader, [arguments.layer], settings)
    standardised = arguments.scaling == "standard"
    suite = FrozenSuite(
        embedder, notes, arguments.output, arguments.seeds, arguments.train_rows, standardised
    )
    print(suite.run(tasks))
    print(f"The table is {arguments.output / TABLE_FILE}.")


if __name__ == "__main__":
    run_command(main)
