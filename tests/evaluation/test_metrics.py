import tracemalloc

import numpy as np
import pytest

from omnina.evaluation import bootstrap
from omnina.evaluation.bootstrap import bootstrap_intervals, mean_intervals, resampled_metrics
from omnina.evaluation.metrics import (
    Scored,
    classification_metrics,
    free_text_metrics,
    per_class_metrics,
    token_f1,
)


def table(gold: str, yes: list[float]) -> Scored:
    """Labels n and y with these probabilities of y."""
    return Scored(list(gold), ["n", "y"], np.array([[1 - p, p] for p in yes]))


def many_classes(rows: int = 300, classes: int = 6) -> Scored:
    generator = np.random.default_rng(0)
    labels = [f"label {place}" for place in range(classes)]
    gold = generator.integers(0, classes, rows)
    scores = generator.normal(size=(rows, classes))
    scores[np.arange(rows), gold] += 1
    weights = np.exp(np.round(scores, 1))  # rounded: many ties
    names = [labels[place] for place in gold[:-4]] + ["never seen"] * 4
    return Scored(names, labels, weights / weights.sum(1, keepdims=True))


def test_two_classes_by_hand():
    """y y y n n, answered y y n n y: 2 of 3 y and 1 of 2 n are right."""
    found = classification_metrics(table("yyynn", [0.9, 0.8, 0.4, 0.1, 0.7]))
    assert found["n"] == 5
    assert found["accuracy"] == found["f1_micro"] == pytest.approx(3 / 5)
    assert found["balanced_accuracy"] == found["recall_macro"] == pytest.approx((2 / 3 + 1 / 2) / 2)
    assert found["specificity_macro"] == pytest.approx((1 / 2 + 2 / 3) / 2)
    assert found["precision_macro"] == pytest.approx((2 / 3 + 1 / 2) / 2)
    assert found["f1_macro"] == pytest.approx((2 / 3 + 1 / 2) / 2)
    assert found["mcc"] == pytest.approx((2 * 1 - 1 * 1) / np.sqrt(3 * 3 * 2 * 2))
    assert found["auroc_macro"] == pytest.approx(5 / 6)  # of 6 pairs, only 0.4 stands below 0.7
    squares = [0.01, 0.04, 0.36, 0.01, 0.49]
    assert found["brier"] == pytest.approx(2 * sum(squares) / 5)


def test_average_precision_by_hand():
    """For y: ranks y y n y n give (1 + 1 + 3/4) / 3; for n: ranks n y n y y give (1 + 2/3) / 2."""
    found = classification_metrics(table("yyynn", [0.9, 0.8, 0.4, 0.1, 0.7]))
    assert found["average_precision_macro"] == pytest.approx(((1 + 1 + 3 / 4) / 3 + (1 + 2 / 3) / 2) / 2)


def test_calibration_error_by_hand():
    """Two answers at 0.9 of which one is right, two at 0.65 of which one is."""
    found = classification_metrics(table("ynny", [0.9, 0.9, 0.65, 0.65]))
    assert found["calibration_error"] == pytest.approx((2 * 0.4 + 2 * 0.15) / 4)


def test_ties_count_half_in_the_area():
    assert classification_metrics(table("yn", [0.5, 0.5]))["auroc_macro"] == 0.5
    assert classification_metrics(table("yynn", [0.8, 0.5, 0.5, 0.2]))["auroc_macro"] == pytest.approx(
        3.5 / 4
    )


def test_a_class_that_is_absent_from_the_right_answers():
    probabilities = np.array([[0.8, 0.1, 0.1], [0.1, 0.8, 0.1], [0, 0, 1]])
    found = classification_metrics(Scored(["a", "b", "a"], ["a", "b", "c"], probabilities))
    assert found["accuracy"] == pytest.approx(2 / 3)
    assert found["balanced_accuracy"] == pytest.approx((1 / 2 + 1) / 2)
    assert found["precision_macro"] == pytest.approx((1 + 1 + 0) / 3)  # c is predicted, so it counts
    assert found["auroc_macro"] is not None


def test_one_class_alone_has_no_areas():
    scored = table("yy", [0.9, 0.8])
    found = classification_metrics(scored)
    assert (found["accuracy"], found["mcc"]) == (1.0, 0.0)
    assert found["auroc_macro"] is None
    assert found["average_precision_macro"] is None
    assert bootstrap_intervals(scored, 20)["auroc_macro"] is None


