"""A run's settings for planning: of the stage that its YAML is for, on a device that need not be here."""

import argparse
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING

from omnina.config import FinetuneSettings, PretrainSettings, parse_run
from omnina.errors import UserError
from omnina.files.yaml_file import read_yaml
from omnina.run_settings import RunSettings

if TYPE_CHECKING:
    from omnina.trainer_settings import TrainerSettings

STAGES: dict[str, type[RunSettings]] = {"pretrain": PretrainSettings, "finetune": FinetuneSettings}


def stage_of(config: Path, overrides: Sequence[str], stage: str | None) -> str:
    """``pretrain`` or ``finetune``: as given, by keys that only one has, or by the YAML's folder.

    Raises UserError where neither tells, or keys of both are set.
    """
    if stage:
        return stage
    keys = {*read_yaml(config), *(part[2:].split("=")[0] for part in overrides if part.startswith("--"))}
    named = [name for name in STAGES if keys & _own_keys(name)]
    named = named or [name for name in STAGES if config.resolve().parent.name == name]
    if len(named) != 1:
        raise UserError(
            f"{config}: neither its folder nor its keys tell whether it pretrains or fine-tunes; "
            "add --stage pretrain or --stage finetune."
        )
    return named[0]


def planned_settings(
    arguments: Sequence[str], stage: str, *, elsewhere: bool
) -> "tuple[RunSettings, TrainerSettings]":
    """Settings of ``CONFIG.yaml [--key value ...]``, as ``parse_run`` checks them.

    Args:
        arguments: the YAML and the flags over it.
        stage: a key of STAGES.
        elsewhere: planned for a GPU that need not be here: ``bf16: auto`` is true then, and the settings are
            parsed as if for a CPU, so that ``bf16: true`` is no mistake on a machine without GPU.
    """
    import torch  # seconds to import: not for --help

    config, overrides = arguments[0], list(arguments[1:])
    if elsewhere and wanted_bf16(arguments) == "auto":
        overrides += ["--bf16", "true"]
    if elsewhere or not torch.cuda.is_available():
        overrides += ["--use_cpu", "true"]
    return parse_run([config, *overrides], STAGES[stage])


def _own_keys(stage: str) -> set[str]:
    """Keys that no other stage has."""
    shared = {entry.name for entry in fields(RunSettings)}
    return {entry.name for entry in fields(STAGES[stage])} - shared


def wanted_bf16(arguments: Sequence[str]) -> str:
    """``true``, ``false`` or ``auto``, or whatever else ``CONFIG.yaml [--key value ...]`` says."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--bf16", default=read_yaml(Path(arguments[0])).get("bf16"))
    return str(parser.parse_known_args(arguments[1:])[0].bf16).lower()
