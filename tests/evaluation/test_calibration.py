import numpy as np
import pytest

from omnina.evaluation.calibration import FEWEST_ROWS, Calibration, fit_calibration, fit_temperature
from omnina.inference.scoring import normalised

LABELS = list("abcde")


def drawn(rows: int, temperature: float, seed: int = 0, spread: float = 4.0) -> tuple[np.ndarray, np.ndarray]:
    """Scores (rows, labels), and the places of right labels drawn from them at a temperature."""
    generator = np.random.default_rng(seed)
    scores = generator.normal(size=(rows, len(LABELS))) * spread
    gold = [generator.choice(len(LABELS), p=row) for row in normalised(scores, temperature)]
    return scores, np.array(gold)


def fitted(scores: np.ndarray, gold: np.ndarray) -> Calibration:
    return fit_calibration(scores, [LABELS[place] for place in gold], LABELS)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.5])
def test_the_fitted_temperature_is_the_one_that_the_answers_were_drawn_at(temperature):
    scores, gold = drawn(20_000, temperature)
    assert fit_temperature(scores, scores.argmax(1) == gold) == pytest.approx(temperature, rel=0.08)


@pytest.mark.parametrize("seed", range(5))
def test_rows_with_impossible_labels_never_raise_the_calibration_error(seed):
    """One row in twenty is answered by the label that the model holds for least likely."""
    scores, gold = drawn(600, 1.0, seed)
    spoilt = np.random.default_rng(seed).random(600) < 0.05
    gold[spoilt] = scores[spoilt].argmin(1)
    scores[spoilt] -= 15 * (scores[spoilt] == scores[spoilt].min(1, keepdims=True))
    found = fitted(scores, gold)
    for before, after in (found.calibration_error, found.brier):
        assert after <= before
    assert found.temperature < 3


@pytest.mark.parametrize("seed", range(3))
def test_an_overconfident_model_is_mended(seed):
    found = fitted(*drawn(600, 4.0, seed))
    before, after = found.calibration_error
    assert before > 0.15
    assert after < before / 2
    assert found.temperature == pytest.approx(4, rel=0.3)


@pytest.mark.parametrize("seed", range(8))
def test_no_fit_makes_the_figures_worse(seed):
    found = fitted(*drawn(80, np.exp(np.random.default_rng(seed).normal() / 4), seed))
    for before, after in (found.calibration_error, found.brier, found.held_out_calibration_error or (0, 0)):
        assert after <= before


def test_few_rows_or_one_label_keep_temperature_1():
    scores, gold = drawn(FEWEST_ROWS - 1, 5.0)
    assert fitted(scores, gold).temperature == 1.0
    one = fit_calibration(np.full((100, 1), -3.0), ["a"] * 100, ["a"])
    assert (one.temperature, one.rows) == (1.0, 100)


def test_rows_that_are_all_right_ask_for_no_certainty():
    scores = np.log(np.tile([0.9, 0.1], (60, 1)))
    assert normalised(scores, fit_temperature(scores, np.ones(60, dtype=bool))).max() == pytest.approx(
        61 / 62, abs=1e-3
    )


def test_an_answer_that_is_no_label_counts_as_wrong():
    scores, gold = drawn(600, 1.0)
    answers = ["none of them" if place % 3 == 0 else LABELS[label] for place, label in enumerate(gold)]
    found = fit_calibration(scores, answers, LABELS)
    assert found.temperature > 1.3
    assert found.calibration_error[1] < found.calibration_error[0]
