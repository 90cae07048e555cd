"""One run from its stage to its results: claim the folder, go on or start, train, evaluate, report."""

import json
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
import yaml
from transformers import TrainerCallback, TrainerState
from transformers.trainer import TRAINER_STATE_NAME

from omnina.answer_validation import AnswerValidation
from omnina.attention import chosen_attention
from omnina.checkpoints.choice import check_named_checkpoint, checkpoint_step, last_whole_checkpoint
from omnina.checkpoints.writing import remove_partial, write_model
from omnina.collation import FixedShape, FlatCollator, longest_bound
from omnina.early_stopping import EarlyStopping, has_stopped
from omnina.files.output_links import refuse_links_out
from omnina.fp8 import convert_layers
from omnina.health import StepHealth, forget_rows_after
from omnina.inference.label_set import label_sets_of
from omnina.model import OmniNAForCausalLM
from omnina.preemption import Preemption
from omnina.prompt import PromptEncoder
from omnina.ranks import by_main
from omnina.results import finish
from omnina.run_folder import RECORD_FILE, claim, is_finished
from omnina.run_objective import objective_of
from omnina.sharding import gathered_state, is_sharded
from omnina.shards.writer import REJECTED_FILE
from omnina.stage import Stage, decisive_settings, new_or_saved_model
from omnina.tokenizer import BOS_ID, EOS_ID
from omnina.trainer import OmniNATrainer
from omnina.validation import Validation
from omnina.watchdog import Watchdog


class Adapters(Protocol):
    """Weights trained beside the model's own."""

    def applied(self, model: OmniNAForCausalLM) -> torch.nn.Module:
        """The model with adapters in it."""

    def merged(self, model: torch.nn.Module) -> OmniNAForCausalLM:
        """The plain model with the adapters' part added to its weights."""


def train(stage: Stage, adapters: Adapters | None = None) -> bool:
    """Train to the last step, from the folder's last whole checkpoint if there is one, and report.

    Args:
        stage: from ``prepare``.
        adapters: to train instead of all weights; merged at the end.

    Returns: False if the run was finished before.
    """
    args = stage.args
    finished, checkpoint = by_main(lambda: _open_folder(stage))
    if finished:
        return False
    first_step = checkpoint_step(checkpoint) if checkpoint else 0
    args.eval_on_start &= checkpoint is None  # one more figure than the uninterrupted run has
    trainer = make_trainer(stage, adapters, first_step)
    with trainer.watchdog.watching():
        seconds = _make_steps(stage, trainer, checkpoint)
        metrics = trainer.metrics_at_end()
        if adapters:
            trainer.model = adapters.merged(_whole_model(stage, trainer, adapters))
        write_model(stage.folder, trainer.save_model)
    if stage.is_main:
        finish(stage, trainer, metrics, seconds)
    return True


def _make_steps(stage: Stage, trainer: OmniNATrainer, checkpoint: Path | None) -> float:
    """Train from the checkpoint to the last step; the seconds it took."""
    began = time.perf_counter()
    if checkpoint and _is_last(checkpoint, stage):  # killed after the last step: one more would follow
        trainer.load_end(checkpoint)
    else:
        with trainer.preemption.noted(), trainer.loader_deaths_told():
            trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    return time.perf_counter() - began


def _open_folder(stage: Stage) -> tuple[bool, Path | None]:
    """Claim the run's folder: whether it is finished, and the checkpoint that it goes on from, if any."""
    args, folder = stage.args, stage.folder
    explicit, needs_best = args.resume_from_checkpoint, args.load_best_model_at_end
    refuse_links_out(folder)
    remove_partial(folder)
    claim(folder, decisive_settings(stage), check=explicit is None)
    _write_settings(stage)
    _copy_rejected(stage)
    if explicit is None and is_finished(folder):
        print(f"{folder}: this run is finished; see {folder}/run.json.")
        return True, None
    if explicit:
        checkpoint = Path(explicit)
        check_named_checkpoint(checkpoint, needs_best=needs_best)
    else:
        checkpoint = last_whole_checkpoint(folder, needs_best=needs_best)
    if checkpoint:
        print(f"Going on from {checkpoint} (step {checkpoint_step(checkpoint)} of {args.max_steps}).")
    (folder / RECORD_FILE).unlink(missing_ok=True)  # of an earlier end, if the run goes on from there
    forget_rows_after(checkpoint_step(checkpoint) if checkpoint else 0, folder)
    return False, checkpoint


