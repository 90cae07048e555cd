"""Plots of how a question is answered: who is taken for whom, ROC and PR curves, reliability."""

import textwrap
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import matplotlib

matplotlib.use("Agg")  # files only: no display is needed
import matplotlib.pyplot as plt
import numpy as np
from sklearn.metrics import precision_recall_curve, roc_curve

from omnina.evaluation.metrics import CALIBRATION_BINS, Scored, classification_metrics, confidence_bins

MOST_NUMBERED = 20  # classes with counts written into the cells of the confusion matrix
MOST_SHOWN = 40  # classes with a row and column of their own in the confusion matrix
LONGEST_NAME, LINE = 45, 62  # characters
OTHERS = "(all others)"
MODEL_COLOR, BASELINE_COLORS = "tab:blue", ("tab:orange", "tab:green", "tab:red")
GRID = np.linspace(0, 1, 201)
ONE_CLASS = "not defined: one class only"
Curve = Callable[[Scored], tuple[np.ndarray, float | None]]


def plot_question(
    scored: Scored, title: str, folder: Path, stem: str, baselines: Mapping[str, Scored]
) -> list[str]:
    """Write ``STEM_{confusion,roc,pr,reliability}.png``; curves of one class only say that there are none.

    Args:
        scored: the model's probabilities.
        title: the question.
        folder, stem: where to write.
        baselines: probabilities of others, drawn dashed beside the model's curves.

    Returns: the files' names.
    """
    systems = {"OmniNA": scored} | {name: other for name, other in baselines.items() if name != "majority"}
    plots = {
        "confusion": lambda figure: _confusion(figure, scored),
        "roc": lambda figure: _curves(figure.subplots(), systems, _roc, ("false positive rate", "recall")),
        "pr": lambda figure: _curves(figure.subplots(), systems, _pr, ("recall", "precision")),
        "reliability": lambda figure: _reliability(figure, scored),
    }
    for name, draw in plots.items():
        classes = min(len(scored.occurring), MOST_SHOWN + 1)
        size = max(5.0, 0.35 * classes + 2.5) if name == "confusion" else 5.0
        figure = plt.figure(figsize=(size + 0.8, size), layout="constrained")
        figure.suptitle(_literal(textwrap.fill(title, LINE)), fontsize="medium")
        draw(figure)
        figure.savefig(folder / f"{stem}_{name}.png", dpi=120)
        plt.close(figure)
    return [f"{stem}_{name}.png" for name in plots]


def _confusion(figure: plt.Figure, scored: Scored) -> None:
    """Shares of each right answer's rows (colour), counts in the cells if there are few classes."""
    axes = figure.subplots()
    names, rows, columns = _shown_classes(scored)
    table = np.zeros((len(names), len(names)), dtype=int)
    np.add.at(table, (rows, columns), 1)
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


def _shown_classes(scored: Scored) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Names, and the places among them of each row's right answer and of the model's.

    The most frequent classes have their own; all others share the last.
    """
    rows = np.bincount(scored.gold_places, minlength=len(scored.classes))
    predicted = np.bincount(scored.predicted_places, minlength=len(scored.classes))
    frequent = sorted(scored.occurring, key=lambda place: (-rows[place], -predicted[place]))
    shown = sorted(frequent[:MOST_SHOWN])
    names = [
        _literal(textwrap.shorten(scored.classes[place], LONGEST_NAME, placeholder=" ...")) for place in shown
    ]
    if len(frequent) > len(shown):
        names.append(OTHERS)
    places = np.full(len(scored.classes), len(shown))
    places[shown] = np.arange(len(shown))
    return names, places[scored.gold_places], places[scored.predicted_places]


def _literal(text: str) -> str:
    """Text as it stands: between two dollar signs matplotlib would read a formula."""
    return text.replace("$", r"\$")


def _curves(axes: plt.Axes, systems: Mapping[str, Scored], curve: Curve, names: tuple[str, str]) -> None:
    """A line for each system: the mean over classes; the legend gives the area. One class has none."""
    axes.set(xlabel=names[0], ylabel=names[1], xlim=(0, 1), ylim=(0, 1.02))
    axes.grid(alpha=0.3)
    if any(len(set(scored.gold)) == 1 for scored in systems.values()):  # they share the right answers
        axes.text(0.5, 0.5, ONE_CLASS, ha="center", va="center")
        return
    for index, (name, scored) in enumerate(systems.items()):
        heights, area = curve(scored)
        color = MODEL_COLOR if index == 0 else BASELINE_COLORS[(index - 1) % len(BASELINE_COLORS)]
        style = "-" if index == 0 else "--"
        label = name if area is None else f"{name} ({area:.3f})"
        axes.plot(GRID, heights, style, color=color, label=label, linewidth=2 if index == 0 else 1.5)
    place, area = ("lower right", "macro AUROC") if curve is _roc else ("lower left", "macro AP")
    axes.legend(loc=place, fontsize="small", title=f"mean over classes ({area})", title_fontsize="small")


def _roc(scored: Scored) -> tuple[np.ndarray, float | None]:
    """Mean recall over classes at each false positive rate, and the macro AUROC."""
    lines = []
    for right, scores in _one_against_the_rest(scored):
        false, true, _ = roc_curve(right, scores)
        lines.append(np.interp(GRID, false, true))
    return np.mean(lines, axis=0), classification_metrics(scored)["auroc_macro"]


def _pr(scored: Scored) -> tuple[np.ndarray, float | None]:
    """Mean precision over classes at each recall, and the macro average precision."""
    lines = []
    for right, scores in _one_against_the_rest(scored):
        precision, recall, _ = precision_recall_curve(right, scores)
        reached = np.searchsorted(recall[::-1], GRID)  # steps, as in average precision: not a line between
        lines.append(precision[::-1][reached])
    return np.mean(lines, axis=0), classification_metrics(scored)["average_precision_macro"]


def _one_against_the_rest(scored: Scored) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """(is it this class, its probability), (rows,) each, of classes with right and wrong rows."""
    for place in scored.occurring:
        right = scored.gold_places == place
        if right.any() and not right.all():
            yield right, scored.wide[:, place]


def _reliability(figure: plt.Figure, scored: Scored) -> None:
    """How often the model is right at each probability, and how many rows have it."""
    above, below = figure.subplots(2, 1, height_ratios=[3, 1], sharex=True)
    bins, confidence, right = confidence_bins(scored)
    counts = np.bincount(bins, minlength=CALIBRATION_BINS)
    used = counts > 0
    mean_confidence, share_right = (
        np.bincount(bins, values, CALIBRATION_BINS)[used] / counts[used] for values in (confidence, right)
    )
    above.plot([0, 1], [0, 1], color="0.6", linestyle="--", label="perfectly calibrated")
    above.plot(mean_confidence, share_right, "o-", color=MODEL_COLOR, label="OmniNA", clip_on=False)
    above.set(ylabel="share of answers that are right", ylim=(-0.03, 1.03), xlim=(0, 1))
    above.legend(fontsize="small")
    edges = np.arange(CALIBRATION_BINS) / CALIBRATION_BINS
    below.bar(edges, counts, width=1 / CALIBRATION_BINS, align="edge", color="0.7", edgecolor="white")
    below.set(xlabel="probability of the answer", ylabel="rows")
    for axes in (above, below):
        axes.grid(alpha=0.3)
