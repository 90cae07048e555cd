"""One run from its stage to its results: claim the folder, go on or start, train, evaluate, report."""

import json
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import numpy as np
import yaml

from omnina.config import RunSettings, TrainerSettings
from omnina.dataset_writer import REJECTED_FILE
from omnina.errors import UserError
from omnina.model import OmniNAForCausalLM
from omnina.packing import FixedShape, FlatCollator
from omnina.results import finish
from omnina.run_folder import checkpoint_step, claim, is_finished, last_whole_checkpoint
from omnina.stage import Stage, decisive_settings
from omnina.tokenizer import EOS_ID
from omnina.trainer import OmniNATrainer
from omnina.validation import Validation


def train(stage: Stage, *, answers_only: bool, load_model: Callable[[str], OmniNAForCausalLM]) -> None:
    """Train to the last step, from the folder's last whole checkpoint if there is one, and report.

    Args:
        stage: from ``prepare``.
        answers_only: supervise the answers alone (fine-tuning) instead of every token (pretraining).
        load_model: makes the model, given the kind of attention.
    """
    args, folder = stage.args, stage.folder
    explicit = args.resume_from_checkpoint
    if stage.is_main:
        claim(folder, decisive_settings(stage), check=explicit is None)
        _write_settings(stage)
        _copy_rejected(stage)
    checkpoint = Path(explicit) if explicit else last_whole_checkpoint(folder)
    if explicit is None and is_finished(folder, args.max_steps):
        print(f"{folder}: this run is finished ({args.max_steps} steps); see {folder}/run.json.")
        return
    first_step = checkpoint_step(checkpoint) if checkpoint else 0
    if checkpoint and stage.is_main:
        print(f"Going on from {checkpoint} (step {first_step} of {args.max_steps}).")
    trainer = make_trainer(stage, answers_only, load_model, first_step)
    began = time.perf_counter()
    trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    seconds = time.perf_counter() - began
    metrics = trainer.evaluate()
    trainer.save_model()
    if stage.is_main:
        finish(stage, trainer, metrics, seconds)


def make_trainer(
    stage: Stage, answers_only: bool, load_model: Callable[[str], OmniNAForCausalLM], first_step: int
) -> OmniNATrainer:
    """The Trainer of a stage, with the model on the kind of attention that fits the device."""
    run, args, plan = stage.run, stage.args, stage.plan
    attention = _attention(run, args)
    model = load_model(attention)
    if run.compile_layers:
        model.compile_layers()
    bins = args.world_size * args.gradient_accumulation_steps
    shape = FixedShape.for_plan(plan, bins) if attention == "varlen" else None
    collator = FlatCollator(run.max_length, answers_only, EOS_ID, shape)
    validation = Validation(stage.validation, _validation_rows(stage), collator, run.tokens_per_device)
    return OmniNATrainer(
        plan=plan,
        bases=stage.train.bases,
        collator=collator,
        validation=validation,
        tokenizer=stage.tokenizer,
        first_step=first_step,
        model=model,
        args=args,
        train_dataset=stage.train,
        eval_dataset=stage.validation,
    )


def _attention(run: RunSettings, args: TrainerSettings) -> str:
    """What ``auto`` stands for on this device; UserError for a choice that cannot work."""
    cuda, half = args.device.type == "cuda", args.bf16 or args.fp16
    if run.attention == "auto":
        return "varlen" if cuda and half else "per_document"
    if run.attention == "varlen" and not (cuda and half):
        raise UserError("attention: varlen needs a CUDA device and bf16: true; use auto or per_document.")
    return run.attention


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
