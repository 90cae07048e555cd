import numpy as np
import pytest
from Bio.Seq import reverse_complement
from hypothesis import given
from hypothesis import strategies as st

from omnina.corpus.dedup.kmers import ascending_distinct, canonical_kmers, mixed


def number(bases: str) -> int:
    return sum("ACGT".index(base) * 4**place for place, base in enumerate(reversed(bases)))


def one_by_one(sequence: str, k: int) -> list[int]:
    kmers = [sequence[start : start + k] for start in range(len(sequence) - k + 1)]
    clear = [kmer for kmer in kmers if set(kmer) <= set("ACGT")]
    return [min(number(kmer), number(reverse_complement(kmer))) for kmer in clear]


def test_by_hand():
    # AAC = 0,0,1 = 1; its other strand GTT = 2,3,3 = 47. ACT = 0,1,3 = 7; AGT = 0,2,3 = 11.
    assert canonical_kmers("AACT", 3).tolist() == [1, 7]
    assert canonical_kmers("AACNACT", 3).tolist() == [1, 7]
    assert canonical_kmers("AC", 3).tolist() == []
    assert canonical_kmers("", 3).tolist() == []


@given(st.text(alphabet="ACGTN", max_size=60), st.integers(1, 16))
def test_equal_to_one_by_one(sequence, k):
    assert canonical_kmers(sequence, k).tolist() == one_by_one(sequence, k)


@given(st.text(alphabet="ACGTRYN", max_size=60), st.integers(1, 16))
def test_other_strand_has_the_same_kmers_backwards(sequence, k):
    backwards = canonical_kmers(reverse_complement(sequence), k)[::-1]
    assert np.array_equal(canonical_kmers(sequence, k), backwards)


@pytest.mark.parametrize("dtype", [np.uint32, np.uint64])
def test_mixed_is_a_bijection_that_leaves_its_argument(dtype):
    values = np.arange(100_000, dtype=dtype)
    hashes = mixed(values)
    assert len(set(hashes.tolist())) == len(values)
    assert np.array_equal(values, np.arange(100_000))
    # Half of the 64 bits are set on average: 32 with a standard deviation of 4 / sqrt(100,000) = 0.013.
    assert abs(np.bitwise_count(hashes).mean() - 32) < 0.06


@given(st.lists(st.integers(0, 9)))
def test_ascending_distinct(values):
    assert ascending_distinct(np.array(values, dtype=np.uint32)).tolist() == sorted(set(values))
