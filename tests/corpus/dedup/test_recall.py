"""Planted twins found and unrelated pairs not found; ``-s`` prints the table of docs/corpus_dedup.md."""

import random
from functools import cache
from pathlib import Path

import pytest
from planted import copy_of, dna, shuffled
from signed import clusters_on_disk

from omnina.corpus.dedup.containment import ContainmentIndex

PAIRS = 200
SEED = 2026
GC = (0.3, 0.5, 0.7, 0.8)


@cache
def originals(bases: int) -> list[str]:
    rng = random.Random(SEED + bases)
    return [dna(rng, bases, gc=GC[i % len(GC)]) for i in range(PAIRS)]


@cache
def index(bases: int) -> ContainmentIndex:
    return ContainmentIndex.build(originals(bases))


def found_by(bases: int, queries: list[str], folder: Path) -> list[list[set[int]]]:
    """For bands and for containment: the originals that each query is near to."""
    firsts = clusters_on_disk([originals(bases), queries], folder)
    clusters = {first: set() for first in firsts}
    for number, first in enumerate(firsts[:PAIRS]):
        clusters[first].add(number)
    return [
        [clusters[first] for first in firsts[PAIRS:]],
        [set(index(bases).near(query) or ()) for query in queries],
    ]


def recall(found: list[set[int]]) -> float:
    return sum(i in near for i, near in enumerate(found)) / len(found)


# Least recall by bands and by containment. Bands are for whole sequences of some length.
@pytest.mark.parametrize(
    ("bases", "divergence", "least"),
    [
        *[(1000, 0.01, (0.99, 0.99)), (1000, 0.05, (0.95, 0.95)), (1000, 0.10, (0.80, 0.95))],
        *[(3000, 0.01, (0.99, 0.99)), (3000, 0.05, (0.95, 0.95)), (3000, 0.10, (0.80, 0.95))],
        *[(200, 0.01, (0.99, 0.99)), (200, 0.05, (0.95, 0.95)), (200, 0.10, (0.60, 0.70))],
    ],
)
def test_planted_twins_are_found(bases, divergence, least, tmp_path):
    rng = random.Random(SEED + 1)
    indels = max(1, bases // 500)
    queries = [copy_of(rng, one, divergence, indels) for one in originals(bases)]
    shares = [recall(found) for found in found_by(bases, queries, tmp_path)]
    print(f"\n| {bases:,} | {divergence:.0%} | {shares[0]:.3f} | {shares[1]:.3f} |")
    assert shares[0] >= least[0] and shares[1] >= least[1]


@pytest.mark.parametrize("bases", [200, 1000, 3000])
def test_unrelated_and_shuffled_pairs_are_not_found(bases, tmp_path):
    rng = random.Random(SEED + 2)
    queries = [shuffled(rng, one) for one in originals(bases)]
    queries += [dna(rng, bases, gc=GC[i % len(GC)]) for i in range(PAIRS)]
    false = [sum(map(len, found)) for found in found_by(bases, queries, tmp_path)]
    print(f"\n| {bases:,} | false pairs of {PAIRS * len(queries):,}: {false[0]} | {false[1]} |")
    assert max(false) <= 0.001 * PAIRS * len(queries)


@pytest.mark.parametrize(("divergence", "least"), [(0.0, 1.0), (0.05, 0.95), (0.10, 0.70)])
@pytest.mark.parametrize("long_is_indexed", [True, False])
def test_short_one_inside_a_long_one_is_found(divergence, least, long_is_indexed):
    rng = random.Random(SEED + 3)
    inner = [dna(rng, 200) for _ in range(PAIRS)]
    places = [rng.randrange(11_800) for _ in inner]
    outer = [
        dna(rng, place) + one + dna(rng, 11_800 - place) for one, place in zip(inner, places, strict=True)
    ]
    inner = [copy_of(rng, one, divergence, indels=0) for one in inner]
    indexed, queries = (outer, inner) if long_is_indexed else (inner, outer)
    index = ContainmentIndex.build(indexed)
    found = [set(index.near(query) or ()) for query in queries]
    print(
        f"\n| 200 in 12,000 | {divergence:.0%} | long is indexed: {long_is_indexed} | {recall(found):.3f} |"
    )
    assert recall(found) >= least
    assert sum(len(near - {i}) for i, near in enumerate(found)) == 0
