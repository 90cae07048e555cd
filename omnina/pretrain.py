"""Pretrain: random weights (or a checkpoint) on (sequence, response) tables, loss on every token.

    accelerate launch -m omnina.pretrain configs/pretrain/example.yaml [--key value ...]

``bash pretrain.sh`` does the same after setting up, with the accelerate configuration for the machine.
"""

import sys

from transformers import set_seed

from omnina.command import run_command
from omnina.config import PretrainSettings, parse_run
from omnina.stage import prepare
from omnina.training import train


def main(arguments: list[str] | None = None) -> None:
    """Read the settings, tokenise the tables, train, report."""
    run, args = parse_run(sys.argv[1:] if arguments is None else arguments, PretrainSettings)
    set_seed(args.seed)
    train(prepare(run, args))


if __name__ == "__main__":
    run_command(main)
