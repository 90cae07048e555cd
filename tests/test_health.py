"""Which steps are left out, and what a checkpoint keeps of them; whole runs are in tests/faults."""

import json
import math
from types import SimpleNamespace

import pytest

from omnina.health import USUAL_STEPS, StepHealth


def warmed(sigmas: float) -> StepHealth:
    """Losses and norms of mean 2 and standard deviation 1."""
    health = StepHealth(sigmas)
    for step in range(USUAL_STEPS):
        assert health.fault(1.0 + 2 * (step % 2), 1.0 + 2 * (step % 2)) is None
    return health


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_is_left_out(value):
    health = StepHealth()
    assert "loss is" in health.fault(value, 1.0)
    assert "gradient norm is" in health.fault(1.0, value)
    assert (health.skipped, health.in_a_row) == (2, 2)
    assert health.fault(1.0, 1.0) is None
    assert (health.skipped, health.in_a_row) == (2, 0)


def test_without_the_guard_any_number_will_do():
    health = StepHealth()
    assert all(health.fault(value, value) is None for value in [1.0] * 200 + [1e30])


def test_a_spike_is_left_out_and_is_not_usual_afterwards():
    health = warmed(6.0)
    for _ in range(3):
        assert health.fault(8.01, 2.0).startswith("the loss is 8.01, more than 6 standard deviations above")
        assert health.fault(2.0, 8.01).startswith("the gradient norm is 8.01")
    assert health.fault(7.99, 7.99) is None
    assert health.skipped == 6


def test_the_guard_waits_until_it_knows_what_is_usual():
    health = StepHealth(6.0)
    assert all(health.fault(1.0, 1.0) is None for _ in range(USUAL_STEPS - 1))
    assert health.fault(1e9, 1e9) is None


def test_a_checkpoint_keeps_what_is_usual():
    health = warmed(6.0)
    health.fault(math.nan, 1.0)
    saved = json.loads(json.dumps(health.state()))
    again = StepHealth(6.0)
    again.on_train_begin(None, SimpleNamespace(stateful_callbacks={"StepHealth": saved}), None)
    assert again.state() == health.state()
    assert (again.skipped, again.in_a_row) == (1, 1)
