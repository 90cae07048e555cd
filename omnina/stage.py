"""What one run works with, checked before anything trains: settings, tables as token ids, the steps."""

import json
import os
from dataclasses import dataclass, fields
from math import ceil
from pathlib import Path

import numpy as np
import torch
from transformers import LlamaConfig, PreTrainedTokenizerFast

from omnina.answer_balance import balanced_copies
from omnina.checkpoints.contents import (
    RESOLUTION_KEY,
    TOKENIZER_KEY,
    WRITES_KEY,
    checkpoint_tokenizer,
    weights_digest,
)
from omnina.chunking import BASES
from omnina.dataset import TokenizedData, load_data
from omnina.errors import UserError
from omnina.inference.questions import Questions, nearest_question, questions_of
from omnina.label_coverage import check_untallied_answers
from omnina.label_prior import with_uniform_prior
from omnina.local_heads import start_local_heads
from omnina.mixing import check_mixing, row_copies, table_repeats
from omnina.model import OmniNAForCausalLM
from omnina.model_config import read_model_config
from omnina.packing import StepPlan, accumulation_steps, spread_over_blocks
from omnina.prompt import PromptEncoder
from omnina.resolution import at_resolution, has_pieces
from omnina.run_settings import RunSettings
from omnina.schedule import schedule_arguments
from omnina.shards.local_copies import LocalCopies
from omnina.shards.token_shards import open_in_place
from omnina.tables.rows import DataSettings
from omnina.tables.table import expand_paths
from omnina.tokenizer import BOS_ID, EOS_ID, load_tokenizer, vocabulary_digest
from omnina.trainer_settings import TrainerSettings

