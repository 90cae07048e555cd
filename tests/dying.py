"""Runs of fine-tuning that are killed in this process: an exception stands for the signal."""

import pytest

from omnina import finetune
from omnina.trainer import OmniNATrainer


class Killed(Exception):
    """Stands for a signal."""


def die(*_):
    raise Killed


def kill_at(step: int, arguments: list[str]) -> None:
    """Start a run that is killed when so many steps are done."""
    original = OmniNATrainer.training_step

    def dying(self, *values, **options):
        if self.state.global_step == step:
            raise Killed
        return original(self, *values, **options)

    with pytest.MonkeyPatch.context() as patch, pytest.raises(Killed):
        patch.setattr(OmniNATrainer, "training_step", dying)
        finetune.main(arguments)


def kill_before_the_end(arguments: list[str], place: str = "omnina.training.finish") -> None:
    """Start a run that is killed after its last step, where it calls the function of this name."""
    with pytest.MonkeyPatch.context() as patch, pytest.raises(Killed):
        patch.setattr(place, die)
        finetune.main(arguments)
