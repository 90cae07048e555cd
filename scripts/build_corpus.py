"""Public records -> training tables, on this machine, Slurm or Ray.

    python scripts/build_corpus.py configs/corpus/genbank.yaml --input records --output output/corpus
    python scripts/build_corpus.py configs/corpus/nt.yaml --input nt --output output/nt \\
        --executor slurm --tasks 500 --workers 100 --partition cpu

Killed and started again with the same command, it runs only the missing tasks; the tables are the same bytes.
Needs: pip install -r requirements-corpus.txt
"""

import argparse
from pathlib import Path

from omnina.command import run_command
from omnina.corpus.build import build_corpus
from omnina.corpus.executors import EXECUTORS, ExecutorSettings


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("config", type=Path, help="YAML, as in configs/corpus")
    parser.add_argument("--input", type=Path, default=Path(), help="folder that sources are looked up in")
    parser.add_argument("--output", type=Path, required=True, help="folder for the tables")
    parser.add_argument("--forbid", nargs="+", default=[], help="tables that 'train' must not come near")
    parser.add_argument("--executor", choices=EXECUTORS, default="local", help="where to run")
    parser.add_argument("--tasks", type=int, default=1, help="parts of the work, at most one a unit")
    parser.add_argument("--workers", type=int, default=1, help="tasks at the same time")
    parser.add_argument("--dry_run", action="store_true", help="run nothing; print plan and Slurm scripts")
    cluster = parser.add_argument_group("Slurm and Ray")
    cluster.add_argument("--partition", help="of Slurm")
    cluster.add_argument("--time", default="24:00:00", help="limit of a Slurm task, HH:MM:SS")
    cluster.add_argument("--cpus_per_task", type=int, default=1, help="reserved; a task uses one")
    cluster.add_argument("--memory_per_cpu", type=int, default=4, help="GB reserved")
    cluster.add_argument("--ray_address", help="of a running cluster ('auto'); else one is started here")
    return parser.parse_args()


def main() -> None:
    """Build, and say what came of it."""
    given = parse_arguments()
    executor = ExecutorSettings(
        given.executor,
        given.tasks,
        given.workers,
        given.partition,
        given.time,
        given.cpus_per_task,
        given.memory_per_cpu,
        given.ray_address,
    )
    forbid = tuple(given.forbid)
    print(
        build_corpus(given.config, given.input, given.output, executor, forbid=forbid, dry_run=given.dry_run)
    )


if __name__ == "__main__":
    run_command(main)
