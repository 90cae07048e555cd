"""Pretrain: random weights (or a checkpoint) on (sequence, response) tables, loss on every token.

    accelerate launch -m omnina.pretrain configs/pretrain/example.yaml [--key value ...]

``bash pretrain.sh`` does the same after setting up, with the accelerate configuration for the machine.
"""

import sys
from functools import partial

from transformers import set_seed

from omnina.command import run_command
from omnina.config import parse_run
from omnina.stage import new_or_saved_model, prepare
from omnina.training import train


def main(arguments: list[str] | None = None) -> None:
    """Read the settings, tokenise the tables, train, report."""
    run, args = parse_run(sys.argv[1:] if arguments is None else arguments)
    set_seed(args.seed)
    stage = prepare(run, args, questions=False)
    train(stage, answers_only=False, load_model=partial(new_or_saved_model, stage))


if __name__ == "__main__":
    run_command(main)
