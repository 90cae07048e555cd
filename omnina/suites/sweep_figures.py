"""What a finished pretraining says of its recipe: validation at its end and on the way, tokens, FLOPs, time.

Model FLOPs are those of ``omnina.flops``: forward and backward of the training tokens, 6 x parameters that
multiply, and causal attention. Nothing else counts: not validation, filler, activations computed twice, nor
the optimizer's own work (Muon's iteration: compare its seconds too). FLOPs of a token are those of the mean
over the training documents' lengths, in the 30 classes that ``run.json`` keeps of them; of tables that are
mixed (``train_weights``), as if each row came up equally often.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from transformers import LlamaConfig

from omnina.checkpoints.contents import checkpoint_config
from omnina.errors import UserError
from omnina.flops import training_flops
from omnina.report.run_files import Run, read_run


@dataclass(frozen=True)
class RunFigures:
    """Of one run.

    Attributes:
        validation: figures at its end, by their names in ``run.json``.
        curve: (tokens seen, figures) of each validation.
        tokens: seen in training.
        token_flops: model FLOPs of a training token.
        seconds: of training, validations included, over all calls that worked on the run.
        validated: documents, bases, and bases cut off to fit ``max_length``, of the validation tables; the
            mean of both ways where ``write_sequences`` reads them in two.
    """

    validation: Mapping[str, float]
    curve: list[tuple[float, Mapping[str, float]]]
    tokens: float
    token_flops: float
    seconds: float
    validated: Mapping[str, float]

    @property
    def flops(self) -> float:
        """Model FLOPs of the run."""
        return self.tokens * self.token_flops

    def tokens_until(self, name: str, goal: float) -> float | None:
        """Tokens seen at the first validation whose figure is at most the goal; None if there is none."""
        reached = (tokens for tokens, values in self.curve if values.get(name, np.inf) <= goal)
        return next(reached, None)


def reached_shares(reference: RunFigures, other: RunFigures, name: str) -> tuple[float, float] | None:
    """Shares of the reference's (tokens, FLOPs) that another run took to the reference's last figure.

    None if it never got there, or the reference has no such figure.
    """
    if name not in reference.validation:
        return None
    tokens = other.tokens_until(name, reference.validation[name])
    if tokens is None:
        return None
    return tokens / reference.tokens, tokens * other.token_flops / reference.flops


def read_figures(folder: Path) -> RunFigures:
    """Of a finished run's folder; UserError if it logged no tokens, or files are not as a run writes them."""
    run = read_run(folder)
    step_tokens = _step_tokens(run)
    curve = [(entry["step"] * step_tokens, entry) for entry in run.log if "eval_loss" in entry]
    return RunFigures(
        run.record["validation_at_end"],
        curve,
        run.record["steps"] * step_tokens,
        token_flops(checkpoint_config(folder), run.record["profile"]["tokens"]),
        max(entry.get("seconds", 0.0) for entry in run.log),
        _validated(run),
    )


def token_flops(config: LlamaConfig, lengths: Mapping[str, list[float]]) -> float:
    """Model FLOPs of a token, the mean over documents of a histogram: ``edges`` in tokens, ``counts``."""
    edges, counts = np.array(lengths["edges"]), np.array(lengths["counts"])
    middles = (edges[1:] + edges[:-1]) / 2
    return float((training_flops(config, middles) * counts).sum() / (middles * counts).sum())


def _step_tokens(run: Run) -> float:
    """Tokens of a step, the same in all of them."""
    for entry in run.log:
        if "tokens_seen" in entry:
            return entry["tokens_seen"] / entry["step"]
    raise UserError(f"{run.folder}: its log tells of no tokens; set logging_strategy: steps.")


def _validated(run: Run) -> dict[str, float]:
    counts, ways = run.record["counts"]["validation"], 2 if run.settings.get("write_sequences") else 1
    return {name: counts[name] / ways for name in ("documents", "bases", "trimmed_bases")}
