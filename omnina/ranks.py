"""What the processes of one run agree on.

All of it goes over gloo and the CPU, in a group of its own: it waits for no kernel on a GPU, so that asking
at every step costs what a message does and no GPU stands still for it. Without ``torch.distributed`` a run is
one process, which agrees with itself.
"""

from collections.abc import Callable
from datetime import timedelta
from functools import cache
from typing import TypeVar

import torch
import torch.distributed as dist

from omnina.errors import UserError
from omnina.run_settings import MOST_SECONDS

Value = TypeVar("Value")


def any_rank(flag: bool) -> bool:
    """Whether the flag is set in any process; every process must ask."""
    if not _together():
        return flag
    flags = torch.tensor([int(flag)])
    dist.all_reduce(flags, dist.ReduceOp.MAX, group=_cpu_group())
    return bool(flags.item())


def means_of_ranks(values: list[float]) -> list[float]:
    """The mean of each over all processes; every process must ask."""
    if not _together():
        return values
    totals = torch.tensor(values, dtype=torch.float64)
    dist.all_reduce(totals, group=_cpu_group())
    return (totals / dist.get_world_size()).tolist()


def first_text(text: str | None) -> str | None:
    """The text of the lowest rank that has one; every process must ask."""
    if not _together():
        return text
    texts: list[str | None] = [None] * dist.get_world_size()
    dist.all_gather_object(texts, text, group=_cpu_group())
    return next((found for found in texts if found is not None), None)


def by_main(work: Callable[[], Value]) -> Value:
    """Do the work in the main process alone; its result, or its UserError, in every process."""
    if not _together():
        return work()
    outcome: list = [None, None]
    if dist.get_rank() == 0:
        try:
            outcome[0] = work()
        except UserError as error:
            outcome[1] = str(error)
    dist.broadcast_object_list(outcome, src=0, group=_cpu_group())
    if outcome[1] is not None:
        raise UserError(outcome[1])
    return outcome[0]


def leave() -> None:
    """End the processes' groups, once all have come here; their threads would abort a process that ends."""
    if dist.is_available() and dist.is_initialized():
        _cpu_group.cache_clear()
        dist.destroy_process_group()


def _together() -> bool:
    return dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1


@cache
def _cpu_group() -> dist.ProcessGroup:
    # Not gloo's 30 minutes: how long one may wait for another is hang_timeout's to say.
    return dist.new_group(backend="gloo", timeout=timedelta(seconds=MOST_SECONDS))
