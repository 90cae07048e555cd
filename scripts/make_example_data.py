"""Make data/pretrain_{train,val}_example.csv from the records in data/records (half a minute).

python scripts/make_example_data.py --records data/records --output data --seed 0
"""

import argparse
from pathlib import Path

from omnina.command import run_command
from omnina.corpus.example import build_example, write_table


def main() -> None:
    """Build both tables and print where every record went."""
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--records", type=Path, default=Path("data/records"), help="folder of the records")
    parser.add_argument("--output", type=Path, default=Path("data"), help="folder for the tables")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    example = build_example(arguments.records, arguments.seed)
    for name, rows in (("train", example.train), ("val", example.val)):
        path = arguments.output / f"pretrain_{name}_example.csv"
        write_table(rows, path)
        print(f"{path}: {len(rows)} rows, {sum(len(row.sequence) for row in rows)} bases")
    for source, tally in example.tallies.items():
        print(f"{source}: {tally.records} records = {tally.train} train + {tally.val} val", end="")
        print(f" + {tally.not_sampled} not sampled", end="")
        print("".join(f" + {count} {reason}" for reason, count in sorted(tally.dropped.items())))


if __name__ == "__main__":
    run_command(main)
