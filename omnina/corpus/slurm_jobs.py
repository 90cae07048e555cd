"""The Slurm jobs of a corpus run, so that no task is given to two of them.

``progress/slurm_jobs.jsonl`` in the output folder has a line for each job, written as soon as ``sbatch`` has
named it. While one of them may still run, whatever would run tasks of that folder is refused.
"""

import json
import shutil
import subprocess
from functools import partial
from pathlib import Path

from omnina.corpus.progress import Progress
from omnina.errors import UserError

NEVER_RUNS = "DependencyNeverSatisfied"  # Slurm's reason of a job that waits for one that failed


def job_name(stage: str) -> str:
    """How Slurm lists a stage's job."""
    return f"corpus_{stage}"


def noting(progress: Progress, stage: str) -> partial:
    """What reads sbatch's answer for datatrove: notes the job with its stage, and returns its id."""
    return partial(_note, progress.jobs_file, stage)


def _note(path: Path, stage: str, answer: str) -> str:
    job = answer.split()[-1]  # "Submitted batch job 1234"
    with path.open("a", encoding="utf-8") as stream:
        stream.write(json.dumps({"job": job, "stage": stage}) + "\n")
    return job


def check_no_job(progress: Progress) -> None:
    """UserError, naming them, if Slurm has jobs of this output folder in its queue, or nobody can tell.

    A job that waits for one that failed never runs and is no hindrance.
    """
    stages = _noted(progress.jobs_file)
    queue = _queue(progress, stages) if stages else {}
    running = [job for job in stages if job in queue and not queue[job].endswith(NEVER_RUNS)]
    if running:
        listed = ", ".join(f"{job} (stage '{stages[job]}', {queue[job]})" for job in running)
        raise UserError(
            f"{progress.folder}: Slurm has jobs for it, {listed}; wait for their end, or end them with: "
            f"scancel {' '.join(running)}"
        )


def _noted(path: Path) -> dict[str, str]:
    """Stage by job."""
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return {note["job"]: note["stage"] for note in map(json.loads, lines)}


def _queue(progress: Progress, stages: dict[str, str]) -> dict[str, str]:
    """State and reason of the jobs in Slurm's queue that are named as ours are; of an array by its own id.

    Asked by name, for all users: by id, squeue fails where Slurm has forgotten the job.
    """
    names = ",".join(sorted({job_name(stage) for stage in stages.values()}))
    if shutil.which("squeue") is None:
        raise _unknown(progress, stages, "there is no 'squeue' here")
    command = ["squeue", "--noheader", "--name", names, "--format", "%F %T %r"]
    asked = subprocess.run(command, capture_output=True, text=True, check=False)
    if asked.returncode:
        raise _unknown(progress, stages, f"squeue failed ({asked.stderr.strip()})")
    queue: dict[str, str] = {}
    for line in asked.stdout.splitlines():
        job, said = line.split(maxsplit=1)
        if job not in queue or queue[job].endswith(NEVER_RUNS):  # a running task of an array counts for it
            queue[job] = said.strip()
    return queue


def _unknown(progress: Progress, stages: dict[str, str], why: str) -> UserError:
    return UserError(
        f"{progress.folder}: jobs {', '.join(stages)} were given to Slurm for it, and whether they still run "
        f"cannot be told: {why}. Run on a login node; if none runs, remove {progress.jobs_file}."
    )
