"""One page of a run, or of several side by side: losses, speed, data, answers, examples, how to repeat it.

    python scripts/report.py output/finetune
    python scripts/report.py output/a output/b --output output/report.html

A run writes its page by itself when it ends; this command also shows one that is at work, as of its last
checkpoint.
"""

import argparse
from pathlib import Path

from omnina.command import run_command


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("runs", nargs="+", type=Path, help="output folders of pretrain.sh or finetune.sh")
    parser.add_argument(
        "--output", type=Path, help="page to write; RUN/report.html, of several runs output/report.html"
    )
    return parser.parse_args()


def main() -> None:
    """Write the page."""
    arguments = parse_arguments()
    # Seconds to import: not for --help, nor for a mistake on the command line.
    from omnina.report.page import report_run, report_runs

    if len(arguments.runs) == 1:
        report_run(arguments.runs[0], arguments.output)
    else:
        report_runs(arguments.runs, arguments.output or Path("output/report.html"))


if __name__ == "__main__":
    run_command(main)
