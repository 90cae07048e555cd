import math
import random

import numpy as np
import pytest

from omnina.markov import PSEUDO_COUNTS, markov_bits_per_base


def test_order_zero_by_hand():
    # 3 A and 1 C counted; p(A) = (3 + 4/4) / (4 + 4) = 1/2, p(G) = 1/8.
    [bits] = markov_bits_per_base(["AAAC"], ["AG"], highest_order=0)
    assert PSEUDO_COUNTS == 4
    assert bits == pytest.approx((1 + 3) / 2)


def test_random_bases_hold_two_bits_and_repeats_none():
    generator = random.Random(0)
    noise = ["".join(generator.choices("ACGT", k=50_000)) for _ in range(2)]
    assert markov_bits_per_base(noise[:1], noise[1:], 3)[3] == pytest.approx(2, abs=0.01)
    assert markov_bits_per_base(["ACGT" * 5000], ["ACGT" * 5000], 2)[2] < 0.01


def test_contexts_do_not_cross_sequences_or_unknown_letters():
    apart = markov_bits_per_base(["AC", "GT"] * 50, ["AC"] * 3, 2)
    with_n = markov_bits_per_base(["ACNGT"] * 50, ["AC"] * 3, 2)
    assert apart == pytest.approx(with_n)


def test_probabilities_of_all_bases_sum_to_one():
    training = ["".join(random.Random(1).choices("ACGT", k=300))]
    context = training[0][10:14]
    total = 0.0
    for base in "ACGT":
        bits = [
            markov_bits_per_base(training, [context + base], 4)[4],
            markov_bits_per_base(training, [context], 4)[4],
        ]
        total += 2 ** -(bits[0] * 5 - bits[1] * 4)
    assert total == pytest.approx(1)
    assert math.isfinite(np.log(total))


def test_validation_without_bases_is_refused():
    with pytest.raises(ValueError, match="no A, C, G or T"):
        markov_bits_per_base(["ACGT"], ["NNNN"])
