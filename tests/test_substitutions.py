"""A substitution changes one base, every base may be it, and the tokens moved are counted by hand."""

import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tables import random_dna
from tokenizers import Tokenizer, models

from omnina.chunking import parse_cell
from omnina.vocabulary.substitutions import (
    STRETCH,
    Substitution,
    SubstitutionSample,
    differing_tokens,
    random_substitution,
    tokens_moved,
)

TOKENS = st.lists(st.integers(0, 2), max_size=8)


@given(TOKENS, TOKENS)
def test_differing_tokens_are_what_no_common_beginning_and_end_can_hold(before, after):
    splits = [
        (first, last)
        for first in range(min(len(before), len(after)) + 1)
        for last in range(min(len(before), len(after)) - first + 1)
        if before[:first] == after[:first] and before[len(before) - last :] == after[len(after) - last :]
    ]
    longest_beginning = max(first for first, _ in splits)
    longest_end = max(last for first, last in splits if first == longest_beginning)
    expected = max(len(before), len(after)) - longest_beginning - longest_end
    assert differing_tokens(before, after) == differing_tokens(after, before) == expected


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ([1, 2, 3], [1, 2, 3], 0),
        ([1, 2, 3], [1, 9, 3], 1),
        ([1, 2, 3], [1, 7, 8, 9, 3], 3),
        ([1, 1, 1], [1, 1], 1),
        ([], [4], 1),
    ],
)
def test_differing_tokens_by_hand(before, after, expected):
    assert differing_tokens(before, after) == expected


@pytest.mark.parametrize(
    ("base", "position", "expected"),
    [
        ("C", 0, 2),  # ACG T -> C CG T
        ("G", 1, 3),  # ACG T -> A G G T
        ("T", 2, 3),  # ACG T -> A C T T
        ("A", 3, 1),  # ACG T -> ACG A
    ],
)
def test_tokens_moved_by_hand(base, position, expected):
    pieces = ["<unk>", " ", "A", "C", "G", "T", "CG", "ACG"]
    merges = [("C", "G"), ("A", "CG")]
    tokenizer = Tokenizer(models.BPE({piece: n for n, piece in enumerate(pieces)}, merges, unk_token="<unk>"))
    assert tokenizer.encode(" ACGT").tokens == [" ", "ACG", "T"]
    assert tokens_moved(tokenizer, Substitution("ACGT", position, base)) == expected


@given(st.text("ACGTN", min_size=1, max_size=30), st.integers(0, 1000))
def test_one_base_changes_and_no_other(bases, seed):
    change = random_substitution(parse_cell(bases), random.Random(seed))
    assert change.bases == bases
    differences = [(old, new) for old, new in zip(bases, change.changed, strict=True) if old != new]
    assert differences == [(bases[change.position], change.base)] and change.base in "ACGT"


def test_every_base_of_every_part_may_be_it():
    cell = parse_cell("gRNA:ACG targetRNA:TTTTT")
    generator = random.Random(0)
    changes = [random_substitution(cell, generator) for _ in range(4000)]
    counts = Counter((change.bases, change.position) for change in changes)
    assert set(counts) == {("ACG", n) for n in range(3)} | {("TTTTT", n) for n in range(5)}
    assert all(400 < count < 600 for count in counts.values())


def test_a_long_sequence_is_looked_at_around_the_change():
    cell = parse_cell(random_dna(10_000))
    generator = random.Random(0)
    positions = set()
    for _ in range(300):
        change = random_substitution(cell, generator)
        assert len(change.bases) == STRETCH and change.bases in cell.text
        positions.add(change.position)
    assert STRETCH // 2 in positions and len(positions) > 50  # those near the ends lie elsewhere


def test_the_sample_is_seeded_bounded_and_fair():
    rows = [parse_cell(random_dna(20, seed)) for seed in range(50)]

    def chosen(seed: int, size: int) -> list[Substitution]:
        sample = SubstitutionSample(size, seed)
        for row in rows:
            sample.offer(row)
        return sample.substitutions()

    assert len(chosen(0, 10)) == 10
    assert len(chosen(0, 10_000)) == 4 * 50
    assert chosen(0, 10) == chosen(0, 10) != chosen(1, 10)
    counts = Counter(change.bases for seed in range(400) for change in chosen(seed, 10))
    assert len(counts) == 50 and all(40 < count < 125 for count in counts.values())  # 80 on average
