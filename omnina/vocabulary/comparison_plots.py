"""Plots of a comparison of tokenizers: a line for each."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import matplotlib

matplotlib.use("Agg")  # files only: no display is needed
import matplotlib.pyplot as plt
import numpy as np

from omnina.vocabulary.comparison import LONG_ROW, Comparison

SHOWN_SHARE = 0.999  # of the tokens: the few very long ones would squeeze the rest


def plot_token_lengths(comparisons: Sequence[Comparison], names: Sequence[str], path: Path) -> None:
    """Shares of the tokens of sequences and of answers by their length."""
    figure, panels = plt.subplots(1, 2, figsize=(11, 4), layout="constrained")
    kinds = [
        ("tokens of sequences", "bases", [comparison.base_lengths for comparison in comparisons]),
        ("tokens of answers", "characters", [comparison.character_lengths for comparison in comparisons]),
    ]
    for axes, (title, unit, counts) in zip(panels, kinds, strict=True):
        for name, lengths in zip(names, counts, strict=True):
            places = np.arange(max(lengths, default=0) + 1)
            shares = np.array([lengths[place] for place in places]) / max(lengths.total(), 1)
            axes.plot(places, shares, "o-", markersize=3, label=name)
        axes.set(title=title, xlabel=f"{unit} in a token", ylabel="share of the tokens", ylim=(0, None))
        axes.set_xlim(0, max(map(_longest_shown, counts)) + 1)
        axes.legend(fontsize="small")
    _finish(figure, panels, path)


def plot_row_lengths_and_changes(comparisons: Sequence[Comparison], names: Sequence[str], path: Path) -> None:
    """Share of rows of at most so many tokens, and of changes that move at most so many."""
    figure, (rows, changes) = plt.subplots(1, 2, figsize=(11, 4), layout="constrained")
    for name, comparison in zip(names, comparisons, strict=True):
        _cumulative(rows, comparison.row_lengths, name)
        _cumulative(changes, Counter(comparison.moved), name)
    rows.axvline(LONG_ROW, color="0.5", linestyle="--")
    rows.annotate(f"{LONG_ROW:,}", (LONG_ROW, 0.02), color="0.4", ha="right", rotation=90)
    rows.set(
        title="tokens of a row", xlabel="tokens", ylabel="share of rows with at most so many", xscale="log"
    )
    changes.set(
        title="tokens moved by a single-base change",
        xlabel="tokens",
        ylabel="share of changes that move at most so many",
        xlim=(0, max(_longest_shown(Counter(comparison.moved)) for comparison in comparisons) + 1),
    )
    for axes, place in ((rows, "upper left"), (changes, "lower right")):
        axes.set_ylim(0, 1.02)
        axes.legend(fontsize="small", loc=place)
    _finish(figure, (rows, changes), path)


def _cumulative(axes: plt.Axes, counts: Counter[int], name: str) -> None:
    values = np.array(sorted(counts))
    shares = np.cumsum([counts[value] for value in values]) / counts.total()
    axes.step(values, shares, where="post", label=name)


def _longest_shown(counts: Counter[int]) -> int:
    values = sorted(counts)
    below = np.cumsum([counts[value] for value in values]) < SHOWN_SHARE * counts.total()
    return values[min(int(below.sum()), len(values) - 1)] if values else 0


def _finish(figure: plt.Figure, panels: Sequence[plt.Axes], path: Path) -> None:
    for axes in panels:
        axes.grid(alpha=0.3)
    figure.savefig(path, dpi=110)
    plt.close(figure)
