"""Which figures of a log are drawn, over what, and the points of each line."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from math import isfinite

import matplotlib.pyplot as plt
from markupsafe import Markup

from omnina.evaluation.plots import literal
from omnina.report.run_files import Run
from omnina.report.svg import drawn

MOST_POINTS = 300  # of a line, about: more would be too many to see, or to read in a table
MCC = re.compile(r"eval_(.+)_mcc")
SOURCE_BITS = re.compile(r"eval_(.+_)?bits_per_base")


@dataclass(frozen=True)
class Line:
    """(x, y) points in order of x."""

    label: str
    points: list[tuple[float, float]]
    dashed: bool = False
    marked: bool = False


@dataclass(frozen=True)
class Chart:
    """Lines over one axis, as a picture and as a table."""

    title: str
    x_label: str
    y_label: str
    lines: list[Line]
    from_zero: bool = False
    bars: bool = False  # of one line, whose points stand at even distances

    @property
    def name(self) -> str:
        """For ids: letters, digits and hyphens."""
        return re.sub(r"\W+", "-", self.title).strip("-").lower()

    @cached_property
    def svg(self) -> Markup:
        """The picture."""
        labels = ", ".join(line.label for line in self.lines)
        return drawn(self._draw, self.name, f"{self.title}: {labels}. The values are in the table below.")

    def table(self) -> list[tuple[float, list[float | None]]]:
        """Each x with every line's y there, None where a line has no point."""
        columns = [dict(line.points) for line in self.lines]
        places = sorted({x for column in columns for x in column})
        return [(x, [column.get(x) for column in columns]) for x in places]

    def _draw(self, figure: plt.Figure) -> None:
        axes = figure.subplots()
        if self.bars:
            places, heights = zip(*self.lines[0].points, strict=True)
            axes.bar(places, heights, width=0.95 * (places[1] - places[0]))
        else:
            self._draw_lines(axes)
        axes.set(xlabel=self.x_label, ylabel=self.y_label)
        if self.from_zero:
            axes.set_ylim(bottom=0)
        axes.locator_params(axis="x", nbins=6)  # more would touch each other on a narrow page
        axes.grid(alpha=0.15)

    def _draw_lines(self, axes: plt.Axes) -> None:
        for line in self.lines:
            style = {"linestyle": "--" if line.dashed else "-", "marker": "." if line.marked else ""}
            axes.plot(*zip(*line.points, strict=True), label=literal(line.label), linewidth=1.4, **style)
        if len(self.lines) > 1:
            axes.legend(fontsize="small")


@dataclass(frozen=True)
class Axis:
    """What lies along x: a figure of each entry, in some unit."""

    key: str
    label: str
    unit: float = 1.0


STEPS, TOKENS, TIME = (
    Axis("step", "step"),
    Axis("tokens", "million tokens", 1e6),
    Axis("seconds", "minutes", 60.0),
)


def training_charts(runs: Sequence[Run]) -> list[Chart]:
    """Every chart for which there are points; lines of several runs bear their names."""
    along = TOKENS if all(_stride(run) for run in runs) else STEPS
    charts = [
        _losses(runs, along, "Loss over tokens" if along is TOKENS else "Loss over steps"),
        _losses(runs, TIME, "Loss over time"),
        _bits_chart(runs, along),
        _chart(runs, along, "Matthews correlation in validation", "MCC", _mcc(runs), marked=True),
        _chart(runs, along, "Learning rate", "learning rate", [("learning_rate", "learning rate")]),
        _chart(runs, along, "Gradient norm", "norm before clipping", [("grad_norm", "gradient norm")]),
        _chart(runs, along, "Tokens per second", "tokens/s", [("tokens_per_second", "tokens/s")]),
        _chart(runs, along, "Share of the matrix-product ceiling (MFU)", "share", [("mfu", "MFU")]),
        _chart(runs, along, "Peak memory", "GB", [("peak_memory_gb", "peak memory")]),
        _chart(runs, along, "Waiting for data", "share of time", [("data_wait_share", "waiting")]),
    ]
    return [chart for chart in charts if chart.lines]


