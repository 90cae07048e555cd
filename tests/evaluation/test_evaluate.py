"""Evaluations of questions that are hardly a question, and of tables with bad rows."""

import json

import numpy as np
import pytest

from omnina.evaluation import evaluate as module
from omnina.evaluation.evaluate import AskedRow, evaluate, write_evaluation
from omnina.evaluation.run import EVALUATION_FOLDER, is_evaluated
from omnina.inference.answer import Answer
from omnina.inference.questions import Question

ASKED = "Is it a gene?"


def found_for(golds: list[str]):
    """The evaluation of a model that is about certain of yes, beside baselines."""
    rows = [AskedRow("ACGTACGTAC", ASKED, gold) for gold in golds]
    train = [AskedRow("ACGTACGTAA", ASKED, "yes"), AskedRow("CCCCCCCCCC", ASKED, "no")]
    answers = [Answer("yes", 0.9, log_probabilities=np.log([0.1, 0.9])) for _ in rows]
    return evaluate({ASKED: Question(["no", "yes"])}, rows, answers, train)


@pytest.mark.parametrize("golds", [["yes", "yes", "yes"], ["no", "no"], ["yes"], ["no"], ["other"]])
def test_one_class_or_one_row_is_evaluated_and_plotted(tmp_path, golds):
    folder = tmp_path / EVALUATION_FOLDER
    write_evaluation(found_for(golds), folder, [])
    assert is_evaluated(tmp_path)
    results = json.loads((folder / "metrics.json").read_text())["results"][ASKED]
    assert {"OmniNA", "majority", "k-mers"} <= set(results)
    assert results["OmniNA"]["n"] == len(golds)
    assert results["OmniNA"]["auroc_macro"] is None
    plots = {path.name for path in folder.glob("*.png")}
    assert plots == {f"Is_it_a_gene_{kind}.png" for kind in ("confusion", "roc", "pr", "reliability")}
    assert all(name in (folder / "plots.md").read_text() for name in plots)


def test_a_failing_plot_loses_no_figures_and_leaves_the_evaluation_unfinished(tmp_path, monkeypatch):
    folder = tmp_path / EVALUATION_FOLDER
    found = found_for(["yes", "no"])
    write_evaluation(found, folder, [])
    assert is_evaluated(tmp_path)
    (folder / "metrics.json").unlink()

    def failing(*_):
        raise OSError("no space left on device")

    monkeypatch.setattr(module, "plot_question", failing)
    with pytest.raises(OSError, match="no space"):
        write_evaluation(found, folder, [])
    assert json.loads((folder / "metrics.json").read_text())["results"][ASKED]["OmniNA"]["n"] == 2
    assert not is_evaluated(tmp_path)
