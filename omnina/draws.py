"""What training draws when tables become token ids: the same on every machine, another for every run's seed.

A draw depends on the seed, on what it is of, on its number and on what it is for. Draws for two purposes are
independent of each other: where a window begins tells nothing of its strand.
"""

import random
import zlib
from dataclasses import dataclass


@dataclass(frozen=True)
class Draw:
    """One of several draws.

    Args:
        seed: the run's.
        number: of the draw.
    """

    seed: int
    number: int

    def generator(self, purpose: str, content: bytes) -> random.Random:
        """Random numbers for a purpose, of a row's (or document's) content."""
        return random.Random(f"{purpose} {self.seed} {self.number} {zlib.crc32(content)}")
