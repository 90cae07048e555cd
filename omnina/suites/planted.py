"""Tasks whose best possible answer is known: random bases with a signal of a known kind.

Of each the likelihood of a sequence under either label is written down, so the test rows' optimum is the
accuracy of the rule that takes the likelier label (Bayes; ties count by half).

``motif_at_place``    a degenerate motif where a promoter's box would be, against random bases
``motif_on_strand``   a motif anywhere on the strand that is read, against its reverse complement
``motif_any_strand``  a motif anywhere on either strand, against random bases
``motif_pair``        two motifs at one distance, against the same two at another
``codon_period``      a composition that repeats every three bases, in any phase, against its mean everywhere
"""

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from omnina.chunking import reverse_complement
from omnina.suites.task import Example, Task

BASES = "ACGT"
LENGTH = 90
TRAIN_ROWS, VALIDATION_ROWS, TEST_ROWS = 2000, 300, 1000
YES, NO = "yes", "no"
BOX, BOX_PLACE, BOX_KEPT = "TATAAT", 40, 0.85  # the share of the box's bases that are as written
MOTIF = "GATTACAG"
PAIR, PAIR_GAP, OTHER_GAPS = ("TTGACA", "TATAAT"), 17, (11, 14, 20, 23)
CODON = (  # shares of A, C, G, T at each of a codon's three bases
    (0.30, 0.15, 0.42, 0.13),
    (0.36, 0.24, 0.12, 0.28),
    (0.15, 0.30, 0.25, 0.30),
)
MEAN_CODON = tuple(sum(shares) / 3 for shares in zip(*CODON, strict=True))


@dataclass(frozen=True)
class Signal:
    """How rows are made, and how likely a sequence is.

    Attributes:
        name, question: of the task.
        make: a sequence with a label.
        odds: log of p(sequence | yes) / p(sequence | no).
    """

    name: str
    question: str
    make: Callable[[random.Random, str], str]
    odds: Callable[[str], float]


def planted_tasks(seed: int = 0) -> list[Task]:
    """Every task above, its rows drawn with a seed."""
    return [_task(signal, random.Random(f"{signal.name}/{seed}")) for signal in SIGNALS]


def optimum(signal: Signal, rows: Sequence[Example]) -> float:
    """The accuracy of the likelier label on these rows."""
    right = 0.0
    for row in rows:
        odds = signal.odds(row.sequence)
        right += 0.5 if odds == 0 else float((odds > 0) == (row.label == YES))
    return right / len(rows)


def _task(signal: Signal, generator: random.Random) -> Task:
    splits = [
        [Example(signal.make(generator, label), label) for label in (YES, NO) for _ in range(rows // 2)]
        for rows in (TRAIN_ROWS, VALIDATION_ROWS, TEST_ROWS)
    ]
    return Task(signal.name, signal.question, *splits, optimum=optimum(signal, splits[-1]))


def _random_bases(generator: random.Random) -> str:
    return "".join(generator.choices(BASES, k=LENGTH))


def _with(bases: str, motif: str, place: int) -> str:
    return bases[:place] + motif + bases[place + len(motif) :]


def _count(bases: str, motif: str) -> int:
    return sum(bases.startswith(motif, place) for place in range(len(bases)))


def _log_ratio(yes: float, no: float) -> float:
    """Log of yes / no, infinite where one of them cannot be; a sequence that neither makes has 0."""
    if yes == no:
        return 0.0
    return math.log(yes) - math.log(no) if yes > 0 and no > 0 else math.copysign(math.inf, yes - no)


def _make_box(generator: random.Random, label: str) -> str:
    bases = _random_bases(generator)
    if label == NO:
        return bases
    box = "".join(base if generator.random() < BOX_KEPT else generator.choice(BASES) for base in BOX)
    return _with(bases, box, BOX_PLACE)


def _box_odds(bases: str) -> float:
    there = bases[BOX_PLACE : BOX_PLACE + len(BOX)]
    same, other = BOX_KEPT + (1 - BOX_KEPT) / 4, (1 - BOX_KEPT) / 4
    return sum(math.log(4 * (same if a == b else other)) for a, b in zip(there, BOX, strict=True))


def _anywhere(generator: random.Random, motif: str) -> str:
    return _with(_random_bases(generator), motif, generator.randrange(LENGTH - len(motif) + 1))


def _make_on_strand(generator: random.Random, label: str) -> str:
    return _anywhere(generator, MOTIF if label == YES else reverse_complement(MOTIF))


def _on_strand_odds(bases: str) -> float:
    return _log_ratio(_count(bases, MOTIF), _count(bases, reverse_complement(MOTIF)))


def _make_any_strand(generator: random.Random, label: str) -> str:
    if label == NO:
        return _random_bases(generator)
    return _anywhere(generator, generator.choice([MOTIF, reverse_complement(MOTIF)]))


def _any_strand_odds(bases: str) -> float:
    copies = _count(bases, MOTIF) + _count(bases, reverse_complement(MOTIF))
    places = 2 * (LENGTH - len(MOTIF) + 1)
    return _log_ratio(copies * 4 ** len(MOTIF) / places, 1.0)


def _make_pair(generator: random.Random, label: str) -> str:
    gap = PAIR_GAP if label == YES else generator.choice(OTHER_GAPS)
    first, second = PAIR
    place = generator.randrange(LENGTH - len(first) - gap - len(second) + 1)
    return _with(_with(_random_bases(generator), first, place), second, place + len(first) + gap)


def _pair_odds(bases: str) -> float:
    def likelihood(gap: int) -> float:
        first, second = PAIR
        places = LENGTH - len(first) - gap - len(second) + 1
        shift = len(first) + gap
        found = sum(
            bases.startswith(first, place) and bases.startswith(second, place + shift)
            for place in range(places)
        )
        return found / places

    others = sum(likelihood(gap) for gap in OTHER_GAPS) / len(OTHER_GAPS)
    return _log_ratio(likelihood(PAIR_GAP), others)


def _make_codons(generator: random.Random, label: str) -> str:
    phase = generator.randrange(3)
    shares = [CODON[(place + phase) % 3] if label == YES else MEAN_CODON for place in range(LENGTH)]
    return "".join(generator.choices(BASES, weights=weights)[0] for weights in shares)


def _codon_odds(bases: str) -> float:
    """The likelihood in three phases, one as likely as another, against that of bases in any order."""
    in_phase = [
        sum(math.log(CODON[(place + phase) % 3][BASES.index(base)]) for place, base in enumerate(bases))
        for phase in range(3)
    ]
    highest = max(in_phase)
    together = highest + math.log(sum(math.exp(value - highest) for value in in_phase) / 3)
    return together - sum(math.log(MEAN_CODON[BASES.index(base)]) for base in bases)


SIGNALS = (
    Signal("motif_at_place", "Is there a box before the start?", _make_box, _box_odds),
    Signal("motif_on_strand", "Is the site on this strand?", _make_on_strand, _on_strand_odds),
    Signal("motif_any_strand", "Is there a site on either strand?", _make_any_strand, _any_strand_odds),
    Signal("motif_pair", "Are both boxes at the right distance?", _make_pair, _pair_odds),
    Signal("codon_period", "Do these bases come in threes?", _make_codons, _codon_odds),
)
