"""Near-duplicates that are found on disk are those of the definition, however the files are parted."""

import random

import pytest
from planted import copy_of, dna
from signed import clusters_by_definition, clusters_on_disk

from omnina.corpus.dedup import near_links, signature_files
from omnina.corpus.dedup.sketch import DEFAULT


@pytest.fixture(scope="module")
def units() -> list[list[str | None]]:
    """Families at the border of what is near, repeats, short ones and gaps, in 9 units, one of them empty."""
    rng = random.Random(5)
    made: list[str | None] = [None, "ACGT" * 4, dna(rng, 23)]
    for family in range(40):
        parent = dna(rng, rng.choice((200, 700)), gc=rng.choice((0.5, 0.8)))
        made += [parent, *(copy_of(rng, parent, rng.choice((0.02, 0.12, 0.16))) for _ in range(family % 5))]
    made += ["AC" * 300, "AT" * 30 + dna(rng, 100), *[dna(rng, 300)] * 5]
    rng.shuffle(made)
    parts = [made[start::8] for start in range(8)]
    return [*parts[:3], [], *parts[3:]]


@pytest.fixture(scope="module")
def expected(units) -> list[int]:
    return clusters_by_definition([sequence for unit in units for sequence in unit])


def test_the_families_are_a_test_at_all(expected):
    assert 20 < sum(first != number for number, first in enumerate(expected)) < len(expected) - 30


@pytest.mark.parametrize(
    "tasks, run_rows, part_keys", [(1, 1 << 20, 1 << 20), (4, 1 << 20, 1 << 20), (3, 7, 1 << 20), (2, 9, 10)]
)
def test_clusters_are_those_of_the_definition(
    units, expected, tmp_path, monkeypatch, tasks, run_rows, part_keys
):
    monkeypatch.setattr(signature_files, "RUN_ROWS", run_rows)
    monkeypatch.setattr(signature_files, "BLOCK_ROWS", 5)
    monkeypatch.setattr(near_links, "PART_KEYS", part_keys)
    monkeypatch.setattr(near_links, "COMPARED", 3)
    assert clusters_on_disk(units, tmp_path, tasks) == expected


def test_nothing_has_no_clusters(tmp_path):
    assert clusters_on_disk([], tmp_path, tasks=2) == []
    assert clusters_on_disk([[None, "ACGT"]], tmp_path) == [0, 1]


def test_disk_is_that_of_the_docstring(tmp_path):
    rng = random.Random(7)
    clusters_on_disk([[dna(rng, 200 + n) for n in range(10)]], tmp_path)
    written = sum(path.stat().st_size for path in (tmp_path / "1-0").iterdir())
    assert written == 10 * (4 * DEFAULT.values + 12 * DEFAULT.bands) == 10 * 3200
