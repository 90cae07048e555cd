"""A Trainer that validates, saves and ends with an average of its weights (``omnina/weight_average.py``).

The model in a checkpoint is the average, for whoever reads it; the weights that training goes on from lie
beside it. Every process averages for itself: the same weights by the same steps.
"""

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from transformers import TrainerCallback
from transformers.trainer_utils import TrainOutput

from omnina.checkpoints.training_weights import check_averaged, load_training_weights, save_training_weights
from omnina.guarded_steps import GuardedSteps
from omnina.weight_average import WeightAverage


class AveragedSteps(GuardedSteps):
    """transformers' Trainer with an average of the weights, if ``ema_decay`` is given.

    Args:
        ema_decay: of the average.
        options: those of ``GuardedSteps``.

    Attributes:
        average: while training; then the model has it.
    """

    def __init__(self, *, ema_decay: float | None = None, **options) -> None:
        self.ema_decay, self.average = ema_decay, None
        super().__init__(**options)
        if ema_decay is not None:
            self.add_callback(_Averaging(self))

    def train(self, *arguments, **options) -> TrainOutput:
        """The Trainer's; leaves the average, or that of the best checkpoint, in the model."""
        output = super().train(*arguments, **options)
        if self.average is not None:
            self.average.exchange()
            self.average = None
        return output

    def begin_average(self) -> None:
        """From the weights that the model has now."""
        self.average = WeightAverage(self.model, self.ema_decay)

    def averaged(self) -> AbstractContextManager:
        """The block in which the model has the average for its weights, if there is one."""
        return nullcontext() if self.average is None else self.average.in_model()

    def save_model(self, output_dir: str | None = None, _internal_call: bool = False) -> None:
        """The Trainer's; of the average."""
        with self.averaged():
            super().save_model(output_dir, _internal_call)

    def _save_training_weights(self, folder: str) -> None:
        if self.average is not None and self.args.should_save:
            save_training_weights(self.model, Path(folder))

    def _load_optimizer_and_scheduler(self, checkpoint: str | None) -> None:
        """What training goes on from: the model was loaded before, and has the average."""
        super()._load_optimizer_and_scheduler(checkpoint)
        if checkpoint is None:
            return
        check_averaged(Path(checkpoint), averaged=self.ema_decay is not None)
        if self.ema_decay is not None:
            self.begin_average()
            load_training_weights(self.model, Path(checkpoint))

    def _load_best_model(self) -> None:
        super()._load_best_model()
        self.average = None


class _Averaging(TrainerCallback):
    """Begins the average with a run, and takes every step's weights in but those of a step left out."""

    def __init__(self, trainer: AveragedSteps) -> None:
        self.trainer = trainer

    def on_train_begin(self, args, state, control, **kwargs) -> None:
        if state.global_step == 0:  # else it was read from a checkpoint
            self.trainer.begin_average()

    def on_step_end(self, args, state, control, **kwargs) -> None:
        if not self.trainer.health.in_a_row:
            self.trainer.average.update(state.global_step)
