"""An evaluation as files that people and programs read.

``metrics.json``, ``metrics.csv``, ``metrics.md``, ``classes.csv``, ``curves.json``, plots of those, and
``plots.md`` that shows them, the last file: an evaluation is whole if it is there.
"""

import csv
import json
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from omnina.errors import UserError
from omnina.evaluation.calibration import Calibration
from omnina.evaluation.curves import question_curves
from omnina.evaluation.evaluate import MODEL, Evaluation
from omnina.evaluation.plots import plot_question
from omnina.evaluation.summary import csv_rows, markdown_table
from omnina.files.durable import write_json, write_whole
from omnina.files.output_links import refuse_links_out
from omnina.metric_names import distinct_names

EVALUATION_FOLDER = "evaluation"  # in a run's folder
CUT = "cut"  # in metrics.json: by question, which bases did not fit
METRICS_FILE, CURVES_FILE, LAST_FILE = "metrics.json", "curves.json", "plots.md"
LONGEST_STEM = 60  # characters of a file name that stand for a question


def check_folder(output: Path) -> None:
    """Make the folder of the figures; UserError if nothing can be written there, or links lead out."""
    try:
        output.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=output):
            pass
        refuse_links_out(output)
    except OSError as error:
        raise UserError(
            f"{output}: no folder that can be written to ({error.strerror}); choose another --output."
        ) from error


def write_evaluation(
    found: Evaluation,
    output: Path,
    notes: Sequence[str],
    calibration: Mapping[str, Calibration] | None = None,
) -> str:
    """Write every file, figures before plots; returns the Markdown.

    Args:
        found: the figures.
        output: the folder.
        notes: sentences below the table.
        calibration: what fitted temperatures changed, by question, if any were fitted on these rows.
    """
    output.mkdir(parents=True, exist_ok=True)
    (output / LAST_FILE).unlink(missing_ok=True)  # of an earlier evaluation: this one is not whole yet
    sentences = [*notes, *found.sentences]
    cut = {question: asdict(of) for question, of in found.cut.items()}
    record = {"results": found.results, "notes": sentences, CUT: cut}
    if calibration:
        record["calibration"] = {question: asdict(change) for question, change in calibration.items()}
    (output / METRICS_FILE).write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    text = markdown_table(found.results) + "\n" + "".join(f"- {sentence}\n" for sentence in sentences)
    (output / "metrics.md").write_text(text, encoding="utf-8")
    _write_csv(output / "metrics.csv", csv_rows(found.results))
    _write_csv(output / "classes.csv", found.classes)
    _write_plots(found, output)
    return text


def _write_plots(found: Evaluation, output: Path) -> None:
    """Curves and plots of each question with labels, then the page that shows them."""
    page = ["# Plots of the questions with labels", ""]
    stems = distinct_names(found.scored, LONGEST_STEM)
    curves = {question: question_curves(MODEL, systems) for question, systems in found.scored.items()}
    write_json(output / CURVES_FILE, {question: each.as_json() for question, each in curves.items()})
    for question, each in curves.items():
        names = plot_question(each, question, output, stems[question])
        page += [f"## {question}", "", *(f"![{name}]({name})" for name in names), ""]
    write_whole(output / LAST_FILE, lambda stream: stream.write("\n".join(page).encode()))


def _write_csv(path: Path, rows: Iterable[dict]) -> None:
    rows = list(rows)
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, rows[0] if rows else [], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
