"""Documents that stand for a run's own while it is measured, handed to another process in a file."""

from pathlib import Path

import numpy as np


def save_documents(rows: list[dict], path: Path) -> None:
    """Write ``input_ids`` and ``answer_start`` of each row."""
    ids = np.concatenate([np.asarray(row["input_ids"], dtype=np.int64) for row in rows])
    lengths, starts = ([f(row) for row in rows] for f in (length_of, lambda row: int(row["answer_start"])))
    np.savez(path, ids=ids, lengths=np.array(lengths), starts=np.array(starts))


def load_documents(path: Path) -> list[dict]:
    """The rows of ``save_documents``."""
    with np.load(path) as saved:
        ids = np.split(saved["ids"], np.cumsum(saved["lengths"])[:-1])
        return [
            {"input_ids": each, "answer_start": int(start)}
            for each, start in zip(ids, saved["starts"], strict=True)
        ]


def length_of(row: dict) -> int:
    """Tokens of a document."""
    return len(row["input_ids"])
