"""What both stages share: the Trainer on token-budget steps, resuming, the record of a run.

The Trainer's loop, optimizer, checkpoints and logging are transformers'. Ours are the batches (a plain
DataLoader that starts at the right step by arithmetic), validation without logits, the throughput in
tokens and bases, and what is left in the run's folder.
"""

import json
import os
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from math import ceil
from pathlib import Path

import numpy as np
import torch
import yaml
from torch.utils.data import DataLoader
from transformers import LlamaConfig, PreTrainedTokenizerFast, Trainer, TrainerCallback

from omnina.config import RunSettings, TrainerSettings, read_model_config
from omnina.dataset import REJECTED_FILE, DataSettings, TokenizedData, load_data, read_sources
from omnina.errors import UserError
from omnina.markov import markov_bits_per_base
from omnina.model import OmniNAForCausalLM
from omnina.packing import FixedShape, FlatCollator, StepPlan, StepSampler, accumulation_steps
from omnina.report import plot_losses, write_model_card
from omnina.run_folder import (
    checkpoint_step,
    claim,
    is_finished,
    last_whole_checkpoint,
    write_record,
)
from omnina.tokenizer import BOS_ID, EOS_ID, load_tokenizer, save_tokenizer
from omnina.validation import Validation

MARKOV_BASES = 50_000_000  # the baseline is counted on at most that many bases of a source
# TrainingArguments that decide the weights; others (saving, logging, paths) may change in a resumed run.
DECISIVE = [
    *("seed", "bf16", "fp16", "learning_rate", "lr_scheduler_type", "lr_scheduler_kwargs", "warmup_steps"),
    *("weight_decay", "max_grad_norm", "optim", "optim_args", "adam_beta1", "adam_beta2", "adam_epsilon"),
]


