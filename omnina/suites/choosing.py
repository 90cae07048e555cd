"""Which tasks a suite's name stands for."""

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from omnina.errors import UserError
from omnina.suites.folders import read_tasks
from omnina.suites.launching import ROOT
from omnina.suites.planted import planted_tasks
from omnina.suites.promoters import LENGTH, promoter_task
from omnina.suites.published import SuiteNotes, read_notes
from omnina.suites.questions import question_tasks
from omnina.suites.task import Task

PLANTED, PROMOTERS, EXAMPLE = OURS = ("planted", "promoters", "example")
EXAMPLE_TABLES = (ROOT / "data/finetune_train_example.csv", ROOT / "data/finetune_val_example.csv")


def chosen_tasks(
    suite: str, wanted: Sequence[str] | None, notes: Path | None, genome: Path, bases: int | None
) -> tuple[Sequence[Task], SuiteNotes]:
    """Tasks, and what is known of them.

    Args:
        suite: ``planted``, ``promoters``, ``example``, or a folder.
        wanted: names of tasks; None: all.
        notes: a YAML file for a folder.
        genome: of the promoters.
        bases: of each of their regions; None: 251.

    Raises UserError for names that are none of the suite's tasks, and for files that cannot be read.
    """
    if notes and suite in OURS:
        raise UserError(f"--notes: {suite} brings its own; leave the option out.")
    if bases is not None and suite != PROMOTERS:
        raise UserError("--bases is the length of a promoter region; leave it out, or take promoters.")
    if suite == PLANTED:
        return _named(planted_tasks(), wanted), SuiteNotes(metric="accuracy")
    if suite == PROMOTERS:
        return _named([promoter_task(genome, bases or LENGTH)], wanted), SuiteNotes()
    if suite == EXAMPLE:
        return _named(question_tasks(*EXAMPLE_TABLES), wanted), SuiteNotes()
    of_suite = read_notes(notes) if notes else SuiteNotes()
    return read_tasks(Path(suite), of_suite, wanted), of_suite


def check_once(option: str, values: Iterable[object]) -> None:
    """UserError for a value of an option that is there twice: its figures would have one place."""
    for value, times in Counter(values).items():
        if times > 1:
            raise UserError(f"{option}: {value} is named {times} times; each needs a name of its own.")


def check_output(output: Path, suite: str) -> None:
    """Make the folder; UserError if its tables would be taken for the suite's, or lie among them."""
    folder = Path(suite).resolve()
    if suite not in OURS and output.resolve().is_relative_to(folder):
        raise UserError(f"--output {output} lies in the suite's folder {suite}; choose one outside.")
    if suite not in OURS and output.resolve() == folder.parent:
        raise UserError(f"--output {output} is the folder that {suite} lies in; choose another.")
    output.mkdir(parents=True, exist_ok=True)


def _named(tasks: Sequence[Task], wanted: Sequence[str] | None) -> list[Task]:
    known = {task.name: task for task in tasks}
    for name in wanted or ():
        if name not in known:
            raise UserError(f"--tasks: no task '{name}'; there are: {', '.join(known)}.")
    return [known[name] for name in wanted or known]
