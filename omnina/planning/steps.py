"""How many steps, tokens and epochs a run takes, by the arithmetic that the run itself uses."""

from dataclasses import dataclass
from math import ceil, floor

import numpy as np

from omnina.errors import UserError
from omnina.mixing import table_repeats
from omnina.packing import StepPlan, accumulation_steps
from omnina.planning.documents import length_of
from omnina.planning.tables import KnownTables
from omnina.run_settings import RunSettings
from omnina.stage import step_plan
from omnina.trainer_settings import TrainerSettings


@dataclass(frozen=True)
class Steps:
    """A run's steps.

    Attributes:
        count: of the run; None where it follows from an epoch that is not known.
        tokens: of a step, on average, over all devices.
        accumulation: passes of a step on each device; ``pass_tokens``: the most one of them holds.
        document: tokens of a document, its mean over tokens: that attention costs so much on average.
        epoch_tokens, epochs: None where the tables are not known, or not their answers (``answer_balance``).
    """

    count: int | None
    tokens: int
    accumulation: int
    pass_tokens: int
    document: float
    epoch_tokens: int | None
    epochs: float | None

    @property
    def all_tokens(self) -> int | None:
        """Of the run."""
        return None if self.count is None else self.count * self.tokens


def planned_steps(
    run: RunSettings, args: TrainerSettings, tables: KnownTables | None, rows: list[dict], devices: int
) -> Steps:
    """The steps of a run.

    Args:
        run, args: its settings.
        tables: what is known of the training tables, if anything.
        rows: documents that stand for them.
        devices: that share each step.

    Raises UserError where the documents fit no step.
    """
    plan = _plan(run, args, tables, rows)
    epoch = None if tables is None else _epoch_tokens(run, tables, plan)
    count = args.max_steps if args.max_steps > 0 else None
    if count is None and epoch is not None:
        count = ceil(args.num_train_epochs * (epoch / plan.stride))
    accumulation = accumulation_steps(run.tokens_per_step, run.tokens_per_device, devices)
    return Steps(
        count,
        plan.stride,
        accumulation,
        ceil(run.tokens_per_step / (accumulation * devices)),
        mean_over_tokens(plan.lengths),
        epoch,
        count * plan.stride / epoch if count and epoch else None,
    )


def mean_over_tokens(lengths: np.ndarray) -> float:
    """Length of the document that a token is in, on average."""
    exact = np.asarray(lengths, dtype=np.float64)
    return float((exact**2).sum() / exact.sum())


def times(strategy: str, every: float, steps: int, epochs: float | None) -> int | None:
    """How often something happens by its strategy; None where epochs decide it and are not known.

    Args:
        strategy: ``no``, ``steps`` or ``epoch``.
        every: so many steps, or a share of all of them if under 1.
    """
    if strategy == "steps":
        return floor(steps / (every if every >= 1 else max(1, ceil(every * steps))))
    if strategy == "epoch":
        return None if epochs is None else ceil(epochs)
    return 0


def _plan(run: RunSettings, args: TrainerSettings, tables: KnownTables | None, rows: list[dict]) -> StepPlan:
    if tables is not None and tables.data is not None:
        return step_plan(run, args, tables.data)
    lengths = np.array([length_of(row) for row in rows])
    try:
        return StepPlan(lengths, tokens_per_step=run.tokens_per_step, seed=args.seed, data_hash="sample")
    except ValueError as error:
        raise UserError(str(error)) from error


def _epoch_tokens(run: RunSettings, tables: KnownTables, plan: StepPlan) -> int | None:
    """Exact where the token ids are there; else each table's tokens as often as its rows come up.

    None where that depends on answers that have not been read yet.
    """
    if tables.data is not None:
        return plan.tokens_per_epoch
    weights = run.train_weights or [1.0] * len(tables.documents)
    try:
        repeats = table_repeats(tables.documents, weights, run.mixing_temperature)
    except ValueError as error:
        raise UserError(str(error)) from error
    if run.answer_balance:
        return None
    return round(float((repeats * tables.tokens).sum()))
