import random

import numpy as np
import pytest
from planted import dna, reverse_complement

from omnina.corpus.dedup.sketch import (
    DEFAULT,
    SketchSettings,
    band_keys,
    identity_of_jaccard,
    jaccard,
    signature,
)


@pytest.mark.parametrize("bases", [62, 100, 1000, 9000])
def test_both_strands_have_one_signature(bases):
    sequence = dna(random.Random(bases), bases)
    assert np.array_equal(signature(sequence), signature(reverse_complement(sequence)))


@pytest.mark.parametrize("overlap", [0, 1000, 2000, 2700, 3000])
def test_agreement_estimates_the_jaccard_index(overlap):
    rng = random.Random(overlap)
    errors = []
    for _ in range(20):
        shared = dna(rng, overlap)
        one, other = (shared + dna(rng, 3000 - overlap) for _ in range(2))
        kmers = max(0, overlap - DEFAULT.k + 1)
        expected = kmers / (2 * (3000 - DEFAULT.k + 1) - kmers)
        errors.append(float(jaccard(signature(one), signature(other))) - expected)
    # One estimate has a standard deviation of at most 0.5 / sqrt(320) = 0.028; the mean of 20, of 0.0063.
    assert abs(np.mean(errors)) < 0.02


def test_too_few_kmers_give_no_signature():
    assert signature("ACGT" * 5) is None
    assert signature("A" * 1000) is None  # one k-mer, however often
    assert signature("N" * 1000) is None


def test_bands_of_equal_values_have_different_keys():
    keys = band_keys(np.full((3, DEFAULT.values), 7, dtype=np.uint32), range(DEFAULT.bands), DEFAULT)
    assert keys.shape == (DEFAULT.bands, 3)
    assert len(set(keys[:, 0].tolist())) == DEFAULT.bands


def test_a_bands_key_is_that_of_its_own_values():
    signatures = np.arange(2 * DEFAULT.values, dtype=np.uint32).reshape(2, -1)
    keys = band_keys(signatures, range(DEFAULT.bands), DEFAULT)
    assert np.array_equal(band_keys(signatures, range(7, 12), DEFAULT), keys[7:12])
    signatures[1, 2 * 9 + 1] += 1
    changed = band_keys(signatures, range(DEFAULT.bands), DEFAULT) != keys
    assert np.argwhere(changed).tolist() == [[9, 1]]


@pytest.mark.parametrize("divergence", [0.0, 0.01, 0.05, 0.1])
def test_identity_is_the_inverse_of_survival(divergence):
    survives = (1 - divergence) ** DEFAULT.k
    assert identity_of_jaccard(survives / (2 - survives), DEFAULT.k) == pytest.approx(1 - divergence)


def test_arithmetic_of_the_docstring():
    assert [round(DEFAULT.candidate_recall(d), 2) for d in (0.01, 0.05, 0.1)] == [1.0, 1.0, 0.93]


@pytest.mark.parametrize(
    "wrong", [{"k": 17}, {"k": 3}, {"bands": 0}, {"rows": 0}, {"min_identity": 0.0}, {"min_identity": 1.1}]
)
def test_impossible_settings_are_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        SketchSettings(**wrong)
