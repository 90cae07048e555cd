import math
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omnina.corpus.dedup.splits import PUBLISHED_SHARES, SplitRule


@given(st.text(), st.integers(0, 99))
def test_a_group_has_one_side_wherever_it_is_asked(group, seed):
    assert SplitRule(seed).side(group) == SplitRule(seed).side(group)
    assert SplitRule(seed).side(group) in PUBLISHED_SHARES


def test_sides_written_down():
    # So that a split made today is the split made next year.
    assert [SplitRule(0, {"a": 0.5, "b": 0.5}).side(f"NC_{i}") for i in range(8)] == list("ababbaba")


def test_shares_hold_within_chance():
    groups = 20_000
    sides = Counter(SplitRule(3).side(f"accession {i}") for i in range(groups))
    for side, share in PUBLISHED_SHARES.items():
        assert abs(sides[side] - share * groups) < 5 * math.sqrt(groups * share * (1 - share))


def test_seed_moves_groups():
    sides = [[SplitRule(seed, {"a": 0.5, "b": 0.5}).side(str(i)) for i in range(64)] for seed in (0, 1)]
    assert sides[0] != sides[1]


def test_a_larger_test_share_only_adds_groups():
    small, large = (SplitRule(0, {"test": share, "train": 1 - share}) for share in (0.01, 0.1))
    groups = [str(i) for i in range(5000)]
    assert {g for g in groups if small.side(g) == "test"} <= {g for g in groups if large.side(g) == "test"}


def test_share_of_nothing_gets_nothing():
    assert {SplitRule(0, {"train": 1.0, "test": 0.0}).side(str(i)) for i in range(1000)} == {"train"}


@pytest.mark.parametrize("shares", [{"a": 0.5}, {"a": 1.5, "b": -0.5}, {}])
def test_impossible_shares_are_refused(shares):
    with pytest.raises(ValueError, match="share"):
        SplitRule(0, shares)
