"""The run that is planned: its settings, device, architecture, tables and steps."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from transformers import LlamaConfig, PreTrainedTokenizerFast

from omnina.benchmarks.work import published_like_rows
from omnina.errors import UserError
from omnina.planning.architecture import architecture_of
from omnina.planning.documents import length_of
from omnina.planning.machine import Machine, machine_here, named_machine
from omnina.planning.memory import Shape
from omnina.planning.parameters import Parameters
from omnina.planning.settings import planned_settings, stage_of, wanted_bf16
from omnina.planning.speed import Work
from omnina.planning.steps import Steps, planned_steps
from omnina.planning.tables import SHOWN, KnownTables, known_tables, missing_tables
from omnina.run_settings import RunSettings
from omnina.scaling import Engine
from omnina.stage import tokenizer_of
from omnina.tables.rows import DataSettings
from omnina.trainer_settings import TrainerSettings


@dataclass(frozen=True)
class Wish:
    """What is asked for beside the run's settings.

    Args:
        arguments: ``CONFIG.yaml [--key value ...]``.
        stage: ``pretrain`` or ``finetune``; None: the YAML tells.
        gpu: a name; None: what is here.
        gpus: how many; None: all that are here, or one of a name.
        engine: of several GPUs.
        price: of an hour of one device.
        calibrate: measure steps here.
    """

    arguments: Sequence[str]
    stage: str | None = None
    gpu: str | None = None
    gpus: int | None = None
    engine: Engine = "ddp"
    price: float | None = None
    calibrate: bool = False


@dataclass(frozen=True)
class Subject:
    """A run as far as it is known before it starts.

    Attributes:
        stage: ``pretrain`` or ``finetune``.
        run, args: its settings.
        machine: where it would train.
        config: the architecture.
        training, validation: its tables; None where nothing is known of them.
        rows: documents that stand for the training tables'.
        steps: what they make.
        notes: what could not be known, for the reader.
    """

    stage: str
    run: RunSettings
    args: TrainerSettings
    machine: Machine
    config: LlamaConfig
    training: KnownTables | None
    validation: KnownTables | None
    rows: list[dict]
    steps: Steps
    notes: list[str]

    @property
    def parameters(self) -> Parameters:
        """Held and trained."""
        return Parameters.of(self.config, self.run)

    @property
    def shape(self) -> Shape:
        """What decides its memory."""
        passes = (self.steps.pass_tokens, self.steps.accumulation)
        return Shape(self.config, self.parameters, *passes, self.args.recomputed, self.args.bf16)

    @property
    def work(self) -> Work:
        """What decides its speed."""
        frozen = self.parameters.adapters > 0
        return Work(self.config, self.args.recomputed, self.args.bf16, frozen)

    @property
    def token_flops(self) -> float:
        """Of a token of the training documents."""
        return self.work.token_flops(self.steps.document)


def subject_of(wish: Wish) -> Subject:
    """The run that is meant.

    Raises UserError for settings that the run itself would refuse, an unknown GPU, and a calibration that
    is asked for a machine that is not this one.
    """
    stage = stage_of(Path(wish.arguments[0]), wish.arguments[1:], wish.stage)
    run, args = planned_settings(wish.arguments, stage, elsewhere=wish.gpu is not None)
    machine = _machine(wish, args)
    notes = _refused_here(wish, machine) + _refused_by_fsdp(run, machine)
    tokenizer = _tokenizer(run, notes)
    config = architecture_of(run, tokenizer)
    settings = {"train_files": run.training_settings(args.seed), "validation_files": run.data_settings()}
    training, validation = (_known(run, key, each, tokenizer, notes) for key, each in settings.items())
    rows = training.rows if training else _assumed_rows(run, config, notes)
    steps = planned_steps(run, args, training, rows, machine.devices)
    if training and steps.epoch_tokens is None:
        notes.append("answer_balance: how long an epoch is shows once the tables are in the cache")
    return Subject(stage, run, args, machine, config, training, validation, rows, steps, notes)


def _machine(wish: Wish, args: TrainerSettings) -> Machine:
    if wish.gpu is None:
        return machine_here(args.device, wish.gpus, wish.engine)
    if wish.calibrate:
        raise UserError("--calibrate measures this machine; leave --gpu out, or plan without measuring.")
    return named_machine(wish.gpu, wish.gpus or 1, wish.engine)


def _refused_here(wish: Wish, machine: Machine) -> list[str]:
    """The run itself takes ``bf16: true`` for a mistake where there is no GPU; it is planned all the same."""
    on_purpose = any(part.split("=")[0] == "--use_cpu" for part in wish.arguments)
    if machine.kind == "cuda" or on_purpose or wanted_bf16(wish.arguments) != "true":
        return []
    return ["no GPU is here, so the run would refuse bf16: true; --gpu NAME plans for one"]


def _refused_by_fsdp(run: RunSettings, machine: Machine) -> list[str]:
    needs_whole = [key for key in ("muon", "ema_decay") if getattr(run, key)]
    if machine.engine == "ddp" or not needs_whole:
        return []
    return [f"with FSDP the run refuses {' and '.join(needs_whole)}; --engine ddp, or switch off"]


def _tokenizer(run: RunSettings, notes: list[str]) -> PreTrainedTokenizerFast | None:
    if run.checkpoint or (run.tokenizer_folder / "tokenizer.json").is_file():
        return tokenizer_of(run)
    notes.append(f"tokenizer: {run.tokenizer_folder} is not there, so no table can be counted")
    return None


def _known(
    run: RunSettings,
    key: str,
    settings: DataSettings,
    tokenizer: PreTrainedTokenizerFast | None,
    notes: list[str],
) -> KnownTables | None:
    """Of one of the two table sets; a table that is there and cannot be read is a UserError."""
    inputs = getattr(run, key)
    if tokenizer is None:
        return None
    if missing := missing_tables(inputs):
        notes.append(f"{key}: {missing} is not there, so its tokens are not known")
        return None
    return known_tables(run, settings, inputs, tokenizer)


def _assumed_rows(run: RunSettings, config: LlamaConfig, notes: list[str]) -> list[dict]:
    rows = published_like_rows(SHOWN, config.vocab_size, run.max_length)
    mean = np.mean([length_of(row) for row in rows])
    notes.append(
        f"documents are ASSUMED to be as long as in the published sample, {mean:.0f} tokens on average"
    )
    return rows
