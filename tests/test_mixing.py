import numpy as np
import pytest

from omnina.mixing import row_copies
from omnina.packing import StepPlan


def times(copies: np.ndarray, start: int, rows: int) -> np.ndarray:
    return np.bincount(copies, minlength=start + rows)[start : start + rows]


def test_one_temperature_and_equal_weights_take_every_row_once():
    assert row_copies([10, 500, 3], [1, 1, 1], 1.0, seed=0) is None
    assert row_copies([10, 500], [2, 2], 1.0, seed=0) is None


def test_shares_follow_weight_times_size_to_the_inverse_temperature():
    sizes, weights, temperature = [1000, 90, 10], [1.0, 1.0, 2.0], 2.0
    copies = row_copies(sizes, weights, temperature, seed=0)
    starts = [0, 1000, 1090]
    found = np.array([times(copies, s, n).sum() for s, n in zip(starts, sizes, strict=True)])
    wanted = np.array(weights) * np.array(sizes) ** (1 / temperature)
    np.testing.assert_allclose(found / found.sum(), wanted / wanted.sum(), atol=2e-3)


def test_every_row_comes_up_and_rows_of_a_table_differ_by_one_at_most():
    copies = row_copies([300, 40], [1, 1], 3.0, seed=1)
    for start, rows in ((0, 300), (300, 40)):
        often = times(copies, start, rows)
        assert often.min() >= 1
        assert often.max() - often.min() <= 1


def test_the_seed_chooses_which_rows_come_up_once_more():
    first, again, other = (row_copies([300, 40], [1, 1.5], 1.0, seed=seed) for seed in (1, 1, 2))
    assert first.tolist() == again.tolist() != other.tolist()


@pytest.mark.parametrize(("weights", "temperature"), [([1], 1), ([1, 0], 1), ([1, -1], 1), ([1, 1], 0.5)])
def test_weights_and_temperature_that_make_no_sense(weights, temperature):
    with pytest.raises(ValueError, match="train_weights"):
        row_copies([5, 5], weights, temperature, seed=0)


def test_an_epoch_of_steps_holds_every_copy_once():
    lengths = np.random.default_rng(0).integers(5, 60, 200)
    copies = row_copies([150, 50], [1, 3.5], 1.0, seed=0)
    plan = StepPlan(lengths, tokens_per_step=512, seed=0, data_hash="x", copies=copies, block_rows=64)
    epochs = 3
    steps = -(-plan.tokens_per_epoch * epochs // plan.stride)
    seen = np.concatenate([plan.rows(step) for step in range(steps)])[: epochs * len(copies)]
    assert sorted(seen) == sorted(np.tile(copies, epochs))
    assert all(lengths[plan.rows(step)].sum() <= 512 for step in range(steps))
