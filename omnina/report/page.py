"""The page of one run, or of several side by side, as one file without scripts.

report_run(Path("output/finetune"))                     output/finetune/report.html
report_runs([Path("output/a"), Path("output/b")], Path("output/report.html"))
"""

import os
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import jinja2
from markupsafe import Markup

from omnina.errors import UserError
from omnina.evaluation.curves import QuestionCurves
from omnina.evaluation.examples import Example
from omnina.evaluation.plots import draw_pr, draw_reliability, draw_roc
from omnina.evaluation.summary import COLUMNS
from omnina.files.durable import write_whole
from omnina.files.new_file import check_output_file
from omnina.report.charts import Chart, Line, training_charts
from omnina.report.coloured import LEVELS, bits_per_base, stretches
from omnina.report.figures import (
    composition_rows,
    count_rows,
    different_settings,
    key_facts,
    markov_rows,
    metric_cell,
    metrics_tables,
    provenance,
    validation_rows,
)
from omnina.report.run_files import Run, read_run
from omnina.report.svg import drawn

REPORT_FILE = "report.html"
TEMPLATES = Path(__file__).parent / "templates"
SQUARE = (4.2, 4.0)  # inches, of a question's plots
COMPARED = ("accuracy", "balanced_accuracy", "mcc", "auroc_macro", "calibration_error", "exact_match")


def is_reported(folder: Path) -> bool:
    """Whether a run's page was written."""
    return (folder / REPORT_FILE).is_file()


def report_run(folder: Path, page: Path | None = None) -> Path:
    """Write a run's page, into its folder unless told; UserError for a folder without a run."""
    run = read_run(folder)
    page = page or folder / REPORT_FILE
    _write(page, "run.html.jinja", run=run, title=f"{run.name}: report", **_of_run(run))
    print(f"{page}: the run at a glance")
    return page


def report_runs(folders: Sequence[Path], page: Path) -> Path:
    """Write a page that compares runs; UserError for a folder without a run, or one named twice."""
    if len({folder.resolve() for folder in folders}) < len(folders):
        raise UserError("a run is named twice; name each folder once.")
    runs = _told_apart([read_run(folder) for folder in folders])
    _write(page, "comparison.html.jinja", runs=runs, title="Runs side by side", **_of_runs(runs, page))
    print(f"{page}: {len(runs)} runs side by side")
    return page


def _write(page: Path, template: str, **context: object) -> None:
    check_output_file(page, "--output")
    text = _environment().get_template(template).render(**context)
    write_whole(page, lambda stream: stream.write(text.encode()))


def _environment() -> jinja2.Environment:
    """Everything is escaped; nothing that is missing is passed over."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        undefined=jinja2.StrictUndefined,
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals |= {
        "stretches": stretches,
        "bits_per_base": bits_per_base,
        "compared": [COLUMNS[name] for name in COMPARED],
        "levels": LEVELS,
        "style": Markup((TEMPLATES / "style.css").read_text(encoding="utf-8")),
    }
    environment.filters["pair_rows"] = lambda rows: [(name, values) for name, *values in rows]
    return environment


def _of_run(run: Run) -> dict[str, object]:
    return {
        "facts": key_facts(run),
        "charts": training_charts([run]),
        "losses": validation_rows(run),
        "markov": markov_rows(run),
        "counts": count_rows(run),
        "lengths": _length_charts(run),
        "composition": composition_rows(run),
        "questions": metrics_tables(run),
        "curves": run.curves,
        "plots": {question: _plots(number, curves) for number, (question, curves) in _numbered(run)},
        "notes": run.evaluation.get("notes", []),
        "examples": _by_question(run.examples),
        "provenance": provenance(run),
    }


def _of_runs(runs: Sequence[Run], page: Path) -> dict[str, object]:
    facts = [dict(key_facts(run)) for run in runs]
    names = list(dict.fromkeys(name for of_run in facts for name in of_run))
    return {
        "facts": [(name, [of_run.get(name, "-") for of_run in facts]) for name in names],
        "charts": training_charts(runs),
        "settings": different_settings(runs),
        "questions": _compared(runs),
        "pages": [_link(run, page) for run in runs],
    }


def _compared(runs: Sequence[Run]) -> dict[str, list[tuple[str, list]]]:
    """By question, each run's metrics of its model (the first system)."""
    results = [run.evaluation.get("results", {}) for run in runs]
    questions = dict.fromkeys(question for of_run in results for question in of_run)
    return {
        question: [
            (run.name, [metric_cell(name, next(iter(of_run[question].values()))) for name in COMPARED])
            for run, of_run in zip(runs, results, strict=True)
            if question in of_run
        ]
        for question in questions
    }


def _told_apart(runs: list[Run]) -> list[Run]:
    """Runs whose folders have the same name are called by their whole path."""
    names = [run.folder.name for run in runs]
    return [run.called(str(run.folder)) if names.count(run.folder.name) > 1 else run for run in runs]


def _link(run: Run, page: Path) -> str | None:
    """From the comparison to the run's own page, if it has one."""
    own = run.folder / REPORT_FILE
    return Path(os.path.relpath(own, page.parent)).as_posix() if own.is_file() else None


def _numbered(run: Run) -> enumerate:
    return enumerate(run.curves.items())


def _plots(number: int, curves: QuestionCurves) -> list[tuple[str, Markup]]:
    areas = {
        kind: ", ".join(f"{name} {line.area:.3f}" for name, line in lines.items() if line.area is not None)
        for kind, lines in (("roc", curves.roc), ("pr", curves.pr))
    }
    drawings = {
        "ROC": (lambda figure: draw_roc(figure, curves), f"ROC curves; macro AUROC: {areas['roc']}"),
        "Precision and recall": (lambda figure: draw_pr(figure, curves), f"macro AP: {areas['pr']}"),
        "Reliability": (lambda figure: draw_reliability(figure, curves.reliability), _reliability(curves)),
    }
    return [
        (title, drawn(draw, f"q{number}-{title.split()[0].lower()}", says, SQUARE))
        for title, (draw, says) in drawings.items()
    ]


def _reliability(curves: QuestionCurves) -> str:
    pairs = zip(curves.reliability.confidence, curves.reliability.right, strict=True)
    return "Share of right answers at each mean probability: " + ", ".join(
        f"{right:.2f} at {confidence:.2f}" for confidence, right in pairs
    )


def _length_charts(run: Run) -> list[Chart]:
    profile = run.record.get("profile", {})
    return [
        Chart(f"Documents by {unit}", unit, "documents", [Line("documents", _bins(profile[unit]))], bars=True)
        for unit in ("bases", "tokens")
        if unit in profile
    ]


def _bins(histogram: dict) -> list[tuple[float, float]]:
    """The middle of each bin, and how many are in it."""
    edges = histogram["edges"]
    middles = [(low + high) / 2 for low, high in pairwise(edges)]
    return list(zip(middles, histogram["counts"], strict=True))


def _by_question(examples: Sequence[Example]) -> dict[str, list[Example]]:
    found: dict[str, list[Example]] = {}
    for example in examples:
        found.setdefault(example.question, []).append(example)
    return found
