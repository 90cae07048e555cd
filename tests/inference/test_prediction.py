import csv
import gzip
import sys
from pathlib import Path

import pytest
from tables import random_dna, write_table

from omnina.errors import UserError
from omnina.inference import prediction
from omnina.inference.answer import Answerer
from omnina.inference.generation import Decoding
from omnina.inference.prediction import PredictionOptions, Predictor
from omnina.inference.queries import QueryFile

COLOUR, KIND, STORY = "Which colour?", "Which kind?", "What is it?"


@pytest.fixture(scope="module")
def answerer(checkpoint) -> Answerer:
    return Answerer(checkpoint, decoding=Decoding(max_new_tokens=4))


@pytest.fixture
def table(tmp_path) -> Path:
    rows = [
        {"id": f"row, {n}", "question": [COLOUR, STORY, KIND][n % 3], "sequence": random_dna(10 + n, n)}
        for n in range(20)
    ]
    return write_table(tmp_path / "rows.csv", rows)


def predict(answerer, path: Path, output: Path, **options) -> list[dict[str, str]]:
    settings = PredictionOptions(**options)
    Predictor(answerer, QueryFile(path, settings.question), output, settings).run()
    return read(output)


def read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def test_rows_keep_their_order_and_columns_and_gain_answers(answerer, table, tmp_path):
    answers = predict(answerer, table, tmp_path / "answers.csv")
    assert list(answers[0]) == ["id", "question", "sequence", "answer", "probability", "note"]
    kept = [{key: row[key] for key in ("id", "question", "sequence")} for row in answers]
    assert kept == read(table)
    assert all(0 <= float(row["probability"]) <= 1 for row in answers)
    assert {path.name for path in tmp_path.iterdir()} == {"rows.csv", "answers.csv"}


def test_a_column_for_each_label_on_demand(answerer, table, tmp_path):
    answers = predict(answerer, table, tmp_path / "answers.csv", label_probabilities=True)
    names = [name for name in answers[0] if name.startswith("probability of ")]
    assert len(names) == 5
    for row in answers:
        given = [float(row[name]) for name in names if row[name]]
        assert len(given) == {COLOUR: 4, KIND: 1, STORY: 0}[row["question"]]
        assert not given or sum(given) == pytest.approx(1, abs=1e-4)


def test_below_the_threshold_the_answer_is_left_open(answerer, table, tmp_path):
    answers = predict(answerer, table, tmp_path / "answers.csv", min_probability=0.99)
    for row in answers:
        assert (row["answer"] == "") == (float(row["probability"]) < 0.99)
        assert ("abstained" in row["note"]) == (row["answer"] == "")
    assert [row["answer"] for row in answers if row["question"] == KIND] == ["only"] * 6


class Killed(Exception):
    """Stands for a signal."""


@pytest.mark.parametrize("calls", [1, 3])
def test_a_killed_run_goes_on_where_it_stopped(answerer, table, tmp_path, monkeypatch, calls):
    monkeypatch.setattr(prediction, "ROWS_PER_WRITE", 4)
    whole = predict(answerer, table, tmp_path / "whole.csv")
    source, output = QueryFile(table, None), tmp_path / "answers.csv"
    predictor = Predictor(answerer, source, output, PredictionOptions())
    original, done = predictor._answers, []

    def dying(rows):
        if len(done) == calls:
            predictor.unfinished.open("a").write("half a reco")  # what a kill may leave behind
            raise Killed
        done.append(rows)
        return original(rows)

    monkeypatch.setattr(predictor, "_answers", dying)
    with pytest.raises(Killed):
        predictor.run()
    assert not output.exists()
    resumed = Predictor(answerer, source, output, PredictionOptions())
    answered = []
    monkeypatch.setattr(
        resumed, "_answers", lambda rows: answered.append(len(rows)) or Predictor._answers(resumed, rows)
    )
    resumed.run()
    assert sum(answered) == 20 - 4 * calls
    assert read(output) == whole


def test_the_unfinished_output_of_another_command_is_not_continued(answerer, table, tmp_path, monkeypatch):
    monkeypatch.setattr(prediction, "ROWS_PER_WRITE", 4)
    source, output = QueryFile(table, None), tmp_path / "answers.csv"
    predictor, calls = Predictor(answerer, source, output, PredictionOptions()), []

    def dying(rows):
        calls.append(rows)
        if len(calls) == 3:
            raise Killed
        return Predictor._answers(predictor, rows)

    monkeypatch.setattr(predictor, "_answers", dying)
    with pytest.raises(Killed):
        predictor.run()
    other = Predictor(answerer, source, output, PredictionOptions(min_probability=0.5))
    with pytest.raises(UserError, match="the unfinished output of another command"):
        other.run()


