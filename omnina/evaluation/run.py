"""The evaluation at the end of fine-tuning, and of any checkpoint by hand."""

from collections.abc import Sequence
from pathlib import Path

from omnina.evaluation.evaluate import (
    LAST_FILE,
    AskedRow,
    answer_rows,
    calibrated,
    evaluate,
    read_asked_rows,
    write_evaluation,
)
from omnina.inference.answer import Answerer
from omnina.inference.questions import Questions, save_questions

EVALUATION_FOLDER = "evaluation"
FITTED = (
    "temperatures were fitted on these same validation rows, one number a question, which flatters the "
    "calibration error a little"
)


def finish_finetuning(
    folder: Path, validation_files: list[str], train_files: list[str], tokens_per_batch: int
) -> None:
    """Fit temperatures on the validation rows, store them with the checkpoint, evaluate, print the table."""
    (folder / EVALUATION_FOLDER / LAST_FILE).unlink(missing_ok=True)  # of the run before it went on
    answerer = Answerer(folder, tokens_per_batch=tokens_per_batch)
    rows = read_asked_rows(validation_files)
    answers = answer_rows(answerer, rows)
    questions = calibrated(Questions(answerer.questions, answerer.max_length), rows, answers)
    save_questions(questions, folder)
    found = evaluate(questions.by_text, rows, answers, read_asked_rows(train_files))
    print(write_evaluation(found, folder / EVALUATION_FOLDER, [FITTED]))
    print(f"Figures and plots are in {folder / EVALUATION_FOLDER}.")


def is_evaluated(folder: Path) -> bool:
    """Whether the evaluation at the end of a run was written, to its last file."""
    return (folder / EVALUATION_FOLDER / LAST_FILE).is_file()


def evaluate_checkpoint(
    answerer: Answerer, rows: Sequence[AskedRow], train_rows: Sequence[AskedRow], output: Path
) -> str:
    """Answer rows and write every figure; returns the Markdown table."""
    answers = answer_rows(answerer, rows)
    found = evaluate(answerer.questions, rows, answers, train_rows)
    notes = [] if train_rows else ["no baselines: the training tables are not known; give --train_files"]
    return write_evaluation(found, output, notes)
