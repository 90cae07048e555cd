"""Fine-tune: a checkpoint on (sequence, question, response) tables, loss on the answers alone; then evaluate.

    accelerate launch -m omnina.finetune configs/finetune/example.yaml [--key value ...]

``bash finetune.sh`` does the same after setting up, with the accelerate configuration for the machine.
"""

import sys

from transformers import set_seed

from omnina.command import run_command
from omnina.config import FinetuneSettings, parse_run
from omnina.evaluation.run import finish_finetuning, is_evaluated
from omnina.lora import LoRA
from omnina.sampling_table import print_sampling
from omnina.stage import prepare
from omnina.training import train


def main(arguments: list[str] | None = None) -> None:
    """Read the settings, tokenise the tables, train, evaluate beside baselines."""
    run, args = parse_run(sys.argv[1:] if arguments is None else arguments, FinetuneSettings)
    set_seed(args.seed)
    stage = prepare(run, args)
    print_sampling(stage)
    adapters = LoRA(run.lora_rank, run.lora_alpha, args.seed) if run.lora_rank else None
    trained = train(stage, adapters)
    if stage.is_main and (trained or not is_evaluated(stage.folder)):
        tables = (run.validation_files, run.train_files)
        finish_finetuning(stage.folder, *tables, run.tokens_per_device, run.bad_rows)


if __name__ == "__main__":
    run_command(main)
