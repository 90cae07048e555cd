import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from omnina.corpus.choice import KEY
from omnina.corpus.draw import filled, first_bytes, shared_of
from omnina.corpus.notes import GROUP, ROW

SHARES = {"train": 0.7, "val": 0.2, "test": 0.1}
sizes = st.lists(st.integers(1, 9), min_size=1, max_size=20)


def passages(sizes: list[int]) -> np.ndarray:
    """GROUP of each passage of groups of these sizes."""
    return np.array([(group, 7) for group, size in enumerate(sizes, 1) for _ in range(size)], GROUP)


@given(sizes, st.floats(0, 1))
def test_held_out_groups_reach_their_share_by_no_more_than_one_group(sizes, share):
    held_out = filled([passages(sizes)], {"train": 1 - share, "val": share}, set())
    held = sorted((sizes[group - 1] for group, _ in held_out), reverse=True)
    assert sum(held) >= share * sum(sizes)
    assert not held or sum(held) - max(held) < share * sum(sizes)


@given(sizes)
def test_groups_to_be_trained_on_are_never_held_out(sizes):
    assert (1, 7) not in filled([passages(sizes)], {"train": 0, "val": 1}, {(1, 7)})


def test_sides_are_filled_for_each_source_and_a_group_has_one_side():
    one, two = passages([1] * 10), passages([1] * 30)
    sides = filled([one, two], SHARES, set())
    # two val and one test of the first source's ten; of the second's thirty those three and four and two more
    expected = ["val", "val", "test", "val", "val", "val", "val", "test", "test"]
    assert [sides.get((group, 7)) for group in range(1, 31)] == expected + [None] * 21


def keys(digests: list[int]) -> np.ndarray:
    return np.array([(digest, 0, number) for number, digest in enumerate(digests)], KEY)


@pytest.mark.parametrize(
    ("digests", "groups", "shared"),
    [
        ([], [], []),
        ([1, 2, 3], [1, 1, 1], []),
        ([1, 1, 1], [1, 1, 1], []),
        ([1, 2, 1, 3], [1, 1, 2, 2], [0, 2]),
        ([5, 5, 5, 4, 4], [2, 1, 2, 3, 3], [0, 1, 2]),
    ],
)
def test_what_several_groups_share_is_found_with_all_its_copies(digests, groups, shared):
    found = shared_of(keys(digests), np.array([(group, 0) for group in groups], GROUP))
    assert found.tolist() == shared


def rows(number: int, size: int = 10, first: int = -1) -> np.ndarray:
    """ROWs in reversed seeded order; ``first`` is one that comes before others."""
    return np.array([(n, 0, 0, n != first, number - n, 0, size) for n in range(number)], ROW)


@given(st.integers(0, 300))
def test_a_sample_fills_its_bytes_to_within_one_row(limit):
    taken = first_bytes(rows(20), limit)
    assert len(taken) == min(limit // 10, 20)
    assert sorted(taken["place"].tolist()) == list(range(20 - len(taken), 20))


def test_a_sample_does_not_depend_on_the_order_in_which_rows_come():
    assert (first_bytes(rows(20), 50) == first_bytes(rows(20)[::-1], 50)).all()


def test_rows_that_come_first_are_taken_first():
    assert first_bytes(rows(20, first=3), 10)["place"].tolist() == [3]


def test_no_smaller_row_is_looked_for():
    pool = rows(3)
    pool["bytes"] = [1, 100, 10]  # in seeded order 10, 100, 1
    assert first_bytes(pool, 50)["place"].tolist() == [2]
