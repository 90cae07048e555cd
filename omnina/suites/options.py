"""Options that the commands on suites share; imports neither torch nor transformers."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from omnina.command import whole_number
from omnina.suites.launching import ROOT

FROZEN_SEEDS = (13, 17, 42, 123, 997)  # GENEB's
TRUE, SHUFFLED, NONE = ARMS = ("true", "shuffled", "none")  # annotations of the text's ablation
GENOME = ROOT / "data/records/leptospira_kirschneri_H1.gbk.gz"


def add_suite_options(parser: argparse.ArgumentParser, output: str, seeds: Sequence[int]) -> None:
    """The suite, ``--tasks``, ``--seeds``, ``--notes``, ``--train_rows``, ``--output``; of promoters more."""
    parser.add_argument("suite", help="planted, promoters, example, or a folder of tasks (./example)")
    parser.add_argument("--tasks", nargs="+", help="names of tasks; all")
    parser.add_argument("--seeds", nargs="+", type=whole_number(0), default=list(seeds))
    parser.add_argument("--notes", type=Path, help="YAML with questions, labels, published scores")
    parser.add_argument("--train_rows", type=whole_number(1), help="of each task at most; all")
    parser.add_argument("--genome", type=Path, default=GENOME, help="GenBank record for promoters")
    parser.add_argument("--bases", type=whole_number(1), help="of a promoter region; 251")
    parser.add_argument("--output", type=Path, default=Path(output), help="folder for all")


def split_at_dashes(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """A command's own arguments, and those behind ``--``, which go to its runs."""
    place = arguments.index("--") if "--" in arguments else len(arguments)
    return list(arguments[:place]), list(arguments[place + 1 :])
