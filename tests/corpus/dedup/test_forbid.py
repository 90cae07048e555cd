import random

import pytest
from planted import copy_of, dna, reverse_complement, shuffled
from tables import write_table

from omnina.corpus.choice import mapped
from omnina.corpus.dedup.forbid import ForbiddenSequences, Kind
from omnina.errors import UserError
from omnina.files.durable import write_arrays

GUIDE = "GACGCATAAAGATGAGACGCTGG"  # 23 bases


@pytest.fixture(scope="module")
def world() -> tuple[list[str], ForbiddenSequences]:
    rng = random.Random(11)
    sequences = [*(dna(rng, 600) for _ in range(20)), GUIDE]
    return sequences, ForbiddenSequences.build(sequences)[0]


def test_each_kind_is_told_apart(world):
    sequences, forbidden = world
    rng = random.Random(12)
    assert forbidden.strongest(sequences[3]) == (Kind.EXACT, 1.0, 3)
    assert forbidden.strongest(reverse_complement(sequences[3])) == (Kind.REVERSE_COMPLEMENT, 1.0, 3)
    near = forbidden.strongest(copy_of(rng, sequences[3], 0.05))
    assert (near.kind, near.number) == (Kind.NEAR, 3)
    assert abs(near.similarity - 0.95) < 0.03
    assert forbidden.strongest(shuffled(rng, sequences[3])) is None


def test_an_index_from_disk_answers_as_the_one_in_memory(world, tmp_path):
    sequences, forbidden = world
    write_arrays(tmp_path / "index", forbidden.arrays())
    paths = (tmp_path / "index").glob("*.npy")
    loaded = ForbiddenSequences.from_arrays({path.stem: mapped(path) for path in paths})
    rng = random.Random(13)
    asked = [*sequences, *(copy_of(rng, one, 0.05) for one in sequences), dna(rng, 300)]
    asked += [reverse_complement(one) for one in asked]
    assert [loaded.twins(one) for one in asked] == [forbidden.twins(one) for one in asked]
    assert [loaded.strongest(one) for one in asked] == [forbidden.strongest(one) for one in asked]
    assert (len(loaded), loaded.too_short) == (len(forbidden), forbidden.too_short)


def test_short_ones_are_compared_for_equality_and_named(world):
    sequences, forbidden = world
    assert forbidden.too_short == {20}
    assert forbidden.strongest(GUIDE).kind == Kind.EXACT
    assert forbidden.strongest(reverse_complement(GUIDE)).kind == Kind.REVERSE_COMPLEMENT
    assert forbidden.strongest("T" + GUIDE[1:]) is None
    assert forbidden.twins(GUIDE).only_exact
    assert not forbidden.twins(sequences[0]).only_exact


def test_both_strands_on_the_test_side_are_one_sequence(world):
    sequences, _ = world
    forbidden = ForbiddenSequences.build([sequences[0], reverse_complement(sequences[0])])[0]
    assert len(forbidden) == 1
    assert forbidden.strongest(sequences[0]).kind == Kind.EXACT
    assert forbidden.strongest(reverse_complement(sequences[0])).kind == Kind.EXACT


def test_every_part_of_a_labelled_cell_counts(tmp_path, world):
    sequences, _ = world
    cell = f"gRNA:{GUIDE} targetRNA:{sequences[0]}"
    forbidden = ForbiddenSequences.from_tables([write_table(tmp_path / "test.csv", [{"sequence": cell}])])
    assert forbidden.strongest(GUIDE) and forbidden.strongest(sequences[0].lower().upper())
    assert forbidden.strongest(sequences[1]) is None


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"bases": "ACGT"}, "no column 'sequence'"),
        ({"sequence": "ACGQ"}, r"bad.csv:2: column 'sequence'.*'Q'"),
    ],
)
def test_bad_tables_are_refused(tmp_path, row, message):
    with pytest.raises(UserError, match=message):
        ForbiddenSequences.from_tables([write_table(tmp_path / "bad.csv", [row])])
