"""Evaluations of questions that are hardly a question, and of tables with bad rows."""

import json

import matplotlib.pyplot as plt
import numpy as np
import pytest
from tables import write_table

from omnina.chunking import parse_cell
from omnina.errors import UserError
from omnina.evaluation import files as module
from omnina.evaluation.asked_rows import AskedRow, answer_rows, read_asked_rows
from omnina.evaluation.curves import question_curves
from omnina.evaluation.evaluate import calibrated, evaluate
from omnina.evaluation.files import EVALUATION_FOLDER, check_folder, write_evaluation
from omnina.evaluation.metrics import Scored
from omnina.evaluation.plots import plot_question
from omnina.evaluation.run import is_evaluated
from omnina.inference.answer import Answer
from omnina.inference.questions import Question, Questions

ASKED = "Is it a gene?"


def asked(cell: str, gold: str) -> AskedRow:
    return AskedRow(cell, ASKED, gold, parse_cell(cell), "rows.csv:2")


def found_for(golds: list[str]):
    """The evaluation of a model that is about certain of yes, beside baselines."""
    rows = [asked("ACGTACGTAC", gold) for gold in golds]
    train = [asked("ACGTACGTAA", "yes"), asked("CCCCCCCCCC", "no")]
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


BAD = {"sequence": "ACGX", "question": ASKED, "response": "no"}
GOOD = {"sequence": "acgu", "question": ASKED, "response": "yes"}


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (BAD, "has 'X' at base 4"),
        (BAD | {"sequence": " "}, "the sequence is empty"),
        (GOOD | {"response": " "}, "the response is empty"),
        (GOOD | {"question": ""}, "the question is empty"),
    ],
)
def test_bad_rows_stop_with_their_line_or_are_left_out_and_counted(tmp_path, capsys, bad, reason):
    path = write_table(tmp_path / "rows.csv", [GOOD, bad, GOOD])
    with pytest.raises(UserError, match=rf"rows.csv:3: .*{reason}.*Mend the row, or .*--bad_rows skip"):
        read_asked_rows(str(path))
    rows = read_asked_rows(str(path), "skip")
    assert [row.place for row in rows] == [f"{path}:2", f"{path}:4"]
    assert rows[0].nucleotides.text == "ACGT"
    assert f"1 bad rows left out of the evaluation; the first: {path}:3: " in capsys.readouterr().out


def test_a_table_of_bad_rows_alone_is_refused(tmp_path):
    path = write_table(tmp_path / "rows.csv", [BAD, BAD])
    with pytest.raises(UserError, match=r"no row is left; all 2 are bad, the first: .*rows.csv:2"):
        read_asked_rows(str(path), "skip")


class Refusing:
    """An Answerer without room for sequences of many bases."""

    def __init__(self):
        self.questions = {ASKED: Question(["no", "yes"])}

    def answer(self, queries):
        return [Answer("yes", 1.0, refused="no room" if q.nucleotides.bases > 4 else "") for q in queries]


def test_rows_that_leave_no_room_for_an_answer_follow_the_policy(capsys):
    rows = [asked("ACGT", "yes"), asked("ACGTA", "no"), asked("A", "no")]
    with pytest.raises(UserError, match=r"rows.csv:2: no room\. Mend the row"):
        answer_rows(Refusing(), rows)
    left, answers = answer_rows(Refusing(), rows, "skip")
    assert left == [rows[0], rows[2]]
    assert len(answers) == 2
    assert "1 bad rows left out" in capsys.readouterr().out


def test_questions_with_like_names_keep_their_own_plots(tmp_path):
    found = found_for(["yes", "no"])
    for question in ("Is it a gene", "is it: a gene!", "?!"):
        found.scored[question] = found.scored[ASKED]
    write_evaluation(found, tmp_path, [])
    assert len(list(tmp_path.glob("*_confusion.png"))) == 4


@pytest.mark.parametrize("name", ["costs $5 $6 $", "a very long name " * 20])
def test_many_classes_with_odd_names_are_plotted_within_bounds(tmp_path, name):
    labels = [f"{name} {place}" for place in range(300)]
    scored = Scored(labels, labels, np.eye(300))
    plot_question(question_curves("OmniNA", {"OmniNA": scored}), f"{name}?", tmp_path, "odd")
    height, width, _ = plt.imread(tmp_path / "odd_confusion.png").shape
    assert max(height, width) < 2500


