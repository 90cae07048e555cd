"""Plots of how a question is answered: who is taken for whom, ROC and PR curves, reliability."""

import textwrap
from collections.abc import Mapping
from pathlib import Path

import matplotlib

matplotlib.use("Agg")  # files only: no display is needed
import matplotlib.pyplot as plt
import numpy as np

from omnina.evaluation.curves import GRID, Confusion, Curve, QuestionCurves, Reliability

MOST_NUMBERED = 20  # classes with counts written into the cells of the confusion matrix
LONGEST_NAME, LINE = 45, 62  # characters
MODEL_COLOR = "tab:blue"
BASELINE_COLORS = ("tab:orange", "tab:green", "tab:red", "tab:purple", "tab:brown")
ONE_CLASS = "not defined: one class only"


def plot_question(curves: QuestionCurves, title: str, folder: Path, stem: str) -> list[str]:
    """Write ``STEM_{confusion,roc,pr,reliability}.png``; curves of one class only say that there are none.

    Args:
        curves: the question's figures.
        title: the question.
        folder, stem: where to write.

    Returns: the files' names.
    """
    plots = {
        "confusion": lambda figure: _draw_confusion(figure, curves.confusion),
        "roc": lambda figure: draw_roc(figure, curves),
        "pr": lambda figure: draw_pr(figure, curves),
        "reliability": lambda figure: draw_reliability(figure, curves.reliability),
    }
    for name, draw in plots.items():
        size = max(5.0, 0.35 * len(curves.confusion.names) + 2.5) if name == "confusion" else 5.0
        figure = plt.figure(figsize=(size + 0.8, size), layout="constrained")
        figure.suptitle(literal(textwrap.fill(title, LINE)), fontsize="medium")
        draw(figure)
        figure.savefig(folder / f"{stem}_{name}.png", dpi=120)
        plt.close(figure)
    return [f"{stem}_{name}.png" for name in plots]


def draw_roc(figure: plt.Figure, curves: QuestionCurves) -> None:
    """A line for each system: the mean over classes; the legend gives the area. One class has none."""
    _draw_curves(figure, curves.roc, ("false positive rate", "recall"), ("lower right", "macro AUROC"))


def draw_pr(figure: plt.Figure, curves: QuestionCurves) -> None:
    """As ``draw_roc``, of precision and recall."""
    _draw_curves(figure, curves.pr, ("recall", "precision"), ("lower left", "macro AP"))


def draw_reliability(figure: plt.Figure, reliability: Reliability) -> None:
    """How often the model is right at each probability, and how many rows have it."""
    above, below = figure.subplots(2, 1, height_ratios=[3, 1], sharex=True)
    above.plot([0, 1], [0, 1], color="0.6", linestyle="--", label="perfectly calibrated")
    measured = (reliability.confidence, reliability.right)
    above.plot(*measured, "o-", color=MODEL_COLOR, label="OmniNA", clip_on=False)
    above.set(ylabel="share of answers that are right", ylim=(-0.03, 1.03), xlim=(0, 1))
    above.legend(fontsize="small")
    bins = len(reliability.counts)
    edges = np.arange(bins) / bins
    below.bar(edges, reliability.counts, width=1 / bins, align="edge", color="0.7", edgecolor="white")
    below.set(xlabel="probability of the answer", ylabel="rows")
    for axes in (above, below):
        axes.grid(alpha=0.3)


def literal(text: str) -> str:
    """Text as it stands: between two dollar signs matplotlib would read a formula."""
    return text.replace("$", r"\$")


def _draw_confusion(figure: plt.Figure, confusion: Confusion) -> None:
    """Shares of each right answer's rows (colour), counts in the cells if there are few classes."""
    axes = figure.subplots()
    table = np.array(confusion.counts)
    names = [literal(textwrap.shorten(name, LONGEST_NAME, placeholder=" ...")) for name in confusion.names]
    shares = table / np.maximum(table.sum(1, keepdims=True), 1)
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    upright = len(names) > 3 or max(map(len, names)) > 20
    axes.set_xticks(range(len(names)), names, rotation=90 if upright else 0, fontsize="small")
    axes.set_yticks(range(len(names)), names, fontsize="small")
    axes.set(xlabel="answer of the model", ylabel="right answer")
    if len(names) <= MOST_NUMBERED:
        for (row, column), count in np.ndenumerate(table):
            color = "white" if shares[row, column] > 0.5 else "black" if count else "0.75"
            axes.text(column, row, str(count), ha="center", va="center", color=color, fontsize="small")
    figure.colorbar(image, ax=axes, label="share of the right answer's rows", shrink=0.8)


def _draw_curves(
    figure: plt.Figure, lines: Mapping[str, Curve], names: tuple[str, str], legend: tuple[str, str]
) -> None:
    """``legend``: its place, and what the area is called."""
    axes = figure.subplots()
    axes.set(xlabel=names[0], ylabel=names[1], xlim=(0, 1), ylim=(0, 1.02))
    axes.grid(alpha=0.3)
    if not lines:
        axes.text(0.5, 0.5, ONE_CLASS, ha="center", va="center")
        return
    for index, (name, curve) in enumerate(lines.items()):
        color = MODEL_COLOR if index == 0 else BASELINE_COLORS[(index - 1) % len(BASELINE_COLORS)]
        style = "-" if index == 0 else "--"
        label = name if curve.area is None else f"{name} ({curve.area:.3f})"
        axes.plot(GRID, curve.heights, style, color=color, label=label, linewidth=2 if index == 0 else 1.5)
    place, area = legend
    axes.legend(loc=place, fontsize="small", title=f"mean over classes ({area})", title_fontsize="small")
