"""When a run stops, read from its log."""

from types import SimpleNamespace

import pytest

from omnina.early_stopping import has_stopped


def log(*values: float) -> list[dict]:
    """Losses of training, and the metric at steps 0, 10, 20, ..."""
    validations = [{"eval_mcc": value, "step": 10 * place} for place, value in enumerate(values)]
    return [{"loss": 1.0, "step": 5}, *validations]


def stopped(history: list[dict], patience: int = 2, greater: bool = True, metric: str = "mcc") -> bool:
    args = SimpleNamespace(metric_for_best_model=metric, greater_is_better=greater)
    return has_stopped(history, args, patience)


@pytest.mark.parametrize(
    ("values", "stops"),
    [
        ([0.9], False),
        ([0.9, 0.1, 0.2, 0.3], False),
        ([0.1, 0.5, 0.4], False),
        ([0.1, 0.5, 0.4, 0.5], True),  # as good is no better
        ([0.1, 0.5, 0.4, 0.6, 0.6], False),
        ([0.1, 0.5, 0.4, 0.6, 0.6, 0.6], True),
        ([0.9, 0.2, 0.1, 0.1], True),  # the validation before the first step counts for nothing
        ([0.1, float("nan"), float("nan")], True),
    ],
)
@pytest.mark.parametrize("metric", ["mcc", "eval_mcc"])
def test_it_stops_after_so_many_validations_without_a_better_one(values, stops, metric):
    assert stopped(log(*values), metric=metric) is stops
    assert stopped(log(*(-value for value in values)), greater=False) is stops


def test_a_validation_that_was_made_twice_counts_once():
    history = log(0.1, 0.5, 0.4)
    assert not stopped([*history, history[-1], history[-1]])