def test_fasta_takes_one_question_for_all(answerer, tmp_path):
    path = tmp_path / "genes.fasta.gz"
    with gzip.open(path, "wt") as stream:
        stream.write(">g1\tfirst gene\nACGT\nacgu\n>g2\nTTTT\n>\nCC\n")
    answers = predict(answerer, path, tmp_path / "answers.csv", question=COLOUR)
    assert [(row["id"], row["description"], row["sequence"]) for row in answers] == [
        ("g1", "first gene", "ACGTacgu"),
        ("g2", "", "TTTT"),
        ("", "", "CC"),
    ]


def test_bad_rows_stop_with_their_line_or_are_noted(answerer, tmp_path):
    rows = [
        {"sequence": cell, "question": asked}
        for cell, asked in (("ACGT", COLOUR), ("MKV*", COLOUR), ("A", ""))
    ]
    path = write_table(tmp_path / "rows.csv", rows)
    with pytest.raises(UserError, match=r"rows.csv:3: .*not a nucleotide code.*--bad_rows skip"):
        predict(answerer, path, tmp_path / "answers.csv")
    answers = predict(answerer, path, tmp_path / "noted.csv", skip_bad_rows=True)
    assert answers[0]["answer"]
    assert [row["answer"] for row in answers[1:]] == ["", ""]
    assert "not a nucleotide code" in answers[1]["note"]
    assert answers[2]["note"] == "the question is empty"


def test_an_output_that_exists_is_not_overwritten(answerer, table, tmp_path):
    (tmp_path / "answers.csv").write_text("mine")
    with pytest.raises(UserError, match="this file exists"):
        predict(answerer, table, tmp_path / "answers.csv")
    assert (tmp_path / "answers.csv").read_text() == "mine"


def test_an_input_column_named_answer_is_refused(answerer, tmp_path):
    path = write_table(tmp_path / "rows.csv", [{"sequence": "ACGT", "question": COLOUR, "answer": "x"}])
    with pytest.raises(UserError, match="'answer' would be written twice"):
        predict(answerer, path, tmp_path / "answers.csv")


@pytest.mark.parametrize(
    ("name", "text", "question", "message"),
    [
        ("a.fasta", ">x\nACGT\n", None, "give one with --question"),
        ("a.fasta", "ACGT\n", COLOUR, "no FASTA record"),
        ("a.csv", "sequence,question\nA,b\n", COLOUR, "leave out --question"),
        ("a.csv", "sequence\nA\n", None, "no column 'question'"),
        ("a.csv", "seq,question\nA,b\n", None, "no column 'sequence'"),
    ],
)
def test_inputs_that_cannot_be_asked(answerer, tmp_path, name, text, question, message):
    (tmp_path / name).write_text(text)
    with pytest.raises(UserError, match=message):
        predict(answerer, tmp_path / name, tmp_path / "out.csv", question=question)


def test_the_script_says_what_it_did(checkpoint, table, tmp_path, monkeypatch, capsys):
    import runpy

    script = str(Path(__file__).parents[2] / "scripts" / "predict.py")
    output = tmp_path / "answers.csv"
    arguments = ["--checkpoint", str(checkpoint), "--input", str(table), "--output", str(output)]
    monkeypatch.setattr(sys, "argv", ["predict.py", *arguments, "--max_new_tokens", "4"])
    runpy.run_path(script, run_name="__main__")
    assert f"{output}: 20 rows" in capsys.readouterr().out


def test_the_tally_holds_kinds_of_notes_alone(answerer, tmp_path):
    rows = "sequence,question\n" + "".join(f"{'A' * n}X,{'Why?'}\n" for n in range(1, 30))
    (tmp_path / "in.csv").write_text(rows)
    source = QueryFile(tmp_path / "in.csv", None)
    tally = Predictor(answerer, source, tmp_path / "out.csv", PredictionOptions(skip_bad_rows=True)).run()
    assert tally.pop("rows") == 29
    assert len(tally) == 1


@pytest.mark.parametrize("name", ["out.csv.gz", "out.tsv"])
def test_an_output_that_would_not_be_what_its_name_says(answerer, table, tmp_path, name):
    with pytest.raises(UserError, match=r"ends in \.csv"):
        Predictor(answerer, QueryFile(table, None), tmp_path / name, PredictionOptions())
