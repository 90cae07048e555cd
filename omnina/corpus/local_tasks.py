"""datatrove's executor on this machine, without a traceback for what the user can mend."""

from datatrove.executor.local import LocalPipelineExecutor
from datatrove.utils.logging import logger
from datatrove.utils.stats import PipelineStats

from omnina.errors import UserError


class LocalTasks(LocalPipelineExecutor):
    """A UserError goes to the task's log in one line and to the caller; only the command prints it."""

    def _run_for_rank(self, rank: int, local_rank: int = 0, node_rank: int = -1) -> PipelineStats:
        """Run a task; set here, and not when the executor is made, as workers are processes of their own."""
        logger.configure(patcher=_quiet)
        return super()._run_for_rank(rank, local_rank, node_rank)


def _quiet(record: dict) -> None:
    """Let datatrove's note of a UserError pass to the log file only, which takes every level."""
    if record["exception"] and isinstance(record["exception"].value, UserError):
        record["exception"] = None
        debug = logger.level("DEBUG")
        record["level"] = type(record["level"])(debug.name, debug.no, debug.icon)