# TrainingArguments that decide the weights; others (saving, logging, paths) may change in a resumed run.
DECISIVE = [
    *("seed", "bf16", "fp16", "learning_rate", "lr_scheduler_type", "lr_scheduler_kwargs", "warmup_steps"),
    *("weight_decay", "max_grad_norm", "optim", "optim_args", "adam_beta1", "adam_beta2", "adam_epsilon"),
]
DECISIVE_OF_RUN = [
    *("tokens_per_step", "train_weights", "mixing_temperature", "lora_rank", "lora_alpha", "label_sets"),
    *("dropout", "loss_weights", "label_smoothing", "z_loss", "layer_decay", "ema_decay"),
    *("fp8", "fp8_scaling", "spike_sigmas", "muon"),
    "early_stopping_patience",
]
# Where validation chooses the weights or the last step, these decide too.
DECISIVE_OF_CHOICE = [
    *("load_best_model_at_end", "metric_for_best_model", "greater_is_better"),
    *("eval_strategy", "eval_steps", "save_strategy", "save_steps"),
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
    questions: Questions | None = None
    command: str = ""  # that started the run

    @property
    def folder(self) -> Path:
        """The run's output folder."""
        return Path(self.args.output_dir)

    @property
    def is_main(self) -> bool:
        """Whether this process writes the files."""
        return self.args.process_index == 0


def prepare(run: RunSettings, args: TrainerSettings, command: str = "") -> Stage:
    """Check settings, tokenise the tables, plan the steps.

    Sets accumulation, ``max_steps`` and the schedule's steps in ``args``.
    ``command`` started the run, for its record.

    Raises UserError for anything that would go wrong later for a reason that is known now.
    """
    _check_processes(args)
    _check_mixing(run)
    tokenizer = tokenizer_of(run)
    settings, training = run.data_settings(), run.training_settings(args.seed)
    tables = [
        _load(run, training, run.train_files, tokenizer),
        _load(run, settings, run.validation_files, tokenizer),
    ]
    _check_strand_free(training, tables[0], args.process_index == 0)
    _check_soft_masked(training, tables[0])
    if args.process_index == 0:
        for inputs, table in zip((run.train_files, run.validation_files), tables, strict=True):
            print(f"{', '.join(inputs)}: {table.counts.summary(settings.rules is not None)}")
    plan = step_plan(run, args, tables[0])
    args.gradient_accumulation_steps = accumulation_steps(
        run.tokens_per_step, run.tokens_per_device, args.world_size
    )
    if args.max_steps <= 0:
        args.max_steps = ceil(args.num_train_epochs * plan.steps_per_epoch)
    args.lr_scheduler_kwargs = schedule_arguments(args, args.max_steps)
    questions = _questions(run, tables[0], plan, tokenizer) if settings.questions else None
    return Stage(run, args, settings, tokenizer, *tables, plan, questions, command)


def new_or_saved_model(stage: Stage, attention: str) -> OmniNAForCausalLM:
    """Random weights for ``model_config``, or those of ``checkpoint``."""
    run = stage.run
    if run.checkpoint:
        model = OmniNAForCausalLM.from_pretrained(
            run.checkpoint,
            attention=attention,
            dropout=run.dropout,
            z_loss=run.z_loss,
            dtype=torch.float32,
        )
        check_length(run, model.config)
        _state_training(model.config, stage)
        return model
    config = read_model_config(run.model_config, len(stage.tokenizer), run.tokenizer)
    check_length(run, config)
    config.bos_token_id, config.eos_token_id = BOS_ID, EOS_ID
    config.pad_token_id = stage.tokenizer.pad_token_id
    _state_training(config, stage)
    model = OmniNAForCausalLM(config, attention, run.dropout, run.z_loss)
    if run.local_heads:
        start_local_heads(model, stage.args.seed, single_bases=not has_pieces(stage.tokenizer))
    return model


def _state_training(config: LlamaConfig, stage: Stage) -> None:
    """What the checkpoint says of its training in ``config.json``."""
    setattr(config, TOKENIZER_KEY, vocabulary_digest(stage.tokenizer))
    setattr(config, RESOLUTION_KEY, stage.run.resolution if has_pieces(stage.tokenizer) else BASES)
    vars(config).pop(WRITES_KEY, None)  # of the checkpoint it started from
    if stage.run.write_sequences:
        setattr(config, WRITES_KEY, True)


def decisive_settings(stage: Stage) -> dict:
    """Everything that decides the weights of a run."""
    run, args = stage.run, stage.args
    start = (
        weights_digest(Path(run.checkpoint))
        if run.checkpoint
        else Path(run.model_config).read_text(encoding="utf-8")
    )
    settings = {name: getattr(args, name) for name in DECISIVE}
    of_stage = {entry.name for entry in fields(run)}
    settings |= {name: getattr(run, name) for name in DECISIVE_OF_RUN if name in of_stage}
    # Runs older than these keys go on.
    settings |= {"local_heads": True} if run.local_heads else {}
    settings |= {"answer_balance": run.answer_balance} if run.answer_balance else {}
    settings |= {"uniform_prior": True} if run.uniform_prior else {}
    settings |= {"max_steps": args.max_steps, "model": start}
    settings |= {"data": stage.train.data_hash, "tokenised": stage.train.folder.name}
    if args.load_best_model_at_end or run.early_stopping_patience is not None:
        settings |= {name: getattr(args, name) for name in DECISIVE_OF_CHOICE}
        settings |= {"validation_documents": run.validation_documents}
        settings |= {"validation_data": stage.validation.data_hash}
    return json.loads(json.dumps(settings, default=str))


def _questions(
    run: RunSettings, train: TokenizedData, plan: StepPlan, tokenizer: PreTrainedTokenizerFast
) -> Questions:
    """How each training question is answered; UserError for labels that leave out a training answer."""
    by_text = questions_of(train.answers, run.given_labels(), tuple(run.strand_free_questions or ()))
    prompt, backend = run.data_settings().prompt, tokenizer.backend_tokenizer
    encoder = PromptEncoder(backend, prompt, bos_id=BOS_ID, eos_id=EOS_ID, max_length=run.max_length)
    check_untallied_answers(train, by_text, encoder, tokenizer)
    if run.uniform_prior:
        by_text = with_uniform_prior(by_text, train, plan.copies, encoder, run.label_smoothing)
    return Questions(by_text, run.max_length)


def tokenizer_of(run: RunSettings) -> PreTrainedTokenizerFast:
    """The checkpoint's, or the one named, at the run's resolution.

    Raises UserError where several segmentations are wanted of a tokenizer that has one.
    """
    if run.checkpoint:
        found = checkpoint_tokenizer(Path(run.checkpoint), run.tokenizer_folder)
    else:
        found = load_tokenizer(run.tokenizer_folder)
    tokenizer = at_resolution(found, run.resolution)
    if run.segmentations > 1 and not has_pieces(tokenizer):
        raise UserError(
            f"segmentations ({run.segmentations}) has no effect: the tokenizer in {run.tokenizer_folder} has "
            "a token for each base, which can be cut in one way only; leave it out."
        )
    return tokenizer


def _load(
    run: RunSettings, settings: DataSettings, inputs: list[str], tokenizer: PreTrainedTokenizerFast
) -> TokenizedData:
    open_file = open_in_place
    if run.local_cache_dir:
        open_file = LocalCopies(Path(run.local_cache_dir), int(run.local_cache_gb * 1e9)).open
    definition = tokenizer.backend_tokenizer.to_str()
    where = {"cache_dir": Path(run.cache_dir), "open_file": open_file}
    return load_data(inputs, definition, BOS_ID, EOS_ID, settings, workers=run.workers, **where)


def check_length(run: RunSettings, config: LlamaConfig) -> None:
    """UserError if the model has fewer positions than the longest document may have tokens."""
    if run.max_length > config.max_position_embeddings:
        raise UserError(
            f"max_length ({run.max_length}) exceeds the model's max_position_embeddings "
            f"({config.max_position_embeddings})."
        )


def _check_strand_free(settings: DataSettings, training: TokenizedData, is_main: bool) -> None:
    """UserError for a question that is nearly one of the rows'; a note for one of other tables altogether."""
    for question in settings.both_strands:
        if question in training.sources:
            continue
        unasked = f"strand_free_questions: no training row asks {question!r}"
        if near := nearest_question(question, training.sources):
            raise UserError(f"{unasked}. Did you mean {near!r}?")
        if is_main:
            print(f"{unasked}, so it plays no part here.")


def _check_soft_masked(settings: DataSettings, training: TokenizedData) -> None:
    if not settings.soft_masked:
        return
    lower = training.counts.soft_masked_bases
    if lower in (0, training.counts.bases):
        raise UserError(
            f"loss_weights: soft_masked tells nothing apart here: {'every' if lower else 'no'} base of the "
            "training tables is in lower case. Make them of a soft-masked genome and keep its case "
            "(build_corpus.py does not), or leave it out."
        )


def _check_processes(args: TrainerSettings) -> None:
    """UserError if processes were launched that do not know of each other: each would train alone."""
    launched = int(os.environ.get("WORLD_SIZE", "1"))
    if launched != args.world_size:
        raise UserError(
            f"{launched} processes were launched, but torch has no GPUs for them to work together on. Use "
            "configs/accelerate/cpu.yaml, or add --use_cpu true to train with all of them on the CPU."
        )


def _check_mixing(run: RunSettings) -> None:
    """UserError before minutes or hours of tokenising."""
    tables = len(expand_paths(run.train_files))
    try:
        check_mixing(tables, run.train_weights or [1.0] * tables, run.mixing_temperature)
    except ValueError as error:
        raise UserError(str(error)) from error


def step_plan(run: RunSettings, args: TrainerSettings, data: TokenizedData) -> StepPlan:
    """Which rows each step trains on; UserError where they fit no step, or the weights no table."""
    try:
        return StepPlan(
            data.lengths,
            tokens_per_step=run.tokens_per_step,
            seed=args.seed,
            data_hash=data.data_hash,
            copies=_copies(run, data, args.seed),
        )
    except ValueError as error:
        raise UserError(str(error)) from error


def _copies(run: RunSettings, data: TokenizedData, seed: int) -> np.ndarray | None:
    """Document ids of an epoch in which some come up several times, or in another order; None if neither."""
    copies = _repeated(run, data, seed)
    if run.random_windows == 1:
        return copies
    return spread_over_blocks(np.arange(len(data.lengths)) if copies is None else copies, seed)


def _repeated(run: RunSettings, data: TokenizedData, seed: int) -> np.ndarray | None:
    rows = list(data.documents_by_file.values())
    weights = run.train_weights or [1.0] * len(rows)
    if not run.answer_balance:
        return row_copies(rows, weights, run.mixing_temperature, seed)
    by_table = table_repeats(rows, weights, run.mixing_temperature)
    return balanced_copies(data, run.answer_balance, by_table, run.given_labels(), seed)
