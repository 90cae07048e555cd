"""Fine-tune: a checkpoint on (sequence, question, response) tables, loss on the answers alone; then evaluate.

    accelerate launch -m omnina.finetune configs/finetune/example.yaml [--key value ...]

``bash finetune.sh`` does the same after setting up, with the accelerate configuration for the machine.
"""

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from omnina.command import run_command
from omnina.config import FinetuneSettings, parse_run
from omnina.preemption import stopping_at_once
from omnina.run_help import help_text, wants_help

if TYPE_CHECKING:
    from omnina.trainer_settings import TrainerSettings


def main(arguments: list[str] | None = None) -> None:
    """Read the settings, tokenise the tables, train, evaluate beside baselines."""
    arguments = sys.argv[1:] if arguments is None else arguments
    if wants_help(arguments):
        print(help_text(__doc__, FinetuneSettings))
        return
    run, args = parse_run(arguments, FinetuneSettings)

    from transformers import set_seed  # seconds to import: not for --help, nor for a mistake in a setting

    from omnina.ranks import leave
    from omnina.run_lock import RunLock

    set_seed(args.seed)
    with stopping_at_once(), RunLock(Path(args.output_dir)):
        _train_and_evaluate(run, args, shlex.join(["bash", "finetune.sh", *arguments]))
    leave()


def _train_and_evaluate(run: FinetuneSettings, args: "TrainerSettings", command: str) -> None:
    from omnina.evaluation.run import finish_finetuning, is_evaluated
    from omnina.report.page import is_reported, report_run
    from omnina.sampling_table import print_sampling
    from omnina.stage import prepare
    from omnina.training import train

    stage = prepare(run, args, command)
    print_sampling(stage)
    adapters = None
    if run.lora_rank:
        from omnina.lora import LoRA  # and with it peft

        adapters = LoRA(run.lora_rank, run.lora_alpha, args.seed)
    trained = train(stage, adapters)
    if not stage.is_main:
        return
    evaluated = not trained and is_evaluated(stage.folder)
    if not evaluated:
        tables = (run.validation_files, run.train_files)
        finish_finetuning(stage.folder, *tables, run.tokens_per_device, run.bad_rows)
    if not evaluated or not is_reported(stage.folder):
        report_run(stage.folder)


if __name__ == "__main__":
    run_command(main)
