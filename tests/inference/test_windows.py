"""Windows of a sequence lose no base, repeat none, and fit."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tables import random_dna

from omnina.chunking import parse_cell
from omnina.inference.windows import fitted_windows


@settings(deadline=None, max_examples=40)
@given(length=st.integers(1, 7000), seed=st.integers(0, 9))
def test_they_are_the_sequence(reader, length, seed):
    bases = random_dna(length, seed)
    windows = fitted_windows(reader.annotating, parse_cell(bases), "a story")
    assert "".join(window.nucleotides.text for window in windows) == bases
    assert [window.start for window in windows] == [
        sum(w.nucleotides.bases for w in windows[:place]) for place in range(len(windows))
    ]
    assert all(len(window.document.input_ids) <= reader.max_length for window in windows)
    assert all(window.document.trimmed_bases == 0 for window in windows)


def test_labelled_sequences_are_not_cut(reader):
    whole = parse_cell("a:ACGT b:GGTTA")
    [window] = fitted_windows(reader.annotating, whole)
    assert window.nucleotides == whole
    with pytest.raises(ValueError, match="labelled sequences of 2004 bases do not fit"):
        fitted_windows(reader.annotating, parse_cell(f"a:{random_dna(2000, 0)} b:ACGT"))


def test_texts_that_leave_no_room(reader):
    with pytest.raises(ValueError, match="leave no room"):
        fitted_windows(reader.annotating, parse_cell("ACGT"), "word " * 500)
