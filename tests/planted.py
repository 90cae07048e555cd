"""Sequences with known twins, drawn with fixed seeds."""

import random

from omnina.corpus.dedup.exact import reverse_complement_bytes


def reverse_complement(sequence: str) -> str:
    return reverse_complement_bytes(sequence.encode()).decode()


def dna(rng: random.Random, bases: int, gc: float = 0.5) -> str:
    return "".join(rng.choices("ACGT", weights=[1 - gc, gc, gc, 1 - gc], k=bases))


def copy_of(rng: random.Random, sequence: str, divergence: float, indels: int = 2) -> str:
    """Substitutions at ``divergence``, ``indels`` bases lost or added, on a random strand."""
    letters = [
        rng.choice([other for other in "ACGT" if other != base]) if rng.random() < divergence else base
        for base in sequence
    ]
    for place in rng.sample(range(len(letters)), indels):
        letters[place] = rng.choice(["", letters[place] + rng.choice("ACGT")])
    copy = "".join(letters)
    return rng.choice([copy, reverse_complement(copy)])


def shuffled(rng: random.Random, sequence: str) -> str:
    """The same bases in random order."""
    return "".join(rng.sample(sequence, len(sequence)))
