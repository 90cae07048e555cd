import numpy as np
from PIL import Image

from omnina.evaluation.curves import question_curves
from omnina.evaluation.evaluate import MODEL as MODEL_NAME
from omnina.evaluation.metrics import Scored
from omnina.evaluation.plots import plot_question
from omnina.evaluation.summary import csv_rows, markdown_table

MODEL = {"n": 10, "accuracy": 0.9, "mcc": 0.8, "auroc_macro": None, "brier": 0.1}
MODEL |= {"interval": {"mcc": (0.7, 0.9)}}
K_MERS = {"n": 10, "accuracy": 0.95, "mcc": 0.85, "auroc_macro": 0.5, "brier": 0.2}


def test_the_table_marks_the_best_whoever_has_it():
    text = markdown_table({"Which?": {"OmniNA": MODEL, "k-mers": K_MERS}})
    assert "| OmniNA | 0.900 | 0.800 [0.70-0.90] | - | **0.100** |" in text
    assert "| k-mers | **0.950** | **0.850** | **0.500** | 0.200 |" in text
    assert "**Better than OmniNA here** (MCC 0.800): k-mers (0.850)." in text


def test_no_baseline_is_better():
    text = markdown_table({"Which?": {"OmniNA": MODEL, "majority": K_MERS | {"mcc": 0.0}}})
    assert "No baseline has a higher MCC than OmniNA here." in text


def test_long_rows():
    rows = csv_rows({"Which?": {"OmniNA": MODEL}})
    place = {"question": "Which?", "system": "OmniNA", "metric": "mcc"}
    assert place | {"value": 0.8, "low": 0.7, "high": 0.9} in rows
    assert len(rows) == 5


def test_plots_are_drawn_for_two_and_for_many_classes(tmp_path):
    generator = np.random.default_rng(0)
    for classes in (2, 20):
        labels = [f"label {place}" for place in range(classes)]
        gold = [labels[place] for place in generator.integers(0, classes, 100)]
        scored = Scored(gold, labels, generator.dirichlet(np.ones(classes), 100))
        curves = question_curves(MODEL_NAME, {MODEL_NAME: scored, "k-mers": scored})
        plot_question(curves, "Which?", tmp_path, f"q{classes}")
    names = {path.name for path in tmp_path.iterdir()}
    kinds = ("confusion", "roc", "pr", "reliability")
    assert names == {f"q{classes}_{kind}.png" for classes in (2, 20) for kind in kinds}
    for path in tmp_path.iterdir():
        with Image.open(path) as image:
            assert len(image.convert("RGB").getcolors(1_000_000)) > 20
