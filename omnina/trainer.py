"""transformers' Trainer on token-budget steps.

The loop, optimizer, checkpoints and logging are transformers'. Ours are the batches (a plain DataLoader
that starts at the right step by arithmetic), validation without logits, and the throughput in tokens and
bases.
"""

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch.utils.data import DataLoader
from transformers import PreTrainedTokenizerFast, Trainer, TrainerCallback, TrainerState
from transformers.trainer import TRAINER_STATE_NAME

from omnina.answer_validation import AnswerValidation
from omnina.errors import UserError
from omnina.inference.questions import Questions, save_questions
from omnina.packing import FlatCollator, StepPlan, StepSampler
from omnina.tokenizer import save_tokenizer
from omnina.validation import Validation


class OmniNATrainer(Trainer):
    """transformers' Trainer on steps of a set number of tokens.

    Args:
        plan: which rows each step holds.
        bases: (rows,) bases of each row.
        collator: joins rows into a flat batch.
        validation: what ``evaluate`` measures.
        tokenizer, questions: saved with every checkpoint.
        answers: answers the validation rows too, in fine-tuning.
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
        questions: Questions | None = None,
        answers: AnswerValidation | None = None,
        **options,
    ) -> None:
        self.plan, self.bases = plan, bases
        self.validation, self.tokenizer = validation, tokenizer
        self.first_step, self.questions, self.answers = first_step, questions, answers
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
            answered = self._answer_metrics(model)
        reduced = self.accelerator.reduce(sums, "sum")
        values = self.validation.collect(reduced).metrics() | answered
        metrics = {f"{metric_key_prefix}_{name}": value for name, value in values.items()}
        self._check_best_metric(metrics)
        self.log(dict(metrics))  # logging adds the epoch
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        self._clock.pause(time.perf_counter() - began)
        return metrics

    def load_end(self, checkpoint: Path) -> None:
        """The state and the weights that ``train`` would have left after the step of this checkpoint."""
        self.state = TrainerState.load_from_json(str(checkpoint / TRAINER_STATE_NAME))
        # Opens the logs; TensorBoard's would else go to the working directory.
        self.control = self.callback_handler.on_train_begin(self.args, self.state, self.control)
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
        wanted = self.args.metric_for_best_model if self.args.load_best_model_at_end else None
        if wanted and f"eval_{wanted.removeprefix('eval_')}" not in metrics:
            names = ", ".join(name.removeprefix("eval_") for name in metrics)
            raise UserError(f"metric_for_best_model: there is no '{wanted}'; there are: {names}.")

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
            if self.questions is not None:
                save_questions(self.questions, folder)


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
