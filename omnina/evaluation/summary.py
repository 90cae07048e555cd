"""The results as tables: Markdown for people, long rows for programs."""

from collections.abc import Mapping

Results = Mapping[str, Mapping[str, Mapping]]  # by question and system: metrics, and ``interval``

COLUMNS = {
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced accuracy",
    "mcc": "MCC",
    "f1_macro": "macro F1",
    "auroc_macro": "AUROC",
    "average_precision_macro": "AP",
    "brier": "Brier",
    "calibration_error": "calibration error",
    "exact_match": "exact match",
    "token_f1": "token F1",
    "outside_label_set": "outside known answers",
}
LOWER_IS_BETTER = {"brier", "calibration_error", "outside_label_set"}


def markdown_table(results: Results) -> str:
    """A section for each question, a row for each system; the best figure of a column is bold."""
    return "\n".join(_section(question, systems) for question, systems in results.items())


def csv_rows(results: Results) -> list[dict]:
    """Long form: question, system, metric, value, low, high (95 % interval)."""
    rows = []
    for question, systems in results.items():
        for system, metrics in systems.items():
            intervals = metrics.get("interval", {})
            for name, value in metrics.items():
                if name != "interval":
                    low, high = intervals.get(name) or (None, None)
                    place = {"question": question, "system": system, "metric": name}
                    rows.append(place | {"value": value, "low": low, "high": high})
    return rows


def _section(question: str, systems: Mapping[str, Mapping]) -> str:
    names = [name for name in COLUMNS if any(name in metrics for metrics in systems.values())]
    rows = next(iter(systems.values()))["n"]
    lines = [f"## {question}", "", f"{rows:,} rows", ""]
    lines.append("| | " + " | ".join(COLUMNS[name] for name in names) + " |")
    lines.append("|---|" + "---:|" * len(names))
    best = {name: best_value(name, systems) for name in names}
    for system, metrics in systems.items():
        cells = [_cell(name, metrics, best[name]) for name in names]
        lines.append(f"| {system} | " + " | ".join(cells) + " |")
    return "\n".join([*lines, "", verdict(systems), ""])


def _cell(name: str, metrics: Mapping, best: float | None) -> str:
    value = metrics.get(name)
    if value is None:
        return "-"
    text = f"{value:.3f}"
    text = f"**{text}**" if best is not None and round(value, 3) == round(best, 3) else text
    interval = metrics.get("interval", {}).get(name)
    return f"{text} [{interval[0]:.2f}-{interval[1]:.2f}]" if interval else text


def best_value(name: str, systems: Mapping[str, Mapping]) -> float | None:
    """The best figure of a column; None where there is nothing to compare."""
    values = [metrics[name] for metrics in systems.values() if metrics.get(name) is not None]
    if len(systems) == 1 or not values:
        return None
    return min(values) if name in LOWER_IS_BETTER else max(values)


def verdict(systems: Mapping[str, Mapping]) -> str:
    """Which baselines beat the model, in words: by MCC, in free text by exact match."""
    (model, own), *others = systems.items()
    if not others:
        return ""
    metric = "mcc" if "mcc" in own else "exact_match"
    name = COLUMNS[metric]
    better = [
        f"{other} ({metrics[metric]:.3f})" for other, metrics in others if metrics[metric] > own[metric]
    ]
    if better:
        return f"**Better than {model} here** ({name} {own[metric]:.3f}): {', '.join(better)}."
    return f"No baseline has a higher {name} than {model} here."
