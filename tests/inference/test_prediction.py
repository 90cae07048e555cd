import csv
import gzip
import sys
from io import StringIO
from pathlib import Path

import pytest
from tables import random_dna, write_table
from tqdm import tqdm

from omnina.errors import UserError
from omnina.inference import row_job
from omnina.inference.answer import Answerer
from omnina.inference.generation import Decoding
from omnina.inference.prediction import PredictionOptions, PredictionPlan, Predictor
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
    predictor(answerer, path, output, **options).run()
    return read(output)


def predictor(answerer, path: Path, output: Path, **options) -> Predictor:
    return Predictor(answerer, plan(path, output, **options))


def plan(path: Path, output: Path, **options) -> PredictionPlan:
    settings = PredictionOptions(**options)
    return PredictionPlan(QueryFile(path, settings.question), output, settings)


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


def run_killed(killed: Predictor, calls: int, monkeypatch, signal: type = Killed) -> None:
    """Run it until a number of batches are answered."""
    original, done = killed._answers, []

    def dying(rows):
        if len(done) == calls:
            killed.plan.output.unfinished.open("a").write("half a reco")  # what a kill may leave behind
            raise signal
        done.append(rows)
        return original(rows)

    monkeypatch.setattr(killed, "_answers", dying)
    with pytest.raises(signal):
        killed.run()


@pytest.mark.parametrize("calls", [1, 3])
def test_a_killed_run_goes_on_where_it_stopped(answerer, table, tmp_path, monkeypatch, calls):
    monkeypatch.setattr(row_job, "ROWS_PER_WRITE", 4)
    whole = predict(answerer, table, tmp_path / "whole.csv")
    output = tmp_path / "answers.csv"
    run_killed(predictor(answerer, table, output), calls, monkeypatch)
    assert not output.exists()
    resumed = predictor(answerer, table, output)
    answered = []
    monkeypatch.setattr(
        resumed, "_answers", lambda rows: answered.append(len(rows)) or Predictor._answers(resumed, rows)
    )
    resumed.run()
    assert sum(answered) == 20 - 4 * calls
    assert read(output) == whole


def test_a_sampling_run_that_was_killed_gives_the_same_answers(checkpoint, table, tmp_path, monkeypatch):
    monkeypatch.setattr(row_job, "ROWS_PER_WRITE", 4)
    decoding = Decoding(max_new_tokens=6, sample=True)
    sampling = Answerer(checkpoint, decoding=decoding)
    small = Answerer(checkpoint, decoding=decoding, tokens_per_batch=64)
    whole = [row["answer"] for row in predict(sampling, table, tmp_path / "whole.csv")]
    run_killed(predictor(sampling, table, tmp_path / "answers.csv"), 2, monkeypatch)
    assert [row["answer"] for row in predict(sampling, table, tmp_path / "answers.csv")] == whole
    assert [row["answer"] for row in predict(small, table, tmp_path / "small.csv")] == whole


