"""What a run leaves for people: the loss plots."""

import textwrap
from collections.abc import Mapping
from pathlib import Path

import matplotlib

matplotlib.use("Agg")  # files only: no display is needed
import matplotlib.pyplot as plt

TRAINING_COLOR, SEQUENCE_COLOR, ANNOTATION_COLOR = "0.7", "tab:blue", "tab:orange"


def plot_losses(
    log_history: list[dict],
    baselines: Mapping[str, float],
    names: Mapping[str, str],
    training: str,
    path: Path,
) -> None:
    """Losses over steps; with bits per base by source beside their Markov values where there are any.

    Args:
        log_history: the Trainer's.
        baselines: Markov bits per base by source.
        names: of the sources in metrics.
        training: what the training loss is of.
        path: the PNG to write.
    """
    figure, (losses, bits) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
    _draw(losses, log_history, "loss", f"training, {training}", TRAINING_COLOR, marker="")
    _draw(losses, log_history, "eval_sequence_loss", "validation, sequence", SEQUENCE_COLOR)
    _draw(losses, log_history, "eval_annotation_loss", "validation, annotation", ANNOTATION_COLOR)
    losses.set(xlabel="step", ylabel="loss (nats per token)", ylim=(0, None))
    if not baselines:
        _draw(bits, log_history, "eval_bits_per_base", "validation", SEQUENCE_COLOR)
    for index, (source, baseline) in enumerate(sorted(baselines.items())):
        key = f"eval_{names[source]}_bits_per_base" if len(baselines) > 1 else "eval_bits_per_base"
        _draw(bits, log_history, key, f"{source}, validation", f"C{index}")
        bits.axhline(baseline, color=f"C{index}", linestyle="--", label=f"{source}, Markov order 5")
    bits.set(xlabel="step", ylabel="bits per base", ylim=(0, None))
    for axes in (losses, bits):
        axes.grid(alpha=0.3)
        if axes.lines:  # a short run may have nothing to show yet
            axes.legend()
    figure.savefig(path, dpi=120)
    plt.close(figure)


def plot_answers(log_history: list[dict], names: Mapping[str, str], training: str, path: Path) -> None:
    """Losses over steps, and how well each question is answered (Matthews correlation).

    Args:
        log_history: the Trainer's.
        names: of the questions in metrics.
        training: what the training loss is of.
        path: the PNG to write.
    """
    figure, (losses, scores) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
    _draw(losses, log_history, "loss", f"training, {training}", TRAINING_COLOR, marker="")
    _draw(losses, log_history, "eval_loss", "validation, answers", ANNOTATION_COLOR)
    losses.set(xlabel="step", ylabel="loss (nats per token)", ylim=(0, None))
    for index, (question, name) in enumerate(names.items()):
        label = textwrap.shorten(question, 50, placeholder=" ...")
        _draw(scores, log_history, f"eval_{name}_mcc", label, f"C{index}")
    scores.set(xlabel="step", ylabel="validation, Matthews correlation", ylim=(None, 1))
    for axes in (losses, scores):
        axes.grid(alpha=0.3)
        axes.legend(fontsize="small")
    figure.savefig(path, dpi=120)
    plt.close(figure)


def _draw(axes: plt.Axes, history: list[dict], key: str, label: str, color: str, marker: str = ".") -> None:
    points = [(entry["step"], entry[key]) for entry in history if key in entry]
    if points:
        axes.plot(*zip(*points, strict=True), label=label, color=color, marker=marker)
