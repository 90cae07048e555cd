"""Can this machine train? Checks it, and trains a small model on planted data whose optimum is known.

    python scripts/doctor.py
    python scripts/doctor.py --no_training --json doctor.json

A line for each check: ok, warning (it works, less well than it could) or FAILED (it does not), with what was
found and what to do. The training takes about half a minute on one core. Nothing is fetched or sent.
Exit status 0 if nothing failed, else 1.
"""

import argparse
import json
import signal
import sys
from dataclasses import asdict
from pathlib import Path

LEAST_PYTHON = (3, 11)


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument(
        "--no_training", action="store_true", help="leave the training out: seconds, not a minute"
    )
    parser.add_argument("--json", type=Path, help="file for all results")
    parser.add_argument("--output", type=Path, default=Path("output"), help="folder that runs write to")
    parser.add_argument("--cache_dir", type=Path, default=Path("output/cache"), help="folder of token ids")
    return parser.parse_args()


def main() -> int:
    """Check, train, tell; the exit status."""
    arguments = parse_arguments()
    from omnina.doctor.examination import examine, examine_training, passed, verdict
    from omnina.errors import UserError
    from omnina.files.new_file import check_output_file

    try:
        if arguments.json:
            check_output_file(arguments.json, "--json")
    except UserError as error:
        _tell(f"error: {error}")
        return 2
    output, cache = arguments.output.resolve(), arguments.cache_dir.resolve()
    found = examine(output, cache, _tell)
    if not arguments.no_training:
        found += examine_training(output, _tell)
    _tell(verdict(found, trained=not arguments.no_training))
    if arguments.json:
        report = {"passed": passed(found), "checks": [asdict(check) for check in found]}
        arguments.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    return 0 if passed(found) else 1


def _tell(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    if sys.version_info < LEAST_PYTHON:  # before anything is imported that an older one cannot read
        sys.exit("FAILED   python                older than 3.11\n         -> run 'bash scripts/setup.sh'")
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)
