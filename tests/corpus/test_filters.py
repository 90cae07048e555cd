import random

import numpy as np
import pytest
from corpus_passages import passage
from hypothesis import given
from hypothesis import strategies as st

from omnina.chunking import IUPAC
from omnina.corpus.complexity import dust_scores, low_complexity_share
from omnina.corpus.filters import Counts, PassageFilters, ambiguous_share
from omnina.errors import UserError

STRICT = {"min_bases": 4, "max_bases": 300, "max_n_run": 1, "max_ambiguous": 0.2, "max_low_complexity": 0.5}


def filters(**limits) -> PassageFilters:
    return PassageFilters.from_yaml_section(STRICT | limits, "corpus.yaml: filters")


def score_by_hand(window: str) -> float:
    """The formula, triplet by triplet."""
    triplets = [window[i : i + 3] for i in range(len(window) - 2) if set(window[i : i + 3]) <= set("ACGT")]
    pairs = sum(triplets.count(one) * (triplets.count(one) - 1) / 2 for one in set(triplets))
    return pairs / max(len(triplets) - 1, 1)


@pytest.mark.parametrize(
    ("sequence", "reason"),
    [
        ("ACGT", None),
        ("ACG", "shorter than 4 bases"),
        ("ACNGTACGT", None),
        ("ACNNACGTACGT", "run of 2 or more N"),
        ("ACGTRYACGT", None),
        ("ACGTRYRACGT", "more than 0.2 of its letters are not A, C, G or T"),
        ("ACGGTTCATGATCCTA" * 19, "longer than 300 bases"),
        ("A" * 300, "more than 0.5 of it is low in complexity"),
        ("AC" * 150, "more than 0.5 of it is low in complexity"),
        ("CAG" * 100, "more than 0.5 of it is low in complexity"),
    ],
)
def test_reasons(sequence, reason):
    assert filters().reason(passage(sequence)) == reason


def test_limits_that_are_not_set_leave_nothing_out():
    only_lengths = PassageFilters.from_yaml_section({"max_bases": None}, "filters")
    assert only_lengths == PassageFilters()
    assert only_lengths.reason(passage("A" * 100_000)) is None
    assert only_lengths.reason(passage("R" * 200)) is None
    assert only_lengths.reason(passage("A" * 199)) == "shorter than 200 bases"


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        ({"min_base": 1}, "filters: unknown key 'min_base'. Did you mean 'min_bases'"),
        ({"min_bases": "200"}, "filters.min_bases: expected a whole number, not '200'"),
        ({"min_bases": None}, "filters.min_bases: expected a whole number, not None"),
        ({"min_bases": 0}, "filters.min_bases: 0 is less than 1"),
        ({"max_n_run": 0.5}, "filters.max_n_run: expected a whole number"),
        ({"max_bases": 3}, r"filters.max_bases \(min_bases: 4\): 3 is less than 4"),
        ({"max_ambiguous": 2}, "filters.max_ambiguous: 2 is not between 0 and 1"),
        ({"max_low_complexity": True}, "filters.max_low_complexity: expected a number, not True"),
    ],
)
def test_mistakes_name_their_place(limits, message):
    with pytest.raises(UserError, match="^corpus.yaml: " + message):
        filters(**limits)


def test_a_section_that_is_no_mapping_is_refused():
    with pytest.raises(UserError, match="filters: expected lines of the form 'key: value'"):
        PassageFilters.from_yaml_section([], "filters")


@given(st.text(alphabet=IUPAC.replace("U", ""), min_size=1))
def test_ambiguous_share_counts_letters(sequence):
    others = sum(letter not in "ACGT" for letter in sequence)
    assert ambiguous_share(sequence) == others / len(sequence)


@given(st.text(alphabet="ACGTN", min_size=1, max_size=300))
def test_scores_are_the_formula_s(sequence):
    places = [*range(0, len(sequence) - 64, 64), max(len(sequence) - 64, 0)]
    expected = [score_by_hand(sequence[place : place + 64]) for place in places]
    np.testing.assert_allclose(dust_scores(sequence), expected)


def test_scores_of_a_long_sequence_are_those_of_its_parts():
    sequence = "".join(random.Random(0).choices("ACGT", k=64 * 5000))
    parts = [dust_scores(sequence[place : place + 640]) for place in range(0, len(sequence), 640)]
    np.testing.assert_array_equal(dust_scores(sequence), np.concatenate(parts))


@pytest.mark.parametrize(
    ("repeat", "score"), [("A", 31.0), ("AC", 930 / 61), ("CAG", 10.0), ("ACGTTA", 290 / 61)]
)
def test_repeats_are_low_in_complexity(repeat, score):
    sequence = repeat * (600 // len(repeat))
    assert dust_scores(sequence) == pytest.approx(score)
    assert low_complexity_share(sequence) == 1


def test_a_repeat_in_half_of_a_sequence_is_half():
    mixed = "".join(random.Random(0).choices("ACGT", k=640))
    assert low_complexity_share(mixed) == 0
    assert low_complexity_share(mixed + "A" * 640) == 0.5


def test_no_gene_of_the_example_tables_is_low_in_complexity(committed_rows):
    genes = [row["sequence"] for rows in committed_rows.values() for row in rows]
    assert max(map(low_complexity_share, genes)) <= 0.25
    limits = PassageFilters(max_ambiguous=0.05, max_low_complexity=0.5)
    assert {limits.reason(passage(gene)) for gene in genes} == {None}


reasons = st.dictionaries(st.sampled_from("abc"), st.integers(1, 9))
counts = st.builds(
    lambda kept, filtered, rejected: Counts.from_json(
        {
            "read": kept + sum(filtered.values()) + sum(rejected.values()),
            "kept": kept,
            "filtered": filtered,
            "rejected": rejected,
        }
    ),
    st.integers(0, 9),
    reasons,
    reasons,
)


@given(counts, counts)
def test_counts_add_up_and_survive_json(one, other):
    both = one + other
    assert both.read == one.read + other.read == both.kept + sum((both.filtered + both.rejected).values())
    assert both == other + one
    assert Counts.from_json(both.as_json()) == both


def test_counts_in_words():
    counts = Counts(kept=2)
    counts.filtered["too short"] += 1
    counts.rejected["no product"] += 3
    assert counts.summary() == "6 passages = 2 kept + 1 filtered (too short) + 3 rejected (no product)"


def test_counts_that_do_not_add_up_are_refused():
    with pytest.raises(ValueError, match="9 passages read, but 1 accounted for"):
        Counts.from_json({"read": 9, "kept": 1, "filtered": {}, "rejected": {}})
