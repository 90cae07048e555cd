"""Of equal passages the first in canonical order stays, however the keys are parted."""

import random

import numpy as np
import psutil
import pytest
from corpus_passages import passage

from omnina.corpus import choice
from omnina.corpus.candidate import Candidate
from omnina.corpus.choice import DUPLICATE, KEY, NEAR_DUPLICATE, Choice, duplicates_of, key_runs, place_of
from omnina.corpus.clustering import BYTES_A_PASSAGE, check_memory
from omnina.errors import UserError


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


def test_a_choice_comes_back_from_disk_and_is_asked_unit_by_unit(tmp_path):
    places = np.array([place_of(0, 3), place_of(1, 0), place_of(1, 7)], dtype=np.uint64)
    groups = np.array([(1, 2, place_of(1, 1)), (255, 0, place_of(1, 4))], dtype=KEY)
    Choice(places, np.array([place_of(1, 2)], dtype=np.uint64), groups).save(tmp_path / "choice")
    found = Choice.load(tmp_path / "choice")
    first, second, third = (found.of_unit(unit) for unit in range(3))
    assert [n for n in range(10) if first.reason(n)] == [3]
    assert {n: why for n in range(10) if (why := second.reason(n))} == {
        0: DUPLICATE,
        2: NEAR_DUPLICATE,
        7: DUPLICATE,
    }
    assert {n: name for n in range(10) if (name := second.group(n))} == {
        1: "0000000000000001" + "0000000000000002",
        4: "00000000000000ff" + "0000000000000000",
    }
    assert not any(third.reason(n) or third.group(n) for n in range(10))


def test_clusters_that_do_not_fit_are_refused_with_the_sum():
    free = psutil.virtual_memory().available
    check_memory(10)
    with pytest.raises(UserError, match=r"passages takes about .* GB .* split by accession or taxon"):
        check_memory(2 * free // BYTES_A_PASSAGE)