def _losses(runs: Sequence[Run], along: Axis, title: str) -> Chart:
    keys = [("loss", "training"), ("eval_sequence_loss", "validation, sequence")]
    kinds = sorted({"answer" if run.answers_questions else "annotation" for run in runs})
    keys.append(("eval_annotation_loss", f"validation, {' or '.join(kinds)}"))
    chart = _chart(runs, along, title, "nats per token", keys)
    lines = [Line(each.label, each.points, marked="validation" in each.label) for each in chart.lines]
    return Chart(title, along.label, chart.y_label, lines, from_zero=True)


def _bits_chart(runs: Sequence[Run], along: Axis) -> Chart:
    """By source where there are several, else over all rows; beside the Markov baselines."""
    keys = _logged(runs, SOURCE_BITS)
    chosen = [key for key in keys if key != "eval_bits_per_base"] or keys
    named = [(key, f"validation {_source(key)}".strip()) for key in chosen]
    chart = _chart(runs, along, "Bits per base", "bits", named)
    return Chart(chart.title, chart.x_label, chart.y_label, [*chart.lines, *_markov(runs, chart.lines)])


def _source(key: str) -> str:
    found = SOURCE_BITS.fullmatch(key)[1] or ""
    return found.replace("_", " ").strip()


def _mcc(runs: Sequence[Run]) -> list[tuple[str, str]]:
    return [(key, MCC.fullmatch(key)[1].replace("_", " ")) for key in _logged(runs, MCC)]


def _logged(runs: Sequence[Run], pattern: re.Pattern) -> list[str]:
    """Keys of that form, in the order in which they were logged first."""
    keys = dict.fromkeys(key for run in runs for entry in run.log for key in entry)
    return [key for key in keys if pattern.fullmatch(key)]


def _chart(
    runs: Sequence[Run],
    along: Axis,
    title: str,
    y_label: str,
    keys: Iterable[tuple[str, str]],
    marked: bool = False,
) -> Chart:
    lines = []
    for key, label in keys:
        for run in runs:
            points = _thinned(_points(run, along, key))
            if points:
                named = label if len(runs) == 1 else f"{run.name}: {label}"
                lines.append(Line(named, points, marked=marked or key.startswith("eval_")))
    return Chart(title, along.label, y_label, lines)


def _markov(runs: Sequence[Run], measured: Sequence[Line]) -> list[Line]:
    """The baselines as level lines, over the same stretch."""
    if not measured:
        return []
    places = [x for line in measured for x, _ in line.points]
    values = {source: each["order_5"] for run in runs for source, each in _baselines(run).items()}
    return [
        Line(f"Markov order 5, {source}", [(min(places), value), (max(places), value)], dashed=True)
        for source, value in values.items()
    ]


def _baselines(run: Run) -> dict:
    return run.record.get("markov_bits_per_base", {})


def _points(run: Run, along: Axis, key: str) -> list[tuple[float, float]]:
    """Of entries that have both; what is no number (a step left out) has no point."""
    entries = [_completed(run, entry) for entry in run.log]
    return [
        (entry[along.key] / along.unit, entry[key])
        for entry in entries
        if along.key in entry and isinstance(entry.get(key), int | float) and isfinite(entry[key])
    ]


def _completed(run: Run, entry: dict) -> dict:
    """With the tokens seen, which follow from the step, and the MFU, which needs the ceiling of the end."""
    found = dict(entry)
    if stride := _stride(run):
        found["tokens"] = entry["step"] * stride
    ceiling = run.record.get("matrix_product_ceiling_tflops")
    if ceiling and "model_tflops_per_second" in entry:
        found["mfu"] = entry["model_tflops_per_second"] / run.record.get("processes", 1) / ceiling
    return found


def _stride(run: Run) -> float | None:
    """Tokens of a step; None for a log that does not say."""
    for entry in run.log:
        if entry.get("tokens_seen") and entry["step"]:
            return entry["tokens_seen"] / entry["step"]
    return None


def _thinned(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """The first and the last, and of each of many stretches the lowest and the highest: no spike is lost."""
    if len(points) <= MOST_POINTS:
        return points
    ends = [round(place * len(points) / (MOST_POINTS // 2)) for place in range(MOST_POINTS // 2 + 1)]
    kept = {0, len(points) - 1}
    for start, end in pairwise(ends):
        heights = [y for _, y in points[start:end]]
        kept |= {start + heights.index(min(heights)), start + heights.index(max(heights))}
    return [points[place] for place in sorted(kept)]
