"""Pretrain: random weights (or a checkpoint) on (sequence, response) tables, loss on every token.

    accelerate launch -m omnina.pretrain configs/pretrain/example.yaml [--key value ...]

``bash pretrain.sh`` does the same after setting up, with the accelerate configuration for the machine.
"""

import shlex
import sys
from pathlib import Path

from omnina.command import run_command
from omnina.config import PretrainSettings, parse_run
from omnina.preemption import stopping_at_once
from omnina.run_help import help_text, wants_help


def main(arguments: list[str] | None = None) -> None:
    """Read the settings, tokenise the tables, train, report."""
    arguments = sys.argv[1:] if arguments is None else arguments
    if wants_help(arguments):
        print(help_text(__doc__, PretrainSettings))
        return
    run, args = parse_run(arguments, PretrainSettings)

    from transformers import set_seed  # seconds to import: not for --help, nor for a mistake in a setting

    from omnina.evaluation.run import write_annotation_examples
    from omnina.ranks import leave
    from omnina.report.page import is_reported, report_run
    from omnina.run_lock import RunLock
    from omnina.stage import prepare
    from omnina.training import train

    set_seed(args.seed)
    with stopping_at_once(), RunLock(Path(args.output_dir)):
        stage = prepare(run, args, shlex.join(["bash", "pretrain.sh", *arguments]))
        trained = train(stage)
        if stage.is_main and (trained or not is_reported(stage.folder)):
            write_annotation_examples(stage.folder, stage.validation)
            report_run(stage.folder)
    leave()


if __name__ == "__main__":
    run_command(main)
