"""What a corpus costs in core-hours, disk, memory and nodes; the table of docs/corpus_cost.md.

python scripts/corpus_cost.py
python scripts/corpus_cost.py --bases 5e10 --records 2e6 --cores_per_node 32
"""

import argparse
from dataclasses import replace

from omnina.command import run_command
from omnina.corpus.cost import MEASURED, Corpus, cost_table


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("--bases", type=float, default=Corpus.bases, help="of all records")
    parser.add_argument("--records", type=float, default=Corpus.records, help="how many")
    parser.add_argument(
        "--tokens", type=float, default=MEASURED.tokens, help="bases a second, tokenised by a core"
    )
    parser.add_argument("--cores_per_node", type=int, default=MEASURED.cores_per_node, help="of the cluster")
    return parser.parse_args()


def main() -> None:
    """Print the table."""
    given = parse_arguments()
    rates = replace(MEASURED, tokens=given.tokens, cores_per_node=given.cores_per_node)
    print(cost_table(Corpus(given.bases, given.records), rates), end="")


if __name__ == "__main__":
    run_command(main)
