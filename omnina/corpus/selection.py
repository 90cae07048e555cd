"""Which entries go into which table: filters, duplicates, held-out groups, a seeded sample.

Nothing here draws random numbers: entries are taken in the order of a hash of seed and name, which is the
same on every machine and in every version of Python, and moves no other entry when one is added.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Collection, Iterable
from dataclasses import replace

from Bio.Seq import reverse_complement

from omnina.chunking import SequenceRules, filter_reason, parse_cell
from omnina.corpus.entry import Entry

DUPLICATE = "same bases as an earlier entry, or their reverse complement"


def seeded_key(seed: int, name: str) -> bytes:
    """The place of ``name`` in the order that belongs to ``seed``."""
    return hashlib.sha256(f"{seed} {name}".encode()).digest()


def strand_free(sequence: str) -> str:
    """The same string for a sequence and its reverse complement: the one that sorts first."""
    return min(sequence, reverse_complement(sequence))


def with_drop_reasons(entries: Iterable[Entry], rules: SequenceRules) -> list[Entry]:
    """Mark entries that the rules leave out and, of equal sequences, all but the first.

    Entries that have a reason keep it and are no one's duplicate.
    """
    seen: set[str] = set()
    marked = []
    for entry in entries:
        reason = entry.drop_reason or filter_reason(parse_cell(entry.sequence), rules) or ""
        if not reason:
            bases = strand_free(entry.sequence)
            reason = DUPLICATE if bases in seen else ""
            seen.add(bases)
        marked.append(replace(entry, drop_reason=reason))
    return marked


def held_out_groups(entries: Iterable[Entry], share: float, seed: int, never: Collection[str]) -> set[str]:
    """Whole groups, in seeded order, until they hold ``share`` of the entries; none of ``never``."""
    sizes = Counter(entry.group for entry in entries)
    wanted, held_out = share * sizes.total(), set()
    for group in sorted(sizes, key=lambda name: seeded_key(seed, name)):
        if wanted <= 0:
            break
        if group not in never:
            held_out.add(group)
            wanted -= sizes[group]
    return held_out


def seeded_sample(
    entries: Iterable[Entry], budget: int, seed: int, size_of: Callable[[Entry], int]
) -> list[Entry]:
    """RNA genes, then CDS, each in seeded order, up to the first that would exceed ``budget`` (bytes).

    RNA genes come first because a genome has so few that a plain sample would hold none.
    """
    taken = []
    for entry in sorted(entries, key=lambda e: (e.feature == "CDS", seeded_key(seed, e.name))):
        budget -= size_of(entry)
        if budget < 0:  # stop here: to look for a smaller one would favour short genes
            break
        taken.append(entry)
    return taken
