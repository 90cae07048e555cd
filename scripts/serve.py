"""A local page on which a checkpoint answers questions about sequences; the same as JSON for programs.

    python scripts/serve.py output/finetune
    curl http://127.0.0.1:7860/api/answer --json '{"sequences": "ACGT...", "question": "Does this ...?"}'

Only this machine can reach it, unless --host says otherwise. Nothing is sent anywhere and nothing is kept.
Needs pip install -r requirements-serve.txt.
"""

import argparse
import sys
from pathlib import Path

from omnina.command import run_command, whole_number
from omnina.errors import UserError
from omnina.inference.options import add_resolution_option

LAST_PORT = 65535
MEGABYTE = 1_000_000


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("checkpoint", type=Path, help="output folder of finetune.sh or pretrain.sh")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen at; 0.0.0.0: all of them")
    parser.add_argument("--port", type=whole_number(0), default=7860, help="0: any that is free")
    parser.add_argument("--max_request_mb", type=whole_number(1), default=12, help="of a request, 10^6 bytes")
    parser.add_argument(
        "--max_seconds", type=whole_number(1), default=120, help="of a request, its waiting too"
    )
    parser.add_argument("--max_waiting", type=whole_number(1), default=64, help="requests at a time")
    add_resolution_option(parser)
    return parser.parse_args()


def main() -> None:
    """Load the checkpoint and serve it."""
    given = parse_arguments()
    # Seconds to import: not for --help, nor for a mistake on the command line.
    try:
        from omnina.serving.app import Limits
        from omnina.serving.server import ANY_HOST, names_of, serve
    except ModuleNotFoundError as error:
        raise UserError(f"{error.name} is missing: pip install -r requirements-serve.txt") from error
    from omnina.inference.answer import Answerer

    if given.port > LAST_PORT:
        raise UserError(f"--port {given.port}: ports go to {LAST_PORT}.")
    names = names_of(given.host)
    limits = Limits(given.max_request_mb * MEGABYTE, given.max_seconds, given.max_waiting, names)
    if names == ANY_HOST:
        warning = f"warning: whoever reaches {given.host} can use this page; it asks for no password"
        print(warning, file=sys.stderr)
    serve(Answerer(given.checkpoint, resolution=given.resolution), given.host, given.port, limits)


if __name__ == "__main__":
    run_command(main)
