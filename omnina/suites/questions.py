"""Tasks of tables as fine-tuning takes them: one of each question."""

from collections.abc import Sequence
from pathlib import Path

from omnina.errors import UserError
from omnina.metric_names import distinct_names
from omnina.suites.task import COLUMNS, Example, Task, with_validation
from omnina.tables.table import read_rows


def question_tasks(train: Path, test: Path) -> list[Task]:
    """A task of each question of two tables, in the order of the first; a tenth of its rows is held out.

    Args:
        train, test: tables with the columns sequence, question and response.

    Raises UserError for a table that cannot be read, a question that the other table lacks, and as
    ``checked_task`` does; test rows may have answers that training has not.
    """
    rows = {path: _by_question(path) for path in (train, test)}
    for path, other in ((train, test), (test, train)):
        for question in rows[path]:
            if question not in rows[other]:
                raise UserError(f"{other}: no row asks '{question}', which {path} has; a task needs both.")
    # Taxa that were held out may bring answers of their own: whoever does not know them is wrong there.
    return [
        with_validation(name, question, rows[train][question], rows[test][question], all_known=False)
        for question, name in distinct_names(rows[train]).items()
    ]


def _by_question(path: Path) -> dict[str, Sequence[Example]]:
    found: dict[str, list[Example]] = {}
    for _, row in read_rows(path, COLUMNS):
        found.setdefault(row["question"], []).append(Example(row["sequence"], row["response"].strip()))
    return found
