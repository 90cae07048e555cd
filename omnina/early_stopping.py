"""When validation says that training is done: read from the log alone, so that a resumed run stops alike."""

from collections.abc import Sequence
from math import inf

from transformers import TrainerCallback, TrainingArguments


def has_stopped(history: Sequence[dict], args: TrainingArguments, patience: int) -> bool:
    """Whether the last ``patience`` validations were none better than the best before them.

    Args:
        history: the Trainer's ``log_history``; of entries of one step the last counts. The validation
            before the first step does not count: no checkpoint has those weights.
        args: for ``metric_for_best_model`` and ``greater_is_better``.
        patience: in validations.
    """
    key = f"eval_{args.metric_for_best_model.removeprefix('eval_')}"
    by_step = {entry["step"]: entry[key] for entry in history if key in entry and entry["step"] > 0}
    best, waited = -inf if args.greater_is_better else inf, 0
    for _, value in sorted(by_step.items()):
        if value > best if args.greater_is_better else value < best:
            best, waited = value, 0
        else:
            waited += 1
    return waited >= patience


class EarlyStopping(TrainerCallback):
    """Stops the Trainer once ``has_stopped``.

    transformers' own callback counts in memory: a resumed run would count anew.
    """

    def __init__(self, patience: int) -> None:
        self.patience = patience

    def on_evaluate(self, args, state, control, **kwargs) -> None:
        """Called by the Trainer after it logged a validation."""
        if has_stopped(state.log_history, args, self.patience):
            control.should_training_stop = True