def test_a_folder_that_cannot_be_written_to(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="choose another --output"):
        check_folder(tmp_path / "file" / "evaluation")


def test_systems_are_resampled_alike_and_all_have_intervals():
    """The same probabilities as the majority's have the same intervals: the resamples are the same."""
    rows = [asked(cell, gold) for cell, gold in (("ACGT", "yes"), ("CCCC", "no"), ("GGGG", "yes")) * 10]
    train = [asked("ACGTACGTAA", "yes"), asked("CCCCCCCCCC", "no"), asked("ACGT", "yes")]
    answers = [Answer("yes", 2 / 3, log_probabilities=np.log([1 / 3, 2 / 3])) for _ in rows]
    results = evaluate({ASKED: Question(["no", "yes"])}, rows, answers, train).results[ASKED]
    assert set(results) == {"OmniNA", "majority", "k-mers"}
    for name, interval in results["majority"]["interval"].items():
        assert results["OmniNA"]["interval"][name] == pytest.approx(interval), name
    low, high = results["k-mers"]["interval"]["accuracy"]
    assert low <= results["k-mers"]["accuracy"] <= high


def test_free_text_stands_beside_baselines_with_intervals(tmp_path):
    train = [
        asked("ACGTACGTACGT", "a helix"),
        asked("ACGTACGTACGG", "a helix"),
        asked("TTTTTTTTTT", "a sheet"),
    ]
    rows = [asked("ACGTACGTACG", "a helix"), asked("TTTTTTTTTTT", "a sheet")] * 20
    written = ["a helix", "a loop"] * 20
    found = evaluate({}, rows, [Answer(text, 0.5) for text in written], train)
    results = found.results[ASKED]
    figures = {name: (of["exact_match"], of["outside_label_set"]) for name, of in results.items()}
    assert figures == {"OmniNA": (0.5, 0.5), "majority": (0.5, 0), "nearest neighbour": (1, 0)}
    for metrics in results.values():
        low, high = metrics["interval"]["token_f1"]
        assert low <= metrics["token_f1"] <= high
    assert results["OmniNA"]["interval"]["exact_match"] == results["majority"]["interval"]["exact_match"]
    assert "(exact match 0.500): nearest neighbour (1.000)" in write_evaluation(found, tmp_path, [])


def test_calibration_before_and_after_is_written(tmp_path):
    generator = np.random.default_rng(0)
    scores = generator.normal(size=(400, 2)) * 10  # says it is certain, and is right in two of three
    right = np.where(generator.random(400) < 2 / 3, scores.argmax(1), scores.argmin(1))
    rows = [asked("ACGT", ["no", "yes"][place]) for place in right]
    answers = [Answer("yes", 1.0, log_probabilities=of_row) for of_row in scores]
    questions, changes = calibrated(Questions({ASKED: Question(["no", "yes"])}), rows, answers)
    found = evaluate(questions.by_text, rows, answers, [])
    write_evaluation(found, tmp_path, [], changes)
    record = json.loads((tmp_path / "metrics.json").read_text())
    before, after = record["calibration"][ASKED]["calibration_error"]
    assert after < before / 2
    assert record["results"][ASKED]["OmniNA"]["calibration_error"] == pytest.approx(after)
    assert record["calibration"][ASKED]["temperature"] == questions.by_text[ASKED].temperature


def test_bases_that_were_not_read_are_counted_and_told(tmp_path):
    rows = [asked("ACGTACGTAC", "yes"), asked("ACGTA", "no"), asked("ACGTACGT", "no")]
    answers = [Answer("yes", 0.9, log_probabilities=np.log([0.1, 0.9]), cut_bases=cut) for cut in (5, 0, 3)]
    found = evaluate({ASKED: Question(["no", "yes"])}, rows, answers, [])
    text = write_evaluation(found, tmp_path, [])
    assert f"- {ASKED}: of 2 of 3 rows the end did not fit: 8 of 23 bases" in text
    record = json.loads((tmp_path / "metrics.json").read_text())
    assert record["cut"] == {ASKED: {"rows": 3, "cut_rows": 2, "bases": 23, "cut_bases": 8}}
    whole = evaluate({ASKED: Question(["no", "yes"])}, rows[1:2], answers[1:2], [])
    assert "did not fit" not in write_evaluation(whole, tmp_path, [])