def test_ctrl_c_says_how_to_go_on(answerer, table, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(row_job, "ROWS_PER_WRITE", 4)
    monkeypatch.setattr(sys, "argv", ["scripts/predict.py", "--input", "my rows.csv"])
    run_killed(predictor(answerer, table, tmp_path / "answers.csv"), 3, monkeypatch, KeyboardInterrupt)
    told = capsys.readouterr().err
    assert "keeps 12 of 20 rows" in told
    assert "scripts/predict.py --input 'my rows.csv'" in told
    assert len(predict(answerer, table, tmp_path / "answers.csv")) == 20


def test_the_bar_knows_the_end_and_what_was_done_before(answerer, table, tmp_path, monkeypatch):
    monkeypatch.setattr(row_job, "ROWS_PER_WRITE", 4)
    run_killed(predictor(answerer, table, tmp_path / "answers.csv"), 3, monkeypatch)
    bars = []

    def progress_bar(doing: str, unit: str, total: int, *, done: int) -> tqdm:
        bars.append(tqdm(total=total, initial=done, file=StringIO()))  # counts without a terminal too
        return bars[0]

    monkeypatch.setattr(row_job, "progress_bar", progress_bar)
    predict(answerer, table, tmp_path / "answers.csv")
    assert (bars[0].initial, bars[0].n, bars[0].total) == (12, 20, 20)


def test_the_unfinished_output_of_another_command_is_not_continued(answerer, table, tmp_path, monkeypatch):
    monkeypatch.setattr(row_job, "ROWS_PER_WRITE", 4)
    run_killed(predictor(answerer, table, tmp_path / "answers.csv"), 2, monkeypatch)
    other = predictor(answerer, table, tmp_path / "answers.csv", min_probability=0.5)
    with pytest.raises(UserError, match=r"the unfinished output of another command.*\(other options\)"):
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


def test_an_input_column_named_answer_is_refused_or_told_apart(answerer, tmp_path):
    row = {"sequence": "ACGT", "question": COLOUR, "answer": "x", "note": "mine"}
    path = write_table(tmp_path / "rows.csv", [row])
    with pytest.raises(UserError, match=r"'answer' would be written twice; rename it, or .*--column_prefix"):
        plan(path, tmp_path / "answers.csv")
    (found,) = predict(answerer, path, tmp_path / "answers.csv", column_prefix="model_")
    assert list(found) == [*row, "model_answer", "model_probability", "model_note"]


def test_a_note_of_the_users_own_is_kept_beside_ours(answerer, tmp_path):
    row = {"sequence": "ACGT", "question": "Where from?", "note": "plate 3"}
    path = write_table(tmp_path / "rows.csv", [row])
    (found,) = predict(answerer, path, tmp_path / "answers.csv")
    assert list(found) == [*row, "answer", "probability", "answer_note"]
    assert found["note"] == "plate 3"
    assert found["answer_note"].startswith("question not in training")


def test_columns_of_labels_that_the_input_has_are_refused(answerer, tmp_path):
    path = write_table(
        tmp_path / "rows.csv", [{"sequence": "A", "question": COLOUR, "probability of red": "1"}]
    )
    with pytest.raises(UserError, match="'probability of red' would be written twice"):
        predictor(answerer, path, tmp_path / "answers.csv", label_probabilities=True)


def test_a_question_written_otherwise_than_in_training_is_named_and_not_mapped(answerer, tmp_path, capsys):
    path = write_table(tmp_path / "rows.csv", [{"sequence": "ACGT", "question": "which  colour"}])
    (found,) = predict(answerer, path, tmp_path / "answers.csv")
    assert f"question not in training (did you mean '{COLOUR}'?)" in found["note"]
    assert capsys.readouterr().err.count(f"Did you mean '{COLOUR}'?") == 1


@pytest.mark.parametrize("name", ["genes.fasta", "GENES.FNA", "g.v2.Fa.gz", "genes.ffn"])
def test_a_bad_fasta_record_is_named_with_its_line(tmp_path, name):
    text = ">g1 first\nACGT\nAC\n\n>g2 second\nAC\nMKV*\n"
    path = tmp_path / name
    path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    with pytest.raises(UserError, match=rf"{name}:5: record 'g2': .*not a nucleotide code.*--bad_rows skip"):
        plan(path, tmp_path / "out.csv", question=COLOUR)


def test_an_output_that_cannot_be_written_is_known_before_the_rows_are_read(table, tmp_path):
    (tmp_path / "file").write_text("")
    (tmp_path / "folder.csv").mkdir()
    for output, message in (("file/out.csv", "nothing can be written there"), ("folder.csv", "a folder")):
        with pytest.raises(UserError, match=message):
            plan(table, tmp_path / output)


@pytest.mark.parametrize(
    ("name", "text", "question", "message"),
    [
        ("a.fasta", ">x\nACGT\n", None, "give one with --question"),
        ("a.fasta", "\n", COLOUR, "no FASTA record"),
        ("a.fasta", "ACGT\n>x\nAC\n", COLOUR, "a.fasta:1: this line stands before the first FASTA record"),
        ("a.fasta", "", COLOUR, "empty"),
        ("a.fasta", ">x\n>y\nAC\n", COLOUR, "a.fasta:1: record 'x': the sequence is empty"),
        ("a.fasta.gz", ">x\nAC\n", COLOUR, "not a whole compressed file"),
        ("a.txt", ">x\nAC\n", COLOUR, "does not say what it holds"),
        ("a.csv", "sequence\nA\n", " ", "--question is empty"),
        ("a.csv", "sequence,question\nA,b\n", COLOUR, "leave out --question"),
        ("a.csv", "sequence\nA\n", None, "no column 'question'"),
        ("a.csv", "seq,question\nA,b\n", None, "no column 'sequence'"),
    ],
)
def test_inputs_that_cannot_be_asked(tmp_path, name, text, question, message):
    (tmp_path / name).write_text(text)
    with pytest.raises(UserError, match=message):
        plan(tmp_path / name, tmp_path / "out.csv", question=question)


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
    tally = predictor(answerer, tmp_path / "in.csv", tmp_path / "out.csv", skip_bad_rows=True).run()
    assert tally.pop("rows") == 29
    assert len(tally) == 1


@pytest.mark.parametrize("name", ["out.csv.gz", "out.tsv"])
def test_an_output_that_would_not_be_what_its_name_says(table, tmp_path, name):
    with pytest.raises(UserError, match=r"ends in \.csv"):
        plan(table, tmp_path / name)


def test_a_journal_that_is_none(answerer, table, tmp_path):
    (tmp_path / "answers.csv.unfinished").write_text("id")
    (tmp_path / "answers.csv.unfinished.json").write_text("{")
    with pytest.raises(UserError, match="remove it to begin anew"):
        predict(answerer, table, tmp_path / "answers.csv")


def test_a_file_that_appears_meanwhile_is_left_alone(answerer, table, tmp_path, monkeypatch):
    path = tmp_path / "answers.csv"
    late = predictor(answerer, table, path)
    original = late._answers
    monkeypatch.setattr(late, "_answers", lambda rows: path.write_text("mine") and original(rows))
    with pytest.raises(UserError, match="appeared meanwhile and was left alone"):
        late.run()
    assert path.read_text() == "mine"
    path.unlink()
    again = predictor(answerer, table, path)
    monkeypatch.setattr(again, "_answers", lambda _: pytest.fail("all rows were answered"))
    again.run()
    rows, other = path.read_text(), tmp_path / "other.csv"
    predict(answerer, table, other)
    assert rows == other.read_text()


def test_two_equal_commands_at_once(answerer, table, tmp_path, monkeypatch):
    path = tmp_path / "answers.csv"
    first, second = predictor(answerer, table, path), predictor(answerer, table, path)
    original = first._answers

    def while_another_runs(rows):
        with pytest.raises(UserError, match="another command is writing this output"):
            second.run()
        return original(rows)

    monkeypatch.setattr(first, "_answers", while_another_runs)
    first.run()
    with pytest.raises(UserError, match="this file exists"):
        second.run()
    assert sorted(file.name for file in tmp_path.glob("answers.csv*")) == ["answers.csv"]
