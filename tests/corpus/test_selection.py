import pytest
from hypothesis import given
from hypothesis import strategies as st

from omnina.chunking import IUPAC, SequenceRules
from omnina.corpus.entry import Entry
from omnina.corpus.selection import (
    DUPLICATE,
    held_out_groups,
    reverse_complement,
    seeded_sample,
    strand_free,
    with_drop_reasons,
)

SHORTEST = SequenceRules(min_bases=4)


def entry(sequence: str, name: str = "n", group: str = "g", feature="CDS", reason="") -> Entry:
    return Entry("genome", name, group, feature, sequence, "A gene.", reason)


def of_groups(sizes: list[int]) -> list[Entry]:
    return [
        entry("ACGT", name=f"{group}.{number}", group=f"g{group}")
        for group, size in enumerate(sizes)
        for number in range(size)
    ]


@given(st.text(alphabet=IUPAC.replace("U", ""), min_size=1))
def test_reverse_complement_twice_is_the_sequence(sequence):
    assert reverse_complement(reverse_complement(sequence)) == sequence
    assert strand_free(sequence) == strand_free(reverse_complement(sequence))


def test_reverse_complement_of_every_code():
    assert reverse_complement("ACGTRYSWKMBDHVN") == "NBDHVKMWSRYACGT"


@pytest.mark.parametrize(
    ("sequences", "reasons"),
    [
        (["AACC", "AACC"], ["", DUPLICATE]),
        (["AACC", "GGTT"], ["", DUPLICATE]),
        (["AACC", "CCAA"], ["", ""]),
        (["ACC", "ANNC", "ANCN"], ["shorter than 4 bases", "run of 2 or more N", ""]),
    ],
)
def test_reasons(sequences, reasons):
    marked = with_drop_reasons([entry(sequence) for sequence in sequences], SHORTEST)
    assert [one.drop_reason for one in marked] == reasons


def test_dropped_entry_keeps_its_reason_and_makes_no_duplicate():
    marked = with_drop_reasons([entry("AACC", reason="pseudo gene"), entry("AACC")], SHORTEST)
    assert [one.drop_reason for one in marked] == ["pseudo gene", ""]


@given(
    st.lists(st.integers(1, 9), min_size=1, max_size=20),
    st.floats(0, 1),
    st.integers(0, 99),
)
def test_held_out_groups_reach_their_share_by_no_more_than_one_group(sizes, share, seed):
    entries = of_groups(sizes)
    held_out = held_out_groups(entries, share, seed, never=())
    held = sorted((sizes[int(group[1:])] for group in held_out), reverse=True)
    assert sum(held) >= share * len(entries)
    assert not held or sum(held) - max(held) < share * len(entries)


@given(st.lists(st.integers(1, 9), min_size=2, max_size=20), st.integers(0, 99))
def test_groups_to_be_trained_on_are_never_held_out(sizes, seed):
    assert "g0" not in held_out_groups(of_groups(sizes), 1.0, seed, never={"g0"})


@given(st.integers(0, 300), st.integers(0, 99))
def test_sample_fills_its_budget_to_within_one_entry(budget, seed):
    entries = of_groups([20])
    taken = seeded_sample(entries, budget, seed, size_of=lambda one: 10)
    assert len(taken) == min(budget // 10, len(entries))
    assert len({one.name for one in taken}) == len(taken)


def test_sample_depends_on_seed_and_not_on_the_order_of_entries():
    entries = of_groups([50])
    samples = [seeded_sample(e, 10, 0, lambda _: 1) for e in (entries, entries[::-1])]
    assert samples[0] == samples[1]
    assert samples[0] != seeded_sample(entries, 10, 1, lambda _: 1)


def test_sample_takes_rna_genes_first():
    rna = entry("ACGT", name="rna", feature="tmRNA")
    assert seeded_sample([*of_groups([50]), rna], 1, 0, lambda _: 1) == [rna]
