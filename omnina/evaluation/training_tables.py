"""Which tables a checkpoint was fine-tuned on: baselines are trained on the same rows."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from omnina.errors import UserError
from omnina.files.yaml_file import read_yaml
from omnina.tables.table import expand_paths

TABLES_FILE = "training_tables.json"


def record_training_tables(folder: Path, train_files: Sequence[str]) -> None:
    """Write the tables' whole paths, so that they are found from any working directory."""
    paths = [str(path.resolve()) for path in expand_paths(train_files)]
    (folder / TABLES_FILE).write_text(json.dumps(paths, indent=2) + "\n", encoding="utf-8")


def training_tables(folder: Path) -> tuple[list[str], str]:
    """The tables of a checkpoint's run that are still there, and else a sentence on why there are none.

    Looked for where they were, then as the run's ``config.yaml`` names them, from the working directory (a
    checkpoint copied to another machine together with the project).
    """
    known = list(_known_tables(folder))
    for tables in known:
        try:
            expand_paths(tables)
        except UserError:
            continue  # gone from there
        return tables, ""
    if not known:
        return [], f"no baselines: {folder} does not say which tables it was trained on; give --train_files"
    names = ", ".join(known[0])
    return [], f"no baselines: the training tables ({names}) are not here; give --train_files to name them"


def _known_tables(folder: Path) -> Iterator[list[str]]:
    recorded, settings = folder / TABLES_FILE, folder / "config.yaml"
    if recorded.is_file():
        yield json.loads(recorded.read_text(encoding="utf-8"))
    if settings.is_file() and (named := read_yaml(settings).get("train_files")):
        yield named
