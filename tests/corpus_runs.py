"""Corpus runs over records that the tests made."""

import json
from pathlib import Path

import yaml

from omnina.corpus.build import build_corpus
from omnina.corpus.executors import ExecutorSettings
from omnina.tables.table import read_rows

CONFIG = {
    "sources": [{"path": "*.fa", "format": "nt_fasta"}],
    "templates": {"annotations": [{"response": "{annotation}."}]},
    "filters": {"min_bases": 40},
    "split": {"by": "accession", "shares": {"train": 0.6, "val": 0.2, "test": 0.2}, "seed": 1},
    "output": {"format": "csv", "rows_per_shard": 10},
}


def build(records: Path, output: Path, config=CONFIG, tasks=3, workers=1, forbid=(), **settings) -> dict:
    path = records.parent / "corpus.yaml"
    path.write_text(yaml.safe_dump(config))
    executor = ExecutorSettings(tasks=tasks, workers=workers, **settings)
    build_corpus(path, records, output, executor, forbid=forbid)
    return json.loads((output / "manifest.json").read_text())


def contents(folder: Path) -> dict[str, bytes]:
    """All that a run gives; its notes on progress are its own affair."""
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.is_file()}


def rows(folder: Path, split: str = "*") -> list[dict[str, str]]:
    return [row for path in sorted(folder.glob(f"{split}-*-*.csv")) for _, row in read_rows(path)]