class OmniNATrainer(Trainer):
    """transformers' Trainer on steps of a set number of tokens.

    Args:
        plan: which rows each step holds.
        bases: (rows,) bases of each row.
        collator: joins rows into a flat batch.
        validation: what ``evaluate`` measures.
        tokenizer: saved with every checkpoint.
        first_step: step at which the data goes on.
        options: the Trainer's own arguments (``model``, ``args``, ``train_dataset``, ...).
    """

    def __init__(
        self,
        *,
        plan: StepPlan,
        bases: np.ndarray,
        collator: FlatCollator,
        validation: Validation,
        tokenizer: PreTrainedTokenizerFast,
        first_step: int,
        **options,
    ) -> None:
        self.plan, self.bases = plan, bases
        self.validation, self.tokenizer = validation, tokenizer
        self.first_step = first_step
        self._clock = _Clock(first_step)
        super().__init__(data_collator=collator, **options)
        self.add_callback(_TrueEpoch(plan))

    def get_train_dataloader(self) -> DataLoader:
        """Micro-batches of this process, from the first step on; not prepared, so never sharded again."""
        sampler = StepSampler(
            self.plan,
            self.args.world_size,
            self.args.process_index,
            self.args.gradient_accumulation_steps,
            self.first_step,
        )
        return DataLoader(
            self.train_dataset,
            batch_sampler=sampler,
            collate_fn=self.data_collator,
            num_workers=self.args.dataloader_num_workers,
            pin_memory=torch.cuda.is_available(),
        )

    def evaluate(self, eval_dataset=None, ignore_keys=None, metric_key_prefix="eval") -> dict[str, float]:
        """Validation losses over all processes, logged and returned; the arguments are the Trainer's."""
        began = time.perf_counter()
        model = self.model.eval()
        batches = self.validation.batches(self.args.world_size, self.args.process_index)
        with self.compute_loss_context_manager():
            sums = self.validation.sums(model, batches, self.args.device)
        reduced = self.accelerator.reduce(sums, "sum")
        values = self.validation.collect(reduced).metrics()
        metrics = {f"{metric_key_prefix}_{name}": value for name, value in values.items()}
        self.log(metrics)
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        self._clock.pause(time.perf_counter() - began)
        return metrics

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Add real tokens and bases per second since the last log."""
        if "loss" in logs and self.state.global_step > self._clock.step:
            steps = range(self._clock.step, self.state.global_step)
            rows = np.concatenate([self.plan.rows(step) for step in steps])
            seconds = self._clock.lap(self.state.global_step)
            logs["tokens_per_second"] = round(int(self.plan.lengths[rows].sum()) / seconds, 1)
            logs["bases_per_second"] = round(int(self.bases[rows].sum()) / seconds, 1)
        super().log(logs, start_time)

    def _save(self, output_dir: str | None = None, state_dict: dict | None = None) -> None:
        folder = Path(output_dir or self.args.output_dir)
        super()._save(str(folder), state_dict)
        if self.args.should_save:  # every process comes here, one writes
            (folder / "training_args.bin").unlink()  # a pickle; config.yaml says it all
            save_tokenizer(self.tokenizer, folder)


class _TrueEpoch(TrainerCallback):
    """The Trainer cannot know the epoch of an endless loader; the plan does."""

    def __init__(self, plan: StepPlan) -> None:
        self.plan = plan

    def on_step_end(self, args, state, control, **kwargs) -> None:
        state.epoch = self.plan.epoch(state.global_step)


@dataclass
class _Clock:
    """Seconds of training between two logs, validation left out."""

    step: int
    began: float = 0.0

    def __post_init__(self) -> None:
        self.began = time.perf_counter()

    def pause(self, seconds: float) -> None:
        """Leave out so many seconds."""
        self.began += seconds

    def lap(self, step: int) -> float:
        """Seconds since the last lap, which ended before ``step``."""
        now = time.perf_counter()
        seconds, self.began, self.step = now - self.began, now, step
        return max(seconds, 1e-9)


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
        (folder / "config.yaml").write_text(yaml.safe_dump(_resolved(stage), sort_keys=True))
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


def finish(stage: Stage, trainer: OmniNATrainer, metrics: dict[str, float], seconds: float) -> None:
    """Write the loss plot, ``run.json`` and the model card; print the figures beside their baselines."""
    folder, history = stage.folder, trainer.state.log_history
    markov = markov_baselines(stage)
    plot_losses(
        history, {source: values["order_5"] for source, values in markov.items()}, folder / "loss.png"
    )
    first = next((entry for entry in history if "eval_loss" in entry and entry["step"] == 0), {})
    steps = trainer.state.global_step - trainer.first_step
    record = {
        "steps": trainer.state.global_step,
        "seconds": round(seconds, 1),
        "steps_in_these_seconds": steps,
        "tokens_per_second": round(steps * stage.plan.stride / seconds, 1),
        "parameters": trainer.model.num_parameters(),
        "validation_at_start": {key: value for key, value in first.items() if key.startswith("eval_")},
        "validation_at_end": metrics,
        "markov_bits_per_base": markov,
        "data": {"train": stage.train.data_hash, "validation": stage.validation.data_hash},
        "counts": {"train": stage.train.counts.as_json(), "validation": stage.validation.counts.as_json()},
        "seed": stage.args.seed,
    }
    write_record(folder, record)
    facts = {"parameters": f"{trainer.model.num_parameters():,}", "steps": str(trainer.state.global_step)}
    facts |= {"training tables": ", ".join(stage.run.train_file), "seed": str(stage.args.seed)}
    write_model_card(folder, f"OmniNA, {folder.name}", metrics, facts)
    _print_results(stage, record)


def markov_baselines(stage: Stage) -> dict[str, dict[str, float]]:
    """Markov bits per base by source: of order 5, and of the order that is best on validation."""
    training, validation = (
        _sequences(stage, files) for files in (stage.run.train_file, stage.run.validation_file)
    )
    found = {}
    for source in sorted(validation):
        if source in training:
            bits = markov_bits_per_base(training[source], validation[source])
            best = int(np.argmin(bits))
            found[source] = {"order_5": bits[5], "best": bits[best], "best_order": best}
    return found


def _sequences(stage: Stage, files: list[str]) -> dict[str, list[str]]:
    """Sequences by source, each source up to MARKOV_BASES bases."""
    sequences: dict[str, list[str]] = {}
    sizes: dict[str, int] = {}
    for source, bases in read_sources(files, stage.data_settings):
        if sizes.get(source, 0) < MARKOV_BASES:
            sequences.setdefault(source, []).append(bases)
            sizes[source] = sizes.get(source, 0) + len(bases)
    return sequences


def _print_results(stage: Stage, record: dict) -> None:
    start, end = record["validation_at_start"], record["validation_at_end"]
    print(
        f"\n{record['steps']} steps in {record['seconds']:.0f} s, {record['tokens_per_second']:.0f} tokens/s"
    )
    print(f"{'validation':<34}{'start':>9}{'end':>9}")
    for name, value in end.items():
        before = f"{start[name]:9.3f}" if name in start else " " * 9
        print(f"{name.removeprefix('eval_'):<34}{before}{value:9.3f}")
    for source, values in record["markov_bits_per_base"].items():
        print(
            f"{source + ', Markov, bits per base':<34}order 5 {values['order_5']:.3f}, "
            f"best (order {values['best_order']}) {values['best']:.3f}"
        )
    print(f"Everything is in {stage.folder}: model, run.json, loss.png")


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


def _resolved(stage: Stage) -> dict:
    values = asdict(stage.run) | stage.args.to_dict()
    return json.loads(json.dumps(values, default=str))


def _copy_rejected(stage: Stage) -> None:
    """Rows left out under ``bad_rows: skip``, listed in the run's folder."""
    listed = [data.folder / REJECTED_FILE for data in (stage.train, stage.validation) if data.counts.rejected]
    if listed:
        header, *_ = listed[0].read_text(encoding="utf-8").splitlines(keepends=True)
        bodies = [path.read_text(encoding="utf-8").removeprefix(header) for path in listed]
        (stage.folder / REJECTED_FILE).write_text(header + "".join(bodies), encoding="utf-8")
        print(f"Rows left out are listed in {stage.folder / REJECTED_FILE}.")
