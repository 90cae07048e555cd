"""Where a corpus run runs: on this machine, as Slurm job arrays, or on a Ray cluster; datatrove does it.

Where several machines take part, output and input folders must be on a file system that all of them share.
"""

import importlib.util
import shutil
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from omnina.corpus.progress import Progress
from omnina.corpus.section import choice, whole_number
from omnina.corpus.slurm_jobs import check_no_job, job_name, noting
from omnina.corpus.task_processes import prepare_processes
from omnina.errors import UserError

if TYPE_CHECKING:  # datatrove may be absent
    from datatrove.executor.base import PipelineExecutor
    from datatrove.executor.slurm import SlurmPipelineExecutor
    from datatrove.pipeline.base import PipelineStep

EXECUTORS = ("local", "slurm", "ray")


@dataclass(frozen=True)
class ExecutorSettings:
    """Where and how widely to run; none of it changes a byte of the result but ``tasks``.

    Attributes:
        kind: ``local``, ``slurm`` or ``ray``.
        tasks: parts of the work; record files, or ranges of plain ones, are dealt out to them.
        workers: tasks at the same time at most.
        partition, time: of Slurm jobs; the time as ``HH:MM:SS``, of one task.
        cpus_per_task: CPUs reserved for a task (Slurm, Ray); a task uses one.
        memory_per_cpu: GB reserved for each of them.
        ray_address: of a running cluster; None starts one on this machine.
    """

    kind: str = "local"
    tasks: int = 1
    workers: int = 1
    partition: str | None = None
    time: str = "24:00:00"
    cpus_per_task: int = 1
    memory_per_cpu: int = 4
    ray_address: str | None = None

    def __post_init__(self) -> None:
        choice(self.kind, EXECUTORS, "--executor")
        for key in ("tasks", "workers", "cpus_per_task", "memory_per_cpu"):
            whole_number(getattr(self, key), 1, f"--{key}")
        if self.workers > self.tasks:
            raise UserError(
                f"--workers {self.workers} with --tasks {self.tasks}: a task is one worker's; add --tasks "
                f"{self.workers} or more (tables are named by task, so the same number gives the same files)."
            )
        if self.kind == "slurm" and not self.partition:
            raise UserError("--partition: Slurm needs one; 'sinfo' lists those of your cluster.")

    def prepare(self) -> None:
        """Begin what workers on this machine need before their first task, beside what the caller does."""
        if self.kind == "local" and self.workers > 1:
            prepare_processes()

    def check_installed(self, *, dry_run: bool = False) -> None:
        """UserError for a package or program that this executor needs and that is not there."""
        for package in ("datatrove", "ray") if self.kind == "ray" else ("datatrove",):
            if importlib.util.find_spec(package) is None:
                raise UserError(
                    f"--executor {self.kind}: the package '{package}' is not installed; "
                    "pip install -r requirements-corpus.txt"
                )
        if self.kind == "slurm" and not dry_run and shutil.which("sbatch") is None:
            raise UserError(
                "--executor slurm: there is no 'sbatch' here; run on a login node of the cluster, "
                "or add --dry_run to see the job scripts."
            )


def run_stages(
    stages: "dict[str, list[PipelineStep]]", settings: ExecutorSettings, progress: Progress
) -> None:
    """Run what is missing, stage after stage; on Slurm, submit it, each stage after the one before.

    Raises UserError if Slurm still has jobs for that folder.
    """
    if any(map(progress.missing, stages)):
        check_no_job(progress)
    if settings.kind == "slurm":
        _submit(stages, settings, progress)
        return
    for stage, blocks in stages.items():
        if progress.missing(stage):
            progress.take_back_marks(stage)
            _executor(stage, blocks, settings, progress).run()
        progress.check_complete(stage)


def _submit(stages: "dict[str, list[PipelineStep]]", settings: ExecutorSettings, progress: Progress) -> None:
    for stage in stages:
        progress.take_back_marks(stage)
    progress.jobs_file.unlink(missing_ok=True)  # none of them runs any more
    try:
        slurm_executors(stages, settings, progress)[-1].run()
    except subprocess.CalledProcessError as error:
        raise UserError(
            f"--executor slurm: sbatch failed (status {error.returncode}), and says why above; "
            f"jobs that it took before that are in {progress.jobs_file}."
        ) from error


def slurm_executors(
    stages: "dict[str, list[PipelineStep]]", settings: ExecutorSettings, progress: Progress
) -> "list[SlurmPipelineExecutor]":
    """One for each stage, each depending on the one before; nothing is written."""
    from datatrove.executor.slurm import SlurmPipelineExecutor

    made: list[SlurmPipelineExecutor] = []
    for stage, blocks in stages.items():
        executor = SlurmPipelineExecutor(
            blocks,
            tasks=progress.tasks_of(stage),
            workers=settings.workers,
            time=settings.time,
            partition=settings.partition,
            cpus_per_task=settings.cpus_per_task,
            mem_per_cpu_gb=settings.memory_per_cpu,
            job_name=job_name(stage),
            qos=None,
            venv_path=_activation(),
            depends=made[-1] if made else None,
            job_id_retriever=noting(progress, stage),
            logging_dir=str(progress.logs(stage)),
        )
        made.append(executor)
    return made


def planned_scripts(
    stages: "dict[str, list[PipelineStep]]", settings: ExecutorSettings, progress: Progress
) -> dict[str, str]:
    """What would be given to sbatch for the stages that are not complete, by stage; nothing is submitted."""
    scripts = {}
    with TemporaryDirectory() as aside:  # datatrove makes folders while it writes a script
        elsewhere = replace(progress, folder=Path(aside))
        for stage, executor in zip(stages, slurm_executors(stages, settings, elsewhere), strict=True):
            if missing := len(progress.missing(stage)):
                scripts[stage] = _script(executor, missing).replace(aside, str(progress.folder))
    return scripts


def _script(executor: "SlurmPipelineExecutor", tasks: int) -> str:
    pickled = executor.logging_dir.resolve_paths("executor.pik")
    return executor.get_launch_file_contents(
        executor.get_sbatch_args(min(tasks, executor.max_array_size)),
        f"srun  -l -n {executor.nodes_per_task} launch_pickled_pipeline {pickled}",
    )


def _executor(
    stage: str, blocks: "list[PipelineStep]", settings: ExecutorSettings, progress: Progress
) -> "PipelineExecutor":
    tasks, logs = progress.tasks_of(stage), str(progress.logs(stage))
    workers = min(settings.workers, tasks)
    if settings.kind == "local":
        from omnina.corpus.local_tasks import LocalTasks

        return LocalTasks(blocks, tasks=tasks, workers=workers, logging_dir=logs)
    import ray
    from datatrove.executor.ray import RayPipelineExecutor

    if not ray.is_initialized():
        ray.init(address=settings.ray_address)
    return RayPipelineExecutor(
        blocks,
        tasks=tasks,
        workers=workers,
        logging_dir=logs,
        cpus_per_task=settings.cpus_per_task,
        mem_per_cpu_gb=settings.memory_per_cpu,
    )


def _activation() -> str | None:
    """The activation script of the virtual environment that runs this, if it is one."""
    return f"{sys.prefix}/bin/activate" if sys.prefix != sys.base_prefix else None
