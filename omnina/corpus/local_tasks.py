"""datatrove's executor on this machine, and no traceback for what the user can mend."""

import sys
import time
from copy import deepcopy
from pathlib import Path

from datatrove.executor.local import LocalPipelineExecutor
from datatrove.utils.logging import logger
from datatrove.utils.stats import PipelineStats

from omnina.corpus.task_processes import run_in_processes
from omnina.errors import UserError
from omnina.progress import progress_bar

QUIET = 1  # as worker number 1 a task logs to its file only; number 0 prints it all as well


class LocalTasks(LocalPipelineExecutor):
    """A UserError goes to the task's log in one line and to the caller; only the command prints it."""

    def run(self) -> None:
        """Run the tasks that are not complete, and tell that they ended; raises as ``run_in_processes`` does.

        datatrove's own pool imports everything anew for every stage and worker, and waits forever for a
        worker that the system killed for its memory.
        """
        tasks = self.get_incomplete_ranks()
        several = self.workers > 1
        ended = run_in_processes(self.run_task, tasks, self.workers) if several else map(self.run_task, tasks)
        began = time.perf_counter()
        stage = f"stage {Path(self.logging_dir.path).name}"
        with progress_bar(stage, "tasks", len(tasks)) as bar:
            for _ in ended:
                bar.update()
        seconds = time.perf_counter() - began
        print(f"{stage}: {len(tasks)} tasks ended, {seconds:.1f} s", file=sys.stderr)

    def run_task(self, task: int) -> int:
        """Run one task and return its number; with steps of its own, as they keep their statistics."""
        deepcopy(self)._run_for_rank(task, QUIET)
        return task

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
