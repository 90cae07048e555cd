from Bio.Seq import reverse_complement
from hypothesis import given
from hypothesis import strategies as st
from strands import strand_free

from omnina.chunking import IUPAC
from omnina.corpus.dedup.exact import (
    KEY_BYTES,
    SeenSequences,
    oriented_key,
    reverse_complement_bytes,
    strand_free_key,
)

sequences = st.text(alphabet=IUPAC.replace("U", ""), min_size=1)


@given(sequences)
def test_both_strands_have_one_key(sequence):
    other = reverse_complement(sequence)
    assert reverse_complement_bytes(sequence.encode()).decode() == other
    assert strand_free_key(sequence) == strand_free_key(other)
    assert len(strand_free_key(sequence)) == KEY_BYTES
    assert (oriented_key(sequence)[1] != oriented_key(other)[1]) == (sequence != other)


@given(sequences, sequences)
def test_keys_are_equal_only_for_the_same_sequence(one, other):
    assert (strand_free_key(one) == strand_free_key(other)) == (strand_free(one) == strand_free(other))


def test_palindrome_is_not_turned():
    assert not oriented_key("GAATTC")[1]


def test_seen_on_either_strand():
    seen = SeenSequences()
    assert seen.add("AACC")
    assert not seen.add("AACC")
    assert not seen.add("GGTT")
    assert "GGTT" in seen and "CCAA" not in seen
    assert len(seen) == 1
