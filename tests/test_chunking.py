import random
from itertools import pairwise

import pytest
from Bio.Seq import Seq
from hypothesis import given
from hypothesis import strategies as st

from omnina.chunking import (
    IUPAC,
    Nucleotides,
    SequenceRules,
    filter_reason,
    parse_cell,
    reverse_complement,
    shifted_windows,
    window_spans,
    windows,
)


@given(length=st.integers(1, 400), window=st.integers(1, 60), data=st.data())
def test_windows_cover_every_base_and_share_the_overlap(length, window, data):
    overlap = data.draw(st.integers(0, window - 1))
    spans = window_spans(length, window, overlap)
    assert spans[0][0] == 0
    assert spans[-1][1] == length
    for (start, end), (next_start, next_end) in pairwise(spans):
        assert end - start == window
        assert start < next_start <= end - overlap
        assert next_end - next_start == window
    assert {base for start, end in spans for base in range(start, end)} == set(range(length))


@given(st.text("ACGTRYKMSWBDHVN", min_size=1, max_size=300), st.integers(5, 50))
def test_windows_rejoin_to_the_sequence(bases, size):
    pieces = windows(parse_cell(bases), SequenceRules(window=size, overlap=0))
    spans = window_spans(len(bases), size, 0)
    rebuilt = list(" " * len(bases))
    for piece, (start, end) in zip(pieces, spans, strict=True):
        rebuilt[start:end] = piece.text
    assert "".join(rebuilt) == bases


@given(st.integers(1, 300), st.integers(5, 50), st.data())
def test_other_cuts_are_full_windows_that_begin_elsewhere(length, size, data):
    overlap = data.draw(st.integers(0, size - 1))
    bases = "".join(data.draw(st.lists(st.sampled_from("ACGT"), min_size=length, max_size=length)))
    rules = SequenceRules(window=size, overlap=overlap)
    pieces = [piece.text for piece in shifted_windows(parse_cell(bases), rules, 2)]
    assert not pieces or length > size
    assert all(len(piece) == size and piece in bases for piece in pieces)
    assert pieces == [piece.text for piece in shifted_windows(parse_cell(bases), rules, 2)]


def starts_of(pieces: list[Nucleotides], bases: str) -> list[int]:
    """Where windows of a sequence that repeats nothing begin."""
    return [bases.index(piece.text) for piece in pieces]


@pytest.mark.parametrize("length", [301, 302, 350, 601, 900, 1200])
def test_no_window_comes_up_twice(length):
    bases = "".join(random.Random(1).choices("ACGT", k=length))
    cell, rules = parse_cell(bases), SequenceRules(window=300, overlap=40)
    starts = starts_of(windows(cell, rules) + shifted_windows(cell, rules, 6), bases)
    assert len(set(starts)) == len(starts)


def test_every_further_cut_is_another_one():
    bases = "".join(random.Random(0).choices("ACGT", k=5000))
    rules = SequenceRules(window=1000)
    starts = starts_of(shifted_windows(parse_cell(bases), rules, 4), bases)
    assert len({start % 1000 for start in starts}) == 3
    assert all(start % 1000 for start in starts)
    assert shifted_windows(parse_cell("a:" + bases), rules, 4) == []  # labelled parts stay whole


@pytest.mark.parametrize(
    ("cell", "text", "uracils"),
    [
        ("acgu", "ACGT", 1),
        (" ACGT\n", "ACGT", 0),
        ("ACGT\r\nNNRY", "ACGTNNRY", 0),
        ("gRNA:gauu  targetRNA:ACGT", "gRNA:GATT targetRNA:ACGT", 2),
    ],
)
def test_cells_as_people_write_them(cell, text, uracils):
    nucleotides = parse_cell(cell)
    assert (nucleotides.text, nucleotides.converted_uracils) == (text, uracils)


@pytest.mark.parametrize(
    ("cell", "reason"),
    [
        ("", "the sequence is empty"),
        ("  \n ", "the sequence is empty"),
        ("MKVLAAGE", "'L' at base 4, which is not a nucleotide code"),
        ("ACGT1234", "'1' at base 5"),
        ("ACG T", "' ' at base 4"),
        ("a:ACGT b:", "the sequence labelled 'b' is empty"),
        ("a:ACGT b:ACXT", "labelled 'b' has 'X' at base 3"),
    ],
)
def test_what_is_not_nucleotides_is_refused(cell, reason):
    with pytest.raises(ValueError, match=reason):
        parse_cell(cell)


def test_base_spans_point_at_the_bases():
    nucleotides = parse_cell("gRNA:GATT targetRNA:ACG")
    assert [nucleotides.text[start:end] for start, end in nucleotides.base_spans] == ["GATT", "ACG"]
    assert nucleotides.shortened(0, 2).text == "gRNA:GA targetRNA:ACG"
    assert nucleotides.shortened(1, 1, start=1).text == "gRNA:GATT targetRNA:C"
    assert nucleotides.bases == 7


def test_filters_of_the_published_recipe():
    rules = SequenceRules()
    assert filter_reason(parse_cell("A" * 199), rules) == "shorter than 200 bases"
    assert filter_reason(parse_cell("A" * 200), rules) is None
    assert filter_reason(parse_cell("A" * 200 + "NAN"), rules) is None
    assert filter_reason(parse_cell("A" * 200 + "NN"), rules) == "run of 2 or more N"


def test_labelled_sequences_stay_whole():
    cell = parse_cell("a:" + "ACGT" * 10 + " b:ACGT")
    assert windows(cell, SequenceRules(window=10)) == [cell]
    assert isinstance(cell, Nucleotides)


def test_overlap_must_be_below_the_window():
    with pytest.raises(ValueError, match="exceed the overlap"):
        SequenceRules(window=10, overlap=10)


@given(st.text(IUPAC.replace("U", "")))
def test_reverse_complement_is_biopythons_and_undoes_itself(bases):
    assert reverse_complement(bases) == str(Seq(bases).reverse_complement())
    assert reverse_complement(reverse_complement(bases)) == bases
