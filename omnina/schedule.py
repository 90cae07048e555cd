"""transformers' learning rate schedules: what one needs, and mistakes told before anything is tokenised.

``warmup_stable_decay`` keeps the learning rate until the last ``num_decay_steps`` of
``lr_scheduler_kwargs`` (under 1 a share of all steps, as ``warmup_steps`` is), over which it goes down.
"""

from math import floor
from typing import TYPE_CHECKING

import torch
from torch.optim.lr_scheduler import LambdaLR
from transformers.optimization import get_scheduler

from omnina.errors import UserError

if TYPE_CHECKING:
    from omnina.trainer_settings import TrainerSettings

DECAY_SHARE = 0.1  # of all steps: 10 to 20 % do as well as a cosine (Hägele et al., 2024, arXiv:2405.18392)
UNKNOWN_STEPS = 1_000_000  # of a run by epochs, before its tables are read: any warm-up and decay fit
# What schedules raise for arguments that are missing, unknown, of another type, or without an end.
MISMATCHES = (TypeError, ValueError, ZeroDivisionError, OverflowError)


def schedule_arguments(args: "TrainerSettings", steps: int) -> dict | None:
    """``lr_scheduler_kwargs`` for a run of so many steps, with ``num_decay_steps`` as a number of steps.

    Raises UserError for a decay that does not fit after the warm-up.
    """
    if args.lr_scheduler_type != "warmup_stable_decay":
        return args.lr_scheduler_kwargs
    given = dict(args.lr_scheduler_kwargs or {})
    if "num_stable_steps" in given:  # transformers would train the steps behind the decay at the lowest rate
        raise UserError(
            "lr_scheduler_kwargs: num_stable_steps follows from the run's steps; set num_decay_steps alone."
        )
    wanted = given.get("num_decay_steps", DECAY_SHARE)
    decay = floor(wanted * steps) if wanted < 1 else wanted  # the warm-up's share is rounded up
    if not 0 <= decay <= steps - args.get_warmup_steps(steps):
        raise UserError(
            f"lr_scheduler_kwargs: num_decay_steps ({wanted}) does not fit after the warm-up (warmup_steps: "
            f"{args.warmup_steps}); under 1 it is a share of all steps, and {DECAY_SHARE} is usual."
        )
    return given | {"num_decay_steps": decay}


def check_schedule(args: "TrainerSettings") -> None:
    """UserError unless the schedule takes ``lr_scheduler_kwargs``, found out by making it for no model."""
    steps = args.max_steps if args.max_steps > 0 else UNKNOWN_STEPS
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=args.learning_rate)
    warm_up, given = args.get_warmup_steps(steps), args.lr_scheduler_kwargs or {}
    try:
        arguments = schedule_arguments(args, steps)
        schedule = get_scheduler(args.lr_scheduler_type, optimizer, warm_up, steps, arguments)
        if isinstance(schedule, LambdaLR):  # each part has arguments of its own; others wait for validations
            [rate] = schedule.lr_lambdas
            for step in (0, warm_up, steps - 1):
                rate(step)
    except UserError:
        raise
    except MISMATCHES as error:
        raise UserError(
            f"lr_scheduler_kwargs ({given}) are not what {args.lr_scheduler_type.value} takes: {error}. Set "
            "there what it misses, as a mapping, and leave out what it does not know."
        ) from error
