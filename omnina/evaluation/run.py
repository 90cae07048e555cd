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
    folder: Path, validation_files: list[str], train_files: list[str], tokens_per_batch: int, bad_rows: str
) -> None:
    """Fit temperatures on the validation rows, store them with the checkpoint, evaluate, print the table.

    Args:
        folder: the checkpoint.
        validation_files, train_files: the run's tables.
        tokens_per_batch: of a forward pass.
        bad_rows: the run's own policy, ``stop`` or ``skip``.
    """
    (folder / EVALUATION_FOLDER / LAST_FILE).unlink(missing_ok=True)  # of the run before it went on
    answerer = Answerer(folder, tokens_per_batch=tokens_per_batch)
    rows, answers = answer_rows(answerer, read_asked_rows(validation_files, bad_rows), bad_rows)
    questions = calibrated(Questions(answerer.questions, answerer.max_length), rows, answers)
    save_questions(questions, folder)
    found = evaluate(questions.by_text, rows, answers, read_asked_rows(train_files, bad_rows))
    print(write_evaluation(found, folder / EVALUATION_FOLDER, [FITTED]))
    print(f"Figures and plots are in {folder / EVALUATION_FOLDER}.")


def is_evaluated(folder: Path) -> bool:
    """Whether the evaluation at the end of a run was written, to its last file."""
    return (folder / EVALUATION_FOLDER / LAST_FILE).is_file()


def evaluate_checkpoint(
    answerer: Answerer, rows: Sequence[AskedRow], train_rows: Sequence[AskedRow], output: Path, bad_rows: str
) -> str:
    """Answer rows and write every figure; returns the Markdown table."""
    rows, answers = answer_rows(answerer, rows, bad_rows)
    found = evaluate(answerer.questions, rows, answers, train_rows)
    notes = [] if train_rows else ["no baselines: the training tables are not known; give --train_files"]
    return write_evaluation(found, output, notes)
