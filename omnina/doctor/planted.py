"""Planted data: tables whose best possible loss is known, and which any machine learns in a minute.

Each sequence has a dominant base, drawn for it; each of its bases is that one with probability DOMINANT, or
one of the other three. The annotation names it. Whoever reads the sequence so far can do no better than the
rule of Bayes over the four, so its bits per base are a floor. A model that sees no earlier token has 2 bits;
one to which documents of a batch leak mixes up their dominant bases, one that sees what is yet to come goes
below the floor.
"""

import csv
import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

BASES = {"A": "adenine", "C": "cytosine", "G": "guanine", "T": "thymine"}
DOMINANT = 0.8
LENGTH = 120  # bases
TRAIN_ROWS, VALIDATION_ROWS = 1500, 200


@dataclass(frozen=True)
class Optimum:
    """The least losses on the validation rows: of a sequence, and of its annotation.

    Attributes:
        bits_per_base: of bases, each given those before it.
        annotation_nats: per row, of its annotation given its sequence.
    """

    bits_per_base: float
    annotation_nats: float


def write_tables(train: Path, validation: Path, seed: int = 0) -> Optimum:
    """Write both tables; the optimum on the second."""
    generator = random.Random(seed)
    _write(train, _rows(generator, TRAIN_ROWS))
    rows = _rows(generator, VALIDATION_ROWS)
    _write(validation, rows)
    return optimum(rows)


def optimum(rows: Sequence[tuple[str, str]]) -> Optimum:
    """From (sequence, its dominant base) of each row."""
    nats = annotation = 0.0
    for sequence, base in rows:
        logs = {b: _log_likelihood(sequence, b) for b in BASES}
        together = math.log(sum(math.exp(value) for value in logs.values()) / len(BASES))
        nats -= together
        annotation -= logs[base] - math.log(len(BASES)) - together
    bases = sum(len(sequence) for sequence, _ in rows)
    return Optimum(nats / math.log(2) / bases, annotation / len(rows))


def _log_likelihood(sequence: str, dominant: str) -> float:
    """Log p(sequence | its dominant base); some -80, so that exp of it is a float."""
    count = sequence.count(dominant)
    return count * math.log(DOMINANT) + (len(sequence) - count) * math.log((1 - DOMINANT) / 3)


def _rows(generator: random.Random, count: int) -> list[tuple[str, str]]:
    drawn = generator.choices(list(BASES), k=count)
    return [(_sequence(generator, base), base) for base in drawn]


def _sequence(generator: random.Random, dominant: str) -> str:
    weights = [DOMINANT if base == dominant else (1 - DOMINANT) / 3 for base in BASES]
    return "".join(generator.choices(list(BASES), weights, k=LENGTH))


def _write(path: Path, rows: Sequence[tuple[str, str]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(("sequence", "response"))
        writer.writerows((sequence, f"Mostly {BASES[base]}.") for sequence, base in rows)
