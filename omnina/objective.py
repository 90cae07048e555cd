"""What training minimises where that is not the plain loss: tokens that count less or more, soft answers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from omnina.loss_weights import LossWeights
from omnina.token_kinds import is_written, token_kinds


@dataclass(frozen=True)
class TokenWeights:
    """How much the loss of each part of a document counts.

    Args:
        parts: weight of each part.
        question_margins: tokens of wording before and behind a question; None where none is asked.
    """

    parts: LossWeights
    question_margins: tuple[int, int] | None = None

    def of(self, row: Mapping) -> np.ndarray:
        """(tokens,) float32 weight of each token; BOS, and an annotation before its sequence, are wording.

        EOS belongs to what it ends. Rows have ``soft_masked`` spans where those tokens weigh otherwise.
        """
        of = self.parts
        of_kinds = [of.instruction, of.sequence, of.answer, of.sequence]  # in the order of KINDS
        weights = np.array(of_kinds, dtype=np.float32)[token_kinds(row)]
        if is_written(row):
            weights[int(np.max(row["sequence_spans"])) :] = of.sequence  # EOS: where the sequence ends
        if of.soft_masked is not None:
            for start, end in np.asarray(row["soft_masked"]).reshape(-1, 2):
                weights[start:end] = of.soft_masked
        if self.question_margins:
            before, behind = self.question_margins
            first = int(np.max(row["sequence_spans"])) + before
            weights[first : int(row["answer_start"]) - behind] = of.question
        return weights


class LabelSmoothing:
    """Answers of a question's label set that are wanted a little, though the row gives another.

    Of K labels, each other one is wanted with ``share`` / K (Szegedy et al., 2016, arXiv:1512.00567, section
    7). Along the tokens of the row's own answer this makes soft targets: at each token, among those with
    which the labels that agree so far go on. The tokens of other answers, off that way, are not trained.

    Args:
        share: taken from the row's own label and dealt out to all K.
        labels: token ids of each label, with the end of the answer, by the place of the question; questions
            that are not in it, and answers that are not among the labels, keep their plain targets.
    """

    def __init__(self, share: float, labels: Mapping[int, Sequence[tuple[int, ...]]]) -> None:
        self.share, self.labels = share, labels
        self.width = max((_widest_branch(of_question) for of_question in labels.values()), default=1)
        self._known: dict[tuple[int, tuple[int, ...]], list[dict[int, float]]] = {}

    def targets(self, question: int, answer: tuple[int, ...]) -> list[dict[int, float]]:
        """For each token of an answer, what is wanted in its place, and how much; shares sum to 1."""
        if answer not in self.labels.get(question, ()):
            return [{token: 1.0} for token in answer]
        if (question, answer) not in self._known:
            self._known[question, answer] = self._soft(self.labels[question], answer)
        return self._known[question, answer]

    def _soft(self, labels: Sequence[tuple[int, ...]], answer: tuple[int, ...]) -> list[dict[int, float]]:
        wanted = {label: self.share / len(labels) for label in labels}
        wanted[answer] += 1 - self.share
        return [_going_on(wanted, answer[:place]) for place in range(len(answer))]


@dataclass(frozen=True)
class Objective:
    """Weights of tokens and, with ``smoothing``, soft targets of answers."""

    weights: TokenWeights
    smoothing: LabelSmoothing | None = None

    @property
    def width(self) -> int:
        """K, the most candidates that a token has."""
        return self.smoothing.width if self.smoothing else 1

    def targets(self, row: Mapping) -> tuple[np.ndarray, np.ndarray]:
        """(tokens, K) int64 candidates of each token of a document, and (tokens, K) float32 their shares."""
        ids = np.asarray(row["input_ids"], dtype=np.int64)
        candidates = np.repeat(ids[:, None], self.width, axis=1)  # (tokens, K)
        shares = np.zeros(candidates.shape, dtype=np.float32)
        shares[:, 0] = self.weights.of(row)
        if self.smoothing:
            start = int(row["answer_start"])
            answer = self.smoothing.targets(int(row["source"]), tuple(ids[start:].tolist()))
            for place, wanted in enumerate(answer, start):
                candidates[place, : len(wanted)] = list(wanted)
                shares[place, : len(wanted)] = np.array(list(wanted.values())) * self.weights.parts.answer
        shares[0] = 0  # nothing predicts a document's first token
        return candidates, shares


def _going_on(wanted: Mapping[tuple[int, ...], float], prefix: tuple[int, ...]) -> dict[int, float]:
    """The next tokens of the labels that begin with the prefix, with their shares among these labels."""
    agreeing = {label: share for label, share in wanted.items() if label[: len(prefix)] == prefix}
    whole, tokens = sum(agreeing.values()), dict[int, float]()
    for label, share in agreeing.items():
        token = label[len(prefix)]
        tokens[token] = tokens.get(token, 0.0) + share / whole
    return tokens


def _widest_branch(labels: Sequence[tuple[int, ...]]) -> int:
    """The most different tokens with which labels of one beginning go on."""
    branches: dict[tuple[int, ...], set[int]] = {}
    for label in labels:
        for place, token in enumerate(label):
            branches.setdefault(label[:place], set()).add(token)
    return max(map(len, branches.values()))
