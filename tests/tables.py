"""Tables that tests make."""

import csv
import random
from pathlib import Path


def write_table(path: Path, rows: list[dict[str, str]]) -> Path:
    """A CSV with the first row's keys as its header."""
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)
    return path


def random_dna(length: int, seed: int = 0) -> str:
    """Uniform bases."""
    return "".join(random.Random(seed).choices("ACGT", k=length))
