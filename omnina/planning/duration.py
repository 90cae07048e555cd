"""Hours of a run, and what they cost."""

from dataclasses import dataclass

from omnina.planning.speed import Speed
from omnina.planning.steps import Steps, times
from omnina.planning.tables import KnownTables
from omnina.run_settings import RunSettings
from omnina.trainer_settings import TrainerSettings

FORWARD_SHARE = 1 / 3  # of a step's work: validation goes forward only


@dataclass(frozen=True)
class Duration:
    """Hours by the clock.

    Attributes:
        training: of the steps.
        validation: of its losses; None where the tables are not known. Answers, in fine-tuning, come to it.
        cost: of both, for all devices, in the price's currency; None without a price.
    """

    training: float
    validation: float | None
    cost: float | None

    @property
    def hours(self) -> float:
        """Both."""
        return self.training + (self.validation or 0.0)


def planned_duration(
    steps: Steps, speed: Speed, validation_tokens: int | None, devices: int, price: float | None
) -> Duration | None:
    """Of all steps at this speed; None where their number is not known.

    ``validation_tokens``: of all validations together; ``price`` of an hour of one device.
    """
    if steps.all_tokens is None:
        return None
    training = steps.all_tokens / speed.tokens_per_second / 3600
    validation = None
    if validation_tokens is not None:
        validation = validation_tokens * FORWARD_SHARE / speed.tokens_per_second / 3600
    cost = None if price is None else (training + (validation or 0.0)) * devices * price
    return Duration(training, validation, cost)


def validated_tokens(
    run: RunSettings, args: TrainerSettings, steps: Steps, validation: KnownTables | None
) -> int | None:
    """Tokens of all validations of a run together; None where tables or steps are not known."""
    if validation is None or steps.count is None:
        return None
    every = args.eval_steps or args.logging_steps
    count = times(args.eval_strategy, every, steps.count, steps.epochs)
    if count is None:
        return None
    documents = float(validation.documents.sum())
    share = min(1.0, (run.validation_documents or documents) / documents)
    return round((count + args.eval_on_start) * share * float(validation.tokens.sum()))
