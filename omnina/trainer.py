"""transformers' Trainer on token-budget steps.

The loop, optimizer, what a checkpoint holds and logging are transformers'. Ours are the batches (a
plain DataLoader that starts at the right step by arithmetic), validation without logits, the throughput, and
that a checkpoint is whole or not there.
"""

import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
import torch
from torch.utils.data import DataLoader
from transformers import PreTrainedTokenizerFast, TrainerState
from transformers.trainer import TRAINER_STATE_NAME
from transformers.trainer_callback import ExportableState

from omnina.answer_validation import AnswerValidation
from omnina.averaged_steps import AveragedSteps
from omnina.checkpointed_layers import CheckpointedShare
from omnina.checkpoints.choice import checkpoint_fault, checkpoint_step
from omnina.checkpoints.writing import prune_checkpoints, write_checkpoint
from omnina.collation import FlatCollator
from omnina.errors import UserError
from omnina.inference.questions import Questions, save_questions
from omnina.layer_decay import decay_by_layer
from omnina.loading import PREFETCH, RowsAtHand, TimedLoader
from omnina.matrix_optimizer import matrix_optimizer
from omnina.packing import StepPlan, StepSampler
from omnina.peak_memory import peak_device_memory
from omnina.preemption import Preempted, Preemption
from omnina.progress import counted
from omnina.ranks import by_main
from omnina.sharding import gathered_once, set_up_sharding
from omnina.throughput import Throughput
from omnina.tokenizer import save_tokenizer
from omnina.trainer_callbacks import AgreedStop, Clock, DropoutSeed, StepsOfSettings, TrueEpoch
from omnina.validation import Validation
from omnina.watchdog import Watchdog


