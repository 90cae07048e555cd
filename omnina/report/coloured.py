"""A sequence cut into stretches of bases that the model finds about equally likely."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from math import log

LEVELS = 6  # the last one: LEVELS - 1 bits or more
BITS = 1 / log(2)


@dataclass(frozen=True)
class Stretch:
    """Bases with the same level: the whole bits that each costs, at most LEVELS - 1; None: not known."""

    bases: str
    level: int | None


def stretches(bases: str, nats: Sequence[float] | None) -> Iterator[Stretch]:
    """In order, without gaps.

    Args:
        bases: the sequence.
        nats: natural log-probability of each base.
    """
    if nats is None:
        yield Stretch(bases, None)
        return
    levels = [min(int(-value * BITS), LEVELS - 1) for value in nats]
    for level, group in groupby(zip(bases, levels, strict=True), key=lambda pair: pair[1]):
        yield Stretch("".join(base for base, _ in group), level)


def bits_per_base(nats: Sequence[float]) -> float:
    """Their mean."""
    return -sum(nats) * BITS / len(nats)
