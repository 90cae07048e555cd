"""Sequences and FASTA files that the tests make."""

import random
from pathlib import Path

from omnina.corpus.dedup.exact import reverse_complement_bytes


def dna(bases: int, seed: int) -> str:
    return "".join(random.Random(seed).choices("ACGT", k=bases))


def turned(sequence: str) -> str:
    return reverse_complement_bytes(sequence.encode()).decode()


def fasta(folder: Path, name: str, records: dict[str, str]) -> None:
    text = "".join(f">{accession} gene {accession}\n{bases}\n" for accession, bases in records.items())
    (folder / name).write_text(text)
