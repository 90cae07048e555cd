"""Does the text help? Pretrain on true, shuffled and no annotations, fine-tune each, and compare.

    python scripts/ablate_text.py --seeds 1 2 3 --output output/text_ablation

    python scripts/ablate_text.py --annotations none --seeds 1

Prints bits per base on the validation sequences, and the fine-tuned models' MCC on each question, as means
over seeds with 95 % intervals. Settings and tables of both stages are checked before the first run. A run
that was stopped goes on, one that was finished is kept. tokens_per_step must hold the longest row twice, and
dealing annotations out anew makes longer ones. Paths in YAML files are from this repository's root.
"""

import argparse
from pathlib import Path

from omnina.command import positive_number, run_command, whole_number
from omnina.suites.launching import ROOT
from omnina.suites.options import ARMS

PRETRAINING, FINETUNING = (
    ROOT / "configs" / "sweeps" / f"text_ablation_{stage}.yaml" for stage in ("pretraining", "finetuning")
)


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("--pretraining", type=Path, default=PRETRAINING)
    parser.add_argument("--finetuning", type=Path, default=FINETUNING)
    parser.add_argument("--train_files", nargs="+", default=[str(ROOT / "data/pretrain_train_example.csv")])
    parser.add_argument("--epochs", type=positive_number, default=1.0, help="of pretraining")
    parser.add_argument(
        "--annotations", nargs="+", choices=ARMS, default=ARMS, help="as they are, dealt out anew, no text"
    )
    parser.add_argument("--seeds", nargs="+", type=whole_number(0), default=[1, 2, 3])
    parser.add_argument("--output", type=Path, default=Path("output/text_ablation"))
    return parser.parse_args()


def main() -> None:
    """Run what is missing and print the table."""
    given = parse_arguments()
    from omnina.suites.text_ablation import TextAblation  # seconds to import: not for --help

    configs = (given.pretraining.resolve(), given.finetuning.resolve())  # the scripts change folder
    output = given.output.resolve()
    ablation = TextAblation(*configs, given.train_files, given.seeds, given.epochs, output, given.annotations)
    table = ablation.run()
    (given.output / "table.md").write_text(table, encoding="utf-8")
    print(table)


if __name__ == "__main__":
    run_command(main)