def make_trainer(stage: Stage, adapters: Adapters | None, first_step: int) -> OmniNATrainer:
    """The Trainer of a stage, with the model on the kind of attention that fits the device."""
    run, args, plan = stage.run, stage.args, stage.plan
    half = args.bf16 or args.fp16
    attention = chosen_attention(run.attention, cuda=args.device.type == "cuda", half=half)
    model = new_or_saved_model(stage, attention)
    if run.fp8:
        convert_layers(model, run.fp8_scaling, args.device)
    if run.compile_layers:
        model.compile_layers()
    bins = args.world_size * args.gradient_accumulation_steps
    shape = FixedShape.for_plan(plan, bins) if attention == "varlen" and run.compile_layers else None
    # Validation's batches fit the same shape: another one would be another graph.
    most_tokens = min(run.tokens_per_device, shape.tokens) if shape else run.tokens_per_device
    answers_only = stage.data_settings.questions
    longest = longest_bound(stage.train.lengths, stage.validation.lengths)
    collator = FlatCollator(longest, answers_only, EOS_ID, shape)
    encoder = PromptEncoder(
        stage.tokenizer.backend_tokenizer,
        stage.data_settings.prompt,
        bos_id=BOS_ID,
        eos_id=EOS_ID,
        max_length=run.max_length,
    )
    shares_prefix = run.token_weights().answers_only and attention == "per_document"
    rows = _validation_rows(stage)
    return OmniNATrainer(
        plan=plan,
        bases=stage.train.bases,
        collator=replace(collator, share_prefix=shares_prefix, objective=objective_of(stage, encoder)),
        validation=Validation(stage.validation, rows, collator, most_tokens),
        answers=_answer_validation(stage, rows, encoder),
        questions=stage.questions,
        tokenizer=stage.tokenizer,
        first_step=first_step,
        muon=run.muon,
        layer_decay=run.layer_decay,
        ema_decay=run.ema_decay,
        preemption=Preemption(),
        health=StepHealth(run.spike_sigmas),
        max_skipped_steps=run.max_skipped_steps,
        watchdog=Watchdog(run.hang_timeout, stage.folder, args.process_index),
        model=adapters.applied(model) if adapters else model,
        args=args,
        train_dataset=stage.train,
        eval_dataset=stage.validation,
        callbacks=_callbacks(stage),
    )


def _whole_model(stage: Stage, trainer: OmniNATrainer, adapters: Adapters) -> torch.nn.Module:
    """The model with adapters on one device; only the main process's has the trained weights."""
    if not is_sharded(trainer.model):
        return trainer.model
    state = gathered_state(trainer.model)
    model = adapters.applied(new_or_saved_model(stage, "per_document"))
    if stage.is_main:
        model.load_state_dict(state)
    return model


def _answer_validation(stage: Stage, rows: np.ndarray, encoder: PromptEncoder) -> AnswerValidation | None:
    if not stage.data_settings.questions:
        return None
    sets = label_sets_of(stage.questions.by_text, encoder)
    return AnswerValidation(stage.validation, rows, sets, stage.run.tokens_per_device)


def _callbacks(stage: Stage) -> list[TrainerCallback]:
    patience = stage.run.early_stopping_patience
    return [] if patience is None else [EarlyStopping(patience)]


def _is_last(checkpoint: Path, stage: Stage) -> bool:
    """Whether training ends with this checkpoint: by its number of steps, or stopped early."""
    state = TrainerState.load_from_json(str(checkpoint / TRAINER_STATE_NAME))
    patience = stage.run.early_stopping_patience
    stopped = patience is not None and has_stopped(state.log_history, stage.args, patience)
    return stopped or state.global_step >= stage.args.max_steps


def _validation_rows(stage: Stage) -> np.ndarray:
    """All rows, or ``validation_documents`` of them chosen by a fixed seed."""
    rows, wanted = len(stage.validation), stage.run.validation_documents
    if wanted is None or wanted >= rows:
        return np.arange(rows)
    return np.sort(np.random.default_rng(0).permutation(rows)[:wanted])


def _write_settings(stage: Stage) -> None:
    """Every setting of the run, those left at their default too."""
    values = json.loads(json.dumps(asdict(stage.run) | stage.args.to_dict(), default=str))
    text = yaml.safe_dump(values, sort_keys=True)
    (stage.folder / "config.yaml").write_text(text, encoding="utf-8")


def _copy_rejected(stage: Stage) -> None:
    """Rows left out under ``bad_rows: skip``, listed in the run's folder."""
    listed = [data.folder / REJECTED_FILE for data in (stage.train, stage.validation) if data.counts.rejected]
    if listed:
        header, *_ = listed[0].read_text(encoding="utf-8").splitlines(keepends=True)
        bodies = [path.read_text(encoding="utf-8").removeprefix(header) for path in listed]
        (stage.folder / REJECTED_FILE).write_text(header + "".join(bodies), encoding="utf-8")
        print(f"Rows left out are listed in {stage.folder / REJECTED_FILE}.")
