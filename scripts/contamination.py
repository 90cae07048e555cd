r"""How much of a test table stands in training tables: equal, reverse-complemented or nearly equal.

    python scripts/contamination.py --train data/finetune_train_example.csv \
        --test data/finetune_val_example.csv --output output/contamination

Writes contamination.json, contamination.md and contaminated_rows.csv into the output folder. The training
tables are read row by row, 3 to 14 million bases a second; only the test tables are held in memory.
"""

import argparse
from pathlib import Path

from omnina.command import check_report_folder, run_command
from omnina.corpus.dedup.contamination import find_contamination
from omnina.corpus.dedup.contamination_report import write_report


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("--train", nargs="+", required=True, help="tables with a sequence column, or globs")
    parser.add_argument("--test", nargs="+", required=True, help="tables to be searched for in training")
    parser.add_argument("--output", type=Path, required=True, help="folder for the report")
    parser.add_argument("--overwrite", action="store_true", help="write into a folder that exists")
    return parser.parse_args()


def main() -> None:
    """Search and print the page."""
    arguments = parse_arguments()
    check_report_folder(arguments.output, overwrite=arguments.overwrite)
    result = find_contamination(arguments.train, arguments.test)
    print(write_report(result, arguments.train, arguments.test, arguments.output))
    print(f"The rows that have twins are in {arguments.output}.")


if __name__ == "__main__":
    run_command(main)
