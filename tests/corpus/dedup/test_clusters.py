import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from omnina.corpus.dedup import clusters
from omnina.corpus.dedup.clusters import UnionFind

links = st.lists(st.tuples(st.integers(0, 29), st.integers(0, 29)), max_size=40)


def joined(folder, pairs, size=30, at_once=7) -> UnionFind:
    found = UnionFind(size, folder)
    for start in range(0, len(pairs), at_once):
        ends = np.array(pairs[start : start + at_once], dtype=np.uint32)
        found.join(ends[:, 0], ends[:, 1])
    return found


def firsts(pairs, size=30) -> list[int]:
    """One link after another."""
    found = list(range(size))
    for one, other in pairs:
        low, high = sorted((found[one], found[other]))
        found = [low if first == high else first for first in found]
    return found


@given(links, st.randoms(), st.integers(1, 40))
def test_a_root_is_the_smallest_of_all_that_links_connect_in_any_order(tmp_path_factory, pairs, rng, at_once):
    folder = tmp_path_factory.getbasetemp()
    expected = firsts(pairs)
    for _ in range(2):
        found = joined(folder, pairs, at_once=at_once)
        assert found.roots(np.arange(30)).tolist() == expected
        rng.shuffle(pairs)


@given(links, st.integers(1, 31))
def test_links_given_are_all_that_are_no_root(tmp_path_factory, pairs, block):
    found = joined(tmp_path_factory.getbasetemp(), pairs)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(clusters, "BLOCK", block)
        given = np.concatenate(list(found.links())).tolist()
    assert given == [[number, first] for number, first in enumerate(firsts(pairs)) if number != first]


@pytest.mark.parametrize("ends", [lambda n: (n[:-1], n[1:]), lambda n: (n[:1].repeat(len(n)), n)])
@pytest.mark.parametrize("falling", [False, True])
def test_long_chains_and_large_stars_take_few_rounds(tmp_path, monkeypatch, ends, falling):
    numbers = np.arange(100_000, dtype=np.uint32)
    found = UnionFind(len(numbers), tmp_path)
    rounds, roots = [], UnionFind.roots
    monkeypatch.setattr(UnionFind, "roots", lambda one, asked: rounds.append(1) or roots(one, asked))
    found.join(*ends(numbers[::-1] if falling else numbers))
    assert not found.roots(numbers).any()
    assert len(rounds) < 10


def test_nothing_leaves_no_file_and_no_links(tmp_path):
    found = UnionFind(0, tmp_path)
    assert list(found.links()) == list(tmp_path.iterdir()) == []
