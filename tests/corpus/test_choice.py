"""Of equal passages the first in canonical order stays, however the keys are parted."""

import random

import numpy as np
import pytest
from corpus_passages import passage
from hypothesis import given
from hypothesis import strategies as st

from omnina.corpus import choice
from omnina.corpus.candidate import Candidate
from omnina.corpus.choice import KEY, Walk, duplicates_of, key_runs, place_of, stretches


@pytest.fixture
def candidates() -> list[Candidate]:
    """200 passages of 40 different sequences in 5 units; every seventh is left out by a filter."""
    generator = random.Random(5)
    different = ["".join(generator.choices("ACGT", k=30)) for _ in range(40)]
    made = [Candidate(n // 40, n % 40, passage(generator.choice(different))) for n in range(200)]
    for one in made[::7]:
        one.left_out = "short"
    return made


@pytest.mark.parametrize("run_keys, part_keys", [(1 << 20, 4 << 20), (7, 4 << 20), (7, 9), (1, 1)])
def test_duplicates_are_all_but_the_first(candidates, monkeypatch, run_keys, part_keys):
    monkeypatch.setattr(choice, "RUN_KEYS", run_keys)
    monkeypatch.setattr(choice, "PART_KEYS", part_keys)
    seen, expected = set(), []
    for one in candidates:
        if one.kept and one.item.sequence in seen:
            expected.append(place_of(one.unit, one.number))
        seen |= {one.item.sequence} if one.kept else set()
    halves = candidates[::2], candidates[1::2]  # two tasks
    runs = [run for half in halves for run in key_runs(half, lambda unit: "")]
    assert sum(map(len, runs)) == sum(one.kept for one in candidates)
    assert duplicates_of(runs).tolist() == expected
    assert len(expected) > 100


def test_a_passage_of_one_table_is_no_duplicate_of_another_s(candidates):
    def duplicates(candidates, table) -> set[int]:
        return set(duplicates_of(list(key_runs(candidates, table))).tolist())

    first, second = candidates[:80], candidates[80:]  # two units and three
    alone = duplicates(first, lambda unit: "") | duplicates(second, lambda unit: "")
    assert duplicates(candidates, lambda unit: "first" if unit < 2 else "second") == alone
    assert duplicates(candidates, lambda unit: "same") == duplicates(candidates, lambda unit: "") > alone


def test_nothing_has_no_duplicates():
    assert duplicates_of([]).tolist() == []
    assert list(key_runs([], str)) == []


def test_stretches_hold_every_key_in_order_and_a_digest_in_one(candidates, monkeypatch):
    monkeypatch.setattr(choice, "RUN_KEYS", 7)
    monkeypatch.setattr(choice, "PART_KEYS", 9)
    runs = list(key_runs(candidates, lambda unit: ""))
    rising = list(stretches(runs))
    assert len(rising) > 5
    assert np.concatenate(rising).tolist() == np.sort(np.concatenate(runs), order=KEY.names).tolist()
    assert [one.tolist() for one in stretches(runs, falling=True)] == [one.tolist() for one in rising[::-1]]
    digests = [{(high, low) for high, low, _ in one.tolist()} for one in rising]
    assert sum(map(len, digests)) == len(set.union(*digests))


@given(st.sets(st.integers(0, 50)), st.integers(0, 50), st.lists(st.integers(0, 50)))
def test_a_walk_finds_what_is_there_from_its_start_on(numbers, first, asked):
    ascending = np.array(sorted(numbers), dtype=np.uint64)
    walk = Walk(ascending, first)
    for number in sorted(one for one in asked if one >= first):
        index = walk.index(number)
        assert (index is not None) == (number in numbers)
        assert index is None or ascending[index] == number
