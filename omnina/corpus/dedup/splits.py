"""Which side of a split a group is on: a function of the group's name and the seed alone.

Parallel tasks agree without talking, a group is never on two sides, and a group that is added moves no other.
A group is whatever must not be split: an accession, a taxon, or a cluster of near-duplicates, whose name is
the smallest digest in it (``clustering``). Shares hold on average over groups of like size:
of G groups a share s gets s G, give or take sqrt(G s (1 - s)): 100 +- 10 of 10,000 at 1 %.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from omnina.corpus.seeded_order import seeded_key

PUBLISHED_SHARES = {"train": 0.98, "validation": 0.01, "test": 0.01}


@dataclass(frozen=True)
class SplitRule:
    """Shares by name of the side, adding up to 1, and the seed that draws.

    Raises ValueError for shares that do not add up or are negative.
    """

    seed: int = 0
    shares: Mapping[str, float] = field(default_factory=lambda: dict(PUBLISHED_SHARES))

    def __post_init__(self) -> None:
        wrong = [side for side, share in self.shares.items() if not 0 <= share <= 1]
        if wrong:
            raise ValueError(f"the share of '{wrong[0]}' ({self.shares[wrong[0]]}) must be from 0 to 1")
        total = math.fsum(self.shares.values())
        if not math.isclose(total, 1, abs_tol=1e-9):
            raise ValueError(f"the shares ({dict(self.shares)}) add up to {total:g}; they must add up to 1")

    def side(self, group: str) -> str:
        """The side of all that belongs to ``group``."""
        return self.side_at(int.from_bytes(seeded_key(self.seed, group)[:8]))

    def side_at(self, place: int) -> str:
        """The side of a group whose seeded key begins with these 64 bits, uniform over groups."""
        place /= 2**64
        reached = 0.0
        for side, share in self.shares.items():
            reached += share
            if place < reached:
                return side
        # The shares add up to 1 only within rounding; what is left at the end belongs to the last share.
        return [side for side, share in self.shares.items() if share][-1]
