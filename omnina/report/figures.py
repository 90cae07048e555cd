"""The figures of a run as rows of text for tables: what it was, what it learned, from which data."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from omnina.evaluation.summary import COLUMNS, best_value, verdict
from omnina.report.run_files import Run

LOSSES = ("eval_loss", "eval_sequence_loss", "eval_annotation_loss")
COUNTS = {
    "rows": "rows read",
    "used": "rows used",
    "documents": "documents",
    "tokens": "tokens",
    "bases": "bases",
    "trimmed_documents": "documents that lost bases at their end to fit",
    "trimmed_bases": "bases lost so",
    "converted_uracils": "U read as T",
}
TABLES = {"train": "training", "validation": "validation"}


@dataclass(frozen=True)
class Cell:
    """A metric's text; ``is_best`` marks the best of its column."""

    text: str
    is_best: bool = False


@dataclass(frozen=True)
class MetricsTable:
    """One question's metrics: a row for each system."""

    question: str
    rows: int
    columns: list[str]
    systems: list[tuple[str, list[Cell]]]
    verdict: str


def key_facts(run: Run) -> list[tuple[str, str]]:
    """What is asked first, as (name, value)."""
    record, last = run.record, run.log[-1] if run.log else {}
    known = {
        "State": _state(run, last),
        "Parameters": _count(record.get("parameters")),
        "Tokens seen": _count(_last(run, "tokens_seen")),
        "Time": _duration(_last(run, "seconds")),
        "Tokens per second": _count((record.get("while_training") or {}).get("tokens_per_second")),
        "Share of the matrix-product ceiling (MFU)": _share(record.get("mfu")),
        "Waiting for data": _share((record.get("while_training") or {}).get("data_wait_share")),
        "Peak memory": _gigabytes(_last(run, "peak_memory_gb")),
        "Steps left out": _count(record.get("skipped_steps")),
        "Best checkpoint": record.get("best_checkpoint"),
        "Hardware": record.get("hardware"),
    }
    return [(name, str(value)) for name, value in known.items() if value is not None]


def validation_rows(run: Run) -> list[tuple[str, str, str]]:
    """(loss, at the start, at the end); bits per base beside their Markov baselines."""
    start, end = run.record.get("validation_at_start", {}), run.record.get("validation_at_end", {})
    names = [name for name in end if name in LOSSES or name.endswith(("bits_per_base", "written_bits"))]
    return [
        (name.removeprefix("eval_").replace("_", " "), _three(start.get(name)), _three(end[name]))
        for name in names
    ]


def markov_rows(run: Run) -> list[tuple[str, str, str]]:
    """(source, bits per base at order 5, at the best order) of Markov models."""
    return [
        (source, _three(each["order_5"]), f"{_three(each['best'])} (order {each['best_order']})")
        for source, each in run.record.get("markov_bits_per_base", {}).items()
    ]


def count_rows(run: Run) -> list[tuple[str, list[str]]]:
    """(what, number in each of the run's tables); reasons of rows left out stand between read and used."""
    counts = run.record.get("counts", {})
    if not counts:
        return []
    rows = []
    for key, words in COUNTS.items():
        rows.append((words, [_count(counts[table][key]) for table in TABLES]))
        if key == "used":
            rows += _reasons(counts)
    return rows


def composition_rows(run: Run) -> list[tuple[str, str, str]]:
    """(base, how often, share) in the documents looked at."""
    composition = run.record.get("profile", {}).get("composition", {})
    total = sum(composition.values())
    return [(base, _count(number), f"{number / total:.2%}") for base, number in composition.items()]


def metrics_tables(run: Run) -> list[MetricsTable]:
    """The evaluation, question by question."""
    return [
        _metrics_table(question, systems) for question, systems in run.evaluation.get("results", {}).items()
    ]


def provenance(run: Run) -> list[tuple[str, str]]:
    """What a run can be repeated from."""
    record = run.record
    facts = {
        "Command": record.get("command"),
        "Commit": record.get("git_commit"),
        "Seed": record.get("seed"),
        **{f"Data, {TABLES[name]} (SHA-256)": value for name, value in record.get("data", {}).items()},
        **{f"Version of {name}": value for name, value in record.get("versions", {}).items()},
    }
    return [(name, str(value)) for name, value in facts.items() if value not in (None, "")]


def different_settings(runs: Sequence[Run]) -> list[tuple[str, list[str]]]:
    """Settings in which the runs differ, as (key, each run's value)."""
    keys = sorted({key for run in runs for key in run.settings})
    values = {key: [str(run.settings.get(key, "-")) for run in runs] for key in keys}
    return [(key, of_runs) for key, of_runs in values.items() if len(set(of_runs)) > 1]


def metric_cell(name: str, metrics: Mapping, best: float | None = None) -> Cell:
    """A metric to three digits, with its 95 % interval where there is one."""
    value = metrics.get(name)
    if value is None:
        return Cell("-")
    interval = metrics.get("interval", {}).get(name)
    text = _three(value) + (f" [{interval[0]:.2f}-{interval[1]:.2f}]" if interval else "")
    return Cell(text, best is not None and round(value, 3) == round(best, 3))


def _metrics_table(question: str, systems: Mapping[str, Mapping]) -> MetricsTable:
    names = [name for name in COLUMNS if any(name in metrics for metrics in systems.values())]
    best = {name: best_value(name, systems) for name in names}
    rows = [
        (system, [metric_cell(name, metrics, best[name]) for name in names])
        for system, metrics in systems.items()
    ]
    count = next(iter(systems.values()))["n"]
    words = verdict(systems).replace("**", "")  # Markdown's bold
    return MetricsTable(question, count, [COLUMNS[name] for name in names], rows, words)


def _reasons(counts: Mapping) -> list[tuple[str, list[str]]]:
    rows = []
    for kind in ("filtered", "rejected"):
        for reason in sorted({reason for table in TABLES for reason in counts[table][kind]}):
            numbers = [_count(counts[table][kind].get(reason, 0)) for table in TABLES]
            rows.append((f"rows {kind}: {reason}", numbers))
    return rows


def _state(run: Run, last: Mapping) -> str:
    if run.is_finished:
        return f"finished, {run.record['steps']:,} steps"
    at = f"step {last['step']:,}, its last checkpoint" if last else "before its first checkpoint"
    return f"at work or stopped: {at}"


def _last(run: Run, key: str) -> float | None:
    return next((entry[key] for entry in reversed(run.log) if key in entry), None)


def _count(value: float | None) -> str | None:
    return None if value is None else f"{value:,.0f}"


def _three(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _share(value: float | None) -> str | None:
    return None if value is None else f"{value:.1%}"


def _gigabytes(value: float | None) -> str | None:
    return None if value is None else f"{value:.2f} GB"


def _duration(seconds: float | None) -> str | None:
    if seconds is None:
        return None
    minutes, hours = seconds / 60, seconds / 3600
    return f"{hours:.1f} hours" if hours >= 2 else f"{minutes:.1f} minutes"