def test_an_answer_outside_the_labels_is_always_wrong():
    assert classification_metrics(Scored(["a", "b"], ["a", "b"], np.eye(2)))["accuracy"] == 1
    outside = Scored(["a", "z"], ["a", "b"], np.eye(2))
    found = classification_metrics(outside)
    assert found["accuracy"] == 0.5
    assert found["brier"] == pytest.approx((0 + 2) / 2)
    assert [row["label"] for row in per_class_metrics(outside)] == ["a", "b", "z"]


def test_classes_add_up():
    scored = many_classes()
    rows = per_class_metrics(scored)
    assert sum(row["n"] for row in rows) == sum(row["predicted"] for row in rows) == 300
    found = classification_metrics(scored)
    for name in ("precision", "recall", "specificity", "f1"):
        assert np.mean([row[name] for row in rows]) == pytest.approx(found[f"{name}_macro"])


@pytest.mark.parametrize("scored", [many_classes(), table("yyynn", [0.9, 0.8, 0.4, 0.1, 0.7])])
def test_taking_each_row_once_gives_the_metrics_themselves(scored):
    found = resampled_metrics(scored, np.ones((1, len(scored.gold))))
    for name, value in classification_metrics(scored).items():
        if name != "n":
            assert found[name][0] == pytest.approx(value, abs=1e-12), name


def test_a_weight_of_two_is_the_row_twice():
    scored = many_classes(40)
    weights = np.random.default_rng(1).integers(0, 4, (3, 40))
    found = resampled_metrics(scored, weights)
    for index, of_rows in enumerate(weights):
        places = np.repeat(np.arange(40), of_rows)
        drawn = Scored([scored.gold[p] for p in places], scored.labels, scored.probabilities[places])
        for name, value in classification_metrics(drawn).items():
            if name != "n":
                assert found[name][index] == pytest.approx(value, abs=1e-12), name


def test_intervals_hold_the_value_and_depend_on_the_seed_alone():
    scored = many_classes()
    intervals = bootstrap_intervals(scored, 200, seed=3)
    for name, value in classification_metrics(scored).items():
        if name not in ("n", "calibration_error"):  # resampling rows inflates calibration errors
            low, high = intervals[name]
            assert low < value < high, name
    assert intervals == bootstrap_intervals(scored, 200, seed=3) != bootstrap_intervals(scored, 200, seed=4)


def test_free_text_by_hand():
    assert free_text_metrics(["a b c", "x "], ["A b", " x"], {"x", "y"}) == {
        "n": 2,
        "exact_match": 0.5,
        "token_f1": pytest.approx((2 * 2 / 5 + 1) / 2),
        "outside_label_set": 0.5,
    }
    assert free_text_metrics(["a"], ["b"], None)["outside_label_set"] is None


@pytest.mark.parametrize(
    ("gold", "found", "f1"),
    [("", "", 1), ("a", "", 0), ("a a b", "a b b", 2 / 3), ("A", "a", 1), ("a", "b", 0)],
)
def test_token_f1(gold, found, f1):
    assert token_f1(gold, found) == pytest.approx(f1)


def test_intervals_do_not_depend_on_how_many_resamples_are_computed_together(monkeypatch):
    scored = many_classes()
    texts = {"exact_match": np.random.default_rng(0).random(300)}
    whole = bootstrap_intervals(scored, 50), mean_intervals(texts, 50)
    monkeypatch.setattr(bootstrap, "CELLS", 1000)  # three resamples of 300 rows
    parts = bootstrap_intervals(scored, 50), mean_intervals(texts, 50)
    for one, other in zip(whole, parts, strict=True):
        assert one.keys() == other.keys()
        for name, interval in one.items():
            assert other[name] == pytest.approx(interval, abs=1e-12)


def test_memory_of_the_bootstrap_does_not_grow_with_the_resamples():
    generator = np.random.default_rng(0)
    labels = [str(place) for place in range(5)]
    gold = [labels[place] for place in generator.integers(0, 5, 2000)]
    scored = Scored(gold, labels, generator.dirichlet(np.ones(5), 2000))
    bootstrap_intervals(scored, 1)  # what is cached with the rows
    peaks = []
    for resamples in (600, 2400):
        tracemalloc.start()
        bootstrap_intervals(scored, resamples)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.1 * peaks[0]


def test_the_interval_of_a_mean_is_that_of_resampled_rows():
    values = np.random.default_rng(0).random(400)
    low, high = mean_intervals({"mean": values}, 2000)["mean"]
    half_width = 1.96 * values.std() / np.sqrt(400)
    assert low == pytest.approx(values.mean() - half_width, rel=0.02)
    assert high == pytest.approx(values.mean() + half_width, rel=0.02)
