"""A Trainer that leaves out harmful steps (``omnina/health.py``), and names the loading process that died."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from math import nan
from pathlib import Path

import torch
from torch.distributed.tensor import DTensor
from transformers import TrainerCallback

from omnina.checkpoints.portable import PortableCheckpoints
from omnina.errors import UserError
from omnina.health import SKIPPED_FOLDER, StepHealth, write_rows
from omnina.loading import TimedLoader
from omnina.packing import StepPlan
from omnina.ranks import by_main, means_of_ranks


class GuardedSteps(PortableCheckpoints):
    """transformers' Trainer, asked before each step whether to take it.

    Args:
        health: judges each step.
        max_skipped_steps: so many bad steps in a row end the run.
        callbacks, options: the Trainer's.
    """

    plan: StepPlan
    _loader: TimedLoader | None = None

    def __init__(
        self, *, health: StepHealth, max_skipped_steps: int, callbacks: Sequence[TrainerCallback], **options
    ) -> None:
        self.health, self.max_skipped_steps = health, max_skipped_steps
        self._micro_losses: list[torch.Tensor] = []
        self._steps_since_log, self._taken_since_log = 0, 0
        super().__init__(callbacks=[*callbacks, health], **options)

    def training_step(self, model, inputs, num_items_in_batch=None) -> torch.Tensor:
        """The Trainer's; its losses are kept for the step that they are part of."""
        if not self._micro_losses:
            self._logged_loss = self._tr_loss.clone()
        loss = super().training_step(model, inputs, num_items_in_batch)
        self._micro_losses.append(loss)
        return loss

    def _get_grad_norm(self, model, grad_norm=None) -> float:
        """The norm before clipping; called once a step, so here a bad step loses its gradients."""
        norm = super()._get_grad_norm(model, grad_norm)
        norm = float(norm.full_tensor() if isinstance(norm, DTensor) else norm)
        loss, norm = means_of_ranks([float(sum(self._micro_losses)), norm])
        self._micro_losses = []
        fault = self.health.fault(loss, norm)
        self._steps_since_log += 1
        self._taken_since_log += fault is None
        if fault:
            self._leave_out(fault)
        return norm

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """The Trainer's; a loss is the mean over the steps that were taken, and NaN if none was."""
        if "loss" in logs:
            if self._taken_since_log < self._steps_since_log:
                taken = self._taken_since_log
                logs["loss"] = logs["loss"] * self._steps_since_log / taken if taken else nan
            self._steps_since_log = self._taken_since_log = 0
        super().log(logs, start_time)

    def _leave_out(self, fault: str) -> None:
        self.optimizer.zero_grad()
        self._tr_loss.copy_(self._logged_loss)
        by_main(lambda: self._note_skipped(fault))
        self._stop_if_sick(fault)

    def _skipped_rows_file(self) -> Path:
        return Path(self.args.output_dir) / SKIPPED_FOLDER / f"step-{self.state.global_step + 1}.csv"

    def _note_skipped(self, fault: str) -> None:
        step, path = self.state.global_step, self._skipped_rows_file()
        try:
            write_rows(self.train_dataset, self.plan.rows(step), path)
        except OSError as error:
            raise UserError(f"{path} could not be written: {error.strerror}.") from error
        print(f"Step {step + 1} is left out: {fault}. Its rows are in {path}.")

    def _stop_if_sick(self, fault: str) -> None:
        if self.health.in_a_row < self.max_skipped_steps:
            return
        self._close_logs()
        raise UserError(
            f"{self.health.in_a_row} steps in a row were left out (max_skipped_steps), the last because "
            f"{fault}. Their rows are in {self._skipped_rows_file().parent}. Nothing was learned from them; "
            "lower learning_rate or max_grad_norm, look at those rows, or go on from an earlier checkpoint "
            "with --resume_from_checkpoint."
        )

    @contextmanager
    def loader_deaths_told(self) -> Iterator[None]:
        """The block in which a loading process that died is a UserError; torch raises it wherever we are."""
        try:
            yield
        except RuntimeError as error:
            death = self._loader.death() if self._loader is not None else None
            if death is None:
                raise
            self._close_logs()
            raise UserError(
                f"{death}, in a batch of step {self.state.global_step + 1} or soon after. SIGKILL is most "
                "often memory that ran out: lower dataloader_num_workers. The same command goes on from the "
                "last checkpoint."
            ) from error

    def _close_logs(self) -> None:
        self.callback_handler.on_train_end(self.args, self.state, self.control)