class OmniNATrainer(AveragedSteps):
    """transformers' Trainer on steps of a set number of tokens.

    Args:
        plan: which rows each step holds.
        bases: (rows,) bases of each row.
        collator: joins rows into a flat batch.
        validation: what ``evaluate`` measures.
        tokenizer, questions: saved with every checkpoint.
        answers: answers the validation rows too, in fine-tuning.
        first_step: step at which the data goes on.
        muon: train the layers' matrices by Muon.
        layer_decay: learning rate of a layer over that of the one above it.
        preemption: a signal noted there ends the run with a checkpoint.
        watchdog: hears of every forward pass, step, validation and checkpoint.
        options: those of ``AveragedSteps``, and the Trainer's own (``model``, ``args``, ...).
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
        preemption: Preemption,
        watchdog: Watchdog,
        questions: Questions | None = None,
        answers: AnswerValidation | None = None,
        muon: bool = False,
        layer_decay: float = 1.0,
        **options,
    ) -> None:
        self.plan = plan
        self.validation, self.tokenizer = validation, tokenizer
        self.first_step, self.questions, self.answers = first_step, questions, answers
        self.muon, self.layer_decay = muon, layer_decay
        self.preemption, self.watchdog = preemption, watchdog
        self.stop = AgreedStop(preemption, watchdog)
        super().__init__(data_collator=collator, **options)
        self.model.register_forward_pre_hook(watchdog.beat)
        set_up_sharding(self.accelerator, self.args.bf16)
        shape, passes = collator.fixed_shape, self.args.world_size * self.args.gradient_accumulation_steps
        computed = shape.tokens * passes if shape else None
        self.throughput = Throughput(plan, bases, self.model.config, first_step, computed)
        self.clock = Clock()
        self.add_callback(self.clock)
        self.add_callback(TrueEpoch(plan))
        self.add_callback(StepsOfSettings())
        self.add_callback(DropoutSeed())
        self.add_callback(CheckpointedShare())
        self.add_callback(self.stop)

    def get_train_dataloader(self) -> DataLoader:
        """Micro-batches of this process, from the first step on; not prepared, so never sharded again."""
        sampler = StepSampler(
            self.plan,
            self.args.world_size,
            self.args.process_index,
            self.args.gradient_accumulation_steps,
            self.first_step,
        )
        workers = self.args.dataloader_num_workers
        self._loader = TimedLoader(
            RowsAtHand(self.train_dataset, workers),
            batch_sampler=sampler,
            collate_fn=self.data_collator,
            num_workers=workers,
            prefetch_factor=(self.args.dataloader_prefetch_factor or PREFETCH) if workers else None,
            pin_memory=self.args.dataloader_pin_memory and self.args.device.type == "cuda",
        )
        return self._loader

    def create_optimizer(self, model: torch.nn.Module | None = None) -> torch.optim.Optimizer:
        """AdamW as transformers makes it, or Muon beside it."""
        made_before, whole = self.optimizer is not None, self.model if model is None else model
        if self.muon and not made_before:
            self.optimizer = matrix_optimizer(whole, self.args)
        optimizer = super().create_optimizer(model)
        if self.layer_decay < 1 and not made_before:
            decay_by_layer(optimizer, whole, self.layer_decay)
        return optimizer

    def _get_num_items_in_batch(self, batch_samples: list[dict], device: torch.device) -> torch.Tensor:
        """What a step's summed loss is divided by: its labels or, where they are weighted, all shares."""
        if not batch_samples or "shares" not in batch_samples[0]:
            return super()._get_num_items_in_batch(batch_samples, device)
        shares = torch.stack([batch["shares"].sum() for batch in batch_samples]).sum()
        return self.accelerator.reduce(shares.to(device), "sum")

    def _prepare_inputs(self, inputs: dict) -> dict:
        """The batch on the device; from pinned memory it is copied while the device still computes."""
        return {
            name: value.to(self.args.device, non_blocking=True) if isinstance(value, torch.Tensor) else value
            for name, value in inputs.items()
        }

    def evaluate(self, eval_dataset=None, ignore_keys=None, metric_key_prefix="eval") -> dict[str, float]:
        """Validation losses over all processes, logged and returned; the arguments are the Trainer's."""
        began = time.perf_counter()
        model = self.model.eval()
        batches = self.validation.batches(self.args.world_size, self.args.process_index)
        gathered = gathered_once(self.accelerator, model)
        with self.averaged(), gathered, self.compute_loss_context_manager():
            sums = self.validation.sums(model, self._under_bar(batches), self.args.device)
            answered = self._answer_metrics(model)
        reduced = self.accelerator.reduce(sums, "sum")
        values = self.validation.collect(reduced).metrics() | answered
        metrics = {f"{metric_key_prefix}_{name}": value for name, value in values.items()}
        self._check_best_metric(metrics)
        self.log(dict(metrics))  # logging adds the epoch
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        self.throughput.pause(time.perf_counter() - began)
        self.watchdog.beat()
        return metrics

    def _under_bar(self, batches: list[np.ndarray]) -> Iterator[np.ndarray]:
        shown = self.is_world_process_zero() and not self.args.disable_tqdm
        return counted(batches, "validating", "batches", shown=shown)

    def metrics_at_end(self) -> dict[str, float]:
        """What ``evaluate`` measures of the weights that training left; from the log if it is there.

        Only validations since ``first_step`` count: those of an earlier call may be of other rows.
        """
        best = self.state.best_model_checkpoint if self.args.load_best_model_at_end else None
        # Not best_global_step: the best validation may have been at a step without a checkpoint.
        step = checkpoint_step(Path(best)) if best else self.state.global_step
        if step > self.first_step:
            for entry in reversed(self.state.log_history):
                if entry["step"] == step and "eval_loss" in entry:
                    return {name: value for name, value in entry.items() if name.startswith("eval_")}
        return self.evaluate()

    def autocast_smart_context_manager(self, cache_enabled: bool | None = True) -> AbstractContextManager:
        """Mixed precision of a forward pass: accelerate puts it around the model, but not with FSDP2."""
        return self.accelerator.autocast()

    def load_end(self, checkpoint: Path) -> None:
        """The state and the weights that ``train`` would have left after the step of this checkpoint."""
        self.state = TrainerState.load_from_json(str(checkpoint / TRAINER_STATE_NAME))
        # The file was written by the main process and says so of whoever reads it.
        self.state.is_local_process_zero = self.is_local_process_zero()
        self.state.is_world_process_zero = self.is_world_process_zero()
        # Opens the logs; TensorBoard's would else go to the working directory.
        self.control = self.callback_handler.on_train_begin(self.args, self.state, self.control)
        if self.is_fsdp_enabled:
            self.prepare_sharded()
        if self.args.load_best_model_at_end and self.state.best_model_checkpoint:
            self._load_best_model()
        else:
            self._load_from_checkpoint(str(checkpoint))

    def _answer_metrics(self, model: torch.nn.Module) -> dict[str, float]:
        args = self.args
        if self.answers is None:
            return {}
        return self.answers.metrics(model, args.world_size, args.process_index, args.device)

    def _check_best_metric(self, metrics: dict[str, float]) -> None:
        """UserError for a ``metric_for_best_model`` that validation does not measure."""
        wanted = self.args.metric_for_best_model
        if wanted and f"eval_{wanted.removeprefix('eval_')}" not in metrics:
            names = ", ".join(name.removeprefix("eval_") for name in metrics)
            raise UserError(f"metric_for_best_model: there is no '{wanted}'; there are: {names}.")

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Add speed since the last log, peak memory, and the seconds since the run began."""
        if "loss" in logs and self.state.global_step > self.throughput.step:
            logs |= self.throughput.lap(self.state.global_step, self._loader.waited)
            logs["peak_memory_gb"] = round(peak_device_memory(self.args.device) / 1e9, 3)
            if self.health.skipped:
                logs["skipped_steps"] = self.health.skipped
        logs["seconds"] = round(self.clock.seconds, 1)
        super().log(logs, start_time)

    def _save_checkpoint(self, model: torch.nn.Module, trial: None) -> None:
        """Write it whole, then remove old ones; raises Preempted if the processes agreed to stop with it."""
        self.store_flos()
        folder = Path(self.args.output_dir)
        path = folder / f"checkpoint-{self.state.global_step}"
        self._name_best(path)
        parts = [
            lambda aside: self.save_model(aside, _internal_call=True),
            *(self._save_training_weights, self._save_optimizer_and_scheduler, self._save_scaler),
            *(self._save_rng_state, self._save_state),
        ]
        try:
            write_checkpoint(path, parts)
        except UserError:
            self._close_logs()
            raise
        best = self.state.best_model_checkpoint
        kept = {path} | ({Path(best)} if best else set())
        by_main(lambda: prune_checkpoints(folder, self.args.save_total_limit, kept))
        self.watchdog.beat()
        if self.stop.agreed:
            self._close_logs()
            raise Preempted(f"stopped as asked, with {path}; the same command goes on from there")

    def _name_best(self, written: Path) -> None:
        """The best checkpoint's path in the state, as it will be when the one being written has its name."""
        if self.state.best_global_step:
            best = written.with_name(f"checkpoint-{self.state.best_global_step}")
            if best == written or best.is_dir():
                self.state.best_model_checkpoint = str(best)

    def _save_state(self, folder: str) -> None:
        if not self.args.should_save:
            return
        for part in [*self.callback_handler.callbacks, self.control]:
            if isinstance(part, ExportableState):
                self.state.stateful_callbacks[type(part).__name__] = part.state()
        self.state.save_to_json(str(Path(folder) / TRAINER_STATE_NAME))

    def _load_best_model(self) -> None:
        best = self.state.best_model_checkpoint
        fault = by_main(lambda: checkpoint_fault(Path(best)))
        if fault:
            raise UserError(f"{best}, the best checkpoint of this run, was damaged since: {fault}.")
        super()._load_best_model()

    def _save(self, output_dir: str | None = None, state_dict: dict | None = None) -> None:
        folder = Path(output_dir or self.args.output_dir)
        super()._save(str(folder), state_dict)
        if self.args.should_save:  # every process comes here, one writes
            (folder / "training_args.bin").unlink()  # a pickle; config.yaml says it all
            save_tokenizer(self.tokenizer, folder)
            if self.questions is not None:
                save_questions(self.questions, folder)
