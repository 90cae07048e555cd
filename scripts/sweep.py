"""Pretraining recipes compared at equal tokens and equal FLOPs over seeds; one table at the end.

    python scripts/sweep.py configs/pretrain/example.yaml --vary learning_rate=1e-3,2e-3 muon=false,true
    python scripts/sweep.py a.yaml b.yaml --seeds 1 2 3 --output output/sweep -- --max_steps 400

Each YAML file with each combination of the values of --vary is a recipe, the first of them the reference.
Options behind -- go to every run. Each is bash pretrain.sh into OUTPUT/RECIPE/seed_N; one that was stopped
goes on, one that was finished is kept. Settings, paths and architectures of all recipes are checked before
the first run begins; what depends on rows or on the GPU shows in a recipe's first run. The table has
validation at the end, tokens, model FLOPs and seconds, and the shares of the reference's tokens and FLOPs at
which the others were as low as the reference at its end. FLOPs: the training tokens' forward and backward
passes; not validation, what is computed twice, nor the optimizer (Muon's iteration: see the seconds).
"""

import argparse
import sys
from pathlib import Path

from omnina.command import run_command, whole_number
from omnina.suites.options import split_at_dashes


def parse_arguments() -> tuple[argparse.Namespace, list[str]]:
    """The command line, and what stands behind --."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("recipes", nargs="+", type=Path, metavar="RECIPE.yaml", help="of pretrain.sh")
    parser.add_argument(
        "--vary", nargs="+", default=[], metavar="KEY=VALUE,VALUE",
        help="a key and its values; a value with commas stands in [ ] (a list) or { } (JSON)",
    )  # fmt: skip
    parser.add_argument("--seeds", nargs="+", type=whole_number(0), default=[1, 2, 3])
    parser.add_argument("--output", type=Path, default=Path("output/sweep"), help="folder for all")
    own, behind = split_at_dashes(sys.argv[1:])
    return parser.parse_args(own), behind


def main() -> None:
    """Run what is missing and print the table."""
    given, overrides = parse_arguments()
    from omnina.suites.recipes import recipes_of  # seconds to import: not for --help
    from omnina.suites.sweep import TABLE_FILE, Sweep

    sweep = Sweep(recipes_of(given.recipes, given.vary), given.seeds, given.output, overrides)
    print(sweep.run())
    print(f"The table is {given.output / TABLE_FILE}.")


if __name__ == "__main__":
    run_command(main)
