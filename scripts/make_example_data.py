"""Makes the example tables of ``data/`` from the records beside them; prints what became of each record.

    python scripts/make_example_data.py --records data/records --output data --seed 0

Takes seconds on one core. The same seed gives the same bytes.
"""

import argparse
import sys
from pathlib import Path

from omnina.corpus.example import make_example
from omnina.corpus.summary import summary, tasks_summary
from omnina.corpus.tasks import make_tasks
from omnina.errors import UserError


def main(arguments: list[str] | None = None) -> None:
    """Parse ``arguments`` (the command line's by default), write the tables, print their figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, allow_abbrev=False, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--records", type=Path, default=Path("data/records"), help="folder to read")
    parser.add_argument("--output", type=Path, default=Path("data"), help="folder to write to")
    parser.add_argument("--seed", type=int, default=0, help="of the split and the sample")
    options = parser.parse_args(arguments)
    example = make_example(options.records, options.output, options.seed)
    tasks = make_tasks(example, options.records, options.output, options.seed)
    print(summary(example, options.records, options.output))
    print()
    print(tasks_summary(tasks, options.output))


if __name__ == "__main__":
    try:
        main()
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
