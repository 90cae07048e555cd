"""The evaluation at the end of fine-tuning, and of any checkpoint by hand."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from omnina.card.model_card import write_model_card
from omnina.dataset import TokenizedData
from omnina.evaluation.asked_rows import AskedRow, answer_rows, read_asked_rows
from omnina.evaluation.evaluate import calibrated, evaluate
from omnina.evaluation.examples import annotation_examples, answer_examples, write_examples
from omnina.evaluation.files import EVALUATION_FOLDER, LAST_FILE, write_evaluation
from omnina.evaluation.training_tables import record_training_tables
from omnina.files.json_file import read_object
from omnina.inference.answer import Answer, Answerer
from omnina.inference.packed import PackedReader
from omnina.inference.questions import Question, Questions, save_questions
from omnina.run_folder import RECORD_FILE


def finish_finetuning(
    folder: Path, validation_files: list[str], train_files: list[str], tokens_per_batch: int, bad_rows: str
) -> None:
    """Fit temperatures on the validation rows, store them with the checkpoint, evaluate, print the table.

    Calibration before and after the fit stands in ``metrics.json``, by question, under ``calibration``.

    Args:
        folder: the checkpoint.
        validation_files, train_files: the run's tables.
        tokens_per_batch: of a forward pass.
        bad_rows: the run's own policy, ``stop`` or ``skip``.
    """
    (folder / EVALUATION_FOLDER / LAST_FILE).unlink(missing_ok=True)  # of the run before it went on
    answerer = Answerer(folder, tokens_per_batch=tokens_per_batch)
    rows, answers = answer_rows(answerer, read_asked_rows(validation_files, bad_rows), bad_rows)
    questions, changes = calibrated(Questions(answerer.questions, answerer.max_length), rows, answers)
    save_questions(questions, folder)
    record_training_tables(folder, train_files)
    found = evaluate(questions.by_text, rows, answers, read_asked_rows(train_files, bad_rows))
    _write_examples(answerer, questions.by_text, rows, answers, folder / EVALUATION_FOLDER)
    notes = [change.sentence(question) for question, change in changes.items()]
    _write_card(folder, {"results": found.results, "notes": [*notes, *found.sentences]})
    print(write_evaluation(found, folder / EVALUATION_FOLDER, notes, changes))
    print(f"Figures and plots are in {folder / EVALUATION_FOLDER}.")


def write_annotation_examples(folder: Path, validation: TokenizedData) -> None:
    """After pretraining: what the checkpoint writes for a few validation sequences."""
    output = folder / EVALUATION_FOLDER
    output.mkdir(exist_ok=True)
    write_examples(annotation_examples(PackedReader(folder), validation), output)


def _write_card(folder: Path, evaluation: Mapping) -> None:
    """The run's card, with the evaluation; before the evaluation's last file, which ends the run."""
    record = read_object(folder / RECORD_FILE)
    write_model_card(folder, f"OmniNA, {folder.name}", record["parameters"], record, evaluation)


def is_evaluated(folder: Path) -> bool:
    """Whether the evaluation at the end of a run was written, to its last file."""
    return (folder / EVALUATION_FOLDER / LAST_FILE).is_file()


def evaluate_checkpoint(
    answerer: Answerer,
    rows: Sequence[AskedRow],
    train_rows: Sequence[AskedRow],
    output: Path,
    bad_rows: str,
    notes: Sequence[str] = (),
) -> str:
    """Answer rows and write every figure; returns the Markdown table, with the notes below it."""
    rows, answers = answer_rows(answerer, rows, bad_rows)
    _write_examples(answerer, answerer.questions, rows, answers, output)
    return write_evaluation(evaluate(answerer.questions, rows, answers, train_rows), output, notes)


def _write_examples(
    answerer: Answerer,
    questions: Mapping[str, Question],
    rows: Sequence[AskedRow],
    answers: Sequence[Answer],
    output: Path,
) -> None:
    output.mkdir(parents=True, exist_ok=True)
    write_examples(answer_examples(answerer.reader, questions, rows, answers), output)
