"""``loss_weights`` of a run's YAML: how much the loss of each part of a document counts."""

import json
from dataclasses import asdict, dataclass, replace
from math import isfinite

from omnina.errors import UserError


@dataclass(frozen=True)
class LossWeights:
    """A weight for each part.

    ``question`` is None where none is asked; ``soft_masked``, of bases in lower case, where case is not read.
    """

    instruction: float
    sequence: float
    question: float | None
    answer: float
    soft_masked: float | None = None

    @property
    def answers_only(self) -> bool:
        """Whether nothing before the answer is trained."""
        return not any((self.instruction, self.sequence, self.soft_masked, self.question))

    @property
    def described(self) -> str:
        """What a mean loss by these weights is of, for people."""
        weights = {weight for weight in asdict(self).values() if weight is not None}
        if len(weights) == 1:
            return "all tokens"
        return "answers" if self.answers_only else "tokens by loss_weights"


def given_weights(text: str | None, plain: LossWeights) -> LossWeights:
    """The plain weights with those of a JSON mapping in their place; UserError where they are no weights.

    Only pretraining, which asks no question, has one for ``soft_masked``.
    """
    if text is None:
        return plain
    known = {name for name, weight in asdict(plain).items() if weight is not None}
    known |= {"soft_masked"} if plain.question is None else set()
    given = _mapping(text)
    for name, weight in given.items():
        if name == "soft_masked" and name not in known:
            raise UserError("loss_weights: soft_masked is pretraining's alone; leave it out of fine-tuning.")
        if name not in known:
            raise UserError(f"loss_weights: there is no '{name}' here; there are {', '.join(sorted(known))}.")
        if not _is_weight(weight):
            raise UserError(f"loss_weights: {name} is {weight!r}; it must be a number of at least 0.")
    weights = replace(plain, **{name: float(weight) for name, weight in given.items()})
    if not any(asdict(weights).values()):
        raise UserError("loss_weights: all are 0, so there is nothing to learn; leave one above 0.")
    return weights


def _mapping(text: str) -> dict:
    try:
        given = json.loads(text)
    except json.JSONDecodeError as error:
        raise UserError(f"loss_weights is not JSON: {error}") from error
    if not isinstance(given, dict):
        raise UserError("loss_weights must be a mapping, as in {sequence: 0.1, answer: 1}.")
    return given


def _is_weight(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value) and value >= 0
