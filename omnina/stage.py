"""What one run works with, checked before anything trains: settings, tables as token ids, the steps."""

import json
import os
from dataclasses import dataclass
from math import ceil
from pathlib import Path

from transformers import LlamaConfig, PreTrainedTokenizerFast

from omnina.config import RunSettings, TrainerSettings, read_model_config
from omnina.dataset import TokenizedData, load_data
from omnina.errors import UserError
from omnina.model import OmniNAForCausalLM
from omnina.packing import StepPlan, accumulation_steps
from omnina.rows import DataSettings
from omnina.tokenizer import BOS_ID, EOS_ID, load_tokenizer

# TrainingArguments that decide the weights; others (saving, logging, paths) may change in a resumed run.
DECISIVE = [
    *("seed", "bf16", "fp16", "learning_rate", "lr_scheduler_type", "lr_scheduler_kwargs", "warmup_steps"),
    *("weight_decay", "max_grad_norm", "optim", "optim_args", "adam_beta1", "adam_beta2", "adam_epsilon"),
]


@dataclass
class Stage:
    """All that one run works with, made from its settings by ``prepare``."""

    run: RunSettings
    args: TrainerSettings
    data_settings: DataSettings
    tokenizer: PreTrainedTokenizerFast
    train: TokenizedData
    validation: TokenizedData
    plan: StepPlan

    @property
    def folder(self) -> Path:
        """The run's output folder."""
        return Path(self.args.output_dir)

    @property
    def is_main(self) -> bool:
        """Whether this process writes the files."""
        return self.args.process_index == 0


def prepare(run: RunSettings, args: TrainerSettings, *, questions: bool) -> Stage:
    """Check settings, tokenise the tables, plan the steps; sets accumulation and ``max_steps`` in args.

    Raises UserError for anything that would go wrong later for a reason that is known now.
    """
    _check_processes(args)
    tokenizer = load_tokenizer(run.tokenizer)
    settings = run.data_settings(questions)
    tables = []
    for inputs in (run.train_file, run.validation_file):
        file = Path(run.tokenizer) / "tokenizer.json"
        loaded = load_data(
            inputs, file, BOS_ID, EOS_ID, settings, cache_dir=Path(run.cache_dir), workers=run.workers
        )
        tables.append(loaded)
        if args.process_index == 0:
            print(f"{', '.join(inputs)}: {loaded.counts.summary()}")
    plan = _plan(run, args, tables[0])
    args.gradient_accumulation_steps = accumulation_steps(
        run.tokens_per_step, run.tokens_per_device, args.world_size
    )
    if args.max_steps <= 0:
        args.max_steps = ceil(args.num_train_epochs * plan.steps_per_epoch)
    return Stage(run, args, settings, tokenizer, *tables, plan)


def new_or_saved_model(stage: Stage, attention: str) -> OmniNAForCausalLM:
    """Random weights for ``model_config``, or those of ``checkpoint``."""
    run = stage.run
    if run.checkpoint:
        if not (Path(run.checkpoint) / "config.json").is_file():
            raise UserError(
                f"checkpoint {run.checkpoint}: no config.json there; is it a checkpoint's folder?"
            )
        return OmniNAForCausalLM.from_pretrained(run.checkpoint, attention=attention)
    config = stage_model_config(run, stage.tokenizer)
    return OmniNAForCausalLM(config, attention)


def stage_model_config(run: RunSettings, tokenizer: PreTrainedTokenizerFast) -> LlamaConfig:
    """The architecture with the tokenizer's ids; UserError if they or max_length do not fit it."""
    config = read_model_config(run.model_config, len(tokenizer), run.tokenizer)
    if run.max_length > config.max_position_embeddings:
        raise UserError(
            f"max_length ({run.max_length}) exceeds the model's max_position_embeddings "
            f"({config.max_position_embeddings})."
        )
    config.bos_token_id, config.eos_token_id = BOS_ID, EOS_ID
    config.pad_token_id = tokenizer.pad_token_id
    return config


def decisive_settings(stage: Stage) -> dict:
    """Everything that decides the weights of a run."""
    run, args = stage.run, stage.args
    model = run.checkpoint or Path(run.model_config).read_text(encoding="utf-8")
    settings = {name: getattr(args, name) for name in DECISIVE}
    settings |= {"max_steps": args.max_steps, "tokens_per_step": run.tokens_per_step, "model": model}
    settings |= {"data": stage.train.data_hash, "tokenised": stage.train.folder.name}
    return json.loads(json.dumps(settings, default=str))


def _check_processes(args: TrainerSettings) -> None:
    """UserError if processes were launched that do not know of each other: each would train alone."""
    launched = int(os.environ.get("WORLD_SIZE", "1"))
    if launched != args.world_size:
        raise UserError(
            f"{launched} processes were launched, but torch has no GPUs for them to work together on. Use "
            "configs/accelerate/cpu.yaml, or add --use_cpu true to train with all of them on the CPU."
        )


def _plan(run: RunSettings, args: TrainerSettings, data: TokenizedData) -> StepPlan:
    try:
        return StepPlan(
            data.lengths, tokens_per_step=run.tokens_per_step, seed=args.seed, data_hash=data.data_hash
        )
    except ValueError as error:
        raise UserError(str(error)) from error
