"""A suite's figures: means over seeds with intervals, beside baselines, optimum and papers' scores."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy.stats import t as student

from omnina.evaluation.cut_rows import CutRows
from omnina.evaluation.evaluate import MODEL

CONFIDENCE = 0.95


@dataclass
class TaskFigures:
    """Of one task.

    Attributes:
        of_configs: the metric of each configuration's seeds.
        intervals: of configurations of one seed, or of none: (low, high), what the test rows leave open.
        cut_rows: of configurations: what of the test rows they did not read.
        others: of baselines, trained on the same rows: the metric of each seed, or of the one fit.
        other_intervals: of baselines of one fit, as ``intervals``.
        optimum: the same metric of whoever knows how the rows were made.
        published: of other models, from their papers.
    """

    of_configs: dict[str, list[float | None]] = field(default_factory=dict)
    others: dict[str, list[float | None]] = field(default_factory=dict)
    optimum: float | None = None
    published: Mapping[str, float] = field(default_factory=dict)
    intervals: dict[str, tuple[float, float] | None] = field(default_factory=dict)
    other_intervals: dict[str, tuple[float, float] | None] = field(default_factory=dict)
    cut_rows: dict[str, CutRows] = field(default_factory=dict)

    def add(self, config: str, results: Mapping[str, Mapping], metric: str) -> None:
        """Note a run's results on the test rows."""
        self.of_configs.setdefault(config, []).append(results[MODEL][metric])
        for name, of in results.items():
            if name != MODEL:
                plain = name.split(" (")[0]  # without how many rows it was trained on
                self.add_baseline(plain, [of], metric)

    def cell(self, config: str) -> str:
        """A configuration's mean with its margin, or with its interval if it has one."""
        return _with_interval(self.of_configs.get(config), self.intervals.get(config))

    def add_baseline(self, name: str, of_seeds: Sequence[Mapping], metric: str) -> None:
        """Note a baseline's results on the test rows, each with ``interval``: of each seed, or of one fit."""
        self.others[name] = [of[metric] for of in of_seeds]
        if len(of_seeds) == 1:
            self.other_intervals[name] = of_seeds[0]["interval"][metric]

    def baseline_cell(self, name: str) -> str:
        """As ``cell``, of a baseline."""
        return _with_interval(self.others.get(name), self.other_intervals.get(name))


def mean_and_margin(values: Sequence[float]) -> tuple[float, float | None]:
    """The mean over seeds, and half the width of its 95 % interval (Student's t); None for one seed."""
    mean = float(np.mean(values))
    if len(values) < 2:
        return mean, None
    error = float(np.std(values, ddof=1)) / len(values) ** 0.5
    return mean, float(student.ppf((1 + CONFIDENCE) / 2, len(values) - 1)) * error


def with_margin(values: Sequence[float | None] | None, digits: int = 3) -> str:
    """``mean ± margin`` to so many digits; ``-`` if there are none, or a run has none (of one class)."""
    if values is None or None in values:
        return "-"
    mean, margin = mean_and_margin(values)
    return f"{mean:.{digits}f}" if margin is None else f"{mean:.{digits}f} ± {margin:.{digits}f}"


def markdown(figures: Mapping[str, TaskFigures], metric: str, source: str = "") -> str:
    """One row a task; the mean of each column over its tasks last, where there are several.

    Args:
        figures: by task.
        metric: what they are.
        source: of the published ones.
    """
    configs = _names(of.of_configs for of in figures.values())
    others = _names(of.others for of in figures.values())
    published = _names(of.published for of in figures.values())
    has_optimum = any(of.optimum is not None for of in figures.values())
    header = [f"{metric}, test rows", *configs, *others, *published, *(["optimum"] * has_optimum)]
    lines = ["| " + " | ".join(header) + " |", "|---|" + "---:|" * (len(header) - 1)]
    for name, of in figures.items():
        cells = [of.cell(config) for config in configs]
        cells += [of.baseline_cell(other) for other in others]
        cells += [_plain(of.published.get(other)) for other in published]
        cells += [_plain(of.optimum)] * has_optimum
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    if len(figures) > 1:
        lines.append(_means(figures, configs, others, published, has_optimum))
    if published:
        lines += ["", f"Published scores: {source}."]
    return "\n".join(lines) + "\n" + _cut_notes(figures)


def _cut_notes(figures: Mapping[str, TaskFigures]) -> str:
    """A line for each task and configuration that did not read whole rows, beside others that did."""
    lines = [
        f"\n**Not of whole rows**: {name}, {config}: {cut.words}. Baselines and published models read more "
        "of them. A longer `max_length` reads more; of single bases, so does `resolution: pieces`.\n"
        for name, of in figures.items()
        for config, cut in of.cut_rows.items()
        if cut.cut_rows
    ]
    return "".join(lines)


def _means(
    figures: Mapping[str, TaskFigures],
    configs: Sequence[str],
    others: Sequence[str],
    published: Sequence[str],
    has_optimum: bool,
) -> str:
    """Of columns that have a figure of every task."""
    of_tasks = list(figures.values())
    columns = [[mean_of(of.of_configs.get(name)) for of in of_tasks] for name in configs]
    columns += [[mean_of(of.others.get(name)) for of in of_tasks] for name in others]
    columns += [[of.published.get(name) for of in of_tasks] for name in published]
    columns += [[of.optimum for of in of_tasks]] * has_optimum
    cells = [_plain(None if None in column else float(np.mean(column))) for column in columns]
    return "| mean | " + " | ".join(cells) + " |"


def _names(of_tasks) -> list[str]:
    return list(dict.fromkeys(name for names in of_tasks for name in names))


def mean_of(values: Sequence[float | None] | None) -> float | None:
    """Over seeds; None if there are none, or a run has none (of one class)."""
    return None if values is None or None in values else float(np.mean(values))


def _with_interval(values: Sequence[float | None] | None, interval: tuple[float, float] | None) -> str:
    mean = with_margin(values)
    return f"{mean} [{interval[0]:.3f}, {interval[1]:.3f}]" if interval else mean


def _plain(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
