import itertools
import random

from hypothesis import given
from hypothesis import strategies as st
from planted import copy_of, dna, shuffled

from omnina.corpus.dedup.clusters import UnionFind
from omnina.corpus.dedup.neighbours import NeighbourIndex


@given(st.lists(st.tuples(st.sampled_from("abcdefgh"), st.sampled_from("abcdefgh"))), st.randoms())
def test_clusters_do_not_depend_on_the_order_of_pairs(pairs, rng):
    verdicts = []
    for _ in range(2):
        joined = UnionFind("abcdefgh")
        for pair in pairs:
            joined.join(*pair)
        verdicts.append({name: joined.smallest(name) for name in "abcdefgh"})
        rng.shuffle(pairs)
    assert verdicts[0] == verdicts[1]
    assert all(verdicts[0][one] == verdicts[0][other] for one, other in pairs)
    assert all(root <= name for name, root in verdicts[0].items())


def test_families_become_clusters_named_by_their_smallest_member():
    rng = random.Random(5)
    names, sequences = [], {}
    for family in "abc":
        parent = dna(rng, 1500)
        for member in range(5):
            names.append(f"{family}{member}")
            sequences[names[-1]] = copy_of(rng, parent, 0.02) if member else parent
    rng.shuffle(names)
    index = NeighbourIndex((name, sequences[name]) for name in [*names])
    assert index.clusters() == {name: f"{name[0]}0" for name in names}


def test_pairs_are_those_of_families_with_their_identity():
    rng = random.Random(6)
    indexed = {f"i{i}": dna(rng, 2000) for i in range(20)}
    queries = {f"q{i}": copy_of(rng, indexed[f"i{i}"], 0.05) for i in range(5)}
    queries |= {f"s{i}": shuffled(rng, indexed[f"i{i}"]) for i in range(20)}
    index = NeighbourIndex(indexed.items())
    pairs = list(index.near_pairs(iter(queries.items())))
    assert [pair[:2] for pair in pairs] == [(f"q{i}", f"i{i}") for i in range(5)]
    assert all(abs(pair.identity - 0.95) < 0.02 for pair in pairs)


def test_cost_is_that_of_the_docstring_and_short_ones_are_named():
    rng = random.Random(7)
    index = NeighbourIndex([*((str(i), dna(rng, 200 + i)) for i in range(10)), ("guide", dna(rng, 23))])
    assert index.nbytes == 10 * 3200
    assert index.too_short == ["guide"]
    assert index.near(dna(rng, 23)) == []
    assert NeighbourIndex([]).near(dna(rng, 200)) == []
    assert NeighbourIndex([]).clusters() == {}


def test_equal_sequences_are_one_cluster_without_comparing_all_pairs():
    copies = 3000
    index = NeighbourIndex(zip(map(str, range(copies)), itertools.repeat(dna(random.Random(8), 300))))
    assert set(index.clusters().values()) == {"0"}
