"""Single-base changes, and how many tokens each of them moves.

BPE cuts a sequence from its letters, so a change of one base can move the cuts around it. A tokenizer that
moves few tokens shows a model nearly the same sequence; one that moves many shows another one.
"""

import heapq
import random
from collections.abc import Sequence
from dataclasses import dataclass

from tokenizers import Tokenizer

from omnina.chunking import Nucleotides

STRETCH = 3000  # bases around the change, at most
ROW_CHANGES = 4  # substitutions of a row, at most
BASES = "ACGT"


@dataclass(frozen=True)
class Substitution:
    """A stretch of bases, and the base that takes the place of another in it."""

    bases: str
    position: int
    base: str

    @property
    def changed(self) -> str:
        """The stretch after the change."""
        return self.bases[: self.position] + self.base + self.bases[self.position + 1 :]


class SubstitutionSample:
    """At most ``size`` random substitutions; every row offered has the same chance of one, up to four times.

    The seed and the rows in their order decide it.
    """

    def __init__(self, size: int, seed: int) -> None:
        self._size = size
        self._random = random.Random(f"{seed}/substitutions")
        self._heap: list[tuple[float, Substitution]] = []

    def offer(self, nucleotides: Nucleotides) -> None:
        """Offer a row's sequence."""
        for _ in range(ROW_CHANGES):
            self._offer_once(nucleotides)

    def substitutions(self) -> list[Substitution]:
        """The sample."""
        return [substitution for _, substitution in sorted(self._heap, key=lambda entry: entry[0])]

    def _offer_once(self, nucleotides: Nucleotides) -> None:
        rank = self._random.random()
        seed = self._random.getrandbits(64)
        if len(self._heap) == self._size and -self._heap[0][0] <= rank:
            return
        heapq.heappush(self._heap, (-rank, random_substitution(nucleotides, random.Random(seed))))
        if len(self._heap) > self._size:
            heapq.heappop(self._heap)


def random_substitution(nucleotides: Nucleotides, generator: random.Random) -> Substitution:
    """A change of one base, each as likely as any other, and up to 3,000 bases of its part around it."""
    place = generator.randrange(nucleotides.bases)
    for _, bases in nucleotides.parts:
        if place < len(bases):
            break
        place -= len(bases)
    base = generator.choice([other for other in BASES if other != bases[place]])
    start = max(0, min(place - STRETCH // 2, len(bases) - STRETCH))
    return Substitution(bases[start : start + STRETCH], place - start, base)


def tokens_moved(tokenizer: Tokenizer, substitution: Substitution) -> int:
    """How many tokens differ between the stretch and the changed one, both after a space as in the prompt."""
    stretches = (substitution.bases, substitution.changed)
    before, after = (tokenizer.encode(f" {bases}", add_special_tokens=False).ids for bases in stretches)
    return differing_tokens(before, after)


def differing_tokens(before: Sequence[int], after: Sequence[int]) -> int:
    """Tokens between the longest common beginning and end; of the two sequences the larger number."""
    shorter = min(len(before), len(after))
    first = next((place for place in range(shorter) if before[place] != after[place]), shorter)
    last = 0
    while last < shorter - first and before[-1 - last] == after[-1 - last]:
        last += 1
    return max(len(before), len(after)) - first - last
